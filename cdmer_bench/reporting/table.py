"""A result table as plain data: its cells, averages, best figures, and how far the paper's are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cdmer_bench.io import gathered
from cdmer_bench.reporting.published import AVERAGE, PAPER_DESCRIPTOR, Printed

PRINTED = "as printed"  # in the place of a rule, of rows that a paper prints


@dataclass(frozen=True)
class Figure(Printed):
    """A result: the score of one chosen setting, or an average of such scores."""

    n_settings: int = 0  # settings that the rule chose from; 0 for an average
    n_target: int = 0  # samples of the target; 0 for an average
    setting: str = ""  # the chosen setting, such as ``k = 20``
    converged: bool = True  # False if an iteration limit ended the solver at this setting
    n_undefined: int = 0  # settings at which the rule's criterion is undefined


@dataclass
class TableCell:
    """One cell of a table."""

    figure: Figure | None = None  # None if there is no result, or an average would lack some
    reason: str = ""  # why there is no figure
    coverage: tuple[int, int] | None = None  # of an average: how many of how many results
    printed: Printed | None = None  # what the paper prints here, if it is to be compared
    best_f1: bool = False  # of its column, as printed to four decimals
    best_accuracy: bool = False  # to two decimals
    keys: tuple[str, ...] = ()  # of the record behind it; of an average, of all

    def shown(self, slash: str, mark: str) -> str:
        """Return the figures, those that are best of their column as ``mark`` has it.

        Without figures it is ``-``, ``no weights`` or, for the average of a row, ``(5 of 6)``.
        """
        if self.figure is not None:
            parts = zip(self.figure.parts, (self.best_f1, self.best_accuracy), strict=True)
            return slash.join(mark.format(part) if best else part for part, best in parts)
        if "no weights" in self.reason:
            return "no weights"
        if self.coverage is None or self.coverage[0] == 0:
            return "-"
        return f"({self.coverage[0]} of {self.coverage[1]})"

    @property
    def difference(self) -> tuple[float, int | None] | None:
        """The figure minus the paper's: in mean F1, and in samples unless it is an average."""
        if self.figure is None or self.printed is None:
            return None
        mean_f1 = round(round(self.figure.mean_f1, 4) - self.printed.mean_f1, 4)
        n = self.figure.n_target
        ours, theirs = (round(x.accuracy * n / 100) for x in (self.figure, self.printed))
        return mean_f1, ours - theirs if n else None

    @property
    def below(self) -> tuple[tuple[str, str], ...]:
        """What the paper prints; and the differences, in samples (of averages: in accuracy)."""
        if self.figure is None or self.printed is None or self.difference is None:
            return ()
        mean_f1, samples = self.difference
        percent = self.figure.accuracy - self.printed.accuracy
        second = f"{percent:+.2f}" if samples is None else f"{samples:+d}"
        return self.printed.parts, (f"{mean_f1:+.4f}", second)


@dataclass(frozen=True)
class TableRow:
    """A row: a method or a descriptor under one selection rule."""

    label: str  # as in the paper, where the row is the paper's
    cells: tuple[TableCell, ...]
    variant: str = ""  # what tells this row from others of the same label, such as ``exact solver``
    selection: str = "oracle"  # name of the rule
    method: str = ""  # name; empty for averages, and where nothing was run
    descriptor: str = ""

    @property
    def name(self) -> str:
        """The label with its variant in brackets."""
        return f"{self.label} [{self.variant}]" if self.variant else self.label

    @property
    def below(self) -> list[tuple[tuple[str, str] | tuple[()], ...]]:
        """The two lines of printed figures and of differences, if any are to be compared."""
        lines = [cell.below for cell in self.cells]
        return list(zip(*(line or ((), ()) for line in lines), strict=True)) if any(lines) else []


@dataclass(frozen=True)
class Table:
    """A table ready to be rendered."""

    number: str  # ``III`` to ``VII``, or ``own`` for tasks outside the paper
    title: str
    row_header: str
    columns: tuple[tuple[str, str], ...]  # label and direction, such as ``Exp.1``, ``H → V``
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()  # sentences of the caption
    corpus: str = ""
    synthetic: bool = False
    descriptor: str = ""  # of all rows; empty where rows are descriptors
    against_paper: bool = False  # whether cells hold the printed figures
    # dict from str to (str, str, str), name, source and target of the task of each column that has
    # results
    tasks: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    # the notes on the databases: clips left out, classes without a clip, ignored errors
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
        return len({row.selection for row in self.rows} - {PRINTED}) > 1

    def places(self) -> Iterator[tuple[TableRow, str, TableCell]]:
        """Yield every cell with its row and the label of its column."""
        for row in self.rows:
            for (column, _), cell in zip(self.columns, row.cells, strict=True):
                yield row, column, cell

    def shown_name(self, row: TableRow) -> str:
        """Name a row for people; with its rule if the table shows several."""
        several = self.several_rules and row.selection != PRINTED
        return f"{row.name} ({row.selection})" if several else row.name

    def long_name(self, row: TableRow) -> str:
        """Name a row so that it is unique over tables of the same number."""
        if self.descriptor in ("", PAPER_DESCRIPTOR):
            return row.name
        return f"{row.name} [{self.descriptor}]"


