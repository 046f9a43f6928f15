import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from cdmer_bench.databases.base import Finding
from cdmer_bench.databases.frame_checks import check_frames, check_images, grouped
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import FrameClip
from cdmer_bench.databases.synthetic.database import COUNTS
from tests.databases import deviations
from tests.databases.trees import casme2

FILES = {"smic_hs": ("HS", "reg_image{:06d}.bmp"), "smic_vis": ("VIS", "reg_{:05d}.bmp"),
         "smic_nir": ("NIR", "reg_{:05d}.bmp")}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tree_builder):
    """All 436 clips, three frames each, with the real counts of subjects and classes."""
    root = tmp_path_factory.mktemp("licensed")
    return build(root, tree_builder)


def build(root, tree_builder):
    def event(subject, name, emotion):
        return SimpleNamespace(
            subject=subject, name=name, emotion=emotion, onset=9, offset=11, apex=None
        )

    events = []
    for subject, counts in COUNTS["casme2"].items():
        index = 0
        for emotion, count in zip(("disgust", "happiness", "surprise"), counts, strict=True):
            for _ in range(count):
                index += 1
                events.append(event(int(subject[3:]), f"EP01_{index:02d}", emotion))
    tree_builder(root, events).casme2().sheet()
    for name, (camera, file) in FILES.items():
        events = [
            event(int(subject[1:]), (token, i + 1), emotion)
            for subject, counts in COUNTS[name].items()
            for token, emotion, count in zip(
                ("ne", "po", "sur"), ("negative", "positive", "surprise"), counts, strict=True
            )
            for i in range(count)
        ]
        tree_builder(root, events).smic(f"SMIC_all_cropped/{camera}", file=file)
    return root


def codes(check, severity=None):
    return {f.code: f for f in check.findings if severity in (None, f.severity)}


def test_one_database_is_checked_beside_the_others(whole, cdmer):
    words = ("data", "check", f"corpus.root={whole}", "--quick")
    code, out, _ = cdmer(*words, "database=casme2")
    assert (code, "smic_hs" in out) == (0, False)
    assert "folders-unknown" not in out
    assert out.endswith("What was checked can be used as it is.\n")
    assert cdmer(*words)[1].endswith("The protocol can run as it is.\n")
    code, out, err = cdmer(*words, "database=casme3")
    assert (code, out) == (2, "")
    assert "database is 'casme3'; did you mean 'casme2'?" in err


def test_whole_databases_pass_with_the_corrected_counts(whole):
    check = check_frames(whole)
    assert check.passed, check.text()
    found = {name: [c["found"] for c in classes.values()] for name, classes in check.counts.items()}
    assert found == {
        "casme2": [73, 32, 25], "smic_hs": [70, 51, 43],
        "smic_vis": [23, 28, 20], "smic_nir": [23, 28, 20],
    }  # fmt: skip
    assert found == {
        name: [c["expected"] for c in classes.values()] for name, classes in check.counts.items()
    }
    assert "numbers-not-padded" in codes(check)  # reg_img9, reg_img10
    assert "can run as it is" in check.text()
    assert json.loads(json.dumps(check.as_dict()))["passed"] is True


def test_of_two_coding_sheets_the_paper_s_is_taken(whole, sheet_writer):
    headings = [
        "Subject",
        "Filename",
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        "Estimated Emotion",
    ]
    other = whole / "CASME2-coding-20130101.xlsx"
    sheet_writer(other, [headings, [1, "EP01_01", 9, 10, 11, "surprise"]])
    read = FrameDatabase("casme2", root=str(whole))
    assert len(read.clips()) == 130
    other.unlink()
    assert any(
        "not used: coding sheet" in line and other.name in line for line in read.interpretation
    )


@pytest.fixture
def smic(whole, tmp_path):
    """A copy of SMIC (NIR) to break."""
    shutil.copytree(whole / "SMIC_all_cropped" / "NIR", tmp_path / "NIR")
    return tmp_path


