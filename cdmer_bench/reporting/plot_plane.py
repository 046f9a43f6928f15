"""Source and target in the plane, before and after adaptation."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.reporting.plot_style import (
    COLOURS,
    MARKERS,
    new_figure,
    remark,
    short,
    synthetic_mark,
)
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.results.plane import Plane
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_COLUMNS = 5
_Panel = tuple[str, CellRecord, NDArray[np.float64]]


def plane_picture(drawn: Sequence[tuple[CellRecord, Plane]]) -> "Figure":
    """Draw the samples of one task before adaptation, and after it by each method.

    Open markers are source samples, filled ones target samples; colour and shape are the true
    class, which for the target no method saw.

    Parameters
    ----------
    drawn : sequence of (CellRecord, Plane)
        Cells of one task and one descriptor.

    Raises
    ------
    UserError
        If there is no cell, or the cells are of several tasks.
    """
    if len({(record.task, record.descriptor) for record, _ in drawn}) != 1:
        raise UserError(
            f"the plane shows one task with one descriptor, but {len(drawn)} cells of several or "
            "none were given; choose them with task= and descriptor="
        )
    order = paper_order(record.row for record, _ in drawn)
    drawn = sorted(drawn, key=lambda pair: order.index(pair[0].row))
    first, plane = drawn[0]
    panels: list[_Panel] = [("before adaptation", first, plane.before), *_after(drawn)]
    rows = -(-len(panels) // _MOST_COLUMNS)
    columns = max(2, -(-len(panels) // rows))
    figure = new_figure(2.1 * columns + 1.3, 2.2 * rows + 0.9)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        _scatter(axes, *panel)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8)
    figure.suptitle(f"Source and target in the plane, {first.task_label}")
    still = [record.row for record, made in drawn if made.after is None]
    remark(
        figure,
        f"{first.descriptor_label}; the two largest principal components of each kernel, no unit.",
        f"Settings chosen by {plane.rule}. Classes are the true ones; no method saw the target's.",
        f"As before adaptation, because no sample is moved: {', '.join(still)}." if still else "",
    )
    synthetic_mark(figure, first.synthetic)
    return figure


def first_task(records: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the cells of the first record's task and descriptor, one for each method.

    Parameters
    ----------
    records : sequence of CellRecord
        In the order of preference.
    """
    first = records[0]
    mine = [r for r in records if (r.task, r.descriptor) == (first.task, first.descriptor)]
    return list({record.row: record for record in reversed(mine)}.values())


def _after(drawn: Sequence[tuple[CellRecord, Plane]]) -> Iterator[_Panel]:
    for record, plane in drawn:
        if plane.after is not None:
            yield f"after {short(record.row, 16)}", record, plane.after


def _scatter(axes: "Axes", title: str, record: CellRecord, points: NDArray[np.float64]) -> None:
    labels = np.concatenate([record.y_source, record.y_target])
    of_source = np.arange(len(labels)) < len(record.y_source)
    for mask, side in ((of_source, "source"), (~of_source, "target")):
        for index, name in enumerate(record.classes):
            colour = COLOURS[index % len(COLOURS)]
            x, y = points[mask & (labels == index)].T
            axes.scatter(
                x,
                y,
                s=14,
                marker=MARKERS[index % len(MARKERS)],
                facecolor=colour if side == "target" else "none",
                edgecolor=colour,
                linewidth=0.7,
                alpha=0.8,
                label=f"{short(name)}, {side}",
            )
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(True)
