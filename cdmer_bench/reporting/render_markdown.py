"""Tables in Markdown."""

import re

from cdmer_bench.reporting.cell_text import (
    difference_parts,
    figure_parts,
    printed_parts,
    without_figure,
)
from cdmer_bench.reporting.tables import Table, TableCell


def to_markdown(table: Table) -> str:
    """Render a table in GitHub's Markdown, best figures in bold, notes as a list below."""
    heads = [table.row_header, *(f"{a}: {b}" if b else a for a, b in table.columns)]
    lines = [f"**{escape(table.heading)}**", ""]
    lines.append("| " + " | ".join(map(escape, heads)) + " |")
    lines.append("|:--" + "|--:" * len(table.columns) + "|")
    for row in table.rows:
        cells = [escape(table.shown_name(row)), *map(_cell, row.cells)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- {escape(note)}" for note in table.notes), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """Escape what Markdown or HTML inside it would take for markup."""
    flat = " ".join(text.split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", flat)


def _cell(cell: TableCell) -> str:
    parts = figure_parts(cell)
    if parts is None:
        return without_figure(cell)
    flags = (cell.best_f1, cell.best_accuracy)
    shown = " / ".join(f"**{p}**" if b else p for p, b in zip(parts, flags, strict=True))
    printed, apart = printed_parts(cell), difference_parts(cell)
    if printed is None or apart is None:
        return shown
    return f"{shown}<br>paper {' / '.join(printed)}<br>{' / '.join(apart)}"
