"""Tables from cell records: which record stands where, chosen by which rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cdmer_bench.errors import UserError, closest
from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection import NotRecorded, Rule, rule
from cdmer_bench.reporting.captions import caption
from cdmer_bench.reporting.published import (
    AVERAGE,
    BASELINE,
    DIRECTIONS,
    LAYOUTS,
    PAPER_DESCRIPTOR,
    Layout,
    published,
)
from cdmer_bench.reporting.tables import (
    Figure,
    Table,
    TableCell,
    TableRow,
    mark_best,
    with_averages,
)
from cdmer_bench.results.current import current
from cdmer_bench.results.record import CellRecord

NOT_RUN = "not run"
_NOT_RUN_DEEP = "not run, or no weights were given: docs/c3d.md names the files that fit"
NOT_A_RESULT = ("[random weights]", "[reduced network]")  # ends of labels that only tests give


@dataclass(frozen=True)
class MissingCell:
    """A cell that was asked for and has no result.

    Attributes
    ----------
    task_label, method_label, descriptor_label : str
    reason : str
        Such as ``without data: CASME II is not on this machine`` or ``failed: ...``.
    """

    task_label: str
    method_label: str
    descriptor_label: str
    reason: str


def build_table(
    number: str,
    records: Iterable[CellRecord],
    selection: str | Rule | Sequence[str | Rule] = "oracle",
    *,
    descriptor: str = PAPER_DESCRIPTOR,
    missing: Iterable[MissingCell] = (),
    whole: bool = True,
    against_paper: bool = False,
) -> Table:
    """Lay records out as one of the paper's tables, or as a table of tasks outside the paper.

    Parameters
    ----------
    number : str
        ``III`` to ``VII``; ``own`` takes the tasks outside the paper as columns.
    records : iterable of CellRecord
        Of one corpus; those that are superseded or have no place in the table are passed over.
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
    rules = [rule(s) for s in ([selection] if isinstance(selection, str | Rule) else selection)]
    records = current(records)
    corpora = sorted({r.corpus for r in records})
    if len(corpora) > 1:
        raise UserError(f"records of the corpora {', '.join(corpora)} do not belong into one table")
    layout = LAYOUTS.get(number) or _own_layout(records, missing, descriptor)
    placed = _placed(records, layout, descriptor)
    reasons = {
        (row, m.task_label): m.reason
        for m in missing
        if (row := row_of(m, layout, descriptor)) is not None and m.task_label in layout.columns
    }
    rows = _rows(layout, placed, reasons, rules, whole)
    if layout.averages:
        rows = with_averages(rows)
    against_paper = against_paper and number in LAYOUTS and descriptor == PAPER_DESCRIPTOR
    if against_paper:
        rows = [_with_printed(row, layout, rows) for row in rows]
    columns = tuple((c, DIRECTIONS.get(c, "")) for c in layout.columns)
    used = [r for group in placed.values() for r in group]
    table = Table(
        number=number,
        title=layout.title,
        row_header=layout.row_header,
        columns=(*columns, (AVERAGE, "")) if layout.averages else columns,
        rows=tuple(mark_best(rows)),
        corpus=corpora[0] if corpora else "",
        synthetic=any(r.synthetic for r in used),
        descriptor=descriptor if layout.compares == "methods" else "",
        against_paper=against_paper,
    )
    return replace(table, notes=caption(table, used, rules))


def tables_for(
    records: Iterable[CellRecord],
    selection: str | Rule | Sequence[str | Rule] = "oracle",
    *,
    missing: Iterable[MissingCell] = (),
    whole: bool = False,
    against_paper: bool = False,
) -> list[Table]:
    """Build every table that the records have a place in, corpus by corpus.

    Domain adaptation methods give Tables III and IV (one of each for every descriptor they
    ran on), descriptors under the Baseline give V and VI, fine-tuned ones VII, and tasks
    outside the paper a table of their own.

    Parameters
    ----------
    records, selection, missing, whole, against_paper
        As for :func:`build_table`; the records may be of several corpora.
    """
    records, missing = current(records), list(missing)
    tables = []
    for corpus in dict.fromkeys(r.corpus for r in records) or [""]:
        mine = [r for r in records if r.corpus == corpus]
        for number, descriptor in _places([*mine, *missing]):
            table = build_table(
                number,
                mine,
                selection,
                descriptor=descriptor,
                missing=missing,
                whole=whole,
                against_paper=against_paper,
            )
            if table.rows:
                tables.append(table)
    return tables


