"""Tables as text, Markdown, CSV, JSON, HTML and LaTeX."""

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from cdmer_bench.errors import UserError, closest
from cdmer_bench.io import one_line
from cdmer_bench.reporting.published import AVERAGE
from cdmer_bench.reporting.table import Table

FORMATS = ("text", "md", "csv", "tex", "html", "json")
# Columns of the long form; the first eight are documented to stay.
COLUMNS = (
    *("table", "row", "column", "mean_f1", "accuracy", "selection", "n_settings", "corpus"),
    *("task", "source", "target", "method", "descriptor", "setting", "reason", "remarks"),
)
# How the CSV has numbers.
_WRITTEN = {
    **dict.fromkeys(("mean_f1", "paper_mean_f1"), ".4f"),
    **dict.fromkeys(("accuracy", "paper_accuracy"), ".2f"),
    **{"difference_mean_f1": "+.4f", "difference_samples": "+d"},
}
_BOLD, _PLAIN = "\033[1m", "\033[0m"


def render(table: Table, format: str = "text", **options: Any) -> str:
    """Render a table; see :func:`render_all`."""
    return render_all([table], format, **options)


def render_all(
    tables: Sequence[Table],
    format: str = "text",
    *,
    bold: bool = False,
    width: int = 120,
) -> str:
    """Render tables after one another; as CSV and JSON in one list of cells.

    Parameters
    ----------
    tables : sequence of Table
    format : str
        ``text`` for a terminal, ``md``, ``csv`` and ``json`` (long form: a line for each cell),
        ``tex`` (booktabs and threeparttable) or ``html`` (a page that needs no other file).
    bold : bool
        For ``text``: best figures in bold by ANSI codes; pass ``stdout.isatty()``.
    width : int
        For ``text``: columns of the terminal, from which the spacing is chosen.

    Returns
    -------
    str
        Ending in a newline.

    Raises
    ------
    UserError
        For an unknown format.
    """
    whole = {"csv": to_csv, "json": to_json, "html": to_page}
    if format in whole:
        return whole[format](tables)
    each: dict[str, Callable[[Table], str]]
    each = {"text": partial(to_text, bold=bold, width=width), "md": to_markdown, "tex": to_latex}
    if format not in each:
        raise UserError(f"there is no table format {format!r}; {closest(format, FORMATS)}")
    return "\n".join(map(each[format], tables))


