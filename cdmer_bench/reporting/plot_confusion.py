"""Confusion matrices of stored cells at their chosen settings."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import confusion_matrices
from cdmer_bench.evaluation.selection import NotRecorded, Oracle, Rule
from cdmer_bench.reporting.captions import Asked, absences
from cdmer_bench.reporting.plot_style import (
    AREA,
    hide_unused,
    lines,
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


def confusion_picture(
    records: Sequence[CellRecord], rule: Rule | None = None, missing: Iterable[Asked] = ()
) -> "Figure":
    """Draw the confusion matrix of each record at its chosen setting, counts in the fields.

    Shade is the share of the true class. Records whose setting the rule cannot choose are
    left out, and the picture names them, as it does the ``missing`` cells.

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
            lacking.append(f"{record.row}, {record.task_label}: {lack.short}.")
    if not chosen:
        raise UserError(f"no confusion matrix can be drawn; {lacking[0] if lacking else 'no cell'}")
    figure = _one_by_one(chosen) if len(chosen) <= _LARGE else _by_task(chosen)
    figure.suptitle("Confusion matrices, clips of the target")
    remark(
        figure,
        f"Selection: {rule.label}.",
        absences([record for record, _ in chosen], missing),
        *lacking[:3],
    )
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure


def _one_by_one(chosen: Sequence[tuple[CellRecord, int]]) -> "Figure":
    n_methods = len({record.row for record, _ in chosen})
    # Methods beside one another, if a page has room for them; else rows are just filled.
    across = n_methods if 2 <= n_methods <= 4 else min(len(chosen), 3)
    several = len({record.descriptor_label for record, _ in chosen}) > 1
    down = -(-len(chosen) // across)
    side = max(2.35, 0.33 * _most_classes(chosen))
    figure = new_figure(max(4.2, 1.2 + side * across), 1.1 + (side + 0.05) * down)
    grid = figure.subplots(down, across, squeeze=False)
    image: Any = None
    for axes, (record, index) in zip(grid.flat, chosen, strict=False):
        image = _confusion(axes, record, index, 9.0)
        names = [short(name, 10) for name in record.classes]
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", size=7.5)
        axes.set_yticks(range(len(names)), names, size=7.5)
        where = [record.task_label, *([record.descriptor_label] if several else [])]
        axes.set_title(f"{short(record.row)}\n{short(', '.join(where))}", size=9)
    hide_unused(grid, len(chosen), "predicted class")
    for axes in grid[:, 0]:
        axes.set_ylabel("true class")
    _share_bar(figure, image, grid)
    return figure


def _by_task(chosen: Sequence[tuple[CellRecord, int]]) -> "Figure":
    """Arrange small matrices in a row for each method and descriptor, a column for each task."""
    tasks = paper_order(record.task_label for record, _ in chosen)
    rows = _rows(chosen)
    side = max(0.95, 0.2 * _most_classes(chosen))
    figure = new_figure(2.2 + side * len(tasks), 1.5 + side * len(rows))
    grid = figure.subplots(len(rows), len(tasks), squeeze=False)
    image: Any = None
    labelled: set[str] = set()
    for line, (name, by_task) in zip(grid[::-1], rows[::-1], strict=True):
        leftmost = next(task for task in tasks if task in by_task)
        for axes, task in zip(line, tasks, strict=True):
            axes.set(xticks=[], yticks=[])
            if task not in by_task:
                axes.text(0.5, 0.5, "no\nresult", ha="center", va="center", size=7.0)
                axes.spines[:].set_visible(False)
                continue
            record, index = by_task[task]
            image = _confusion(axes, record, index, 7.0)
            letters = [c[:3] for c in record.classes]
            axes.tick_params(length=0, pad=1.5, labelsize=6.0)
            if task == leftmost:
                axes.set_yticks(range(len(letters)), letters)
            if task not in labelled:
                axes.set_xticks(range(len(letters)), letters, rotation=90 * (len(letters) > 4))
                axes.set_xlabel("predicted", size=7)
                labelled.add(task)
        line[0].set_ylabel(name, size=8, weight="bold")
    for axes, task in zip(grid[0], tasks, strict=True):
        axes.set_title(lines(task, 12), size=8)
    figure.supylabel("true class", size=9)
    _share_bar(figure, image, grid)
    return figure


def _rows(
    chosen: Sequence[tuple[CellRecord, int]],
) -> list[tuple[str, dict[str, tuple[CellRecord, int]]]]:
    """Return the name of each row, in lines of text, and the row's cells by task."""
    several = len({record.descriptor_label for record, _ in chosen}) > 1
    rows: dict[tuple[str, str, str], dict[str, tuple[CellRecord, int]]] = {}
    for record, index in chosen:
        row = record.row, record.descriptor_label, ""
        while record.task_label in rows.get(row, {}):
            row = *row[:2], row[2] + "'"  # the same again, with other fixed parameters
        rows.setdefault(row, {})[record.task_label] = record, index
    return [
        (lines(method + again, 12) + (f"\n{lines(descriptor, 12)}" if several else ""), by_task)
        for (method, descriptor, again), by_task in rows.items()
    ]


def _most_classes(chosen: Sequence[tuple[CellRecord, int]]) -> int:
    return max(len(record.classes) for record, _ in chosen)


def _share_bar(figure: "Figure", image: Any, grid: Any) -> None:
    """Explain the shade, which all panels share."""
    # Of many rows the bar takes a part, or it would be taller than it is of use.
    figure.colorbar(image, ax=grid, label="share of the true class", shrink=1 / len(grid) ** 0.5)


def _confusion(axes: "Axes", record: CellRecord, index: int, size: float) -> Any:
    """Draw one matrix, and return its image, whose shade a colour bar explains."""
    n_classes = len(record.classes)
    chosen = record.predictions[index : index + 1]
    counts = confusion_matrices(record.y_target, chosen, n_classes)[0]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap=AREA, vmin=0, vmax=1)
    for (true, predicted), count in np.ndenumerate(counts):
        shade = readable_on(share[true, predicted])
        axes.text(predicted, true, str(count), ha="center", va="center", color=shade, size=size)
    axes.spines[:].set_visible(False)
    return image
