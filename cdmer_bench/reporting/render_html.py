"""A table as an HTML element; the report puts its style and its script around."""

from html import escape

from cdmer_bench.reporting.cell_text import (
    difference_parts,
    figure_parts,
    printed_parts,
    without_figure,
)
from cdmer_bench.reporting.published import AVERAGE
from cdmer_bench.reporting.tables import Table, TableCell


def to_html(table: Table) -> str:
    """Render a ``<figure>`` with caption, table and notes; everything is escaped.

    Cells carry their mean F1 in ``data-sort``, by which the report's script sorts rows; the
    row of averages stays in the table's foot.
    """
    heads = [f'<th scope="col">{escape(table.row_header)}</th>']
    heads += [
        f'<th scope="col">{escape(label)}<small>{escape(direction)}</small></th>'
        for label, direction in table.columns
    ]
    body: list[str] = []
    foot: list[str] = []
    for row in table.rows:
        cells = "".join(map(_cell, row.cells))
        line = f'<tr><th scope="row">{escape(table.shown_name(row))}</th>{cells}</tr>'
        (foot if row.label == AVERAGE else body).append(line)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f'<figure class="results"><figcaption>{escape(table.heading)}</figcaption>\n'
        f'<div class="scroll"><table class="sortable">\n<thead><tr>{"".join(heads)}</tr></thead>\n'
        f"<tbody>{chr(10).join(body)}</tbody>\n"
        + (f"<tfoot>{chr(10).join(foot)}</tfoot>\n" if foot else "")
        + f'</table></div>\n<ul class="notes">{notes}</ul></figure>\n'
    )


def _cell(cell: TableCell) -> str:
    parts = figure_parts(cell)
    if parts is None or cell.figure is None:
        return f'<td title="{escape(cell.reason)}">{without_figure(cell)}</td>'
    flags = (cell.best_f1, cell.best_accuracy)
    shown = " / ".join(f"<b>{p}</b>" if b else p for p, b in zip(parts, flags, strict=True))
    printed, apart = printed_parts(cell), difference_parts(cell)
    if printed and apart:
        shown += (
            f'<small class="paper">paper {" / ".join(printed)}</small>'
            f'<small class="apart">{" / ".join(apart)}</small>'
        )
    title = f' title="{escape(cell.figure.setting)}"' if cell.figure.setting else ""
    return f'<td data-sort="{cell.figure.mean_f1:.6f}"{title}>{shown}</td>'
