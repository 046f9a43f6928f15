"""The table of kinds: what is given, what must come out; each row fails without its fix.

Kinds that concern the place of folders, frames and rows are in `test_trees`; here are those of
single files, of sheets with known counts, and of the choices that settle a finding.
"""

import sys
from copy import deepcopy

import cv2
import numpy as np
import pytest

from cdmer_bench.databases.coding_sheet import name_rows, read_coding_sheets, read_tables
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import mark_and_size, read_grey
from cdmer_bench.databases.synthetic.database import COUNTS
from cdmer_bench.errors import DataMissing, UserError
from tests.databases.sheets import text_writer, write_xls, write_xlsx
from tests.databases.trees import CASME2_HEADINGS, LAYOUTS, Sheet, picture, smic

PICTURE = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((8, 8), np.uint8))
UPRIGHT = {
    1: PICTURE, 2: PICTURE[:, ::-1], 3: PICTURE[::-1, ::-1], 4: PICTURE[::-1], 5: PICTURE.T,
    6: np.rot90(PICTURE, -1), 7: PICTURE[::-1, ::-1].T, 8: np.rot90(PICTURE),
}  # fmt: skip


def write_turned(path, mark):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = mark
    how = {"tiffinfo": {274: mark}} if path.suffix == ".tif" else {"exif": exif.tobytes()}
    Image.fromarray(PICTURE).save(
        path, **how, **({"quality": 100} if path.suffix == ".jpg" else {})
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("mark", UPRIGHT)
def test_a_turned_picture_is_upright_in_every_format(tmp_path, suffix, mark):
    path = tmp_path / f"img1{suffix}"
    write_turned(path, mark)
    assert mark_and_size(path)[0] == mark
    read = read_grey(path)
    assert read.shape == UPRIGHT[mark].shape
    assert np.abs(read.astype(int) - UPRIGHT[mark]).max() <= 1


def test_turned_frames_are_a_finding(tmp_path):
    tree = smic("NIR", ["NIR"], "{:05d}.png")
    root = tree.write(tmp_path)
    for path in root.rglob("*.png"):
        write_turned(path, 3)
    found = {f.code: f for f in FrameDatabase("smic_nir", root=str(root)).findings}
    assert "7 clips with frames marked as turned" in found["frames-turned"].text


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("tail", [bytes(9000), b"\xff" * 9000, b"note of the camera" * 500])
def test_what_follows_a_whole_picture_is_no_harm(tmp_path, suffix, tail):
    path = tmp_path / f"img1{suffix}"
    cv2.imwrite(str(path), PICTURE)
    plain = read_grey(path)
    path.write_bytes(path.read_bytes() + tail)
    assert np.array_equal(read_grey(path), plain)


@pytest.mark.parametrize("length", [0, 1, 2**24])
def test_a_bitmap_with_a_wrong_length_field_is_whole(tmp_path, length):
    path = tmp_path / "img1.bmp"
    cv2.imwrite(str(path), PICTURE)
    content = path.read_bytes()
    path.write_bytes(content[:2] + length.to_bytes(4, "little") + content[6:])
    assert np.array_equal(read_grey(path), PICTURE)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="cut short"):
        read_grey(path)


def test_a_jpeg_is_cut_though_its_preview_is_whole(tmp_path):
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))[1]
    whole = whole.tobytes()
    preview = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole
    path = tmp_path / "img1.jpg"
    path.write_bytes(whole[:2] + preview + whole[2:])
    assert read_grey(path).shape == (60, 60)
    path.write_bytes((whole[:2] + preview + whole[2:])[:-200])
    with pytest.raises(UserError, match="cut short"):
        read_grey(path)


