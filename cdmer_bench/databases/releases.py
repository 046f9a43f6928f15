"""From folders and coded rows to clips: which folders belong together, and which frames count."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cdmer_bench.databases.clip_folders import ClipFolder, Reading
from cdmer_bench.databases.coding_sheet import CodedClip, subject_number
from cdmer_bench.databases.image_files import name_pattern

Key = tuple[int | None, str]  # number of the subject, name of the clip in lower case
Frames = list[tuple[int, str]]  # numbers and names of files
Problem = tuple[str, str, str, str, str]  # severity, code, found, expected, action

EMOTION_FOLDERS = (
    "negative", "positive", "surprise", "happiness", "happy", "disgust", "disgusted", "sadness",
    "sad", "fear", "anger", "contempt", "repression", "tense", "others", "other",
)  # fmt: skip
_SUBJECT = re.compile(r"(sub(ject)?|s|sp|spno)?[ ._-]*\d+", re.I)
FROM_ZERO, OUTSIDE = "frames-from-zero", "frames-outside-coding"
_OVERLAP = 0.2  # of the clips of two groups of folders; with more they are two copies
_NEAR = 0.9  # of the most clips: cropped faces that lack no more are taken before raw frames


@dataclass(frozen=True)
class Found:
    """A folder that a database's reader recognises as a clip."""

    folder: ClipFolder
    key: Key
    base: tuple[str, ...]  # the folders above those of classes and subjects
    between: tuple[str, ...] = ()  # folders of other names between the subject and the images

    @property
    def emotion(self) -> str:
        """Name of the nearest folder below ``base`` that is an emotion's; '' without one."""
        named = (part.lower() for part in reversed(self.folder.parts[len(self.base) : -1]))
        return next((name for name in named if name in EMOTION_FOLDERS), "")


def recognise(
    folder: ClipFolder,
    # of the clip's folder; its groups `clip` and `subject`, as far as it has them, say which it is
    name: re.Pattern[str],
) -> Found | None:
    """Recognise a clip by its name and the subject's, whatever folders lie between and above."""
    parts = folder.parts
    for place in range(len(parts) - 1, 0, -1):
        told = name.fullmatch(parts[place].strip())
        if told:
            break
    else:
        return None
    groups = told.groupdict()
    clip = (groups.get("clip") or told[0]).lower()
    top, subject = place, groups.get("subject")
    above = [j for j in range(place - 1, -1, -1) if _SUBJECT.fullmatch(parts[j])]
    if above:
        top = above[0]
        subject = subject or parts[top]
    while top > 1 and _is_structure(parts[top - 1]):
        top -= 1
    inside = [*parts[top:place], *parts[place + 1 :]]
    between = tuple(part for part in inside if not _is_structure(part))
    number = subject_number(subject) if subject else None
    return Found(folder, (number, clip), parts[:top], between)


def _is_structure(part: str) -> bool:
    return bool(_SUBJECT.fullmatch(part)) or part.lower() in (*EMOTION_FOLDERS, "micro")


@dataclass
class Release:
    """Folders of one kind that together are one form in which a database was released."""

    kind: str  # cropped (registered faces), raw or extended
    bases: list[tuple[str, ...]]
    # from the clip's key to its folders; more than one is a mistake
    folders: dict[Key, list[Found]] = field(default_factory=lambda: defaultdict(list))

    @property
    def place(self) -> Path:
        """The deepest folder that holds all of it."""
        found = [one.folder for folders in self.folders.values() for one in folders]
        common = found[0].path.parents[len(found[0].parts) - len(self.bases[0]) - 1]
        while not all(f.path.is_relative_to(common) for f in found):
            common = common.parent
        return common


def find_releases(found: Iterable[Found], kind: Callable[[Sequence[Found]], str]) -> list[Release]:
    """Join folders that hold different clips, and tell apart those that hold the same ones."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Found]] = defaultdict(list)
    for one in found:
        groups[one.base, one.between].append(one)
    releases: list[Release] = []
    for (base, _), members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        keys = {one.key for one in members}
        of_kind = kind(members)
        for release in releases:
            shared = len(keys & set(release.folders))
            if release.kind == of_kind and shared <= _OVERLAP * min(
                len(keys), len(release.folders)
            ):
                release.bases.append(base)
                break
        else:
            release = Release(of_kind, [base])
            releases.append(release)
        for one in members:
            release.folders[one.key].append(one)
    return releases


@dataclass
class Cut:
    """What is made of a coded row and the folder that it names."""

    found: Found | None
    row: CodedClip
    # those from onset to offset; empty where they are uncertain
    frames: Frames = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every frame from onset to offset is there."""
        return bool(self.frames) and not any(
            code in ("frames-missing", "clip-twice") for _, code, *_ in self.problems
        )


