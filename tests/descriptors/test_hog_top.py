"""HOG-TOP and HIGO-TOP against slow loops and closed forms."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.descriptors import HIGOTOP, HOGTOP, higo_top, hog_top
from cdmer_bench.descriptors.hog_top import _unsigned, gradients, orientation_bins
from cdmer_bench.errors import UserError

DATA = Path(__file__).parents[1] / "data/descriptors"
CLIPS = np.load(DATA / "inputs.npz")
ORACLE = np.load(DATA / "hogtop.npz")
both = pytest.mark.parametrize("descriptor", [hog_top, higo_top])
PLANES = ((1, 2), (0, 2), (0, 1))


def orientation_codes(clip, bins, signed=True):
    """Return the bin of every voxel in each plane, -1 where there is no gradient."""
    parts = gradients(clip.astype(float))
    pairs = [(parts[row], parts[column]) for row, column in PLANES]
    pairs = pairs if signed else [_unsigned(*pair) for pair in pairs]
    return [orientation_bins(*pair, bins, -1) for pair in pairs]


@pytest.mark.parametrize("key", [k for k in ORACLE.files if "bin" in k])
def test_bins_equal_slow_loops(key):
    clip, p, _, plane = key.split("_")
    codes = orientation_codes(CLIPS[clip], int(p[1:]))
    assert np.array_equal(codes[["xy", "xt", "yt"].index(plane)], ORACLE[key])


@pytest.mark.parametrize("key", [k for k in ORACLE.files if "bin" not in k])
def test_histograms_equal_slow_loops(key):
    clip, p, name, *zero, grid = key.split("_")
    arguments = (CLIPS[clip], int(p[1:]), (int(grid[1:]),))
    if name == "hog":
        got = hog_top(*arguments)
    else:
        got = higo_top(*arguments, zero="vote" if zero else "skip")
    np.testing.assert_allclose(got, ORACLE[key], rtol=0, atol=1e-12)


def ramp(t, y, x):
    """A clip with the gradient (t, y, x) everywhere."""
    T, Y, X = np.indices((5, 6, 6))
    return t * T + y * Y + x * X


@both
@pytest.mark.parametrize(
    ("y", "x", "bin4", "bin8"),
    [  # the eight directions on edges between bins, and one inside each
        (0, -1, 0, 0),
        (-1, -2, 0, 0),
        (-1, -1, 0, 1),
        (-2, -1, 0, 1),
        (-1, 0, 1, 2),
        (-2, 1, 1, 2),
        (-1, 1, 1, 3),
        (-1, 2, 1, 3),
        (0, 1, 2, 4),
        (1, 2, 2, 4),
        (1, 1, 2, 5),
        (2, 1, 2, 5),
        (1, 0, 3, 6),
        (2, -1, 3, 6),
        (1, -1, 3, 7),
        (1, -2, 3, 7),
    ],
)
def test_a_ramp_votes_for_its_direction(descriptor, y, x, bin4, bin8):
    assert descriptor(ramp(3, y, x), 4, (1,))[0, 0].nonzero()[0].tolist() == [bin4]
    assert descriptor(ramp(3, y, x), 8, (1,))[0, 0].nonzero()[0].tolist() == [bin8]


@both
@pytest.mark.parametrize(("y", "x"), [(0, 1), (1, 2), (1, 1), (2, 1), (1, 0), (2, -1), (1, -1)])
def test_unsigned_orientations_are_the_same_for_opposite_gradients(descriptor, y, x):
    got = descriptor(ramp(0, y, x), 4, (1,), signed=False)[0, 0]
    assert np.array_equal(got, descriptor(ramp(0, -y, -x), 4, (1,), signed=False)[0, 0])
    expected = int(np.floor(np.arctan2(y, x) % np.pi / (np.pi / 4) + 1e-9))
    assert got.nonzero()[0].tolist() == [expected]


@both
def test_shared_votes_are_linear_between_bin_centres(descriptor):
    # 30 degrees lies 5/6 of the way from the centre at -45 to the one at 45 degrees.
    got = descriptor(ramp(0, 1, np.sqrt(3)), 4, (1,), voting="soft")[0, 0]
    np.testing.assert_allclose(got, [0, 1 / 6, 5 / 6, 0], atol=1e-12)
    backwards = descriptor(ramp(0, 0, -1), 4, (1,), voting="soft")[0, 0]
    np.testing.assert_allclose(backwards, [0.5, 0, 0, 0.5], atol=1e-12)


def test_hog_weights_by_the_magnitude_in_the_plane():
    clip = np.zeros((3, 3, 4))
    clip[1, 1] = [0, 5, 6, 1]  # gradients 6 and -4 at the two voxels with neighbours
    assert hog_top(clip, 4, (1,))[0, 0].tolist() == [0.4, 0, 0.6, 0]
    assert higo_top(clip, 4, (1,))[0, 0].tolist() == [0.5, 0, 0.5, 0]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]), st.booleans())
def test_orientations_equal_atan2_away_from_the_edges(seed, bins, signed):
    clip = np.random.default_rng(seed).normal(0, 10, (5, 6, 7))
    centre = slice(1, -1)
    parts = [np.gradient(clip, axis=a)[centre, centre, centre] for a in range(3)]
    codes = orientation_codes(clip, bins, signed=signed)
    for code, (row, column) in zip(codes, PLANES, strict=True):
        theta = np.arctan2(parts[row], parts[column])
        turn = (theta + np.pi) / (2 * np.pi) if signed else (theta % np.pi) / np.pi
        assert np.array_equal(code, np.floor(turn * bins).astype(int))


@both
@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(-100, 100), st.integers(1, 9))
def test_brightness_and_contrast_do_not_matter(descriptor, seed, shift, gain):
    clip = np.random.default_rng(seed).integers(0, 9, (5, 8, 8)).astype(float)
    np.testing.assert_allclose(
        descriptor(gain * clip + shift, 8, (1, 2)), descriptor(clip, 8, (1, 2)), atol=1e-12
    )


@both
def test_a_flat_clip_has_no_votes(descriptor):
    assert not descriptor(np.full((5, 9, 9), 17.7), 8, (1, 2)).any()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_flat_voxels_vote_for_orientation_zero_if_asked(signed, voting):
    flat = np.zeros((5, 9, 9))
    got = higo_top(flat, 8, (1,), zero="vote", signed=signed, voting=voting)[0]
    assert (got.argmax(axis=1) == (4 if signed else 0)).all()
    assert (got.max(axis=1) == 1).all()


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_a_flat_voxel_has_one_vote_as_any_other(voting):
    clip = np.zeros((3, 3, 10))
    clip[:, :, 5:] = 7 * np.arange(5)  # four of eight voxels with neighbours have no gradient
    got = higo_top(clip, 4, (1,), zero="vote", voting=voting)[0, 0]
    # Flat voxels vote for bin 2; gradients along +x lie midway between the centres of 1 and 2.
    expected = {"hard": [0, 0, 1, 0], "soft": [0, 0.25, 0.75, 0]}[voting]
    np.testing.assert_allclose(got, expected, atol=1e-12)


@both
def test_rounding_noise_in_flat_areas_does_not_vote(descriptor):
    clip = 255 + np.random.default_rng(0).normal(0, 1e-13, (5, 9, 9))
    clip[:, :, 5:] -= 10
    got = descriptor(clip, 8, (1,))[0]
    np.testing.assert_allclose(got[:2, 0], 1, atol=1e-12)
    assert got[2].max() <= (1 if descriptor is hog_top else 0)


@both
@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ((2, 20, 20), {}, "at least 3 frames"),
        ((1, 20, 20), {}, "at least 3 frames"),
        ((9, 9, 20), {}, "cannot be cut"),
        ((9, 20, 20), {"bins": 6}, "bins is 6"),
        ((9, 20, 20), {"signed": 1}, "signed is 1"),
        ((9, 20, 20), {"voting": "half"}, "voting is 'half'"),
    ],
)
def test_bad_input_is_named(descriptor, shape, parameters, words):
    with pytest.raises(UserError, match=words):
        descriptor(np.zeros(shape), **parameters)


@both
def test_the_message_names_the_descriptor(descriptor):
    name = {hog_top: "HOG-TOP", higo_top: "HIGO-TOP"}[descriptor]
    with pytest.raises(UserError, match=f"^{name} "):
        descriptor(np.zeros((2, 5, 5)))


def test_classes_are_the_functions_with_their_parameters():
    clip = CLIPS["v32"]
    hog = HOGTOP(4, [1, 2], signed=False)
    assert np.array_equal(hog.extract(clip), hog_top(clip, 4, (1, 2), signed=False))
    higo = HIGOTOP(8, [1], zero="vote", voting="soft")
    assert np.array_equal(higo.extract(clip), higo_top(clip, 8, (1,), zero="vote", voting="soft"))
    assert (hog.label, higo.label) == ("HOG-TOP(p=4)", "HIGO-TOP(p=8)")
    assert higo_top(clip).shape == (85, 3, 8)
