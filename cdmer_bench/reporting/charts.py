"""Charts of the report as coordinates in a view box; a template writes them as inline SVG.

Each chart is laid out twice, for a column and for a phone, and the style sheet shows one of them:
a picture that is only scaled down cannot be read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIZES = {"wide": (680, 330), "narrow": (350, 300)}
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 12, 42


@dataclass(frozen=True)
class Line:
    """A curve, or dots if ``dots`` is set; ``place`` gives its colour, marker and dashes."""

    label: str
    x: ArrayLike
    y: ArrayLike
    place: int
    dots: bool = False
    dotted: bool = False


@dataclass(frozen=True)
class Axis:
    """The range of an axis, and whether it is logarithmic."""

    low: float
    high: float
    log: bool = False
    labels: Sequence[str] = ()

    def at(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return where values lie, 0 at the low end and 1 at the high end."""
        v, ends = np.asarray(values, dtype=float), np.array([self.low, self.high], dtype=float)
        if self.log:
            v, ends = np.log(v), np.log(ends)
        span = ends[1] - ends[0]
        return (v - ends[0]) / span if span > 0 else np.full(v.shape, 0.5)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return places from 0 to 1 with their labels, at most about so many."""
        if self.labels:
            step = max(1, -(-len(self.labels) // most))
            shown = range(0, len(self.labels), step)
            return [(float(self.at(i)), self.labels[i]) for i in shown]
        values = _decades(self.low, self.high, most) if self.log else []
        if len(values) < 2:
            values = _round_numbers(self.low, self.high, most)
        places = self.at(values).tolist()
        return [(p, f"{v:.6g}") for p, v in zip(places, values, strict=True) if 0 <= p <= 1]


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, -(-(last - first + 1) // most))
    return [10.0**power for power in range(first, last + 1, step)]


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten that lie between two numbers."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def axis(values: ArrayLike, *, log: bool = False, margin: float = 0.06) -> Axis:
    """Return an axis that holds all values, with some room at both ends unless logarithmic."""
    v = np.asarray(values, dtype=float)
    v = v[np.isfinite(v)]
    low, high = (float(v.min()), float(v.max())) if v.size else (0.0, 1.0)
    if log:
        return Axis(low, high if high > low else low * 10, True)
    room = margin * ((high - low) or abs(high) or 1.0)
    return Axis(low - room, high + room)


@dataclass
class Drawing:
    """A chart at one size, in its own coordinates."""

    size: str
    width: int
    height: int
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[dict[str, Any]] = field(default_factory=list)
    across: float | None = None
    diagonal: tuple[float, float, float, float] | None = None
    # Where the plot begins and ends.
    left = _LEFT
    top = _TOP

    def __post_init__(self) -> None:
        """Place the plot's right and lower end."""
        self.right, self.bottom = self.width - _RIGHT, self.height - _BOTTOM


@dataclass(frozen=True)
class Chart:
    """A picture of lines or dots, at both sizes."""

    title: str
    x_label: str
    y_label: str
    drawings: tuple[Drawing, ...]
    legend: tuple[Line, ...] = ()


def chart(
    title: str,  # what a reader who cannot see the picture is told
    lines: Sequence[Line],
    labels: tuple[str, str],  # (str, str), of the x-axis and the y-axis
    *,
    x: Axis | None = None,  # by default they hold all values
    y: Axis | None = None,  # by default they hold all values
    across: float | None = None,  # height of a level line, such as the Baseline's score
    diagonal: bool = False,  # whether the line of equal x and y is drawn
    legend: bool = True,  # whether the page names the lines
) -> Chart:
    """Lay lines out."""
    every = [np.concatenate([np.asarray(getattr(m, n), dtype=float) for m in lines]) for n in "xy"]
    if across is not None:
        every[1] = np.append(every[1], across)
    x, y = x or axis(every[0], margin=0.03), y or axis(every[1])
    drawings = []
    for size, (width, height) in SIZES.items():
        if diagonal:
            width = height = min(width, 350)
        drawing = Drawing(size, width, height, [], [])
        wide, high = drawing.right - _LEFT, drawing.bottom - _TOP
        drawing.x_ticks = [(_LEFT + p * wide, t) for p, t in x.ticks(9 if size == "wide" else 5)]
        drawing.y_ticks = [(drawing.bottom - p * high, t) for p, t in y.ticks()]
        for line in lines:
            across_up = x.at(line.x) * wide + _LEFT, drawing.bottom - y.at(line.y) * high
            points = [
                (round(float(a), 1), round(float(b), 1))
                for a, b in zip(*across_up, strict=True)
                if math.isfinite(b)
            ]
            drawing.lines.append({"line": line, "points": points})
        if across is not None:
            drawing.across = float(drawing.bottom - y.at(across) * high)
        if diagonal:
            low, top = max(x.low, y.low), min(x.high, y.high)
            ends = [_LEFT + x.at(v) * wide for v in (low, top)]
            levels = [drawing.bottom - y.at(v) * high for v in (low, top)]
            drawing.diagonal = (float(ends[0]), float(levels[0]), float(ends[1]), float(levels[1]))
        drawings.append(drawing)
    return Chart(title, *labels, tuple(drawings), tuple(lines) if legend else ())
