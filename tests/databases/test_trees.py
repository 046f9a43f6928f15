"""Generated trees: layout x deviation; each is read as it was built or refused by name.

No third outcome: whatever a tree lacks, a clip that is read shows exactly its frames from onset to
offset, in order, with its label; and what deviates is named by a finding with the code given here.
"""

import itertools
from copy import deepcopy
from dataclasses import replace

import pytest

from cdmer_bench.databases.frame_checks import check_frames
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.errors import DataMissing
from tests.databases.sheets import text_writer, write_xls
from tests.databases.trees import LAYOUTS, Sheet, casme2, picture, smic

# Deviations that change a tree, and the code of the finding that names them: "" where the tree must
# be read exactly without an error; "+code" where it must be read exactly with that finding.


def as_it_is(tree):
    pass


def nested(tree):
    tree.change(above=lambda c: [*c.above, c.above[-1]])


def deeper(tree):
    tree.change(above=lambda c: ["some disk", "faces", *c.above])


def misleading_folders_above_the_root(tree):
    other = {"smic_hs": "NIR", "smic_vis": "HS", "smic_nir": "SMIC VIS"}.get(tree.database, "SAMM")
    tree.root = f"{other}/non_micro crop/data"


def one_folder_between(tree):
    tree.change(between=lambda c: ["faces", *c.between])


def subject_twice(tree):
    tree.change(above=lambda c: [*c.above, c.subject_folder])


def by_class_then_subject(tree):
    tree.change(above=lambda c: [*c.above, c.emotion])


def by_subject_then_class(tree):
    tree.change(between=lambda c: [c.emotion, *c.between])


def folder_of_a_part(tree):
    """Subjects on two disks; one camera's folder still tells the camera."""
    tree.change(above=lambda c: [*c.above, "part 1" if c.subject < 5 else "part 2"])


def folders_of_classes_of_two_levels(tree):
    tree.change(above=lambda c: [*c.above, f"all {c.emotion} clips", f"{c.emotion[:3]} cut"])


def folder_for_each_subject(tree):
    tree.change(above=lambda c: [*c.above, f"person {'abcdefghijklmnopqrst'[c.subject - 1]}"])


def other_suffix(tree):
    tree.change(file=lambda c: c.file.rpartition(".")[0] + ".PNG")


def no_zeros(tree):
    tree.change(file=lambda c: c.file.replace("{:05d}", "{}").replace("{:06d}", "{}"))


def junk_beside_frames(tree):
    for clip in tree.clips:
        for name in ("Thumbs.db", "._" + clip.file.format(7), ".DS_Store", "notes.txt"):
            tree.extra[(clip.place / name).as_posix()] = b"x"
        tree.extra[(clip.place / "@eaDir" / clip.file.format(7)).as_posix()] = picture(".jpg", 9)


def a_whole_copy(tree):
    tree.clips += [replace(c, above=["zz backup", "x", *c.above], again=True) for c in tree.clips]
    copies = [c for c in tree.clips if c.again]
    tree.clips = [c for c in tree.clips if not c.again]
    for clip in copies:
        for number, shown in clip.shows.items():
            name = (clip.place / clip.file.format(number)).as_posix()
            tree.extra[name] = picture("." + clip.file.rpartition(".")[2], (7 * shown) % 250)


def three_frames_each_that_sort_first(tree):
    """Onset, middle and offset of each clip, as papers on optical flow keep them."""
    for clip in tree.clips:
        for number in (clip.onset, clip.onset + 2, clip.offset):
            place = replace(clip, above=["a", *clip.above]).place
            name = (place / clip.file.format(number)).as_posix()
            tree.extra[name] = picture("." + clip.file.rpartition(".")[2], 77)


def second_folder_of_a_clip(tree):
    clip = tree.clips[0]
    spelt = {"s1": "s01", "s01": "s1", "sub01": "sub1", "006": "06"}[clip.subject_folder]
    for number in clip.shows:
        place = replace(clip, subject_folder=spelt).place
        tree.extra[(place / clip.file.format(number)).as_posix()] = picture(".bmp", 9)


