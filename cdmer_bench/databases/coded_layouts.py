"""Databases whose clips a coding sheet names: CASME II, and further ones known from loaders only.

A folder is known by its own name and the subject's, a coding sheet by its headings and the names of
its clips; which frames belong to a clip is decided in `releases`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, Reading
from cdmer_bench.databases.coding_sheet import (
    MARKS,
    CodedClip,
    CodingSheet,
    check_emotions,
    contradictions,
    read_coding_sheets,
    read_tables,
    settle_repeated,
)
from cdmer_bench.databases.releases import (
    Cut,
    Found,
    Key,
    add_clips,
    choose_release,
    cut_release,
    find_releases,
    note_uncoded,
    recognise,
)
from cdmer_bench.errors import UserError

KINDS = ("cropped", "raw")
# The three classes of the MEGC 2019 challenge.
EMOTION_CLASSES = {
    **dict.fromkeys(
        ("anger", "contempt", "disgust", "fear", "sadness", "sad", "disgusted"), "negative"
    ),
    **dict.fromkeys(("happiness", "happy"), "positive"),
    "surprise": "surprise",
}
NO_CLASS = (
    "other", "others", "repression", "tense", "tension", "helpless", "pain", "confused", "sympathy",
)  # fmt: skip
UNTESTED = "untested on real data"
# Names of files and folders that tell a database, the narrower ones first.
NAMES = {
    "casme_squared": r"cas\(me\) ?\^?2|casme[ _-]?(sq|\^ ?2)",
    "casme3": r"cas\(?me\)?[ _-]?\^?3|casme[ _-]?iii",
    "casme2": r"casme[ _-]?(2|ii)",
    "casme": r"casme",
    "samm": r"samm",
    "mmew": r"mmew",
    "four_dme": r"4d[ _-]?m(e|icro)",
    "smic": r"smic",
}


def told_database(parts: Sequence[str]) -> str | None:
    """Return the database that the nearest of some folders and files tells by its name."""
    for part in reversed(parts):
        for name, pattern in NAMES.items():
            if re.search(pattern, part, re.I):
                return name
    return None


@dataclass(frozen=True)
class CodedLayout:
    """How a database lies on disk."""

    name: str  # a key of `NAMES`
    title: str
    # regular expression of a clip's folder; its groups `clip` and `subject` tell which
    clip: str
    example: str  # a frame's path and the sheet's name, for messages
    form: str = "of images"  # of a clip's folder, for messages
    # regular expression of a clip's name in the coding sheet; '' is that of the folder
    coded_clip: str = ""
    # from emotions to classes
    emotions: Mapping[str, str] = field(default_factory=lambda: EMOTION_CLASSES)
    without_class: tuple[str, ...] = NO_CLASS  # further emotions of the database
    several: bool = False  # whether a recording may hold several micro-expressions
    # number of the first frame of the recordings, where that is known
    counts_from: int | None = None
    # regular expression for folders whose frames are cropped to the face
    cropped: str = r"crop|_aligned$"
    within: str = ""  # regular expression for a folder that must be among those above; '' for none
    skipped: str = r"(?!)"  # regular expression for folders that hold something else
    read_sheets: Callable[..., list[CodingSheet]] = read_coding_sheets
    tested: bool = False  # whether the reader was tried on the real release

    def find(self, folders: Sequence[ClipFolder], reading: Reading) -> list[Found]:
        """Recognise the clips among folders of images, below folders of this database if told."""
        pattern = re.compile(self.clip, re.I)
        with_images = [f for f in folders if f.files]
        mine = [f for f in with_images if told_database(f.parts) in (self.name, None)]
        found = []
        for folder in mine or with_images:
            inside = any(re.search(self.within, part, re.I) for part in folder.parts)
            one = recognise(folder, pattern) if inside else None
            if one is not None:
                reading.known.add(folder.path)
                if not any(re.search(self.skipped, p, re.I) for p in folder.parts[1:]):
                    found.append(one)
        return found

    def kind(self, members: Sequence[Found]) -> str:
        """Return ``cropped`` or ``raw``, by the names of the frames and of the nearest folders."""
        first = members[0]
        names = [name.lower() for one in members for name in one.folder.files]
        registered = sum(name.startswith(("reg", "frame_det")) for name in names)
        near = [*first.base[-2:], *first.between, first.folder.path.name]
        named = any(re.search(self.cropped, part, re.I) for part in near)
        return "cropped" if 2 * registered > len(names) or named else "raw"


def read_coded(
    layout: CodedLayout,
    folders: Sequence[ClipFolder],  # from `scan_tree`
    # possible coding sheets, each with the names of the folders from the root to it
    sheets: Sequence[tuple[Path, Sequence[str]]],
    release: str = "auto",
    emotions: Mapping[str, str] | None = None,  # from emotions to classes; None is the layout's
    sheet: str = "",  # end of the coding sheet's path, where several would do
    worksheet: str = "",
    # changes the rows of the chosen sheet, and notes it
    correct: Callable[[CodingSheet, Reading], None] | None = None,
    # of sheets that contradict each other, the one with the least value is read
    prefer: Callable[[CodingSheet], object] = lambda sheet: 0,
) -> Reading:
    """Find the clips of a database in a scanned tree, in the order of its coding sheet."""
    reading = Reading()
    mapping = dict(layout.emotions if emotions is None else emotions)
    if not layout.tested:
        reading.interpretation.append(f"{layout.title}: this reader is {UNTESTED}")
    found = layout.find(folders, reading)
    reading.n_folders = len(found)
    read = _read_sheets(layout, sheets, sheet, worksheet, reading)
    if not read:
        chosen_by = f" whose path ends with {sheet}" if sheet else ""
        reading.note(
            "error", "no-coding-sheet", layout.title, f"no coding sheet{chosen_by}", layout.example,
            "copy the database's coding sheet into the root",
        )  # fmt: skip
        return reading
    chosen = _choose_sheet(layout, read, {one.key for one in found}, prefer, reading)
    known = list(dict.fromkeys([*mapping, *layout.emotions, *layout.without_class]))
    every_row = list(chosen.rows)
    if correct is not None:
        correct(chosen, reading)
    check_emotions(chosen, known)
    settle_repeated(chosen, layout.several)
    rows = [row for row in chosen.rows if row.emotion in mapping]
    outside = Counter(row.emotion for row in chosen.rows if row.emotion not in mapping)
    chosen.note(
        "note", "emotions-without-class",
        [row.row for row in chosen.rows if row.emotion not in mapping],
        f"of emotions without a class: {', '.join(f'{w} {n}' for w, n in outside.most_common())}",
        "emotions of the classes", "these rows are left out",
    )  # fmt: skip
    reading.findings += chosen.findings
    reading.n_coded = len(rows)
    releases = [
        (one, cut_release(one, rows, one.kind == "cropped", layout.counts_from))
        for one in find_releases(found, layout.kind)
        if release in ("auto", one.kind)
    ]
    releases = [pair for pair in releases if any(cut.found for cut in pair[1])]
    if not releases:
        reading.note(
            "error", "no-frames", layout.title,
            f"no folder {layout.form} that the coding sheet names (release: {release})",
            layout.example, "give the folder that holds the database with corpus.root=DIR",
        )  # fmt: skip
        return reading
    taken, cuts = choose_release(releases, KINDS, reading, layout.title)
    for cut in cuts:
        if cut.found is None:
            elsewhere = [
                str(other.found.folder.path)
                for _, others in releases
                for other in others
                if other.row is cut.row and other.found is not None
            ]
            where = f"row {cut.row.row} of the coding sheet" if cut.row.row else "this clip"
            cut.problems.append(
                ("error", "clip-without-frames", f"no folder with images for {where}",
                 f"a folder like those in {taken.place}",
                 f"it is in {elsewhere[0]}: bring both together" if elsewhere
                 else "copy that folder from the original database")
            )  # fmt: skip
        else:
            _check_class(cut, mapping)
    seen: Counter[Key] = Counter()

    def name(cut: Cut) -> str:
        # One recording may hold several micro-expressions: the second is told by its onset.
        seen[cut.row.key] += 1
        again = f"@{cut.row.onset}" if seen[cut.row.key] > 1 else ""
        return f"sub{cut.row.key[0]:02d}/{cut.row.clip}{again}"

    add_clips(
        cuts, reading, layout.title, "sub{:02d}".format, name, lambda row: mapping[row.emotion]
    )
    note_uncoded(taken, every_row, cuts, reading, layout.title)
    return reading


def _check_class(cut: Cut, mapping: Mapping[str, str]) -> None:
    """Refuse a clip in a folder named for another emotion than its row's."""
    assert cut.found is not None
    told = cut.found.emotion
    if told and mapping.get(told, told) != mapping[cut.row.emotion]:
        cut.problems.append(
            ("error", "class-contradiction",
             f"{cut.row.emotion} in row {cut.row.row} of the coding sheet, but a folder {told}",
             "one emotion", "correct the sheet or the folder; the clip is left out")
        )  # fmt: skip


