"""The four synthetic databases: the real ones' structure, without a licence or a download.

A clip shows an event: which action units move, how far and when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import EMOTIONS, Clip, ClipDatabase, table
from cdmer_bench.databases.synthetic.faces import digest, group_of, load_face_model, stream
from cdmer_bench.errors import UserError, closest

_CORPUS = table("synthetic/corpus")
# Film and number of the names on which CASME II's coding sheets differ (sub09/EP02_02f, sub24's
# EP02_07, EP07_01, EP07_04f, EP10_03): readers treat them specially.
_DISPUTED = {(2, 2), (2, 7), (7, 1), (7, 4), (10, 3)}
_FEWEST = 4  # frames of the shortest clips of VIS and NIR
ONE_SIDED = 0.35  # of the motions of units that a person can show on one side
BOTH_SIDES = frozenset({"17", "18", "24", "25", "26", "45"})
WITH_CLASS_FREE = 0.45


def _counts(database: str) -> dict[str, tuple[int, ...]]:
    clips = _CORPUS["clips"][group_of(database)]
    subjects = _CORPUS["filmed_by_all"] if database in ("smic_vis", "smic_nir") else clips
    return {subject: tuple(clips[subject]) for subject in subjects}


# Clips of each class, in the order of EMOTIONS, for each database and subject.
COUNTS = {database: _counts(database) for database in _CORPUS["cameras"]}


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


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


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


@dataclass
class SyntheticClip(Clip):
    """A generated micro-expression."""

    name: str
    subject: str
    label: int
    seed: int
    database: str
    event: Event
    times: NDArray[np.float64]  # (n_frames,), seconds from the onset of the event
    onset: int  # number of the first frame

    @property
    def n_frames(self) -> int:
        """Number of frames from onset to offset."""
        return len(self.times)

    @property
    def apex(self) -> int:
        """Number of the frame nearest to the strongest motion."""
        return self.onset + int(np.abs(self.times - self.event.expression.apex).argmin())

    @property
    def offset(self) -> int:
        """Number of the last frame."""
        return self.onset + self.n_frames - 1

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """Hash of the generator's version, its face asset, the seed and the clip's identity."""
        return digest(load_face_model().fingerprint, self.seed, self.database, self.name)

    def frames(self) -> NDArray[np.uint8]:
        """Render the clip, (n_frames, H, W); the same bytes each time."""
        from cdmer_bench.databases.synthetic.render import render

        return render(self)


@dataclass
class SyntheticDatabase(ClipDatabase):
    """A database of generated clips with the real one's subjects, counts and frame rate.

    SMIC-VIS and SMIC-NIR show the same events as the SMIC-HS clips of the same names.

    Attributes
    ----------
    name : {'casme2', 'smic_hs', 'smic_vis', 'smic_nir'}
    seed : int
        Another seed gives other people and other events.
    """

    seed: int = field(default=0, kw_only=True)
    synthetic: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if self.name not in COUNTS:
            raise UserError(f"no synthetic database {self.name!r}: {closest(self.name, COUNTS)}")
        self.classes = tuple(self.classes)
        if self.classes != EMOTIONS:
            raise UserError(
                f"synthetic database {self.name!r} has the classes {', '.join(EMOTIONS)}, "
                f"not {', '.join(map(str, self.classes))}"
            )

    def clips(self) -> Sequence[SyntheticClip]:
        """List the clips by subject and name, without rendering any."""
        return list(self._clips)

    @cached_property
    def _clips(self) -> list[SyntheticClip]:
        clips = []
        for subject, counts in COUNTS[self.name].items():
            events = [(label, n) for label, count in enumerate(counts) for n in range(1, count + 1)]
            named = zip(self._names(subject, events), events, strict=True)
            of_subject = [self._clip(subject, f"{subject}/{name}", *event) for name, event in named]
            clips += sorted(of_subject, key=lambda clip: clip.name)
        return clips

    def _names(self, subject: str, events: Sequence[tuple[int, int]]) -> list[str]:
        """Name the clips; CASME II's by film and expression, f where it ended in a full face."""
        if self.name != "casme2":
            return [f"{subject}_{('ne', 'po', 'sur')[label]}_{n:02d}" for label, n in events]
        rng = stream(self.seed, "names", subject)
        pairs = [(film, number) for film in range(1, 20) for number in range(1, 13)]
        free = [pair for pair in pairs if pair not in _DISPUTED]
        return [
            f"EP{free[index][0]:02d}_{free[index][1]:02d}{'f' if rng.random() < 0.3 else ''}"
            for index in rng.choice(len(free), len(events), replace=False)
        ]

    def _clip(self, subject: str, name: str, label: int, number: int) -> SyntheticClip:
        event = make_event(self.seed, group_of(self.name), subject, EMOTIONS[label], number)
        rng = stream(self.seed, "recording", self.name, name)
        rate = _CORPUS["cameras"][self.name]["rate"]
        n_frames = max(_FEWEST, round(event.duration * rate))
        phase = rng.uniform(-0.4, 0.4)  # a camera's clock does not wait for the event
        times = (np.arange(n_frames) + 0.5 + phase) / rate
        casme2 = self.name == "casme2"
        onset = int(rng.integers(4, 320) if casme2 else rng.integers(500, 250000) // 4)
        return SyntheticClip(name, subject, label, self.seed, self.name, event, times, onset)


def make_event(
    seed: int,
    group: str,
    subject: str,
    emotion: str,  # one of EMOTIONS
    number: int,  # counts the subject's events of this emotion from 1
) -> Event:
    """Draw one event of a subject; SMIC's cameras all see the same one."""
    rng = stream(seed, "event", group, subject, emotion, number)
    duration = _lognormal(rng, **_CORPUS["durations"][group])
    apex = float(np.clip(rng.normal(0.52, 0.15), 0.2, 0.85)) * duration
    units = _draw(rng, _CORPUS["mixes"][group][emotion])
    sides = _sides(rng, units)
    peak = _lognormal(rng, **_CORPUS["peaks"][group])
    expression = Motion(units, sides, peak, 0.0, apex, duration, float(rng.uniform(0, 0.25)))
    free = _class_free(rng, group, duration) if rng.random() < WITH_CLASS_FREE else None
    return Event(emotion, duration, expression, free, rng.normal(0, 0.2, (2, 2)))


def _class_free(rng: np.random.Generator, group: str, duration: float) -> Motion:
    units = _draw(rng, _CORPUS["class_free"])
    apex = float(rng.uniform(0.1, 0.9)) * duration
    if units == ("45",):  # a blink takes 0.2 to 0.3 s and closes faster than it opens
        start = apex - rng.uniform(0.07, 0.1)
        return Motion(units, "LR", None, start, apex, apex + rng.uniform(0.12, 0.2))
    peak = _lognormal(rng, **_CORPUS["peaks"][group]) * 0.7
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
