"""Result tables as plain data; renderers turn them into text, Markdown, CSV, LaTeX and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cdmer_bench.reporting.published import AVERAGE, PAPER_DESCRIPTOR, Printed


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


@dataclass(frozen=True)
class TableRow:
    """A row: a method or a descriptor under one selection rule.

    Attributes
    ----------
    label : str
        As in the paper, where the row is the paper's.
    cells : tuple of TableCell
    variant : str
        What tells this row from others of the same label, such as ``exact``.
    selection : str
        Name of the rule.
    """

    label: str
    cells: tuple[TableCell, ...]
    variant: str = ""
    selection: str = "oracle"

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
    """

    number: str
    title: str
    row_header: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = field(default=())
    corpus: str = ""
    synthetic: bool = False
    descriptor: str = ""
    against_paper: bool = False

    @property
    def heading(self) -> str:
        """The first line of the caption."""
        name = "Own tasks" if self.number == "own" else f"Table {self.number}"
        marker = " [SYNTHETIC DATA]" if self.synthetic else ""
        return f"{name}{marker}: {self.content}"

    @property
    def content(self) -> str:
        """What the figures are, without the table's number."""
        return f"mean F1-score / accuracy (%) of {self.title}"

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
    """Add a last column of averages over tasks, and for each rule a row over two rows or more."""
    extended = [replace(row, cells=(*row.cells, average(row.cells))) for row in rows]
    for selection in dict.fromkeys(row.selection for row in rows):
        chosen = [row.cells for row in rows if row.selection == selection]
        if len(chosen) > 1:
            means = [average(column) for column in zip(*chosen, strict=True)]
            # The paper leaves the corner empty.
            cells = (*means, TableCell())
            extended.append(TableRow(AVERAGE, cells, selection=selection))
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
