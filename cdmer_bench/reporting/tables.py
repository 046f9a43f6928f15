"""Which figure of the scores table stands where in a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

from cdmer_bench.errors import UserError, closest
from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.protocol import experiments
from cdmer_bench.reporting.captions import caption
from cdmer_bench.reporting.published import (
    AVERAGE,
    BASELINE,
    DIRECTIONS,
    LAYOUTS,
    PAPER_DESCRIPTOR,
    Cells,
    Layout,
    Paper,
    published,
)
from cdmer_bench.reporting.table import (
    PRINTED,
    Figure,
    Table,
    TableCell,
    TableRow,
    mark_best,
    with_averages,
)
from cdmer_bench.results.current import current
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import Selection, each_once, rows_of, rules_of, score_records

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ("task_label", "method_label", "descriptor_label")
_FIGURE = [field.name for field in fields(Figure)]
_WIDEST = 30  # characters of a column that names two databases
NOT_RUN = "not run"
_NOT_RUN_DEEP = "not run, or no weights were given: docs/c3d.md names the files that fit"
NOT_A_RESULT = ("[random weights]", "[reduced network]")  # ends of labels that only tests give


@dataclass(frozen=True)
class MissingCell:
    """A cell that was asked for and has no result."""

    task_label: str
    method_label: str
    descriptor_label: str
    reason: str  # such as ``without data: CASME II is not on this machine`` or ``failed: ...``


def build_table(
    number: str,
    records: "Iterable[CellRecord] | pd.DataFrame",
    selection: Selection = "oracle",
    *,
    descriptor: str = PAPER_DESCRIPTOR,
    missing: Iterable[MissingCell] = (),
    whole: bool = True,
    against_paper: bool = False,
    later: Sequence[Paper] = (),
    only_asked: bool = False,
) -> Table:
    """Lay results out as one of the paper's tables, or as a table of tasks outside the paper.

    Parameters
    ----------
    number : str
        ``III`` to ``VII``; ``own`` takes the tasks outside the paper as columns.
    records : iterable of CellRecord, or pandas.DataFrame
        Of one corpus, or their scores table. Those that are superseded or have no place in the
        table are passed over.
    selection : str, Rule or sequence of them
        With several rules each row appears once under each.
    descriptor : str
        Label of the descriptor of Tables III, IV and ``own``.
    missing : iterable of MissingCell
        Reasons for cells without a record; without one the reason is ``not run``.
    whole : bool
        Whether rows of the paper that nothing was run for are shown.
    against_paper : bool
        Whether cells carry the printed figures, for Tables III to VII.
    later : sequence of Paper
        Later papers whose printed rows follow, for Tables III and IV.
    only_asked : bool
        Whether columns that nothing was asked for are left out; averages say so still.

    Returns
    -------
    Table

    Raises
    ------
    UserError
        For an unknown table or rule, or records of more than one corpus.
    """
    if number not in (*LAYOUTS, "own"):
        raise UserError(f"there is no table {number!r}; {closest(number, [*LAYOUTS, 'own'])}")
    rules = rules_of(selection)
    scores = _scores(records, rules)
    corpora = sorted(scores["corpus"].unique())
    if len(corpora) > 1:
        raise UserError(f"records of the corpora {', '.join(corpora)} do not belong into one table")
    failed = scores.loc[scores["status"] != "done", [*_PLACE, "reason"]].drop_duplicates()
    missing = [*missing, *(MissingCell(*cell[1:]) for cell in rows_of(failed))]
    done = scores[scores["status"] == "done"]
    layout = LAYOUTS.get(number) or _own_layout([*rows_of(done), *missing], descriptor)
    placed = done.assign(place=[row_of(s, layout, descriptor) or "" for s in rows_of(done)])
    placed = placed[(placed["place"] != "") & placed["task_label"].isin(layout.columns)]
    reasons = {
        (row, m.task_label): m.reason
        for m in missing
        if (row := row_of(m, layout, descriptor)) is not None and m.task_label in layout.columns
    }
    rows = _rows(layout, placed, reasons, rules, whole)
    if layout.averages:
        rows = with_averages(rows)
    comparable = descriptor == PAPER_DESCRIPTOR
    in_this = [
        (paper, {place: cell for place, cell in paper.own_cells.items() if place[0] == number})
        for paper in later
        if comparable
    ]
    later = [replace(paper, cells=cells) for paper, cells in in_this if cells]
    beside = dict(published()) if against_paper and comparable else {}
    for paper in later:
        beside |= paper.cells
    _put_printed(rows, layout, beside)
    rows += [row for paper in later for row in _printed_rows(paper, layout)]
    columns = {c: DIRECTIONS.get(c, "") for c in layout.columns}
    tasks = {t.label: (t.name, t.source, t.target) for t in experiments()}
    for s in rows_of(placed):
        columns[s.task_label] = DIRECTIONS.get(s.task_label, _titled(s))
        tasks[s.task_label] = s.task, s.source, s.target
    if layout.averages:
        columns[AVERAGE] = ""
    table = Table(
        number=number,
        title=layout.title,
        row_header=layout.row_header,
        columns=tuple(columns.items()),
        rows=tuple(mark_best(rows)),
        corpus=corpora[0] if corpora else "",
        synthetic=bool(scores["synthetic"].any()),
        descriptor=descriptor if layout.compares == "methods" else "",
        against_paper=any(cell.printed for row in rows for cell in row.cells),
        tasks=tasks,
        # Each sentence is there once, however many cells it holds for.
        remarks=tuple(each_once([*placed["target_remarks"], *placed["source_remarks"]])),
    )
    if only_asked:
        asked = {AVERAGE, *placed["task_label"], *(task for _, task in reasons)}
        kept = [column in asked for column in columns]
        rows = [replace(row, cells=tuple(compress(row.cells, kept))) for row in table.rows]
        table = replace(table, rows=tuple(rows), columns=tuple(compress(table.columns, kept)))
    return replace(table, notes=caption(table, placed, rules, later, reasons))


def tables_for(
    records: "Iterable[CellRecord] | pd.DataFrame",
    selection: Selection = "oracle",
    *,
    missing: Iterable[MissingCell] = (),
    whole: bool = False,
    against_paper: bool = False,
    later: Sequence[Paper] = (),
    only_asked: bool = False,
) -> list[Table]:
    """Build every table that the results have a place in, corpus by corpus.

    Domain adaptation methods give Tables III and IV (one of each for every descriptor they
    ran on), descriptors under the Baseline give V and VI, fine-tuned ones VII, and tasks
    outside the paper a table of their own.

    Parameters
    ----------
    records, selection, missing, whole, against_paper, later, only_asked
        As for :func:`build_table`; the results may be of several corpora.
    """
    rules, missing = rules_of(selection), list(missing)
    scores = _scores(records, rules)
    tables = []
    for corpus in dict.fromkeys(scores["corpus"]) or [""]:
        mine = scores[scores["corpus"] == corpus]
        tables += [
            build_table(number, mine, rules, descriptor=descriptor, missing=missing, whole=whole,
                        against_paper=against_paper, later=later, only_asked=only_asked)
            for number, descriptor in _places([*rows_of(mine), *missing])
        ]  # fmt: skip
    return [table for table in tables if table.rows]


def in_no_table(cells: Iterable[Any]) -> str:
    """Name the networks for tests that cells were computed with, or nothing."""
    labels = [c.descriptor_label for c in cells if c.task_label in DIRECTIONS]
    found = dict.fromkeys(label for label in labels if label.endswith(NOT_A_RESULT))
    if not found:
        return ""
    return f"in no table, because such networks are for tests: {', '.join(found)}; see cdmer export"


def row_of(cell: Any, layout: Layout, descriptor: str) -> str | None:
    """Return the row of a layout that a cell belongs to by its labels, or None."""
    method, its_descriptor = cell.method_label, cell.descriptor_label
    if its_descriptor.endswith(NOT_A_RESULT) and layout.number != "own":
        return None
    if layout.compares == "methods":
        return method if its_descriptor == descriptor else None
    if its_descriptor == PAPER_DESCRIPTOR:
        return method if method == BASELINE or method in layout.rows else None
    if layout.number == "VII" and its_descriptor not in layout.rows:
        return None
    return its_descriptor if method == BASELINE else None


def _scores(
    records: "Iterable[CellRecord] | pd.DataFrame", rules: Sequence[Rule]
) -> "pd.DataFrame":
    import pandas as pd

    if isinstance(records, pd.DataFrame):
        return records[records["selection"].isin([rule.name for rule in rules])]
    return score_records(current(records), rules)


def _places(found: Sequence[Any]) -> list[tuple[str, str]]:
    """List (table number, descriptor) for every table that something belongs into."""
    places = []
    paper = [
        f
        for f in found
        if f.task_label in DIRECTIONS and not f.descriptor_label.endswith(NOT_A_RESULT)
    ]
    described = {f.descriptor_label for f in paper if f.method_label == BASELINE}
    others = described - {PAPER_DESCRIPTOR}
    for descriptor in dict.fromkeys(f.descriptor_label for f in paper):
        here = [f for f in paper if f.descriptor_label == descriptor]
        only_baseline = all(f.method_label == BASELINE for f in here)
        # A Baseline among other descriptors is a row of Tables V and VI, not a table of its own.
        if only_baseline and (descriptor != PAPER_DESCRIPTOR or others):
            continue
        tasks = {f.task_label for f in here}
        places += [(n, descriptor) for n in ("III", "IV") if tasks & set(LAYOUTS[n].columns)]
    if others:
        tasks = {f.task_label for f in paper if f.method_label == BASELINE}
        places += [(n, PAPER_DESCRIPTOR) for n in ("V", "VI") if tasks & set(LAYOUTS[n].columns)]
    if any(name in LAYOUTS["VII"].rows[4:] for name in others):
        places.append(("VII", PAPER_DESCRIPTOR))
    own = [f.descriptor_label for f in found if f.task_label not in DIRECTIONS]
    return places + [("own", descriptor) for descriptor in dict.fromkeys(own)]


def _titled(score: Any) -> str:
    """Return ``Lab A → Lab B`` where the label is shorter and there is room for titles."""
    titled = f"{score.source_title} → {score.target_title}"
    return titled if titled != score.task_label and len(titled) <= _WIDEST else ""


def _own_layout(cells: Sequence[Any], descriptor: str) -> Layout:
    found = [cell for cell in cells if cell.descriptor_label == descriptor]
    columns = tuple(dict.fromkeys(f.task_label for f in found if f.task_label not in DIRECTIONS))
    methods = {f.method_label for f in found if f.task_label in columns}
    known = tuple(m for m in LAYOUTS["III"].rows if m in methods)
    return Layout("own", "tasks outside the paper", "Method", known, columns, "methods")


def _rows(
    layout: Layout,
    placed: "pd.DataFrame",
    reasons: Mapping[tuple[str, str], str],
    rules: Sequence[Rule],
    whole: bool,
) -> list[TableRow]:
    scores = {(s.place, s.variant, s.task_label, s.selection): s for s in rows_of(placed)}
    variants: dict[str, dict[str, Any]] = {}  # of each row, with the first score of each
    for score in rows_of(placed):
        variants.setdefault(score.place, {}).setdefault(score.variant, score)
    asked = {row for row, _ in reasons}
    labels = [r for r in layout.rows if whole or r in variants or r in asked]
    labels += [r for r in (*variants, *sorted(asked)) if r not in layout.rows]
    rows = []
    for label in dict.fromkeys(labels):
        not_run = _NOT_RUN_DEEP if label.startswith("C3D-") else NOT_RUN
        for variant, one in sorted(variants.get(label, {"": None}).items()):
            names = ("", "") if one is None else (one.method, one.descriptor)
            for rule in rules:
                cells = [
                    _cell(
                        scores.get((label, variant, task, rule.name)),
                        reasons.get((label, task), not_run),
                    )
                    for task in layout.columns
                ]
                rows.append(TableRow(label, tuple(cells), variant, rule.name, *names))
    return rows


def _cell(score: Any | None, reason: str) -> TableCell:
    if score is None:
        return TableCell(reason=reason)
    if score.reason:
        return TableCell(reason=score.reason, keys=(score.key,))
    return TableCell(Figure(**{name: getattr(score, name) for name in _FIGURE}), keys=(score.key,))


def _printed_rows(paper: Paper, layout: Layout) -> list[TableRow]:
    """Return the rows of a later paper as it prints them."""
    columns = (*layout.columns, AVERAGE) if layout.averages else layout.columns
    rows = []
    for row in paper.own_rows:
        found = [paper.cells.get((layout.number, row, column)) for column in columns]
        figures = [None if p is None else Figure(p.mean_f1, p.accuracy) for p in found]
        cells = [TableCell(f, reason="" if f else "not printed") for f in figures]
        rows.append(TableRow(row, tuple(cells), paper.name, PRINTED))
    return rows


def _put_printed(rows: Sequence[TableRow], layout: Layout, beside: Cells) -> None:
    """Put printed figures beside ours; beside the averages only if they are over the same rows."""
    for row in rows:
        labels = [r.label for r in rows if r.selection == row.selection and r.label != AVERAGE]
        if row.label == AVERAGE and labels != list(layout.rows):
            continue
        for cell, column in zip(row.cells, (*layout.columns, AVERAGE), strict=False):
            if cell.figure is not None:
                cell.printed = beside.get((layout.number, row.label, column))
