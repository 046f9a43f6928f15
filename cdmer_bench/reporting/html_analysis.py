"""Sections of the report that compare: with the paper, between rules, between methods."""

from collections.abc import Sequence

import numpy as np

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.reporting.analysis import (
    CellComparison,
    MethodComparison,
    control_of,
    drawn_units,
    unchosen,
)
from cdmer_bench.reporting.captions import CHOSEN_ON_TARGET, join_names
from cdmer_bench.reporting.comparison import differences, summarize
from cdmer_bench.reporting.html_parts import (
    Entry,
    details,
    entry_table,
    notes,
    paragraph,
    picture,
)
from cdmer_bench.reporting.plot_ranks import rank_picture
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
            (f"{d.figure.mean_f1:.4f} / {d.figure.accuracy:.2f}", d.figure.mean_f1),
            (f"{d.printed.mean_f1:.4f} / {d.printed.accuracy:.2f}", d.printed.mean_f1),
            (f"{d.mean_f1:+.4f}", abs(d.mean_f1)),
            (f"{d.samples:+d}", float(abs(d.samples))) if d.samples is not None else "-",
        )
        for d in found
    ]
    heads = ("Cell", "Table", "Here", "Paper", "Difference in mean F1", "In samples")
    return paragraph(summarize(tables)) + entry_table("Largest differences first", heads, rows)


def outcome(overall: MethodComparison | None) -> str:
    """Say in a sentence which method has the highest mean F1, and what the Baseline has."""
    if overall is None:
        return ""
    means = dict(zip(overall.methods, overall.scores.mean(axis=0).tolist(), strict=True))
    highest = max(means.values())
    best = join_names([m for m in overall.methods if means[m] == highest], 3)
    text = f"{best}: mean F1 {highest:.4f}, the highest average over {overall.over}"
    control = control_of(means)
    if control is not None and best != control:
        text += f"; the {control}, which does not adapt, has {means[control]:.4f}"
    if overall.left_out:
        text += f"; not compared, because tasks are missing: {join_names(overall.left_out, 20)}"
    return text


def statistics(
    records: Sequence[CellRecord],
    rule: Rule,
    cells: Sequence[CellComparison],
    overall: MethodComparison | None,
    pictures: bool = True,
) -> str:
    """Return ranks and tests over tasks, drawn if wanted, then each cell's interval and test."""
    sentences = unchosen(records, cells, rule)
    lacking = notes(sentences) if sentences else ""
    if not cells:
        return lacking
    each = lacking + details(
        "Every task: intervals and tests against the Baseline", _cell_table(cells, rule)
    )
    if overall is None:
        return paragraph("Tests over tasks need two methods that share two tasks.") + each
    text = _method_table(overall)
    if overall.ranking is not None and pictures:
        ranking = overall.ranking
        text += picture(
            lambda: rank_picture(
                overall.methods,
                ranking,
                any(record.synthetic for record in records),
                over=overall.over,
                left_out=overall.left_out_sentences,
            ),
            f"Average rank of each method over {overall.over}, 1 is best; a bar joins methods that "
            f"differ by less than the critical difference {ranking.critical_difference:.2f}.",
        )
    return text + notes([DEPENDENCE, *overall.left_out_sentences]) + each


def _cell_table(cells: Sequence[CellComparison], rule: Rule) -> str:
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
            _alone(c),
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
    lines = [
        f"Bootstrap over {drawn_units(cells)}, 2,000 resamples, at the chosen setting.",
        "McNemar's exact test against the Baseline on the same clips: it takes clips as "
        "independent, those of one subject too, and is not corrected for the number of cells.",
        *([CHOSEN_ON_TARGET] if rule.uses_target_labels else []),
    ]
    return entry_table("How sure each figure is", heads, rows) + notes(lines)


def _alone(cell: CellComparison) -> Entry:
    """Return how many clips one of the two alone has right, sorted by which has more."""
    if cell.p is None or cell.only_this is None or cell.only_baseline is None:
        return "-"
    text = f"{cell.only_this} : {cell.only_baseline}"
    return text, float(cell.only_this - cell.only_baseline)


def _method_table(overall: MethodComparison) -> str:
    ranks = None if overall.ranking is None else overall.ranking.average_ranks
    control = control_of(overall.methods)
    base = overall.scores[:, 0 if control is None else overall.methods.index(control)]
    rows: list[Sequence[Entry]] = []
    for j, method in enumerate(overall.methods):
        better = int(np.sum(overall.scores[:, j] > base))
        tested = overall.p is not None and overall.adjusted is not None and method != control
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
    return entry_table(f"Methods over {overall.over}", heads, rows)


def _p_entry(values: np.ndarray | None, index: int) -> Entry:
    return "-" if values is None else (f"{values[index]:.3g}", float(values[index]))
