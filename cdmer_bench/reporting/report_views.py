"""Parts of the report as rows and columns, ready for the templates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.reporting.analysis import CellComparison, MethodComparison, control_of, drawn_units
from cdmer_bench.reporting.captions import (
    CHOSEN_ON_TARGET,
    about_rules,
    join_names,
    left_out_phrase,
    scope,
)
from cdmer_bench.reporting.charts import Axis, axis
from cdmer_bench.reporting.published import (
    AVERAGE,
    BASELINE,
    PAPER_DESCRIPTOR,
    differences,
    paper_order,
)
from cdmer_bench.reporting.report_data import Cell, Chosen
from cdmer_bench.reporting.rules import JudgedCell, rank_rules, summarize_rules
from cdmer_bench.reporting.table import Table, TableRow
from cdmer_bench.reporting.tables import MissingCell
from cdmer_bench.results.record import CellRecord

# An entry is a text, or a text and the number that it is sorted by.
Entry = str | tuple[str, float]


def num(value: Any, form: str = ".4f") -> Entry:
    """Return a number as an entry; a dash for what is no number."""
    if not isinstance(value, int | float) or np.isnan(value):
        return "-"
    return format(value, form), float(value)


@dataclass(frozen=True)
class Grid:
    """A table whose columns can be sorted."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Entry]]
    words: Sequence[int] = ()  # collection of int, columns that hold sentences and may wrap
    notes: Sequence[str] = field(default=())

    @property
    def kinds(self) -> list[str]:
        """The class of each column: sentences, words, or numbers."""
        return [
            "words" if i in self.words else "text" if i and self._is_text(i) else ""
            for i in range(len(self.heads))
        ]

    def _is_text(self, column: int) -> bool:
        entries = [row[column] for row in self.rows]
        return not any(isinstance(e, tuple) for e in entries) and any(e != "-" for e in entries)


@dataclass(frozen=True)
class StripRow:
    """A row of dots on a common scale; places lie between 0 and 100."""

    label: str
    dots: Sequence[tuple[float, str]]
    bar: tuple[float, float] | None = None
    mark: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Strips:
    """Rows of dots below one another, with the scale's ticks."""

    caption: str
    label: str
    rows: Sequence[StripRow]
    ticks: Sequence[tuple[float, str]]


def _places(along: Axis, values: Iterable[float]) -> list[float]:
    return [round(100 * float(p), 2) for p in along.at(list(values))]


def _ticks(along: Axis) -> list[tuple[float, str]]:
    return [(round(100 * p, 2), text) for p, text in along.ticks(5)]


def row_index(records: Sequence[CellRecord]) -> dict[tuple[str, str, str], int]:
    """Return where the figure of a table's row and column comes from."""
    found: dict[tuple[str, str, str], int] = {}
    for number, record in enumerate(records):
        found[record.descriptor_label, record.row, record.task_label] = number
        if record.method_label == BASELINE:
            name = record.row.replace(BASELINE, record.descriptor_label, 1)
            found["", name, record.task_label] = number
            if record.descriptor_label == PAPER_DESCRIPTOR:
                found["", record.row, record.task_label] = number
    return found


def cell_numbers(
    table: Table, row: TableRow, index: Mapping[tuple[str, str, str], int]
) -> list[list[int]]:
    """Return the cells behind each figure of a row; those of an average are several."""
    tasks = [label for label, _ in table.columns if label != AVERAGE]
    mine = [index.get((table.descriptor, row.name, task)) for task in tasks]
    numbers = [[] if i is None else [i] for i in mine]
    if len(table.columns) > len(tasks):
        numbers.append([i for i in mine if i is not None])
    return numbers


@dataclass(frozen=True)
class HeatMap:
    """Mean F1 of methods by tasks with their average, the best method first."""

    tasks: list[str]
    # list of (str, list), A method with, for each task and the average, (shade, text, numbers of
    # cells, best)
    rows: list[tuple[str, list[tuple[float | None, str, list[int], bool]]]]


