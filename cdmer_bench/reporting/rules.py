"""Selection rules: what each chooses, what it loses against the oracle, and which is best."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.io import gathered
from cdmer_bench.reporting.captions import SYNTHETIC, about_rules, left_out_phrase, scope
from cdmer_bench.reporting.picture_data import Cell, cells_of
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.results.record import CellRecord

_EQUAL = 1e-12  # a loss below this is rounding


@dataclass(frozen=True)
class RuleSummary:
    """How a rule fares for a method, over the tasks for which it has its input."""

    method: str
    rule: str
    mean_f1: float | None  # mean over ``n`` tasks; None if there is none
    gap: float | None  # lost against the oracle, likewise
    n: int  # tasks with a result and the rule's input
    of: int  # tasks that any method was run on
    lack: str = ""  # what was not recorded
    left_out: int = 0  # settings at which the rule is undefined
    settings: int = 0  # all settings of the ``n`` tasks


def summarize_rules(cells: Sequence[Cell]) -> list[RuleSummary]:
    """Average each rule's score and oracle gap over the tasks of each method."""
    made = gathered(
        ((cell.record.row, choice.rule), (choice, len(cell.record.settings)))
        for cell in cells
        for choice in cell.choices.values()
    )
    summaries = []
    for place, found in made.items():
        scored = [(c, n) for c, n in found if c.mean_f1 is not None]
        summaries.append(
            RuleSummary(
                *place,
                mean_f1=float(np.mean([c.mean_f1 for c, _ in scored])) if scored else None,
                gap=float(np.mean([c.gap for c, _ in scored])) if scored else None,
                n=len(scored),
                of=len({cell.record.task_label for cell in cells}),
                lack=next((c.lack for c, _ in found if c.lack), ""),
                left_out=sum(c.n_undefined for c, _ in scored),
                settings=sum(n for _, n in scored),
            )
        )
    return summaries


def rules_notes(
    summaries: Sequence[RuleSummary],
    rules: Sequence[Rule],
    shown: Collection[str],  # names of the rules with a figure
) -> list[str]:
    """Say what the rules are, what they leave out and what was not recorded for them."""
    able = [rule for rule in rules if rule.name in shown]
    notes = [f"{r.label} ({r.reference or 'the default of each method'})." for r in able]
    notes += about_rules(able)
    for rule in able:
        of_rule = [s for s in summaries if s.rule == rule.name]
        notes.append(
            left_out_phrase(rule.name, [(s.method, s.left_out, s.settings) for s in of_rule])
        )
        notes += [
            f"{rule.name} has no figure for some tasks of {', '.join(methods)}: {lack}."
            for lack, methods in gathered((s.lack, s.method) for s in of_rule if s.lack).items()
        ]
    absent = [rule.name for rule in rules if rule not in able]
    if absent:
        notes.append(f"Not shown, because what they need was not recorded: {', '.join(absent)}.")
    return [note for note in notes if note]


@dataclass(frozen=True)
class RankedRule:
    """A rule over cells: what it loses in mean F1 against the oracle, and how sure that is."""

    rule: str
    loss: float  # mean over the cells
    low: float  # of the 95 % interval; NaN where there is one task only
    high: float
    rank: float  # 1 is best; mean over the cells, ties share their mean rank
    hits: int  # cells in which it loses nothing
    by_method: dict[str, float]  # mean loss over a method's cells

    @property
    def interval(self) -> str:
        """The 95 % interval as text."""
        return "-" if np.isnan(self.low) else f"{self.low:.4f} to {self.high:.4f}"


@dataclass(frozen=True)
class RuleRanking:
    """Rules compared over the cells in which all of them choose a setting, the best first.

    The last is no rule: what a setting drawn at random loses on average.
    """

    rules: tuple[RankedRule, ...]
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    n_cells: int
    left_out: dict[str, str]  # rules without their input in enough cells, and what they lack


RANDOM = "a setting at random"


