"""Pictures over many cells: scores of methods by tasks, budgets, run times."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.budget import budget_curve
from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.reporting.captions import Asked, absences, join_names, scope
from cdmer_bench.reporting.plot_style import (
    AREA,
    line_look,
    lines,
    log_scale,
    new_figure,
    readable_on,
    remark,
    short,
    synthetic_mark,
)
from cdmer_bench.reporting.published import AVERAGE, paper_order
from cdmer_bench.reporting.table import Table
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def score_map(*tables: Table) -> "Figure":
    """Draw the mean F1 of the tables' cells, rows by tasks, below one another in one scale.

    Cells without a result are hatched, and the picture says so.
    """
    if not tables:
        raise UserError("there is no table to draw; run a method on a task first")
    values = [_mean_f1(table) for table in tables]
    found = np.concatenate([v[np.isfinite(v)] for v in values])
    limits = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    width = 2.2 + 0.75 * max(v.shape[1] for v in values)
    figure = new_figure(width, sum(1.2 + 0.3 * max(len(v), 1) for v in values))
    heights = [2 + max(len(v), 1) for v in values]
    panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)[:, 0]
    image: Any = None
    for axes, table, matrix in zip(panels, tables, values, strict=True):
        image = _map(axes, table, matrix, limits)
    # The bar is a 20th of its height wide, but for few rows not thinner than 0.12 inches.
    aspect = min(20.0, 0.3 * sum(map(len, values)) / 0.12)
    figure.colorbar(image, ax=panels, label="mean F1", aspect=max(aspect, 1.0))
    n_missing = sum(int(np.isnan(v).sum()) for v in values)
    rules = join_names([row.selection for table in tables for row in table.rows], 5)
    reasons = "; ".join(dict.fromkeys(r.rstrip(".") for t in tables for r in _reasons(t)))
    lacking = f"Hatched: no figure ({n_missing} of {sum(v.size for v in values)} cells): {reasons}."
    remark(figure, f"Settings chosen by: {rules}." if rules else "", lacking if n_missing else "")
    synthetic_mark(figure, any(table.synthetic for table in tables))
    return figure


def _reasons(table: Table) -> list[str]:
    """Return why cells of the table have no figure."""
    return [
        cell.reason
        for row in table.rows
        for (column, _), cell in zip(table.columns, row.cells, strict=True)
        if cell.figure is None and AVERAGE not in (row.label, column)
    ]


def _mean_f1(table: Table) -> NDArray[np.float64]:
    """Return the scores of a table without its averages, NaN where there is none."""
    columns = [i for i, (label, _) in enumerate(table.columns) if label != AVERAGE]
    rows = [[row.cells[i].figure for i in columns] for row in table.rows if row.label != AVERAGE]
    values = [[np.nan if cell is None else cell.mean_f1 for cell in row] for row in rows]
    return np.array(values, dtype=float).reshape(len(rows), len(columns))


def _map(
    axes: "Axes", table: Table, values: NDArray[np.float64], limits: tuple[float, float]
) -> Any:
    low, high = limits
    axes.patch.set(hatch="////", edgecolor="#BBBBBB")
    image = axes.imshow(values, cmap=AREA, aspect="auto", vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = readable_on((value - low) / (high - low) if high > low else 1.0)
            axes.text(j, i, f"{value:.3f}", ha="center", va="center", color=shade, size=8)
    heads = [f"{lines(c, 9, 3)}\n{way}".strip() for c, way in table.columns if c != AVERAGE]
    names = [short(row.name, 30) for row in table.rows if row.label != AVERAGE]
    axes.set_xticks(range(len(heads)), heads, size=8)
    axes.set_yticks(range(len(names)), names, size=8)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    name = "Own tasks" if table.number == "own" else f"Table {table.number}"
    axes.set_title(f"{name}: mean F1 on the target")
    return image


def budget_picture(records: Sequence[CellRecord], missing: Iterable[Asked] = ()) -> "Figure":
    """Draw, for each method, the expected best mean F1 against settings tried at random.

    The curve of a method is the mean of its tasks' exact curves; a task whose grid is smaller
    than the budget keeps its maximum. Curves over fewer tasks than others are dotted.

    Raises
    ------
    UserError
        If no grid has several settings.
    """
    if all(len(r.settings) == 1 for r in records):
        raise UserError("every method was run with one setting; a budget needs at least two")
    n_tasks = len({r.task_label for r in records})
    by_method = {
        method: [r for r in records if r.row == method]
        for method in paper_order(r.row for r in records)
    }
    labels = [
        f"{short(method)} ({_span(mine)}){_lacking(mine, n_tasks)}"
        for method, mine in by_method.items()
    ]
    figure = new_figure(5.5 + 0.07 * max(map(len, labels)), max(3.9, 1.6 + 0.19 * len(labels)))
    axes = figure.add_subplot()
    for index, mine in enumerate(by_method.values()):
        scores = [grid_scores(r.y_target, r.predictions, len(r.classes))[0] for r in mine]
        budgets = np.unique(np.geomspace(1, max(map(len, scores)), 40).round().astype(int))
        curves = [budget_curve(s, np.minimum(budgets, len(s))) for s in scores]
        axes.plot(
            budgets,
            np.mean(curves, axis=0),
            label=labels[index],
            # Apart from the end, so that lines can be told apart in grey.
            markevery=[*range(0, len(budgets) - 4, 9), len(budgets) - 1],
            **{**line_look(index), **({"linestyle": ":"} if _lacking(mine, n_tasks) else {})},
        )
    log_scale(axes)
    axes.set(xlabel="settings tried at random", ylabel="expected best mean F1")
    over = scope(r.task_label for r in records)
    mean = over if n_tasks == 1 else f"mean over {over}"
    figure.suptitle(f"What the size of a grid is worth ({mean})")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="method (settings)")
    remark(
        figure,
        "The best is judged on the target's own labels; the expectation is exact. A task whose "
        "grid is smaller keeps its maximum.",
        "Dotted: over fewer tasks, not to be compared with the others."
        if any(_lacking(mine, n_tasks) for mine in by_method.values())
        else "",
        absences(records, missing),
    )
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure


def _span(records: Sequence[CellRecord]) -> str:
    """Return the number of settings of the smallest and the largest grid."""
    counts = [len(r.settings) for r in records]
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _lacking(records: Sequence[CellRecord], n_tasks: int) -> str:
    """Say that a method's mean is over fewer tasks than those of others."""
    n = len({r.task_label for r in records})
    return "" if n == n_tasks else f", {n} of {n_tasks} tasks"