def heat_map(cells: Sequence[Cell], numbers: Mapping[int, int], rule: str) -> HeatMap:
    """Lay out the cells compared; ``numbers`` gives each one's number in the page's data."""
    tasks = paper_order(c.record.task_label for c in cells)
    methods = paper_order(c.record.row for c in cells)
    of = {(c.record.row, c.record.task_label): c for c in cells}
    values = {place: c.values(rule) for place, c in of.items()}
    figures = np.array(
        [[np.nan if (v := values.get((m, t))) is None else v[0] for t in tasks] for m in methods]
    )
    means = figures.mean(axis=1)
    figures = np.column_stack([figures, means])
    shades, best = shade(figures), np.nanmax(np.round(figures, 4), axis=0, initial=-1)
    rows = []
    for i in np.argsort(np.where(np.isnan(means), np.inf, -means), kind="stable"):
        mine = [[numbers[id(of[methods[i], t])]] if (methods[i], t) in of else [] for t in tasks]
        n = int(np.isfinite(figures[i, :-1]).sum())
        gaps = [*["-"] * len(tasks), f"({n} of {len(tasks)})" if n else "-"]
        line: list[tuple[float | None, str, list[int], bool]] = [
            (None, gap, behind, False)
            if np.isnan(v)
            else (float(t), f"{v:.3f}".lstrip("0"), behind, len(methods) > 1 and round(v, 4) == top)
            for v, t, top, gap, behind in zip(
                figures[i].tolist(),
                shades[i],
                best,
                gaps,
                [*mine, [i for one in mine for i in one]],
                strict=True,
            )
        ]
        rows.append((methods[i], line))
    return HeatMap(tasks, rows)


