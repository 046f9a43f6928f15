"""What a database must keep: for runs, for `cdmer data check`, for `cdmer check database`."""

import pickle
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import (
    Clip,
    ClipDatabase,
    DamagedClip,
    Database,
    FeatureDatabase,
    Finding,
    finding,
)
from cdmer_bench.errors import Check, UserError, own_code
from cdmer_bench.io import array_hash, one_line
from cdmer_bench.preprocessing import Preprocessing


def usable_clips(database: ClipDatabase) -> list[Clip]:
    """List the clips of a database; refuse what no run can use."""
    title, classes = database.title or database.name, database.classes
    with own_code(database, f"listing the clips of {title}"):
        clips = list(database.clips())
        known = [(clip.name, clip.label, clip.subject) for clip in clips]
    if not clips:
        raise UserError(f"{title} lists no clip; its clips() should list some")
    for name, label, _ in known:
        whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not whole or not 0 <= label < len(classes):
            raise UserError(
                f"{title}: clip {name} has the label {label!r}, expected the index of one of the "
                f"classes {', '.join(classes)}, counted from 0"
            )
    return clips


def usable_fingerprints(clips: Sequence[Clip], database: Database) -> list[str]:
    """Return the fingerprint of each clip, which stored features are found by."""
    title = database.title or database.name
    with own_code(database, f"the fingerprint of a clip of {title}"):
        marks = [clip.fingerprint for clip in clips]
    for clip, mark in zip(clips, marks, strict=True):
        if not isinstance(mark, str) or not mark:
            raise UserError(
                f"{title}: clip {clip.name} has the fingerprint {mark!r}, expected a text that "
                "changes with its frames"
            )
    return marks


def check_clips(database: ClipDatabase, read: bool) -> Iterator[Finding]:
    """Name clips that are repeated and, if they are read, those that cannot be."""
    title = database.title or database.name
    try:
        clips = usable_clips(database)
        yield from repeated_clips(clips, usable_fingerprints(clips, database), title)
    except UserError as error:
        yield finding("unreadable", title, reason=error)
        return
    for clip in clips if read else ():
        try:
            _frames(clip)
        except UserError as error:
            yield finding("frame-damaged", f"{title}: {clip.name}", reason=error)


def _frames(clip: Clip) -> NDArray:
    with own_code(clip, "its frames()"):
        return clip.frames()


def read_clip(
    clip: Clip,
    preprocessing: Preprocessing,
    interpolated: bool = True,  # else it keeps its number of frames
) -> NDArray[np.float64] | DamagedClip:
    """Read and preprocess a clip."""
    try:
        frames = _frames(clip)
        with own_code(preprocessing, type(preprocessing).__name__):
            steps = preprocessing.for_clip(clip)
            return steps(frames) if interpolated else steps.resized(frames)
    except UserError as error:
        return DamagedClip(clip.name, str(error))


# Samples that are there more than once


def repeats(marks: Mapping[int, Hashable]) -> list[tuple[int, int]]:
    """Pair the place of each sample whose mark an earlier one has with the first such place."""
    first: dict[Hashable, int] = {}
    pairs = [(first.setdefault(mark, place), place) for place, mark in marks.items()]
    return [(one, other) for one, other in pairs if one != other]


def repeated_clips(clips: Sequence[Clip], marks: Sequence[str], title: str) -> list[Finding]:
    """Name clips whose frames an earlier clip of the database has too."""
    names, labels = [clip.name for clip in clips], [clip.label for clip in clips]
    return _repeated("clips-repeated", title, marks, labels, names)


def repeated_rows(X: NDArray, y: NDArray, where: str) -> list[Finding]:
    """Name samples of a file that are there more than once."""
    marks = [hash(row.tobytes()) for row in X]
    return _repeated("repeated-samples", where, marks, y, range(len(X)))


