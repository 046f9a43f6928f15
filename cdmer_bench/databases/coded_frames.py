"""Databases whose clips are named by a coding sheet: folders matched with rows, frames chosen."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, FrameClip, Reading
from cdmer_bench.databases.coding_sheet import CodedClip, subject_number
from cdmer_bench.errors import UserError

FolderKey = Callable[[ClipFolder], tuple[int | None, str]]


def subject_and_clip(folder: ClipFolder) -> tuple[int | None, str]:
    """Identify ``.../sub07/EP06_02_01`` as subject 7 and clip ``ep06_02_01``."""
    return subject_number(folder.path.parent.name), folder.path.name.strip().lower()


def row_key(row: CodedClip) -> tuple[int | None, str]:
    """Identify a row of the coding sheet in the same way."""
    return subject_number(row.subject), row.clip.lower()


def readable_sheets(
    paths: Iterable[Path], read: Callable[[Path], list[CodedClip]], reading: Reading
) -> Iterator[tuple[Path, list[CodedClip]]]:
    """Yield coding sheets with their rows; those that cannot be read are noted."""
    for path in paths:
        try:
            rows = read(path)
        except UserError as error:
            code = "sheet-xls" if path.suffix.lower() == ".xls" else "sheet-unreadable"
            reading.note(
                "warning", code, path, str(error), "a readable coding sheet", "see what was found"
            )
            continue
        yield path, rows


@dataclass(frozen=True)
class Release:
    """Folders that lie beside each other, one form in which the frames were released.

    Attributes
    ----------
    base : Path
        The folder that holds the subjects' folders.
    kind : str
        ``cropped`` (registered faces) or ``raw``.
    folders : dict
        From the clip's key to its folder.
    """

    base: Path
    kind: str
    folders: dict[tuple[int | None, str], ClipFolder] = field(default_factory=dict)


def find_releases(
    folders: Sequence[ClipFolder],
    key: FolderKey,
    base: Callable[[ClipFolder], Path],
    kind: Callable[[ClipFolder], str],
) -> list[Release]:
    """Group clip folders by the folder that holds them all."""
    groups: dict[Path, list[ClipFolder]] = defaultdict(list)
    for folder in folders:
        groups[base(folder)].append(folder)
    return [
        Release(place, kind(members[0]), {key(folder): folder for folder in members})
        for place, members in sorted(groups.items())
    ]


def choose_release(
    releases: Sequence[Release],
    rows: Sequence[CodedClip],
    wanted: str,
    reading: Reading,
    name: str,
) -> Release | None:
    """Take the release that holds most of the coded clips, cropped before raw.

    ``wanted`` is ``auto``, ``cropped`` or ``raw``. The choice is noted in ``reading``.
    """
    coded = {row_key(row) for row in rows}

    def matched(release: Release) -> int:
        return len(coded & set(release.folders))

    eligible = [
        release for release in releases if matched(release) and wanted in ("auto", release.kind)
    ]
    if not eligible:
        return None
    # One or two clips more in the raw frames are no reason to leave the registered faces.
    most = max(matched(release) for release in eligible)
    near = [release for release in eligible if matched(release) >= 0.9 * most]
    chosen = min(
        near,
        key=lambda r: (r.kind != "cropped", -matched(r), len(r.base.parts), str(r.base)),
    )
    reading.interpretation.append(
        f"{name}: {chosen.kind} frames from {chosen.base} "
        f"({matched(chosen)} of {len(coded)} coded clips)"
    )
    reading.interpretation += [
        f"{name}: not used: {other.kind} frames in {other.base} ({matched(other)} coded clips)"
        for other in eligible
        if other is not chosen
    ]
    return chosen


def choose_frames(
    folder: ClipFolder, row: CodedClip, cropped: bool, reading: Reading, where: str
) -> list[Path]:
    """Return the files from onset to offset in time order, noting what is odd about them.

    Parameters
    ----------
    cropped : bool
        Whether the folder should hold the frames from onset to offset and no other.

    Returns
    -------
    list of Path
        Empty where the clip cannot be cut with certainty; a finding then says why.
    """
    frames = folder.frames()
    numbers = [number for number, _ in frames]
    repeated = [number for number, count in Counter(numbers).items() if count > 1]
    if repeated:
        reading.note(
            "error", "frame-number-twice", where,
            f"{len(repeated)} frame numbers with two files (first: {repeated[0]}) in {folder.path}",
            "one image file a frame", "remove the copies, or the other numbering",
        )  # fmt: skip
        return []
    if row.onset is None or row.offset is None or row.offset < row.onset:
        if cropped:
            _note_gap(numbers, reading, where)
            return [folder.path / name for _, name in frames]
        reading.note(
            "error", "onset-offset-unusable", where,
            f"onset {row.onset}, offset {row.offset} in row {row.row} of the coding sheet",
            "two frame numbers, onset first", "correct the row, or use the cropped frames",
        )  # fmt: skip
        return []
    kept = _between(
        _numbered_as_coded(frames, row), row, cropped, reading, f"{where} ({folder.path})"
    )
    return [folder.path / name for name in kept]


def _between(
    frames: list[tuple[int, str]], row: CodedClip, cropped: bool, reading: Reading, where: str
) -> list[str]:
    """Return the names of the frames from onset to offset; none where that is uncertain."""
    assert row.onset is not None
    assert row.offset is not None
    inside = [name for number, name in frames if row.onset <= number <= row.offset]
    expected = row.offset - row.onset + 1
    missing, beyond = expected - len(inside), len(frames) - len(inside)
    coded = f"frames {row.onset} to {row.offset}"
    span = f"frames {frames[0][0]} to {frames[-1][0]}" if frames else "no numbered frame"
    # Only an unbroken run of the right length is the clip under other numbers.
    if missing and len(frames) == expected == frames[-1][0] - frames[0][0] + 1:
        reading.note(
            "warning", "frames-renumbered", where, span, coded,
            "all were taken as the clip, since their count is right; check the first and last",
        )  # fmt: skip
        return [name for _, name in frames]
    # Cropped frames both beyond the coding and short of it count from another number.
    if not inside or (cropped and missing and beyond):
        reading.note(
            "error", "frames-outside-coding", where, span, coded,
            "use the coding sheet that belongs to these frames, or restore the frames' names",
        )  # fmt: skip
        return []
    if missing:
        reading.note(
            "warning", "frames-missing", where,
            f"{len(inside)} frames between onset {row.onset} and offset {row.offset}",
            f"{expected} frames", "the clip is used as it is; copy the missing frames",
        )  # fmt: skip
    elif cropped and beyond:
        reading.note(
            "warning", "frames-beyond-coding", where,
            f"{beyond} frames before onset or after offset", f"{coded} only",
            "these were left out; check that the coding sheet belongs to these frames",
        )  # fmt: skip
    return inside


def _numbered_as_coded(frames: list[tuple[int, str]], row: CodedClip) -> list[tuple[int, str]]:
    """Count frames from the sheet's first number where the files count from another one."""
    if row.first is None or row.onset is None or not frames:
        return frames
    shift = row.first - frames[0][0]
    spans = frames[0][0] <= row.onset and row.offset is not None and row.offset <= frames[-1][0]
    return frames if spans else [(number + shift, name) for number, name in frames]


