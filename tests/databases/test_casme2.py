import os
from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.synthetic.database import COUNTS
from cdmer_bench.errors import DataMissing, UserError
from tests.databases.sheets import write_xlsx
from tests.databases.trees import CASME2_HEADINGS, picture

IN_PROTOCOL = [  # name, subject, class; rows of the sheet in order, without others and repression
    ("sub01/EP02_01f", "sub01", 1),
    ("sub03/EP01_2", "sub03", 0),
    ("sub07/EP06_02_01", "sub07", 0),
    ("sub07/EP06_02_02", "sub07", 0),
    ("sub09/EP09f", "sub09", 2),
]

POSITIONS = [0, 2, 3, 4, 5]  # of these among the tree's events


def database(tree, **options):
    return FrameDatabase("casme2", "CASME II", root=str(tree.root), **options)


def assert_same_clips(tree, read):
    assert [(c.name, c.subject, c.label) for c in read] == IN_PROTOCOL
    for clip, position in zip(read, POSITIONS, strict=True):
        frames = clip.frames()
        assert frames.shape[1:] == (6, 8)
        assert frames[:, 0, 0].tolist() == tree.events[position].expected(position)
        assert np.array_equal(frames, np.broadcast_to(frames[:, :1, :1], frames.shape))


@pytest.mark.parametrize(
    ("folder", "subject", "file", "beyond"),
    [
        ("Cropped", "sub{:02d}", "reg_img{}.jpg", 0),
        ("Cropped/Cropped", "sub{:02d}", "reg_img{}.jpg", 0),
        ("CASME2_preprocessed_Li Xiaobai/Cropped", "sub{:02d}", "reg_img{}.jpg", 0),
        ("Cropped-updated/Cropped", "sub{}", "reg_img{}.png", 0),
        ("CASME2_RAW_selected/CASME2_RAW_selected", "sub{:02d}", "img{}.jpg", 0),
        ("CASME2-RAW", "sub{:02d}", "img{}.jpg", 4),
        ("CASME2_RAW", "sub{}", "img{}.bmp", 3),
        ("deep/er/CASME II/CASME2_RAW", "Sub{:02d}", "img{:05d}.BMP", 3),
    ],
)
def test_every_release_gives_the_same_clips(casme2_tree, folder, subject, file, beyond):
    casme2_tree.casme2(folder, subject, file, beyond).sheet()
    read = database(casme2_tree)
    assert_same_clips(casme2_tree, read.clips())
    kind = "cropped" if file.startswith("reg") else "raw"
    assert any(f"{kind} frames from" in line and folder in line for line in read.interpretation)


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("CASME2-coding-20140508.xlsx", False),
        ("CASME2-coding-20190701.xlsx", True),
        ("CASME2_label_Ver_2.xlsx", False),
        ("sheets/CASME2-coding-updated.xlsx", True),
    ],
)
def test_every_coding_sheet_is_found(casme2_tree, name, objective):
    casme2_tree.casme2().sheet(name, objective)
    assert_same_clips(casme2_tree, database(casme2_tree).clips())


def test_a_csv_sheet_will_do(casme2_tree):
    casme2_tree.casme2()
    lines = ["Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion"]
    lines += [
        f"{e.subject}, {e.name} ,{e.onset},/,{e.offset},4,{e.emotion.title()}"
        for e in casme2_tree.events
    ]
    (casme2_tree.root / "CASME2_coding.csv").write_text("\n".join(lines))
    assert_same_clips(casme2_tree, database(casme2_tree).clips())


def test_the_root_may_be_the_release_itself(casme2_tree):
    casme2_tree.casme2("Cropped").sheet("Cropped/CASME2-coding-20140508.xlsx")
    read = FrameDatabase("casme2", root=str(casme2_tree.root / "Cropped"))
    assert_same_clips(casme2_tree, read.clips())


