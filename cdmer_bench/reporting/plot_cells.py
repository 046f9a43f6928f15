"""Pictures of single cells: score against parameter, confusion matrices, embeddings of samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import confusion_matrices, grid_scores
from cdmer_bench.evaluation.selection import NotRecorded, Oracle, Rule
from cdmer_bench.reporting.captions import Asked, absences
from cdmer_bench.reporting.plot_style import (
    AREA,
    COLOURS,
    MARKERS,
    TWO,
    hide_unused,
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
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.reporting.report_data import number, searched_values, settings_by_value
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_MAPS = 12
# More matrices than these are drawn small, a row for each method and a column for each task.
_LARGE = 12


def parameter_picture(
    record: CellRecord,
    rule: Rule | None = None,
    baseline: float | None = None,
    width: float = TWO,
) -> "Figure":
    """Draw mean F1 on the target over the grid, the chosen setting marked.

    One parameter gives a curve, two a heat map, three a heat map for each value of the one
    with the fewest values. More, or more than twelve maps, give for each parameter the best and
    the median over all others. ``baseline`` is the Baseline's score on the task, drawn as a line.
    """
    rule = rule or Oracle()
    values = searched_values(record)
    if not values:
        raise UserError(
            f"{record.row} on {record.task_label} was run with one setting; "
            "a picture of its grid needs at least two"
        )
    try:
        chosen, lack = rule.select(record), ""
    except NotRecorded as missing:
        chosen, lack = None, f"No setting is marked: {missing.short}."
    f1, _ = grid_scores(record.y_target, record.predictions, len(record.classes))
    panels = min(map(len, values.values()))
    grid = _Grid(record, values, f1, chosen, baseline)
    if len(values) == 2 or (len(values) == 3 and panels <= _MOST_MAPS):
        figure = _maps(grid, width)
    else:
        figure = _curves(grid, width)
    marked = "" if chosen is None else f"Marked: chosen by {rule.name}, {f1[chosen]:.4f}."
    base = "" if baseline is None else f"Line: the Baseline, {baseline:.4f}."
    title(
        figure,
        f"{short(record.row)}, {short(record.task_label)}: mean F1 on the target, "
        f"{len(record.settings):,} settings",
        record.synthetic,
    )
    remark(figure, marked, lack, base, f"Descriptor: {record.descriptor_label}.")
    return figure


@dataclass
class _Grid:
    """A cell's scores with what is drawn beside them."""

    record: CellRecord
    values: dict[str, list[Any]]
    f1: NDArray
    chosen: int | None
    baseline: float | None


