"""CASME II as it lies on users' disks: three releases of frames, three coding sheets."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, Reading
from cdmer_bench.databases.coded_frames import (
    choose_release,
    cut_clips,
    find_releases,
    readable_sheets,
    row_key,
    subject_and_clip,
)
from cdmer_bench.databases.coding_sheet import CodedClip, read_coding_sheet, subject_number
from cdmer_bench.errors import UserError

NAME = "CASME II"
# "Happy, Disgust, Surprise, Sad, and Fear" (section II-A1); others and repression have no class.
EMOTION_CLASSES = {
    "disgust": "negative",
    "sadness": "negative",
    "fear": "negative",
    "happiness": "positive",
    "surprise": "surprise",
}
SHEET_PATTERN = re.compile(r"casme.?(2|ii)\D.*(coding|label|annotation)|^annotations\.csv$", re.I)
# The early sheet codes it as happiness without an apex; the paper's 32 positive clips are 33
# less this one, and the authors' released features do not hold it.
NOT_IN_PROTOCOL = {(9, "ep02_02f")}
# Where the sheet of 2019 departs from the early one (its three sheets differ in nothing else
# that touches the protocol): these clips went from sadness to surprise, and one was removed.
RECODED_2019 = {(24, "ep07_01"), (24, "ep07_04f"), (24, "ep10_03")}
REMOVED_2019 = (24, "ep02_07")
CODINGS = ("sheet", "paper")


def read_casme2(
    folders: Sequence[ClipFolder],
    sheets: Sequence[Path],
    classes: Sequence[str],
    release: str = "auto",
    coding: str = "sheet",
    emotions: Mapping[str, str] | None = None,
) -> Reading:
    """Find the clips of CASME II in a scanned tree.

    Folders ``sub<k>/EP...`` are matched with the rows of a coding sheet, however deep they lie
    and however the subject is padded. ``reg_img<N>`` are registered faces, ``img<N>`` raw
    frames; ``N`` counts frames of the whole recording.

    Parameters
    ----------
    folders, sheets
        From `scan_tree`.
    classes : sequence of str
    release : {'auto', 'cropped', 'raw'}
    coding : {'sheet', 'paper'}
        'sheet' takes the emotions as they are written. 'paper' undoes, in the sheet of 2019,
        the changes to the four clips of subject 24, which gives the paper's 73/32/25.
    emotions : mapping, optional
        From emotions to classes; None is the paper's.

    Returns
    -------
    Reading
        Clips in the order of the sheet's rows, which for the early sheet is the order of the
        authors' released features.
    """
    if coding not in CODINGS:
        raise UserError(f"coding of casme2 is {coding!r}, expected one of {', '.join(CODINGS)}")
    reading = Reading()
    mapping = dict(EMOTION_CLASSES if emotions is None else emotions)
    candidates = [f for f in folders if f.files and _is_clip_folder(f)]
    releases = find_releases(candidates, subject_and_clip, lambda f: f.path.parent.parent, _kind)
    rows = _choose_sheet(sheets, mapping, coding, reading)
    if rows is None:
        return reading
    if coding == "paper":
        rows = restore_early_coding(rows, reading)
    rows = [replace(row, emotion="") if row_key(row) in NOT_IN_PROTOCOL else row for row in rows]
    chosen = choose_release(releases, rows, release, reading, NAME)
    if chosen is None:
        reading.note(
            "error", "no-frames", NAME,
            f"no folder sub<k>/EP... with images named in the coding sheet (release: {release})",
            "Cropped/sub01/EP02_01f/reg_img46.jpg and the like, at any depth below the root",
            "give the folder that holds the database's folders with corpus.root=DIR",
        )  # fmt: skip
        return reading
    cut_clips(chosen, rows, mapping, classes, reading, NAME)
    return reading


def restore_early_coding(rows: Sequence[CodedClip], reading: Reading) -> list[CodedClip]:
    """Give the clips that the sheet of 2019 recoded the emotions of the early sheet.

    The clip that it removed comes back without onset and offset, so that only the cropped
    frames, which hold nothing else, can give it.
    """
    keys = {row_key(row) for row in rows}
    restored = [
        replace(row, emotion="sadness")
        if row_key(row) in RECODED_2019 and row.emotion == "surprise"
        else row
        for row in rows
    ]
    changed = sum(a.emotion != b.emotion for a, b in zip(rows, restored, strict=True))
    if REMOVED_2019 not in keys and any(key[0] == 24 for key in keys):
        later = [
            index for index, row in enumerate(restored)
            if row_key(row)[0] == 24 and row_key(row) > REMOVED_2019
        ]  # fmt: skip
        place = later[0] if later else len(restored)
        restored.insert(place, CodedClip("24", "EP02_07", None, None, None, "disgust", 0))
        changed += 1
    reading.interpretation.append(
        f"{NAME}: coding=paper gave {changed} clips of subject 24 the emotions of the early sheet"
    )
    return restored


def _is_clip_folder(folder: ClipFolder) -> bool:
    return re.fullmatch(r"(sub|s)[ _-]?\d+", folder.path.parent.name, re.I) is not None


def _kind(folder: ClipFolder) -> str:
    registered = sum(name.lower().startswith("reg") for name in folder.files)
    return "cropped" if 2 * registered > len(folder.files) else "raw"


def count_classes(rows: Sequence[CodedClip], emotions: Mapping[str, str]) -> Counter[str]:
    """Count the rows of each class, without those outside the protocol."""
    return Counter(
        emotions[row.emotion]
        for row in rows
        if row.emotion in emotions and row_key(row) not in NOT_IN_PROTOCOL
    )


def _choose_sheet(
    sheets: Sequence[Path],
    emotions: Mapping[str, str],
    coding: str,
    reading: Reading,
) -> list[CodedClip] | None:
    """Read the coding sheet; of several, the one whose counts are the paper's."""
    read: list[tuple[bool, str, Path, list[CodedClip]]] = []
    named = (path for path in sheets if SHEET_PATTERN.search(path.name))
    for path, rows in readable_sheets(named, read_coding_sheet, reading):
        counts = count_classes(rows, emotions)
        early = [counts[c] for c in ("negative", "positive", "surprise")] == [73, 32, 25]
        read.append((not early, str(path), path, rows))
    if not read:
        reading.note(
            "error", "no-coding-sheet", NAME, "no coding sheet",
            "CASME2-coding-20140508.xlsx or another version, below the root",
            "copy the database's coding sheet into the root (saved as .xlsx or .csv)",
        )  # fmt: skip
        return None
    _, _, path, rows = min(read, key=lambda item: item[:2])
    reading.interpretation.append(f"{NAME}: coding sheet {path} ({_describe(rows, emotions)})")
    reading.interpretation += [
        f"{NAME}: not used: coding sheet {other} ({_describe(others, emotions)})"
        for _, _, other, others in sorted(read)
        if other != path
    ]
    if coding == "sheet":
        _note_version(path, rows, emotions, reading)
    _note_apex(path, rows, reading)
    return rows


