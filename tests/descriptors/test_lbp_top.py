"""LBP-TOP against exact arithmetic, Octave, and a slow transcription of its definition."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.descriptors import LBPTOP, lbp_top
from cdmer_bench.descriptors.lbp_top import lbp_top_codes, uniform_bins
from cdmer_bench.errors import UserError

DATA = Path(__file__).parents[1] / "data/descriptors"
CLIPS = np.load(DATA / "inputs.npz")
EXACT = np.load(DATA / "lbptop_exact.npz")
OCTAVE = np.load(DATA / "lbptop_octave.npz")
PLANE_NAMES = ["xy", "xt", "yt"]


def parse(key):
    clip, setting, *rest = key.split("_")
    return CLIPS[clip], int(setting[1]), int(setting[3]), rest


@pytest.mark.parametrize("key", [k for k in EXACT.files if "code" in k])
def test_codes_equal_exact_arithmetic(key):
    clip, R, P, (_, plane) = parse(key)
    assert np.array_equal(lbp_top_codes(clip, R, P)[PLANE_NAMES.index(plane)], EXACT[key])


@pytest.mark.parametrize("key", [k for k in EXACT.files if "hist" in k])
def test_histograms_equal_exact_arithmetic(key):
    clip, R, P, (_, grid) = parse(key)
    got = lbp_top(clip, R, P, grids=(int(grid[1:]),))
    np.testing.assert_allclose(got, EXACT[key], rtol=0, atol=1e-15)


@pytest.mark.parametrize("key", [k for k in OCTAVE.files if k.endswith(("round", "ceil"))])
def test_histograms_equal_the_public_code_in_octave(key):
    clip, R, P, (grid, cut) = parse(key)
    got = lbp_top(clip, R, P, grids=(int(grid[1:]),), cut=cut)
    # With 8 points the public code decides exact ties of interpolated points by rounding; one
    # code in the smallest block of v32 is 1 / 224. The next test shows that it is ties alone.
    tied = 0.15 if key.startswith("vties") else 0.005
    np.testing.assert_allclose(got, OCTAVE[key], rtol=0, atol=1e-15 if P == 4 else tied)


@pytest.mark.parametrize("key", [k for k in OCTAVE.files if "u2map" in k])
def test_codes_differ_from_the_public_code_in_exact_ties_only(key):
    clip, R, P, (*_, plane) = parse(key)
    index = PLANE_NAMES.index(plane)
    bins = uniform_bins(P)[lbp_top_codes(clip, R, P)[index]]
    row_axis, column_axis = ((1, 2), (0, 2), (0, 1))[index]
    differing = np.argwhere(bins != OCTAVE[key])
    assert not len(differing) or P == 8
    for position in differing:
        values = [
            difference(clip.astype(int), R, 2 * np.pi * i / 8, position + R, row_axis, column_axis)
            for i in (1, 3, 5, 7)
        ]
        assert np.abs(values).min() < 1e-9


# With 8 points and rounding (b0) the original code samples other voxels.
@pytest.mark.parametrize(
    "key", [k for k in OCTAVE.files if "zhao" in k and not k.endswith("P8_zhao_b0")]
)
def test_bins_are_a_permutation_of_the_original_authors_code(key):
    clip, R, P, _ = parse(key)
    got = np.sort(lbp_top(clip, R, P, grids=(1,))[0], axis=1)
    # It rounds interpolated values down, which decides ties by rounding noise.
    tied = 0.03 if key.startswith("vties") else 1e-4
    np.testing.assert_allclose(
        got, np.sort(OCTAVE[key], axis=1), rtol=0, atol=1e-15 if P == 4 else tied
    )


def test_whole_vector_is_its_grids_one_after_the_other():
    clip = CLIPS["v32"]
    parts = [lbp_top(clip, grids=(g,)) for g in (1, 2, 4, 8)]
    assert np.array_equal(lbp_top(clip), np.concatenate(parts))
    assert lbp_top(clip).shape == (85, 3, 59)


def difference(clip, R, angle, centre, row_axis, column_axis):
    """A circle's point less the centre; the four voxels around it weighted by their area."""
    row, column = -R * np.sin(angle), R * np.cos(angle)
    total = 0.0
    for r in range(-R, R + 1):
        for c in range(-R, R + 1):
            weight = max(0, 1 - abs(row - r)) * max(0, 1 - abs(column - c))
            voxel = list(centre)
            voxel[row_axis] += r
            voxel[column_axis] += c
            total += weight * (clip[tuple(voxel)] - clip[tuple(centre)])
    return total


def slow_code(clip, R, P, centre, row_axis, column_axis):
    """One code from its definition."""
    angles = [2 * np.pi * i / P for i in range(P)]
    return sum(
        (difference(clip, R, angle, centre, row_axis, column_axis) >= -1e-9) << i
        for i, angle in enumerate(angles)
    )


