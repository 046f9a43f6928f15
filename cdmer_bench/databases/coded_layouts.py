"""Further databases of micro-expressions: SAMM, CASME, CAS(ME)^2, CAS(ME)^3 and MMEW.

Known from public loaders only and never tried on the licensed files: each reading says so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, Reading
from cdmer_bench.databases.coded_frames import (
    FolderKey,
    choose_release,
    cut_clips,
    find_releases,
    readable_sheets,
    subject_and_clip,
)
from cdmer_bench.databases.coding_sheet import (
    CodedClip,
    read_coding_sheet,
    read_tables,
    subject_number,
)
from cdmer_bench.errors import UserError

# The three classes of the MEGC 2019 challenge; other words ("other", "tense") have no class.
EMOTION_CLASSES = {
    **dict.fromkeys(
        ("anger", "contempt", "disgust", "fear", "sadness", "sad", "disgusted"), "negative"
    ),
    **dict.fromkeys(("happiness", "happy"), "positive"),
    "surprise": "surprise",
}
UNTESTED = "untested on real data"


@dataclass(frozen=True)
class CodedLayout:
    """How a database lies on disk.

    Attributes
    ----------
    title : str
    sheet_pattern : str
        Regular expression for the name of the coding sheet.
    example : str
        A frame's path and the sheet's name, for messages.
    folder_key : callable
        Identifies a folder as (subject, clip); (None, ...) is no clip of this database.
    depth : int
        Folders between a clip's folder and the folder that holds everything.
    cropped : str
        Regular expression for folders whose frames are cropped to the face.
    read_sheet : callable
    """

    title: str
    sheet_pattern: str
    example: str
    folder_key: FolderKey = subject_and_clip
    depth: int = 2
    cropped: str = r"crop"
    read_sheet: Callable[[Path], list[CodedClip]] = read_coding_sheet

    def base(self, folder: ClipFolder) -> Path:
        """Return the folder that holds all clips of this one's release."""
        return folder.path.parents[self.depth - 1]

    def kind(self, folder: ClipFolder) -> str:
        """Return ``cropped`` or ``raw``, by the name of the release's folder."""
        nearest = self.base(folder).parts[-2:]
        registered = any(name.lower().startswith("reg") for name in folder.files)
        named = any(re.search(self.cropped, part, re.I) for part in nearest)
        return "cropped" if registered or named else "raw"


def read_coded(
    layout: CodedLayout,
    folders: Sequence[ClipFolder],
    sheets: Sequence[Path],
    classes: Sequence[str],
    release: str = "auto",
    emotions: Mapping[str, str] | None = None,
) -> Reading:
    """Find the clips of a database in a scanned tree, in the order of its coding sheet.

    Parameters
    ----------
    layout : CodedLayout
    folders, sheets
        From `scan_tree`.
    classes : sequence of str
    release : {'auto', 'cropped', 'raw'}
    emotions : mapping, optional
        From emotions to classes; None is ``EMOTION_CLASSES``.

    Returns
    -------
    Reading
    """
    reading = Reading()
    reading.interpretation.append(f"{layout.title}: this reader is {UNTESTED}")
    rows = _read_sheet(layout, sheets, reading)
    if rows is None:
        return reading
    candidates = [f for f in folders if f.files and layout.folder_key(f)[0] is not None]
    releases = find_releases(candidates, layout.folder_key, layout.base, layout.kind)
    chosen = choose_release(releases, rows, release, reading, layout.title)
    if chosen is None:
        reading.note(
            "error", "no-frames", layout.title,
            f"no folder of images that the coding sheet names (release: {release})",
            layout.example, "give the folder that holds the database with corpus.root=DIR",
        )  # fmt: skip
        return reading
    mapping = EMOTION_CLASSES if emotions is None else emotions
    cut_clips(chosen, rows, mapping, classes, reading, layout.title)
    return reading


def mmew_key(folder: ClipFolder) -> tuple[int | None, str]:
    """Identify ``.../disgust/S01-01-001`` as a clip of subject 1."""
    found = re.fullmatch(r"s(\d+)-\d+-\d+", folder.path.name.strip(), re.I)
    return (int(found[1]) if found else None), folder.path.name.strip().lower()


def casme3_key(folder: ClipFolder) -> tuple[int | None, str]:
    """Identify ``.../spNO.1/a/color`` as recording ``a`` of subject 1; depth images are none."""
    parents = folder.path.parents
    is_colour = folder.path.name.lower() == "color" and len(parents) > 1
    number = subject_number(parents[1].name) if is_colour else None
    return number, folder.path.parent.name.strip().lower()