def _describe(rows: Sequence[CodedClip], emotions: Mapping[str, str]) -> str:
    counts = count_classes(rows, emotions)
    listed = "/".join(str(counts[c]) for c in ("negative", "positive", "surprise"))
    return f"{len(rows)} rows, {listed} negative/positive/surprise"


def _note_version(
    path: Path, rows: Sequence[CodedClip], emotions: Mapping[str, str], reading: Reading
) -> None:
    recoded = sum(row_key(row) in RECODED_2019 and row.emotion == "surprise" for row in rows)
    if recoded:
        reading.note(
            "warning", "sheet-2019", path,
            f"the coding of 2019 ({_describe(rows, emotions)}): {recoded} clips of subject 24 "
            "are surprise instead of sadness, and sub24/EP02_07 is gone",
            "the early coding (257 rows, 73/32/25), which Table I of the paper counts",
            "take the early sheet, or undo this by corpus.databases.casme2.coding=paper",
        )  # fmt: skip


def _note_apex(path: Path, rows: Sequence[CodedClip], reading: Reading) -> None:
    # CASME II writes "/" where no apex was found; onset and offset are all that is needed.
    without_apex = [row for row in rows if row.apex is None]
    if without_apex:
        listed = ", ".join(f"sub{subject_number(r.subject):02d}/{r.clip}" for r in without_apex[:4])
        reading.note(
            "note", "apex-absent", path, f"no apex for {len(without_apex)} clips ({listed})",
            "a frame number", "nothing to do: the protocol uses onset and offset only",
        )  # fmt: skip