def copied_frame(tree):
    clip = tree.clips[0]
    number = clip.onset + 1
    name = clip.file.format(number).replace(".", " (1).")
    tree.extra[(clip.place / name).as_posix()] = picture("." + name.rpartition(".")[2], 3)


def restart_at(start):
    def deviate(tree):
        tree.change(shows=lambda c: dict(enumerate(range(c.onset, c.offset + 1), start=start)))

    deviate.__name__ = f"numbered_anew_from_{start}"
    return deviate


def margins_numbered_anew(margin, start):
    def deviate(tree):
        tree.change(
            shows=lambda c: dict(
                enumerate(range(c.onset - margin, c.offset + margin + 1), start=start)
            )
        )

    deviate.__name__ = f"margins_of_{margin}_numbered_from_{start}"
    return deviate


def one_frame_fewer_numbered_anew(tree):
    tree.change(shows=lambda c: dict(enumerate(range(c.onset, c.offset), start=1)))


def half_with_margins_numbered_anew(tree):
    """Half of the folders keep the recording's numbers, with margins; the others do not."""

    def shows(clip):
        there = range(clip.onset - 4, clip.offset + 5)
        return dict(enumerate(there, start=1)) if clip.index % 2 else {n: n for n in there}

    tree.change(shows=shows)


def without_first_frame(tree):
    for clip in tree.clips[2:4]:
        del clip.shows[clip.onset]


def without_last_frame(tree):
    for clip in tree.clips[2:4]:
        del clip.shows[clip.offset]


def only_three_frames(tree):
    tree.change(shows=lambda c: {n: n for n in (c.onset, c.onset + 2, c.offset)})


def recordings_from_zero(tree):
    tree.change(shows=lambda c: {n: n + 1 for n in range(c.offset + 9)})


def a_folder_is_absent(tree):
    tree.clips[0].shows = {}


def a_folder_without_row(tree):
    clip = deepcopy(tree.clips[0])
    name = {"casme2": "EP55_05", "samm": "006_9_9", "casme": "EP55_5", "mmew": "S01-09-009"}
    tree.extra[(replace(clip, folder=name[tree.database]).place / "x1.jpg").as_posix()] = b"x"


def camera_unnamed(tree):
    tree.change(above=["faces"])


def frames_without_numbers(tree):
    clip = tree.clips[0]
    for letter in "abc":
        suffix = "." + clip.file.rpartition(".")[2]
        tree.extra[(clip.place / f"face{letter}{suffix}").as_posix()] = picture(suffix, 9)
    clip.shows = {}


def wrong_class_folder(tree):
    wrong = "surprise" if tree.clips[0].emotion != "surprise" else "negative"
    where = tree.clips[0]
    where.between = ["micro", wrong] if tree.database.startswith("smic") else [wrong]


# Of sheets. A row's cells are found by the headings, so that these work for most layouts.


def _heading_row(sheet):
    words = ("filename", "fold_name")
    return next(i for i, row in enumerate(sheet.rows) if {str(c).lower() for c in row} & set(words))


def _column(sheet, *names):
    headings = [str(cell).lower().replace(" ", "") for cell in sheet.rows[_heading_row(sheet)]]
    return next(i for i, word in enumerate(headings) if word in names)


def _first(sheet):
    return _heading_row(sheet) + 1


ONSET = ("onset", "onsetframe", "onsetf")
EMOTION = ("emotion", "estimatedemotion")


def no_sheet(tree):
    tree.sheets = []


def unknown_file_name(tree):
    tree.sheets[0].path = "labels/table of all clips.xlsx"


def as_text(separator, encoding, label):
    def deviate(tree):
        tree.sheets[0].write = text_writer(separator, encoding)

    deviate.__name__ = f"sheet_{label}"
    return deviate


def sheet_in_xls(tree):
    tree.sheets[0].write = write_xls


