"""The databases whose clips a coding sheet names, without CASME II: known from loaders only."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cdmer_bench.databases.coding_sheet import (
    MARKS,
    CodedClip,
    CodingSheet,
    read_coding_sheets,
    read_tables,
)
from cdmer_bench.databases.reader import Layout
from cdmer_bench.errors import UserError


def read_casme_squared_sheets(path: Path, worksheet: str = "") -> list[CodingSheet]:
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
    macro, unnamed = [], []
    for number, row in enumerate(tables[0], start=1):
        subject, shipped = cell(row, 0), cell(row, 1).lower()
        video = shipped.split("_")[0]
        if not any(row):
            continue
        if "micro" not in cell(row, 7).lower():
            macro.append(number)
        elif subject not in subjects or video not in videos:
            unnamed.append(number)
        else:
            texts = (cell(row, c) for c in (2, 3, 4))
            onset, apex, offset = (int(text) if text.isdigit() else None for text in texts)
            # An offset of 0 stands for "not found"; the apex is then the last frame that is sure.
            apex, offset = apex or None, offset or apex or None
            named, emotion = (subjects[subject], videos[video]), cell(row, 6).lower()
            sheet.rows.append(
                CodedClip(*named, onset, apex, offset, emotion, number, shipped=shipped)
            )
    sheet.note("macro-expressions/rows", macro)
    sheet.note("row-without-folder", unnamed)
    return [sheet]


def read_casme3_sheets(path: Path, worksheet: str = "") -> list[CodingSheet]:
    """Read the label file of CAS(ME)^3, whose shipped clips are called ``spNO.1_a_123``."""
    sheets = read_coding_sheets(path, worksheet)
    for sheet in sheets:
        sheet.rows = [
            replace(row, shipped=f"spno.{row.key[0]}_{row.clip}_{row.onset}") for row in sheet.rows
        ]
    return sheets


LAYOUTS = (
    Layout(
        "samm",
        "SAMM",
        r"(?P<clip>(?P<subject>\d{3})_\d+_\d+)",
        "SAMM/006/006_1_2/006_05562.jpg and SAMM_Micro_FACS_Codes_v2.xlsx",
    ),
    Layout(
        "casme",
        "CASME",
        r"(?:(?:sub)?(?P<subject>\d+)[ _-]*)?(?P<clip>EP\d+[\d_-]*f?)(?:_aligned)?",
        "Cropped/sub01/EP01_5/ and casme.xlsx",
        counts_from=1,
    ),
    Layout(
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
    Layout(
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
    Layout(
        "mmew",
        "MMEW",
        r"S(?P<subject>\d+)-\d+-\d+",
        "Micro_Expression/disgust/S01-01-001/1.jpg and MMEW_Micro_Exp.xlsx",
        counts_from=1,
        cropped=r"micro[ _]?expression",
        skipped=r"macro[ _]?expression",
    ),
    Layout(
        "four_dme",
        "4DME",
        r".+",
        "gray_micro_crop/S01/FOLDER/Frame_000000001.jpg and 4DME_Labelling_Micro_release.xlsx",
        emotions={word: word for word in MARKS[:3]},
        without_class=(*MARKS[3:], "several"),
        cropped=r"gray_micro",
        within=r"gray_micro|4d[ _-]?m(e|icro)",
        # Emotions are marked in columns of their own.
        read_sheets=partial(
            read_coding_sheets,
            headings={word: (word,) for word in MARKS},
            required=("subject", "clip", *MARKS[:3]),
        ),
    ),
)