def average(cells: Sequence[TableCell]) -> TableCell:
    """Average cells; if any has no figure, say how many there are instead."""
    figures = [cell.figure for cell in cells if cell.figure is not None]
    keys, n = tuple(key for cell in cells for key in cell.keys), len(figures)
    if not figures or n < len(cells):
        return TableCell(None, "incomplete", (n, len(cells)), keys=keys)
    mean = Figure(sum(f.mean_f1 for f in figures) / n, sum(f.accuracy for f in figures) / n)
    return TableCell(mean, coverage=(n, n), keys=keys)


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


def without_needless_averages(table: Table) -> Table:
    """Leave out averages over one task, over tasks that nobody asked for, and over few rows."""
    n_columns, rows = len(table.columns), table.rows
    covered = [row.cells[-1].coverage for row in rows if row.cells]
    others = any(c and c[1] >= n_columns for c in covered)
    if table.columns[-1][0] == AVERAGE and (others or n_columns == 2):
        n_columns -= 1
    if n_columns < len(table.columns) or len(rows) < 3:
        rows = tuple(row for row in rows if row.label != AVERAGE)
    rows = tuple(replace(row, cells=row.cells[:n_columns]) for row in rows)
    return replace(table, columns=table.columns[:n_columns], rows=rows)


def mark_best(rows: Sequence[TableRow]) -> Sequence[TableRow]:
    """Mark the best of each column among at least two rows of the same rule; ties all win."""
    for selection in {row.selection for row in rows} - {PRINTED}:
        ranked = [r.cells for r in rows if r.selection == selection and r.label != AVERAGE]
        for column in zip(*ranked, strict=True):
            # As they are printed: figures that print alike are equal.
            found = [(cell, *map(float, cell.figure.parts)) for cell in column if cell.figure]
            for cell, mean_f1, accuracy in found if len(found) > 1 else ():
                cell.best_f1 = mean_f1 == max(f1 for _, f1, _ in found)
                cell.best_accuracy = accuracy == max(percent for *_, percent in found)
    return rows


@dataclass(frozen=True)
class Difference:
    """One cell beside the paper's."""

    table: str
    row: str
    column: str
    figure: Figure  # ours
    printed: Printed  # the paper's
    mean_f1: float  # ours as printed to four decimals, minus the paper's
    samples: int | None  # right ones more than in the paper; None for an average
    selection: str = "oracle"  # name of the rule that chose our setting


def differences(tables: Iterable[Table]) -> list[Difference]:
    """List every compared cell but averages, the largest difference in mean F1 first."""
    found = []
    for table in tables:
        for row, column, cell in table.places():
            figure, printed, apart = cell.figure, cell.printed, cell.difference
            if figure and printed and apart and AVERAGE not in (column, row.label):
                place = table.number, table.long_name(row), column
                found.append(Difference(*place, figure, printed, *apart, row.selection))
    return sorted(found, key=lambda d: -abs(d.mean_f1))


def summarize(tables: Iterable[Table]) -> str:
    """Say in a sentence how many figures equal the paper's, and the largest difference.

    A figure is one mean F1 or one accuracy; averages are left out, and a cell that stands in
    several tables (the Baseline in III, V and VII) counts once. Under several rules there is a
    line for each.
    """
    tables = list(tables)
    once = {(d.selection, d.row, d.column): d for d in differences(tables)}
    by_rule = gathered((d.selection, d) for d in once.values())
    if not by_rule:
        return "No figure to compare with the paper."
    rules = dict.fromkeys(row.selection for table in tables for row in table.rows)
    synthetic = any(table.synthetic for table in tables)
    end = "; on SYNTHETIC DATA, so no agreement is to be expected." if synthetic else "."
    return "\n".join(
        (f"{name}: " if len(by_rule) > 1 else "") + _agreement(by_rule[name]) + end
        for name in rules
        if name in by_rule
    )


def _agreement(found: Sequence[Difference]) -> str:
    equal = sum(
        (d.mean_f1 == 0) + (round(d.figure.accuracy, 2) == d.printed.accuracy) for d in found
    )
    near = sum(d.samples is not None and abs(d.samples) <= 1 for d in found)
    text = (
        f"{equal} of {2 * len(found)} figures equal to every digit, "
        f"{near} of {len(found)} accuracies within one sample"
    )
    if equal < 2 * len(found):
        f1 = max(found, key=lambda d: abs(d.mean_f1))
        count = max(found, key=lambda d: abs(d.samples or 0))
        text += (
            f"; largest difference {f1.mean_f1:+.4f} in mean F1 ({f1.row}, {f1.column}) and "
            f"{count.samples:+d} samples ({count.row}, {count.column})"
        )
    return text
