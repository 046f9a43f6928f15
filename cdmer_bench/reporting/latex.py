"""Tables in LaTeX, for ``\\usepackage{booktabs,threeparttable}``."""

from cdmer_bench.reporting.published import AVERAGE
from cdmer_bench.reporting.table import Table, TableCell

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
    """Render a ``table*`` with booktabs rules, a short caption, and the notes below the table.

    It fits the 516 pt that a two-column page of IEEEtran has. Rows without a figure are left to
    the notes. Letters that pdflatex lacks are named in a comment above it.
    """
    rows = [row for row in table.rows if any(cell.figure for cell in row.cells)]
    # LaTeX numbers the table itself.
    marker = "Synthetic data: m" if table.synthetic else "M"
    caption = escape(f"{marker}{table.content[1:]}.")
    notes = [escape(note) for note in table.notes]
    names = [table.shown_name(row) for row in rows]
    broken = max(map(len, names), default=0) > _LONGEST_NAME
    first = "p{9em}" if broken else "l"
    # Names with a rule are long, and the page is not.
    slash = "/" if table.several_rules or broken else " / "
    lines = [
        *_other_scripts(" ".join([caption, *notes, *names])),
        r"\begin{table*}[t]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\begin{threeparttable}",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:cdmer-{table.number.lower()}}}",
        rf"\begin{{tabular}}{{{first}*{{{len(table.columns)}}}{{c}}}}",
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
        lines.append(_row([head, *(_cell(cell, slash) for cell in row.cells)]))
        if any(cell.printed for cell in row.cells):
            for label, parts in (("paper", "printed_parts"), ("difference", "difference_parts")):
                found = (getattr(cell, parts) or () for cell in row.cells)
                lines.append(
                    _row([rf"\quad {label}", *(slash.join(map(_minus, f)) for f in found)])
                )
    lines += [r"\bottomrule", r"\end{tabular}"]
    items = [rf"\item {note}" for note in notes]
    below = [r"\begin{tablenotes}[flushleft]\footnotesize", *items, r"\end{tablenotes}"]
    return "\n".join([*lines, *below, r"\end{threeparttable}", r"\end{table*}", ""])


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
    if cell.parts is None:
        return f"({cell.coverage[0]} of {cell.coverage[1]})" if cell.coverage else "--"
    flags = (cell.best_f1, cell.best_accuracy)
    return slash.join(
        rf"\textbf{{{p}}}" if best else p for p, best in zip(cell.parts, flags, strict=True)
    )