def time_picture(records: Sequence[CellRecord], missing: Iterable[Asked] = ()) -> "Figure":
    """Draw the seconds of every cell by method, and a bar across at the median over tasks."""
    timed = [r for r in records if isinstance(r.about.get("seconds"), int | float)]
    if not timed:
        raise UserError("no cell has a run time; it was not recorded")
    methods = paper_order(r.row for r in timed)
    n_tasks = len({r.task_label for r in timed})
    figure = new_figure(6.4, 1.5 + 0.3 * len(methods))
    axes = figure.add_subplot()
    names = []
    for index, method in enumerate(methods):
        mine = [r for r in timed if r.row == method]
        seconds = [max(float(r.about["seconds"]), 1e-3) for r in mine]
        axes.plot(seconds, [index] * len(seconds), "o", color="#0072B2", markersize=4, alpha=0.6)
        middle = float(np.median(seconds))
        axes.plot([middle, middle], [index - 0.34, index + 0.34], color="#D55E00", linewidth=2.5)
        names.append(f"{short(method)}{_lacking(mine, n_tasks)}")
    log_scale(axes)
    axes.set_yticks(range(len(methods)), names)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.set_xlabel("seconds for a task's whole grid")
    figure.suptitle(f"Run times ({scope(r.task_label for r in timed)})")
    machines = join_names([str(r.about.get("machine") or "") for r in timed], 3)
    measured = f" Measured on {machines}." if machines else ""
    remark(figure, f"Dots: tasks; bar: their median.{measured}", absences(timed, missing))
    synthetic_mark(figure, any(r.synthetic for r in records))
    return figure
