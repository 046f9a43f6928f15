"""Checks of a database: what extraction and tasks rely on."""

import pickle
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.checks import Check
from cdmer_bench.databases.base import Clip, ClipDatabase, Database, FeatureDatabase, FeatureSet
from cdmer_bench.io import array_hash


def database_checks(database: Database, descriptors: Sequence[str]) -> list[Check]:
    """List the checks of a database.

    Parameters
    ----------
    database : Database
    descriptors : sequence of str
        For a database of features, the keys of the descriptors to load.
    """
    checks = [
        Check("classes", "at least two classes of different names", lambda: _classes(database))
    ]
    if isinstance(database, ClipDatabase):
        return checks + ClipChecks(database).checks()
    if isinstance(database, FeatureDatabase):
        return checks + [
            check for name in descriptors for check in FeatureChecks(database, name).checks()
        ]
    return [
        *checks,
        Check("kind", "", lambda: "it is neither a ClipDatabase nor a FeatureDatabase"),
    ]


def _classes(database: Database) -> str | None:
    names = database.classes
    if len(set(names)) < 2 or len(set(names)) < len(names):
        return f"the classes are {list(names)}, expected at least two different names"
    return None


class ClipChecks:
    """The checks of a database of clips; every clip is read once, three of them again."""

    def __init__(self, database: ClipDatabase) -> None:
        self.database = database

    @cached_property
    def clips(self) -> Sequence[Clip]:
        """The database's clips, in its order."""
        return self.database.clips()

    @cached_property
    def contents(self) -> tuple[dict[int, str], list[str]]:
        """The hash of each readable clip's frames by its place, and what the others say."""
        hashes, unreadable = {}, []
        for place, clip in enumerate(self.clips):
            try:
                hashes[place] = array_hash(clip.frames())
            except Exception as error:  # whatever a reader of one's own raises
                unreadable.append(f"{clip.name} ({error})")
        return hashes, unreadable

    def checks(self) -> list[Check]:
        """List the checks, the plainest first."""
        return [
            Check("clips", "it lists at least two clips", self._listed),
            Check("order", "listing the clips twice gives the same order", self._order),
            Check("names", "every clip has a name of its own and a subject", self._names),
            Check("labels", "labels index the classes, and no class is empty", self._labels),
            Check("fingerprints", "each clip has a fingerprint that stays the same", self._prints),
            Check("no duplicates", "no two clips have the same fingerprint or frames", self._twice),
            Check("pickle", "clips can be sent to a worker process", self._pickle),
            Check("readable", "the frames of every clip can be read", self._readable),
            Check("frames", "frames are (T, H, W), grey levels from 0 to 255", self._frames),
            Check("same frames", "reading a clip twice gives the same frames", self._same_frames),
        ]

    def _listed(self) -> str | None:
        return None if len(self.clips) >= 2 else f"it lists {len(self.clips)} clips"

    def _order(self) -> str | None:
        first, second = ([clip.name for clip in self.database.clips()] for _ in range(2))
        return None if first == second else "the order differs; sort the clips"

    def _names(self) -> str | None:
        names = [clip.name for clip in self.clips]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return f"{len(twice)} names are there more than once, such as {twice[0]!r}"
        wrong = [c.name for c in self.clips if not isinstance(c.subject, str) or not c.subject]
        return f"{wrong[0]} has no subject (text)" if wrong else None

    def _labels(self) -> str | None:
        return wrong_codes(np.array([clip.label for clip in self.clips]), self.database.classes)

    def _prints(self) -> str | None:
        first, second = ([c.fingerprint for c in self.database.clips()] for _ in range(2))
        if not all(isinstance(text, str) and text for text in first):
            return "some fingerprints are empty or no text"
        return None if first == second else "fingerprints change from one listing to the next"

    def _twice(self) -> str | None:
        prints = {place: clip.fingerprint for place, clip in enumerate(self.clips)}
        for what, marks in (("fingerprint", prints), ("frames", self.contents[0])):
            first: dict[str, str] = {}
            for place, mark in marks.items():
                name = self.clips[place].name
                if first.setdefault(mark, name) != name:
                    return f"the clips {first[mark]} and {name} have the same {what}"
        return None

    def _pickle(self) -> str | None:
        clip = self.clips[0]
        again = pickle.loads(pickle.dumps(clip))
        same = (again.name, again.label) == (clip.name, clip.label)
        return None if same else "pickling a clip changed it"

    def _readable(self) -> str | None:
        lost = self.contents[1]
        told = f"{len(lost)} of {len(self.clips)} clips cannot be read, such as {''.join(lost[:1])}"
        return told if lost else None

    def _some(self) -> list[Clip]:
        return [self.clips[0], self.clips[len(self.clips) // 2], self.clips[-1]]

    def _frames(self) -> str | None:
        for clip in self._some():
            frames = clip.frames()
            if frames.ndim != 3 or 0 in frames.shape:
                return f"{clip.name}: frames have shape {frames.shape}, expected (T, H, W)"
            if not np.isfinite(frames).all() or frames.min() < 0 or frames.max() > 255:
                return f"{clip.name}: some grey levels lie outside 0 to 255"
        return None

    def _same_frames(self) -> str | None:
        for clip in self._some():
            if not np.array_equal(clip.frames(), clip.frames()):
                return f"{clip.name}: the second reading differs"
        return None


class FeatureChecks:
    """The checks of the features that a database has for one descriptor."""

    def __init__(self, database: FeatureDatabase, descriptor: str) -> None:
        self.database, self.descriptor = database, descriptor

    @cached_property
    def features(self) -> FeatureSet:
        """What the database loads."""
        return self.database.load(self.descriptor)

    def checks(self) -> list[Check]:
        """List the checks, the plainest first."""
        return [
            Check("load", "finite features, one label for each sample", self._load),
            Check("labels", "labels index the classes, and no class is empty", self._labels),
            Check("subjects", "subjects, if known, are one text for each sample", self._subjects),
            Check("fingerprint", "the fingerprint stays the same", self._print),
            Check("same features", "loading twice gives the same", self._same_twice),
        ]

    def _load(self) -> str | None:
        X, y = self.features.X, self.features.y
        if X.ndim < 2 or X.dtype != np.float64 or len(X) != len(y):
            return f"X is {X.dtype} of shape {X.shape} for {len(y)} labels"
        return None if np.isfinite(X).all() else "some features are NaN or infinite"

    def _labels(self) -> str | None:
        return wrong_codes(self.features.y, self.features.classes)

    def _subjects(self) -> str | None:
        subject = self.features.subject
        if subject is None or (len(subject) == len(self.features.y) and subject.dtype.kind == "U"):
            return None
        return f"{len(subject)} subjects of type {subject.dtype} for {len(self.features.y)} samples"

    def _print(self) -> str | None:
        first, second = (self.database.fingerprint(self.descriptor) for _ in range(2))
        return None if first and first == second else f"it was {first!r}, then {second!r}"

    def _same_twice(self) -> str | None:
        again = self.database.load(self.descriptor)
        same = np.array_equal(again.X, self.features.X) and np.array_equal(again.y, self.features.y)
        return None if same else "the second loading differs"


def wrong_codes(codes: NDArray, classes: Sequence[str]) -> str | None:
    """Say what is wrong with labels, or return None."""
    if codes.dtype.kind not in "iu":
        return f"labels are {codes.dtype}, expected whole numbers from 0"
    outside = sorted(set(codes.tolist()) - set(range(len(classes))))
    if outside:
        return f"the label {outside[0]} stands for none of the {len(classes)} classes"
    empty = [name for index, name in enumerate(classes) if index not in codes]
    return f"the class {empty[0]!r} has no sample" if empty else None
