"""Confusion matrices of stored cells at their chosen settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import confusion_matrices
from cdmer_bench.evaluation.selection import NotRecorded, Oracle, Rule
from cdmer_bench.reporting.captions import absences
from cdmer_bench.reporting.plot_style import (
    AREA,
    new_figure,
    readable_on,
    remark,
    short,
    synthetic_mark,
)
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More than these are drawn small, a row for each method and a column for each task.
_LARGE = 12


def confusion_picture(records: Sequence[CellRecord], rule: Rule | None = None) -> "Figure":
    """Draw the confusion matrix of each record at its chosen setting, counts in the fields.

    Shade is the share of the true class. Records whose setting the rule cannot choose are
    left out, and the picture names them.

    Raises
    ------
    UserError
        If the rule can choose no setting at all.
    """
    rule = rule or Oracle()
    chosen, lacking = [], []
    for record in records:
        try:
            chosen.append((record, rule.select(record)))
        except NotRecorded as lack:
            lacking.append(f"{record.method_label}, {record.task_label}: {lack.short}.")
    if not chosen:
        raise UserError(f"no confusion matrix can be drawn; {lacking[0] if lacking else 'no cell'}")
    figure = _one_by_one(chosen) if len(chosen) <= _LARGE else _by_task(chosen)
    figure.suptitle(f"Confusion matrices (settings: {rule.name})")
    figure.supylabel("true class", size=9)
    remark(
        figure,
        "Across: predicted class. Numbers are clips; shade is the share of the true class.",
        absences([record for record, _ in chosen]),
        *lacking[:3],
    )
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure


def _one_by_one(chosen: Sequence[tuple[CellRecord, int]]) -> "Figure":
    across = min(len(chosen), 3)
    down = -(-len(chosen) // across)
    figure = new_figure(max(3.4, 0.6 + 2.35 * across), 0.9 + 2.25 * down)
    grid = figure.subplots(down, across, squeeze=False)
    for axes, (record, index) in zip(grid.flat, chosen, strict=False):
        _confusion(axes, record, index, 9.0)
        names = [short(name, 10) for name in record.classes]
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", size=7.5)
        axes.set_yticks(range(len(names)), names, size=7.5)
        axes.set_title(f"{short(record.method_label)}, {short(record.task_label)}", size=9)
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    return figure


def _by_task(chosen: Sequence[tuple[CellRecord, int]]) -> "Figure":
    """Arrange small matrices in a row for each method and descriptor, a column for each task."""
    tasks = paper_order(record.task_label for record, _ in chosen)
    several = len({record.descriptor_label for record, _ in chosen}) > 1
    rows: dict[str, dict[str, tuple[CellRecord, int]]] = {}
    for record, index in chosen:
        name = short(record.method_label, 14)
        if several:
            name += "\n" + short(record.descriptor_label, 14)
        while record.task_label in rows.get(name, {}):
            name += "'"  # the same method again, with other fixed parameters
        rows.setdefault(name, {})[record.task_label] = record, index
    figure = new_figure(1.4 + 0.95 * len(tasks), 1.3 + 0.95 * len(rows))
    grid = figure.subplots(len(rows), len(tasks), squeeze=False)
    for i, (name, by_task) in enumerate(rows.items()):
        for j, task in enumerate(tasks):
            axes = grid[i, j]
            if task in by_task:
                _confusion(axes, *by_task[task], 7.0)
                letters = [c[:3] for c in by_task[task][0].classes]
                axes.set_xticks(range(len(letters)), letters, size=6.0)
                axes.set_yticks(range(len(letters)), letters, size=6.0)
                axes.tick_params(length=0, pad=1.5)
            else:
                axes.text(0.5, 0.5, "no\nresult", ha="center", va="center", size=7.0)
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            if i < len(rows) - 1 and task in by_task:
                axes.set_xticklabels([])
            if j > 0 and task in by_task:
                axes.set_yticklabels([])
            if i == 0:
                axes.set_title(short(task, 12), size=8)
        grid[i, 0].set_ylabel(name, size=8, weight="bold")
    return figure


def _confusion(axes: "Axes", record: CellRecord, index: int, size: float) -> None:
    n_classes = len(record.classes)
    chosen = record.predictions[index : index + 1]
    counts = confusion_matrices(record.y_target, chosen, n_classes)[0]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap=AREA, vmin=0, vmax=1)
    for (true, predicted), count in np.ndenumerate(counts):
        shade = readable_on(share[true, predicted])
        axes.text(predicted, true, str(count), ha="center", va="center", color=shade, size=size)
    axes.spines[:].set_visible(False)
