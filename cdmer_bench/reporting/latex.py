"""Tables in LaTeX, for ``\\usepackage{booktabs,threeparttable}``."""

from cdmer_bench.reporting.published import AVERAGE
from cdmer_bench.reporting.table import Table

_ESCAPES = {character: rf"\{character}" for character in "&%$#_{}"}
_ESCAPES |= {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
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
            found = (slash.join(map(_minus, parts or ())) for parts in below)
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
