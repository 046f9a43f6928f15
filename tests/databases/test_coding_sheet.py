"""Coding sheets: every form is read; what a row or another sheet leaves open is told."""

import sys
from copy import deepcopy

import pytest

from cdmer_bench.databases.coding_sheet import name_rows, read_coding_sheets, read_tables
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.errors import UserError
from tests.databases.sheets import text_writer, write_xls, write_xlsx
from tests.databases.trees import LAYOUTS, Sheet, casme2, findings_of, smic

ROWS = [
    ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion"],
    [1, "EP01_01", 46, "/", 86, "Happiness"],
    ["02", " EP02_02 ", "50.0", 55.0, "61", "disgust"],
]


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".xlsx", write_xlsx),
        (".xls", write_xls),
        (".csv", text_writer()),
        (".csv", text_writer(";", "utf-8-sig")),
        (".csv", text_writer("\t", "utf-16")),
        (".csv", text_writer(";", "gb18030")),
        (".csv", text_writer("\t", "utf-16-be")),
    ],
)
def test_a_sheet_in_every_form(tmp_path, suffix, write):
    write(tmp_path / f"sheet{suffix}", [["编码"], *ROWS])
    rows = read_coding_sheets(tmp_path / f"sheet{suffix}")[0].rows
    assert [(r.subject, r.clip, r.onset, r.apex, r.offset, r.emotion, r.row) for r in rows] == [
        ("1", "EP01_01", 46, None, 86, "happiness", 3),
        ("02", "EP02_02", 50, 55, 61, "disgust", 4),
    ]
    assert next(iter(read_tables(tmp_path / f"sheet{suffix}").values()))[0][0] == "编码"


@pytest.mark.parametrize(("name", "package"), [("sheet.xls", "xlrd"), ("sheet.xlsx", "openpyxl")])
def test_without_its_package_a_sheet_says_what_to_do(tmp_path, monkeypatch, name, package):
    (write_xls if package == "xlrd" else write_xlsx)(tmp_path / name, ROWS)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"needs the package {package}; run: pip install") as told:
        read_coding_sheets(tmp_path / name)
    assert ("save it as .xlsx" in str(told.value)) == (package == "xlrd")