def _read_sheets(
    layout: CodedLayout,
    paths: Sequence[tuple[Path, Sequence[str]]],
    wanted: str,
    worksheet: str,
    reading: Reading,
) -> list[CodingSheet]:
    """Read what could be a coding sheet of a database; note what cannot be read."""
    coded = re.compile(layout.coded_clip or layout.clip, re.I)
    read: list[CodingSheet] = []
    other: list[str] = []
    for path, parts in paths:
        if wanted and not path.as_posix().endswith(wanted):
            continue
        told = told_database(parts)
        if not wanted and told not in (layout.name, None):
            continue
        try:
            sheets = layout.read_sheets(path, worksheet or None)
        except UserError as error:
            named = told == layout.name and re.search(
                r"cod(e|ing)|label|annotation|facs|emo|exp", path.name, re.I
            )
            if named or wanted:
                code = "sheet-xls" if path.suffix.lower() == ".xls" else "sheet-unreadable"
                reading.note(
                    "warning", code, path, str(error), "a readable coding sheet",
                    "see what was found",
                )  # fmt: skip
            else:
                other.append(path.name)
            continue
        for one in sheets:
            told_clips = [(row, coded.fullmatch(row.clip)) for row in one.rows]
            fitting = sum(clip is not None for _, clip in told_clips)
            # A name such as sub01_EP02_01f stands for EP02_01f.
            one.rows = [
                replace(row, clip=clip.groupdict().get("clip") or row.clip) if clip else row
                for row, clip in told_clips
            ]
            macro = re.search(r"macro|(?<![a-z])mae(?![a-z])", f"{path.name} {one.worksheet}", re.I)
            if macro and "micro" not in f"{path.name} {one.worksheet}".lower():
                reading.note(
                    "note", "macro-expressions", one, "a sheet of macro-expressions",
                    "micro-expressions", "it was not used",
                )  # fmt: skip
            elif one.rows and 2 * fitting >= len(one.rows):
                read.append(one)
            else:
                other.append(str(one))
    if other:
        reading.note(
            "note", "no-sheet-of-this", layout.title,
            f"{len(other)} tables that are no coding sheet of it (first: {other[0]})",
            layout.example, "nothing to do if the coding sheet is another file",
        )  # fmt: skip
    return read