def other_headings(tree):
    headings = tree.sheets[0].rows[_heading_row(tree.sheets[0])]
    new = {"onsetframe": "Onset", "estimatedemotion": "Label", "emotion": "Emotion Label",
           "offsetframe": "OFFSET", "onset": "Onset Frame"}  # fmt: skip
    headings[:] = [new.get(str(h).lower().replace(" ", ""), h) for h in headings]


def text_above_and_below(tree):
    empty = [None] * (len(tree.sheets[0].rows[-1]) - 1)
    above = [["Coding by two coders", *empty], [None, *empty]]
    below = [[None, *empty], ["Total: see the paper", *empty]]
    tree.sheets[0].rows = [*above, *tree.sheets[0].rows, *below]


def subjects_of_merged_cells(tree):
    column, before = _column(tree.sheets[0], "subject", "sub_id"), None
    for row in tree.sheets[0].rows[_first(tree.sheets[0]) :]:
        if row[column] == before:
            row[column] = None
        else:
            before = row[column]


def numbers_as_text(tree):
    column = _column(tree.sheets[0], *ONSET)
    for row in tree.sheets[0].rows[_first(tree.sheets[0]) :]:
        row[column] = f"{row[column]}.0"


def unreadable_number(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *ONSET)] = "4S"


def no_number(tree):
    for name in (ONSET, ("offset", "offsetframe", "offsetf")):
        tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *name)] = "/"


