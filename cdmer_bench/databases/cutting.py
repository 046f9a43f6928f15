"""From folders and coded rows to clips: which folders belong together, and which frames count."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cdmer_bench.databases.base import Finding, finding
from cdmer_bench.databases.clips import Reading
from cdmer_bench.databases.coding_sheet import CodedClip, subject_number
from cdmer_bench.databases.image_files import ClipFolder

Key = tuple[int | None, str]  # number of the subject, name of the clip in lower case
Frames = list[tuple[int, str]]  # numbers and names of files

KINDS = ("cropped", "raw", "extended")  # in order of preference
EMOTION_FOLDERS = (
    "negative", "positive", "surprise", "happiness", "happy", "disgust", "disgusted", "sadness",
    "sad", "fear", "anger", "contempt", "repression", "tense", "others", "other",
)  # fmt: skip
_SUBJECT = re.compile(r"(sub(ject)?|s|sp|spno)?[ ._-]*\d+", re.I)
_OVERLAP = 0.2  # of the clips of two groups of folders; with more they are two copies
_NEAR = 0.9  # of the most clips: cropped faces with at least these are taken before raw frames


@dataclass(frozen=True)
class Found(ClipFolder):
    """A folder that a database's reader recognises as a clip."""

    key: Key
    base: tuple[str, ...]  # the folders above those of classes and subjects
    between: tuple[str, ...]  # folders of other names between the subject and the images

    @property
    def emotion(self) -> str:
        """Name of the nearest folder below ``base`` that is an emotion's; '' without one."""
        named = (part.lower() for part in reversed(self.parts[len(self.base) : -1]))
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
    top, subject = place, groups.get("subject")
    above = [j for j in range(place - 1, -1, -1) if _SUBJECT.fullmatch(parts[j])]
    if above:
        top = above[0]
        subject = subject or parts[top]
    while top > 1 and _is_structure(parts[top - 1]):
        top -= 1
    inside = (*parts[top:place], *parts[place + 1 :])
    between = tuple(part for part in inside if not _is_structure(part))
    key = subject_number(subject), (groups.get("clip") or told[0]).lower()
    return Found(folder.path, folder.files, parts, key, parts[:top], between)


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
        found = [one for folders in self.folders.values() for one in folders]
        base = found[0].path.parents[len(found[0].parts) - len(self.bases[0]) - 1]
        return Path(os.path.commonpath([base, *(one.path for one in found)]))


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
            shared = len(keys & release.folders.keys())
            fewer = min(len(keys), len(release.folders))
            if release.kind == of_kind and shared <= _OVERLAP * fewer:
                release.bases.append(base)
                break
        else:
            release = Release(of_kind, [base])
            releases.append(release)
        for one in members:
            release.folders[one.key].append(one)
    return releases


@dataclass(eq=False)
class Cut:
    """The clip made of a coded row and the folder that it names."""

    title: str  # of the database
    row: CodedClip
    found: Found | None
    # those from onset to offset; empty where they are uncertain
    frames: Frames = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def note(self, code: str, **values: object) -> None:
        """Add a finding about the clip."""
        where = f"{self.title}: {self.row.subject}/{self.row.clip}"
        self.findings.append(finding(code, where, **values))

    @property
    def is_clean(self) -> bool:
        """Whether every frame from onset to offset is there."""
        codes = [one.code for one in self.findings]
        return bool(self.frames) and not {"frames-missing", "clip-twice"} & set(codes)

    @property
    def coded(self) -> str:
        """The frames that the row gives, as text."""
        return f"frames {self.row.onset} to {self.row.offset}"

    def take_whole(self, frames: Frames) -> None:
        """Take all frames of a folder, saying how many are missing between the first and last."""
        self.frames = frames
        first, last = frames[0][0], frames[-1][0]
        if len(frames) < last - first + 1:
            said = {"n": len(frames), "first": first, "last": last, "length": last - first + 1}
            self.note("frames-missing/gap", **said)