def cut_release(
    release: Release,
    rows: Sequence[CodedClip],
    whole_folders: bool,  # whether a folder without onset and offset is the clip
    # the number of the first frame of the database's recordings, where that is known
    counts_from: int | None,
) -> list[Cut]:
    """Cut every coded clip out of the folders of a release, judging their numbers together."""
    cuts = []
    for row in rows:
        shipped = release.folders.get((row.key[0], row.shipped.lower()), []) if row.shipped else []
        folders = shipped or release.folders.get(row.key) or _without_subject(release, row, rows)
        cut = Cut(folders[0] if folders else None, row)
        if len(folders) > 1:
            places = ", ".join(str(one.folder.path) for one in folders)
            cut.problems.append(
                ("error", "clip-twice", f"{len(folders)} folders: {places}", "one folder",
                 "remove the copies")
            )  # fmt: skip
        cuts.append(cut)
    usable = [cut for cut in cuts if cut.found and not cut.problems]
    restarted = _restarted(usable)
    shifted = counts_from == 1 and not restarted and _from_zero(usable)
    for cut in usable:
        _cut(cut, release.kind == "cropped", whole_folders, restarted.get(id(cut)))
        if shifted and cut.frames:
            cut.problems.append(
                ("error", FROM_ZERO, "a recording whose first frame is number 0",
                 "a first frame of number 1, from which the coding sheet counts",
                 "every clip is shifted by one frame if the numbers were given anew: rename the "
                 "frames, or write a clips table")
            )  # fmt: skip
    return cuts


def _without_subject(release: Release, row: CodedClip, rows: Sequence[CodedClip]) -> list[Found]:
    """Return the folder without a subject that has a row's name, where only this row has it."""
    alike = sum(other.clip.lower() == row.clip.lower() for other in rows)
    return release.folders.get((None, row.clip.lower()), []) if alike == 1 else []


def _restarted(cuts: Sequence[Cut]) -> dict[int, bool]:
    """Tell the clips (by id) whose files were numbered anew, so that their numbers mean nothing.

    The value says whether a folder with the right count of frames may be taken as the clip.

    The numbers of all folders are judged together, because a folder of frames 1 to 30 may well
    hold the numbers 5 to 20 and yet begin elsewhere in the recording. Two signs count. Where
    nearly all folders begin with 0 or 1, some do not reach their onset or offset: a whole
    recording would. Or most folders hold the same number of frames beyond onset and offset,
    though the clips are of different lengths and begin at different frames.
    """
    spans = {
        id(cut): _Span(frames[0][0], frames[-1][0], len(frames), cut.row.onset, cut.row.offset)
        for cut in cuts
        if cut.found
        and cut.row.onset is not None
        and cut.row.offset is not None
        and (frames := cut.found.folder.frames)
    }
    begins = {key for key, span in spans.items() if span.first in (0, 1)}
    outside = {
        key for key in begins
        if not spans[key].first <= spans[key].onset <= spans[key].offset <= spans[key].last
    }  # fmt: skip
    if len(begins) >= 0.9 * len(spans) and len(outside) >= max(2, 0.1 * len(spans)):
        fitting = sum(spans[key].excess == 0 for key in begins)
        return dict.fromkeys(begins, 2 * fitting >= len(begins))
    if len(spans) < 3:
        return {}
    usual, count = Counter(span.excess for span in spans.values()).most_common(1)[0]
    alike = {key for key, span in spans.items() if span.excess == usual}
    lengths = {spans[key].offset - spans[key].onset for key in alike}
    if usual < 0 or 2 * count < len(spans) or len(lengths) < 2:
        return {}
    leads = Counter(spans[key].lead for key in alike - begins)
    odd = [
        key for key in alike & begins if not leads or spans[key].lead != leads.most_common(1)[0][0]
    ]
    anew = leads or len({spans[key].onset for key in odd}) > 1
    return dict.fromkeys(odd, usual == 0) if anew else {}


class _Span(NamedTuple):
    first: int
    last: int
    n_frames: int
    onset: int
    offset: int

    @property
    def excess(self) -> int:
        return self.n_frames - (self.offset - self.onset + 1)

    @property
    def lead(self) -> int:
        return self.onset - self.first