def nir(root, **options):
    database = FrameDatabase("smic_nir", "SMIC (NIR)", root=str(root))
    return check_frames(root, [database], **options)


CLIP = "NIR/s11/micro/negative/s11_ne_01"


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "0 bytes"), (b"BM\xff\xff\0\0cut", "cut short"), (b"x", "readable")]
)
def test_damaged_images_are_named_and_not_counted(smic, content, said):
    (smic / CLIP / "reg_00010.bmp").write_bytes(content)
    check = nir(smic)
    assert not check.passed
    assert said in codes(check)["frame-damaged"].text
    assert "reg_00010.bmp" in codes(check)["frame-damaged"].text
    assert check.counts["smic_nir"]["negative"] == {"found": 22, "expected": 23}
    assert "subject 11 has 2/3/1 instead of 3/3/1" in codes(check)["counts"].text
    quick = nir(smic, read_images=False)
    assert quick.passed == bool(content)  # an empty file shows without opening it
    assert ("frame-damaged" in codes(quick)) == (not content)


def test_odd_sizes_and_depths(smic, picture_writer):
    picture_writer(smic / CLIP / "reg_00010.bmp", 5, size=(7, 8))
    other = smic / CLIP.replace("_01", "_02")
    (other / "reg_00009.bmp").unlink()
    cv2.imwrite(str(other / "reg_00009.png"), np.full((6, 8), 3000, np.uint16))
    check = nir(smic)
    assert "1 of 8 x 7" in codes(check, "error")["frame-sizes-differ"].text
    assert "1 frames of 16 bits" in codes(check, "warning")["frames-of-16-bit"].text


def test_a_missing_clip_a_lost_class_and_converted_files(smic, picture_writer):
    shutil.rmtree(smic / CLIP)
    for path in (smic / CLIP.replace("_01", "_02")).iterdir():
        picture_writer(path.with_suffix(".jpg"), 50)
        path.unlink()
    check = nir(smic)
    assert "22/28/20" in codes(check)["counts"].text
    assert codes(check)["counts"].expected.startswith("23/28/20")
    assert "3 .jpg" in codes(check, "warning")["frames-converted"].text


def test_short_clips_are_named_and_single_frames_are_a_warning(smic, picture_writer):
    subject = smic / "NIR/s11/micro"

    def add(folder, first, last):
        for number in range(first, last + 1):
            picture_writer(subject / folder / f"reg_{number:05d}.bmp", 5 * number)

    for folder in ("negative/s11_ne_01", "negative/s11_ne_02", "negative/s11_ne_03"):
        shutil.rmtree(subject / folder)
    add("negative/s11_ne_01", 9, 14)
    add("negative/s11_ne_02", 9, 15)
    add("negative/s11_ne_03", 9, 20)
    short = codes(nir(smic), "note")["clips-short"]
    assert short.text.startswith("69 clips of fewer than 7 frames: s11/s11_ne_01 (6), s11/s11_po")
    shutil.rmtree(subject / "negative/s11_ne_01")
    add("negative/s11_ne_01", 9, 9)
    assert "s11/s11_ne_01 (1)" in codes(nir(smic), "warning")["clips-short"].text


def test_a_root_that_is_too_deep_or_not_there(smic):
    deep = codes(nir(smic / "NIR" / "s11"))
    assert "further up" in deep["root-too-deep"].action
    absent = codes(nir(smic / "s11"))
    assert absent["no-root"].text == "no such folder"
    assert "clips found" not in check_frames(smic / "s11", []).text()
    assert "root-too-deep" not in absent
    gone = codes(nir(smic.parent / f"{smic.name}s"))["no-root"]
    assert gone.text == "no such folder"
    assert f"did you mean {smic.name!r}" in gone.action


def test_a_folder_of_all_subjects_may_be_called_like_one(smic):
    disk = smic / "s3"
    disk.mkdir()
    shutil.move(smic / "NIR", disk / "NIR")
    assert "root-too-deep" not in codes(nir(disk))
    assert "root-too-deep" not in codes(check_frames(disk, read_images=False))  # nor for the others


