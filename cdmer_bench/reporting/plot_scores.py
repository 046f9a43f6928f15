"""Pictures over many cells: scores of methods by tasks, budgets, run times, average ranks."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import Oracle
from cdmer_bench.evaluation.statistics import DEPENDENCE, cliques
from cdmer_bench.reporting import picture_data as pictures
from cdmer_bench.reporting import plot_style as look
from cdmer_bench.reporting.analysis import MethodComparison
from cdmer_bench.reporting.captions import Asked, absences, join_names, scope
from cdmer_bench.reporting.published import AVERAGE, paper_order
from cdmer_bench.reporting.table import Table, TableRow
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARK = "#D55E00"


def score_map(*tables: Table, width: float = look.TWO) -> "Figure":
    """Draw the mean F1 of tables, rows by tasks and their average, each table in its own scale.

    The best of a column is framed; cells without a result are hatched, and the picture says so.
    """
    if not tables:
        raise UserError("there is no table to draw; run a method on a task first")
    rows = [[row for row in table.rows if row.label != AVERAGE] for table in tables]
    heights = [1.6 + max(len(mine), 1) for mine in rows]
    own = look.is_narrow(width) and any(table.number == "own" for table in tables)
    figure = look.new_figure(width, 0.7 + 0.21 * sum(heights) + 0.8 * own)
    panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, table, mine in zip(panels, tables, rows, strict=True):
        _map(axes, table, mine, look.is_narrow(width))
    places = (place for table in tables for place in table.places())
    cells = [cell for row, column, cell in places if AVERAGE not in (row.label, column)]
    gaps = [cell.reason.rstrip(".") for cell in cells if cell.figure is None]
    reasons = "; ".join(dict.fromkeys(gaps))
    rules = join_names([row.selection for table in tables for row in table.rows], 5)
    return look.labelled(
        figure,
        "Mean F1 on the target",
        any(table.synthetic for table in tables),
        f"Settings chosen by: {rules}. Framed: best of a column." if rules else "",
        f"Hatched: no figure ({len(gaps)} of {len(cells)} cells): {reasons}." if gaps else "",
    )


def _map(axes: "Axes", table: Table, rows: Sequence[TableRow], narrow: bool) -> None:
    from matplotlib.patches import Rectangle

    f1 = [cell.figure.mean_f1 if cell.figure else np.nan for row in rows for cell in row.cells]
    values = np.reshape(f1, (len(rows), len(table.columns)))
    found = values[np.isfinite(values)]
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    axes.patch.set(hatch="////", edgecolor="#BBBBBB")
    image = axes.imshow(values, cmap=look.AREA, aspect="auto", vmin=low, vmax=high)
    best = np.nanmax(np.round(values, 4), axis=0, initial=-1)
    size = 5.5 if narrow else 6.5
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = look.readable_on((value - low) / (high - low) if high > low else 0.0)
            top = len(values) > 1 and round(value, 4) == best[j]
            text = (f"{value:.2f}" if narrow else f"{value:.3f}").lstrip("0")
            weight = "bold" if top else "normal"
            axes.text(j, i, text, ha="center", va="center", color=shade, size=size, weight=weight)
            if top:
                axes.add_patch(
                    Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False, ec=_MARK, lw=1.2)
                )
    if table.columns[-1][0] == AVERAGE:
        axes.axvline(len(table.columns) - 1.5, color="white", linewidth=3)
    heads = [_head(label, way, narrow) for label, way in table.columns]
    # A narrow column has no room for the names of two databases but upwards.
    turned = 90 if narrow and any(len(line) > 8 for h in heads for line in h.split("\n")) else 0
    axes.set_xticks(range(len(heads)), heads, size=size, rotation=turned)
    names = [look.short(row.name, 16 if narrow else 30) for row in rows]
    axes.set_yticks(range(len(names)), names, size=size)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=2)
    axes.set_title(table.name, loc="left")
    # A tenth of an inch wide, however few the rows.
    aspect = max(1.0, 2.1 * len(values))
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01, aspect=aspect)
    bar.ax.tick_params(labelsize=5.5)
    bar.outline.set_visible(False)


def _head(label: str, way: str, narrow: bool) -> str:
    if label == AVERAGE:
        return "mean" if narrow else AVERAGE
    name = look.short(label.removeprefix("Exp."), 22) if narrow else look.lines(label, 9, 3)
    return f"{name}\n{way.replace(' ', '') if narrow else way}".strip()


def budget_picture(
    records: Sequence[CellRecord], missing: Iterable[Asked] = (), width: float = look.TWO
) -> "Figure":
    """Draw, for each method, the expected best mean F1 against settings tried at random.

    The curve of a method is the mean of its tasks' exact curves; a task whose grid is smaller
    than the budget keeps its maximum. A method with one setting is a level line. Curves over
    fewer tasks than others are dotted.
    """
    most = max(len(r.settings) for r in records)
    if most == 1:
        raise UserError("every method was run with one setting; a budget needs at least two")
    n_tasks = len({r.task_label for r in records})
    drawn = pictures.curves(pictures.cells_of(records, [Oracle()]), [Oracle()])["oracle"]
    narrow = look.is_narrow(width)
    keys = 0.6 + 0.16 * -(-len(drawn) // 2)
    figure = look.new_figure(width, 2.8 + keys if narrow else 3.0)
    if narrow:
        axes, below = figure.subplots(2, 1, height_ratios=(2.0, keys))
        below.set_axis_off()
    else:
        axes = below = figure.add_subplot()
    for index, curve in enumerate(drawn):
        budgets, means = curve.budgets, curve.values[:, 0]
        if budgets[-1] == 1:
            budgets, means = np.array([1, most]), np.repeat(means, 2)
        counts = [len(r.settings) for r in records if r.row == curve.method]
        span = " to ".join(dict.fromkeys(f"{n:,}" for n in (min(counts), max(counts))))
        lacking = _lacking(curve.n_tasks, n_tasks)
        axes.plot(
            budgets,
            means,
            label=f"{look.short(curve.method, 12 if narrow else 24)} ({span}){lacking}",
            # Apart from the end, so that lines can be told apart in grey.
            markevery=[*range(0, len(budgets) - 3, 6), len(budgets) - 1],
            clip_on=False,
            **{**look.line_look(index), **({"linestyle": ":"} if lacking else {})},
        )
    look.log_scale(axes)
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
    return look.labelled(
        figure,
        f"How many settings are worth trying ({mean})",
        any(r.synthetic for r in records),
        "The best is judged on the target's own labels; the expectation is exact. A task whose "
        "grid is smaller keeps its maximum.",
        "Dotted: over fewer tasks, not to be compared with the others."
        if any(curve.n_tasks < n_tasks for curve in drawn)
        else "",
        absences(records, missing),
    )


def _lacking(n: int, n_tasks: int) -> str:
    """Say that a method's mean is over fewer tasks than those of others."""
    return "" if n == n_tasks else f", {n} of {n_tasks} tasks"


