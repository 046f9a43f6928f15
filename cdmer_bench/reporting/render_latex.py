"""Tables in LaTeX, for ``\\usepackage{booktabs}``."""

from cdmer_bench.reporting.cell_text import (
    ABSENT,
    difference_parts,
    figure_parts,
    printed_parts,
    without_figure,
)
from cdmer_bench.reporting.tables import Table, TableCell

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "→": r"$\rightarrow$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "τ": r"$\tau$",
}


def to_latex(table: Table) -> str:
    """Render a ``table*`` with booktabs rules; the notes stand in its caption.

    It fits the 516 pt that a two-column page of IEEEtran has.
    """
    # Names with a rule are long, and the page is not.
    slash = "/" if table.several_rules else " / "
    # LaTeX numbers the table itself.
    caption = escape(" ".join([f"M{table.content[1:]}.", *table.notes]))
    lines = [
        r"\begin{table*}[t]",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:cdmer-{table.number.lower()}}}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{l*{{{len(table.columns)}}}{{c}}}}",
        r"\toprule",
        _row([escape(table.row_header), *(escape(label) for label, _ in table.columns)]),
        _row(["", *(escape(direction) for _, direction in table.columns)]),
        r"\midrule",
    ]
    for row in table.rows:
        name = escape(table.shown_name(row))
        lines.append(_row([name, *(_cell(cell, slash) for cell in row.cells)]))
        if any(cell.printed for cell in row.cells):
            for label, parts in (("paper", printed_parts), ("difference", difference_parts)):
                found = [parts(cell) for cell in row.cells]
                lines.append(
                    _row(
                        [
                            rf"\quad {label}",
                            *(slash.join(map(_minus, f)) if f else "" for f in found),
                        ]
                    )
                )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}", ""])


def escape(text: str) -> str:
    """Escape LaTeX's special characters and write arrows and Greek letters as mathematics."""
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _minus(number: str) -> str:
    return f"$-${number[1:]}" if number.startswith("-") else number


def _cell(cell: TableCell, slash: str) -> str:
    parts = figure_parts(cell)
    if parts is None:
        return without_figure(cell).replace(ABSENT, "--")
    flags = (cell.best_f1, cell.best_accuracy)
    return slash.join(rf"\textbf{{{p}}}" if b else p for p, b in zip(parts, flags, strict=True))
