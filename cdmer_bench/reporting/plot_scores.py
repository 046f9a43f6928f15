"""Pictures over many cells: scores of methods by tasks, budgets, run times, average ranks."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.budget import budget_curve
from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.statistics import DEPENDENCE, Ranking, cliques
from cdmer_bench.reporting.captions import Asked, absences, join_names, scope
from cdmer_bench.reporting.plot_style import (
    AREA,
    COLOURS,
    TWO,
    is_narrow,
    line_look,
    lines,
    log_scale,
    new_figure,
    readable_on,
    remark,
    short,
    title,
)
from cdmer_bench.reporting.published import AVERAGE, paper_order
from cdmer_bench.reporting.table import Table
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARK = "#D55E00"


def score_map(*tables: Table, width: float = TWO) -> "Figure":
    """Draw the mean F1 of tables, rows by tasks and their average, each table in its own scale.

    The best of a column is framed; cells without a result are hatched, and the picture says so.
    """
    if not tables:
        raise UserError("there is no table to draw; run a method on a task first")
    values = [_mean_f1(table) for table in tables]
    heights = [1.6 + max(len(v), 1) for v in values]
    own = is_narrow(width) and any(table.number == "own" for table in tables)
    figure = new_figure(width, 0.7 + 0.21 * sum(heights) + 0.8 * own)
    panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, table, matrix in zip(panels, tables, values, strict=True):
        _map(axes, table, matrix, is_narrow(width))
    title(figure, "Mean F1 on the target", any(table.synthetic for table in tables))
    rules = join_names([row.selection for table in tables for row in table.rows], 5)
    reasons = "; ".join(dict.fromkeys(r.rstrip(".") for t in tables for r in _reasons(t)))
    within = [
        v[:, :-1] if t.columns[-1][0] == AVERAGE else v for t, v in zip(tables, values, strict=True)
    ]
    missing = sum(int(np.isnan(v).sum()) for v in within)
    lacking = f"Hatched: no figure ({missing} of {sum(v.size for v in within)} cells): {reasons}."
    remark(
        figure,
        f"Settings chosen by: {rules}. Framed: best of a column." if rules else "",
        lacking if missing else "",
    )
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
    """Return the scores of a table without its row of averages, NaN where there is none."""
    rows = [row.cells for row in table.rows if row.label != AVERAGE]
    values = [[np.nan if c.figure is None else c.figure.mean_f1 for c in cells] for cells in rows]
    return np.array(values, dtype=float).reshape(len(rows), len(table.columns))


def _map(axes: "Axes", table: Table, values: NDArray[np.float64], narrow: bool) -> None:
    from matplotlib.patches import Rectangle

    found = values[np.isfinite(values)]
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    axes.patch.set(hatch="////", edgecolor="#BBBBBB")
    image = axes.imshow(values, cmap=AREA, aspect="auto", vmin=low, vmax=high)
    best = np.nanmax(np.round(values, 4), axis=0, initial=-1)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = readable_on((value - low) / (high - low) if high > low else 0.0)
            top = len(values) > 1 and round(value, 4) == best[j]
            text = (f"{value:.2f}" if narrow else f"{value:.3f}").lstrip("0")
            weight = "bold" if top else "normal"
            size = 5.5 if narrow else 6.5
            axes.text(j, i, text, ha="center", va="center", color=shade, size=size, weight=weight)
            if top:
                axes.add_patch(
                    Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False, ec=_MARK, lw=1.2)
                )
    names = [short(row.name, 16 if narrow else 30) for row in table.rows if row.label != AVERAGE]
    if table.columns[-1][0] == AVERAGE:
        axes.axvline(len(table.columns) - 1.5, color="white", linewidth=3)
    heads = [_head(label, way, narrow) for label, way in table.columns]
    size = 5.5 if narrow else 6.5
    # A narrow column has no room for the names of two databases but upwards.
    turned = 90 if narrow and any(len(line) > 8 for h in heads for line in h.split("\n")) else 0
    axes.set_xticks(range(len(heads)), heads, size=size, rotation=turned)
    axes.set_yticks(range(len(names)), names, size=size)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=2)
    axes.set_title("Own tasks" if table.number == "own" else f"Table {table.number}", loc="left")
    # A tenth of an inch wide, however few the rows.
    aspect = max(1.0, 2.1 * len(values))
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01, aspect=aspect)
    bar.ax.tick_params(labelsize=5.5)
    bar.outline.set_visible(False)


def _head(label: str, way: str, narrow: bool) -> str:
    if label == AVERAGE:
        return "mean" if narrow else AVERAGE
    name = short(label.removeprefix("Exp."), 22) if narrow else lines(label, 9, 3)
    return f"{name}\n{way.replace(' ', '') if narrow else way}".strip()


def budget_picture(
    records: Sequence[CellRecord], missing: Iterable[Asked] = (), width: float = TWO
) -> "Figure":
    """Draw, for each method, the expected best mean F1 against settings tried at random.

    The curve of a method is the mean of its tasks' exact curves; a task whose grid is smaller
    than the budget keeps its maximum. A method with one setting is a level line. Curves over
    fewer tasks than others are dotted.
    """
    if all(len(r.settings) == 1 for r in records):
        raise UserError("every method was run with one setting; a budget needs at least two")
    n_tasks = len({r.task_label for r in records})
    by_method = {
        method: [r for r in records if r.row == method]
        for method in paper_order(r.row for r in records)
    }
    narrow = is_narrow(width)
    keys = 0.6 + 0.16 * -(-len(by_method) // 2)
    figure = new_figure(width, 2.8 + keys if narrow else 3.0)
    if narrow:
        axes, below = figure.subplots(2, 1, height_ratios=(2.0, keys))
        below.set_axis_off()
    else:
        axes = below = figure.add_subplot()
    most = max(len(r.settings) for r in records)
    for index, (method, mine) in enumerate(by_method.items()):
        scores = [grid_scores(r.y_target, r.predictions, len(r.classes))[0] for r in mine]
        largest = max(map(len, scores))
        budgets = np.unique(np.geomspace(1, largest, 40).round().astype(int))
        curves = [budget_curve(s, np.minimum(budgets, len(s))) for s in scores]
        means = np.mean(curves, axis=0)
        if largest == 1:
            budgets, means = np.array([1, most]), np.repeat(means, 2)
        dotted = {"linestyle": ":"} if _lacking(mine, n_tasks) else {}
        axes.plot(
            budgets,
            means,
            label=f"{short(method, 12 if narrow else 24)} ({_span(mine)}){_lacking(mine, n_tasks)}",
            # Apart from the end, so that lines can be told apart in grey.
            markevery=[*range(0, len(budgets) - 4, 9), len(budgets) - 1],
            clip_on=False,
            **{**line_look(index), **dotted},
        )
    log_scale(axes)
    axes.set_xlim(1, most)
    axes.set(xlabel="settings tried at random", ylabel="expected best mean F1")
    over = scope(r.task_label for r in records)
    mean = over if n_tasks == 1 else f"mean over {over}"
    legend = below.legend(
        *axes.get_legend_handles_labels(),
        loc="upper center" if narrow else "center left",
        bbox_to_anchor=None if narrow else (1.02, 0.5),
        ncols=2 if narrow else 1,
        title="method (settings)",
        columnspacing=1.0,
    )
    legend.set_in_layout(not narrow)
    title(figure, f"How many settings are worth trying ({mean})", any(r.synthetic for r in records))
    remark(
        figure,
        "The best is judged on the target's own labels; the expectation is exact. A task whose "
        "grid is smaller keeps its maximum.",
        "Dotted: over fewer tasks, not to be compared with the others."
        if any(_lacking(mine, n_tasks) for mine in by_method.values())
        else "",
        absences(records, missing),
    )
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


def time_picture(
    records: Sequence[CellRecord], missing: Iterable[Asked] = (), width: float = TWO
) -> "Figure":
    """Draw the seconds of computing of every cell and of one setting, by method.

    Dots are tasks, a bar across is their median.
    """
    timed = [r for r in records if isinstance(r.about.get("seconds"), int | float)]
    if not timed:
        raise UserError("no cell has a run time; it was not recorded")
    methods = paper_order(r.row for r in timed)
    n_tasks = len({r.task_label for r in timed})
    narrow = is_narrow(width)
    height = 0.45 + 0.19 * len(methods)
    figure = new_figure(width, 0.8 + height * (2 if narrow else 1))
    panels = figure.subplots(2 if narrow else 1, 1 if narrow else 2, squeeze=False).ravel()
    for axes, label in zip(panels, ("for a task's whole grid", "for one setting"), strict=True):
        one = label.endswith("setting")
        for index, method in enumerate(methods):
            mine = [r for r in timed if r.row == method]
            seconds = [
                max(float(r.about["seconds"]), 1e-3) / (len(r.settings) if one else 1) for r in mine
            ]
            axes.plot(seconds, [index] * len(seconds), "o", color=COLOURS[0], ms=3, alpha=0.6)
            middle = float(np.median(seconds))
            axes.plot([middle, middle], [index - 0.34, index + 0.34], color=_MARK, linewidth=2)
        log_scale(axes)
        names = [
            f"{short(m, 10 if narrow else 24)}{_lacking([r for r in timed if r.row == m], n_tasks)}"
            for m in methods
        ]
        axes.set_yticks(range(len(methods)), names if axes is panels[0] or narrow else [])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.grid(axis="x", color="#E5E5E5")
        axes.set_axisbelow(True)
        axes.set_xlabel(f"seconds {label}" if narrow else f"seconds of computing {label}")
    over = scope(r.task_label for r in timed)
    title(figure, f"What methods cost ({over})", any(r.synthetic for r in records))
    machines = join_names([str(r.about.get("machine") or "") for r in timed], 3)
    measured = f" Measured on {machines}." if machines else ""
    remark(figure, f"Dots: tasks; bar: their median.{measured}", absences(timed, missing))
    return figure


def rank_picture(
    names: Sequence[str],  # of the methods, in the order of ``ranking.average_ranks``
    ranking: Ranking,
    synthetic: bool = False,  # whether the scores are of generated databases
    *,
    # what the ranks are over, such as ``7 of 12 tasks``; by default the number of tasks
    over: str = "",
    left_out: Sequence[str] = (),  # sentences on what lacks a result and is not ranked
    width: float = TWO,  # in inches
) -> "Figure":
    """Draw the critical-difference diagram of Demsar (JMLR 7, 2006), best at the left.

    Bars join methods whose average ranks do not differ significantly.
    """
    ranks = ranking.average_ranks
    k = len(ranks)
    groups = cliques(ranks.tolist(), ranking.critical_difference)
    half = -(-k // 2)
    depth = 0.8 + 0.32 * len(groups)
    figure = new_figure(width, 1.5 + 0.2 * (half + len(groups)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(1 - 0.45 * (k - 1), k + 0.45 * (k - 1))
    axes.set_ylim(-(depth + half - 0.5), 1.9)
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, 0.2], color="black", linewidth=1)
        axes.text(tick, 0.3, str(tick), ha="center", va="bottom", size=7)
    _draw_names(axes, [short(n, 14 if is_narrow(width) else 24) for n in names], ranks, depth)
    for number, group in enumerate(groups):
        level = -(0.45 + 0.32 * number)
        ends = [ranks[group[0]] - 0.04, ranks[group[-1]] + 0.04]
        axes.plot(ends, [level, level], color=_MARK, linewidth=3.5, solid_capstyle="round")
    _draw_difference(axes, ranking.critical_difference, k)
    title(
        figure,
        f"Average ranks of mean F1 over {over or f'{ranking.n_tasks} tasks'} "
        f"(Friedman p = {ranking.p:.2g})",
        synthetic,
    )
    remark(
        figure,
        "1 is best. A bar joins methods whose ranks differ by less than Nemenyi's critical "
        "difference.",
        DEPENDENCE,
        *left_out,
    )
    return figure


def _draw_names(
    axes: "Axes", names: Sequence[str], ranks: NDArray[np.float64], depth: float
) -> None:
    """Lead from each rank down to the method's name, the better half at the left."""
    k = len(ranks)
    half = -(-k // 2)
    for place, index in enumerate(np.argsort(ranks, kind="stable")):
        left = place < half
        level = -(depth + (place if left else k - 1 - place))
        edge = 1 - 0.06 * (k - 1) if left else k + 0.06 * (k - 1)
        corners = [ranks[index], ranks[index], edge]
        axes.plot(corners, [0, level, level], color="#555555", linewidth=0.8)
        name = f" {names[index]} ({ranks[index]:.2f}) "
        axes.text(edge, level, name, ha="right" if left else "left", va="center")


def _draw_difference(axes: "Axes", difference: float, k: int) -> None:
    shown = min(difference, k - 1)
    axes.plot([1, 1 + shown], [1.35, 1.35], color=_MARK, linewidth=2, marker="|", markersize=8)
    text = f"  critical difference {difference:.2f} (5 %)"
    if difference > shown:
        text += ",\n  more than all ranks"
    axes.text(1 + shown, 1.35, text, va="center", size=7)
