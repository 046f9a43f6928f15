"""The critical-difference diagram of Demsar (JMLR 7, 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.statistics import DEPENDENCE, Ranking, cliques
from cdmer_bench.reporting.plot_style import new_figure, remark, short, synthetic_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def rank_picture(
    names: Sequence[str],
    ranking: Ranking,
    synthetic: bool = False,
    *,
    over: str = "",
    left_out: Sequence[str] = (),
) -> "Figure":
    """Draw average ranks on a line, best at the left; bars join what does not differ.

    Parameters
    ----------
    names : sequence of str
        Of the methods, in the order of ``ranking.average_ranks``.
    ranking : Ranking
    synthetic : bool
        Whether the scores are of generated databases.
    over : str
        What the ranks are over, such as ``7 of 12 tasks``; by default the number of tasks.
    left_out : sequence of str
        Sentences on what lacks a result and is not ranked.
    """
    ranks = ranking.average_ranks
    k = len(ranks)
    groups = cliques(ranks.tolist(), ranking.critical_difference)
    half = -(-k // 2)
    depth = 0.8 + 0.32 * len(groups)
    figure = new_figure(6.8, 1.6 + 0.26 * (half + len(groups)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(1 - 0.35 * (k - 1), k + 0.35 * (k - 1))
    axes.set_ylim(-(depth + half - 0.5), 1.9)
    _draw_scale(axes, k)
    _draw_names(axes, names, ranks, depth)
    for number, group in enumerate(groups):
        level = -(0.45 + 0.32 * number)
        ends = [ranks[group[0]] - 0.04, ranks[group[-1]] + 0.04]
        axes.plot(ends, [level, level], color="#D55E00", linewidth=3.5, solid_capstyle="round")
    _draw_difference(axes, ranking.critical_difference, k)
    figure.suptitle(
        f"Average ranks of mean F1 over {over or f'{ranking.n_tasks} tasks'} "
        f"(Friedman p = {ranking.p:.2g})"
    )
    remark(
        figure,
        "1 is best. A bar joins methods whose ranks differ by less than Nemenyi's critical "
        "difference.",
        DEPENDENCE,
        *left_out,
    )
    synthetic_mark(figure, synthetic)
    return figure


def _draw_scale(axes: "Axes", k: int) -> None:
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, 0.2], color="black", linewidth=1)
        axes.text(tick, 0.3, str(tick), ha="center", va="bottom", size=8)


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
        axes.plot(corners, [0, level, level], color="#555555", linewidth=1)
        name = f" {short(names[index])} ({ranks[index]:.2f}) "
        axes.text(edge, level, name, ha="right" if left else "left", va="center", size=9)


def _draw_difference(axes: "Axes", difference: float, k: int) -> None:
    shown = min(difference, k - 1)
    axes.plot([1, 1 + shown], [1.35, 1.35], color="#D55E00", linewidth=2, marker="|", markersize=8)
    text = f"  critical difference {difference:.2f} (5 %)"
    if difference > shown:
        text += ",\n  more than all ranks"
    axes.text(1 + shown, 1.35, text, va="center", size=8)
