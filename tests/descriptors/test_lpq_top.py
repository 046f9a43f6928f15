"""LPQ-TOP against slow code, Octave and a second formulation by convolution."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from cdmer_bench.descriptors import LPQTOP, lpq_top
from cdmer_bench.descriptors.lpq_top import (
    canonical_signs,
    filter_bank,
    lpq_top_codes,
    whitening,
    window_covariance,
)
from cdmer_bench.errors import UserError

DATA = Path(__file__).parents[1] / "data/descriptors"
CLIPS = np.load(DATA / "inputs.npz")
ORACLE = np.load(DATA / "lpqtop.npz")
DECORR = {"d0": 0.0, "d01": 0.1}
# The oracle's axes: xy (t, y, x), yt (y, t, x), xt (x, t, y).
TO_TYX = {"xy": (0, 1, 2), "yt": (1, 0, 2), "xt": (1, 2, 0)}
cases = pytest.mark.parametrize("clip", ["v32", "vties"])
settings_ = pytest.mark.parametrize("setting", ["d0", "d01"])


@cases
@settings_
@pytest.mark.parametrize("plane", ["xy", "yt", "xt"])
def test_codes_equal_the_slow_code(clip, setting, plane):
    got = lpq_top_codes(CLIPS[clip], DECORR[setting])[["xy", "yt", "xt"].index(plane)]
    expected = ORACLE[f"{clip}_{setting}_code_{plane}"].transpose(TO_TYX[plane])
    assert np.array_equal(got, expected)


@cases
@settings_
def test_histograms_equal_the_slow_code(clip, setting):
    got = lpq_top(CLIPS[clip], DECORR[setting], grids=(1,)).ravel()
    np.testing.assert_allclose(got, ORACLE[f"{clip}_{setting}_hist"], rtol=0, atol=1e-15)


@cases
def test_histograms_equal_the_public_code_without_decorrelation(clip):
    got = lpq_top(CLIPS[clip], 0, grids=(1,)).ravel()
    # The public code decides responses of exactly 0 by rounding noise.
    tolerance = {"v32": 1e-4, "vties": 2e-3}[clip]
    np.testing.assert_allclose(got, ORACLE[f"{clip}_d0_hist_octave"], rtol=0, atol=tolerance)


@cases
def test_histograms_equal_the_public_code_after_undoing_its_signs(clip):
    got = lpq_top(CLIPS[clip], 0.1, grids=(1,))[0]
    octave = ORACLE[f"{clip}_d01_hist_octave"].reshape(3, 256)
    for plane, name in enumerate(["V_xy", "V_st", "V_st"]):
        signs = np.sign(np.sum(whitening(0.1, plane > 0) * ORACLE[f"{name}_octave"], axis=0))
        mask = sum(1 << bit for bit in range(8) if signs[bit] < 0)
        expected = octave[plane][np.arange(256) ^ mask]
        # One code of vties is decided by rounding noise in the public code: 1 in 4840.
        np.testing.assert_allclose(got[plane], expected, rtol=0, atol=2.1e-4)


@pytest.mark.parametrize(("plane", "temporal"), [("xy", False), ("st", True)])
def test_covariance_and_whitening_equal_the_reference(plane, temporal):
    M = filter_bank().reshape(8, 25)
    covariance = M @ window_covariance(0.1, temporal) @ M.T
    np.testing.assert_allclose(covariance, ORACLE[f"D_{plane}"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(whitening(0.1, temporal), ORACLE[f"V_{plane}"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "temporal"), [("V_xy_octave", False), ("V_st_octave", True), ("V_st3_octave", True)]
)
def test_whitening_equals_that_of_the_public_code_up_to_signs(name, temporal):
    np.testing.assert_allclose(
        whitening(0.1, temporal), canonical_signs(ORACLE[name]), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("temporal", [False, True])
def test_whitening_does_not_depend_on_the_signs_that_lapack_returns(monkeypatch, temporal):
    expected = whitening(0.1, temporal)
    real = np.linalg.svd
    for flipped in ([1, -1, 1, -1, -1, 1, 1, -1], [-1] * 8):

        def svd(matrix, flipped=np.array(flipped)):
            U, s, Vh = real(matrix)
            return U * flipped, s, flipped[:, None] * Vh

        monkeypatch.setattr(np.linalg, "svd", svd)
        assert np.array_equal(whitening(0.1, temporal), expected)


def test_canonical_sign_is_that_of_the_first_large_entry():
    V = np.array([[0.1, -0.4], [-0.9, 0.5], [0.9, 0.6]])
    assert canonical_signs(V).tolist() == [[-0.1, 0.4], [0.9, -0.5], [-0.9, -0.6]]


def slow_plane(image, decorr, temporal):
    """Codes of one image by complex convolutions, then the transform."""
    x = np.arange(-2, 3)
    w0, w1 = np.ones(5), np.exp(-2j * np.pi * x / 5)
    pairs = [(w0, w1), (w1, w0), (w1, w1), (w1, w1.conj())]
    parts = []
    for rows, columns in pairs:
        response = convolve2d(image, np.outer(rows, columns), mode="valid")
        parts += [response.real, response.imag]
    decorrelated = np.tensordot(whitening(decorr, temporal).T, np.array(parts), axes=1)
    return sum((part >= -1e-6).astype(int) << bit for bit, part in enumerate(decorrelated))


@pytest.mark.parametrize("decorr", [0, 0.1, 0.3])
def test_codes_equal_convolutions_of_each_slice(decorr):
    clip = np.random.default_rng(5).normal(100, 30, (7, 9, 11))
    xy, yt, xt = lpq_top_codes(clip, decorr)
    for t in range(7):
        assert np.array_equal(xy[t], slow_plane(clip[t], decorr, False))
    for x in range(11):  # rows y, columns t
        assert np.array_equal(yt[:, :, x].T, slow_plane(clip[:, :, x].T, decorr, True))
    for y in range(9):  # rows x, columns t
        assert np.array_equal(xt[:, y].T, slow_plane(clip[:, y].T, decorr, True))


def test_a_long_slice_is_cut_for_the_products_without_a_seam():
    clip = np.random.default_rng(6).normal(100, 30, (6, 60, 50))  # 56 x 50 > 1280 positions
    assert np.array_equal(lpq_top_codes(clip, 0.1)[1][:, 20:30], lpq_top_codes(clip[:, 20:34])[1])


@pytest.mark.parametrize("decorr", [0, 0.1])
def test_cropped_blocks_equal_the_descriptor_of_each_crop(decorr):
    clip = CLIPS["v32"]
    got = lpq_top(clip, decorr, grids=(1, 2, 4))
    crops = [clip]
    for g in (2, 4):
        n = 32 // g
        crops += [
            clip[:, n * row : n * row + n, n * column : n * column + n]
            for column in range(g)
            for row in range(g)
        ]
    for block, crop in zip(got, crops, strict=True):
        np.testing.assert_allclose(block, lpq_top(crop, decorr, grids=(1,))[0], atol=1e-15)


def test_cutting_the_code_map_is_an_option():
    clip = CLIPS["v32"]
    got = lpq_top(clip, 0, grids=(2,), block_mode="codemap")
    xy, yt, _ = lpq_top_codes(clip, 0)
    second = np.bincount(xy[:, 14:, :14].ravel(), minlength=256) / (16 * 14 * 14)
    np.testing.assert_allclose(got[1, 0], second, atol=1e-15)
    third = np.bincount(yt[:, :14, 16:].ravel(), minlength=256) / (12 * 14 * 16)
    np.testing.assert_allclose(got[2, 1], third, atol=1e-15)


@pytest.mark.parametrize("decorr", [0, 0.1])
def test_a_flat_clip_has_code_255(decorr):
    got = lpq_top(np.full((6, 12, 12), 131.7), decorr, grids=(1, 2))
    assert (got[:, :, 255] == 1).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(-200, 200), st.integers(1, 5))
def test_codes_without_decorrelation_do_not_depend_on_brightness_and_contrast(seed, shift, gain):
    clip = np.random.default_rng(seed).integers(0, 20, (6, 8, 9)).astype(float)
    for a, b in zip(lpq_top_codes(clip, 0), lpq_top_codes(gain * clip + shift, 0), strict=True):
        assert np.array_equal(a, b)


def test_shape_and_sums():
    got = lpq_top(np.random.default_rng(0).normal(size=(16, 56, 48)))
    assert got.shape == (85, 3, 256)
    np.testing.assert_allclose(got.sum(axis=2), 1, atol=1e-13)


@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ((4, 40, 40), {}, "at least 5 frames"),
        ((16, 32, 64), {}, "blocks 4 high"),
        ((16, 64, 32), {}, "blocks 4 wide"),
        ((16, 64, 64), {"decorr": 1}, "decorr is 1"),
        ((16, 64, 64), {"decorr": "0.1"}, "decorr is '0.1'"),
        ((16, 64, 64), {"block_mode": "tile"}, "block_mode"),
    ],
)
def test_bad_input_is_named(shape, parameters, words):
    with pytest.raises(UserError, match=words):
        lpq_top(np.zeros(shape), **parameters)


def test_class_is_the_function_with_its_parameters():
    descriptor = LPQTOP(decorr=0, grids=[1], block_mode="codemap")
    expected = lpq_top(CLIPS["v32"], 0, (1,), block_mode="codemap")
    assert np.array_equal(descriptor.extract(CLIPS["v32"]), expected)
    assert descriptor.label == "LPQ-TOP(decorr=0)"
    assert LPQTOP().label == "LPQ-TOP(decorr=0.1)"
