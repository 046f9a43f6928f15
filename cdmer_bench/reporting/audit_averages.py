"""Printed averages against the mean of their row or column."""

from collections.abc import Mapping

from cdmer_bench.reporting.findings import Finding
from cdmer_bench.reporting.published import AVERAGE, LAYOUTS, Printed

Cells = Mapping[tuple[str, str, str], Printed]
# A mean of figures rounded to d decimals, itself rounded, is off by at most one unit.
_UNIT_F1, _UNIT_PERCENT, _MARGIN = 0.0001, 0.01, 1e-9


def wrong_averages(cells: Cells) -> list[Finding]:
    """Find the averages that differ by more than rounding explains, and a slip that would."""
    findings = []
    for (number, row, column), printed in cells.items():
        layout = LAYOUTS[number]
        if column == AVERAGE:
            names, parts = "tasks", {c: cells.get((number, row, c)) for c in layout.columns}
        elif row == AVERAGE:
            names, parts = layout.compares, {r: cells.get((number, r, column)) for r in layout.rows}
        else:
            continue
        found = {name: part for name, part in parts.items() if part is not None}
        mean_f1 = sum(p.mean_f1 for p in found.values()) / len(found)
        percent = sum(p.accuracy for p in found.values()) / len(found)
        wrong = []
        # The mean with a digit more than is printed, or one that is off by a unit would not show.
        if abs(mean_f1 - printed.mean_f1) > _UNIT_F1 + _MARGIN:
            wrong.append(f"mean F1 {printed.mean_f1:.4f}, but the mean is {mean_f1:.5f}")
        if abs(percent - printed.accuracy) > _UNIT_PERCENT + _MARGIN:
            wrong.append(f"accuracy {printed.accuracy:.2f}, but the mean is {percent:.3f}")
        if wrong:
            findings.append(
                Finding(
                    "average",
                    number,
                    row,
                    column,
                    f"prints {'; '.join(wrong)}",
                    f"mean of the {len(found)} printed {names}"
                    + _explain(cells, (number, row, column), found, (mean_f1, percent)),
                    {"mean_f1": round(mean_f1, 6), "accuracy": round(percent, 4), "n": len(found)},
                )
            )
    return findings


def _explain(
    cells: Cells,
    place: tuple[str, str, str],
    parts: Mapping[str, Printed],
    means: tuple[float, float],
) -> str:
    """Name a slip that would explain an average: digits in another order, or one other part.

    The other part must be printed elsewhere in the same column and make both figures agree.
    """
    number, _, column = place
    printed = cells[place]
    if abs(means[0] - printed.mean_f1) > _UNIT_F1 and sorted(f"{means[0]:.4f}") == sorted(
        f"{printed.mean_f1:.4f}"
    ):
        return "; the mean F1 has the same digits in another order"
    for name, part in parts.items():
        task = name if column == AVERAGE else column
        for (other_number, other_row, other_task), other in cells.items():
            if (other_number, other_task) != (number, task) or AVERAGE in (other_row, other_task):
                continue
            shifted = (
                means[0] + (other.mean_f1 - part.mean_f1) / len(parts),
                means[1] + (other.accuracy - part.accuracy) / len(parts),
            )
            if _agree(shifted, printed):
                cell = name if column == AVERAGE else f"{name} {column}"
                return (
                    f"; right if {cell} were not {part.mean_f1:.4f} / {part.accuracy:.2f} but "
                    f"{other.mean_f1:.4f} / {other.accuracy:.2f}, as {other_row} has it"
                )
    return ""


def _agree(means: tuple[float, float], printed: Printed) -> bool:
    return (
        abs(means[0] - printed.mean_f1) <= _UNIT_F1 + _MARGIN
        and abs(means[1] - printed.accuracy) <= _UNIT_PERCENT + _MARGIN
    )
