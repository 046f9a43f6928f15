"""Score against parameter: a curve for one, heat maps for two and three, margins for more."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection import Oracle, Rule
from cdmer_bench.reporting.plot_style import (
    AREA,
    COLOURS,
    hide_unused,
    line_look,
    log_scale,
    new_figure,
    remark,
    short,
    synthetic_mark,
)
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MOST_MAPS = 12


def parameter_picture(record: CellRecord, rule: Rule | None = None) -> "Figure":
    """Draw mean F1 on the target over the grid, the chosen setting marked.

    One parameter gives a curve, two a heat map, three a heat map for each value of the one
    with the fewest values. More, or more than twelve maps, give for each parameter the best and
    the median over all others.

    Parameters
    ----------
    record : CellRecord
    rule : Rule, optional
        By default the oracle.

    Raises
    ------
    UserError
        If no parameter of the grid has several values.
    """
    rule = rule or Oracle()
    chosen = rule.select(record)
    names = searched_parameters(record)
    f1, _ = grid_scores(record.y_target, record.predictions, len(record.classes))
    if not names:
        raise UserError(
            f"{record.row} on {record.task_label} was run with one setting; "
            "a picture of its grid needs at least two"
        )
    panels = min(len(_values(record, name)) for name in names)
    if len(names) == 1:
        figure = _curve(record, names[0], f1, chosen)
    elif len(names) == 2 or (len(names) == 3 and panels <= _MOST_MAPS):
        figure = _maps(record, names, f1, chosen)
    else:
        figure = _margins(record, names, f1, chosen)
    figure.suptitle(
        f"{short(record.row)}, {short(record.task_label)}: mean F1 on the target\n"
        f"{len(record.settings):,} settings, marked: chosen by {rule.name}"
    )
    remark(figure, f"Descriptor: {record.descriptor_label}. Selection: {rule.label}.")
    synthetic_mark(figure, record.synthetic)
    return figure


def searched_parameters(record: CellRecord) -> list[str]:
    """Return the parameters that take more than one value in the grid."""
    return [n for n in record.settings[0] if len({repr(s.get(n)) for s in record.settings}) > 1]


def _curve(record: CellRecord, name: str, f1: NDArray, chosen: int) -> "Figure":
    figure = new_figure(5.2, 3.0)
    axes = figure.add_subplot()
    values = [setting[name] for setting in record.settings]
    numeric = all(isinstance(v, int | float) for v in values)
    x = np.array(values, dtype=float) if numeric else np.arange(len(values))
    order = np.argsort(x, kind="stable")
    # Between categories there is nothing, and few settings are better seen one by one.
    look = "o-" if numeric and len(x) <= 30 else "-" if numeric else "o"
    axes.plot(x[order], f1[order], look, color=COLOURS[0])
    axes.plot(x[chosen], f1[chosen], "o", color=COLOURS[1], markersize=7)
    axes.annotate(
        f"{name} = {_short(values[chosen])}: {f1[chosen]:.4f}",
        (x[chosen], f1[chosen]),
        xytext=(0, 8),
        textcoords="offset points",
        ha="center"
        if 0.2 < _fraction(x, chosen) < 0.8
        else "right"
        if _fraction(x, chosen) >= 0.8
        else "left",
    )
    if numeric and x.min() > 0 and x.max() / x.min() >= 1000:
        log_scale(axes)
    if not numeric:
        axes.set_xticks(x, [_short(v) for v in values], rotation=30, ha="right")
    axes.set(xlabel=name, ylabel="mean F1")
    axes.margins(y=0.15)
    return figure


def _fraction(x: NDArray, chosen: int) -> float:
    span = np.ptp(x)
    if x.min() > 0 and x.max() / x.min() >= 1000:
        return float(np.log(x[chosen] / x.min()) / np.log(x.max() / x.min()))
    return float((x[chosen] - x.min()) / span) if span else 0.5


def _maps(record: CellRecord, names: list[str], f1: NDArray, chosen: int) -> "Figure":
    # The parameter with the fewest values is spread over panels, the next gives the rows.
    by_size = sorted(names, key=lambda n: len(_values(record, n)))
    panel, rows, columns = ([""] * (3 - len(by_size))) + by_size
    panels: list[Any] = _values(record, panel) if panel else [None]
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = new_figure(1.2 + 3.2 * across if panel else 6.4, 0.8 + 2.3 * down)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    low, high = float(np.nanmin(f1)), float(np.nanmax(f1))
    image: Any = None
    for axes, value in zip(grid.flat, panels, strict=False):
        inside = [i for i, s in enumerate(record.settings) if not panel or s[panel] == value]
        image = _map(axes, record, (rows, columns), f1, inside, chosen, (low, high))
        if panel:
            axes.set_title(f"{panel} = {_short(value)}", size=9)
    hide_unused(grid, len(panels), columns)
    figure.supylabel(rows, size=9)
    figure.colorbar(image, ax=grid, label="mean F1", shrink=0.9)
    return figure


def _margins(record: CellRecord, names: list[str], f1: NDArray, chosen: int) -> "Figure":
    """Draw, for each parameter, the best and the median score at each of its values."""
    across = min(len(names), 3)
    down = -(-len(names) // across)
    figure = new_figure(1.0 + 2.6 * across, 0.9 + 2.1 * down)
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes, name in zip(grid.flat, names, strict=False):
        values = _values(record, name)
        of_value = [
            f1[[i for i, s in enumerate(record.settings) if s.get(name) == v]] for v in values
        ]
        places = range(len(values))
        best = [scores.max() for scores in of_value]
        axes.plot(places, best, label="best", **line_look(0))
        middle = [np.median(scores) for scores in of_value]
        axes.plot(places, middle, label="median", **line_look(1))
        place = values.index(record.settings[chosen].get(name))
        axes.plot(place, f1[chosen], "o", color="black", markerfacecolor="none", markersize=9)
        step = max(1, -(-len(values) // 7))
        axes.set_xticks(list(places)[::step], [_short(v) for v in values[::step]])
        axes.tick_params(axis="x", labelrotation=45, labelsize=7.5)
        axes.set_xlabel(name)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    grid[0, 0].legend()
    figure.supylabel("mean F1, over all other parameters", size=9)
    return figure


def _map(
    axes: "Axes",
    record: CellRecord,
    names: tuple[str, str],
    f1: NDArray,
    inside: list[int],
    chosen: int,
    limits: tuple[float, float],
) -> Any:
    y, x = (_values(record, name) for name in names)
    matrix = np.full((len(y), len(x)), np.nan)
    for index in inside:
        setting = record.settings[index]
        matrix[y.index(setting[names[0]]), x.index(setting[names[1]])] = f1[index]
    image = axes.imshow(
        matrix, aspect="auto", origin="lower", cmap=AREA, vmin=limits[0], vmax=limits[1]
    )
    if chosen in inside:
        setting = record.settings[chosen]
        place = x.index(setting[names[1]]), y.index(setting[names[0]])
        axes.plot(*place, "o", markerfacecolor="none", markeredgecolor=COLOURS[1], markersize=9)
        axes.annotate(
            f"{f1[chosen]:.4f}",
            place,
            xytext=(-8 if place[0] > len(x) / 2 else 8, 0),
            textcoords="offset points",
            va="center",
            ha="right" if place[0] > len(x) / 2 else "left",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )
    for axis, values, most in ((axes.xaxis, x, 8), (axes.yaxis, y, 7)):
        step = max(1, -(-len(values) // most))
        ticks = range(0, len(values), step)
        axis.set_ticks(list(ticks), [_short(values[i]) for i in ticks])
    axes.tick_params(axis="x", labelrotation=45, labelsize=7.5)
    axes.tick_params(axis="y", labelsize=7.5)
    return image


def _values(record: CellRecord, name: str) -> list[Any]:
    values = {setting.get(name) for setting in record.settings}
    return (
        sorted(values)
        if all(isinstance(v, int | float) for v in values)
        else sorted(values, key=str)
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else short(str(value), 16)
