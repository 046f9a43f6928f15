"""Generated trees: layout x deviation; each is read as it was built or refused by name.

No third outcome: whatever a tree lacks, a clip that is read shows exactly its frames from onset to
offset, in order, with its label; and what deviates is named by a finding with the code given here.
"""

import itertools

import pytest

from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.errors import DataMissing
from tests.databases import deviations as d
from tests.databases.trees import LAYOUTS, read_of

CASME2 = ["casme2-cropped", "casme2-preprocessed", "casme2-selected", "casme2-raw"]
SMIC = ["smic-hs-cropped", "smic-vis-cropped", "smic-nir-raw"]
SMIC_E = ["smic-hs-e", "smic-vis-e-crop"]
OTHERS = ["samm", "casme", "casme3-recordings", "casme_squared-rawpic", "mmew", "4dme"]
SHEETS = ["casme2-cropped", "casme2-raw", "samm", "casme", "mmew"]


# Deviation, layouts, and the code of the finding that names it: "" where the tree must be read
# exactly without an error; "+code" where it must be read exactly with that finding.
TABLE = [
    (d.as_it_is, list(LAYOUTS), ""),
    (d.nested, [*CASME2, *SMIC, *SMIC_E, *OTHERS], ""),
    (d.deeper, [*CASME2, *SMIC, *SMIC_E, *OTHERS], ""),
    (d.misleading_folders_above_the_root, [*CASME2, *SMIC, *SMIC_E, "casme3-recordings"], ""),
    (d.one_folder_between, [*CASME2, *SMIC, *SMIC_E, "samm", "casme"], ""),
    (d.subject_twice, [*CASME2, *SMIC, *SMIC_E, "samm", "casme"], ""),
    (d.by_class_then_subject, [*CASME2, *SMIC, *SMIC_E, "samm", "casme"], ""),
    (d.by_subject_then_class, [*CASME2, "samm", "casme"], ""),
    (d.folder_of_a_part, [*CASME2, *SMIC, *SMIC_E, *OTHERS], ""),
    (d.folders_of_classes_of_two_levels, [*CASME2, *SMIC, "samm", "casme"], ""),
    (d.folder_for_each_subject, [*CASME2, *SMIC, *SMIC_E], ""),
    (d.other_suffix, [*CASME2, *SMIC, *OTHERS], ""),
    (d.no_zeros, [*SMIC, *SMIC_E, "samm"], ""),
    (d.junk_beside_frames, ["casme2-cropped", "casme2-raw", *SMIC, *OTHERS], ""),
    (d.a_whole_copy, [*CASME2, *SMIC, "samm"], ""),
    (d.three_frames_each_that_sort_first, [*CASME2, "samm", "casme"], ""),
    (d.second_folder_of_a_clip, ["casme2-cropped", "casme2-raw", *SMIC, *SMIC_E, "samm", "casme"],
     "clip-twice"),
    (d.copied_frame, [*CASME2, *SMIC, "samm", "casme"], "frame-number-twice"),
    (d.restart_at(0), ["casme2-cropped", "casme2-selected", "samm", "casme"], "+frames-renumbered"),
    (d.restart_at(1), ["casme2-cropped", "casme2-selected", "samm", "casme"], "+frames-renumbered"),
    (d.margins_numbered_anew(2, 0), ["casme2-cropped", "casme2-selected", "casme2-raw", "samm",
                                     "casme"], "frames-outside-coding"),
    (d.margins_numbered_anew(4, 1), ["casme2-cropped", "casme2-selected", "casme2-raw", "samm",
                                     "casme"], "frames-outside-coding"),
    (d.one_frame_fewer_numbered_anew, ["casme2-cropped", "casme2-selected", "samm", "casme"],
     "frames-outside-coding"),
    (d.half_with_margins_numbered_anew, ["casme2-selected", "casme2-raw"], "frames-outside-coding"),
    (d.without_first_frame, ["casme2-cropped", "casme2-selected", "samm", "casme"],
     "frames-outside-coding"),
    (d.without_last_frame, ["casme2-cropped", "casme2-selected", "samm", "casme"],
     "frames-outside-coding"),
    (d.only_three_frames, ["casme2-cropped", "casme2-selected", "samm"], "frames-missing"),
    (d.recordings_from_zero, ["casme2-raw", "casme2-selected", "casme"], "frames-from-zero"),
    (d.a_folder_is_absent, ["casme2-cropped", "casme2-raw", *SMIC_E, "samm", "casme", "mmew"],
     "clip-without-frames"),
    (d.a_folder_without_row, ["casme2-cropped", "casme2-raw", "samm", "casme", "mmew"],
     "+frames-without-label"),
    (d.camera_unnamed, SMIC, "no-frames"),
    (d.frames_without_numbers, [*CASME2[:3], *SMIC, "samm"], "frames-without-number"),
    (d.wrong_class_folder, ["casme2-cropped", *SMIC, "mmew"], "class-contradiction"),
    (d.no_sheet, ["casme2-cropped", "samm", "casme", "mmew", *SMIC_E], "no-coding-sheet"),
    (d.unknown_file_name, SHEETS, ""),
    *((d.as_text(*how), SHEETS, "") for how in (
        (",", "utf-8", "comma"), (";", "utf-8-sig", "semicolon_bom"), ("\t", "utf-16", "tab_utf16"),
        (";", "gb18030", "gb18030"), ("\t", "utf-16-le", "utf16_without_bom"))),
    (d.sheet_in_xls, [*SHEETS, "smic-hs-e"], ""),
    (d.other_headings, SHEETS, ""),
    (d.text_above_and_below, [*SHEETS, *SMIC_E, "4dme"], "+rows-of-text"),
    (d.subjects_of_merged_cells, ["casme2-cropped", "samm", "casme", "mmew"],
     "+subject-filled-down"),
    (d.numbers_as_text, [*SHEETS, *SMIC_E], ""),
    (d.unreadable_number, [*SHEETS, *SMIC_E], "frame-number-unreadable"),
    (d.no_number, ["casme2-raw", "casme2-selected"], "onset-offset-unusable"),
    (d.empty_emotion, SHEETS, "emotion-empty"),
    (d.formula_never_computed, SHEETS, "emotion-empty"),
    (d.misspelt_emotion, SHEETS, "emotion-unknown"),
    (d.row_without_name, [*SHEETS, *SMIC_E], "row-without-clip"),
    (d.same_row_twice, SHEETS, "+rows-repeated"),
    (d.contradicting_row, SHEETS, "rows-contradict"),
    (d.same_sheet_twice, SHEETS, ""),
    (d.sheet_that_contradicts, SHEETS, "sheets-contradict"),
    (d.worksheet_that_contradicts, SHEETS, "sheets-contradict"),
    (d.sheet_of_macro_expressions, [*SHEETS, "casme3-recordings"], "+macro-expressions"),
    (d.rows_of_macro_expressions, [*SHEETS, "casme3-recordings"], "+macro-expressions"),
    (d.wide_row_of_another_table, [*SHEETS, *SMIC_E], ""),
]  # fmt: skip

