import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cdmer_bench.databases.clips import COLUMNS, ClipsDatabase, read_table, write_table
from cdmer_bench.databases.frame_checks import check_frames
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import files_of, scan_tree
from cdmer_bench.errors import DataMissing, UserError
from tests.databases.sheets import write_xlsx
from tests.databases.trees import LAYOUTS

HEAD = ",".join(COLUMNS)


@pytest.fixture
def folder(tmp_path):
    """Five frames, 8 to 12, of growing grey."""
    place = tmp_path / "faces" / "a"
    place.mkdir(parents=True)
    for number in range(8, 13):
        cv2.imwrite(str(place / f"img{number:03d}.png"), np.full((6, 8), 10 * number, np.uint8))
    return tmp_path


def table(place, *rows, head=HEAD, name="clips.csv"):
    path = place / name
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return path


def database(path, name="mine", **options):
    return ClipsDatabase(name, table=str(path), **options)


def values(clip):
    return clip.frames()[:, 0, 0].tolist()


def test_a_row_says_all_of_a_clip(folder):
    path = table(
        folder,
        "mine,one,p1,happy,faces/a,9,11,img{n}.png",
        f"mine,two,p2,sad,{folder / 'faces' / 'a'},,,",
        "other,three,p3,sad,faces/a,8,8,img{n}.png",
    )
    one, two = database(path).clips()
    assert (one.name, one.subject, one.label, values(one)) == ("one", "p1", 0, [90, 100, 110])
    assert (two.subject, two.label, values(two)) == ("p2", 1, [80, 90, 100, 110, 120])
    assert database(path).classes == ("happy", "sad")
    assert ClipsDatabase.listed(str(path)) == ["mine", "other"]
    account = database(path).account()
    assert (account.n_used, account.n_expected) == (2, 2)
    assert account.class_counts == {"happy": 1, "sad": 1}


def test_the_paper_s_classes_keep_the_paper_s_order(folder):
    labels = ("surprise", "negative", "positive")
    path = table(folder, *(f"mine,{x},p,{x},faces/a,,," for x in labels))
    assert database(path).classes == ("negative", "positive", "surprise")
    assert database(path, classes=["surprise", "negative", "positive"]).clips()[0].label == 0


def test_a_box_cuts_the_face(folder):
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8)
    cv2.imwrite(str(folder / "faces" / "a" / "b1.png"), picture)
    path = table(
        folder,
        "mine,one,p1,x,faces/a,1,1,b{n}.png,2,1,4,3",
        "mine,two,p1,y,faces/a,1,1,b{n}.png,,,,",
        "mine,far,p1,y,faces/a,1,1,b{n}.png,6,1,4,3",
        head=HEAD + ",x,y,width,height",
    )
    one, two, far = database(path).clips()
    assert np.array_equal(one.frames()[0], picture[1:4, 2:6])
    assert np.array_equal(two.frames()[0], picture)
    with pytest.raises(UserError, match=r"the box 6, 1, 4, 3 of clip far leaves"):
        far.frames()
    assert one.fingerprint != two.fingerprint


WRONG = {  # the row: code, and part of the sentence
    "mine,,p1,x,faces/a,,,": ("cell-empty", "without clip (row 4: faces/a)"),
    "mine,b,,,faces/a,,,": ("cell-empty", "without subject and label"),
    "mine,b,p1,x,faces/nowhere,,,": ("folder-missing", "faces/nowhere"),
    "mine,b,p1,x,faces/a,nine,,": ("frame-number-unreadable", "'nine' to ''"),
    "mine,b,p1,x,faces/a,11,9,": ("first-after-last", "11 > 9"),
    "mine,b,p1,x,faces/a,7,9,": ("frames-missing", "no frame 7"),
    "mine,b,p1,x,faces/a,9,13,": ("frames-missing", "no frame 13"),
    "mine,b,p1,x,faces/a,,,face{n}.png": ("frames-missing", "face{n}.png in"),
    "mine,b,p1,x,faces/a,,,img.png": ("pattern-unusable", "img.png"),
    "mine,a,p1,x,faces/a,,,": ("clip-twice", "a is in row 3"),
    "mine,b,p1,x,faces/a,9,,img{n}.png,more,,cells": ("cells-beyond", "'more, cells'"),
}


