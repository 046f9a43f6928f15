from copy import deepcopy

import pytest

from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.errors import DataMissing
from tests.databases.trees import Sheet, findings_of, picture, read_of, smic

# Released order: by subject, then negative, positive, surprise, then index.
NAMES = ["s1/s1_ne_01", "s1/s1_po_02", "s1/s1_sur_01", "s12/s12_ne_09", "s12/s12_ne_10"]
POSITIONS = [0, 1, 2, 4, 3]


def database(tree, camera="HS", **options):
    return FrameDatabase(
        f"smic_{camera.lower()}", f"SMIC ({camera})", root=str(tree.root), **options
    )


def assert_same_clips(tree, read):
    assert [c.name for c in read] == NAMES
    assert [c.label for c in read] == [0, 1, 2, 0, 0]
    assert [c.subject for c in read] == ["s1", "s1", "s1", "s12", "s12"]
    for clip, position in zip(read, POSITIONS, strict=True):
        assert clip.frames()[:, 0, 0].tolist() == tree.events[position].expected(position)


@pytest.mark.parametrize(
    ("camera", "folder", "subject", "file", "clip"),
    [
        ("HS", "SMIC_all_cropped/HS", "s{}", "reg_image{:06d}.bmp", "s{}_{}_{:02d}"),
        ("HS", "x/SMIC_all_cropped/SMIC_all_cropped/HS", "s{:02d}", "reg_image{:08d}.bmp",
         "s{:02d}_{}_{:02d}"),
        ("VIS", "SMIC_all_cropped/VIS", "s{}", "reg_{:05d}.bmp", "s{}_{}_{:02d}"),
        ("NIR", "SMIC_all/NIR", "s{}", "reg_{:05d}.bmp", "s{}_{}_{:02d}"),
        ("HS", "SMIC_all_raw/HS", "s{}", "image{:06d}.bmp", "s{}_{}_{:02d}"),
        ("VIS", "SMIC_all_raw/VIS", "s{}", "{:05d}.bmp", "s{:02d}_{}_{}"),
        ("NIR", "SMIC-NIR", "S{:02d}", "{}.png", "s{}_{}_{:02d}"),
    ],
)  # fmt: skip
def test_every_release_gives_the_same_clips(smic_tree, camera, folder, subject, file, clip):
    smic_tree.smic(folder, subject, file, clip)
    (smic_tree.root / "li2013microexpressions.pdf").write_bytes(b"%PDF")
    read = database(smic_tree, camera)
    assert_same_clips(smic_tree, read.clips())
    assert not [f for f in read.findings if f.severity == "error"]
    for other in {"HS", "VIS", "NIR"} - {camera}:
        with pytest.raises(DataMissing, match="no folder s<k>_"):
            database(smic_tree, other).clips()


@pytest.mark.parametrize("camera", ["HS", "NIR"])
def test_smic_e_is_cut_by_its_annotation(smic_tree, camera):
    smic_tree.smic_extended(camera)
    read = database(smic_tree, camera)
    assert_same_clips(smic_tree, read.clips())
    assert ("smic-e" in {f.code for f in read.findings}) == (camera == "HS")


def test_cameras_are_kept_apart_and_cropped_goes_before_the_rest(smic_tree):
    smic_tree.smic_extended("HS").smic("SMIC_all_raw/HS", file="image{:06d}.bmp")
    smic_tree.smic("SMIC_all_cropped/HS").smic("SMIC_all_cropped/VIS", file="reg_{:05d}.bmp")
    read = database(smic_tree)
    assert_same_clips(smic_tree, read.clips())
    assert "SMIC_all_cropped/HS" in read.clips()[0].files[0].as_posix()
    assert sum("not used" in line for line in read.interpretation) == 2
    raw = database(smic_tree, release="raw").clips()
    assert raw[0].files[0].name == "image000008.bmp"
    extended = database(smic_tree, release="extended").clips()
    assert extended[0].files[0].name == "image000008.jpg"


def test_the_root_may_be_the_camera_s_folder(smic_tree):
    smic_tree.smic("SMIC_all_cropped/HS")
    read = FrameDatabase("smic_hs", root=str(smic_tree.root / "SMIC_all_cropped" / "HS"))
    assert_same_clips(smic_tree, read.clips())


def codes(read):
    return {finding.code: finding for finding in read.findings}


