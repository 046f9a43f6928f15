"""Result tables as plain data: which figure of the scores table stands where."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cdmer_bench.errors import UserError, closest
from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.reporting.captions import about_data, caption
from cdmer_bench.reporting.published import (
    AVERAGE,
    BASELINE,
    DIRECTIONS,
    LAYOUTS,
    PAPER_DESCRIPTOR,
    Layout,
    Printed,
    published,
)
from cdmer_bench.results.current import current
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import Selection, rows_of, rules_of, score_records

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "not run"
_NOT_RUN_DEEP = "not run, or no weights were given: docs/c3d.md names the files that fit"
NOT_A_RESULT = ("[random weights]", "[reduced network]")  # ends of labels that only tests give


@dataclass(frozen=True)
class Figure:
    """A result: the score of one chosen setting, or an average of such scores.

    Attributes
    ----------
    mean_f1 : float
        Between 0 and 1.
    accuracy : float
        In percent, at the same setting.
    n_settings : int
        Settings that the rule chose from; 0 for an average.
    n_target : int
        Samples of the target; 0 for an average.
    setting : str
        The chosen setting, such as ``k = 20``.
    n_undefined : int
        Settings among them that the rule left out, because its criterion is undefined there.
    converged : bool
        False if an iteration limit ended the solver at this setting.
    """

    mean_f1: float
    accuracy: float
    n_settings: int = 0
    n_target: int = 0
    setting: str = ""
    converged: bool = True
    n_undefined: int = 0


@dataclass(frozen=True)
class TableCell:
    """One cell of a table.

    Attributes
    ----------
    figure : Figure or None
        None if there is no result, or an average would lack some.
    reason : str
        Why there is no figure.
    coverage : tuple of int, optional
        For an average: how many of how many results there are.
    printed : Printed or None
        What the paper prints here, if it is to be compared.
    best_f1, best_accuracy : bool
        Whether this is the best of its column, as printed to four and two decimals.
    """

    figure: Figure | None = None
    reason: str = ""
    coverage: tuple[int, int] | None = None
    printed: Printed | None = None
    best_f1: bool = False
    best_accuracy: bool = False

    @property
    def parts(self) -> tuple[str, str] | None:
        """Mean F1 to four and accuracy to two decimals, if there is a figure."""
        return _printed_parts(self.figure)

    @property
    def printed_parts(self) -> tuple[str, str] | None:
        """The paper's mean F1 and accuracy as printed."""
        return _printed_parts(self.printed)

    @property
    def difference(self) -> tuple[float, int | None] | None:
        """The figure minus the paper's: in mean F1, and in samples unless it is an average."""
        if self.figure is None or self.printed is None:
            return None
        mean_f1 = round(round(self.figure.mean_f1, 4) - self.printed.mean_f1, 4)
        n = self.figure.n_target
        if not n:
            return mean_f1, None
        ours, theirs = (round(x.accuracy * n / 100) for x in (self.figure, self.printed))
        return mean_f1, ours - theirs

    @property
    def difference_parts(self) -> tuple[str, str] | None:
        """The differences: of mean F1, and of samples (of accuracy for an average)."""
        if self.difference is None or self.figure is None or self.printed is None:
            return None
        mean_f1, samples = self.difference
        if samples is None:
            return f"{mean_f1:+.4f}", f"{self.figure.accuracy - self.printed.accuracy:+.2f}"
        return f"{mean_f1:+.4f}", f"{samples:+d}"


def _printed_parts(figure: Figure | Printed | None) -> tuple[str, str] | None:
    return None if figure is None else (f"{figure.mean_f1:.4f}", f"{figure.accuracy:.2f}")


@dataclass(frozen=True)
class TableRow:
    """A row: a method or a descriptor under one selection rule.

    Attributes
    ----------
    label : str
        As in the paper, where the row is the paper's.
    cells : tuple of TableCell
    variant : str
        What tells this row from others of the same label, such as ``exact solver``.
    selection : str
        Name of the rule.
    method, descriptor : str
        Their names; empty for a row of averages and one that nothing was run for.
    """

    label: str
    cells: tuple[TableCell, ...]
    variant: str = ""
    selection: str = "oracle"
    method: str = ""
    descriptor: str = ""

    @property
    def name(self) -> str:
        """The label with its variant in brackets."""
        return f"{self.label} [{self.variant}]" if self.variant else self.label


