"""The picture of the benchmarks: every ratio on a logarithmic axis, with its goal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_rows import Row, write_number

from cdmer_bench.reporting.plot_style import COLOURS, MARKERS, log_scale, new_figure, save

TITLES = {
    ("plain", "descriptors"): "loop over voxels: their time / ours",
    ("peer", "descriptors"): "library peers: their time / ours",
    ("reference", "descriptors"): "our time / that of LBP-TOP(R3P8)",
    ("plain", "methods"): "textbook fits: their time / ours",
    ("floor", "methods"): "our time / floor",
    ("peer", "peers"): "other packages: their time / ours",
    ("limit", "commands"): "ours / limit",
}


def draw(rows: Sequence[Row]) -> Any:
    """Return the figure; a cross-bar is the goal."""
    groups = {
        key: [r for r in rows if (r.kind, r.section) == key and r.ratio is not None]
        for key in TITLES
    }
    groups = {key: members for key, members in groups.items() if members}
    heights = [len(members) + 2 for members in groups.values()]
    figure = new_figure(7.0, 0.19 * sum(heights) + 0.4)
    axes = figure.subplots(
        len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
    ).ravel()
    for index, (ax, (key, members)) in enumerate(zip(axes, groups.items(), strict=True)):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        for y, row in enumerate(members):
            ax.plot([1, row.ratio], [y, y], color=colour, alpha=0.35)
            ax.plot(row.ratio, y, marker=marker, color=colour, linestyle="none")
            # Beside the point, away from the line to 1.
            side, place = (6, "left") if row.ratio >= 1 else (-6, "right")
            ax.annotate(
                write_number(row.ratio),
                (row.ratio, y),
                (side, -3),
                textcoords="offset points",
                size=7,
                ha=place,
            )
            if row.goal:
                goal = float(row.goal.split()[1])
                ax.plot([goal, goal], [y - 0.4, y + 0.4], color="black", linewidth=1)
        ax.axvline(1, color="#7F7F7F", linewidth=0.8, linestyle=":")
        ax.set_yticks(range(len(members)), [row.name for row in members], size=7)
        ax.invert_yaxis()
        ax.margins(x=0.14)
        log_scale(ax)
        ax.minorticks_off()
        ax.set_title(TITLES[key], size=9, loc="left")
    return figure


def write_picture(rows: Sequence[Row], path: Path) -> None:
    """Write the picture."""
    save(lambda: draw(rows), path)
