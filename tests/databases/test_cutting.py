"""Which frames a row of a sheet gets, and what is told of the rest."""

import pytest

from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.errors import DataMissing
from tests.databases.trees import LAYOUTS, casme2, findings_of, picture, read_of


def test_images_beside_the_frames_are_named(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    tree.extra[(tree.clips[0].place / "apex.jpg").as_posix()] = picture(".jpg", 9)
    database = FrameDatabase("casme2", root=str(tree.write(tmp_path)))
    assert len(database.clips()) == 7
    found = {f.code: f for f in database.findings}
    assert "1 images without a number" in found["images-without-number"].text


def test_names_with_the_subject_stand_for_the_clip(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    for row in tree.sheets[0].rows[1:]:
        row[1] = f"sub{row[0]:02d}_{row[1]}"
    tree.change(folder=lambda c: f"sub{c.subject:02d}_{c.folder}", subject_folder="")
    database = FrameDatabase("casme2", root=str(tree.write(tmp_path)))
    assert read_of(database) == tree.expected()


def test_a_copied_subject_folder_is_named(tmp_path):
    tree = LAYOUTS["casme2-cropped"]()
    copied = tree.clips[0].place.parent.parent / "sub01 - Copy" / "EP02_01f" / "reg_img1.jpg"
    tree.extra[copied.as_posix()] = picture(".jpg", 9)
    database = FrameDatabase("casme2", root=str(tree.write(tmp_path)))
    assert read_of(database) == tree.expected()
    found = {f.code: f for f in database.findings}
    assert "sub01 - Copy" in found["frames-without-label"].text


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
    assert read_of(database) == tree.expected()
    assert len(FrameDatabase("casme2", root=str(tmp_path / "all"), folder="other").clips()) == 1


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
