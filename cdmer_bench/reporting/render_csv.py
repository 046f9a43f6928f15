"""Tables as CSV in long form: one line for each cell that has a figure."""

import csv
import io

from cdmer_bench.io import one_line
from cdmer_bench.reporting.cell_text import difference_parts, figure_parts, printed_parts
from cdmer_bench.reporting.tables import Table

COLUMNS = (
    "table",
    "row",
    "column",
    "mean_f1",
    "accuracy",
    "selection",
    "n_settings",
    "corpus",
)
PAPER_COLUMNS = ("paper_mean_f1", "paper_accuracy", "difference_mean_f1", "difference_samples")


def plain(text: str) -> str:
    """Return a label that no spreadsheet takes for a formula: such a one gets an apostrophe."""
    flat = one_line(text)
    return f"'{flat}" if flat.startswith(("=", "+", "-", "@")) else flat


def to_csv(*tables: Table) -> str:
    """Render tables under one header.

    ``mean_f1`` has four decimals, ``accuracy`` two, in percent. Averages over all tasks or all
    rows are lines as well (``Average``, without ``n_settings``), incomplete ones are not. Tables
    against the paper have four more columns; ``difference_samples`` is empty for averages.
    """
    against = any(table.against_paper for table in tables)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS + (PAPER_COLUMNS if against else ()))
    for table in tables:
        for row in table.rows:
            for (column, _), cell in zip(table.columns, row.cells, strict=True):
                parts = figure_parts(cell)
                if parts is None or cell.figure is None:
                    continue
                name, selection = plain(table.long_name(row)), plain(row.selection)
                line = [table.number, name, plain(column), *parts, selection]
                line += [str(cell.figure.n_settings or ""), plain(table.corpus)]
                if against:
                    printed = printed_parts(cell) or ("", "")
                    mean_f1, samples = difference_parts(cell) or ("", "")
                    line += [*printed, mean_f1, samples if cell.figure.n_target else ""]
                writer.writerow(line)
    return file.getvalue()
