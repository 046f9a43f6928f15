"""Pictures of chosen settings: confusion matrices, scores of all cells, budgets, run times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cdmer_bench.evaluation.budget import budget_curve
from cdmer_bench.evaluation.metrics import confusion_matrices, grid_scores
from cdmer_bench.evaluation.selection import NotRecorded, Oracle, Rule
from cdmer_bench.reporting.plot_style import (
    AREA,
    line_look,
    log_scale,
    new_figure,
    readable_on,
    synthetic_mark,
)
from cdmer_bench.reporting.published import AVERAGE
from cdmer_bench.reporting.tables import Table
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion_picture(records: Sequence[CellRecord], rule: Rule | None = None) -> "Figure":
    """Draw the confusion matrix of each record at its chosen setting, counts in the fields.

    Shade is the share of the true class. Records whose setting the rule cannot choose are
    left out.
    """
    chosen = []
    for record in records:
        try:
            chosen.append((record, (rule or Oracle()).select(record)))
        except NotRecorded:
            continue
    across = max(1, min(len(chosen), 3))
    down = max(1, -(-len(chosen) // across))
    figure = new_figure(0.6 + 2.35 * across, 0.5 + 2.25 * down)
    grid = figure.subplots(down, across, squeeze=False)
    for axes, (record, index) in zip(grid.flat, chosen, strict=False):
        _confusion(axes, record, index)
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    figure.suptitle("Confusion matrices", weight="bold", size=10)
    figure.supxlabel("predicted", size=9)
    figure.supylabel("true", size=9)
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure


def _confusion(axes: "Axes", record: CellRecord, index: int) -> None:
    n_classes = len(record.classes)
    counts = confusion_matrices(record.y_target, record.predictions[index : index + 1], n_classes)[
        0
    ]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap=AREA, vmin=0, vmax=1)
    for true in range(n_classes):
        for predicted in range(n_classes):
            shade = readable_on(share[true, predicted])
            axes.text(
                predicted, true, str(counts[true, predicted]), ha="center", va="center", color=shade
            )
    names = [name[:9] for name in record.classes]
    axes.set_xticks(range(n_classes), names, rotation=30, ha="right", size=7.5)
    axes.set_yticks(range(n_classes), names, size=7.5)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{record.method_label}, {record.task_label}", size=9)


def score_map(table: Table) -> "Figure":
    """Draw the mean F1 of a table's cells, rows by tasks; absent ones are hatched."""
    columns = [i for i, (label, _) in enumerate(table.columns) if label != AVERAGE]
    rows = [row for row in table.rows if row.label != AVERAGE]
    values = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            figure_ = row.cells[column].figure
            if figure_ is not None:
                values[i, j] = figure_.mean_f1
    figure = new_figure(2.2 + 0.75 * len(columns), 1.1 + 0.3 * max(len(rows), 1))
    axes = figure.add_subplot()
    low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
    axes.patch.set(hatch="////", edgecolor="#BBBBBB")
    image = axes.imshow(values, cmap=AREA, aspect="auto", vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = readable_on((value - low) / (high - low) if high > low else 1.0)
            axes.text(j, i, f"{value:.3f}", ha="center", va="center", color=shade, size=8)
    heads = [f"{label}\n{way}" if way else label for label, way in table.columns]
    axes.set_xticks(range(len(columns)), [heads[c] for c in columns], size=8)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], size=8)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    name = "Own tasks" if table.number == "own" else f"Table {table.number}"
    axes.set_title(f"{name}: mean F1", size=10)
    figure.colorbar(image, ax=axes, label="mean F1")
    synthetic_mark(figure, table.synthetic)
    return figure


def budget_picture(records: Sequence[CellRecord]) -> "Figure":
    """Draw, for each method, the expected best mean F1 against settings tried at random.

    The curve of a method is the mean of its tasks' exact curves; a task whose grid is smaller
    than the budget keeps its maximum.
    """
    figure = new_figure(6.0, 3.8)
    axes = figure.add_subplot()
    n_tasks = len({r.task_label for r in records})
    methods = list(dict.fromkeys(r.method_label for r in records))
    for index, method in enumerate(methods):
        mine = [r for r in records if r.method_label == method]
        scores = [grid_scores(r.y_target, r.predictions, len(r.classes))[0] for r in mine]
        largest = max(map(len, scores))
        budgets = np.unique(np.geomspace(1, largest, 40).round().astype(int))
        curves = [budget_curve(s, np.minimum(budgets, len(s))) for s in scores]
        axes.plot(
            budgets,
            np.mean(curves, axis=0),
            label=f"{method} ({largest:,}){_lacking(len(mine), n_tasks)}",
            markevery=[-1] if largest > 1 else None,
            **line_look(index),
        )
    log_scale(axes)
    axes.set(xlabel="settings tried at random", ylabel="expected best mean F1")
    axes.set_title(f"What the size of a grid is worth (mean over {n_tasks} tasks)", size=10)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="method (settings)")
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure


def _lacking(n: int, n_tasks: int) -> str:
    """Say that a method's mean is over fewer tasks than those of others."""
    return "" if n == n_tasks else f", {n} of {n_tasks} tasks"


def time_picture(records: Sequence[CellRecord]) -> "Figure":
    """Draw the seconds of every cell by method; a bar is the median over tasks."""
    timed = [r for r in records if isinstance(r.about.get("seconds"), int | float)]
    methods = list(dict.fromkeys(r.method_label for r in timed))
    figure = new_figure(6.0, 1.0 + 0.32 * max(len(methods), 1))
    axes = figure.add_subplot()
    for index, method in enumerate(methods):
        seconds = [max(float(r.about["seconds"]), 1e-3) for r in timed if r.method_label == method]
        axes.barh(index, np.median(seconds), color="#BFD7EA", edgecolor="#0072B2", height=0.62)
        axes.plot(seconds, [index] * len(seconds), "o", color="#0072B2", markersize=3.5, alpha=0.7)
    log_scale(axes)
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set_xlabel("seconds for a task's whole grid (dots: tasks, bar: median)")
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure
