"""Pictures of single cells: parameters, confusion matrices, facial blocks, samples."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection import NotRecorded, Oracle, Rule
from cdmer_bench.reporting import picture_data as pictures
from cdmer_bench.reporting import plot_style as look
from cdmer_bench.reporting.captions import Asked, absences
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More matrices than these are drawn small, a row for each method and a column for each task.
_LARGE = 12


def parameter_picture(
    record: CellRecord,
    rule: Rule | None = None,
    baseline: float | None = None,
    width: float = look.TWO,
) -> "Figure":
    """Draw mean F1 on the target over the grid, the chosen setting marked.

    One parameter gives a curve, two a heat map, three a heat map for each value of the one
    with the fewest values. More, or more than twelve maps, give for each parameter the best and
    the median over all others. ``baseline`` is the Baseline's score on the task, drawn as a line.
    """
    rule, grid = rule or Oracle(), pictures.parameters(record)
    if not grid.names:
        raise UserError(
            f"{record.row} on {record.task_label} was run with one setting; "
            "a picture of its grid needs at least two"
        )
    try:
        chosen, lack = rule.select(record), ""
    except NotRecorded as missing:
        chosen, lack = None, f"No setting is marked: {missing.short}."
    f1, _ = grid_scores(record.y_target, record.predictions, len(record.classes))
    figure = (_maps if grid.of_maps else _curves)(grid, f1, chosen, baseline, width)
    return look.labelled(
        figure,
        f"{look.short(record.row)}, {look.short(record.task_label)}: mean F1 on the target, "
        f"{len(record.settings):,} settings",
        record.synthetic,
        "" if chosen is None else f"Marked: chosen by {rule.name}, {f1[chosen]:.4f}.",
        lack,
        "" if baseline is None else f"Line: the Baseline, {baseline:.4f}.",
        f"Descriptor: {record.descriptor_label}.",
    )


def _curves(
    grid: pictures.Parameters, f1: NDArray, chosen: int | None, baseline: float | None, width: float
) -> "Figure":
    """Draw, for each parameter, the best and, over several others, the median at each value."""
    n = len(grid.names)
    across = min(n, 1 if look.is_narrow(width) else 3)
    down = -(-n // across)
    figure = look.new_figure(width, 0.9 + (1.7 if n > 1 else 1.9) * down)
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for j, (axes, name, values) in enumerate(
        zip(panels.flat, grid.names, grid.values, strict=False)
    ):
        numeric = all(isinstance(v, int | float) for v in values)
        x = np.array(values, dtype=float) if numeric and n == 1 else np.arange(len(values))
        best, median = grid.over_others(j, f1)
        line = look.line_look(0)
        if not numeric:
            line["linestyle"] = "none"  # between categories there is nothing
        if len(values) > 30:
            line["marker"] = "none"
        axes.plot(x, best, label="best" if n > 1 else None, **line)
        if n > 1:
            axes.plot(x, median, label="median", **look.line_look(1))
        if n == 1 and numeric and x.min() > 0 and x.max() / x.min() >= 1000:
            look.log_scale(axes)
        elif n > 1 or not numeric:
            _value_ticks(axes, "x", values, 7)
        if chosen is not None:
            place = grid.places[chosen, j]
            axes.plot(x[place], f1[chosen], "o", color="black", mfc="none", ms=8, zorder=5)
        if baseline is not None:
            axes.axhline(baseline, color=look.COLOURS[7], linewidth=1, zorder=0)
        axes.set_xlabel(name)
        axes.margins(y=0.12)
    for axes in panels.flat[n:]:
        axes.set_visible(False)
    if n > 1:
        panels[0, 0].legend()
    figure.supylabel("mean F1" + (", over all other parameters" if n > 1 else ""), size=7.5)
    return figure


def _maps(
    grid: pictures.Parameters, f1: NDArray, chosen: int | None, baseline: float | None, width: float
) -> "Figure":
    *spread, rows, columns = grid.of_maps
    maps = grid.maps()
    across = min(len(maps), 1 if look.is_narrow(width) else 3)
    down = -(-len(maps) // across)
    figure = look.new_figure(width, 0.8 + (1.75 if spread else 2.3) * down)
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    low, high = float(f1.min()), float(f1.max())
    image: Any = None
    for i, (axes, settings) in enumerate(zip(panels.flat, maps, strict=False)):
        shown = np.where(settings >= 0, f1[settings], np.nan)
        image = axes.imshow(
            shown, aspect="auto", origin="lower", cmap=look.AREA, vmin=low, vmax=high
        )
        for y, x in np.argwhere(settings == (-2 if chosen is None else chosen)):
            axes.plot(x, y, "o", mfc="none", mec=look.COLOURS[1], mew=1.5, ms=8)
        _value_ticks(axes, "x", grid.values[columns], 8)
        _value_ticks(axes, "y", grid.values[rows], 7)
        for j in spread:
            axes.set_title(f"{grid.names[j]} = {pictures.number(grid.values[j][i])}")
    _hide_unused(panels, len(maps), grid.names[columns])
    figure.supylabel(grid.names[rows], size=7.5)
    bar = figure.colorbar(image, ax=panels, label="mean F1", shrink=0.9)
    if baseline is not None and low <= baseline <= high:
        bar.ax.axhline(baseline, color=look.COLOURS[1], linewidth=2)
        start = bar.ax.get_xlim()[0]
        bar.ax.text(start, baseline, "Baseline ", ha="right", va="center", size=6)
    return figure


def _value_ticks(axes: "Axes", side: str, values: Sequence[Any], most: int) -> None:
    """Label at most so many of a parameter's values."""
    places = range(0, len(values), -(-len(values) // most))
    getattr(axes, f"set_{side}ticks")(list(places), [pictures.number(values[i]) for i in places])
    if side == "x":
        axes.tick_params(axis="x", labelrotation=45)


def _hide_unused(panels: Any, n_used: int, label: str) -> None:
    """Hide the panels after the first ``n_used``; the lowest of each column bears the x-label."""
    for axes in panels.flat[n_used:]:
        axes.set_visible(False)
    for column in panels.T:
        lowest = [axes for axes in column if axes.get_visible()][-1]
        lowest.set_xlabel(label)
        lowest.tick_params(axis="x", labelbottom=True)


def confusion_picture(
    records: Sequence[CellRecord],
    rule: Rule | None = None,
    missing: Iterable[Asked] = (),
    width: float = look.TWO,
) -> "Figure":
    """Draw the confusion matrix of each record at its chosen setting: counts and shares.

    Shade is the share of the true class. Records whose setting the rule cannot choose are
    left out, and the picture names them, as it does the ``missing`` cells.
    """
    rule = rule or Oracle()
    cells = pictures.cells_of(records, [rule])
    drawn = [cell for cell in cells if cell.index(rule.name) is not None]
    lacking = [
        f"{cell.record.row}, {cell.record.task_label}: {cell.choices[rule.name].lack}."
        for cell in cells
        if cell not in drawn
    ]
    if not drawn:
        raise UserError(f"no confusion matrix can be drawn; {lacking[0] if lacking else 'no cell'}")
    figure = _matrices(drawn, rule.name, width)
    return look.labelled(
        figure,
        "Confusion matrices, clips of the target",
        any(r.synthetic for r in records),
        f"Selection: {rule.label}.",
        absences([cell.record for cell in drawn], missing),
        *lacking[:3],
    )


def _matrices(cells: Sequence[pictures.Cell], rule: str, width: float) -> "Figure":
    """Arrange matrices in rows for each method and descriptor, a column for each task.

    A few are large, with shares and whole names of classes; many have counts and three letters.
    """
    large = len(cells) <= _LARGE
    tasks = paper_order(cell.record.task_label for cell in cells)
    several = len({cell.record.descriptor_label for cell in cells}) > 1
    of_row: dict[tuple[str, str], dict[str, pictures.Cell]] = {}
    for cell in cells:
        name = cell.record.row, cell.record.descriptor_label if several else ""
        of_row.setdefault(name, {})[cell.record.task_label] = cell
    most = max(len(cell.record.classes) for cell in cells)
    # A matrix is as wide as its numbers need, in inches.
    least = max(1.25, 0.22 * most) if large else max(0.5, 0.13 * most)
    across = max(1, int((width - 0.9) / least))
    across = -(-len(tasks) // -(-len(tasks) // across))  # the same number in every row
    parts = [tasks[i : i + across] for i in range(0, len(tasks), across)]
    rows = [(name, part) for name in of_row for part in parts if set(part) & set(of_row[name])]
    side = min((width - 0.9) / across, 2.4)
    gap = 0.5 if large else 0.3 if len(parts) > 1 else 0.12
    figure = look.new_figure(width, 1.0 + (side + gap) * len(rows))
    panels = figure.subplots(len(rows), across, squeeze=False)
    image: Any = None
    size = max(4.0, min(7.5, 12 * side / most)) if large else max(3.0, min(6.0, 30 * side / most))
    letters = 6.5 if large else 5.0
    for place, (names, part) in enumerate(rows):
        line, mine = panels[place], of_row[names]
        below = {task for name, _ in rows[place + 1 :] for task in of_row[name]}
        leftmost = next(task for task in part if task in mine)
        for axes, task in zip(line, [*part, *[""] * (across - len(part))], strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if task not in mine:
                text = "no\nresult" if task else ""
                axes.text(0.5, 0.5, text, ha="center", va="center", size=letters)
                continue
            image = _confusion(axes, mine[task].counts(rule), size, shares=large)
            classes = [look.short(c, 10) if large else c[:3] for c in mine[task].record.classes]
            axes.tick_params(length=0, pad=1.0, labelsize=letters)
            if task == leftmost:
                axes.set_yticks(range(len(classes)), classes)
            if task not in below or len(parts) > 1:
                axes.set_xticks(range(len(classes)), classes, rotation=90)
            if place == 0 or len(parts) > 1:
                length = int((9 if large else 16) * side)
                axes.set_title(look.lines(task, max(5, length), 3), size=6.0 + large)
        text = "\n".join(look.lines(n, 20 if large else 12) for n in names if n)
        line[0].set_ylabel(text, size=6.5 + large, weight="bold")
    figure.supylabel("true class, across: predicted class", size=7)
    # With many rows the colour bar takes a part of the height only.
    shrink = 1 / len(rows) ** 0.5
    figure.colorbar(image, ax=panels, label="share of the true class", shrink=shrink)
    return figure


def _confusion(axes: "Axes", counts: Any, size: float, *, shares: bool) -> Any:
    """Draw one matrix, and return its image, whose shade a colour bar explains."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap=look.AREA, vmin=0, vmax=1)
    for (true, predicted), count in np.ndenumerate(counts):
        part = share[true, predicted]
        text = f"{count}\n{100 * part:.0f} %" if shares else str(count)
        axes.text(
            predicted, true, text, ha="center", va="center", color=look.readable_on(part), size=size
        )
    axes.spines[:].set_visible(False)
    return image


def region_picture(
    weights: ArrayLike,
    name: str,
    synthetic: bool = False,
    setting: str = "",
    width: float = look.TWO,
) -> "Figure":
    """Draw the weights of all grids over one another, and of each grid, behind a sketched face.

    The face is a drawing and belongs to nobody; no frame of a database is shown. Weights of zero
    are white. The single grids share one scale; ``setting`` is what the weights belong to.
    """
    images = pictures.block_images(weights)
    narrow, n = look.is_narrow(width), len(images)
    figure = look.new_figure(width, 4.2 if narrow else 0.4 * width)
    spec = (
        figure.add_gridspec(2, n, height_ratios=(2, 1))
        if narrow
        else figure.add_gridspec(1, n + 1, width_ratios=(1.3, *[1] * n))
    )
    both = pictures.overlay(images)
    largest = max(*(float(image.max()) for image in images), 1e-300)
    whole = figure.add_subplot(spec[0, :] if narrow else spec[0, 0])
    shown = _blocks(whole, both, max(float(both.max()), 1e-300))
    whole.set_title("all grids")
    figure.colorbar(shown, ax=whole, label="sum of weights", location="bottom", shrink=0.8)
    panels = [figure.add_subplot(spec[1, i] if narrow else spec[0, i + 1]) for i in range(n)]
    for axes, image, share in zip(panels, images, pictures.shares(images), strict=True):
        shown = _blocks(axes, image, largest)
        g, kept = len(image), int(np.count_nonzero(image))
        text = f"{g} x {g}\n{kept} of {g * g} kept\n{100 * share:.0f} % of weight"
        axes.set_title(text, size=5.5 if narrow else 6.5)
    figure.colorbar(shown, ax=panels, label="weight of a block", location="bottom", shrink=0.5)
    chosen = f"Setting: {setting}." if setting else ""
    told = "White blocks have weight zero; the face is a sketch."
    return look.labelled(figure, name, synthetic, chosen, told)


def _blocks(axes: "Axes", image: NDArray, largest: float) -> Any:
    """Draw one grid of blocks, and brows, eyes, nose, mouth and outline of an aligned face."""
    from matplotlib.patches import Ellipse

    g = len(image)
    shown = axes.imshow(image, cmap=look.AREA, vmin=0, vmax=largest, extent=(0, 1, 1, 0))
    for line in range(g + 1):
        axes.axhline(line / g, color="#BBBBBB", linewidth=0.3)
        axes.axvline(line / g, color="#BBBBBB", linewidth=0.3)
    ink: dict[str, Any] = {"color": "black", "linewidth": 0.8}
    axes.add_patch(Ellipse((0.5, 0.5), 0.94, 1.16, fill=False, clip_on=True, **ink))
    t = np.linspace(0, 1, 20)
    for side in (-1, 1):
        centre = 0.5 + side * 0.22
        axes.add_patch(Ellipse((centre, 0.33), 0.2, 0.085, fill=False, **ink))
        axes.add_patch(Ellipse((centre, 0.33), 0.055, 0.07, color="black"))
        axes.plot(centre + side * 0.26 * (t - 0.5), 0.235 - 0.09 * t * (1 - t) * 2, **ink)
        axes.plot(0.5 + side * 0.075 * np.sin(np.pi * t * 0.9), 0.6 + 0.05 * (1 - t) ** 2, **ink)
    axes.plot(0.5 + 0.34 * (t - 0.5), 0.795 - 0.03 * np.sin(3 * np.pi * t) ** 2, **ink)
    axes.plot(0.5 + 0.34 * (t - 0.5), 0.795 + 0.3 * t * (1 - t), **ink)
    axes.set_axis_off()
    axes.set(xlim=(-0.01, 1.01), ylim=(1.01, -0.01))
    return shown


def embedding_picture(
    drawn: Sequence[pictures.Placed],  # cells of one task and descriptor
    rule: str = "oracle",  # the rule that chose the settings
    left_out: Sequence[str] = (),  # sentences on methods that could not be drawn
    width: float = look.TWO,  # in inches
) -> "Figure":
    """Draw the samples of one task in two dimensions before adaptation, and after each method's.

    Open markers are source samples, filled ones target samples; colour and shape are the true
    class, which for the target no method saw.
    """
    panels, first = pictures.samples(drawn), drawn[0][0]
    columns = min(max(2, len(panels)), 2 if look.is_narrow(width) else 4)
    rows = -(-len(panels) // columns)
    keys = 0.17 * -(-2 * len(first.classes) // columns)
    height = 0.9 * width / columns
    figure = look.new_figure(width, 1.0 + height * rows + keys)
    ratios = [*[height] * rows, keys]
    grid = figure.subplots(rows + 1, columns, squeeze=False, height_ratios=ratios).ravel()
    for axes, (name, record, points) in zip(grid, panels, strict=False):
        _scatter(axes, record, points)
        axes.set(title=look.short(name, 22), xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    legend = grid[-columns].legend(handles, labels, loc="upper left", ncols=columns)
    legend.set_in_layout(False)
    still = ", ".join(record.row for record, _, after in drawn if after is None)
    return look.labelled(
        figure,
        f"Source and target, {look.short(first.task_label)}",
        first.synthetic,
        f"{first.descriptor_label}; the two largest principal components of each kernel, no unit.",
        f"Settings chosen by {rule}. Classes are the true ones; no method saw the target's.",
        f"These move no sample, so they look as before adaptation: {still}." if still else "",
        *left_out,
    )


def _scatter(axes: "Axes", record: CellRecord, points: NDArray[np.float64]) -> None:
    of_source, of_target = np.split(points, [len(record.y_source)])
    for side, labels, mine in (
        ("source", record.y_source, of_source),
        ("target", record.y_target, of_target),
    ):
        for index, name in enumerate(record.classes):
            colour = look.COLOURS[index % len(look.COLOURS)]
            x, y = mine[labels == index].T
            axes.scatter(
                x,
                y,
                s=8,
                marker=look.MARKERS[index % len(look.MARKERS)],
                facecolor=colour if side == "target" else "none",
                edgecolor=colour,
                linewidth=0.6,
                alpha=0.8,
                label=f"{look.short(name)}, {side}",
            )