def test_cropped_is_taken_before_raw_unless_asked(casme2_tree):
    casme2_tree.casme2("CASME2-RAW", file="img{}.jpg", beyond=2).casme2("Cropped").sheet()
    assert "reg_img46.jpg" in str(database(casme2_tree).clips()[0].files[0])
    assert any("not used: raw" in line for line in database(casme2_tree).interpretation)
    raw = database(casme2_tree, release="raw").clips()
    assert raw[0].files[0].name == "img46.jpg"
    assert_same_clips(casme2_tree, raw)


@pytest.mark.parametrize(("absent", "taken"), [(1, "reg_img5.jpg"), (2, "img5.jpg")])
def test_cropped_faces_are_left_for_raw_frames_only_if_many_are_missing(
    tmp_path, tree_builder, event, absent, taken
):
    events = [event(1, f"EP01_{i:02d}", "disgust", 5, 8) for i in range(1, 12)]
    tree_builder(tmp_path, events).casme2("CASME2-RAW", file="img{}.jpg").sheet()
    tree_builder(tmp_path, events[absent:]).casme2("Cropped")
    clips = FrameDatabase("casme2", root=str(tmp_path)).clips()
    assert len(clips) == (11 if taken == "img5.jpg" else 11 - absent)
    assert {clip.files[0].name for clip in clips} == {taken}


def test_of_two_copies_of_the_cropped_faces_the_fuller_is_taken(tmp_path, tree_builder, event):
    events = [event(1, f"EP01_{i:02d}", "disgust", 5, 8) for i in range(1, 12)]
    tree_builder(tmp_path, events[1:]).casme2("Cropped")
    tree_builder(tmp_path, events).casme2("other/Cropped-updated/Cropped").sheet()
    assert len(FrameDatabase("casme2", root=str(tmp_path)).clips()) == 11


def test_hidden_files_and_other_files_are_no_frames(casme2_tree):
    casme2_tree.casme2().sheet()
    place = casme2_tree.root / "Cropped" / "sub01" / "EP02_01f"
    for name in ("Thumbs.db", "._reg_img46.jpg", ".DS_Store", "notes1.txt"):
        (place / name).write_bytes(b"x")
    (casme2_tree.root / "~$CASME2-coding-20190701.xlsx").write_bytes(b"lock")
    assert_same_clips(casme2_tree, database(casme2_tree).clips())


def codes(read):
    return {finding.code: finding for finding in read.findings}


def test_intact_clips_survive_a_missing_and_a_repeated_one(casme2_tree, picture_writer):
    casme2_tree.casme2().sheet()
    cropped = casme2_tree.root / "Cropped"
    for path in (cropped / "sub03" / "EP01_2").iterdir():
        path.unlink()
    picture_writer(cropped / "sub01" / "EP02_01f" / "reg_img047.jpg", 9)
    picture_writer(cropped / "sub30" / "EP01_01" / "reg_img1.jpg", 9)
    read = database(casme2_tree)
    assert [c.name for c in read.clips()] == [IN_PROTOCOL[i][0] for i in (2, 3, 4)]
    found = codes(read)
    assert "3/EP01_2" in found["clip-without-frames"].where
    assert "1/EP02_01f" in found["frame-number-twice"].where
    assert "sub30/EP01_01" in found["frames-without-label"].text


def test_frames_that_do_not_fit_the_sheet(casme2_tree, picture_writer):
    casme2_tree.casme2().sheet()
    cropped = casme2_tree.root / "Cropped"
    (cropped / "sub01" / "EP02_01f" / "reg_img48.jpg").unlink()
    picture_writer(cropped / "sub03" / "EP01_2" / "reg_img13.jpg", 9)
    for number in range(95, 105):  # renumbered from 1
        old = cropped / "sub07" / "EP06_02_01" / f"reg_img{number}.jpg"
        old.rename(old.with_name(f"reg_img{number - 94}.jpg"))
    for number in range(99, 102):  # another count and other numbers: cannot be cut
        (cropped / "sub07" / "EP06_02_02" / f"reg_img{number}.jpg").unlink()
    picture_writer(cropped / "sub07" / "EP06_02_02" / "reg_img1.jpg", 9)
    read = database(casme2_tree)
    lengths = {clip.name: len(clip.files) for clip in read.clips()}
    assert lengths == {
        "sub01/EP02_01f": 6, "sub03/EP01_2": 4, "sub07/EP06_02_01": 10, "sub09/EP09f": 6,
    }  # fmt: skip
    values = next(c for c in read.clips() if c.name == "sub07/EP06_02_01").frames()[:, 0, 0]
    assert values.tolist() == casme2_tree.events[3].expected(3)
    found = codes(read)
    assert "6 frames between onset 46 and offset 52" in found["frames-missing"].text
    assert "1 frames before onset or after" in found["frames-beyond-coding"].text
    assert "frames 1 to 10" in found["frames-renumbered"].text
    assert "EP06_02_02" in found["frames-outside-coding"].where