def cut_release(
    release: Release,
    rows: Sequence[CodedClip],
    title: str,
    whole_folders: bool,  # whether a folder without onset and offset is the clip
    # the number of the first frame of the database's recordings, where that is known
    counts_from: int | None,
) -> list[Cut]:
    """Cut every coded clip out of the folders of a release, judging their numbers together."""
    named = Counter(row.clip.lower() for row in rows)
    cuts, usable = [], []
    for row in rows:
        clip = row.clip.lower()
        # A folder without a subject is meant where only this row has its name.
        keys = [*row.keys, (None, clip)] if named[clip] == 1 else row.keys
        folders = next((release.folders[key] for key in keys if key in release.folders), [])
        cut = Cut(title, row, folders[0] if folders else None)
        if len(folders) > 1:
            places = ", ".join(str(one.path) for one in folders)
            cut.note("clip-twice", n=len(folders), places=places)
        elif folders:
            usable.append((cut, folders[0]))
        cuts.append(cut)
    anew = _numbered_anew(usable)
    long = [found.frames for cut, found in usable if len(found.frames) > (cut.row.length or 0)]
    # Most folders are whole recordings that begin with frame 0.
    from_zero = sum(frames[0][0] == 0 for frames in long) > 0.5 * len(long)
    for cut, found in usable:
        _cut(cut, found, release.kind == "cropped", whole_folders, anew.get(cut))
        if counts_from == 1 and not anew and from_zero and cut.frames:
            cut.note("frames-from-zero")
    return cuts


class _Span(NamedTuple):
    """Frame numbers of a folder and of its row: onset to offset may hold fewer frames."""

    first: int
    last: int
    onset: int
    offset: int
    excess: int  # frames beyond those from onset to offset
    lead: int  # numbers before the onset


def _numbered_anew(usable: Sequence[tuple[Cut, Found]]) -> dict[Cut, bool]:
    """Tell the clips whose files were numbered anew, so that their numbers mean nothing.

    The value says whether a folder with the right count of frames may be taken as the clip.

    The numbers of all folders are judged together, because a folder of frames 1 to 30 may well
    hold the numbers 5 to 20 and yet begin elsewhere in the recording. Two signs count. Where
    nearly all folders begin with 0 or 1, some do not reach their onset or offset: a whole
    recording would. Or most folders hold the same number of frames beyond onset and offset,
    though the clips are of different lengths and begin at different frames.
    """
    spans = {}
    for cut, found in usable:
        onset, offset, frames = cut.row.onset, cut.row.offset, found.frames
        if onset is not None and offset is not None and frames:
            first, excess = frames[0][0], len(frames) - (offset - onset + 1)
            spans[cut] = _Span(first, frames[-1][0], onset, offset, excess, onset - first)
    begins = {cut: span for cut, span in spans.items() if span.first in (0, 1)}
    n_outside = sum(not s.first <= s.onset <= s.offset <= s.last for s in begins.values())
    if len(begins) >= 0.9 * len(spans) and n_outside >= max(2, 0.1 * len(spans)):
        n_fitting = sum(span.excess == 0 for span in begins.values())
        return dict.fromkeys(begins, 2 * n_fitting >= len(begins))
    if len(spans) < 3:
        return {}
    usual, count = Counter(span.excess for span in spans.values()).most_common(1)[0]
    alike = {cut: span for cut, span in spans.items() if span.excess == usual}
    n_lengths = len({span.offset - span.onset for span in alike.values()})
    if usual < 0 or 2 * count < len(spans) or n_lengths < 2:
        return {}
    leads = Counter(span.lead for cut, span in alike.items() if cut not in begins)
    lead = leads.most_common(1)[0][0] if leads else None
    odd = {cut: span.onset for cut, span in alike.items() if cut in begins and span.lead != lead}
    return dict.fromkeys(odd, usual == 0) if leads or len(set(odd.values())) > 1 else {}