def time_picture(
    records: Sequence[CellRecord], missing: Iterable[Asked] = (), width: float = look.TWO
) -> "Figure":
    """Draw the seconds of computing of every cell and of one setting, by method.

    Dots are tasks, a bar across is their median.
    """
    timed = pictures.times(records)
    if timed.empty:
        raise UserError("no cell has a run time; it was not recorded")
    methods, n_tasks = paper_order(timed["method"]), timed["task"].nunique()
    narrow = look.is_narrow(width)
    height = 0.45 + 0.19 * len(methods)
    figure = look.new_figure(width, 0.8 + height * (2 if narrow else 1))
    panels = figure.subplots(2 if narrow else 1, 1 if narrow else 2, squeeze=False).ravel()
    of_method = dict(list(timed.groupby("method")))
    names = [
        f"{look.short(m, 10 if narrow else 24)}{_lacking(of_method[m]['task'].nunique(), n_tasks)}"
        for m in methods
    ]
    captions = {"whole": "for a task's whole grid", "one": "for one setting"}
    for axes, (column, label) in zip(panels, captions.items(), strict=True):
        for index, method in enumerate(methods):
            seconds = of_method[method][column]
            axes.plot(seconds, [index] * len(seconds), "o", color=look.COLOURS[0], ms=3, alpha=0.6)
            ends = [index - 0.34, index + 0.34]
            axes.plot([seconds.median()] * 2, ends, color=_MARK, linewidth=2)
        look.log_scale(axes)
        axes.set_yticks(range(len(methods)), names if axes is panels[0] or narrow else [])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.grid(axis="x", color="#E5E5E5")
        axes.set_axisbelow(True)
        axes.set_xlabel(f"seconds {label}" if narrow else f"seconds of computing {label}")
    recorded = [r for r in records if r.about.get("seconds") is not None]
    machines = join_names([str(r.about.get("machine") or "") for r in recorded], 3)
    measured = f" Measured on {machines}." if machines else ""
    return look.labelled(
        figure,
        f"What methods cost ({scope(timed['task'])})",
        any(r.synthetic for r in records),
        f"Dots: tasks; bar: their median.{measured}",
        absences(recorded, missing),
    )


