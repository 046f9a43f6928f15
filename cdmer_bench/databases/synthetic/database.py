"""The four synthetic databases: the real ones' structure, without a licence or a download."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import EMOTIONS, Clip, ClipDatabase
from cdmer_bench.databases.synthetic.events import FRAME_RATE, Event, group_of, make_event
from cdmer_bench.databases.synthetic.faces import digest, load_face_model, stream
from cdmer_bench.errors import UserError, closest

# The real databases' clips of each of EMOTIONS, by subject. CASME II: the early coding of 257 rows
# without sub09/EP02_02f; negative is disgust, sadness and fear, positive is happiness. SMIC: the
# three-class list of the MEGC 2019 challenge; VIS and NIR hold the 71 events of its last eight
# subjects.
_CASME2 = {
    "sub01": (2, 1, 0), "sub02": (0, 1, 3), "sub03": (4, 0, 1), "sub04": (3, 0, 0),
    "sub05": (1, 1, 5), "sub06": (1, 1, 2), "sub07": (5, 0, 0), "sub09": (1, 5, 0),
    "sub10": (1, 0, 0), "sub11": (4, 0, 0), "sub12": (5, 2, 4), "sub13": (0, 2, 0),
    "sub14": (0, 3, 0), "sub15": (1, 1, 1), "sub16": (0, 2, 0), "sub17": (16, 7, 1),
    "sub19": (4, 3, 5), "sub20": (2, 0, 0), "sub23": (4, 1, 0), "sub24": (6, 0, 1),
    "sub25": (3, 0, 2), "sub26": (10, 2, 0),
}  # fmt: skip
_SMIC = {
    "s1": (3, 2, 1), "s2": (0, 1, 5), "s3": (22, 11, 6), "s4": (10, 4, 5),
    "s5": (1, 0, 1), "s6": (2, 0, 2), "s8": (9, 4, 0), "s9": (0, 1, 3),
    "s11": (3, 3, 1), "s12": (0, 8, 1), "s13": (0, 10, 0), "s14": (3, 2, 5),
    "s15": (1, 1, 2), "s18": (2, 0, 5), "s19": (0, 1, 1), "s20": (14, 3, 5),
}  # fmt: skip
_FILMED_BY_ALL = ("s11", "s12", "s13", "s14", "s15", "s18", "s19", "s20")

# Clips of each class, in the order of EMOTIONS, for each database and subject.
COUNTS = MappingProxyType(
    {
        "casme2": _CASME2,
        "smic_hs": _SMIC,
        "smic_vis": {subject: _SMIC[subject] for subject in _FILMED_BY_ALL},
        "smic_nir": {subject: _SMIC[subject] for subject in _FILMED_BY_ALL},
    }
)
# Film and number of the names on which CASME II's coding sheets differ (sub09/EP02_02f, sub24's
# EP02_07, EP07_01, EP07_04f, EP10_03): readers treat them specially.
_DISPUTED = {(2, 2), (2, 7), (7, 1), (7, 4), (10, 3)}
_FEWEST = 4  # frames of the shortest clips of VIS and NIR


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
        rate = FRAME_RATE[self.name]
        n_frames = max(_FEWEST, round(event.duration * rate))
        phase = rng.uniform(-0.4, 0.4)  # a camera's clock does not wait for the event
        times = (np.arange(n_frames) + 0.5 + phase) / rate
        casme2 = self.name == "casme2"
        onset = int(rng.integers(4, 320) if casme2 else rng.integers(500, 250000) // 4)
        return SyntheticClip(name, subject, label, self.seed, self.name, event, times, onset)