@dataclass(frozen=True)
class Table:
    """A table ready to be rendered.

    Attributes
    ----------
    number : str
        ``III`` to ``VII``, or ``own`` for tasks outside the paper.
    title : str
    row_header : str
    columns : tuple of (str, str)
        Label and direction, such as ``Exp.1`` and ``H → V``; the last may be the averages.
    rows : tuple of TableRow
    notes : tuple of str
        Sentences of the caption: marker of synthetic data, corpus, rule, grids, missing cells.
    corpus : str
    synthetic : bool
    descriptor : str
        Descriptor of all rows, empty where rows are descriptors.
    against_paper : bool
        Whether cells hold the printed figures.
    tasks : dict from str to (str, str, str)
        Name, source and target of the task of each column that has results.
    remarks : tuple of str
        The notes on the databases: clips left out, classes without a clip, ignored errors.
    """

    number: str
    title: str
    row_header: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    corpus: str = ""
    synthetic: bool = False
    descriptor: str = ""
    against_paper: bool = False
    tasks: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The first line of the caption."""
        marker = " [SYNTHETIC DATA]" if self.synthetic else ""
        return f"{self.name}{marker}: m{self.content[1:]}"

    @property
    def name(self) -> str:
        """``Table III``, or ``Own tasks``."""
        return "Own tasks" if self.number == "own" else f"Table {self.number}"

    @property
    def content(self) -> str:
        """What the figures are, without the table's number."""
        return f"Mean F1-score / accuracy (%) of {self.title}"

    @property
    def several_rules(self) -> bool:
        """Whether rows differ in the rule that chose their settings."""
        return len({row.selection for row in self.rows}) > 1

    def shown_name(self, row: TableRow) -> str:
        """Name a row for people; with its rule if the table shows several."""
        return f"{row.name} ({row.selection})" if self.several_rules else row.name

    def long_name(self, row: TableRow) -> str:
        """Name a row so that it is unique over tables of the same number."""
        if self.descriptor in ("", PAPER_DESCRIPTOR):
            return row.name
        return f"{row.name} [{self.descriptor}]"


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
    records: "Iterable[CellRecord] | pd.DataFrame",
    selection: Selection = "oracle",
    *,
    descriptor: str = PAPER_DESCRIPTOR,
    missing: Iterable[MissingCell] = (),
    whole: bool = True,
    against_paper: bool = False,
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
    missing = [*missing, *_failed(scores)]
    done = scores[scores["status"] == "done"]
    layout = LAYOUTS.get(number) or _own_layout([*rows_of(done), *missing], descriptor)
    places = [row_of(score, layout, descriptor) or "" for score in rows_of(done)]
    placed = done.assign(place=places)
    placed = placed[(placed["place"] != "") & placed["task_label"].isin(layout.columns)]
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
    table = Table(
        number=number,
        title=layout.title,
        row_header=layout.row_header,
        columns=(*columns, (AVERAGE, "")) if layout.averages else columns,
        rows=tuple(mark_best(rows)),
        corpus=corpora[0] if corpora else "",
        synthetic=bool(scores["synthetic"].any()),
        descriptor=descriptor if layout.compares == "methods" else "",
        against_paper=against_paper,
        tasks={s.task_label: (s.task, s.source, s.target) for s in rows_of(placed)},
        remarks=tuple(about_data(placed)),
    )
    return replace(table, notes=caption(table, placed, rules))


def tables_for(
    records: "Iterable[CellRecord] | pd.DataFrame",
    selection: Selection = "oracle",
    *,
    missing: Iterable[MissingCell] = (),
    whole: bool = False,
    against_paper: bool = False,
) -> list[Table]:
    """Build every table that the results have a place in, corpus by corpus.

    Domain adaptation methods give Tables III and IV (one of each for every descriptor they
    ran on), descriptors under the Baseline give V and VI, fine-tuned ones VII, and tasks
    outside the paper a table of their own.

    Parameters
    ----------
    records, selection, missing, whole, against_paper
        As for :func:`build_table`; the results may be of several corpora.
    """
    rules, missing = rules_of(selection), list(missing)
    scores = _scores(records, rules)
    tables = []
    for corpus in dict.fromkeys(scores["corpus"]) or [""]:
        mine = scores[scores["corpus"] == corpus]
        for number, descriptor in _places([*rows_of(mine), *missing]):
            table = build_table(
                number,
                mine,
                rules,
                descriptor=descriptor,
                missing=missing,
                whole=whole,
                against_paper=against_paper,
            )
            if table.rows:
                tables.append(table)
    return tables


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