def rank_picture(
    overall: MethodComparison,
    synthetic: bool = False,  # whether the scores are of generated databases
    width: float = look.TWO,  # in inches
) -> "Figure":
    """Draw the critical-difference diagram of Demsar (JMLR 7, 2006), best at the left.

    Bars join methods whose average ranks do not differ significantly. Two methods have ranks, but
    no critical difference.
    """
    ranks, ranking = overall.average_ranks, overall.ranking
    difference = ranking.critical_difference if ranking else None
    k = len(ranks)
    groups = cliques(ranks.tolist(), difference) if difference else []
    half = -(-k // 2)
    depth = 0.8 + 0.32 * len(groups)
    figure = look.new_figure(width, 1.5 + 0.2 * (half + len(groups)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(1 - 0.45 * (k - 1), k + 0.45 * (k - 1))
    axes.set_ylim(-(depth + half - 0.5), 1.9)
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, 0.2], color="black", linewidth=1)
        if tick % 2 or k < 10 or not look.is_narrow(width):
            axes.text(tick, 0.3, str(tick), ha="center", va="bottom", size=7)
    # Lines lead from each rank down to the method's name, the better half at the left.
    for place, index in enumerate(np.argsort(ranks, kind="stable")):
        left = place < half
        level = -(depth + (place if left else k - 1 - place))
        edge = 1 - 0.06 * (k - 1) if left else k + 0.06 * (k - 1)
        corners = [ranks[index], ranks[index], edge]
        axes.plot(corners, [0, level, level], color="#555555", linewidth=0.8)
        name = look.short(overall.methods[index], 14 if look.is_narrow(width) else 24)
        text, side = f" {name} ({ranks[index]:.2f}) ", "right" if left else "left"
        axes.text(edge, level, text, ha=side, va="center")
    for number, group in enumerate(groups):
        level = -(0.45 + 0.32 * number)
        ends = [ranks[group[0]] - 0.04, ranks[group[-1]] + 0.04]
        axes.plot(ends, [level, level], color=_MARK, linewidth=3.5, solid_capstyle="round")
    if difference:
        shown = min(difference, k - 1)
        axes.plot([1, 1 + shown], [1.35, 1.35], color=_MARK, linewidth=2, marker="|", markersize=8)
        text = f"  critical difference {difference:.2f} (5 %)"
        text += ",\n  more than all ranks" if difference > shown else ""
        axes.text(1 + shown, 1.35, text, va="center", size=7)
    test = f" (Friedman p = {ranking.p:.2g})" if ranking else ""
    joined = "A bar joins methods whose ranks differ by less than Nemenyi's critical difference."
    two = "The critical difference needs three methods."
    return look.labelled(
        figure,
        f"Average ranks of mean F1 over {overall.over}{test}",
        synthetic,
        f"1 is best. {joined if difference else two}",
        DEPENDENCE,
        *overall.left_out_sentences,
    )