def _from_zero(cuts: Sequence[Cut]) -> bool:
    """Tell whether most folders are whole recordings that begin with frame 0."""
    long = [
        cut.found.folder.frames for cut in cuts
        if cut.found and len(cut.found.folder.frames) > (_length(cut.row) or 0)
    ]  # fmt: skip
    return bool(long) and sum(frames[0][0] == 0 for frames in long) > 0.5 * len(long)


def _length(row: CodedClip) -> int | None:
    if row.onset is None or row.offset is None or row.offset < row.onset:
        return None
    return row.offset - row.onset + 1


def repeated_numbers(frames: Frames) -> list[int]:
    """List the numbers that two files have."""
    return [number for number, count in Counter(n for n, _ in frames).items() if count > 1]


def _cut(cut: Cut, cropped: bool, whole_folders: bool, anew: bool | None) -> None:
    """Fill in the frames from onset to offset, or the reason why they are uncertain.

    ``anew`` is a value of `_restarted`, None where the folder keeps the recording's numbers.
    """
    assert cut.found is not None
    frames, row, length = cut.found.folder.frames, cut.row, _length(cut.row)
    if not frames:
        cut.problems.append(
            ("error", "frames-without-number",
             f"{len(cut.found.folder.files)} images without a number in their names in "
             f"{cut.found.folder.path}", "reg_img46.jpg and the like", "restore the original names")
        )  # fmt: skip
        return
    unnumbered = len(cut.found.folder.files) - len(frames)
    if unnumbered:
        cut.problems.append(
            ("warning", "images-without-number",
             f"{unnumbered} images without a number in their names in {cut.found.folder.path}",
             "frames only", "they are not used; check that none is a frame")
        )  # fmt: skip
    repeated = repeated_numbers(frames)
    if repeated:
        cut.problems.append(
            ("error", "frame-number-twice",
             f"{len(repeated)} frame numbers with two files (first: {repeated[0]}) in "
             f"{cut.found.folder.path}", "one image file a frame",
             "remove the copies, or the other numbering")
        )  # fmt: skip
        return
    if length is None:
        if whole_folders and (row.onset is None or row.offset is None):
            whole(cut)
        else:
            cut.problems.append(
                ("error", "onset-offset-unusable",
                 f"onset {row.onset}, offset {row.offset}"
                 + (f" in row {row.row} of the coding sheet" if row.row else ""),
                 "two frame numbers, onset first",
                 "correct the row, or use the cropped frames")
            )  # fmt: skip
        return
    whole_recording = row.last is None or row.last - (row.first or 0) + 1 == len(frames)
    if row.first is not None and whole_recording and (anew is not None or not _holds(frames, row)):
        shift = row.first - frames[0][0]
        frames = [(number + shift, name) for number, name in frames]
        anew = None
    _between(cut, frames, cropped, anew)


def whole(cut: Cut) -> None:
    """Take all frames of a folder, saying how many are missing between the first and last."""
    assert cut.found is not None
    cut.frames = cut.found.folder.frames
    expected = cut.frames[-1][0] - cut.frames[0][0] + 1
    if len(cut.frames) < expected:
        cut.problems.append(
            ("warning", "frames-missing",
             f"{len(cut.frames)} frames numbered {cut.frames[0][0]} to {cut.frames[-1][0]}",
             f"{expected} frames without a gap",
             "the clip is used as it is; copy the missing frames")
        )  # fmt: skip


def _holds(frames: Frames, row: CodedClip) -> bool:
    numbers = {number for number, _ in frames}
    return row.onset in numbers and row.offset in numbers