def _failed(scores: "pd.DataFrame") -> list[MissingCell]:
    """Return the cells of a scores table that failed, each once."""
    failed = scores[scores["status"] != "done"]
    places = failed[["task_label", "method_label", "descriptor_label", "reason"]].drop_duplicates()
    return [MissingCell(*place) for place in places.itertuples(index=False)]


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
    # By row and variant; within these by task and rule.
    found: dict[str, dict[str, dict[tuple[str, str], Any]]] = {}
    for score in rows_of(placed):
        variants = found.setdefault(score.place, {})
        variants.setdefault(score.variant, {})[score.task_label, score.selection] = score
    asked = {row for row, _ in reasons}
    labels = [r for r in layout.rows if whole or r in found or r in asked]
    labels += [r for r in (*found, *sorted(asked)) if r not in layout.rows]
    rows = []
    for label in dict.fromkeys(labels):
        not_run = _NOT_RUN_DEEP if label.startswith("C3D-") else NOT_RUN
        for variant, mine in sorted(found.get(label, {"": {}}).items()):
            one = next(iter(mine.values()), None)
            names = ("", "") if one is None else (one.method, one.descriptor)
            for rule in rules:
                cells = [
                    _cell(mine.get((task, rule.name)), reasons.get((label, task), not_run))
                    for task in layout.columns
                ]
                rows.append(TableRow(label, tuple(cells), variant, rule.name, *names))
    return rows


def _cell(score: Any | None, reason: str) -> TableCell:
    if score is None or score.reason:
        return TableCell(reason=reason if score is None else score.reason)
    return TableCell(
        Figure(
            score.mean_f1,
            score.accuracy,
            score.n_settings,
            score.n_target,
            score.setting,
            score.converged,
            score.n_undefined,
        )
    )


def average(cells: Sequence[TableCell]) -> TableCell:
    """Average cells; if any has no figure, say how many there are instead."""
    figures = [cell.figure for cell in cells if cell.figure is not None]
    coverage = (len(figures), len(cells))
    if len(figures) < len(cells) or not cells:
        return TableCell(coverage=coverage, reason="incomplete")
    mean = Figure(
        sum(f.mean_f1 for f in figures) / len(figures),
        sum(f.accuracy for f in figures) / len(figures),
    )
    return TableCell(mean, coverage=coverage)


def with_averages(rows: Sequence[TableRow]) -> list[TableRow]:
    """Add a last column of averages over tasks, and for each rule a row over two rows or more.

    A column in which a row has no figure has no average; without any there is no such row.
    """
    extended = [replace(row, cells=(*row.cells, average(row.cells))) for row in rows]
    for selection in dict.fromkeys(row.selection for row in rows):
        chosen = [row.cells for row in rows if row.selection == selection]
        means = [replace(average(column), coverage=None) for column in zip(*chosen, strict=True)]
        if len(chosen) > 1 and any(mean.figure for mean in means):
            # The paper leaves the corner empty.
            extended.append(TableRow(AVERAGE, (*means, TableCell()), selection=selection))
    return extended


def mark_best(rows: Sequence[TableRow]) -> list[TableRow]:
    """Mark the best of each column among at least two rows of the same rule; ties all win."""
    marked = [list(row.cells) for row in rows]
    n_columns = len(rows[0].cells) if rows else 0
    for selection in dict.fromkeys(row.selection for row in rows):
        for column in range(n_columns):
            places = [
                (i, cell.figure)
                for i, row in enumerate(rows)
                if row.selection == selection and row.label != AVERAGE
                for cell in [row.cells[column]]
                if cell.figure is not None
            ]
            if len(places) < 2:
                continue
            best_f1 = max(round(figure.mean_f1, 4) for _, figure in places)
            best_accuracy = max(round(figure.accuracy, 2) for _, figure in places)
            for i, figure in places:
                marked[i][column] = replace(
                    marked[i][column],
                    best_f1=round(figure.mean_f1, 4) == best_f1,
                    best_accuracy=round(figure.accuracy, 2) == best_accuracy,
                )
    return [replace(row, cells=tuple(cells)) for row, cells in zip(rows, marked, strict=True)]


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