@pytest.mark.parametrize(("R", "P"), [(1, 4), (1, 8), (2, 8), (3, 8), (4, 8)])
def test_codes_equal_the_definition_voxel_by_voxel(R, P):
    rng = np.random.default_rng(R)
    clip = rng.normal(100, 20, (2 * R + 2, 2 * R + 3, 2 * R + 4))
    codes = lbp_top_codes(clip, R, P)
    for plane, (row_axis, column_axis) in zip(codes, ((1, 2), (0, 2), (0, 1)), strict=True):
        for position in np.ndindex(plane.shape):
            centre = [p + R for p in position]
            assert plane[position] == slow_code(clip, R, P, centre, row_axis, column_axis)


def test_uniform_bins_are_the_published_mapping():
    eight = uniform_bins(8)
    assert eight.max() == 58
    assert np.bincount(eight)[:58].tolist() == [1] * 58
    assert [int(eight[c]) for c in (0, 1, 2, 3, 4, 5, 6, 254, 255)] == [
        0,
        1,
        2,
        3,
        4,
        58,
        5,
        56,
        57,
    ]
    assert uniform_bins(4).tolist() == [0, 1, 2, 3, 4, 14, 5, 6, 7, 8, 14, 9, 10, 11, 12, 13]


clips = st.tuples(
    st.integers(7, 9), st.integers(7, 10), st.integers(7, 10), st.integers(0, 2**32 - 1)
).map(lambda s: np.random.default_rng(s[3]).integers(0, 12, s[:3]).astype(float))
radii = st.sampled_from([1, 3])
points = st.sampled_from([4, 8])


@settings(max_examples=40)
@given(clips, radii, points, st.integers(-300, 300), st.integers(1, 9))
def test_codes_do_not_depend_on_brightness_and_contrast(clip, R, P, shift, gain):
    for a, b in zip(
        lbp_top_codes(clip, R, P), lbp_top_codes(gain * clip + shift, R, P), strict=True
    ):
        assert np.array_equal(a, b)


@settings(max_examples=40)
@given(clips, radii, points)
def test_a_mirrored_face_mirrors_the_codes(clip, R, P):
    # Mirrored in x, the point at angle a is the one at pi - a; YT has no x.
    swapped = [(P // 2 - i) % P for i in range(P)]
    mirrored = lbp_top_codes(clip[:, :, ::-1], R, P)
    for plane, (a, b) in enumerate(zip(lbp_top_codes(clip, R, P), mirrored, strict=True)):
        order = swapped if plane < 2 else range(P)
        expected = sum(((a >> i) & 1).astype(int) << bit for bit, i in enumerate(order))
        assert np.array_equal(b, expected[:, :, ::-1])


@settings(max_examples=40)
@given(clips, radii, points)
def test_each_histogram_sums_to_one(clip, R, P):
    got = lbp_top(clip, R, P, grids=(1,))
    assert (got >= 0).all()
    np.testing.assert_allclose(got.sum(axis=2), 1, atol=1e-14)


@pytest.mark.parametrize("level", [0, 93.1, 255])
def test_a_flat_clip_has_only_the_code_of_equality(level):
    got = lbp_top(np.full((8, 20, 20), level), grids=(1, 2))
    assert (got[:, :, 57] == 1).all()  # code 255


def test_duplicate_frames_make_time_points_ties():
    clip = np.repeat(CLIPS["v32"][:1], 8, axis=0)
    xy, xt, _ = lbp_top_codes(clip, 3, 4)
    assert (xt & 0b1010 == 0b1010).all()  # the bits of t - R and t + R
    assert (xy[0] == xy[1]).all()


@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ((6, 20, 20), {}, "at least 7 frames"),
        ((1, 20, 20), {"R": 1}, "at least 3 frames"),
        ((16, 20, 6), {}, "16 x 20 x 6"),
        ((16, 13, 30), {}, "cannot be cut into 8 blocks"),
        ((16, 30, 30), {"R": 0}, "R is 0"),
        ((16, 30, 30), {"R": 1.5}, "R is 1.5"),
        ((16, 30, 30), {"P": 6}, "P is 6"),
        ((16, 30, 30), {"P": 8.0}, "P is 8.0"),
        ((30, 30), {}, "shape"),
    ],
)
def test_bad_input_is_named(shape, parameters, words):
    with pytest.raises(UserError, match=words):
        lbp_top(np.zeros(shape), **parameters)


def test_nan_is_refused():
    clip = np.zeros((16, 30, 30))
    clip[3, 4, 5] = np.nan
    with pytest.raises(UserError, match="NaN"):
        lbp_top(clip)


def test_class_is_the_function_with_its_parameters():
    descriptor = LBPTOP(R=1, P=4, grids=[1, 2])
    assert np.array_equal(descriptor.extract(CLIPS["v32"]), lbp_top(CLIPS["v32"], 1, 4, (1, 2)))
    assert descriptor.label == "LBP-TOP(R1P4)"
    assert descriptor.parameters() == {"R": 1, "P": 4, "grids": [1, 2], "cut": "round"}