def test_a_root_that_is_not_there_is_told_once_for_all_databases(tmp_path):
    assert len(check_frames(tmp_path / "nowhere").findings) == 1


def test_every_finding_says_found_expected_and_what_to_do(smic):
    (smic / CLIP / "reg_00010.bmp").unlink()
    (smic / CLIP / "reg_00011.bmp").write_bytes(b"")
    check = check_frames(smic)
    assert {"frame-damaged", "frames-missing", "no-coding-sheet", "no-frames", "counts"} <= set(
        codes(check)
    )
    for finding in check.findings:
        assert all(finding.as_dict().values()), finding
    assert [f.severity for f in check.findings] == sorted(
        (f.severity for f in check.findings), key=["error", "warning", "note"].index
    )


def test_equal_neighbouring_frames_are_a_warning_and_the_clip_stays(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (5, 5), np.uint8) for _ in range(3)]
    files = []
    for number, which in enumerate((0, 1, 1, 2, 0)):
        files.append(tmp_path / f"img{number}.png")
        cv2.imwrite(str(files[-1]), pictures[which])
    [finding] = check_images(FrameClip("a", "s", 0, files), "CASME II")
    assert (finding.severity, finding.code) == ("warning", "frames-equal")
    assert "1 frames equal to the one before (first: img2.png)" in finding.text


def test_a_warning_about_a_clip_does_not_take_it_from_the_counts(smic):
    place = smic / CLIP
    (place / "reg_00010.bmp").write_bytes((place / "reg_00009.bmp").read_bytes())
    check = nir(smic)
    assert "frames-equal" in codes(check, "warning")
    assert check.counts["smic_nir"]["negative"] == {"found": 23, "expected": 23}
    assert "counts" not in codes(check)


def test_folders_without_images_are_no_unknown_clips(smic, picture_writer):
    (smic / "NIR" / "empty").mkdir()
    assert "folders-unknown" not in codes(nir(smic))
    for name in ("holiday", "people"):
        picture_writer(smic / "NIR" / name / "a1.jpg", 5)
    told = codes(nir(smic), "warning")["folders-unknown"].text
    assert told.startswith("2 folders of images")
    assert "NIR/holiday" in told


def test_of_many_subjects_with_other_counts_the_rest_is_counted(smic):
    for subject in ("s11", "s12", "s13", "s14", "s15", "s18", "s19"):
        shutil.rmtree(smic / "NIR" / subject)
    told = codes(nir(smic))["counts"].text
    assert told.count("instead of") == 6
    assert "and 1 subjects more" in told


def test_classes_in_another_order_are_counted_by_their_names(smic):
    classes = ("surprise", "negative", "positive")
    database = FrameDatabase("smic_nir", "SMIC (NIR)", classes=classes, root=str(smic))
    check = check_frames(smic, [database])
    assert check.passed, check.text()
    assert list(check.counts["smic_nir"]) == list(classes)


def test_equal_findings_of_two_databases_are_a_line_each_with_the_number_of_the_rest():
    found = [
        Finding("error", f"no {n}", f"SMIC (HS): c{n}", "lost", "one", "copy") for n in range(5)
    ]
    found += [Finding("error", "no 9", f"CASME II: c{n}", "lost", "one", "copy") for n in range(2)]
    first, second = grouped(found)
    assert first.startswith("error: lost: 5 times: SMIC (HS): c0: found no 0; ")
    assert first.endswith("; and 2 more; expected one; copy")
    assert second.startswith("error: lost: 2 times: CASME II: c0")
    assert "more" not in second


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
    deviations.margins_numbered_anew(4, 1)(tree)
    check = check_frames(tree.write(tmp_path / "other"))
    (line,) = [line for line in check.text().splitlines() if "frames-outside-coding" in line]
    assert "7 times" in line
    assert "frames 1 to 19, numbered anew in each folder" in line
    assert "expected frames 26 to 36" in line
    assert "expected frames 12 to 20" in line
    assert any("7 of 7 coded clips, 0 of them whole" in text for text in check.interpretation)