def test_images_beside_the_frames_are_named(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.extra[(tree.clips[0].place / "apex.jpg").as_posix()] = picture(".jpg", 9)
    database = FrameDatabase("casme2", root=str(tree.write(tmp_path)))
    assert len(database.clips()) == 7
    found = {f.code: f for f in database.findings}
    assert "1 images without a number" in found["images-without-number"].text


# Sheets


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


def casme2_of_counts(tmp_path, without=(), recoded=()):
    """A tree with the paper's 130 clips; some rows left out, or surprise instead of sadness."""
    names = {24: ["EP02_07", "EP07_01", "EP07_04f", "EP10_03"]}
    rows = []
    for subject, counts in COUNTS["casme2"].items():
        number = int(subject[3:])
        emotions = [w for w, n in zip(("disgust", "happiness", "surprise"), counts, strict=True)
                    for _ in range(n)]  # fmt: skip
        for place, emotion in enumerate(emotions):
            special = names.get(number, [])
            name = special[place] if place < len(special) else f"EP11_{place:02d}"
            if (number, name) in without:
                continue
            emotion = "surprise" if (number, name) in recoded else emotion
            rows.append([number, name, None, 5, 6, 8, None, "4", emotion])
            for frame in range(5, 9):
                path = tmp_path / "Cropped" / subject / name / f"reg_img{frame}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(".jpg", 10 * frame))
    write_xlsx(tmp_path / "CASME2-coding.xlsx", [CASME2_HEADINGS, *rows])
    return FrameDatabase("casme2", root=str(tmp_path), counts={"negative": 73, "positive": 32,
                                                               "surprise": 25})  # fmt: skip


def test_the_versions_of_casme2_s_sheet_are_explained(tmp_path):
    removed = {(24, "EP02_07")}
    recoded = {(24, name) for name in ("EP07_01", "EP07_04f", "EP10_03")}
    for place, (without, changed, code, said) in enumerate(
        [
            ((), (), None, ""),
            (removed, recoded, "sheet-2019", "69/32/28"),
            (removed, (), "sheet-2014", "72/32/25"),
        ]
    ):
        database = casme2_of_counts(tmp_path / str(place), without, changed)
        found = {f.code: f for f in database.findings}
        assert ({"sheet-2019", "sheet-2014"} & set(found)) == ({code} if code else set())
        if code:
            assert said in found[code].text
            assert "73/32/25" in found[code].expected
        account = database.account()
        assert list(account.class_counts.values()) == [
            int(n) for n in (said or "73/32/25").split("/")
        ]


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


def test_names_with_the_subject_stand_for_the_clip(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for row in tree.sheets[0].rows[1:]:
        row[1] = f"sub{row[0]:02d}_{row[1]}"
    tree.change(folder=lambda c: f"sub{c.subject:02d}_{c.folder}", subject_folder="")
    database = FrameDatabase("casme2", root=str(tree.write(tmp_path)))
    read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
    assert read == tree.expected()


def test_a_copied_subject_folder_is_named(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    copied = tree.clips[0].place.parent.parent / "sub01 - Copy" / "EP02_01f" / "reg_img1.jpg"
    tree.extra[copied.as_posix()] = picture(".jpg", 9)
    database = FrameDatabase("casme2", root=str(tree.write(tmp_path)))
    read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
    assert read == tree.expected()
    found = {f.code: f for f in database.findings}
    assert "sub01 - Copy" in found["frames-without-label"].text


# SMIC


def test_a_sheet_of_smic_e_shifts_files_that_count_from_one(tmp_path):
    tree = smic("VIS", ["SMIC_E_VIS_crop"], "reg_{:05d}.bmp", 9)
    tree.change(shows=lambda c: dict(enumerate(c.shows, start=1)))
    database = FrameDatabase("smic_vis", root=str(tree.write(tmp_path)))
    read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
    assert read == tree.expected()
    for row in tree.sheets[0].rows:
        del row[2]  # FirstF, without which the shift is unknown
    database = FrameDatabase("smic_vis", root=str(tree.write(tmp_path)))
    with pytest.raises(DataMissing, match="numbered anew in each folder"):
        database.clips()


def test_files_are_shifted_only_where_the_folder_holds_the_whole_recording(tmp_path):
    tree = smic("VIS", ["SMIC_E_VIS_crop"], "reg_{:05d}.bmp", 9)
    for place, row in enumerate(tree.sheets[0].rows):
        row.append(row[4] + 9 if place else "LastF")
    tree.change(shows=lambda c: dict(enumerate(list(c.shows)[2:-2], start=1)))
    database = FrameDatabase("smic_vis", root=str(tree.write(tmp_path)))
    with pytest.raises(DataMissing, match="numbered anew in each folder"):
        database.clips()


def test_a_clip_that_lies_in_another_release_only_is_named(tmp_path):
    tree = smic("HS", ["cropped", "HS"], "reg_{}.bmp")
    tree.change(above=lambda c: ["raw", "HS"] if c.index == 0 else c.above)
    tree.change(file=lambda c: "{}.bmp" if c.index == 0 else c.file)
    database = FrameDatabase("smic_hs", root=str(tree.write(tmp_path)))
    assert len(database.clips()) == 6
    (told,) = [f for f in database.findings if f.severity == "error"]
    assert told.code == "clip-without-frames"
    assert "only in" in told.text
    assert "raw/HS" in told.text


def test_clips_below_no_camera_are_named_beside_those_of_one(tmp_path):
    tree = smic("HS", ["cropped", "HS"], "reg_{}.bmp")
    tree.change(above=lambda c: ["more faces"] if c.subject == 12 else c.above)
    database = FrameDatabase("smic_hs", root=str(tree.write(tmp_path)))
    assert len(database.clips()) == 4
    (told,) = [f for f in database.findings if f.severity == "error"]
    assert told.code == "camera-unknown"
    assert "3 clips such as" in told.text


def test_one_workbook_of_smic_e_has_a_worksheet_for_each_camera(tmp_path):
    tree = smic("NIR", ["SMIC_E", "NIR"], "{:05d}.bmp", 9)
    wrong = deepcopy(tree.sheets[0].rows)
    for row in wrong[1:]:
        row[3] += 1
    tree.sheets = [Sheet("SMIC-E.xlsx", [["see the other worksheets"]],
                         more={"VIS": wrong, "NIR": tree.sheets[0].rows})]  # fmt: skip
    database = FrameDatabase("smic_nir", root=str(tree.write(tmp_path)))
    read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
    assert read == tree.expected()
    assert any("(worksheet NIR)" in line for line in database.interpretation)


def test_the_nir_sheet_s_own_columns_count(tmp_path):
    tree = smic("NIR", ["SMIC-E_NIR"], "{:05d}.bmp", 9)
    headings, *rows = tree.sheets[0].rows
    tree.sheets[0].rows = [[*headings, "OnsetF NIR", "OffsetF NIR"]] + [
        [*row[:3], row[3] + 2, row[4] - 1, row[5], row[3], row[4]] for row in rows
    ]
    database = FrameDatabase("smic_nir", root=str(tree.write(tmp_path)))
    read = [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]
    assert read == tree.expected()


def findings_of(tree, tmp_path, **options):
    """The database of a tree, and its findings by their codes."""
    database = FrameDatabase(tree.database, root=str(tree.write(tmp_path)), **options)
    return database, {f.code: f for f in database.findings}


def frames_of(database):
    return [clip.frames()[:, 0, 0].tolist() for clip in database.clips()]


def test_some_turned_frames_are_counted_and_the_first_is_named(tmp_path):
    tree = smic("NIR", ["NIR"], "{:05d}.png")
    root = tree.write(tmp_path)
    for clip in (tree.clips[2], tree.clips[4]):
        for path in (root / clip.place).iterdir():
            write_turned(path, 3)
    found = {f.code: f for f in FrameDatabase("smic_nir", root=str(root)).findings}
    assert found["frames-turned"].text.startswith("2 clips")
    assert f"first: {tree.clips[2].name}" in found["frames-turned"].text


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


def test_numbers_that_two_files_have_are_counted_from_the_first(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    clip = tree.clips[0]
    for number in (28, 30):
        copy = clip.file.format(number).replace(".", " (1).")
        tree.extra[(clip.place / copy).as_posix()] = picture(".jpg", 9)
    told = findings_of(tree, tmp_path)[1]["frame-number-twice"].text
    assert told.startswith("2 frame numbers with two files (first: 28)")


def test_a_clip_that_lacks_less_than_half_of_its_frames_is_used(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for number in (28, 29, 30, 31):
        del tree.clips[0].shows[number]
    database, found = findings_of(tree, tmp_path)
    (first, *_) = database.clips()
    assert len(first.files) == 7
    assert found["frames-missing"].severity == "warning"
    assert "7 frames between onset 26 and offset 36" in found["frames-missing"].text
    assert any("7 of 7 coded clips, 6 of them whole" in x for x in database.interpretation)


def test_raw_recordings_have_more_frames_than_the_clip_and_that_is_no_finding(tmp_path):
    database, found = findings_of(LAYOUTS["casme2-raw"](), tmp_path)
    assert len(database.clips()) == 7
    assert set(found) == {"emotions-without-class"}


def test_recordings_from_zero_are_used_and_every_clip_says_so(tmp_path):
    tree = LAYOUTS["casme2-raw"]()
    tree.change(shows=lambda c: {n: n + 1 for n in range(c.offset + 9)})
    database, _ = findings_of(tree, tmp_path)
    told = [f for f in database.findings if f.code == "frames-from-zero"]
    assert len(database.clips()) == len(told) == 7


def test_all_that_was_noticed_of_a_clip_and_of_a_sheet_is_told(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    clip = tree.clips[0]
    del clip.shows[30]
    tree.extra[(clip.place / "apex.jpg").as_posix()] = picture(".jpg", 9)
    rows = tree.sheets[0].rows
    rows[4][-1], rows[5][4] = "glum", "2S"
    rows.append(list(rows[1]))
    rows.append(["see the paper"] + [None] * 8)
    _, found = findings_of(tree, tmp_path)
    assert {
        "frames-missing", "images-without-number", "emotion-unknown", "apex-unreadable",
        "rows-repeated", "rows-of-text", "emotions-without-class",
    } <= set(found)  # fmt: skip
    assert "2 rows of emotions without a class: others 1, repression 1 (rows 3, 9)" in (
        found["emotions-without-class"].text
    )


def test_folders_without_a_row_are_counted_and_the_first_is_named(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for name in ("EP88_01", "EP77_01"):
        place = tree.clips[0].place.parent / name / "reg_img1.jpg"
        tree.extra[place.as_posix()] = picture(".jpg", 9)
    told = findings_of(tree, tmp_path)[1]["frames-without-label"].text
    assert told.startswith("2 folders")
    assert "EP77_01" in told


def test_tables_that_are_no_coding_sheet_are_counted(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for name in ("results.csv", "epochs.csv"):
        tree.sheets.append(Sheet(name, [["epoch", "loss"], [1, 0.5]], text_writer()))
    told = findings_of(tree, tmp_path)[1]["no-sheet-of-this"].text
    assert told.startswith("2 tables ")
    assert told.endswith("(first: epochs.csv)")


def test_the_account_expects_the_rows_of_the_classes(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.clips[0].shows = {}
    account = findings_of(tree, tmp_path)[0].account()
    assert (account.n_used, account.n_expected) == (6, 7)


def test_the_pattern_of_a_clip_is_that_of_its_own_frames(tmp_path):
    tree = LAYOUTS["casme2-raw"]()
    clip = tree.clips[0]
    tree.extra[(clip.place / f"late_{clip.offset + 90}.jpg").as_posix()] = picture(".jpg", 9)
    rows = findings_of(tree, tmp_path)[0].rows()
    first = rows.iloc[0]
    assert (first["first"], first["last"], first["pattern"]) == (26, 36, "img{n}.jpg")


def test_clips_of_which_none_can_be_cut_are_no_frames(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.change(folder=lambda c: f"EP55_{c.index:02d}")
    database, found = findings_of(tree, tmp_path)
    assert "no-frames" in found
    with pytest.raises(DataMissing):
        database.clips()


def test_a_folder_can_be_told_where_databases_would_be_confused(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    root = tree.write(tmp_path)
    (tmp_path / "all").mkdir()
    root.rename(tmp_path / "all" / "mine")
    other = LAYOUTS["casme2-cropped"]()
    other.sheets[0].rows = other.sheets[0].rows[:2]
    other.root = "all/other"
    other.write(tmp_path)
    database = FrameDatabase("casme2", root=str(tmp_path / "all"), folder="mine")
    assert frames_of(database) == [values for _, _, values in tree.expected()]
    assert len(FrameDatabase("casme2", root=str(tmp_path / "all"), folder="other").clips()) == 1


def test_what_is_special_in_casme2_s_sheets_is_told(tmp_path):
    without, recoded = {(24, "EP02_07")}, {(24, n) for n in ("EP07_01", "EP07_04f", "EP10_03")}
    database = casme2_of_counts(tmp_path / "2019", without, recoded)
    database.coding = "paper"
    assert any("coding=paper gave 4 clips of subject 24" in x for x in database.interpretation)
    # Of the early coding nothing is to be undone.
    early = casme2_of_counts(tmp_path / "early")
    early.coding = "paper"
    assert any("coding=paper gave 0 clips" in x for x in early.interpretation)
    later = {f.code: f for f in casme2_of_counts(tmp_path / "2014", without).findings}
    assert "sub24/EP02_07 (disgust) is not in it" in later["sheet-2014"].text
    assert "coding=paper" in later["sheet-2014"].action
    tree = LAYOUTS["casme2-cropped"]()
    tree.sheets[0].rows[1][4] = "/"
    tree.sheets[0].rows.append([9, "EP02_02f", None, 5, "/", 8, None, "4", "happiness"])
    found = findings_of(tree, tmp_path / "odd")[1]
    assert found["apex-absent"].text == "2 rows without an apex (rows 2, 11)"
    assert found["not-in-protocol"].text == "1 row sub09/EP02_02f (row 11)"


def test_rows_of_cas_me_squared_that_are_left_out_are_told(tmp_path):
    tree = LAYOUTS["casme_squared-rawpic"]()
    tree.sheets[0].rows.append([9, "disgust1_1", 1, 2, 3, "4", "disgust", "micro-expression", "x"])
    found = findings_of(tree, tmp_path)[1]
    assert "1 row of macro-expressions (row 4)" in found["macro-expressions"].text
    assert "(row 5)" in found["row-without-folder"].text


@pytest.mark.parametrize(("length", "refused"), [(20, False), (21, True)])
def test_clips_of_smic_may_be_as_long_as_the_longest(tmp_path, length, refused):
    tree = smic("VIS", ["VIS"], "{:05d}.bmp")
    clip = tree.clips[0]
    clip.shows = {n: n for n in range(clip.onset, clip.onset + length)}
    database, found = findings_of(tree, tmp_path)
    assert ("clip-too-long" in found) == refused
    assert len(database.clips()) == 7 - refused


def test_a_folder_that_names_two_cameras_tells_none(tmp_path):
    tree = smic("VIS", ["SMIC VIS and NIR", "VIS"], "{:05d}.bmp")
    assert len(findings_of(tree, tmp_path / "one")[0].clips()) == 7
    tree = smic("VIS", ["SMIC VIS and NIR"], "{:05d}.bmp")
    for name in ("smic_vis", "smic_nir"):
        database = FrameDatabase(name, root=str(tree.write(tmp_path / "two")))
        assert "camera-unknown" in {f.code for f in database.findings}


def test_frames_of_a_shifted_recording_are_told_by_the_sheet_s_numbers(tmp_path):
    tree = smic("VIS", ["SMIC_E_VIS_crop"], "reg_{:05d}.bmp", 9)
    # Counted from 1 in each folder; the first lacks all from the middle of the clip on.
    tree.change(shows=lambda c: dict(enumerate(c.shows, start=1)))
    first = tree.clips[0]
    first.shows = {n: shown for n, shown in first.shows.items() if shown <= first.onset + 2}
    told = findings_of(tree, tmp_path)[1]["frames-outside-coding"].text
    assert told.startswith(f"frames {first.onset - 9} to {first.onset + 2} ")


def test_clips_of_no_camera_are_those_that_none_is_known_of(tmp_path):
    tree = smic("HS", ["cropped", "HS"], "reg_{}.bmp")
    root = tree.write(tmp_path)
    for clip in tree.clips[:2]:
        copy = root / "more" / clip.place.relative_to("cropped/HS")
        copy.mkdir(parents=True)
        (copy / "reg_1.bmp").write_bytes(picture(".bmp", 9))
    strange = root / "more" / "s12" / "micro" / "negative" / "s12_ne_44"
    strange.mkdir(parents=True)
    (strange / "reg_1.bmp").write_bytes(picture(".bmp", 9))
    found = {f.code: f for f in FrameDatabase("smic_hs", root=str(root)).findings}
    assert found["camera-unknown"].text.startswith("1 clips such as")
    assert "s12_ne_44" in found["camera-unknown"].text