def _choose_sheet(
    layout: CodedLayout,
    read: Sequence[CodingSheet],
    keys: set[Key],
    prefer: Callable[[CodingSheet], object],
    reading: Reading,
) -> CodingSheet:
    """Choose one of several sheets; where they contradict each other, that is an error."""

    def matched(sheet: CodingSheet) -> int:
        return sum(row.key in keys for row in sheet.rows)

    # A sheet that names no folder that is there belongs to another database.
    fitting = [sheet for sheet in read if matched(sheet)] or list(read)
    chosen = min(fitting, key=lambda s: (prefer(s), -matched(s)))
    reading.interpretation.append(
        f"{layout.title}: coding sheet {chosen} ({len(chosen.rows)} rows)"
    )
    for other in fitting:
        if other is chosen:
            continue
        said, only = contradictions(chosen, other)
        same = "" if said or only else ", the same content"
        reading.interpretation.append(
            f"{layout.title}: not used: coding sheet {other} ({len(other.rows)} rows{same})"
        )
        if said:
            more = f" and {len(said) - 3} clips more" if len(said) > 3 else ""
            reading.note(
                "error", "sheets-contradict", chosen,
                f"another coding sheet, {other}, that says otherwise: {'; '.join(said[:3])}{more}",
                "one coding sheet", "remove the wrong one, or choose one with the keys sheet= and "
                "worksheet= of this database",
            )  # fmt: skip
        elif only:
            reading.note(
                "warning", "sheets-differ", chosen,
                f"another coding sheet, {other}; {len(only)} clips stand in one of them only "
                f"(first: {only[0]})",
                "one coding sheet", "choose one with the key sheet= of this database",
            )  # fmt: skip
    return chosen


