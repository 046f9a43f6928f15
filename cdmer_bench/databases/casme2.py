"""CASME II as it lies on users' disks: three releases of frames, three coding sheets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, Reading
from cdmer_bench.databases.coded_layouts import CodedLayout, read_coded
from cdmer_bench.databases.coding_sheet import CodedClip, CodingSheet
from cdmer_bench.errors import UserError

# "Happy, Disgust, Surprise, Sad, and Fear" (section II-A1); others and repression have no class.
EMOTION_CLASSES = {
    "disgust": "negative",
    "sadness": "negative",
    "fear": "negative",
    "happiness": "positive",
    "surprise": "surprise",
}
LAYOUT = CodedLayout(
    "casme2",
    "CASME II",
    r"(?:(?:sub)?(?P<subject>\d+)[ _-]*)?(?P<clip>EP\d+[\d_]*f?)(?:_aligned)?",
    "Cropped/sub01/EP02_01f/reg_img46.jpg and CASME2-coding-20140508.xlsx, at any depth",
    form="sub<k>/EP... with images",
    emotions=EMOTION_CLASSES,
    without_class=("others", "repression"),
    counts_from=1,
    cropped=r"_aligned$",
    tested=True,
)
# The early sheet codes it as happiness without an apex; the paper's 32 positive clips are 33
# less this one, and the authors' released features do not hold it.
NOT_IN_PROTOCOL = (9, "ep02_02f")
# Where the sheet of 2019 departs from the early one (its three sheets differ in nothing else
# that touches the protocol): these clips went from sadness to surprise, and one was removed.
RECODED_2019 = {(24, "ep07_01"), (24, "ep07_04f"), (24, "ep10_03")}
REMOVED_2019 = (24, "ep02_07")
TABLE_I = (73, 32, 25)
CODINGS = ("sheet", "paper")


def read_casme2(
    folders: Sequence[ClipFolder],
    sheets: Sequence[tuple[Path, Sequence[str]]],
    release: str = "auto",
    emotions: Mapping[str, str] | None = None,
    sheet: str = "",
    worksheet: str = "",
    # 'sheet' takes the emotions as they are written. 'paper' undoes, in the sheet of 2019, the
    # changes to the four clips of subject 24, which gives the paper's 73/32/25
    coding: str = "sheet",
) -> Reading:
    """Find the clips of CASME II in a scanned tree; see `read_coded`."""
    if coding not in CODINGS:
        raise UserError(f"coding of casme2 is {coding!r}, expected one of {', '.join(CODINGS)}")
    mapping = dict(EMOTION_CLASSES if emotions is None else emotions)

    def correct(chosen: CodingSheet, reading: Reading) -> None:
        reading.interpretation.append(f"{LAYOUT.title}: {_describe(chosen, mapping)}")
        if coding == "paper":
            restore_early_coding(chosen, reading)
        else:
            _note_version(chosen, mapping)
        without_apex = [row.row for row in chosen.rows if row.apex is None]
        chosen.note(
            "note", "apex-absent", without_apex, "without an apex", "a frame number",
            "nothing to do: the protocol uses onset and offset only",
        )  # fmt: skip
        outside = [row for row in chosen.rows if row.key == NOT_IN_PROTOCOL]
        chosen.note(
            "note", "not-in-protocol", [row.row for row in outside], "sub09/EP02_02f",
            "the clips that the paper counts", "it is left out, as in the authors' features",
        )  # fmt: skip
        chosen.rows = [row for row in chosen.rows if row.key != NOT_IN_PROTOCOL]

    def unlike_paper(chosen: CodingSheet) -> bool:
        return count_classes(chosen.rows, mapping) != TABLE_I

    return read_coded(
        LAYOUT, folders, sheets, release, mapping, sheet, worksheet, correct, unlike_paper
    )


def restore_early_coding(sheet: CodingSheet, reading: Reading) -> None:
    """Give the clips that the sheet of 2019 recoded the emotions of the early sheet.

    The clip that it removed comes back without onset and offset, so that only the cropped
    frames, which hold nothing else, can give it.
    """
    restored = [
        replace(row, emotion="sadness")
        if row.key in RECODED_2019 and row.emotion == "surprise"
        else row
        for row in sheet.rows
    ]
    changed = sum(a.emotion != b.emotion for a, b in zip(sheet.rows, restored, strict=True))
    of_subject = [index for index, row in enumerate(restored) if row.key[0] == 24]
    if of_subject and REMOVED_2019 not in {row.key for row in restored}:
        later = [index for index in of_subject if restored[index].key > REMOVED_2019]
        place = later[0] if later else len(restored)
        restored.insert(place, CodedClip("24", "EP02_07", None, None, None, "disgust", 0))
        changed += 1
    sheet.rows = restored
    reading.interpretation.append(
        f"{LAYOUT.title}: coding=paper gave {changed} clips of subject 24 the emotions of the "
        "early sheet"
    )


def count_classes(rows: Sequence[CodedClip], emotions: Mapping[str, str]) -> tuple[int, ...]:
    """Count the rows of each of the paper's classes, without those outside the protocol."""
    counts = Counter(
        emotions[row.emotion]
        for row in rows
        if row.emotion in emotions and row.key != NOT_IN_PROTOCOL
    )
    return tuple(counts[name] for name in ("negative", "positive", "surprise"))


def _describe(sheet: CodingSheet, emotions: Mapping[str, str]) -> str:
    listed = "/".join(map(str, count_classes(sheet.rows, emotions)))
    return f"{len(sheet.rows)} rows, {listed} negative/positive/surprise"


def _note_version(sheet: CodingSheet, emotions: Mapping[str, str]) -> None:
    """Say by what a sheet of another version differs from Table I."""
    recoded = [
        row.row for row in sheet.rows if row.key in RECODED_2019 and row.emotion == "surprise"
    ]
    sheet.note(
        "warning", "sheet-2019", recoded,
        "of subject 24 that are surprise instead of sadness, and sub24/EP02_07 is gone: the "
        f"coding of 2019 ({_describe(sheet, emotions)})",
        "the early coding (257 rows, 73/32/25), which Table I of the paper counts",
        "take the early sheet, or undo this by corpus.databases.casme2.coding=paper",
    )  # fmt: skip
    counts = count_classes(sheet.rows, emotions)
    if counts == (72, 32, 25):
        gone = REMOVED_2019 not in {row.key for row in sheet.rows}
        which = "sub24/EP02_07 (disgust) is not in it" if gone else "it has one sadness less"
        sheet.note(
            "warning", "sheet-2014", [row.row for row in sheet.rows],
            f"that give 72/32/25 clips: {which} than the early coding",
            "73/32/25, which Table I of the paper counts",
            "take the early sheet (257 rows) for the paper's clips"
            + (", or corpus.databases.casme2.coding=paper" if gone else ""),
        )  # fmt: skip
