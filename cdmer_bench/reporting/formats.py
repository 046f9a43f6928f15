"""One entry point for the formats of a table."""

from collections.abc import Callable, Mapping

from cdmer_bench.errors import UserError, closest
from cdmer_bench.reporting.render_csv import to_csv
from cdmer_bench.reporting.render_html import to_html
from cdmer_bench.reporting.render_latex import to_latex
from cdmer_bench.reporting.render_markdown import to_markdown
from cdmer_bench.reporting.render_text import to_text
from cdmer_bench.reporting.tables import Table

FORMATS = ("text", "md", "csv", "tex", "html")


def render(table: Table, format: str = "text", *, bold: bool = False, width: int = 120) -> str:
    """Render a table.

    Parameters
    ----------
    table : Table
    format : str
        ``text`` for a terminal, ``md``, ``csv`` (long form), ``tex`` (booktabs) or ``html``
        (a ``<table>`` element with its caption).
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
    if format == "text":
        return to_text(table, bold=bold, width=width)
    simple: Mapping[str, Callable[[Table], str]] = {
        "md": to_markdown,
        "csv": to_csv,
        "tex": to_latex,
        "html": to_html,
    }
    if format not in simple:
        raise UserError(f"there is no table format {format!r}; {closest(format, FORMATS)}")
    return simple[format](table)


def render_all(
    tables: list[Table], format: str = "text", *, bold: bool = False, width: int = 120
) -> str:
    """Render several tables after one another; as CSV under one header."""
    if format == "csv":
        return to_csv(*tables)
    return "\n".join(render(table, format, bold=bold, width=width) for table in tables)