def rank_rules(cells: Sequence[Cell]) -> RuleRanking | None:
    """Rank rules over methods and tasks by their loss; None if no cell had a choice to make.

    Cells of one setting have nothing to choose and are left out. A rule with its input in fewer
    than half of the others is left out and named, so that it does not decide what is compared.
    The interval is a bootstrap over tasks, because the cells of one task share its clips.
    """
    from scipy.stats import rankdata

    cells = [cell for cell in cells if len(cell.record.settings) > 1]
    names = [name for name in cells[0].choices if name != "oracle"] if cells else []
    counts = {name: sum(cell.index(name) is not None for cell in cells) for name in names}
    kept = [name for name in names if counts[name] and 2 * counts[name] >= len(cells)]
    lacks = {c.rule: c.lack for cell in cells for c in cell.choices.values() if c.lack}
    left_out = {name: lacks.get(name, "") for name in names if name not in kept}
    shared = [c for c in cells if kept and all(c.index(name) is not None for name in kept)]
    if not shared:
        return None
    table = np.array([[cell.choices[name].gap for name in kept] for cell in shared], dtype=float)
    best = np.array([cell.choices["oracle"].mean_f1 for cell in shared], dtype=float)
    by_chance = best - [cell.budgets[1] for cell in shared]
    ranks = rankdata(np.round(table, 12), axis=1)
    tasks = paper_order(cell.record.task_label for cell in shared)
    methods = paper_order(cell.record.row for cell in shared)
    of_task = np.array([tasks.index(cell.record.task_label) for cell in shared])
    of_method = np.array([cell.record.row for cell in shared])
    rows = []
    for j, name in enumerate([*kept, RANDOM]):
        loss = table[:, j] if name != RANDOM else by_chance
        low, high = _interval(loss, of_task, len(tasks))
        rank = float(ranks[:, j].mean()) if name != RANDOM else float("nan")
        hits = int(np.sum(loss <= _EQUAL))
        mine = {m: float(loss[of_method == m].mean()) for m in methods}
        rows.append(RankedRule(name, float(loss.mean()), low, high, rank, hits, mine))
    ranked = sorted(rows[:-1], key=lambda row: row.loss)
    return RuleRanking((*ranked, rows[-1]), tuple(methods), tuple(tasks), len(shared), left_out)


def _interval(
    loss: NDArray[np.float64], of_task: NDArray[np.intp], n_tasks: int
) -> tuple[float, float]:
    """Return the middle 95 % of the mean loss when tasks are drawn anew, 2,000 times."""
    if n_tasks < 2:
        return float("nan"), float("nan")
    sums = np.bincount(of_task, loss, n_tasks)
    counts = np.bincount(of_task, minlength=n_tasks)
    shares = np.full(n_tasks, 1 / n_tasks)
    draws = np.random.default_rng(0).multinomial(n_tasks, shares, size=2000)
    low, high = np.quantile((draws @ sums) / (draws @ counts), [0.025, 0.975])
    return float(low), float(high)


def rules_text(records: Sequence[CellRecord], rules: Sequence[Rule]) -> str:
    """Return the ranking of rules as text: what `cdmer stats --rules` prints."""
    ranking = rank_rules(cells_of(records, rules))
    lines = [f"Corpus: {records[0].corpus}."]
    if any(record.synthetic for record in records):
        lines.append(SYNTHETIC)
    if ranking is None:
        lines.append("No rule but the oracle has its input, or every grid has one setting.")
        return "\n".join(lines) + "\n"
    lines += [
        f"Selection rules over {ranking.n_cells} cells ({', '.join(ranking.methods)}) on "
        f"{scope(ranking.tasks)}:",
        "mean F1 lost against the oracle, which sees the target labels; 95 % interval, tasks drawn",
        "anew; average rank (1 is best); cells in which nothing is lost.",
        "",
        f"{'rule':<22}{'lost':>8}  {'interval':<18}{'rank':>6}{'nothing lost':>15}",
    ]
    for row in ranking.rules:
        rank = "-" if row.rank != row.rank else f"{row.rank:.2f}"
        hits = f"{row.hits} of {ranking.n_cells}"
        lines.append(f"{row.rule:<22}{row.loss:>8.4f}  {row.interval:<18}{rank:>6}{hits:>15}")
    width = max(8, *(len(m) + 2 for m in ranking.methods))
    heads = "".join(method.rjust(width) for method in ranking.methods)
    lines += ["", "Lost by method:", f"{'rule':<22}{heads}"]
    for row in ranking.rules:
        values = "".join(f"{row.by_method[m]:.4f}".rjust(width) for m in ranking.methods)
        lines.append(f"{row.rule:<22}{values}")
    reasons = gathered((_why(name, lack), name) for name, lack in ranking.left_out.items())
    if reasons:
        told = (f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
        lines.append(f"\nNot compared: {'; '.join(told)}.")
    return "\n".join([*lines, "", DEPENDENCE]) + "\n"


def _why(rule: str, lack: str) -> str:
    """Return what a rule lacks without its name, the same for rules that lack inputs."""
    _, recorded, how = lack.partition(", not recorded")
    return f"not recorded{how}" if recorded else lack.removeprefix(f"{rule} ") or "in too few cells"