def _repeated(
    code: str,
    where: str,
    marks: Sequence[Hashable],
    labels: Sequence[int] | NDArray,  # samples of two labels contradict each other
    names: Sequence[object],
) -> list[Finding]:
    pairs = repeats(dict(enumerate(marks)))
    if not pairs:
        return []
    contrary = [(one, other) for one, other in pairs if labels[one] != labels[other]]
    one, other = (names[place] for place in (contrary or pairs)[0])
    said = f", {len(contrary)} under another label" if contrary else ""
    values = {"n": len(pairs), "samples": len(names), "one": one, "other": other, "contrary": said}
    return [finding(code, where, **values)]


def shared_samples(
    source: Sequence[int | str],  # what tells its samples apart
    target: Sequence[int | str],
    title: str,  # of the source
) -> str:
    """Say how many samples of a target are in the source, too; empty if none is."""
    places = {mark: place for place, mark in reversed(list(enumerate(source)))}
    both = [(place, places[mark]) for place, mark in enumerate(target) if mark in places]
    if not both:
        return ""
    one, other = both[0]
    return (
        f"{len(both)} of {len(target)} samples are in the source {title} too (such as its sample "
        f"{one}, there {other}, counted from 0), so that the method has seen them with their labels"
    )


# Names in two spellings


def look(text: str) -> str:
    """Return a text without capitals, accents of two kinds, and what does not show."""
    return unicodedata.normalize("NFKC", one_line(text)).casefold()


def alike(texts: Iterable[str], form: Callable[[str], str] = look) -> Iterator[tuple[str, str]]:
    """Yield texts of the same form as a more frequent one, and that."""
    usual: dict[str, str] = {}
    for text, _ in Counter(filter(None, texts)).most_common():
        if (like := usual.setdefault(form(text), text)) != text:
            yield text, like


def subject_form(text: str) -> str:
    """Return a subject without what often differs by mistake: its look, and leading zeros."""
    return re.sub(r"(?<![\d.])0+(?=\d)", "", look(text))


# The checks of a contribution


def database_checks(
    database: Database,
    descriptors: Sequence[str],  # to load, by their keys, for a database of features
) -> list[Check]:
    """List the checks of a database."""
    names = database.classes

    def classes() -> str | None:
        if len(names) == len(set(names)) >= 2:
            return None
        return f"the classes are {list(names)}, expected at least two different names"

    checks = [Check("classes", "at least two classes of different names", classes)]
    if isinstance(database, ClipDatabase):
        checks += _clip_checks(database)
    elif isinstance(database, FeatureDatabase):
        for name in descriptors:
            checks += _feature_checks(database, name)
    else:
        wrong = "it is neither a ClipDatabase nor a FeatureDatabase"
        checks.append(Check("kind", "", lambda: wrong))
    return checks


