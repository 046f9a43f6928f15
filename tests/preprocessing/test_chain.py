"""The benchmark's preprocessing as one configured step."""

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import Preprocessing, resize, tim

# Black and white, so that interpolation overshoots 0..255.
CLIP = 255 * np.random.default_rng(0).integers(0, 2, (9, 60, 50), dtype=np.uint8)


def test_resizes_and_then_interpolates():
    steps = tim(np.stack([resize(frame, (112, 112)) for frame in CLIP]), 16)
    got = Preprocessing()(CLIP)
    assert got.shape == (16, 112, 112)
    np.testing.assert_allclose(got, steps, rtol=0, atol=1e-10)


def test_large_frames_are_resized_a_few_at_a_time(monkeypatch):
    whole = Preprocessing()(CLIP)
    monkeypatch.setattr("cdmer_bench.preprocessing.chain.RESIZED_PIXELS", 2 * 60 * 50)
    np.testing.assert_allclose(Preprocessing()(CLIP), whole, rtol=0, atol=1e-10)


def test_rounding_is_an_option():
    kept = Preprocessing(n_frames=20, shape=(30, 40))(CLIP)
    rounded = Preprocessing(n_frames=20, shape=(30, 40), round="uint8")(CLIP)
    assert kept.min() < 0
    assert kept.max() > 255
    assert rounded.min() == 0
    assert rounded.max() == 255
    inside = (kept > 0) & (kept < 255)
    assert np.abs(rounded - kept)[inside].max() <= 0.5
    assert np.array_equal(rounded, np.round(rounded))


def test_values_do_not_depend_on_the_type_of_the_frames():
    assert np.array_equal(Preprocessing()(CLIP), Preprocessing()(CLIP.astype(np.float32)))


def test_parameters_are_plain_values():
    assert Preprocessing(8, [64, 48]).parameters() == {
        "n_frames": 8,
        "shape": [64, 48],
        "round": "none",
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_frames": 0}, "n_frames"),
        ({"n_frames": True}, "n_frames"),
        ({"shape": [112]}, "shape"),
        ({"shape": "112"}, "shape"),
        ({"round": "floor"}, "round"),
    ],
)
def test_wrong_parameters_are_named_before_any_clip(parameters, words):
    with pytest.raises(UserError, match=words):
        Preprocessing(**parameters)


def test_halves_are_rounded_up():
    clip = np.array([[[0.5, 1.5, 2.5, -0.5, 254.5, 300.0]]])
    assert Preprocessing(round="uint8").rounded(clip).tolist() == [[[1, 2, 3, 0, 255, 255]]]