def test_cells_beyond_the_headings_of_a_workbook_are_told(folder):
    rows = [(*COLUMNS, None, "note"), ("mine", "a", "p1", "x", "faces/a", None, None, None)]
    rows.append(("mine", "b", "p1", "x", "faces/a", 9, None, None, "free", "a note", "more"))
    write_xlsx(folder / "clips.xlsx", rows)
    read = database(folder / "clips.xlsx")
    assert [clip.name for clip in read.clips()] == ["a"]
    assert "1 row with more cells than there are headings (row 3: 'more')" in read.findings[0].text


@pytest.mark.parametrize("row", WRONG, ids=[code for code, _ in WRONG.values()])
def test_a_wrong_row_is_named_with_its_line(folder, row):
    path = table(folder, "", "mine,a,p1,x,faces/a,,,", row)
    read = database(path)
    assert [clip.name for clip in read.clips()] == ["a"]
    (finding,) = read.findings
    code, said = WRONG[row]
    assert (finding.severity, finding.code) == ("error", code)
    assert said in finding.text
    assert "row 4" in finding.text


def test_a_table_without_a_usable_row_fails_the_check(folder):
    read = database(table(folder, "mine,a,p1,x,faces/nowhere,,,"))
    check = check_frames(folder, [read])
    assert not check.passed
    assert {"no-clips", "folder-missing"} == {one.code for one in check.findings}
    assert "has no usable row of the database mine: error: folder-missing" in check.text()
    assert check.text().endswith("What was checked cannot be used as it is: see the errors.")


def test_labels_that_differ_in_the_size_of_letters_are_no_two_classes(folder):
    rows = [f"mine,{i},p,Calm,faces/a,{i},," for i in (8, 9)] + ["mine,c,p,calm,faces/a,10,,"]
    (found,) = database(table(folder, *rows)).findings
    assert (found.severity, found.code) == ("error", "labels-alike")
    assert "label 'calm' differs from 'Calm'" in found.text
    assert "(row 4)" in found.text


def test_a_heading_that_stands_twice_is_refused(folder):
    path = table(folder, "mine,a,p,x,faces/a,,,,y", head=HEAD + ",Label")
    with pytest.raises(UserError, match="has 2 columns 'label'; keep one"):
        database(path)


def test_rows_with_the_same_mistake_are_one_finding(folder):
    rows = [f"mine,{x},p1,x,faces/{x},,," for x in "bcdefghijk"]
    read = database(table(folder, "mine,a,p1,x,faces/a,,,", *rows, "mine,z,p1,wrong,faces/a,,,"),
                    classes=["x", "y"])  # fmt: skip
    assert [clip.name for clip in read.clips()] == ["a"]
    assert [f.code for f in read.findings] == ["folder-missing", "label-unknown"]
    assert "10 rows" in read.findings[0].text
    assert "rows 3, 4, 5" in read.findings[0].text
    assert "'wrong'" in read.findings[1].text


def test_missing_and_repeated_frames(folder):
    place = folder / "faces" / "a"
    path = table(folder, "mine,a,p1,x,faces/a,,,", "mine,b,p1,y,faces/a,,,img{n}.png")
    (place / "img010.png").unlink()
    found = database(path).findings
    assert [(f.severity, f.code) for f in found] == [("warning", "frames-missing")]
    assert "4 of 5" in found[0].text
    (place / "img9.png").write_bytes((place / "img009.png").read_bytes())
    assert {f.code for f in database(path).findings} == {"frame-number-twice"}


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("database,clip,subject,folder", "no column label"),
        ("Subject;Filename", "no column database"),
    ],
)
def test_another_table_is_no_clips_table(tmp_path, head, said):
    with pytest.raises(UserError, match=said):
        read_table(table(tmp_path, "a,b,c,d", head=head))


