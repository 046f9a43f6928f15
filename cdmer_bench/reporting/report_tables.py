"""The report's tables of results: figures with the numbers of the cells behind them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.reporting.picture_data import Cell
from cdmer_bench.reporting.published import AVERAGE, BASELINE, PAPER_DESCRIPTOR, paper_order
from cdmer_bench.reporting.table import Table
from cdmer_bench.results.record import CellRecord


class Shaded(NamedTuple):
    """A place of the heat map."""

    value: float  # NaN without a figure
    shade: float
    numbers: list[int]  # of the cells in the page's data; several of an average
    best: bool  # of its column


def heat_map(
    cells: Sequence[Cell], numbers: Mapping[int, int], rule: str
) -> tuple[list[str], list[tuple[str, list[Shaded]]]]:
    """Return tasks, and for each method its mean F1 on them and on average, the best first.

    ``numbers`` gives each cell's number in the page's data.
    """
    tasks = paper_order(c.record.task_label for c in cells)
    methods = paper_order(c.record.row for c in cells)
    figures = np.full((len(methods), len(tasks) + 1), np.nan)
    behind: list[list[list[int]]] = [[[] for _ in tasks] for _ in methods]
    for cell in cells:
        i, j = methods.index(cell.record.row), tasks.index(cell.record.task_label)
        behind[i][j] = [numbers[id(cell)]]
        values = cell.values(rule)
        if values is not None:
            figures[i, j] = values[0]
    means = figures[:, -1] = figures[:, :-1].mean(axis=1)
    shades, best = shade(figures), np.nanmax(np.round(figures, 4), axis=0, initial=-1)
    rows = []
    for i in np.argsort(np.where(np.isnan(means), np.inf, -means), kind="stable"):
        every = [*behind[i], [n for one in behind[i] for n in one]]
        tops = (np.round(figures[i], 4) == best) & (len(methods) > 1)
        line = zip(figures[i].tolist(), shades[i].tolist(), every, tops.tolist(), strict=True)
        rows.append((methods[i], [Shaded(*place) for place in line]))
    return tasks, rows


def shade(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strong the colour of each figure is, 0.05 for the lowest to 0.95."""
    found = figures[np.isfinite(figures)]
    low, high = (found.min(), found.max()) if found.size else (0.0, 1.0)
    return np.round(0.05 + 0.9 * (figures - low) / (high - low if high > low else 1.0), 3)


def cell_index(records: Sequence[CellRecord]) -> dict[tuple[str, str, str], int]:
    """Return the number of the cell behind a table's figure, by descriptor, row and task."""
    found: dict[tuple[str, str, str], int] = {}
    for number, record in enumerate(records):
        found[record.descriptor_label, record.row, record.task_label] = number
        if record.method_label == BASELINE:
            # In tables of descriptors, whose Baseline is the paper's own descriptor.
            name = record.row.replace(BASELINE, record.descriptor_label, 1)
            found["", name, record.task_label] = number
            if record.descriptor_label == PAPER_DESCRIPTOR:
                found["", record.row, record.task_label] = number
    return found


def table_rows(
    table: Table, index: Mapping[tuple[str, str, str], int] | None = None
) -> list[dict[str, Any]]:
    """Return the names and cells of a table's rows, with the numbers of the cells behind each."""
    tasks = [label for label, _ in table.columns if label != AVERAGE]
    lines: list[dict[str, Any]] = []
    of_column: list[list[int]] = [[] for _ in table.columns]
    for row in table.rows:
        if row.label == AVERAGE:
            numbers = [*of_column[:-1], []]  # the paper leaves the corner empty
        else:
            mine = [(index or {}).get((table.descriptor, row.name, task)) for task in tasks]
            numbers = [[] if i is None else [i] for i in mine]
            if len(table.columns) > len(tasks):
                numbers.append([i for i in mine if i is not None])
            for column, found in zip(of_column, numbers, strict=True):
                column += found
        cells = list(zip(row.cells, numbers, strict=True))
        lines.append({"name": table.shown_name(row), "cells": cells})
    return lines