def test_intact_clips_survive_what_is_wrong_with_others(smic_tree):
    smic_tree.smic("SMIC_all_cropped/HS")
    base = smic_tree.root / "SMIC_all_cropped" / "HS"
    for path in (base / "s1" / "micro" / "negative" / "s1_ne_01").iterdir():
        path.unlink()
    wrong = base / "s1" / "micro" / "surprise" / "s1_po_02"
    (base / "s1" / "micro" / "positive" / "s1_po_02").rename(wrong)
    (base / "s1" / "micro" / "surprise" / "s1_sur_01" / "reg_image000021.bmp").unlink()
    copy = base / "s12" / "micro" / "negative" / "s12_ne_9"
    (base / "s12" / "micro" / "negative" / "s12_ne_09").rename(copy)
    copy.with_name("s12_ne_09").mkdir()
    (copy.with_name("s12_ne_09") / "reg_image000040.bmp").write_bytes(
        (copy / "reg_image000040.bmp").read_bytes()
    )
    read = database(smic_tree)
    assert [c.name for c in read.clips()] == ["s1/s1_sur_01", "s12/s12_ne_10"]
    found = codes(read)
    assert "s1_ne_01" in found["clip-without-frames"].where
    assert "a positive clip in the folder surprise" in found["class-contradiction"].text
    assert "2 frames numbered 20 to 22" in found["frames-missing"].text
    assert "s12_ne_09" in found["clip-twice"].where


def test_smic_e_without_its_sheet_says_so(smic_tree):
    smic_tree.smic_extended()
    next(smic_tree.root.rglob("*.xlsx")).unlink()
    with pytest.raises(DataMissing, match="without a sheet"):
        database(smic_tree).clips()


def test_a_sheet_whose_numbers_are_not_those_of_smic_all_is_told(smic_tree):
    smic_tree.smic("SMIC_all_cropped/HS")
    for event in smic_tree.events:
        event.onset, event.offset = event.onset + 1000, event.offset + 1002
    smic_tree.smic_extended()
    for path in smic_tree.root.rglob("image*.jpg"):
        path.unlink()
    read = database(smic_tree)
    assert [c.name for c in read.clips()] == NAMES
    assert [len(c.files) for c in read.clips()] == [5, 6, 3, 4, 4]
    told = [f for f in read.findings if f.code == "sheet-differs"]
    assert [f.text for f in told][:2] == ["frames 8 to 12", "frames 99998 to 100003"]
    assert told[0].expected == "frames 1008 to 1014 of the annotation sheet"
    assert {f.severity for f in told} == {"warning"}


def test_frames_below_no_camera_are_named(smic_tree):
    smic_tree.smic("cropped faces")
    with pytest.raises(DataMissing, match="below no folder that tells the camera"):
        database(smic_tree).clips()


def test_images_without_numbers(smic_tree, picture_writer):
    smic_tree.smic("HS")
    place = smic_tree.root / "HS" / "s1" / "micro" / "negative" / "s1_ne_01"
    for number, path in enumerate(sorted(place.iterdir())):
        path.rename(path.with_name(f"reg_{'abcde'[number]}.bmp"))
    read = database(smic_tree)
    assert [c.name for c in read.clips()] == NAMES[1:]
    assert "5 images without a number" in codes(read)["frames-without-number"].text


def test_smic_e_whose_files_count_from_zero(smic_tree):
    smic_tree.smic_extended()
    for folder in {path.parent for path in smic_tree.root.rglob("image*.jpg")}:
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(path.with_name(f"image{number:06d}.jpg"))
    assert_same_clips(smic_tree, database(smic_tree).clips())


def test_a_sheet_of_smic_e_shifts_files_that_count_from_one(tmp_path):
    tree = smic("VIS", ["SMIC_E_VIS_crop"], "reg_{:05d}.bmp", 9)
    tree.change(shows=lambda c: dict(enumerate(c.shows, start=1)))
    database = FrameDatabase("smic_vis", root=str(tree.write(tmp_path)))
    assert read_of(database) == tree.expected()
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
    assert read_of(database) == tree.expected()
    assert any("(worksheet NIR)" in line for line in database.interpretation)


def test_the_nir_sheet_s_own_columns_count(tmp_path):
    tree = smic("NIR", ["SMIC-E_NIR"], "{:05d}.bmp", 9)
    headings, *rows = tree.sheets[0].rows
    tree.sheets[0].rows = [[*headings, "OnsetF NIR", "OffsetF NIR"]] + [
        [*row[:3], row[3] + 2, row[4] - 1, row[5], row[3], row[4]] for row in rows
    ]
    database = FrameDatabase("smic_nir", root=str(tree.write(tmp_path)))
    assert read_of(database) == tree.expected()


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


def test_too_long_clips_of_smic_without_a_sheet(tmp_path):
    tree = smic("VIS", ["VIS cropped"], "{:05d}.bmp", 9, sheet=False)
    database = FrameDatabase("smic_vis", root=str(tree.write(tmp_path)))
    with pytest.raises(DataMissing, match="frames, and no annotation sheet"):
        database.clips()
    assert {f.code for f in database.findings if f.severity == "error"} == {"clip-too-long"}