def test_no_file_and_no_row(folder):
    path = table(folder, "mine,a,p1,x,faces/a,,,")
    with pytest.raises(DataMissing, match=r"did you mean 'clips.csv'"):
        read_table(folder / "clip.csv")
    with pytest.raises(DataMissing, match=r"corpus\.table is empty; give a clips table"):
        database("").clips()
    with pytest.raises(DataMissing, match="no row of the database casme2; it has mine"):
        database(path, "casme2").clips()


@pytest.mark.parametrize(
    ("names", "pattern", "numbers"),
    [
        (["img1.jpg", "img10.jpg", "reg_img2.jpg"], "img{n}.jpg", [1, 10]),
        (["a_007.bmp", "a_008.bmp"], "a_{n}.bmp", [7, 8]),
        (["1 (1).png", "1.png", "x.txt"], "", [1, 1]),
        (["c[1]5.png", "c25.png"], "c[1]{n}.png", [5]),
    ],
)
def test_a_pattern_tells_numbers(tmp_path, names, pattern, numbers):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    found = files_of(tmp_path, pattern)
    assert [number for number, group in found.items() for _ in group] == numbers


def cdmer(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "cdmer_bench", *words], cwd=cwd, capture_output=True, text=True
    )


@pytest.mark.parametrize("layout", ["casme2-raw", "smic-vis-cropped"])
def test_the_table_that_was_understood_is_read_back_the_same(tmp_path, layout):
    tree = LAYOUTS[layout]()
    root = tree.write(tmp_path)
    done = cdmer("data", "clips", "corpus=frames", f"corpus.root={root}",
                 f"database={tree.database}", "--out", "clips.csv", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clips.csv").read_text().startswith(HEAD)
    before = FrameDatabase(tree.database, root=str(root)).clips()
    after = database(tmp_path / "clips.csv", tree.database).clips()
    assert [(c.name, c.subject, c.label, c.fingerprint, c.files) for c in before] == [
        (c.name, c.subject, c.label, c.fingerprint, c.files) for c in after
    ]


def test_what_is_not_recognised_starts_a_table(tmp_path, folder):
    done = cdmer("data", "clips", f"corpus.root={folder}", "database=casme2", "--out", "t.csv",
                 cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "no-coding-sheet" in done.stderr
    assert "database=casme2 --out clips.csv" in done.stderr
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == [
        "casme2,faces/a,,,faces/a,8,12,img{n}.png,"
    ]


def test_the_example_of_the_page_on_data(tmp_path, folder):
    """The table that docs/data.md shows is read as the page says."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
    example = re.search(r"    (database,clip,subject.*?)\n\n", page, re.S)[1].replace(
        "\n    ", "\n"
    )
    rows = [line.split(",") for line in example.splitlines()[1:]]
    for row in rows:
        place = folder / row[4]
        place.mkdir(parents=True, exist_ok=True)
        for number in range(int(row[5]), int(row[6]) + 1):
            name = row[7].replace("{n}", f"{number:03d}")
            cv2.imwrite(str(place / name), np.full((6, 8), number % 250, np.uint8))
    (folder / "clips.csv").write_text(example, "utf-8")
    for name in ("lab_a", "lab_b"):
        read = database(folder / "clips.csv", name)
        assert not read.findings
        assert [values(clip) for clip in read.clips()] == [
            list(range(int(row[5]), int(row[6]) + 1)) for row in rows if row[0] == name
        ]


def test_rows_that_cannot_be_used_are_expected_and_all_that_was_noticed_is_in_the_account(folder):
    rows = (
        "mine,a,p1,x,faces/a,,,",
        "mine,b,p1,x,faces/a,9,11,",
        "mine,c,p1,y,faces/a,9,9,",
        "mine,d,p1,x,faces/b,,,",
        "mine,e,p1,x,faces/a,12,9,",
    )
    account = database(table(folder, *rows), classes=("y", "x")).account()
    assert (account.n_used, account.n_expected) == (3, 5)
    assert list(account.class_counts.items()) == [("y", 1), ("x", 2)]
    assert [f.code for f in account.findings] == ["folder-missing", "first-after-last"]


def test_one_generated_folder_marks_its_database_and_no_other(folder):
    shutil.copytree(folder / "faces", folder / "drawn" / "faces")
    (folder / "drawn" / "SYNTHETIC.txt").write_text("generated")
    path = table(
        folder,
        "mixed,a,p1,x,faces/a,,,",
        "mixed,b,p1,y,drawn/faces/a,,,",
        "real,a,p1,x,faces/a,,,",
    )
    assert database(path, "mixed").synthetic
    assert not database(path, "real").synthetic
    # The notice may lie above the folder that is given.
    deep = FrameDatabase("casme2", root=str(folder / "drawn" / "faces" / "a"))
    assert deep.synthetic
    # Or one or two folders below it.
    assert FrameDatabase("casme2", root=str(folder)).synthetic
    (folder / "drawn" / "SYNTHETIC.txt").rename(folder / "drawn" / "faces" / "SYNTHETIC.txt")
    assert FrameDatabase("casme2", root=str(folder)).synthetic


def test_a_row_of_no_database_is_told_by_every_one(folder):
    path = table(folder, "mine,a,p1,x,faces/a,,,", ",b,p1,x,faces/a,,,", "other,a,p1,y,faces/a,,,")
    for name in ("mine", "other"):
        (found,) = database(path, name).findings
        assert (found.severity, found.code) == ("error", "cell-empty")
        assert found.text == "1 row without database (row 3: b)"


def test_classes_are_those_of_the_whole_table(folder):
    path = table(folder, "mine,a,p1,sad,faces/a,,,", "other,a,p1,happy,faces/a,,,")
    assert database(path).classes == database(path, "other").classes == ("happy", "sad")
    assert database(path).clips()[0].label == 1


def test_a_clip_with_missing_frames_is_used_as_it_is(folder):
    (folder / "faces" / "a" / "img010.png").unlink()
    (clip,) = database(table(folder, "mine,a,p1,x,faces/a,9,,", "other,b,p,y,faces/a,,,")).clips()
    assert values(clip) == [90, 110, 120]


@pytest.mark.parametrize(
    "box", ["2,1,4,", "2,1,0,3", "2,1,4,0", "a,1,4,3", "-1,1,4,3", "1.5,1,2,2"]
)
def test_a_box_that_is_none_is_named_by_its_row(folder, box):
    head = HEAD + ",x,y,width,height"
    path = table(folder, "mine,a,p1,x,faces/a,,,,,,,", f"mine,b,p1,x,faces/a,,,,{box}", head=head)
    (found,) = database(path, classes=("x", "y")).findings
    assert (found.code, found.severity) == ("box-unusable", "error")
    assert f"(row 3: {box.replace(',', ', ')})" in found.text


def test_a_box_below_the_frames_is_refused(folder):
    path = table(folder, "mine,a,p1,x,faces/a,,,,0,4,8,3", head=HEAD + ",x,y,width,height")
    with pytest.raises(UserError, match="the box 0, 4, 8, 3 of clip a leaves its frames of 8 x 6"):
        database(path, classes=("x", "y")).clips()[0].frames()
    checked = check_frames(folder, [database(path, classes=("x", "y"))])
    assert not checked.passed
    assert "box-outside" in [found.code for found in checked.findings]


def test_headings_may_be_large_rows_short_and_the_emotion_stays(folder):
    path = table(
        folder,
        "mine,a,p1,x,faces/a,,,,glad",
        "mine,b,p1,y,faces/a",
        head=HEAD.title() + ",Emotion",
    )
    a, b = database(path).clips()
    assert (a.emotion, b.emotion) == ("glad", "")
    assert values(b) == [80, 90, 100, 110, 120]


def test_a_pattern_has_one_number(folder):
    path = table(folder, "mine,a,p1,x,faces/a,,,", "mine,b,p1,y,faces/a,,,img{n}{n}.png")
    assert [f.code for f in database(path).findings] == ["pattern-unusable"]


def test_a_table_that_is_written_again_is_kept_only_if_it_differs(folder):
    rows = database(table(folder, "mine,a,p1,x,faces/a,9,11,", "mine,b,p1,y,faces/a,,,")).rows()
    path = folder / "faces" / "out.csv"
    old = path.with_name("out.csv.old")
    write_table(rows, path)
    write_table(rows, path)
    assert not old.exists()
    first = path.read_text()
    # Relative to the table where it lies above, else absolute.
    assert pd.read_csv(path)["folder"].tolist() == ["a", "a"]
    write_table(rows.iloc[:1], path)
    assert old.read_text() == first
    elsewhere = folder / "else" / "out.csv"
    elsewhere.parent.mkdir()
    write_table(rows, elsewhere)
    assert pd.read_csv(elsewhere)["folder"].tolist() == [str(folder / "faces" / "a")] * 2


def test_files_and_folders_that_are_hidden_or_no_images_are_no_frames(folder):
    place = folder / "faces" / "a"
    (place / "notes3.txt").write_text("x")
    assert list(files_of(place, "")) == [8, 9, 10, 11, 12]
    shutil.copytree(place, folder / "faces" / ".writing-a")
    (folder / "~$sheet.xlsx").write_bytes(b"x")
    scanned, sheets = scan_tree(folder)
    assert [one.path for one in scanned] == [place]
    assert sheets == []


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


def test_subjects_in_two_spellings_are_told(folder):
    rows = [f"mine,{i},{who},x,faces/a,{i},{i}," for i, who in ((8, "p1"), (9, "P01"), (10, "p1"))]
    (told,) = database(table(folder, *rows)).findings
    assert (told.severity, told.code) == ("warning", "subjects-alike")
    assert told.text.startswith("the subjects 'P01' and 'p1' differ in capitals, leading zeros")


@pytest.mark.parametrize("other", ["joie\u0301", "joi\u00e9\u200b", "JOIE\u0301"])
def test_names_that_look_alike_are_no_two_classes(folder, other):
    rows = [f"mine,{i},p,joi\u00e9,faces/a,{i},{i}," for i in (8, 9)]
    (told,) = database(table(folder, *rows, f"mine,c,p,{other},faces/a,10,10,")).findings
    assert (told.severity, told.code) == ("error", "names-alike")
    assert told.text == f"1 row whose label {other!a} looks like 'joi\\xe9' (row 4)"


def test_a_quotation_mark_that_is_not_closed_does_not_swallow_rows(folder):
    rows = [
        "mine,a,p,x,faces/a,8,8,,good",
        'mine,b,p,x,faces/a,9,9,,"faint',
        "mine,c,p,y,faces/a,,,,",
    ]
    for end in ([], ['mine,d,p,y,faces/a,10,10,,"see c']):
        with pytest.raises(UserError, match="has a quotation mark that is not closed"):
            database(table(folder, *rows, *end, head=HEAD + ",note"))
    path = table(folder, *rows[:1], 'mine,b,p,y,faces/a,9,9,,"two\nlines"', head=HEAD + ",note")
    assert len(database(path).clips()) == 2


def test_a_workbook_holds_one_clips_table_on_any_worksheet(folder):
    rows = [
        line.split(",") for line in (HEAD, "mine,a,p,x,faces/a,8,8,", "mine,b,p,y,faces/a,9,9,")
    ]
    write_xlsx(folder / "clips.xlsx", [["of lab 1"]], clips=rows)
    assert len(database(folder / "clips.xlsx").clips()) == 2
    write_xlsx(folder / "clips.xlsx", rows, lab_2=rows)
    with pytest.raises(UserError, match=r"2 worksheets with a clips table \(Sheet, lab_2\)"):
        database(folder / "clips.xlsx")