def long_form(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Return a row for each cell, with a figure or without, and for each average that there is.

    ``mean_f1`` is rounded to four decimals and ``accuracy``, in percent, to two, as printed; both
    are None without a figure, and ``reason`` says why. ``difference_samples`` is None for averages.
    """
    tables = list(tables)
    against = any(table.against_paper for table in tables)
    rows = []
    for table in tables:
        for row, column, cell in table.places():
            figure = cell.figure
            if figure is None and AVERAGE in (row.label, column):
                continue
            task, source, target = table.tasks.get(column, ("", "", ""))
            made = {
                "table": table.number,
                "row": one_line(table.long_name(row)),
                "column": one_line(column),
                **_rounded("", figure),
                "selection": row.selection,
                "n_settings": (figure and figure.n_settings) or None,
                "corpus": table.corpus,
                "task": task,
                "source": source,
                "target": target,
                "method": row.method,
                "descriptor": row.descriptor,
                "setting": figure.setting if figure else "",
                "reason": cell.reason,
                "remarks": " ".join(table.remarks),
            }
            if against:
                made |= _rounded("paper_", cell.printed)
                apart = cell.difference or (None, None)
                made |= zip(("difference_mean_f1", "difference_samples"), apart, strict=True)
            rows.append(made)
    return rows


def _rounded(prefix: str, figure: Any | None) -> dict[str, float | None]:
    mean_f1 = None if figure is None else round(figure.mean_f1, 4)
    accuracy = None if figure is None else round(figure.accuracy, 2)
    return {f"{prefix}mean_f1": mean_f1, f"{prefix}accuracy": accuracy}


def to_csv(tables: Iterable[Table]) -> str:
    """Render the long form as CSV: mean F1 with four decimals, accuracy with two."""
    import csv
    import io

    rows = long_form(tables)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        known = {name: value for name, value in row.items() if value is not None}
        writer.writerow({name: format(known[name], _WRITTEN.get(name, "")) for name in known})
    return file.getvalue()


def to_json(tables: Iterable[Table]) -> str:
    """Render the long form as a list of objects."""
    import json

    return json.dumps(long_form(tables), indent=1, ensure_ascii=False) + "\n"


def to_text(table: Table, *, bold: bool = False, width: int = 120) -> str:
    """Render a table in fixed-width columns.

    If it is wider than ``width``, ``0.8002 / 80.28`` becomes ``0.8002/80.28`` and columns move
    together; a table that is still wider stays so.
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
    mark = _BOLD + "{}" + _PLAIN if bold else "{}"
    for row in table.rows:
        name = one_line(table.shown_name(row))
        grid.append([name, *(cell.shown(slash, mark) for cell in row.cells)])
        for title, below in zip(("  paper", "  diff."), row.below, strict=False):
            grid.append([title, *(slash.join(parts) for parts in below)])
    if not table.rows:
        grid.append(["(no result)", *("" for _ in table.columns)])
    widths = [max(map(_visible, column)) for column in zip(*grid, strict=True)]
    return [
        gap.join(
            text + " " * (width - _visible(text)) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in grid
    ]


def _visible(text: str) -> int:
    return len(text.replace(_BOLD, "").replace(_PLAIN, ""))


def to_markdown(table: Table) -> str:
    """Render a table in GitHub's Markdown, best figures in bold, notes as a list below."""
    heads = [table.row_header, *(f"{a}: {b}" if b else a for a, b in table.columns)]
    lines = [f"**{_escape_markdown(table.heading)}**", ""]
    lines.append("| " + " | ".join(map(_escape_markdown, heads)) + " |")
    lines.append("|:--" + "|--:" * len(table.columns) + "|")
    for row in table.rows:
        cells = [_escape_markdown(table.shown_name(row))]
        for cell in row.cells:
            text = cell.shown(" / ", "**{}**")
            for title, parts in zip(("paper ", ""), cell.below, strict=False):
                text += f"<br>{title}{' / '.join(parts)}"
            cells.append(text)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- {_escape_markdown(note)}" for note in table.notes), ""]
    return "\n".join(lines)


def _escape_markdown(text: str) -> str:
    """Escape what Markdown or HTML inside it would take for markup."""
    flat = " ".join(text.split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", flat)


def to_page(tables: Sequence[Table]) -> str:
    """Render tables as a page of their own, by the report's template and style sheet."""
    from cdmer_bench.reporting.html_report import page

    title = "; ".join(dict.fromkeys(table.name for table in tables)) or "No table"
    return page("tables.html", title=title, tables=tables)


# For LaTeX.
_ESCAPES = {character: rf"\{character}" for character in "&%$#_{}"}
_ESCAPES |= {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",  # which LaTeX's own fonts set as a dash
    "→": r"$\rightarrow$",
}
# ο is missing: LaTeX has no command for it.
_GREEK = "αβγδεζηθικλμνξπρστφχψωΔΛΣΩ"
_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi "
    "chi psi omega Delta Lambda Sigma Omega"
)
_ESCAPES |= {letter: rf"$\{name}$" for letter, name in zip(_GREEK, _NAMES.split(), strict=True)}
# pdflatex sets the letters of Latin scripts, and these signs, without a further package.
_LAST_LATIN, _SIGNS = "\u017f", "‘’“”–—…†‡•"
# Longer names are broken, so that the figures stay on the page.
_LONGEST_NAME = 20


def to_latex(table: Table) -> str:
    """Render a ``table*`` with booktabs rules, a short caption, and the notes below the table.

    It fits the 516 pt that a two-column page of IEEEtran has. Rows without a figure are left to
    the notes. Letters that pdflatex lacks are named in a comment above it.
    """
    rows = [row for row in table.rows if any(cell.figure for cell in row.cells)]
    # LaTeX numbers the table itself.
    caption = escape(f"{'Synthetic data: m' if table.synthetic else 'M'}{table.content[1:]}.")
    notes = [escape(note) for note in table.notes]
    names = [table.shown_name(row) for row in rows]
    broken = max(map(len, names), default=0) > _LONGEST_NAME
    # Names with a rule are long, and the page is not.
    slash = "/" if table.several_rules or broken else " / "
    lines = [
        r"\begin{table*}[t]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\begin{threeparttable}",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:cdmer-{table.number.lower()}}}",
        rf"\begin{{tabular}}{{{'p{9em}' if broken else 'l'}*{{{len(table.columns)}}}{{c}}}}",
        r"\toprule",
        _row([escape(table.row_header), *(escape(label) for label, _ in table.columns)]),
    ]
    if any(direction for _, direction in table.columns):
        lines.append(_row(["", *(escape(direction) for _, direction in table.columns)]))
    lines.append(r"\midrule")
    for name, row in zip(names, rows, strict=True):
        if row.label == AVERAGE:
            lines.append(r"\midrule")
        head = (r"\raggedright " if broken else "") + escape(name)
        cells = [cell.shown(slash, r"\textbf{{{}}}") for cell in row.cells]
        dashes = {"-": "--", "no weights": "--"}
        lines.append(_row([head, *(dashes.get(cell, cell) for cell in cells)]))
        for label, below in zip(("paper", "difference"), row.below, strict=False):
            found = (slash.join(map(_minus, parts)) for parts in below)
            lines.append(_row([rf"\quad {label}", *found]))
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        r"\begin{tablenotes}[flushleft]\footnotesize",
        *(rf"\item {note}" for note in notes),
        r"\end{tablenotes}",
        r"\end{threeparttable}",
        r"\end{table*}",
        "",
    ]
    # Letters that need another compiler, and a font of the user's choice.
    told = " ".join([caption, *notes, *names])
    known = (*_ESCAPES, *_SIGNS)
    others = "".join(dict.fromkeys(c for c in told if c > _LAST_LATIN and c not in known))
    if others:
        lines.insert(0, f"% Needs LuaLaTeX or XeLaTeX, and a font that has {others}")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Escape LaTeX's special characters and write arrows and Greek letters as mathematics."""
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _minus(number: str) -> str:
    return f"$-${number[1:]}" if number.startswith("-") else number
