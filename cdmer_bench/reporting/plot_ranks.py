"""The critical-difference diagram of Demsar (JMLR 7, 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cdmer_bench.evaluation.statistics import DEPENDENCE, Ranking, cliques
from cdmer_bench.reporting.plot_style import new_figure, remark, short, synthetic_mark

if TYPE_CHECKING:
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
    order = np.argsort(ranks, kind="stable")
    half = -(-k // 2)
    depth = 0.8 + 0.32 * len(groups)
    figure = new_figure(6.8, 1.6 + 0.26 * (half + len(groups)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(1 - 0.35 * (k - 1), k + 0.35 * (k - 1))
    axes.set_ylim(-(depth + half - 0.5), 1.9)
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, 0.2], color="black", linewidth=1)
        axes.text(tick, 0.3, str(tick), ha="center", va="bottom", size=8)
    for place, index in enumerate(order):
        left = place < half
        level = -(depth + (place if left else k - 1 - place))
        edge = 1 - 0.06 * (k - 1) if left else k + 0.06 * (k - 1)
        axes.plot(
            [ranks[index], ranks[index], edge], [0, level, level], color="#555555", linewidth=1
        )
        axes.text(
            edge,
            level,
            f" {short(names[index])} ({ranks[index]:.2f}) ",
            ha="right" if left else "left",
            va="center",
            size=9,
        )
    for number, group in enumerate(groups):
        level = -(0.45 + 0.32 * number)
        ends = [ranks[group[0]] - 0.04, ranks[group[-1]] + 0.04]
        axes.plot(ends, [level, level], color="#D55E00", linewidth=3.5, solid_capstyle="round")
    difference = ranking.critical_difference
    shown = min(difference, k - 1)
    axes.plot([1, 1 + shown], [1.35, 1.35], color="#D55E00", linewidth=2, marker="|", markersize=8)
    text = f"  critical difference {difference:.2f} (5 %)"
    if difference > shown:
        text += ",\n  more than all ranks"
    axes.text(1 + shown, 1.35, text, va="center", size=8)
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
