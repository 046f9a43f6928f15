"""Samples that are there more than once: in one database, or in a source and in a target."""

from collections.abc import Hashable, Mapping, Sequence

from numpy.typing import NDArray

from cdmer_bench.databases.base import Clip, Finding, finding


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
