"""Sections of the report that compare: with the paper, between rules, between methods."""

from collections.abc import Sequence

import numpy as np

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.reporting.analysis import (
    CellComparison,
    MethodComparison,
    RuleSummary,
    compare_cells,
    compare_methods,
    summarize_rules,
)
from cdmer_bench.reporting.comparison import differences, summarize
from cdmer_bench.reporting.html_parts import Entry, entry_table, notes, paragraph, picture
from cdmer_bench.reporting.plot_ranks import rank_picture
from cdmer_bench.reporting.published import BASELINE
from cdmer_bench.reporting.tables import Table
from cdmer_bench.results.record import CellRecord


def beside_the_paper(tables: Sequence[Table]) -> str:
    """Return the summary of agreement and the cells sorted by their difference."""
    found = differences(tables)
    if not found:
        return ""
    rows: list[Sequence[Entry]] = [
        (
            f"{d.row}, {d.column}",
            d.table,
            f"{d.figure.mean_f1:.4f} / {d.figure.accuracy:.2f}",
            f"{d.printed.mean_f1:.4f} / {d.printed.accuracy:.2f}",
            (f"{d.mean_f1:+.4f}", abs(d.mean_f1)),
            (f"{d.samples:+d}", float(abs(d.samples))) if d.samples is not None else "",
        )
        for d in found
    ]
    heads = ("Cell", "Table", "Here", "Paper", "Difference in mean F1", "In samples")
    return paragraph(summarize(tables)) + entry_table("Largest differences first", heads, rows)


def selection_rules(records: Sequence[CellRecord], rules: Sequence[Rule]) -> str:
    """Return a table of methods by rules: mean score and gap to the oracle."""
    summaries = summarize_rules(records, rules)
    if not summaries:
        return ""
    by_cell = {(s.method, s.rule): s for s in summaries}
    # A grid of one setting leaves nothing to choose and so says nothing about a rule's input.
    searched = {r.method_label for r in records if len(r.settings) > 1}
    shown = [
        r
        for r in rules
        if any(s.rule == r.name and s.n and s.method in searched for s in summaries)
    ]
    if not shown:
        return ""
    rows: list[Sequence[Entry]] = [
        (method, *(_rule_entry(by_cell[method, rule.name]) for rule in shown))
        for method in dict.fromkeys(s.method for s in summaries)
    ]
    text = paragraph(
        "The paper's rule picks the setting that is best on the target's own labels, which "
        "nobody has in practice. Here is what other rules would have picked from the same "
        "predictions: mean F1 averaged over tasks, and in brackets what is lost against the "
        "oracle."
    )
    text += entry_table(
        "Rules that choose the settings", ["Method", *(r.name for r in shown)], rows
    )
    lines = [f"{r.label} ({r.reference or 'settings given by the user'})." for r in shown]
    absent = [r.name for r in rules if r not in shown]
    if absent:
        lines.append(f"Not shown, because what they need was not recorded: {', '.join(absent)}.")
    return text + notes(lines)


def _rule_entry(summary: RuleSummary) -> Entry:
    if summary.mean_f1 is None or summary.gap is None:
        return "-"
    part = "" if summary.n == summary.of else f" ({summary.n} of {summary.of} tasks)"
    gap = f" (-{summary.gap:.4f})" if summary.gap > 0 else ""
    return f"{summary.mean_f1:.4f}{gap}{part}", summary.mean_f1


def statistics(records: Sequence[CellRecord], rule: Rule, pictures: bool = True) -> str:
    """Return intervals, tests against the Baseline and ranks over tasks, drawn if wanted."""
    cells = compare_cells(records, rule)
    if not cells:
        return ""
    text = _cell_table(cells)
    overall = compare_methods(cells)
    if overall is None:
        return text + paragraph("Tests over tasks need two methods that share two tasks.")
    text += _method_table(overall)
    if overall.ranking is not None and pictures:
        ranking, synthetic = overall.ranking, any(r.synthetic for r in records)
        text += picture(
            lambda: rank_picture(overall.methods, ranking, synthetic),
            "Average rank of each method over the tasks, 1 is best; a bar joins methods that "
            f"differ by less than the critical difference {ranking.critical_difference:.2f}.",
        )
    lines = [DEPENDENCE]
    if overall.left_out:
        lines.append(
            f"Left out, because they lack some of the {len(overall.tasks)} tasks: "
            f"{', '.join(overall.left_out)}."
        )
    return text + notes(lines)


def _cell_table(cells: Sequence[CellComparison]) -> str:
    rows: list[Sequence[Entry]] = [
        (
            f"{c.task}, {c.method}",
            (f"{c.mean_f1:.4f}", c.mean_f1),
            (f"{c.interval.mean_f1[0]:.3f} to {c.interval.mean_f1[1]:.3f}", c.interval.mean_f1[0]),
            (f"{c.accuracy:.2f}", c.accuracy),
            (
                f"{c.interval.accuracy[0]:.1f} to {c.interval.accuracy[1]:.1f}",
                c.interval.accuracy[0],
            ),
            "-" if c.p is None else f"{c.only_this} : {c.only_baseline}",
            "-" if c.p is None else (f"{c.p:.3g}", c.p),
        )
        for c in cells
    ]
    heads = (
        "Cell",
        "Mean F1",
        "95 % interval",
        "Accuracy",
        "95 % interval",
        "Right alone : Baseline alone",
        "McNemar p",
    )
    unit = "subjects" if all(c.interval.by_subject for c in cells) else "clips"
    lines = [
        f"Bootstrap over {unit}, 2,000 resamples, at the chosen setting; what choosing it on the "
        "target adds is not in the interval.",
        "McNemar's exact test against the Baseline on the same clips, not corrected for the "
        "number of cells.",
    ]
    return entry_table("How sure each figure is", heads, rows) + notes(lines)


def _method_table(overall: MethodComparison) -> str:
    ranks = None if overall.ranking is None else overall.ranking.average_ranks
    control = overall.methods.index(BASELINE) if BASELINE in overall.methods else 0
    base = overall.scores[:, control]
    rows: list[Sequence[Entry]] = []
    for j, method in enumerate(overall.methods):
        better = int(np.sum(overall.scores[:, j] > base))
        tested = overall.p is not None and overall.adjusted is not None and method != BASELINE
        rows.append(
            (
                method,
                (f"{overall.scores[:, j].mean():.4f}", float(overall.scores[:, j].mean())),
                "-" if ranks is None else (f"{ranks[j]:.2f}", float(ranks[j])),
                (f"{better} of {len(overall.tasks)}", float(better)) if tested else "-",
                _p_entry(overall.p, j) if tested else "-",
                _p_entry(overall.adjusted, j) if tested else "-",
            )
        )
    heads = ("Method", "Mean F1", "Average rank", "Better than Baseline", "Wilcoxon p", "Holm p")
    return entry_table(f"Methods over {len(overall.tasks)} tasks", heads, rows)


def _p_entry(values: np.ndarray | None, index: int) -> Entry:
    return "-" if values is None else (f"{values[index]:.3g}", float(values[index]))
