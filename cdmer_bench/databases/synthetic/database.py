"""The four synthetic databases: the real ones' structure, without a licence or a download."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import EMOTIONS, Clip, ClipDatabase, table
from cdmer_bench.databases.synthetic.events import Event, group_of, make_event
from cdmer_bench.databases.synthetic.faces import digest, load_face_model, stream
from cdmer_bench.errors import UserError, closest

_CORPUS = table("synthetic/corpus")
# Film and number of the names on which CASME II's coding sheets differ (sub09/EP02_02f, sub24's
# EP02_07, EP07_01, EP07_04f, EP10_03): readers treat them specially.
_DISPUTED = {(2, 2), (2, 7), (7, 1), (7, 4), (10, 3)}
_FEWEST = 4  # frames of the shortest clips of VIS and NIR


def _counts(database: str) -> dict[str, tuple[int, ...]]:
    clips = _CORPUS["clips"][group_of(database)]
    subjects = _CORPUS["filmed_by_all"] if database in ("smic_vis", "smic_nir") else clips
    return {subject: tuple(clips[subject]) for subject in subjects}


# Clips of each class, in the order of EMOTIONS, for each database and subject.
COUNTS = {database: _counts(database) for database in _CORPUS["cameras"]}


def totals(database: str) -> dict[str, int]:
    """Return the number of clips of each class."""
    of_class = map(sum, zip(*COUNTS[database].values(), strict=True))
    return dict(zip(EMOTIONS, of_class, strict=True))


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

        return render(self.seed, self.database, self.subject, self.name, self.event, self.times)


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
        """List the clips, without rendering any.

        By subject; within a subject CASME II's by name, SMIC's by class and number.
        """
        return list(self._clips)

    @cached_property
    def _clips(self) -> list[SyntheticClip]:
        clips = []
        for subject, counts in COUNTS[self.name].items():
            labels = [label for label, count in enumerate(counts) for _ in range(count)]
            numbers = [number for count in counts for number in range(1, count + 1)]
            if self.name == "casme2":
                names = self._episodes(subject, len(labels))
            else:
                short = [("ne", "po", "sur")[label] for label in labels]
                names = [f"{subject}_{c}_{n:02d}" for c, n in zip(short, numbers, strict=True)]
            of_subject = [
                self._clip(subject, f"{subject}/{name}", label, number)
                for name, label, number in zip(names, labels, numbers, strict=True)
            ]
            if self.name == "casme2":
                of_subject.sort(key=lambda clip: clip.name)
            clips += of_subject
        return clips

    def _episodes(self, subject: str, count: int) -> list[str]:
        """Draw names like CASME II's: film and expression, f where it ended in a full face."""
        rng = stream(self.seed, "names", subject)
        pairs = [(film, number) for film in range(1, 20) for number in range(1, 13)]
        free = [pair for pair in pairs if pair not in _DISPUTED]
        return [
            f"EP{free[index][0]:02d}_{free[index][1]:02d}{'f' if rng.random() < 0.3 else ''}"
            for index in rng.choice(len(free), count, replace=False)
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