def _note_gap(numbers: Sequence[int], reading: Reading, where: str) -> None:
    if numbers and len(numbers) < numbers[-1] - numbers[0] + 1:
        reading.note(
            "warning", "frames-missing", where,
            f"{len(numbers)} frames numbered {numbers[0]} to {numbers[-1]}",
            f"{numbers[-1] - numbers[0] + 1} frames without a gap",
            "the clip is used as it is; copy the missing frames",
        )  # fmt: skip


def cut_clips(
    release: Release,
    rows: Sequence[CodedClip],
    emotions: Mapping[str, str],
    classes: Sequence[str],
    reading: Reading,
    name: str,
) -> None:
    """Add to ``reading`` a clip for each row whose emotion has a class, in the rows' order."""
    seen: Counter[tuple[int | None, str]] = Counter()
    for row in rows:
        label = emotions.get(row.emotion)
        if label is None:
            continue
        key = row_key(row)
        seen[key] += 1
        clip_name = f"{name}: {row.subject}/{row.clip}"
        folder = release.folders.get(key)
        if folder is None:
            reading.note(
                "error", "clip-without-frames", clip_name,
                f"no folder with images for {_source(row)}",
                f"a folder like those in {release.base}",
                "copy that folder from the original database",
            )  # fmt: skip
            continue
        files = choose_frames(folder, row, release.kind == "cropped", reading, clip_name)
        if files:
            subject = f"sub{key[0]:02d}"
            unique = f"{subject}/{row.clip}"
            # One recording may hold several micro-expressions: the second is told by its onset.
            unique += f"@{row.onset}" if seen[key] > 1 else ""
            reading.clips.append(
                FrameClip.of(unique, subject, list(classes).index(label), files, row.emotion)
            )
    _note_uncoded(release, rows, reading, name)


def _source(row: CodedClip) -> str:
    if row.row:
        return f"row {row.row} of the coding sheet"
    return "this clip, which only the early coding sheet has"


def _note_uncoded(release: Release, rows: Sequence[CodedClip], reading: Reading, name: str) -> None:
    coded = {row_key(row) for row in rows}
    uncoded = sorted(str(f.path) for key, f in release.folders.items() if key not in coded)
    if uncoded:
        reading.note(
            "warning", "frames-without-label", name,
            f"{len(uncoded)} folders that no row of the coding sheet names (first: {uncoded[0]})",
            "a row for every folder", "use the sheet of this release; these folders are left out",
        )  # fmt: skip
