"""The words in a cell, shared by all formats that people read."""

from cdmer_bench.reporting.comparison import difference
from cdmer_bench.reporting.tables import TableCell

ABSENT = "-"
NO_WEIGHTS = "no weights"


def figure_parts(cell: TableCell) -> tuple[str, str] | None:
    """Return mean F1 to four and accuracy to two decimals, or None without a figure."""
    if cell.figure is None:
        return None
    return f"{cell.figure.mean_f1:.4f}", f"{cell.figure.accuracy:.2f}"


def without_figure(cell: TableCell) -> str:
    """Return what stands where there is no figure: ``-``, ``no weights``, ``(5 of 6)``.

    The last is for an average.
    """
    if NO_WEIGHTS in cell.reason:
        return NO_WEIGHTS
    if cell.coverage is None or cell.coverage[0] == 0:
        return ABSENT
    return f"({cell.coverage[0]} of {cell.coverage[1]})"


def printed_parts(cell: TableCell) -> tuple[str, str] | None:
    """Return the paper's mean F1 and accuracy as printed."""
    if cell.printed is None:
        return None
    return f"{cell.printed.mean_f1:.4f}", f"{cell.printed.accuracy:.2f}"


def difference_parts(cell: TableCell) -> tuple[str, str] | None:
    """Return the differences: of mean F1, and of samples (of accuracy for an average)."""
    if cell.figure is None or cell.printed is None:
        return None
    mean_f1, samples = difference(cell.figure, cell.printed)
    if samples is None:
        return f"{mean_f1:+.4f}", f"{cell.figure.accuracy - cell.printed.accuracy:+.2f}"
    return f"{mean_f1:+.4f}", f"{samples:+d}"