def _cut(cut: Cut, found: Found, cropped: bool, whole_folders: bool, anew: bool | None) -> None:
    """Fill in the frames from onset to offset, or the reason why they are uncertain.

    ``anew`` is a value of `_numbered_anew`, None where the folder keeps the recording's numbers.
    """
    frames, row, place = found.frames, cut.row, found.path
    if not frames:
        cut.note("frames-without-number", n=len(found.files), place=place)
        return
    if len(found.files) > len(frames):
        cut.note("images-without-number", n=len(found.files) - len(frames), place=place)
    numbers = Counter(number for number, _ in frames)
    repeated = [number for number, count in numbers.items() if count > 1]
    if repeated:
        cut.note("frame-number-twice", n=len(repeated), first=repeated[0], place=place)
        return
    onset, offset, length = row.onset, row.offset, row.length
    if onset is None or offset is None or length is None:
        if whole_folders and (onset is None or offset is None):
            cut.take_whole(frames)
            if row.row:
                said = {"onset": onset, "offset": offset, "row": row.row, "n": len(frames)}
                cut.note("onset-offset-absent", **said)
        else:
            in_row = f" in row {row.row} of the coding sheet" if row.row else ""
            cut.note("onset-offset-unusable", onset=onset, offset=offset, in_row=in_row)
        return
    # A recording counted from another number than its sheet (SMIC-E) is shifted, if it is whole.
    shift = 0
    is_whole = row.last is None or row.last - (row.first or 0) + 1 == len(frames)
    held = onset in numbers and offset in numbers
    if row.first is not None and is_whole and (anew is not None or not held):
        shift, anew = row.first - frames[0][0], None
        held = onset - shift in numbers and offset - shift in numbers
    inside = [(n, name) for n, name in frames if onset <= n + shift <= offset]
    missing, beyond = length - len(inside), len(frames) - len(inside)
    span = f"frames {frames[0][0] + shift} to {frames[-1][0] + shift}"
    between = {"n": len(inside), "onset": onset, "offset": offset, "length": length}
    # Only an unbroken run of the right length is the clip under other numbers.
    unbroken = len(frames) == length == frames[-1][0] - frames[0][0] + 1
    if unbroken and (anew or (missing and anew is None)):
        cut.frames = frames
        cut.note("frames-renumbered", span=span, coded=cut.coded)
    elif anew is not None or not held or (cropped and missing and beyond):
        span += ", numbered anew in each folder" if anew is not None else ""
        cut.note("frames-outside-coding", span=span, place=place, coded=cut.coded)
    elif 2 * missing > length:
        cut.note("frames-missing/most", **between)
    else:
        cut.frames = inside
        if missing:
            cut.note("frames-missing", **between)
        elif cropped and beyond:
            cut.note("frames-beyond-coding", n=beyond, coded=cut.coded)


def choose_release(
    cut_by_release: Sequence[tuple[Release, list[Cut]]], reading: Reading, title: str, unit: str
) -> tuple[Release, list[Cut]]:
    """Take the release that holds most clips from onset to offset, in the order of `KINDS`."""
    clean = [sum(cut.is_clean for cut in cuts) for _, cuts in cut_by_release]
    there = [sum(cut.found is not None for cut in cuts) for _, cuts in cut_by_release]
    counts = clean if any(clean) else there

    def order(place: int) -> tuple[Any, ...]:
        release = cut_by_release[place][0]
        return KINDS.index(release.kind), -counts[place], len(release.bases[0]), release.bases[0]

    # One or two clips more in the raw frames do not outweigh the registered faces.
    near = [place for place, count in enumerate(counts) if count >= _NEAR * max(counts)]
    chosen = min(near, key=order)
    for place, (release, cuts) in enumerate(cut_by_release):
        used = "" if place == chosen else "not used: "
        whole = "" if clean[place] == there[place] else f", {clean[place]} of them whole"
        reading.interpretation.append(
            f"{title}: {used}{release.kind} frames from {release.place} "
            f"({there[place]} of {len(cuts)} {unit}{whole})"
        )
    return cut_by_release[chosen]
