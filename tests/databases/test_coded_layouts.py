import openpyxl
import pytest

from cdmer_bench.databases.frames import FrameDatabase


def write_frames(writer, place, pattern, first, last):
    for number in range(first, last + 1):
        writer(place / pattern.format(number), number % 250)


def values(clip):
    return clip.frames()[:, 0, 0].tolist()


def found(clips):
    return [(c.name, c.subject, c.label, len(c.files)) for c in clips]


@pytest.mark.parametrize("folder", ["SAMM", "SAMM_CROP"])
def test_samm(tmp_path, picture_writer, sheet_writer, folder):
    # Rows of text above the headings, as the second version of the sheet has.
    headings = [
        "Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame",
        "Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes",
    ]  # fmt: skip
    rows = [
        ["006", "006_1_2", 1, 100, 103, 104, 5, "Micro - 1/2", "4", "Anger", "III", None],
        ["6", "006_1_3", 1, 30, 33, 34, 5, "Micro", "4", "Other", "III", None],
        [11, "011_1_1", 1, 95, 98, 97, 3, "Micro", "12", "Happiness", "I", None],
    ]
    text = [["Version 2"] + [None] * 11] * 13
    sheet_writer(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", [*text, headings, *rows])
    base = tmp_path / folder
    write_frames(picture_writer, base / "006" / "006_1_2", "006_{:05d}.jpg", 98, 110)
    write_frames(picture_writer, base / "006" / "006_1_3", "006_{:05d}.jpg", 30, 34)
    write_frames(picture_writer, base / "011" / "011_1_1", "011_{:04d}.jpg", 95, 97)
    read = FrameDatabase("samm", root=str(tmp_path))
    clips = read.clips()
    assert found(clips) == [
        ("sub06/006_1_2", "sub06", 0, 5), ("sub11/011_1_1", "sub11", 1, 3),
    ]  # fmt: skip
    assert values(clips[0]) == [100, 101, 102, 103, 104]
    assert "untested on real data" in read.interpretation[0]


def test_casme_beside_casme2(tmp_path, picture_writer, sheet_writer, casme2_tree):
    casme2_tree.root = tmp_path / "CASME2"
    casme2_tree.casme2().sheet()
    headings = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU",
                "Emotion"]  # fmt: skip
    rows = [
        [1, "EP01_5", None, 60, 62, 62, 64, None, 4, "tense"],
        [7, "EP03_4", None, 10, 12, 0, 14, None, 4, "contempt"],
    ]
    sheet_writer(tmp_path / "CASME" / "casme.xlsx", [headings, *rows])
    place = tmp_path / "CASME" / "Cropped" / "sub07" / "EP03_4"
    write_frames(picture_writer, place, "reg_EP03_4-{}.jpg", 10, 14)
    assert found(FrameDatabase("casme", root=str(tmp_path)).clips()) == [
        ("sub07/EP03_4", "sub07", 0, 5)
    ]
    casme2 = FrameDatabase("casme2", root=str(tmp_path)).clips()
    assert [c.name for c in casme2][:2] == ["sub01/EP02_01f", "sub03/EP01_2"]


def test_cas_me_squared(tmp_path, picture_writer, sheet_writer):
    book = openpyxl.Workbook()
    for row in [
        [1, "disgust1_1", 5, 7, 9, "4", "disgust", "micro-expression", "disgust"],
        [1, "disgust1_2", 20, 22, 0, "4", "disgust", "micro-expression", "disgust"],
        [1, "disgust1_3", 1, 2, 3, "4", "disgust", "macro-expression", "disgust"],
        [2, "happy4_1", 3, 4, 5, "12", "happiness", "micro-expression", "happiness"],
    ]:
        book.active.append(row)
    for sheet in ([["a", "s15", 1], ["b", "s16", 2]], [["0101", "disgust1"], [404, "happy4"]]):
        page = book.create_sheet()
        for row in sheet:
            page.append(row)
    book.save(tmp_path / "code_final.xlsx")
    base = tmp_path / "rawpic"
    write_frames(picture_writer, base / "s15" / "15_0101disgustingteeth", "img{}.jpg", 1, 30)
    write_frames(picture_writer, base / "s16" / "16_0404bear", "img{}.jpg", 1, 8)
    clips = FrameDatabase("casme_squared", root=str(tmp_path)).clips()
    assert found(clips) == [
        ("sub15/0101", "sub15", 0, 5),
        ("sub15/0101@20", "sub15", 0, 3),
        ("sub16/0404", "sub16", 1, 3),
    ]  # fmt: skip
    assert values(clips[1]) == [20, 21, 22]


def test_cas_me_cubed(tmp_path, picture_writer, sheet_writer):
    headings = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class",
                "emotion"]  # fmt: skip
    rows = [
        ["spNO.1", "a", 2, 3, 4, "4", "III", "sad"],
        ["spNO.1", "a", 7, 8, 9, "12", "I", "happy"],
        ["spNO.10", "b", 1, 1, 2, "1", "II", "Surprise"],
    ]
    name = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    sheet_writer(tmp_path / "part_A" / "annotation" / name, [headings, *rows])
    base = tmp_path / "part_A" / "data"
    for kind in ("color", "depth"):
        write_frames(picture_writer, base / "spNO.1" / "a" / kind, "{}.jpg", 0, 12)
        write_frames(picture_writer, base / "spNO.10" / "b" / kind, "{}.jpg", 0, 5)
    clips = FrameDatabase("casme3", root=str(tmp_path)).clips()
    assert found(clips) == [
        ("sub01/a", "sub01", 0, 3), ("sub01/a@7", "sub01", 1, 3), ("sub10/b", "sub10", 2, 2),
    ]  # fmt: skip
    assert values(clips[1]) == [7, 8, 9]
    assert all(path.parent.name == "color" for clip in clips for path in clip.files)


def test_mmew(tmp_path, picture_writer, sheet_writer):
    headings = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units",
                "Estimated Emotion", "remarks"]  # fmt: skip
    rows = [
        [1, "S01-01-001", 1, 3, 5, "4", "disgust", None],
        [1, "S01-02-001", 1, 30, None, "1", "surprise", "no apex"],
        [2, "S02-01-001", 1, 2, 3, "4", "others", None],
    ]
    sheet_writer(tmp_path / "MMEW_Micro_Exp.xlsx", [headings, *rows])
    base = tmp_path / "Micro_Expression"
    for emotion, name in (("disgust", "S01-01-001"), ("surprise", "S01-02-001")):
        write_frames(picture_writer, base / emotion / name, "{}.jpg", 1, 5)
    assert found(FrameDatabase("mmew", root=str(tmp_path)).clips()) == [
        ("sub01/S01-01-001", "sub01", 0, 5), ("sub01/S01-02-001", "sub01", 2, 5),
    ]  # fmt: skip