def test_renumbered_frames_that_overlap_the_coding_are_no_shorter_clip(
    tmp_path, tree_builder, event
):
    events = [event(1, f"EP01_0{i}", "fear", 4, 9) for i in (1, 2, 3)]
    tree = tree_builder(tmp_path, events).casme2().sheet()
    for name in ("EP01_01", "EP01_02"):
        place = tmp_path / "Cropped" / "sub01" / name
        for number in range(4, 10):  # counted from 1: 1 to 6, of which 4 to 6 look right
            (place / f"reg_img{number}.jpg").rename(place / f"reg_img{number - 3}.jpg")
    (place / "reg_img2.jpg").unlink()  # now the count does not tell either
    place = tmp_path / "Cropped" / "sub01" / "EP01_03"  # here it does, but there is a gap
    (place / "reg_img5.jpg").rename(place / "reg_img10.jpg")
    read = database(tree)
    assert [c.name for c in read.clips()] == ["sub01/EP01_01"]
    assert read.clips()[0].frames()[:, 0, 0].tolist() == events[0].expected(0)
    refused = [f.where for f in read.findings if f.code == "frames-outside-coding"]
    assert ["EP01_02" in refused[0], "EP01_03" in refused[1]] == [True, True]


def test_no_sheet_old_sheet_and_wrong_sheet(casme2_tree, sheet_writer):
    casme2_tree.casme2()
    with pytest.raises(DataMissing, match="no coding sheet"):
        database(casme2_tree).clips()
    (casme2_tree.root / "CASME2-coding-20140508.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    read = database(casme2_tree)
    assert "save it as .xlsx" in next(f for f in read.findings if f.code == "sheet-xls").text
    sheet_writer(casme2_tree.root / "CASME2-coding-x.xlsx", [["Name", "Frames"], ["EP01", 3]])
    found = codes(database(casme2_tree))
    assert "Name, Frames" in found["sheet-unreadable"].text
    (casme2_tree.root / "CASME2-coding-x.xlsx").write_bytes(b"not a zip")
    assert "not a readable .xlsx" in codes(database(casme2_tree))["sheet-unreadable"].text


def test_no_frames_and_no_root(casme2_tree, tmp_path):
    casme2_tree.sheet()
    with pytest.raises(DataMissing, match="no folder sub<k>/EP"):
        database(casme2_tree).clips()
    with pytest.raises(DataMissing, match="is not a folder"):
        FrameDatabase("casme2", root=str(tmp_path / "nowhere")).clips()


def test_unknown_options_are_named(casme2_tree):
    casme2_tree.casme2().sheet()
    with pytest.raises(UserError, match="coding of casme2 is 'papr'"):
        database(casme2_tree, coding="papr").clips()
    with pytest.raises(UserError, match="did you mean 'casme2'"):
        FrameDatabase("casme_2")


SUBJECT_24 = [  # early coding; the sheet of 2019 recodes three of these and drops EP02_07
    ("EP02_07", "disgust"), ("EP07_01", "sadness"), ("EP07_04f", "sadness"),
    ("EP10_01f", "repression"), ("EP10_03", "sadness"), ("EP12_01", "surprise"),
]  # fmt: skip


@pytest.mark.parametrize("release", ["cropped", "raw"])
def test_the_sheet_of_2019_is_named_and_can_be_undone(tmp_path, tree_builder, event, release):
    events = [event(24, name, emotion, 5, 9) for name, emotion in SUBJECT_24]
    tree = tree_builder(tmp_path, events)
    cropped = release == "cropped"
    tree.casme2(file="reg_img{}.jpg" if cropped else "img{}.jpg", beyond=0 if cropped else 2)
    early = tree.sheet()
    expected = [(c.name, c.label) for c in database(early).clips()]
    assert [label for _, label in expected] == [0, 0, 0, 0, 2]
    (tmp_path / "CASME2-coding-20140508.xlsx").unlink()
    recoded = {"EP07_01", "EP07_04f", "EP10_03"}
    tree.events = [
        event(24, e.name, "surprise" if e.name in recoded else e.emotion, 5, 9)
        for e in events if e.name != "EP02_07"
    ]  # fmt: skip
    tree.sheet("CASME2-coding-20190701.xlsx", objective=True)
    read = database(tree)
    assert [c.label for c in read.clips()] == [2, 2, 2, 2]
    assert "coding=paper" in codes(read)["sheet-2019"].action
    undone = database(tree, coding="paper")
    assert "sheet-2019" not in codes(undone)
    if cropped:
        assert [(c.name, c.label) for c in undone.clips()] == expected
    else:  # the removed row's onset is unknown, so raw frames cannot give that clip
        assert [(c.name, c.label) for c in undone.clips()] == expected[1:]
        assert "EP02_07" in codes(undone)["onset-offset-unusable"].where


def test_fingerprint_follows_the_files(casme2_tree, picture_writer):
    casme2_tree.casme2().sheet()
    before = [c.fingerprint for c in database(casme2_tree).clips()]
    assert before == [c.fingerprint for c in database(casme2_tree).clips()]
    assert len(set(before)) == len(before)
    path = casme2_tree.root / "Cropped" / "sub03" / "EP01_2" / "reg_img10.jpg"
    content, times = path.read_bytes(), path.stat()
    # Other content of the same size and time, as an archive restores it; then a longer file.
    for changed in (content[:-20] + b"\0" * 18 + content[-2:], content + b"\0"):
        path.write_bytes(changed)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        after = [c.fingerprint for c in database(casme2_tree).clips()]
        same = [a == b for a, b in zip(after, before, strict=True)]
        assert same == [True, False, True, True, True]
    path.write_bytes(content)  # touched, but the same
    assert [c.fingerprint for c in database(casme2_tree).clips()] == before


REMOVED = {(24, "EP02_07")}
RECODED = {(24, name) for name in ("EP07_01", "EP07_04f", "EP10_03")}


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


@pytest.mark.parametrize(
    ("without", "recoded", "code", "counts", "undone"),
    [
        ((), (), None, "73/32/25", "coding=paper gave 0 clips"),
        (REMOVED, RECODED, "sheet-2019", "69/32/28", "coding=paper gave 4 clips of subject 24"),
        (REMOVED, (), "sheet-2014", "72/32/25", ""),
        ({(24, "EP07_01")}, (), "sheet-2014", "72/32/25", ""),
    ],
)
def test_the_versions_of_casme2_s_sheet_are_explained(
    tmp_path, without, recoded, code, counts, undone
):
    database = casme2_of_counts(tmp_path, without, recoded)
    found = {f.code: f for f in database.findings}
    assert {"sheet-2019", "sheet-2014"} & set(found) == ({code} if code else set())
    if code:
        assert counts in found[code].text
        assert "73/32/25" in found[code].expected
    if code == "sheet-2014":
        removed = without == REMOVED
        said = "sub24/EP02_07 (disgust) is not in it" if removed else "one sadness less"
        assert said in found[code].text
        assert ("coding=paper" in found[code].action) == removed
    assert "/".join(map(str, database.account().class_counts.values())) == counts
    if undone:  # of the early coding nothing
        assert any(undone in line for line in replace(database, coding="paper").interpretation)
