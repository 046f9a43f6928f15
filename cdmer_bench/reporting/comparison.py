"""How far the figures of a table lie from the paper's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cdmer_bench.reporting.published import AVERAGE, Printed
from cdmer_bench.reporting.table import Figure, Table


@dataclass(frozen=True)
class Difference:
    """One cell beside the paper's."""

    table: str
    row: str
    column: str
    figure: Figure  # ours
    printed: Printed  # the paper's
    mean_f1: float  # ours as printed to four decimals, minus the paper's
    samples: int | None  # right ones more than in the paper; None for an average
    selection: str = "oracle"  # name of the rule that chose our setting

    @property
    def equal_f1(self) -> bool:
        """Whether the mean F1 equals the paper's to every digit."""
        return round(self.figure.mean_f1, 4) == self.printed.mean_f1

    @property
    def equal_accuracy(self) -> bool:
        """Whether the accuracy equals the paper's to every digit."""
        return round(self.figure.accuracy, 2) == self.printed.accuracy


def differences(tables: Iterable[Table]) -> list[Difference]:
    """List every compared cell but averages, the largest difference in mean F1 first."""
    found = [
        Difference(
            table.number,
            table.long_name(row),
            label,
            cell.figure,
            cell.printed,
            *cell.difference,
            row.selection,
        )
        for table in tables
        for row in table.rows
        for (label, _), cell in zip(table.columns, row.cells, strict=True)
        if AVERAGE not in (label, row.label)
        and cell.figure is not None
        and cell.printed is not None
        and cell.difference is not None
    ]
    return sorted(found, key=lambda d: -abs(d.mean_f1))


def summarize(tables: Iterable[Table]) -> str:
    """Say in a sentence how many figures equal the paper's, and the largest difference.

    A figure is one mean F1 or one accuracy; averages are left out, and a cell that stands in
    several tables (the Baseline in III, V and VII) counts once. Under several rules there is a
    line for each.
    """
    tables = list(tables)
    by_rule: dict[str, dict[tuple[str, str], Difference]] = {}
    for d in differences(tables):
        by_rule.setdefault(d.selection, {})[d.row, d.column] = d
    rules = dict.fromkeys(row.selection for table in tables for row in table.rows)
    if not by_rule:
        return "No figure to compare with the paper."
    synthetic = any(table.synthetic for table in tables)
    end = "; on SYNTHETIC DATA, so no agreement is to be expected." if synthetic else "."
    return "\n".join(
        (f"{name}: " if len(by_rule) > 1 else "") + _agreement(list(by_rule[name].values())) + end
        for name in rules
        if name in by_rule
    )


def _agreement(found: Sequence[Difference]) -> str:
    equal = sum(d.equal_f1 for d in found) + sum(d.equal_accuracy for d in found)
    near = sum(d.samples is not None and abs(d.samples) <= 1 for d in found)
    f1 = max(found, key=lambda d: abs(d.mean_f1))
    count = max(found, key=lambda d: abs(d.samples or 0))
    text = (
        f"{equal} of {2 * len(found)} figures equal to every digit, "
        f"{near} of {len(found)} accuracies within one sample"
    )
    if equal < 2 * len(found):
        text += (
            f"; largest difference {f1.mean_f1:+.4f} in mean F1 ({f1.row}, {f1.column}) and "
            f"{count.samples:+d} samples ({count.row}, {count.column})"
        )
    return text
