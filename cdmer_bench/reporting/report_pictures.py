"""Pictures of the report: curves, pairs of methods, scores over parameters, facial blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.reporting.charts import Axis, Chart, Line, axis, chart
from cdmer_bench.reporting.regions import KNOWN_GRIDS, block_images, overlay, shares
from cdmer_bench.reporting.report_data import (
    Cell,
    Chosen,
    Curve,
    number,
    searched_values,
    settings_by_value,
)
from cdmer_bench.reporting.report_views import shade
from cdmer_bench.results.record import CellRecord

_MOST_MAPS, _MOST_PLACES = 12, 1500


def budget_chart(curves: Sequence[Curve], n_tasks: int) -> Chart | None:
    """Draw the expected mean F1 against settings tried; None if no grid has several settings."""
    if all(len(curve.budgets) == 1 for curve in curves):
        return None
    lines = [
        Line(
            curve.method + ("" if curve.n_tasks == n_tasks else f" ({curve.n_tasks} of {n_tasks})"),
            curve.budgets,
            curve.values[:, 0],
            place,
            dotted=curve.n_tasks != n_tasks,
        )
        for place, curve in enumerate(curves)
    ]
    largest = max(curve.budgets.max() for curve in curves)
    return chart(
        "Expected mean F1 against the number of settings tried at random",
        lines,
        ("settings tried at random", "mean F1"),
        x=Axis(1, float(largest), log=True),
    )


def pair_chart(cells: Sequence[Cell], rule: str, across: str, up: str) -> Chart:
    """Draw a point for each task that two methods share."""
    scores: dict[str, dict[str, float]] = {across: {}, up: {}}
    for cell in cells:
        values = cell.values(rule)
        if cell.record.row in scores and values is not None:
            scores[cell.record.row][cell.record.task_label] = float(values[0])
    tasks = [task for task in scores[across] if task in scores[up]]
    x, y = ([scores[name][task] for task in tasks] for name in (across, up))
    both = axis([*x, *y])
    return chart(
        "Two methods side by side, a point for each task",
        [Line("tasks", x, y, 0, dots=True)],
        (f"mean F1 of {across}", f"mean F1 of {up}"),
        x=both,
        y=both,
        diagonal=True,
        legend=False,
    )


@dataclass(frozen=True)
class Map:
    """Scores over two parameters: a row and a column for each value."""

    title: str
    columns: list[str]  # values; empty where there is no room for the label of each
    rows: list[str]  # values; empty where there is no room for the label of each
    # (shade, text, chosen) for each row and column
    places: list[list[tuple[float | None, str, bool]]]


@dataclass(frozen=True)
class Parameters:
    """How the score of a method depends on its parameters, on one task."""

    method: str
    task: str
    about: str
    charts: Sequence[Chart]
    maps: Sequence[Map]
    axes: tuple[str, str] = ("", "")


def parameters(cell: Cell, rule: str, baseline: float | None) -> Parameters | None:
    """Draw mean F1 over the grid: a curve for one parameter, maps for two or three, else margins.

    Margins are, for each value of a parameter, the best and the median over all others.
    """
    record, chosen = cell.record, cell.chosen.get(rule)
    if not isinstance(chosen, Chosen):
        return None
    values = searched_values(record)
    if not values:
        return None
    f1, _ = grid_scores(record.y_target, record.predictions, len(record.classes))
    names = sorted(values, key=lambda n: len(values[n]))
    about = (
        f"{len(record.settings):,} settings; chosen: {chosen.setting} with {f1[chosen.index]:.4f}"
    )
    few = len(names) == 3 and len(values[names[0]]) <= _MOST_MAPS
    if (len(names) == 2 or few) and len(f1) <= _MOST_PLACES:
        maps = _maps(record, names, values, f1, chosen.index)
        return Parameters(record.row, record.task_label, about, [], maps, (names[-1], names[-2]))
    charts = [_margins(record, name, values[name], f1, baseline, len(names) > 1) for name in names]
    return Parameters(record.row, record.task_label, about, charts, [])


def _margins(
    record: CellRecord,
    name: str,
    values: list[Any],
    f1: NDArray,
    baseline: float | None,
    several: bool,
) -> Chart:
    places_of = settings_by_value(record, name)
    of_value = [f1[places_of[repr(v)]] for v in values]
    places = np.arange(len(values))
    lines = [Line("best", places, [s.max() for s in of_value], 0)]
    if several:
        lines.append(Line("median", places, [np.median(s) for s in of_value], 1))
    return chart(
        f"Mean F1 of {record.row} on {record.task_label} against {name}",
        lines,
        (name, "mean F1"),
        x=Axis(0, len(values) - 1, labels=[number(v) for v in values]),
        across=baseline,
        legend=several,
    )


def _maps(
    record: CellRecord,
    names: list[str],
    values: dict[str, list[Any]],
    f1: NDArray,
    chosen: int,
) -> list[Map]:
    panel, down, across = ([""] * (3 - len(names))) + names
    shades = shade(f1)
    at = {
        tuple(repr(setting.get(n)) for n in (panel, down, across)): i
        for i, setting in enumerate(record.settings)
    }
    maps = []
    for value in values.get(panel, [None]):
        places: list[list[tuple[float | None, str, bool]]] = []
        for y in reversed(values[down]):
            line: list[tuple[float | None, str, bool]] = []
            for x in values[across]:
                i = at.get((repr(value), repr(y), repr(x)))
                text = f"{down} = {number(y)}, {across} = {number(x)}: "
                if i is None:
                    line.append((None, text + "not in the grid", False))
                else:
                    line.append((float(shades[i]), f"{text}{f1[i]:.4f}", i == chosen))
            places.append(line)
        title = f"{panel} = {number(value)}" if panel else ""
        rows = _thinned([number(v) for v in values[down]], 8)[::-1]
        maps.append(Map(title, _thinned([number(v) for v in values[across]], 8), rows, places))
    return maps


def _thinned(labels: list[str], most: int) -> list[str]:
    step = max(1, -(-len(labels) // most))
    return [label if i % step == 0 else "" for i, label in enumerate(labels)]


@dataclass(frozen=True)
class Scatter:
    """Samples in two dimensions: (x, y, class, of the target) for each, from 0 to 100."""

    title: str
    points: list[tuple[float, float, int, bool]]


def scatters(placed: Sequence[tuple[CellRecord, NDArray, NDArray | None]]) -> list[Scatter]:
    """Draw the samples before adaptation, and after each method that moves them."""
    if not placed:
        return []
    first, before, _ = placed[0]
    panels = [("before adaptation", first, before)]
    panels += [(f"after {r.row}", r, after) for r, _, after in placed if after is not None]
    drawn = []
    for title, record, places in panels:
        low, span = places.min(axis=0), max(float(np.ptp(places, axis=0).max()), 1e-300)
        scaled = (4 + 92 * (places - low) / span).round(1)
        classes = np.concatenate([record.y_source, record.y_target])
        points = [
            (float(x), float(100 - y), int(c), i >= len(record.y_source))
            for i, ((x, y), c) in enumerate(zip(scaled, classes, strict=True))
        ]
        drawn.append(Scatter(title, points))
    return drawn


@dataclass(frozen=True)
class Regions:
    """Weights of facial blocks: each grid, and all of them laid over one another."""

    title: str
    grids: list[tuple[int, int, float, list[list[float]]]]
    overlay: list[list[float]]


def regions(cell: Cell, rule: str) -> Regions | None:
    """Return a method's block weights at the chosen setting, as shades from 0 to 1."""
    weights, chosen = cell.record.extras.get("weights"), cell.chosen.get(rule)
    if weights is None or weights.shape[1] not in KNOWN_GRIDS or not isinstance(chosen, Chosen):
        return None
    of_setting = weights[chosen.index]
    images = block_images(of_setting)
    largest = max(float(of_setting.max()), 1e-300)
    both = overlay(images)
    grids = [
        (len(g), int(np.count_nonzero(g)), share, (g / largest).round(3).tolist())
        for g, share in zip(images, shares(images), strict=True)
    ]
    shades = (both / max(float(both.max()), 1e-300)).round(3).tolist()
    title = f"{cell.record.row} on {cell.record.task_label}, {chosen.setting}"
    return Regions(title, grids, shades)