def _curves(grid: _Grid, width: float) -> "Figure":
    """Draw, for each parameter, the best and, over several others, the median at each value."""
    names = list(grid.values)
    across = min(len(names), 1 if is_narrow(width) else 3)
    down = -(-len(names) // across)
    figure = new_figure(width, 0.9 + (1.7 if len(names) > 1 else 1.9) * down)
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes, name in zip(panels.flat, names, strict=False):
        values = grid.values[name]
        places = settings_by_value(grid.record, name)
        of_value = [grid.f1[places[repr(value)]] for value in values]
        numeric = all(isinstance(v, int | float) for v in values)
        x = np.array(values, dtype=float) if numeric and len(names) == 1 else np.arange(len(values))
        best = [scores.max() for scores in of_value]
        look = line_look(0)
        if not numeric:
            look["linestyle"] = "none"  # between categories there is nothing
        if len(values) > 30:
            look["marker"] = "none"
        axes.plot(x, best, label="best" if len(names) > 1 else None, **look)
        if len(names) > 1:
            axes.plot(x, [np.median(s) for s in of_value], label="median", **line_look(1))
        if len(names) == 1 and numeric and x.min() > 0 and x.max() / x.min() >= 1000:
            log_scale(axes)
        elif len(names) > 1 or not numeric:
            step = max(1, -(-len(values) // 7))
            axes.set_xticks(x[::step], [number(v) for v in values[::step]])
            axes.tick_params(axis="x", labelrotation=45)
        if grid.chosen is not None:
            place = values.index(grid.record.settings[grid.chosen].get(name))
            axes.plot(
                x[place], grid.f1[grid.chosen], "o", color="black", mfc="none", ms=8, zorder=5
            )
        if grid.baseline is not None:
            axes.axhline(grid.baseline, color=COLOURS[7], linewidth=1, zorder=0)
        axes.set_xlabel(name)
        axes.margins(y=0.12)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    if len(names) > 1:
        panels[0, 0].legend()
    figure.supylabel(
        "mean F1" + (", over all other parameters" if len(names) > 1 else ""), size=7.5
    )
    return figure


def _maps(grid: _Grid, width: float) -> "Figure":
    # The parameter with the fewest values is spread over panels, the next gives the rows.
    by_size = sorted(grid.values, key=lambda name: len(grid.values[name]))
    panel, rows, columns = ([""] * (3 - len(by_size))) + by_size
    panels: list[Any] = grid.values[panel] if panel else [None]
    across = min(len(panels), 1 if is_narrow(width) else 3)
    down = -(-len(panels) // across)
    figure = new_figure(width, 0.8 + (1.75 if panel else 2.3) * down)
    axes_grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    low, high = float(np.nanmin(grid.f1)), float(np.nanmax(grid.f1))
    image: Any = None
    of_panel = settings_by_value(grid.record, panel)
    for axes, value in zip(axes_grid.flat, panels, strict=False):
        inside = of_panel[repr(value)] if panel else range(len(grid.f1))
        image = _map(axes, grid, (rows, columns), inside, (low, high))
        if panel:
            axes.set_title(f"{panel} = {number(value)}")
    hide_unused(axes_grid, len(panels), columns)
    figure.supylabel(rows, size=7.5)
    bar = figure.colorbar(image, ax=axes_grid, label="mean F1", shrink=0.9)
    if grid.baseline is not None and low <= grid.baseline <= high:
        bar.ax.axhline(grid.baseline, color=COLOURS[1], linewidth=2)
        ends = bar.ax.get_xlim()
        bar.ax.text(ends[0], grid.baseline, "Baseline ", ha="right", va="center", size=6)
    return figure


def _map(
    axes: "Axes",
    grid: _Grid,
    names: tuple[str, str],
    inside: Iterable[int],
    limits: tuple[float, float],
) -> Any:
    y, x = (grid.values[name] for name in names)
    settings, inside = grid.record.settings, list(inside)
    matrix = np.full((len(y), len(x)), np.nan)
    for index in inside:
        setting = settings[index]
        matrix[y.index(setting[names[0]]), x.index(setting[names[1]])] = grid.f1[index]
    image = axes.imshow(
        matrix, aspect="auto", origin="lower", cmap=AREA, vmin=limits[0], vmax=limits[1]
    )
    if grid.chosen in inside:
        setting = settings[grid.chosen]
        place = x.index(setting[names[1]]), y.index(setting[names[0]])
        axes.plot(*place, "o", mfc="none", mec=COLOURS[1], mew=1.5, ms=8)
    for axis, values, most in ((axes.xaxis, x, 8), (axes.yaxis, y, 7)):
        step = max(1, -(-len(values) // most))
        ticks = range(0, len(values), step)
        axis.set_ticks(list(ticks), [number(values[i]) for i in ticks])
    axes.tick_params(axis="x", labelrotation=45)
    return image


def confusion_picture(
    records: Sequence[CellRecord],
    rule: Rule | None = None,
    missing: Iterable[Asked] = (),
    width: float = TWO,
) -> "Figure":
    """Draw the confusion matrix of each record at its chosen setting: counts and shares.

    Shade is the share of the true class. Records whose setting the rule cannot choose are
    left out, and the picture names them, as it does the ``missing`` cells.
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
    figure = (_one_by_one if len(chosen) <= _LARGE else _by_task)(chosen, width)
    title(figure, "Confusion matrices, clips of the target", any(r.synthetic for r in records))
    remark(
        figure,
        f"Selection: {rule.label}.",
        absences([record for record, _ in chosen], missing),
        *lacking[:3],
    )
    return figure


def _one_by_one(chosen: Sequence[tuple[CellRecord, int]], width: float) -> "Figure":
    n_methods = len({record.row for record, _ in chosen})
    most = 2 if is_narrow(width) else 4
    # Methods beside one another, if a page has room for them; else rows are just filled.
    across = n_methods if 2 <= n_methods <= most else min(len(chosen), most - 1)
    several = len({record.descriptor_label for record, _ in chosen}) > 1
    down = -(-len(chosen) // across)
    figure = new_figure(width, 0.8 + (width / max(across, 1.6) + 0.1) * down)
    panels = figure.subplots(down, across, squeeze=False)
    image: Any = None
    for axes, (record, index) in zip(panels.flat, chosen, strict=False):
        size = max(4.0, min(7.5, 21 * width / across / 7 / len(record.classes) * 3))
        image = _confusion(axes, record, index, size, shares=True)
        names = [short(name, 10) for name in record.classes]
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", size=6.5)
        axes.set_yticks(range(len(names)), names, size=6.5)
        where = [record.task_label, *([record.descriptor_label] if several else [])]
        axes.set_title(f"{short(record.row)}\n{short(', '.join(where))}")
    hide_unused(panels, len(chosen), "predicted class")
    for axes in panels[:, 0]:
        axes.set_ylabel("true class")
    _share_bar(figure, image, panels)
    return figure


def _by_task(chosen: Sequence[tuple[CellRecord, int]], width: float) -> "Figure":
    """Arrange small matrices in rows for each method and descriptor, a column for each task."""
    tasks = paper_order(record.task_label for record, _ in chosen)
    several = len({record.descriptor_label for record, _ in chosen}) > 1
    cells: dict[tuple[str, str], dict[str, tuple[CellRecord, int]]] = {}
    for record, index in chosen:
        row = record.row, record.descriptor_label if several else ""
        cells.setdefault(row, {})[record.task_label] = record, index
    most = max(len(record.classes) for record, _ in chosen)
    # A matrix is about half an inch wide, or as much as its numbers need.
    across = min(len(tasks), max(1, int((width - 0.9) / max(0.5, 0.13 * most))))
    parts = [tasks[i : i + across] for i in range(0, len(tasks), across)]
    rows = [(name, part) for name in cells for part in parts if set(part) & set(cells[name])]
    side = (width - 0.9) / across
    figure = new_figure(width, 1.0 + (side + (0.3 if len(parts) > 1 else 0.12)) * len(rows))
    panels = figure.subplots(len(rows), across, squeeze=False)
    image: Any = None
    size = max(3.0, min(6.0, 30 * side / most))
    for place, (names, part) in enumerate(rows):
        line, of_row = panels[place], cells[names]
        below = {task for name, _ in rows[place + 1 :] for task in cells[name]}
        leftmost = next(task for task in part if task in of_row)
        for axes, task in zip(line, [*part, *[""] * (across - len(part))], strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if task not in of_row:
                text = "no\nresult" if task else ""
                axes.text(0.5, 0.5, text, ha="center", va="center", size=5.0)
                continue
            record, index = of_row[task]
            image = _confusion(axes, record, index, size, shares=False)
            letters = [c[:3] for c in record.classes]
            axes.tick_params(length=0, pad=1.0, labelsize=5.0)
            if task == leftmost:
                axes.set_yticks(range(len(letters)), letters)
            if task not in below or len(parts) > 1:
                axes.set_xticks(range(len(letters)), letters, rotation=90)
            if place == 0 or len(parts) > 1:
                axes.set_title(lines(task, max(5, int(16 * side))), size=6.0)
        text = "\n".join(lines(n, 12) for n in names if n)
        line[0].set_ylabel(text, size=6.5, weight="bold")
    figure.supylabel("true class", size=7)
    _share_bar(figure, image, panels)
    return figure


def _share_bar(figure: "Figure", image: Any, panels: Any) -> None:
    """Explain the shade, which all panels share."""
    # Of many rows the bar takes a part, or it would be taller than it is of use.
    figure.colorbar(
        image, ax=panels, label="share of the true class", shrink=1 / len(panels) ** 0.5
    )


def _confusion(axes: "Axes", record: CellRecord, index: int, size: float, *, shares: bool) -> Any:
    """Draw one matrix, and return its image, whose shade a colour bar explains."""
    chosen = record.predictions[index : index + 1]
    counts = confusion_matrices(record.y_target, chosen, len(record.classes))[0]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap=AREA, vmin=0, vmax=1)
    for (true, predicted), count in np.ndenumerate(counts):
        part = share[true, predicted]
        text = f"{count}\n{100 * part:.0f} %" if shares else str(count)
        axes.text(
            predicted, true, text, ha="center", va="center", color=readable_on(part), size=size
        )
    axes.spines[:].set_visible(False)
    return image


_Panel = tuple[str, CellRecord, NDArray[np.float64]]


def embedding_picture(
    # sequence of (CellRecord, ndarray, ndarray or None), cells of one task and descriptor with the
    # places of source, then target samples before and after adaptation, shape (n, 2); None for a
    # method that moves no sample
    drawn: Sequence[tuple[CellRecord, NDArray, NDArray | None]],
    rule: str = "oracle",  # the rule that chose the settings
    left_out: Sequence[str] = (),  # sentences on methods that could not be drawn
    width: float = TWO,  # in inches
) -> "Figure":
    """Draw the samples of one task in two dimensions before adaptation, and after each method's.

    Open markers are source samples, filled ones target samples; colour and shape are the true
    class, which for the target no method saw.
    """
    first, before, _ = drawn[0]
    moved = [(f"after {short(r.row, 16)}", r, after) for r, _, after in drawn if after is not None]
    panels: list[_Panel] = [("before adaptation", first, before), *moved]
    columns = min(max(2, len(panels)), 2 if is_narrow(width) else 4)
    rows = -(-len(panels) // columns)
    keys = 0.17 * -(-2 * len(first.classes) // columns)
    height = 0.9 * width / columns
    figure = new_figure(width, 1.0 + height * rows + keys)
    ratios = [*[height] * rows, keys]
    grid = figure.subplots(rows + 1, columns, squeeze=False, height_ratios=ratios).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        _scatter(axes, *panel)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    legend = grid[-columns].legend(handles, labels, loc="upper left", ncols=columns)
    legend.set_in_layout(False)
    title(figure, f"Source and target, {short(first.task_label)}", first.synthetic)
    still = [record.row for record, _, after in drawn if after is None]
    remark(
        figure,
        f"{first.descriptor_label}; the two largest principal components of each kernel, no unit.",
        f"Settings chosen by {rule}. Classes are the true ones; no method saw the target's.",
        f"These move no sample, so they look as before adaptation: {', '.join(still)}."
        if still
        else "",
        *left_out,
    )
    return figure


def _scatter(axes: "Axes", name: str, record: CellRecord, points: NDArray[np.float64]) -> None:
    labels = np.concatenate([record.y_source, record.y_target])
    of_source = np.arange(len(labels)) < len(record.y_source)
    for mask, side in ((of_source, "source"), (~of_source, "target")):
        for index, label in enumerate(record.classes):
            colour = COLOURS[index % len(COLOURS)]
            x, y = points[mask & (labels == index)].T
            axes.scatter(
                x,
                y,
                s=8,
                marker=MARKERS[index % len(MARKERS)],
                facecolor=colour if side == "target" else "none",
                edgecolor=colour,
                linewidth=0.6,
                alpha=0.8,
                label=f"{short(label)}, {side}",
            )
    axes.set_title(name)
    axes.set_xticks([])
    axes.set_yticks([])
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(True)