def shade(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strong the colour of each figure is, 0.05 for the lowest to 0.95."""
    found = figures[np.isfinite(figures)]
    low, high = (found.min(), found.max()) if found.size else (0.0, 1.0)
    return np.round(0.05 + 0.9 * (figures - low) / (high - low if high > low else 1.0), 3)


def beside_the_paper(tables: Sequence[Table]) -> Grid | None:
    """Return the cells sorted by their difference to the printed figures."""
    rows: list[Sequence[Entry]] = [
        (
            f"{d.row}, {d.column}",
            d.table,
            (f"{d.figure.mean_f1:.4f} / {d.figure.accuracy:.2f}", d.figure.mean_f1),
            (f"{d.printed.mean_f1:.4f} / {d.printed.accuracy:.2f}", d.printed.mean_f1),
            (f"{d.mean_f1:+.4f}", abs(d.mean_f1)),
            (f"{d.samples:+d}", abs(d.samples)) if d.samples is not None else "-",
        )
        for d in differences(tables)
    ]
    heads = ("Cell", "Table", "Here", "Paper", "Difference in mean F1", "In samples")
    return Grid("Largest differences first", heads, rows) if rows else None


def methods_grid(overall: MethodComparison) -> Grid:
    """Return each method's mean, rank and test against the Baseline."""
    n, control = len(overall.tasks), control_of(overall.methods)
    nothing = [None] * len(overall.methods)
    ranks = nothing if overall.ranking is None else overall.ranking.average_ranks
    p, adjusted = (nothing if v is None else v for v in (overall.p, overall.adjusted))
    base = overall.scores[:, 0 if control is None else overall.methods.index(control)]
    better = [int(np.sum(scores > base)) for scores in overall.scores.T]
    rows: list[Sequence[Entry]] = [
        (
            method,
            num(overall.scores[:, j].mean()),
            num(ranks[j], ".2f"),
            "-" if control in (None, method) else (f"{better[j]} of {n}", better[j]),
            num(p[j], ".3g"),
            num(adjusted[j], ".3g"),
        )
        for j, method in enumerate(overall.methods)
    ]
    heads = ("Method", "Mean F1", "Average rank", "Better than Baseline", "Wilcoxon p", "Holm p")
    notes = [DEPENDENCE, *overall.left_out_sentences]
    return Grid(f"Methods over {overall.over}", heads, rows, notes=notes)


def rank_strips(overall: MethodComparison) -> Strips | None:
    """Return average ranks as intervals; methods whose intervals overlap are not told apart."""
    if overall.ranking is None:
        return None
    ranks, k = overall.ranking.average_ranks, len(overall.methods)
    half = overall.ranking.critical_difference / 2
    along = Axis(1.0, float(k))
    rows = []
    for i in np.argsort(ranks, kind="stable"):
        low, middle, high = _places(
            along, np.clip([ranks[i] - half, ranks[i], ranks[i] + half], 1, k)
        )
        tip = f"{overall.methods[i]}: average rank {ranks[i]:.2f}"
        rows.append(
            StripRow(overall.methods[i], [(middle, tip)], (low, high), text=f"{ranks[i]:.2f}")
        )
    caption = (
        f"Average rank over {overall.over}, 1 is best (Friedman p = {overall.ranking.p:.2g}). "
        "Methods whose bars do not overlap differ by more than Nemenyi's critical difference, "
        f"{overall.ranking.critical_difference:.2f}."
    )
    return Strips(caption, "average rank", rows, _ticks(along))


def tests_grid(cells: Sequence[CellComparison], rule: Rule) -> Grid:
    """Return each cell's interval, and its test against the Baseline on the same clips."""
    rows: list[Sequence[Entry]] = []
    for c in cells:
        (low, high), (least, most) = c.interval.mean_f1, c.interval.accuracy
        apart: Entry = "-"
        if c.only_this is not None and c.only_baseline is not None:
            apart = f"{c.only_this} : {c.only_baseline}", c.only_this - c.only_baseline
        first = (f"{c.task}, {c.method}", num(c.mean_f1), (f"{low:.3f} to {high:.3f}", low))
        second = (num(c.accuracy, ".2f"), (f"{least:.1f} to {most:.1f}", least))
        rows.append((*first, *second, apart, num(c.p, ".3g")))
    interval, pair = "95 % interval", "Only this right : only Baseline"
    heads = ("Cell", "Mean F1", interval, "Accuracy", interval, pair, "McNemar p")
    notes = [
        f"Bootstrap over {drawn_units(cells)}, 2,000 resamples, at the chosen setting.",
        "McNemar's exact test against the Baseline on the same clips: it takes clips as "
        "independent, those of one subject too, and is not corrected for the number of cells.",
        *([CHOSEN_ON_TARGET] if rule.uses_target_labels else []),
    ]
    return Grid("How sure each figure is", heads, rows, notes=notes)


def rules_grids(
    records: Sequence[CellRecord], rules: Sequence[Rule], judged: Sequence[JudgedCell]
) -> tuple[Grid, Grid] | None:
    """Return methods by rules, and cells by rules and budgets: mean F1 and the loss in brackets."""
    summaries = summarize_rules(judged)
    by_cell = {(s.method, s.rule): s for s in summaries}
    # A grid of one setting leaves nothing to choose and so says nothing about a rule's input.
    searched = {r.row for r in records if len(r.settings) > 1}
    shown = [
        r
        for r in rules
        if any(s.rule == r.name and s.n and s.method in searched for s in summaries)
    ]
    if not shown:
        return None
    names = [r.name for r in shown]
    rows: list[Sequence[Entry]] = []
    for method in paper_order(s.method for s in summaries):
        mine = [by_cell[method, name] for name in names]
        n = max(s.n for s in mine)
        tasks: Entry = (f"{n} of {mine[0].of}", float(n))
        values = [_with_gap(s.mean_f1, s.gap, "" if s.n == n else f", {s.n} tasks") for s in mine]
        rows.append((method, *values, tasks))
    notes = [f"{r.label} ({r.reference or 'the default of each method'})." for r in shown]
    notes += about_rules(shown)
    for rule in shown:
        of_rule = [s for s in summaries if s.rule == rule.name]
        notes.append(
            left_out_phrase(rule.name, [(s.method, s.left_out, s.settings) for s in of_rule])
        )
        lacks: dict[str, list[str]] = {}
        for summary in of_rule:
            if summary.lack:
                lacks.setdefault(summary.lack, []).append(summary.method)
        notes += [
            f"{rule.name} has no figure for some tasks of {', '.join(methods)}: {lack}."
            for lack, methods in lacks.items()
        ]
    absent = [r.name for r in rules if r not in shown]
    if absent:
        notes.append(f"Not shown, because what they need was not recorded: {', '.join(absent)}.")
    summary_grid = Grid(
        "Mean F1 under each rule (in brackets: loss against the oracle)",
        ["Method", *names, "Tasks"],
        rows,
        notes=[note for note in notes if note],
    )
    return summary_grid, _judged_grid(judged, names)


def rule_ranking(judged: Sequence[JudgedCell]) -> tuple[Strips, Grid] | None:
    """Return what each rule loses against the oracle, the best first, and the same by method."""
    ranking = rank_rules(judged)
    if ranking is None:
        return None
    along = axis([v for row in ranking.rules for v in (row.low, row.high, row.loss, 0.0)], margin=0)
    strips = []
    for row in ranking.rules:
        low, at, high = _places(along, (row.low, row.loss, row.high))
        tip = f"{row.rule}: loses {row.loss:.4f}, 95 % interval {row.low:.4f} to {row.high:.4f}"
        strips.append(StripRow(row.rule, [(at, tip)], (low, high), text=f"{row.loss:.4f}"))
    caption = (
        f"Mean F1 lost against the oracle over {ranking.n_cells} cells on {scope(ranking.tasks)}, "
        "least first; bars: 95 % intervals, tasks drawn anew."
    )
    rows: list[Sequence[Entry]] = [
        (
            row.rule,
            num(row.loss),
            (f"{row.low:.4f} to {row.high:.4f}", row.low),
            num(row.rank, ".2f"),
            (f"{row.hits} of {ranking.n_cells}", row.hits),
            *(num(row.by_method[m]) for m in ranking.methods),
        )
        for row in ranking.rules
    ]
    heads = ("Rule", "Lost", "95 % interval", "Average rank", "Nothing lost in", *ranking.methods)
    lacks = [lack or f"{name}: too little was recorded" for name, lack in ranking.left_out.items()]
    notes = [f"Not compared: {'; '.join(lacks)}."] if lacks else []
    grid = Grid(
        "Rules over methods and tasks: mean F1 lost", heads, rows, notes=[*notes, DEPENDENCE]
    )
    return Strips(caption, "mean F1 lost", strips, _ticks(along)), grid


def _with_gap(mean_f1: float | None, gap: float | None, over: str = "") -> Entry:
    if mean_f1 is None or gap is None:
        return "-"
    return f"{mean_f1:.4f}{f' (-{gap:.4f})' if gap > 0 else ''}{over}", mean_f1


def _judged_grid(judged: Sequence[JudgedCell], names: Sequence[str]) -> Grid:
    budgets = list(dict.fromkeys(m for cell in judged for m in cell.budgets))
    rows: list[Sequence[Entry]] = []
    for cell in judged:
        by_rule = {c.rule: c for c in cell.choices}
        rows.append(
            (
                f"{cell.task}, {cell.method}",
                num(cell.n_settings, ",d"),
                *(_with_gap(by_rule[name].mean_f1, by_rule[name].gap) for name in names),
                *(num(cell.budgets.get(m)) for m in budgets),
            )
        )
    heads = ["Cell", "Settings", *names, *(f"best of {m:,}" for m in budgets)]
    return Grid(
        "Every task: mean F1 under each rule, and the best of so many settings", heads, rows
    )


def gaps_grid(missing: Sequence[MissingCell]) -> Grid:
    """Return the cells without a result."""
    rows = [(m.task_label, m.method_label, m.descriptor_label, m.reason) for m in missing]
    return Grid(
        "Cells without a result", ("Task", "Method", "Descriptor", "Reason"), rows, words=[3]
    )


def notes_grid(records: Sequence[CellRecord]) -> Grid | None:
    """Return what methods noted about finished cells."""
    rows: list[Sequence[Entry]] = []
    for record in records:
        unconverged = int(np.count_nonzero(~record.converged))
        remarks = join_names(list(record.notes.values()), 2)
        if unconverged or remarks:
            share = (f"{unconverged} of {len(record.settings)}", unconverged)
            name = f"{record.task_label}, {record.row}"
            rows.append((name, share, num(len(record.notes), "d"), remarks))
    heads = ("Cell", "Settings ended by an iteration limit", "Settings with a note", "Notes")
    return Grid("What methods noted about results", heads, rows, words=[3]) if rows else None


def sources_grid(cells: Sequence[Cell], rule: str) -> Grid:
    """Return a row that leads from every figure to its stored cell and setting."""
    rows: list[Sequence[Entry]] = []
    for cell in cells:
        record, chosen, values = cell.record, cell.chosen.get(rule), cell.values(rule)
        if values is None or not isinstance(chosen, Chosen):
            continue
        rows.append(
            (
                f"{record.task_label}, {record.row}",
                record.descriptor_label,
                num(values[0]),
                num(values[1], ".2f"),
                (f"{chosen.index} of {len(record.settings):,}", chosen.index),
                chosen.setting or "none",
                num(record.about.get("seconds"), ",.1f"),
                record.key[:16],
            )
        )
    heads = ("Cell", "Descriptor", "Mean F1", "Accuracy", "Row of the grid", "Setting", "Seconds")
    note = (
        "The predictions of every setting lie in the results folder, in the cell of that key; "
        "the figure is the score of the row named here, counted from 0."
    )
    caption = "Where every figure comes from"
    return Grid(caption, (*heads, "Key"), rows, words=[5], notes=[note])


def time_strips(records: Sequence[CellRecord]) -> list[Strips]:
    """Return the seconds of every cell, and of a setting, by method with their median."""
    timed = [r for r in records if isinstance(r.about.get("seconds"), int | float)]
    if not timed:
        return []
    found = []
    for caption, share in (
        ("Seconds for a task's whole grid; the line is the median over tasks.", False),
        ("Seconds for one setting; the line is the median over tasks.", True),
    ):
        seconds = {
            id(r): max(float(r.about["seconds"]), 1e-3) / (len(r.settings) if share else 1)
            for r in timed
        }
        along = axis(list(seconds.values()), log=True)
        rows = []
        for method in paper_order(r.row for r in timed):
            mine = [r for r in timed if r.row == method]
            middle = float(np.median([seconds[id(r)] for r in mine]))
            dots = [
                (place, f"{r.task_label}: {seconds[id(r)]:.3g} s")
                for r, place in zip(
                    mine, _places(along, [seconds[id(r)] for r in mine]), strict=True
                )
            ]
            (mark,) = _places(along, [middle])
            rows.append(StripRow(method, dots, mark=mark, text=f"{middle:.3g} s"))
        found.append(Strips(caption, "seconds", rows, _ticks(along)))
    return found