def _between(cut: Cut, frames: Frames, cropped: bool, anew: bool | None) -> None:
    row, length = cut.row, _length(cut.row)
    assert cut.found is not None
    assert length is not None
    inside = [(n, name) for n, name in frames if row.onset <= n <= row.offset]  # type: ignore[operator]
    missing, beyond = length - len(inside), len(frames) - len(inside)
    coded = f"frames {row.onset} to {row.offset}"
    span = f"frames {frames[0][0]} to {frames[-1][0]}"
    # Only an unbroken run of the right length is the clip under other numbers.
    unbroken = len(frames) == length == frames[-1][0] - frames[0][0] + 1
    if unbroken and (anew or (missing and anew is None)):
        cut.frames = frames
        cut.problems.append(
            ("warning", "frames-renumbered", span, coded,
             "all were taken as the clip, since their count is right; check the first and last")
        )  # fmt: skip
    elif anew is not None or not _holds(frames, row) or (cropped and missing and beyond):
        counted = f"{span}, numbered anew in each folder" if anew is not None else span
        cut.problems.append(
            ("error", OUTSIDE, f"{counted} ({cut.found.folder.path})", coded,
             "use the coding sheet that belongs to these frames, restore the frames' names, or "
             "write a clips table")
        )  # fmt: skip
    elif 2 * missing > length:
        cut.problems.append(
            ("error", "frames-missing",
             f"{len(inside)} frames between onset {row.onset} and offset {row.offset}",
             f"{length} frames", "copy the missing frames; the clip is left out")
        )  # fmt: skip
    else:
        cut.frames = inside
        if missing:
            cut.problems.append(
                ("warning", "frames-missing",
                 f"{len(inside)} frames between onset {row.onset} and offset {row.offset}",
                 f"{length} frames", "the clip is used as it is; copy the missing frames")
            )  # fmt: skip
        elif cropped and beyond:
            cut.problems.append(
                ("warning", "frames-beyond-coding",
                 f"{beyond} frames before onset or after offset", f"{coded} only",
                 "these were left out; check that the coding sheet belongs to these frames")
            )  # fmt: skip
    # The shift of a recording's first number (SMIC-E) is undone: files keep their own numbers.
    own = dict((name, number) for number, name in cut.found.folder.frames)
    cut.frames = [(own[name], name) for _, name in cut.frames]


def choose_release(
    cut_by_release: Sequence[tuple[Release, list[Cut]]],
    kinds: Sequence[str],
    reading: Reading,
    title: str,
    unit: str = "coded clips",
) -> tuple[Release, list[Cut]]:
    """Take the release that holds most clips from onset to offset, in the order of ``kinds``."""

    def n_clean(pair: tuple[Release, list[Cut]]) -> int:
        return sum(cut.is_clean for cut in pair[1])

    def n_found(pair: tuple[Release, list[Cut]]) -> int:
        return sum(cut.found is not None for cut in pair[1])

    count = n_clean if any(map(n_clean, cut_by_release)) else n_found
    most = max(map(count, cut_by_release))
    # One or two clips more in the raw frames are no reason to leave the registered faces.
    near = [pair for pair in cut_by_release if count(pair) >= _NEAR * most]
    chosen = min(
        near,
        key=lambda p: (kinds.index(p[0].kind), -count(p), len(p[0].bases[0]), p[0].bases[0]),
    )
    for pair in cut_by_release:
        used = "" if pair is chosen else "not used: "
        whole = "" if n_clean(pair) == n_found(pair) else f", {n_clean(pair)} of them whole"
        reading.interpretation.append(
            f"{title}: {used}{pair[0].kind} frames from {pair[0].place} "
            f"({n_found(pair)} of {len(pair[1])} {unit}{whole})"
        )
    return chosen


def add_clips(
    cuts: Sequence[Cut],
    reading: Reading,
    title: str,
    subject: Callable[[int], str],
    clip: Callable[[Cut], str],
    label: Callable[[CodedClip], str],
) -> None:
    """Add to a reading a row of the clips table for each clip, and all that was noticed."""
    for cut in cuts:
        where = f"{title}: {cut.row.subject}/{cut.row.clip}"
        for problem in cut.problems:
            severity, code, *said = problem
            reading.note(severity, code, where, *said)
        if (
            cut.frames
            and cut.found
            and not any(p[0] == "error" and p[1] != FROM_ZERO for p in cut.problems)
        ):
            numbers = [number for number, _ in cut.frames]
            reading.rows.append(
                {
                    "clip": clip(cut),
                    "subject": subject(cut.row.key[0] or 0),
                    "label": label(cut.row),
                    "folder": str(cut.found.folder.path),
                    "first": numbers[0],
                    "last": numbers[-1],
                    "pattern": name_pattern([name for _, name in cut.frames]),
                    "emotion": cut.row.emotion,
                }
            )


def note_uncoded(
    release: Release,
    rows: Iterable[CodedClip],
    cuts: Iterable[Cut],
    reading: Reading,
    title: str,
) -> None:
    """Name the folders of a release that no row of the coding sheet names."""
    keys = {key for row in rows for key in (row.key, (row.key[0], row.shipped.lower()))}
    used = {cut.found.folder.path for cut in cuts if cut.found}
    uncoded = sorted(
        str(one.folder.path)
        for key, folders in release.folders.items()
        for one in folders
        if key not in keys and one.folder.path not in used
    )
    if uncoded:
        reading.note(
            "warning", "frames-without-label", title,
            f"{len(uncoded)} folders that no row of the coding sheet names (first: {uncoded[0]})",
            "a row for every folder", "use the sheet of this release; these folders are left out",
        )  # fmt: skip