def _clip_checks(database: ClipDatabase) -> list[Check]:
    """List the checks of a database of clips; every clip is read once, three of them again."""
    clips = cache(database.clips)

    @cache
    def contents() -> tuple[dict[int, str], list[str]]:
        """Return the hash of each readable clip's frames by its place, and what the others say."""
        hashes, unreadable = {}, []
        for place, clip in enumerate(clips()):
            try:
                hashes[place] = array_hash(clip.frames())
            except Exception as error:  # whatever a reader of one's own raises
                unreadable.append(f"{clip.name} ({error})")
        return hashes, unreadable

    def listed() -> str | None:
        return None if len(clips()) >= 2 else f"it lists {len(clips())} clips"

    def order() -> str | None:
        first, second = ([clip.name for clip in database.clips()] for _ in range(2))
        return None if first == second else "the order differs; sort the clips"

    def names() -> str | None:
        names = [clip.name for clip in clips()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return f"{len(twice)} names are there more than once, such as {twice[0]!r}"
        wrong = [c.name for c in clips() if not isinstance(c.subject, str) or not c.subject]
        return f"{wrong[0]} has no subject (text)" if wrong else None

    def labels() -> str | None:
        return wrong_codes(np.array([clip.label for clip in clips()]), database.classes)

    def fingerprints() -> str | None:
        first, second = (usable_fingerprints(database.clips(), database) for _ in range(2))
        return None if first == second else "fingerprints change from one listing to the next"

    def duplicates() -> str | None:
        names = [clip.name for clip in clips()]
        prints = {place: clip.fingerprint for place, clip in enumerate(clips())}
        for what, marks in (("fingerprint", prints), ("frames", contents()[0])):
            for one, other in repeats(marks):
                if names[one] != names[other]:
                    return f"the clips {names[one]} and {names[other]} have the same {what}"
        return None

    def pickled() -> str | None:
        clip = clips()[0]
        again = pickle.loads(pickle.dumps(clip))
        same = (again.name, again.label) == (clip.name, clip.label)
        return None if same else "pickling a clip changed it"

    def readable() -> str | None:
        lost, n = contents()[1], len(clips())
        return f"{len(lost)} of {n} clips cannot be read, such as {lost[0]}" if lost else None

    def some() -> list[Clip]:
        return [clips()[place] for place in (0, len(clips()) // 2, -1)]

    def frames() -> str | None:
        for clip in some():
            found = clip.frames()
            if found.ndim != 3 or 0 in found.shape:
                return f"{clip.name}: frames have shape {found.shape}, expected (T, H, W)"
            if not np.isfinite(found).all() or found.min() < 0 or found.max() > 255:
                return f"{clip.name}: some grey levels lie outside 0 to 255"
        return None

    def same_frames() -> str | None:
        for clip in some():
            if not np.array_equal(clip.frames(), clip.frames()):
                return f"{clip.name}: the second reading differs"
        return None

    return [
        Check("clips", "it lists at least two clips", listed),
        Check("order", "listing the clips twice gives the same order", order),
        Check("names", "every clip has a name of its own and a subject", names),
        Check("labels", "labels index the classes, and no class is empty", labels),
        Check("fingerprints", "each clip has a fingerprint that stays the same", fingerprints),
        Check("no duplicates", "no two clips have the same fingerprint or frames", duplicates),
        Check("pickle", "clips can be sent to a worker process", pickled),
        Check("readable", "the frames of every clip can be read", readable),
        Check("frames", "frames are (T, H, W), grey levels from 0 to 255", frames),
        Check("same frames", "reading a clip twice gives the same frames", same_frames),
    ]


def _feature_checks(database: FeatureDatabase, descriptor: str) -> list[Check]:
    """List the checks of the features that a database has for one descriptor."""
    features = cache(lambda: database.load(descriptor))

    def load() -> str | None:
        X, y = features().X, features().y
        if X.ndim < 2 or X.dtype != np.float64 or len(X) != len(y):
            return f"X is {X.dtype} of shape {X.shape} for {len(y)} labels"
        return None if np.isfinite(X).all() else "some features are NaN or infinite"

    def labels() -> str | None:
        return wrong_codes(features().y, features().classes)

    def subjects() -> str | None:
        subject, n = features().subject, len(features().y)
        if subject is None or (len(subject) == n and subject.dtype.kind == "U"):
            return None
        return f"{len(subject)} subjects of type {subject.dtype} for {n} samples"

    def same_twice() -> str | None:
        first, again = features(), database.load(descriptor)
        same = np.array_equal(again.X, first.X) and np.array_equal(again.y, first.y)
        return None if same else "the second loading differs"

    return [
        Check("load", "finite features, one label for each sample", load),
        Check("labels", "labels index the classes, and no class is empty", labels),
        Check("subjects", "subjects, if known, are one text for each sample", subjects),
        Check("same features", "loading twice gives the same", same_twice),
    ]


def wrong_codes(codes: NDArray, classes: Sequence[str]) -> str | None:
    """Say what is wrong with labels, or return None."""
    if codes.dtype.kind not in "iu":
        return f"labels are {codes.dtype}, expected whole numbers from 0"
    outside = sorted(set(codes.tolist()) - set(range(len(classes))))
    if outside:
        return f"the label {outside[0]} stands for none of the {len(classes)} classes"
    empty = [name for index, name in enumerate(classes) if index not in codes]
    return f"the class {empty[0]!r} has no sample" if empty else None
