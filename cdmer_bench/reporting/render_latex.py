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
}
_GREEK = {
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta"},
    **{"η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu"},
    **{"ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi"},
    **{"ψ": "psi", "ω": "omega", "Δ": "Delta", "Λ": "Lambda", "Σ": "Sigma", "Ω": "Omega"},
}
_ESCAPES |= {letter: rf"$\{name}$" for letter, name in _GREEK.items()}
# pdflatex sets the letters of Latin scripts, and these signs, without a further package.
_LAST_LATIN, _SIGNS = "\u017f", "‘’“”–—…†‡•"
# Longer names are broken, so that the figures stay on the page.
_LONGEST_NAME = 20


def to_latex(table: Table) -> str:
    """Render a ``table*`` with booktabs rules; the notes stand in its caption.

    It fits the 516 pt that a two-column page of IEEEtran has. Letters that pdflatex lacks are
    named in a comment above it.
    """
    # LaTeX numbers the table itself.
    caption = escape(" ".join([f"M{table.content[1:]}.", *table.notes]))
    names = [table.shown_name(row) for row in table.rows]
    broken = max(map(len, names), default=0) > _LONGEST_NAME
    first = "p{9em}" if broken else "l"
    # Names with a rule are long, and the page is not.
    slash = "/" if table.several_rules or broken else " / "
    lines = [
        *_other_scripts(caption + "".join(names)),
        r"\begin{table*}[t]",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:cdmer-{table.number.lower()}}}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{{first}*{{{len(table.columns)}}}{{c}}}}",
        r"\toprule",
        _row([escape(table.row_header), *(escape(label) for label, _ in table.columns)]),
        _row(["", *(escape(direction) for _, direction in table.columns)]),
        r"\midrule",
    ]
    for name, row in zip(names, table.rows, strict=True):
        head = (r"\raggedright " if broken else "") + escape(name)
        lines.append(_row([head, *(_cell(cell, slash) for cell in row.cells)]))
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


def _other_scripts(text: str) -> list[str]:
    """Return a comment on letters that need another compiler and a font of the user's choice."""
    others = dict.fromkeys(c for c in text if c > _LAST_LATIN and c not in (*_ESCAPES, *_SIGNS))
    if not others:
        return []
    return [f"% Needs LuaLaTeX or XeLaTeX, and a font that has {''.join(others)}"]


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
