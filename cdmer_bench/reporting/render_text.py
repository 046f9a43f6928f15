"""Tables for the terminal."""

import textwrap

from cdmer_bench.io import one_line
from cdmer_bench.reporting.cell_text import (
    difference_parts,
    figure_parts,
    printed_parts,
    without_figure,
)
from cdmer_bench.reporting.tables import Table, TableCell

_BOLD, _PLAIN = "\033[1m", "\033[0m"


def to_text(table: Table, *, bold: bool = False, width: int = 120) -> str:
    """Render a table in fixed-width columns.

    Parameters
    ----------
    table : Table
    bold : bool
        Whether the best figures of each column are set in bold by ANSI codes.
    width : int
        If the table is wider, ``0.8002 / 80.28`` becomes ``0.8002/80.28`` and columns move
        together; a table that is still wider stays so.

    Returns
    -------
    str
    """
    for slash, gap in ((" / ", "  "), ("/", "  "), ("/", " ")):
        lines = _lines(table, slash, gap, bold)
        if max(map(_visible, lines)) <= width:
            break
    ruler = "-" * max(map(_visible, lines))
    caption = textwrap.wrap(f"{table.heading}.", width)
    for note in table.notes:
        caption += textwrap.wrap(one_line(note), width, subsequent_indent="  ")
    # Tasks of the user's own have no directions to write in a second line.
    head, body = [line for line in lines[:2] if line], lines[2:]
    return "\n".join([*caption, ruler, *head, ruler, *body, ruler, ""])


def _lines(table: Table, slash: str, gap: str, bold: bool) -> list[str]:
    """Return two lines of column heads and the lines of all rows, columns aligned."""
    grid = [
        [table.row_header, *(one_line(label) for label, _ in table.columns)],
        ["", *(direction for _, direction in table.columns)],
    ]
    for row in table.rows:
        name = one_line(table.shown_name(row))
        grid.append([name, *(_cell(c, slash, bold) for c in row.cells)])
        if table.against_paper and any(c.printed for c in row.cells):
            pairs = [(printed_parts(c), difference_parts(c)) for c in row.cells]
            grid.append(["  paper", *(slash.join(p) if p else "" for p, _ in pairs)])
            grid.append(["  diff.", *(slash.join(d) if d else "" for _, d in pairs)])
    if not table.rows:
        grid.append(["(no result)", *("" for _ in table.columns)])
    widths = [max(map(_visible, column)) for column in zip(*grid, strict=True)]
    return [
        gap.join(
            text + " " * (width - _visible(text)) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in grid
    ]


def _cell(cell: TableCell, slash: str, bold: bool) -> str:
    parts = figure_parts(cell)
    if parts is None:
        return without_figure(cell)
    flags = (cell.best_f1, cell.best_accuracy)
    return slash.join(
        f"{_BOLD}{part}{_PLAIN}" if bold and best else part
        for part, best in zip(parts, flags, strict=True)
    )


def _visible(text: str) -> int:
    return len(text.replace(_BOLD, "").replace(_PLAIN, ""))