def read_casme_squared_sheets(path: Path, worksheet: str | None = None) -> list[CodingSheet]:
    """Read ``code_final.xlsx`` of CAS(ME)^2: three sheets without headings.

    The first has subject, video (``anger1_1``), onset, apex, offset, action units, emotion,
    type and self-report; the second tells each subject's folder (columns 2 and 3), the third
    each video's four digits (columns 1 and 2). Macro-expressions are left out.
    """
    tables = list(read_tables(path).values())
    if len(tables) < 3 or not all(tables[:3]):
        raise UserError(f"{path} has {len(tables)} sheets, expected the three of code_final.xlsx")

    def cell(row: Sequence[str], column: int) -> str:
        return row[column] if column < len(row) else ""

    subjects = {cell(row, 2): cell(row, 1) for row in tables[1]}
    videos = {cell(row, 1).lower(): cell(row, 0).zfill(4) for row in tables[2]}
    sheet = CodingSheet(path, "", [])
    lines: dict[str, list[int]] = {"macro": [], "unnamed": []}
    for number, row in enumerate(tables[0], start=1):
        subject, shipped = cell(row, 0), cell(row, 1).lower()
        video = shipped.split("_")[0]
        if not any(row):
            continue
        if "micro" not in cell(row, 7).lower():
            lines["macro"].append(number)
            continue
        if subject not in subjects or video not in videos:
            lines["unnamed"].append(number)
            continue
        texts = (cell(row, c) for c in (2, 3, 4))
        onset, apex, offset = (int(text) if text.isdigit() else None for text in texts)
        # An offset of 0 stands for "not found"; the apex is then the last frame that is sure.
        apex, offset = apex or None, offset or apex or None
        sheet.rows.append(
            CodedClip(
                subjects[subject],
                videos[video],
                onset,
                apex,
                offset,
                cell(row, 6).lower(),
                number,
                shipped=shipped,
            )
        )
    sheet.note("note", "macro-expressions", lines["macro"], "of macro-expressions",
               "micro-expressions", "these rows were left out")  # fmt: skip
    sheet.note("error", "row-without-folder", lines["unnamed"],
               "whose subject or video the other two sheets do not name", "a name for each",
               "complete the sheets")  # fmt: skip
    return [sheet]


def read_casme3_sheets(path: Path, worksheet: str | None = None) -> list[CodingSheet]:
    """Read the label file of CAS(ME)^3, whose shipped clips are called ``spNO.1_a_123``."""
    sheets = read_coding_sheets(path, worksheet)
    for sheet in sheets:
        sheet.rows = [
            replace(row, shipped=f"spno.{row.key[0]}_{row.clip}_{row.onset}") for row in sheet.rows
        ]
    return sheets


def read_4dme_sheets(path: Path, worksheet: str | None = None) -> list[CodingSheet]:
    """Read the label file of 4DME, which marks emotions in columns of their own."""
    marks = {word: (word,) for word in MARKS}
    return read_coding_sheets(path, worksheet, marks, ("subject", "clip", *MARKS[:3]))


LAYOUTS: dict[str, CodedLayout] = {
    layout.name: layout
    for layout in (
        CodedLayout(
            "samm",
            "SAMM",
            r"(?P<clip>(?P<subject>\d{3})_\d+_\d+)",
            "SAMM/006/006_1_2/006_05562.jpg and SAMM_Micro_FACS_Codes_v2.xlsx",
        ),
        CodedLayout(
            "casme",
            "CASME",
            r"(?:(?:sub)?(?P<subject>\d+)[ _-]*)?(?P<clip>EP\d+[\d_-]*f?)(?:_aligned)?",
            "Cropped/sub01/EP01_5/ and casme.xlsx",
            counts_from=1,
        ),
        CodedLayout(
            "casme_squared",
            "CAS(ME)^2",
            r"0*(?P<subject>\d+)_(?P<clip>\d{4}).*|[a-z]+\d+_\d+",
            "rawpic/s15/15_0101disgustingteeth/img1.jpg and code_final.xlsx",
            coded_clip=r"\d{4}",
            several=True,
            counts_from=1,
            # Whole recordings even where the faces are cropped: onset and offset are needed.
            cropped=r"selectedpic",
            read_sheets=read_casme_squared_sheets,
        ),
        CodedLayout(
            "casme3",
            "CAS(ME)^3",
            r"(?P<subject>spno\.\d+)_[a-z]_\d+|[a-z]",
            "part_A/data/spNO.1/a/color/1.jpg and cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
            coded_clip=r"[a-z]",
            several=True,
            cropped=r"(?!)",
            skipped=r"depth|MaE_clip",
            read_sheets=read_casme3_sheets,
        ),
        CodedLayout(
            "mmew",
            "MMEW",
            r"S(?P<subject>\d+)-\d+-\d+",
            "Micro_Expression/disgust/S01-01-001/1.jpg and MMEW_Micro_Exp.xlsx",
            counts_from=1,
            cropped=r"micro[ _]?expression",
            skipped=r"macro[ _]?expression",
        ),
        CodedLayout(
            "four_dme",
            "4DME",
            r".+",
            "gray_micro_crop/S01/FOLDER/Frame_000000001.jpg and 4DME_Labelling_Micro_release.xlsx",
            emotions={word: word for word in MARKS[:3]},
            without_class=(*MARKS[3:], "several"),
            cropped=r"gray_micro",
            within=r"gray_micro|4d[ _-]?m(e|icro)",
            read_sheets=read_4dme_sheets,
        ),
    )
}