def casme_squared_key(folder: ClipFolder) -> tuple[int | None, str]:
    """Identify ``s15/15_0101disgustingteeth`` as recording ``0101`` of subject 15."""
    found = re.match(r"0*(\d+)_(\d{4})", folder.path.name)
    return (int(found[1]), found[2]) if found else (None, "")


def read_casme_squared_sheet(path: Path) -> list[CodedClip]:
    """Read ``code_final.xlsx`` of CAS(ME)^2: three sheets without headings.

    The first has subject, video (``anger1_1``), onset, apex, offset, action units, emotion,
    type and self-report; the second tells each subject's folder (columns 2 and 3), the third
    each video's four digits (columns 1 and 2). Macro-expressions are left out.

    Raises
    ------
    UserError
        If the file does not have these sheets.
    """
    tables = list(read_tables(path).values())
    if len(tables) < 3 or not all(tables[:3]):
        raise UserError(f"{path} has {len(tables)} sheets, expected the three of code_final.xlsx")
    subjects = {_cell(row, 2): _cell(row, 1) for row in tables[1]}
    videos = {_cell(row, 1).lower(): _cell(row, 0).zfill(4) for row in tables[2]}
    coded = []
    for number, row in enumerate(tables[0], start=1):
        subject, video = _cell(row, 0), _cell(row, 1).lower().split("_")[0]
        if "micro" not in _cell(row, 7).lower() or subject not in subjects or video not in videos:
            continue
        frames = [
            int(text) if text.isdigit() else None for text in (_cell(row, c) for c in (2, 3, 4))
        ]
        # An offset of 0 stands for "not found"; the apex is then the last frame that is sure.
        onset, apex, offset = frames[0], frames[1] or None, frames[2] or frames[1] or None
        emotion = _cell(row, 6).lower()
        coded.append(
            CodedClip(subjects[subject], videos[video], onset, apex, offset, emotion, number)
        )
    return coded


LAYOUTS: dict[str, CodedLayout] = {
    "samm": CodedLayout(
        "SAMM",
        r"samm.*(facs|codes).*\.(xlsx|csv)$",
        "SAMM/006/006_1_2/006_05562.jpg and SAMM_Micro_FACS_Codes_v2.xlsx",
    ),
    "casme": CodedLayout(
        "CASME",
        r"^casme(?![ _-]?(2|ii|3|sq)).*\.(xlsx|csv)$",
        "Cropped/sub01/EP01_5/ and casme.xlsx",
    ),
    "casme_squared": CodedLayout(
        "CAS(ME)^2",
        r"code_final.*\.xlsx$",
        "rawpic/s15/15_0101disgustingteeth/img1.jpg and code_final.xlsx",
        folder_key=casme_squared_key,
        read_sheet=read_casme_squared_sheet,
        # Whole recordings even where the faces are cropped: onset and offset are needed.
        cropped=r"(?!)",
    ),
    "casme3": CodedLayout(
        "CAS(ME)^3",
        r"cas\(?me\)?\^?3.*part_?a.*\.(xlsx|csv)$",
        "part_A/data/spNO.1/a/color/1.jpg and cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        folder_key=casme3_key,
        depth=3,
        cropped=r"(?!)",
    ),
    "mmew": CodedLayout(
        "MMEW",
        r"mmew.*\.(xlsx|csv)$",
        "Micro_Expression/disgust/S01-01-001/1.jpg and MMEW_Micro_Exp.xlsx",
        folder_key=mmew_key,
        cropped=r"micro[ _]?expression",
    ),
}


def _read_sheet(
    layout: CodedLayout, sheets: Sequence[Path], reading: Reading
) -> list[CodedClip] | None:
    named = (path for path in sheets if re.search(layout.sheet_pattern, path.name, re.I))
    for path, rows in readable_sheets(named, layout.read_sheet, reading):
        reading.interpretation.append(f"{layout.title}: coding sheet {path} ({len(rows)} rows)")
        return rows
    reading.note(
        "error", "no-coding-sheet", layout.title, "no coding sheet", layout.example,
        "copy the database's coding sheet into the root (saved as .xlsx or .csv)",
    )  # fmt: skip
    return None


def _cell(row: Sequence[object], column: int) -> str:
    value = row[column] if column < len(row) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
