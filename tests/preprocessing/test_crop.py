"""Faces of the synthetic database put into larger scenes are found, and cut out as they were."""

from functools import cache

import numpy as np
import pytest

from cdmer_bench.databases.synthetic.database import SyntheticDatabase
from cdmer_bench.descriptors import lbp_top
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import Preprocessing, face_box, face_share, find_faces


@cache
def face(database="smic_vis", index=0):
    """A clip of a face that fills its frames."""
    clip = SyntheticDatabase(database).clips()[index].frames()
    clip.setflags(write=False)
    return clip


def scene(clip, left, top, shape=(480, 640), seed=0):
    """The clip in front of grey patches."""
    patches = np.random.default_rng(seed).normal(110, 25, (shape[0] // 16, shape[1] // 16))
    background = np.clip(patches.repeat(16, 0).repeat(16, 1), 0, 255)
    frames = np.repeat(background[None].astype(np.uint8), len(clip), 0)
    frames[:, top : top + clip.shape[1], left : left + clip.shape[2]] = clip
    return frames


@pytest.mark.parametrize("database", ["casme2", "smic_hs", "smic_vis", "smic_nir"])
def test_the_box_is_the_databases_own_crop(database):
    clip = face(database, 5)
    height, width = clip.shape[1:]
    left, top, w, h = face_box(scene(clip, 210, 90))
    # The crop of a database goes by the eyes, the cascade by the whole face.
    assert abs(left + w / 2 - (210 + width / 2)) < 0.08 * width
    assert abs(top + h / 2 - (90 + height / 2)) < 0.08 * height
    assert abs(w / width - 1) < 0.15
    assert abs(h / height - 1) < 0.15


@pytest.mark.parametrize(("left", "top"), [(0, 0), (30, 200), (487, 295)])
def test_the_box_follows_the_face_within_a_few_pixels(left, top):
    clip = face()
    first = np.array(face_box(scene(clip, 300, 150)))
    moved = np.array(face_box(scene(clip, left, top, seed=3)))
    assert np.abs(moved - first - [left - 300, top - 150, 0, 0]).max() <= 12


def test_one_box_for_all_frames_and_features_near_those_of_the_crop():
    clip = face("casme2")
    whole = Preprocessing(crop="face")(scene(clip, 130, 100))
    x, y, width, height = face_box(scene(clip, 130, 100))
    cut = scene(clip, 130, 100)[:, y : y + height, x : x + width]
    assert np.array_equal(whole, Preprocessing()(cut))
    plain, squeezed = Preprocessing()(clip), Preprocessing()(scene(clip, 130, 100))
    features = [lbp_top(c, grids=(1, 2)) for c in (plain, whole, squeezed)]
    near, far = (np.abs(f - features[0]).sum() for f in features[1:])
    assert near < 0.5 * far


def test_no_face_is_told_and_the_frames_stay():
    flat = np.full((5, 120, 160), 90, np.uint8)
    with pytest.warns(UserWarning, match="no face was found; the whole frames are used"):
        cropped = Preprocessing(crop="face")(flat)
    assert np.array_equal(cropped, Preprocessing()(flat))


def test_of_two_faces_the_larger_is_taken_and_told():
    small = face("smic_nir")
    large = face("casme2")[: len(small)]
    frames = scene(large, 20, 100)
    frames[:, 40 : 40 + small.shape[1], 400 : 400 + small.shape[2]] = small[: len(large)]
    with pytest.warns(UserWarning, match="2 faces were found; the largest is used"):
        left, _, width, _ = face_box(frames)
    assert left < 100
    assert width > 200


def test_the_share_tells_crops_from_scenes():
    for database in ("casme2", "smic_hs", "smic_vis", "smic_nir"):
        clip = face(database, 7)
        assert face_share(clip[0]) > 0.6
        area = clip.shape[1] * clip.shape[2] / (480 * 640)
        assert face_share(scene(clip, 200, 100)[0]) == pytest.approx(0.84 * area, rel=0.25)
    assert face_share(np.zeros((100, 100))) == 0
    assert find_faces(np.zeros((100, 100))) == []


def test_a_clip_with_its_own_box_is_not_cropped_again():
    class Boxed:
        box = (1, 2, 30, 40)

    assert Preprocessing(crop="face").for_clip(Boxed()) == Preprocessing()
    assert Preprocessing(crop="face").for_clip(object()).crop == "face"


def test_cropping_is_part_of_the_parameters_when_it_is_done():
    assert Preprocessing(crop="face").parameters()["crop"] == "face"
    assert "crop" not in Preprocessing().parameters()  # the key of features as it always was
    with pytest.raises(UserError, match="crop is 'faces'"):
        Preprocessing(crop="faces")


def test_the_margins_are_small_above_and_larger_below(monkeypatch):
    found = iter([[(10, 20, 100, 100)], [(12, 20, 100, 100)], [(50, 90, 120, 120)]])
    monkeypatch.setattr("cdmer_bench.preprocessing.crop.find_faces", lambda frame: next(found))
    # The middle of three boxes, 6 % above it and 12 % below.
    assert face_box(np.zeros((9, 300, 400))) == (12, 14, 100, 118)


def test_a_face_beyond_the_edges_takes_the_whole_picture_at_most(monkeypatch):
    monkeypatch.setattr(
        "cdmer_bench.preprocessing.crop.find_faces", lambda frame: [(-10, -10, 90, 90)]
    )
    assert face_share(np.zeros((50, 60))) == 1.0
