"""Scales of the report's pictures: the templates place marks and ticks by them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The range of an axis, and whether it is logarithmic; ``labels`` stand at whole numbers."""

    low: float
    high: float
    log: bool = False
    labels: Sequence[str] = ()

    def at(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end."""
        if self.high <= self.low:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return float((value - self.low) / (self.high - self.low))

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return places from 0 to 1 with their labels, at most about so many."""
        if self.labels:
            step = -(-len(self.labels) // most)
            return [(self.at(i), self.labels[i]) for i in range(0, len(self.labels), step)]
        values = self._decades(most) if self.log else []
        if len(values) < 2:
            values = self._round_numbers(most)
        return [(p, f"{v:.6g}") for v in values if 0 <= (p := self.at(v)) <= 1]

    def _decades(self, most: int) -> list[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        step = max(1, -(-(last - first + 1) // most))
        return [10.0**power for power in range(first, last + 1, step)]

    def _round_numbers(self, most: int) -> list[float]:
        """Return multiples of 1, 2 or 5 times a power of ten that lie on the axis."""
        if self.high <= self.low:
            return [self.low]
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]


def axis(values: Iterable[float], *, log: bool = False, margin: float = 0.06) -> Axis:
    """Return an axis that holds all values, with some room at both ends unless logarithmic."""
    finite = [float(v) for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if log:
        return Axis(low, high if high > low else low * 10, True)
    room = margin * ((high - low) or abs(high) or 1.0)
    return Axis(low - room, high + room)
