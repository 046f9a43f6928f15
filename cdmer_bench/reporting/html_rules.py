"""Section of the report on selection rules: what each would have chosen, and what it loses."""

from collections.abc import Callable, Sequence

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.parallel import run_single_threaded, start_beside
from cdmer_bench.reporting.analysis import JudgedCell, RuleSummary, judge_rules, summarize_rules
from cdmer_bench.reporting.captions import about_rules, left_out_phrase, scope
from cdmer_bench.reporting.html_parts import Entry, details, entry_table, notes, paragraph
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.results.record import CellRecord

INTRODUCTION = (
    "The paper's rule picks the setting that is best on the target's own labels, which nobody "
    "has in practice. Here is what other rules would have picked from the same predictions: "
    "mean F1 averaged over {over}, and in brackets what is lost against the oracle."
)
PER_CELL = (
    "The same for each task, and the expected best mean F1 if only so many settings of the grid, "
    "drawn at random, had been tried and judged on the target: exact, without sampling."
)
# From so many settings on, a process of its own saves more time than its start takes.
_WORTH_A_PROCESS = 10_000


def start_judging(
    records: Sequence[CellRecord], rules: Sequence[Rule]
) -> Callable[[], list[JudgedCell]]:
    """Judge the rules, beside what follows where that is worth it; the returned call waits."""
    if sum(len(r.settings) for r in records) >= _WORTH_A_PROCESS:
        return start_beside(judge_rules, records, rules)
    judged: list[JudgedCell] = run_single_threaded(0, judge_rules, (records, rules))[1]
    return lambda: judged


def selection_rules(
    records: Sequence[CellRecord], rules: Sequence[Rule], judged: Sequence[JudgedCell]
) -> str:
    """Return tables of methods by rules: mean score and gap to the oracle, then each cell's.

    Parameters
    ----------
    records, rules : sequence
    judged : sequence of JudgedCell
        What :func:`start_judging` gives for them.
    """
    summaries = summarize_rules(judged)
    if not summaries:
        return ""
    by_cell = {(s.method, s.rule): s for s in summaries}
    # A grid of one setting leaves nothing to choose and so says nothing about a rule's input.
    searched = {r.row for r in records if len(r.settings) > 1}
    shown = [
        r
        for r in rules
        if any(s.rule == r.name and s.n and s.method in searched for s in summaries)
    ]
    if not shown:
        return ""
    names = [r.name for r in shown]
    rows: list[Sequence[Entry]] = [
        (method, *(_rule_entry(by_cell[method, name]) for name in names))
        for method in paper_order(s.method for s in summaries)
    ]
    over = scope(r.task_label for r in records)
    text = paragraph(INTRODUCTION.format(over=over))
    text += entry_table("Rules that choose the settings", ["Method", *names], rows)
    text += notes(_sentences(summaries, shown, rules))
    return text + details(
        "Every task: rules and budgets", paragraph(PER_CELL) + _cells(judged, names)
    )


def _sentences(
    summaries: Sequence[RuleSummary], shown: Sequence[Rule], rules: Sequence[Rule]
) -> list[str]:
    lines = [f"{r.label} ({r.reference or 'the default of each method'})." for r in shown]
    lines += about_rules(shown)
    for rule in shown:
        mine = [s for s in summaries if s.rule == rule.name]
        lines.append(left_out_phrase(rule.name, [(s.method, s.left_out, s.settings) for s in mine]))
        lacks: dict[str, list[str]] = {}
        for summary in mine:
            if summary.lack:
                lacks.setdefault(summary.lack, []).append(summary.method)
        lines += [
            f"{rule.name} has no figure for some tasks of {', '.join(methods)}: {lack}."
            for lack, methods in lacks.items()
        ]
    absent = [r.name for r in rules if r not in shown]
    if absent:
        lines.append(f"Not shown, because what they need was not recorded: {', '.join(absent)}.")
    return [line for line in lines if line]


def _rule_entry(summary: RuleSummary) -> Entry:
    if summary.mean_f1 is None or summary.gap is None:
        return "-"
    part = "" if summary.n == summary.of else f" ({summary.n} of {summary.of} tasks)"
    return f"{_with_gap(summary.mean_f1, summary.gap)}{part}", summary.mean_f1


def _with_gap(mean_f1: float, gap: float) -> str:
    return f"{mean_f1:.4f} (-{gap:.4f})" if gap > 0 else f"{mean_f1:.4f}"


def _cells(judged: Sequence[JudgedCell], names: Sequence[str]) -> str:
    """Return a row for each cell: settings, score under each rule, expected best of a budget."""
    budgets = list(dict.fromkeys(m for cell in judged for m in cell.budgets))
    rows: list[Sequence[Entry]] = []
    for cell in judged:
        by_rule = {c.rule: c for c in cell.choices}
        line: list[Entry] = [
            f"{cell.task}, {cell.method}",
            (f"{cell.n_settings:,}", float(cell.n_settings)),
        ]
        for name in names:
            choice = by_rule[name]
            if choice.mean_f1 is None or choice.gap is None:
                line.append("-")
            else:
                line.append((_with_gap(choice.mean_f1, choice.gap), choice.mean_f1))
        for m in budgets:
            expected = cell.budgets.get(m)
            line.append("-" if expected is None else (f"{expected:.4f}", expected))
        rows.append(line)
    heads = ["Cell", "Settings", *names, *(f"best of {m:,}" for m in budgets)]
    return entry_table("Mean F1 under each rule (loss against the oracle)", heads, rows)