def test_a_key_settles_which_sheet_counts(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    other = deepcopy(tree.sheets[0].rows)
    other[1][-1] = "fear"
    tree.sheets.append(Sheet("new/labels.xlsx", other, more={"Third": deepcopy(other)}))
    root = str(tree.write(tmp_path))
    settled = FrameDatabase("casme2", root=root, sheet="new/labels.xlsx", worksheet="Third")
    assert settled.clips()[0].label == 0
    assert not [f for f in settled.findings if f.severity == "error"]
    assert any("labels.xlsx" in line for line in settled.interpretation)
    told = next(
        f for f in FrameDatabase("casme2", root=root).findings if f.code == "sheets-contradict"
    )
    assert "happiness, frames 26 to 36 in row 2, but fear, frames 26 to 36 in row 2" in told.text
    assert "sheet=" in told.action


def test_words_of_one_s_own_get_a_class(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.sheets[0].rows[1][-1] = "Smiling"
    root = str(tree.write(tmp_path))
    without = FrameDatabase("casme2", root=root)
    assert len(without.clips()) == 6
    told = next(f for f in without.findings if f.code == "emotion-unknown")
    assert "1 row with the unknown emotion 'smiling' (row 2)" in told.text
    words = {"smiling": "positive", "disgust": "negative"}
    clips = FrameDatabase("casme2", root=root, emotions=words).clips()
    assert [(c.name, c.label) for c in clips] == [
        ("sub01/EP02_01f", 1), ("sub03/EP01_2", 0), ("sub17/EP05_02", 0),
    ]  # fmt: skip


def test_classes_of_one_s_own(tmp_path):
    root = str(LAYOUTS["casme2-cropped"]().write(tmp_path))
    two = FrameDatabase("casme2", root=root, classes=("surprise", "negative"))
    assert [c.label for c in two.clips()] == [0, 1, 1, 1, 0, 1]
    told = next(f for f in two.findings if f.code == "classes-left-out")
    assert "(positive 1)" in told.text
    with pytest.raises(UserError, match=r"emotions\.sad is 'negtive', which is no class; did you"):
        FrameDatabase("casme2", root=root, emotions={"sad": "negtive"})


def test_findings_of_rows_count_and_name_lines(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for line in (1, 3, 4):
        tree.sheets[0].rows[line][-1] = "Sad"
    found = FrameDatabase("casme2", root=str(tree.write(tmp_path))).findings
    (told,) = [f for f in found if f.code == "emotion-unknown"]
    assert "3 rows with the unknown emotion 'sad' (rows 2, 4, 5)" in told.text
    assert "did you mean" in told.action


def test_rows_whose_cells_cannot_be_read_are_told_or_left_out(tmp_path):
    headings = [*ROWS[0], "Expression type"]
    rows = [
        ["x", "EP01_01", 1, 2, 3, "fear", "micro"],
        [1, "EP01_02", 1, "2S", 3, "fear", "micro"],
        [1, "EP01_03", 1, 2, "3S", "fear", "micro"],
        [1, "EP01_04", 1, 2, 3, "fear", "micro and macro"],
        [1, "EP01_05", 1, 2, 3, "fear", "macro"],
    ]
    write_xlsx(tmp_path / "sheet.xlsx", [headings, *rows])
    (sheet,) = read_coding_sheets(tmp_path / "sheet.xlsx")
    assert [(r.clip, r.apex) for r in sheet.rows] == [("EP01_02", None), ("EP01_04", 2)]
    assert {f.code: f.text.rpartition(" (")[2] for f in sheet.findings} == {
        "subject-unreadable": "row 2)",
        "apex-unreadable": "row 3)",
        "frame-number-unreadable": "row 4)",
        "macro-expressions": "row 6)",
    }


def test_lines_of_many_rows_are_listed_up_to_eight():
    assert name_rows([4]) == {"rows": "1 row", "lines": "row 4"}
    assert name_rows(range(1, 11)) == {
        "rows": "10 rows",
        "lines": "rows 1, 2, 3, 4, 5, 6, 7, 8 and 2 more",
    }


def test_rows_of_a_clip_that_differ_in_their_offset_contradict_each_other(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    row = list(tree.sheets[0].rows[1])
    row[5] += 1
    tree.sheets[0].rows.append(row)
    database, found = findings_of(tree, tmp_path)
    assert "frames 26 to 36 in row 2, but" in found["rows-contradict"].text
    assert "sub01/EP02_01f" not in [clip.name for clip in database.clips()]


def test_repeated_rows_are_all_counted(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.sheets[0].rows += [list(tree.sheets[0].rows[n]) for n in (1, 4)]
    _, found = findings_of(tree, tmp_path)
    assert found["rows-repeated"].text == "2 rows identical to an earlier one (rows 11, 12)"


def test_sheets_that_name_other_clips_or_contradict_in_later_rows_are_told(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    less = deepcopy(tree.sheets[0].rows)
    del less[4:6]
    less.append([30, "EP77_01", None, 1, 2, 3, None, "4", "fear"])
    tree.sheets.append(Sheet("z/part.xlsx", less))
    database, found = findings_of(tree, tmp_path)
    told = found["sheets-differ"].text
    assert "; 3 clips " in told
    assert told.endswith("(first: 30/EP77_01)")
    assert len(database.clips()) == 7
    tree = LAYOUTS["casme2-cropped"]()
    other = deepcopy(tree.sheets[0].rows)
    for row in other[5:]:
        row[3] += 1
    tree.sheets.append(Sheet("z/later.xlsx", other))
    told = findings_of(tree, tmp_path / "2")[1]["sheets-contradict"].text
    assert told.count(", but ") == 3
    assert "7/EP06_02_01 is" in told
    assert told.endswith("and 2 clips more")


def test_several_marks_of_4dme_are_one_class_only_if_one_of_them_is_a_class(tmp_path):
    tree = LAYOUTS["4dme"]()
    headings, negative, positive, surprise = tree.sheets[0].rows
    marks = {name: headings.index(name) for name in headings[5:]}
    negative[marks["Repression"]] = 1
    positive[marks["Negative"]], positive[marks["Others"]] = "no", 1
    surprise[marks["Negative"]] = 1
    database, found = findings_of(tree, tmp_path)
    assert [clip.emotion for clip in database.clips()] == ["negative", "positive"]
    assert "several 1 (row 4)" in found["emotions-without-class"].text


def test_tables_that_are_no_coding_sheet_are_counted(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for name in ("results.csv", "epochs.csv"):
        tree.sheets.append(Sheet(name, [["epoch", "loss"], [1, 0.5]], text_writer()))
    told = findings_of(tree, tmp_path)[1]["no-sheet-of-this"].text
    assert told.startswith("2 tables ")
    assert told.endswith("(first: epochs.csv)")


def test_rows_without_an_apex_or_not_in_the_protocol_are_told(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.sheets[0].rows[1][4] = "/"
    tree.sheets[0].rows.append([9, "EP02_02f", None, 5, "/", 8, None, "4", "happiness"])
    found = findings_of(tree, tmp_path)[1]
    assert found["apex-absent"].text == "2 rows without an apex (rows 2, 11)"
    assert found["not-in-protocol"].text == "1 row sub09/EP02_02f (row 11)"


def test_rows_of_cas_me_squared_that_are_left_out_are_told(tmp_path):
    tree = LAYOUTS["casme_squared-rawpic"]()
    tree.sheets[0].rows.append([9, "disgust1_1", 1, 2, 3, "4", "disgust", "micro-expression", "x"])
    tree.sheets[0].rows.append([1, "disgust1_9", "5S", 6, 7, "4", "disgust", "micro-expression"])
    found = findings_of(tree, tmp_path)[1]
    assert "1 row of macro-expressions (row 4)" in found["macro-expressions"].text
    assert "(row 5)" in found["row-without-folder"].text
    assert "(row 6)" in found["frame-number-unreadable"].text


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