def empty_emotion(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = None


def formula_never_computed(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = '="fear"'


def misspelt_emotion(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = "happinness"


def row_without_name(tree):
    column = _column(tree.sheets[0], "filename", "fold_name")
    tree.sheets[0].rows[_first(tree.sheets[0])][column] = None


def same_row_twice(tree):
    tree.sheets[0].rows.append(list(tree.sheets[0].rows[_first(tree.sheets[0])]))


def contradicting_row(tree):
    row = list(tree.sheets[0].rows[_first(tree.sheets[0])])
    row[_column(tree.sheets[0], *EMOTION)] = "fear"
    tree.sheets[0].rows.append(row)


def same_sheet_twice(tree):
    tree.sheets.append(Sheet("copy/of the sheet.xlsx", deepcopy(tree.sheets[0].rows)))


def sheet_that_contradicts(tree):
    rows = deepcopy(tree.sheets[0].rows)
    rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = "fear"
    tree.sheets.append(Sheet("old/labels.xlsx", rows))


def worksheet_that_contradicts(tree):
    rows = deepcopy(tree.sheets[0].rows)
    rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = "fear"
    tree.sheets[0].more["Second"] = rows


def sheet_of_macro_expressions(tree):
    rows = deepcopy(tree.sheets[0].rows)
    for row in rows[_first(tree.sheets[0]) :]:
        row[_column(tree.sheets[0], *EMOTION)] = "surprise"
    name = tree.sheets[0].path.rpartition("/")[2]
    tree.sheets.append(Sheet(f"0_MaE_{name.replace('_Micro', '')}", rows))


def rows_of_macro_expressions(tree):
    first = _heading_row(tree.sheets[0])
    more = []
    for place, row in enumerate(tree.sheets[0].rows):
        row.append("Expression type" if place == first else "micro-expression")
        if place > first:
            macro = [*row[:-1], "macro-expression"]
            macro[_column(tree.sheets[0], *EMOTION)] = "surprise"
            more.append(macro)
    tree.sheets[0].rows += more


def wide_row_of_another_table(tree):
    tree.sheets.append(Sheet("results.csv", [["epoch", "loss"], [1, 0.5]], text_writer()))


CASME2 = ["casme2-cropped", "casme2-preprocessed", "casme2-selected", "casme2-raw"]
SMIC = ["smic-hs-cropped", "smic-vis-cropped", "smic-nir-raw"]
SMIC_E = ["smic-hs-e", "smic-vis-e-crop"]
OTHERS = ["samm", "casme", "casme3-recordings", "casme_squared-rawpic", "mmew", "4dme"]
SHEETS = ["casme2-cropped", "casme2-raw", "samm", "casme", "mmew"]

TABLE = [  # deviation, layouts, code
    (as_it_is, list(LAYOUTS), ""),
    (nested, [*CASME2, *SMIC, *SMIC_E, *OTHERS], ""),
    (deeper, [*CASME2, *SMIC, *SMIC_E, *OTHERS], ""),
    (misleading_folders_above_the_root, [*CASME2, *SMIC, *SMIC_E, "casme3-recordings"], ""),
    (one_folder_between, [*CASME2, *SMIC, *SMIC_E, "samm", "casme"], ""),
    (subject_twice, [*CASME2, *SMIC, *SMIC_E, "samm", "casme"], ""),
    (by_class_then_subject, [*CASME2, *SMIC, *SMIC_E, "samm", "casme"], ""),
    (by_subject_then_class, [*CASME2, "samm", "casme"], ""),
    (folder_of_a_part, [*CASME2, *SMIC, *SMIC_E, *OTHERS], ""),
    (folders_of_classes_of_two_levels, [*CASME2, *SMIC, "samm", "casme"], ""),
    (folder_for_each_subject, [*CASME2, *SMIC, *SMIC_E], ""),
    (other_suffix, [*CASME2, *SMIC, *OTHERS], ""),
    (no_zeros, [*SMIC, *SMIC_E, "samm"], ""),
    (junk_beside_frames, ["casme2-cropped", "casme2-raw", *SMIC, *OTHERS], ""),
    (a_whole_copy, [*CASME2, *SMIC, "samm"], ""),
    (three_frames_each_that_sort_first, [*CASME2, "samm", "casme"], ""),
    (second_folder_of_a_clip, ["casme2-cropped", "casme2-raw", *SMIC, *SMIC_E, "samm", "casme"],
     "clip-twice"),
    (copied_frame, [*CASME2, *SMIC, "samm", "casme"], "frame-number-twice"),
    (restart_at(0), ["casme2-cropped", "casme2-selected", "samm", "casme"], "+frames-renumbered"),
    (restart_at(1), ["casme2-cropped", "casme2-selected", "samm", "casme"], "+frames-renumbered"),
    (margins_numbered_anew(2, 0), ["casme2-cropped", "casme2-selected", "casme2-raw", "samm",
                                   "casme"], "frames-outside-coding"),
    (margins_numbered_anew(4, 1), ["casme2-cropped", "casme2-selected", "casme2-raw", "samm",
                                   "casme"], "frames-outside-coding"),
    (one_frame_fewer_numbered_anew, ["casme2-cropped", "casme2-selected", "samm", "casme"],
     "frames-outside-coding"),
    (half_with_margins_numbered_anew, ["casme2-selected", "casme2-raw"], "frames-outside-coding"),
    (without_first_frame, ["casme2-cropped", "casme2-selected", "samm", "casme"],
     "frames-outside-coding"),
    (without_last_frame, ["casme2-cropped", "casme2-selected", "samm", "casme"],
     "frames-outside-coding"),
    (only_three_frames, ["casme2-cropped", "casme2-selected", "samm"], "frames-missing"),
    (recordings_from_zero, ["casme2-raw", "casme2-selected", "casme"], "frames-from-zero"),
    (a_folder_is_absent, ["casme2-cropped", "casme2-raw", *SMIC_E, "samm", "casme", "mmew"],
     "clip-without-frames"),
    (a_folder_without_row, ["casme2-cropped", "casme2-raw", "samm", "casme", "mmew"],
     "+frames-without-label"),
    (camera_unnamed, SMIC, "no-frames"),
    (frames_without_numbers, [*CASME2[:3], *SMIC, "samm"], "frames-without-number"),
    (wrong_class_folder, ["casme2-cropped", *SMIC, "mmew"], "class-contradiction"),
    (no_sheet, ["casme2-cropped", "samm", "casme", "mmew", *SMIC_E], "no-coding-sheet"),
    (unknown_file_name, SHEETS, ""),
    *((as_text(*how), SHEETS, "") for how in (
        (",", "utf-8", "comma"), (";", "utf-8-sig", "semicolon_bom"), ("\t", "utf-16", "tab_utf16"),
        (";", "gb18030", "gb18030"), ("\t", "utf-16-le", "utf16_without_bom"))),
    (sheet_in_xls, [*SHEETS, "smic-hs-e"], ""),
    (other_headings, SHEETS, ""),
    (text_above_and_below, [*SHEETS, *SMIC_E, "4dme"], "+rows-of-text"),
    (subjects_of_merged_cells, ["casme2-cropped", "samm", "casme", "mmew"], "+subject-filled-down"),
    (numbers_as_text, [*SHEETS, *SMIC_E], ""),
    (unreadable_number, [*SHEETS, *SMIC_E], "frame-number-unreadable"),
    (no_number, ["casme2-raw", "casme2-selected"], "onset-offset-unusable"),
    (empty_emotion, SHEETS, "emotion-empty"),
    (formula_never_computed, SHEETS, "emotion-empty"),
    (misspelt_emotion, SHEETS, "emotion-unknown"),
    (row_without_name, [*SHEETS, *SMIC_E], "row-without-clip"),
    (same_row_twice, SHEETS, "+rows-repeated"),
    (contradicting_row, SHEETS, "rows-contradict"),
    (same_sheet_twice, SHEETS, ""),
    (sheet_that_contradicts, SHEETS, "sheets-contradict"),
    (worksheet_that_contradicts, SHEETS, "sheets-contradict"),
    (sheet_of_macro_expressions, [*SHEETS, "casme3-recordings"], "+macro-expressions"),
    (rows_of_macro_expressions, [*SHEETS, "casme3-recordings"], "+macro-expressions"),
    (wide_row_of_another_table, [*SHEETS, *SMIC_E], ""),
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
        read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
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
        read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
        assert read == tree.expected()
        assert not [f for f in database.findings if f.severity == "error"]


def test_too_long_clips_of_smic_without_a_sheet(tmp_path):
    tree = smic("VIS", ["VIS cropped"], "{:05d}.bmp", 9, sheet=False)
    database = FrameDatabase("smic_vis", root=str(tree.write(tmp_path)))
    with pytest.raises(DataMissing, match="frames, and no annotation sheet"):
        database.clips()
    assert {f.code for f in database.findings if f.severity == "error"} == {"clip-too-long"}


def test_equal_findings_are_one_line_of_the_check(tmp_path):
    tree = casme2(["Cropped"], "reg_img{}.jpg")
    tree.change(shows={})
    tree.clips[0].shows = {26: 26}
    check = check_frames(tree.write(tmp_path), [FrameDatabase("casme2", root=str(tmp_path))])
    alike = [f for f in check.findings if f.code == "clip-without-frames"]
    lines = [line for line in check.text().splitlines() if "clip-without-frames" in line]
    assert len(alike) == 6
    assert len(lines) == 1
    assert "6 times" in lines[0]
    assert lines[0].count("no folder with images") == 3
    tree = casme2(["other"], "img{}.jpg")
    margins_numbered_anew(4, 1)(tree)
    check = check_frames(tree.write(tmp_path / "other"))
    (line,) = [line for line in check.text().splitlines() if "frames-outside-coding" in line]
    assert "7 times" in line
    assert "frames 1 to 19, numbered anew in each folder" in line
    assert "expected frames 26 to 36" in line
    assert "expected frames 12 to 20" in line
    assert any("7 of 7 coded clips, 0 of them whole" in text for text in check.interpretation)


def _cell(row, column, value):
    def change(tree):
        rows = tree.sheets[0].rows = [list(cells) for cells in tree.sheets[0].rows]
        rows[row][column] = value(rows[row][column]) if callable(value) else value

    return change


def _second_emotion(tree):
    tree.sheets[0].rows = [
        [*row, "Emotion" if n == 0 else "disgust"] for n, row in enumerate(tree.sheets[0].rows)
    ]


CROPPED2, RAW2 = (["CASME2", "Cropped"], "reg_img{}.jpg"), (["RAW"], "img{}.jpg", 1, 4)
EXTENDED = ("HS", ["SMIC", "HS_long", "SMIC-HS-E"], "image{:06d}.jpg", 4)
CODED = {
    # Row 1 is clip EP02_01f with onset 26, apex 28, offset 36, or the first clip of SMIC.
    "onset after apex": (casme2, RAW2, _cell(1, 3, 30), "apex-outside", "warning"),
    "offset before apex": (casme2, RAW2, _cell(1, 5, 27), "apex-outside", "warning"),
    "no offset, faces": (casme2, CROPPED2, _cell(1, 5, "/"), "onset-offset-absent", "warning"),
    "two emotions": (casme2, RAW2, _second_emotion, "emotion-columns-differ", "warning"),
    "no offset, SMIC-E": (smic, EXTENDED, _cell(1, 4, None), "onset-offset-unusable", "error"),
    "another class": (smic, EXTENDED, _cell(1, 5, "positive"), "class-contradiction", "warning"),
    "a name of no clip": (smic, EXTENDED, _cell(1, 1, "s1_happy_1"), "rows-of-text", "note"),
}


@pytest.mark.parametrize("case", CODED)
def test_what_a_row_leaves_open_is_named(tmp_path, case):
    build, arguments, change, code, severity = CODED[case]
    tree = build(*arguments)
    change(tree)
    reading = FrameDatabase(tree.database, root=str(tree.write(tmp_path))).read()
    (told,) = [one for one in reading.findings if one.code == code]
    assert told.severity == severity
    assert "1 row " in told.text or "row 2" in told.text or case == "two emotions", told.text
    assert (len(reading.clips) < len(tree.expected())) == ("SMIC-E" in case or "name" in case)


def test_a_whole_tree_has_none_of_these(tmp_path):
    for number, (build, arguments) in enumerate(
        ((casme2, RAW2), (casme2, CROPPED2), (smic, EXTENDED))
    ):
        tree = build(*arguments)
        root = tree.write(tmp_path / str(number))
        codes = {one.code for one in FrameDatabase(tree.database, root=str(root)).read().findings}
        assert not codes & {code for *_, code, _ in CODED.values()}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
def test_clips_of_another_size_are_named(tmp_path, suffix):
    import cv2

    tree = casme2(["CASME2", "Cropped"], "reg_img{}" + suffix)
    root = tree.write(tmp_path)
    database = FrameDatabase("casme2", root=str(root))
    assert "frames-of-other-size" not in {one.code for one in database.read().findings}
    for path in (root / tree.clips[2].place).iterdir():
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path), 0), (64, 48)))
    found = FrameDatabase("casme2", root=str(root)).read().findings
    told = [one.text for one in found if one.code == "frames-of-other-size"]
    assert told == [
        "1 clips with pictures of a size unlike most, 8 x 6 (first: sub01/EP19_01, 64 x 48)"
    ]


def test_a_clip_that_a_link_names_again_keeps_its_own_name(tmp_path):
    tree = casme2(["CASME2", "Cropped"], "reg_img{}.jpg")
    place = tree.write(tmp_path) / tree.clips[0].place
    (place.parent / "AA_first").symlink_to(place)
    names = [clip.name for clip in FrameDatabase("casme2", root=str(tmp_path)).clips()]
    assert names == [name for name, *_ in tree.expected()]


def test_names_of_databases_that_differ_in_letters_only_are_an_error(tmp_path):
    from cdmer_bench.databases.clips import ClipsDatabase

    table = tmp_path / "clips.csv"
    table.write_text(
        "database,clip,subject,label,folder\n"
        + "".join(f"{name},c{n},s,a,.\n" for n, name in enumerate(("lab", "lab", "Lab")))
    )
    found = ClipsDatabase("lab", table=str(table)).read().findings
    (told,) = [one for one in found if one.code == "databases-alike"]
    assert told.text.startswith("1 row whose database 'Lab' differs from 'lab'")