CASES = [
    pytest.param(layout, deviate, code, id=f"{deviate.__name__}-{layout}")
    for deviate, layouts, code in TABLE
    for layout in layouts
]


def test_there_are_enough_trees():
    assert len(CASES) >= 300
    assert len({layout for _, layouts, _ in TABLE for layout in layouts}) == len(LAYOUTS)


@pytest.mark.parametrize(("layout", "deviate", "code"), CASES)
def test_read_exactly_or_refused_by_name(tmp_path, layout, deviate, code):
    tree = LAYOUTS[layout]()
    deviate(tree)
    database = FrameDatabase(tree.database, root=str(tree.write(tmp_path)))
    try:
        read = read_of(database)
    except DataMissing:
        read = []
    errors = {f.code for f in database.findings if f.severity == "error"}
    codes = {f.code for f in database.findings}
    expected = tree.expected()
    if code == "" or code.startswith("+"):
        assert read == expected, database.findings
        assert not errors, database.findings
        assert code[1:] in codes or not code
    else:
        assert code in errors, database.findings
        wrong = [clip for clip in read if clip not in expected]
        # Frames from 0 are read as they are numbered; the error says that all may be shifted.
        assert not wrong or code == "frames-from-zero", wrong


# Several databases below one root, each to be read as if it were alone.
TOGETHER = list(itertools.combinations(
    ["casme2-cropped", "smic-hs-cropped", "smic-vis-cropped", "smic-nir-raw", "samm", "casme",
     "casme3-recordings", "casme_squared-rawpic", "mmew"], 2,
))  # fmt: skip


@pytest.mark.parametrize("pair", TOGETHER, ids="+".join)
def test_two_databases_below_one_root(tmp_path, pair):
    folders = {"casme2-cropped": "CASME2", "casme": "CASME", "casme3-recordings": "CAS(ME)^3",
               "casme_squared-rawpic": "CAS(ME)^2"}  # fmt: skip
    trees = {}
    for layout in pair:
        tree = trees[layout] = LAYOUTS[layout]()
        if layout in folders:
            tree.change(above=lambda c, layout=layout: [folders[layout], *c.above])
            for sheet in tree.sheets:
                sheet.path = f"{folders[layout]}/{sheet.path}"
        tree.write(tmp_path)
    for tree in trees.values():
        database = FrameDatabase(tree.database, root=str(tmp_path / "data"))
        assert read_of(database) == tree.expected()
        assert not [f for f in database.findings if f.severity == "error"]
