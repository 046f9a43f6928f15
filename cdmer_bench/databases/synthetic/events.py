"""Events: which action units move, how far and when."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import table
from cdmer_bench.databases.synthetic.faces import stream

# Action-unit mixes and their weights: MIXES by group and emotion, CLASS_FREE for all.
MIXES, CLASS_FREE = (table("synthetic/corpus")[key] for key in ("mixes", "class_free"))
PEAK_MEDIAN = {"casme2": 2.0, "smic": 1.6}  # pixels at 112 x 112
PEAK_SPREAD = 0.4  # of the logarithm
DURATION_MEDIAN = {"casme2": 0.31, "smic": 0.325}  # seconds from onset to offset
# Spread of the logarithm: sqrt(2 log(mean / median)) of CASME II's 67 / 61 frames; SMIC's from
# its range.
DURATION_SPREAD = {"casme2": 0.40, "smic": 0.30}
# Shortest and longest: 31 to 146 frames at 200 per second, 11 to 58 at 100.
DURATION_RANGE = {"casme2": (31 / 200, 146 / 200), "smic": (11 / 100, 58 / 100)}
ONE_SIDED = 0.35  # of the motions of units that a person can show on one side
BOTH_SIDES = frozenset({"17", "18", "24", "25", "26", "45"})
WITH_CLASS_FREE = 0.45


@dataclass(frozen=True)
class Motion:
    """A group of action units that move together."""

    units: tuple[str, ...]  # action units without side, such as ``('1', '2')``
    sides: str  # ``LR``, ``L`` or ``R``
    # largest displacement of the visible face, pixels at 112 x 112; None: the units' full strength
    # (a blink closes the eye)
    peak: float | None
    start: float  # this and the next two: seconds from the onset of the event
    apex: float
    end: float
    rest: float = 0.0  # share of the peak that is left at the end

    def strength(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the peak, 0 to 1, at times in seconds from the onset."""
        up = _smooth((time - self.start) / (self.apex - self.start))
        down = _smooth((time - self.apex) / (self.end - self.apex))
        return up * (1 - (1 - self.rest) * down)


@dataclass(frozen=True)
class Event:
    """A micro-expression, before any camera sees it."""

    emotion: str
    duration: float  # seconds from onset to offset
    expression: Motion
    class_free: Motion | None  # motion that does not depend on the emotion
    # (2, 2), amplitude (x, y; pixels at 112 x 112) of the head's linear and bow-shaped drift
    drift: NDArray[np.float64]

    def head(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the head's displacement, (n_times, 2), pixels at 112 x 112."""
        share = np.clip(time / self.duration, 0, 1)[:, None]
        return self.drift[0] * (share - 0.5) + self.drift[1] * np.sin(np.pi * share)


def group_of(database: str) -> str:
    """Return the group whose subjects and events a database shows: SMIC's three are one."""
    return "casme2" if database == "casme2" else "smic"


def make_event(
    seed: int,
    group: str,
    subject: str,
    emotion: str,  # one of :data:`cdmer_bench.databases.base.EMOTIONS`
    number: int,  # counts the subject's events of this emotion from 1
) -> Event:
    """Draw one event of a subject; SMIC's cameras all see the same one."""
    rng = stream(seed, "event", group, subject, emotion, number)
    low, high = DURATION_RANGE[group]
    duration = _lognormal(rng, DURATION_MEDIAN[group], DURATION_SPREAD[group], low, high)
    apex = float(np.clip(rng.normal(0.52, 0.15), 0.2, 0.85)) * duration
    units = _draw(rng, MIXES[group][emotion])
    sides = _sides(rng, units)
    peak = _lognormal(rng, PEAK_MEDIAN[group], PEAK_SPREAD, 0.5, 6.0)
    expression = Motion(units, sides, peak, 0.0, apex, duration, float(rng.uniform(0, 0.25)))
    free = _class_free(rng, group, duration) if rng.random() < WITH_CLASS_FREE else None
    return Event(emotion, duration, expression, free, rng.normal(0, 0.2, (2, 2)))


def _class_free(rng: np.random.Generator, group: str, duration: float) -> Motion:
    units = _draw(rng, CLASS_FREE)
    apex = float(rng.uniform(0.1, 0.9)) * duration
    if units == ("45",):  # a blink takes 0.2 to 0.3 s and closes faster than it opens
        start = apex - rng.uniform(0.07, 0.1)
        return Motion(units, "LR", None, start, apex, apex + rng.uniform(0.12, 0.2))
    peak = _lognormal(rng, PEAK_MEDIAN[group], PEAK_SPREAD, 0.5, 6.0) * 0.7
    half = rng.uniform(0.3, 0.7, 2) * duration
    return Motion(units, _sides(rng, units), peak, apex - half[0], apex, apex + half[1])


def _lognormal(
    rng: np.random.Generator, median: float, spread: float, low: float, high: float
) -> float:
    return float(np.clip(median * np.exp(rng.normal(0, spread)), low, high))


def _draw(rng: np.random.Generator, weights: Mapping[str, float]) -> tuple[str, ...]:
    share = np.array(list(weights.values()), float)
    return tuple(list(weights)[rng.choice(len(share), p=share / share.sum())].split("+"))


def _sides(rng: np.random.Generator, units: tuple[str, ...]) -> str:
    one, left = rng.random() < ONE_SIDED, rng.random() < 0.5
    if not one or BOTH_SIDES.intersection(units):
        return "LR"
    return "L" if left else "R"


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
