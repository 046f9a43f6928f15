"""Exported databases are read back by the readers of the real ones."""

import cv2
import numpy as np
import openpyxl
import pytest

from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.synthetic import database as synthetic
from cdmer_bench.databases.synthetic.database import SyntheticClip, SyntheticDatabase
from cdmer_bench.databases.synthetic.export import COLUMNS, export_database
from cdmer_bench.errors import UserError


@pytest.fixture
def plain(monkeypatch):
    """Frames that tell clip and time but cost nothing."""

    def frames(clip):
        rng = np.random.default_rng(int(clip.fingerprint[:8], 16))
        return rng.integers(0, 255, (clip.n_frames, 6, 5)).astype(np.uint8)

    monkeypatch.setattr(SyntheticClip, "frames", frames)


@pytest.mark.parametrize("name", ["casme2", "smic_hs", "smic_nir"])
def test_the_readers_find_the_same_clips_in_the_same_order(name, tmp_path, plain):
    database = SyntheticDatabase(name)
    done = []
    export_database(database, tmp_path, progress=done.append)
    clips = database.clips()
    assert sum(done) == len(clips)
    back = FrameDatabase(name, root=str(tmp_path)).clips()
    assert [(c.name, c.subject, c.label) for c in back] == [
        (c.name, c.subject, c.label) for c in clips
    ]
    for k in (0, len(clips) // 2, -1):
        np.testing.assert_array_equal(back[k].frames(), clips[k].frames())


def test_casme2_has_registered_frames_and_a_coding_sheet(tmp_path, plain):
    database = SyntheticDatabase("casme2")
    folder = export_database(database, tmp_path, format="jpg")
    assert folder == tmp_path / "CASME2"
    first = database.clips()[0]
    frames = sorted((folder / "Cropped" / first.name).iterdir())
    numbers = sorted(int(f.stem.removeprefix("reg_img")) for f in frames)
    assert numbers == list(range(first.onset, first.offset + 1))
    assert {f.suffix for f in frames} == {".jpg"}
    sheet = openpyxl.load_workbook(folder / "CASME2-coding-20140508.xlsx")["Sheet1"]
    heading, *rows = sheet.iter_rows(values_only=True)
    assert heading == COLUMNS
    assert len(rows) == 130
    assert rows[0][0] == 1
    assert rows[0][3:6] == (first.onset, first.apex, first.offset)
    emotions = [row[8] for row in rows]
    assert emotions.count("happiness") == 32
    assert emotions.count("surprise") == 25
    assert {"disgust", "sadness"} <= set(emotions) <= {
        "disgust", "sadness", "fear", "happiness", "surprise",
    }  # fmt: skip
    assert "synthetic" in (folder / "SYNTHETIC.txt").read_text()


def test_real_frames_survive_a_lossless_export(tmp_path, monkeypatch):
    database = SyntheticDatabase("smic_vis")
    monkeypatch.setitem(synthetic.COUNTS["smic_vis"], "s11", (1, 0, 0))
    for subject in list(synthetic.COUNTS["smic_vis"])[1:]:
        monkeypatch.delitem(synthetic.COUNTS["smic_vis"], subject)
    export_database(database, tmp_path, format="bmp")
    (clip,) = database.clips()
    folder = tmp_path / "SMIC/SMIC_all_cropped/VIS/s11/micro/negative/s11_ne_01"
    files = sorted(folder.glob("reg_*.bmp"))
    read = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
    np.testing.assert_array_equal(np.stack(read), clip.frames())


def test_unknown_format_and_unwritable_folder_are_errors(tmp_path):
    with pytest.raises(UserError, match=r"'gif'.*png, jpg, bmp"):
        export_database(SyntheticDatabase("smic_vis"), tmp_path, format="gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        export_database(SyntheticDatabase("smic_vis"), tmp_path / "file")
