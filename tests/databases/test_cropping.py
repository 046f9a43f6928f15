"""Synthetic faces, cropped and put into scenes: the share of the picture decides."""

import cv2
import numpy as np
import pytest

from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.databases.clips import judge_cropping
from cdmer_bench.databases.image_files import FrameClip
from cdmer_bench.databases.synthetic.database import SyntheticDatabase
from cdmer_bench.features import Features, FeatureStore
from cdmer_bench.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def faces():
    clips = SyntheticDatabase("smic_vis").clips()
    return [clips[place].frames()[0] for place in (0, 30, 60)]


def scene(face, size, height, place):
    """Put a face, shrunk to a height, into a scene of another grey."""
    picture = np.full(size, 120, np.uint8)
    width = round(face.shape[1] * height / face.shape[0])
    top, left = place
    picture[top : top + height, left : left + width] = cv2.resize(face, (width, height))
    return picture, (left, top, width, height)


def clips_of(tmp_path, pictures, box=None):
    clips = []
    for number, picture in enumerate(pictures):
        path = tmp_path / f"{number}.bmp"
        cv2.imwrite(str(path), picture)
        clips.append(FrameClip(str(number), "s", 0, [path], box=box))
    return clips


@pytest.mark.parametrize(
    ("size", "height", "code"),
    [
        (None, 0, None),
        ((480, 640), 240, "frames-uncropped"),  # SMIC and CASME II, raw
        ((650, 960), 420, "frames-uncropped"),  # SAMM
        ((720, 1280), 300, "frames-uncropped"),  # CAS(ME)^3
        ((320, 320), 240, "cropping-undecided"),
    ],
)
def test_the_face_s_share_decides(tmp_path, faces, size, height, code):
    pictures = [scene(f, size, height, (5, 20))[0] if size else f for f in faces]
    found = judge_cropping(clips_of(tmp_path, pictures), "CASME II")
    assert [f.code for f in found] == [code] * (code is not None)
    if code == "frames-uncropped":
        assert found[0].severity == "error"
        assert f"{size[1]} x {size[0]}" in found[0].text


def test_a_scene_without_a_face_is_undecided_and_a_small_picture_is_not_judged(tmp_path):
    (plain,) = judge_cropping(clips_of(tmp_path, [np.full((480, 640), 90, np.uint8)]), "SAMM")
    assert (plain.severity, plain.code) == ("warning", "cropping-undecided")
    assert "no face" in plain.text
    assert not judge_cropping(clips_of(tmp_path, [np.full((6, 8), 90, np.uint8)]), "SAMM")
    assert not judge_cropping([], "SAMM")


def test_a_box_of_the_clips_table_is_looked_at_instead_of_the_scene(tmp_path, faces):
    made = [scene(face, (480, 640), 240, (100, 200)) for face in faces]
    pictures = [picture for picture, _ in made]
    assert not judge_cropping(clips_of(tmp_path, pictures, made[0][1]), "CASME II")


def test_scenes_are_no_error_where_the_face_is_cut_out(tmp_path, faces):
    class Scenes(ClipDatabase):
        def clips(self):
            return clips_of(tmp_path, [scene(f, (480, 640), 240, (100, 200))[0] for f in faces])

        def account(self, descriptor=None):
            found = judge_cropping(self.clips(), self.title)
            return self._account([0, 0, 1], None, found)

    for crop, codes in (("none", ["frames-uncropped"]), ("face", [])):
        features = Features(
            {"scenes": Scenes("scenes")},
            {},
            Preprocessing(crop=crop),
            FeatureStore(tmp_path / "cache"),
        )
        assert [f.code for f in features.account("scenes", "lbp_sip_r1").findings] == codes


def test_the_median_of_three_clips_decides_and_those_without_a_face_do_not_count(tmp_path, faces):
    small = [scene(face, (480, 640), 240, (100, 200))[0] for face in faces]
    large = [scene(face, (480, 640), 470, (5, 100))[0] for face in faces]
    plain = np.full((480, 640), 90, np.uint8)
    # Of five clips the first, the third and the last are looked at.
    mixed = [small[0], plain, large[1], plain, small[2]]
    (found,) = judge_cropping(clips_of(tmp_path, mixed), "CASME II")
    assert found.code == "frames-uncropped"
    crops = [cv2.resize(faces[0], (112, 112)), plain, plain]
    assert not judge_cropping(clips_of(tmp_path, crops), "CASME II")
    (none,) = judge_cropping(clips_of(tmp_path, [plain] * 5), "CASME II")
    assert "640 x 480 pixels, in which no face was found (3 frames)" in none.text