def row_of(record: CellRecord | MissingCell, layout: Layout, descriptor: str) -> str | None:
    """Return the row that a record belongs to in a layout, or None."""
    method, its_descriptor = record.method_label, record.descriptor_label
    if its_descriptor.endswith(NOT_A_RESULT) and layout.number != "own":
        return None
    if layout.compares == "methods":
        return method if its_descriptor == descriptor else None
    if its_descriptor == PAPER_DESCRIPTOR:
        return method if method == BASELINE or method in layout.rows else None
    if layout.number == "VII" and its_descriptor not in layout.rows:
        return None
    return its_descriptor if method == BASELINE else None


def _places(found: Sequence[CellRecord | MissingCell]) -> list[tuple[str, str]]:
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


def _own_layout(
    records: Sequence[CellRecord], missing: Iterable[MissingCell], descriptor: str
) -> Layout:
    everything: list[CellRecord | MissingCell] = [*records, *missing]
    found = [f for f in everything if f.descriptor_label == descriptor]
    columns = tuple(dict.fromkeys(f.task_label for f in found if f.task_label not in DIRECTIONS))
    methods = {f.method_label for f in found if f.task_label in columns}
    known = tuple(m for m in LAYOUTS["III"].rows if m in methods)
    return Layout("own", "tasks outside the paper", "Method", known, columns, "methods")


def _placed(
    records: Sequence[CellRecord], layout: Layout, descriptor: str
) -> dict[str, list[CellRecord]]:
    """Return by row the records that have a place in the layout."""
    placed: dict[str, list[CellRecord]] = {}
    for record in records:
        row = row_of(record, layout, descriptor)
        if row is not None and record.task_label in layout.columns:
            placed.setdefault(row, []).append(record)
    return placed


def _rows(
    layout: Layout,
    placed: dict[str, list[CellRecord]],
    reasons: dict[tuple[str, str], str],
    rules: Sequence[Rule],
    whole: bool,
) -> list[TableRow]:
    asked = {row for row, _ in reasons}
    labels = [r for r in layout.rows if whole or r in placed or r in asked]
    labels += [r for r in (*placed, *sorted(asked)) if r not in layout.rows]
    rows = []
    for label in dict.fromkeys(labels):
        mine = placed.get(label, [])
        for variant in sorted({record.variant for record in mine}) or [""]:
            by_task = {r.task_label: r for r in mine if r.variant == variant}
            for chosen in rules:
                cells = [
                    _cell(by_task.get(task), chosen, reasons.get((label, task), _not_run(label)))
                    for task in layout.columns
                ]
                rows.append(TableRow(label, tuple(cells), variant, chosen.name))
    return rows


def _not_run(label: str) -> str:
    return _NOT_RUN_DEEP if label.startswith("C3D-") else NOT_RUN


def _cell(record: CellRecord | None, chosen: Rule, reason: str) -> TableCell:
    if record is None:
        return TableCell(reason=reason)
    try:
        selected = chosen.choose(record)
    except NotRecorded as lack:
        return TableCell(reason=lack.short)
    index = selected.index
    f1, percent = grid_scores(
        record.y_target, record.predictions[index : index + 1], len(record.classes)
    )
    return TableCell(
        Figure(
            float(f1[0]),
            float(percent[0]),
            len(record.settings),
            len(record.y_target),
            setting_text(record.settings[index]),
            bool(record.converged[index]),
            selected.n_undefined,
        )
    )


def setting_text(setting: Mapping[str, Any]) -> str:
    """Return a setting as ``k = 20, mu = 0.1``."""
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in setting.items()
    )


def _with_printed(row: TableRow, layout: Layout, rows: Sequence[TableRow]) -> TableRow:
    """Put the paper's figures beside a row's; the row of averages only if it has the same rows."""
    labels = [r.label for r in rows if r.selection == row.selection and r.label != AVERAGE]
    comparable = row.label != AVERAGE or labels == list(layout.rows)
    columns = (*layout.columns, AVERAGE)
    cells = [
        replace(cell, printed=published().get((layout.number, row.label, column)))
        if comparable and cell.figure is not None
        else cell
        for cell, column in zip(row.cells, columns, strict=False)
    ]
    return replace(row, cells=tuple(cells))
