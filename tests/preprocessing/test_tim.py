"""TIM against the Oulu code run in Octave, and what the interpolation must keep."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import tim
from cdmer_bench.preprocessing.tim import tim_matrix

ORACLE = np.load(Path(__file__).parents[1] / "data/descriptors/tim.npz")
CASES = [name for name in ORACLE.files if name != "input"]
lengths = st.integers(1, 40)


@pytest.mark.parametrize("case", CASES)
def test_equals_the_reference_code(case):
    n_given, n_frames = (int(part[1:]) for part in case.split("_"))
    got = tim(ORACLE["input"][:n_given], n_frames)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, ORACLE[case], rtol=0, atol=1e-9)


@given(lengths, lengths)
def test_rows_sum_to_one_and_the_ends_are_kept(n_given, n_frames):
    matrix = tim_matrix(n_given, n_frames)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=1e-13)
    assert matrix[0, 0] == 1
    if n_frames > 1:
        assert matrix[-1, -1] == 1


@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 29))
def test_interpolates_the_graph_eigenvectors_exactly(n_given, n_frames, k):
    # The embedding's own curves: cos(pi k (u - 1/2) / N) at u = 1..N gives itself in between.
    def curve(u):
        return np.cos(np.pi * (k % n_given) * (u - 0.5) / n_given)

    given_frames = curve(np.arange(1, n_given + 1))
    wanted = curve(np.linspace(1, n_given, n_frames))
    np.testing.assert_allclose(tim_matrix(n_given, n_frames) @ given_frames, wanted, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_same_number_of_frames_is_the_identity(n):
    levels = np.random.default_rng(n).integers(0, 256, (n, 3, 4))
    assert np.array_equal(tim(levels, n), levels)
    np.testing.assert_allclose(tim(levels + 0.3, n), levels + 0.3, rtol=0, atol=1e-13)


def test_one_frame_is_repeated():
    frame = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert np.array_equal(tim(frame, 5), np.repeat(frame, 5, axis=0))


def test_a_pixel_constant_in_time_stays_exactly_constant():
    frames = np.random.default_rng(0).normal(100, 30, (23, 4, 5))
    frames[:, 1, 2] = 93.1
    assert (tim(frames, 16)[:, 1, 2] == 93.1).all()


def test_reversed_clip_gives_the_reversed_result():
    frames = np.random.default_rng(1).normal(100, 30, (11, 4, 5))
    np.testing.assert_allclose(tim(frames[::-1], 16), tim(frames, 16)[::-1], atol=1e-11)


def test_duplicate_frames_are_no_special_case():
    frames = np.repeat(np.random.default_rng(2).integers(0, 256, (5, 6, 6)), 3, axis=0)
    got = tim(frames, 16)
    nudged = tim(frames + np.random.default_rng(3).normal(0, 1e-8, frames.shape), 16)
    np.testing.assert_allclose(got, nudged, atol=1e-6)


@pytest.mark.parametrize(
    ("frames", "n_frames", "words"),
    [
        (np.zeros((4, 5)), 16, "shape"),
        (np.zeros((0, 5, 5)), 16, "at least"),
        (np.full((3, 2, 2), np.nan), 16, "NaN"),
        (np.zeros((3, 2, 2)), 0, "n_frames"),
        (np.zeros((3, 2, 2)), 2.5, "n_frames"),
        ([["a"]], 3, "numbers"),
    ],
)
def test_bad_input_is_named(frames, n_frames, words):
    with pytest.raises(UserError, match=words):
        tim(frames, n_frames)


def test_of_one_frame_wanted_the_first_is_taken():
    clip = np.random.default_rng(0).normal(size=(5, 2, 3))
    np.testing.assert_array_equal(tim(clip, 1), clip[:1])
