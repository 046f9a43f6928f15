"""Antialiased bicubic resizing in MATLAB's convention."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import resize
from cdmer_bench.preprocessing.resize import resize_frames, resize_matrix

ORACLE = np.load(Path(__file__).parents[1] / "data/descriptors/resize.npz")


def test_equals_the_reference():
    got = resize(ORACLE["input"], (112, 112))
    np.testing.assert_allclose(got, ORACLE["matlab_convention"], rtol=0, atol=1e-9)


def test_interior_equals_pillow():
    frame = ORACLE["input"].astype(np.float32)
    pillow = np.asarray(Image.fromarray(frame).resize((112, 112), Image.Resampling.BICUBIC))
    inner = slice(4, -4)
    np.testing.assert_allclose(
        resize(frame, (112, 112))[inner, inner], pillow[inner, inner], atol=1e-3
    )


def test_enlarging_by_two_has_the_textbook_weights():
    # Keys' kernel at distances 1.75, 0.75, 0.25, 1.25 for the outputs a quarter off the centre.
    weights = resize_matrix(8, 16)[6, 1:5]
    np.testing.assert_allclose(weights, [-0.0234375, 0.2265625, 0.8671875, -0.0703125])


def test_the_border_is_mirrored():
    # A row padded with its own mirror image gives the same values in its middle.
    row = np.random.default_rng(0).normal(size=10)
    padded = np.concatenate([row[::-1], row, row[::-1]])
    np.testing.assert_allclose(
        resize_matrix(10, 5) @ row, (resize_matrix(30, 15) @ padded)[5:10], atol=1e-12
    )


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(1, 60))
def test_rows_sum_to_one_and_mirror(n_given, n_wanted):
    matrix = resize_matrix(n_given, n_wanted)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-9)


def test_same_size_is_an_exact_copy():
    frame = np.random.default_rng(1).normal(size=(9, 7))
    got = resize(frame, (9, 7))
    assert np.array_equal(got, frame)
    got[0, 0] = 99
    assert frame[0, 0] != 99


def test_a_clip_is_resized_as_its_frames():
    frames = np.random.default_rng(2).integers(0, 256, (3, 40, 50)).astype(float)
    together = resize_frames(frames, (28, 28))
    for frame, got in zip(frames, together, strict=True):
        np.testing.assert_allclose(got, resize(frame, (28, 28)), atol=1e-11)


@pytest.mark.parametrize(
    ("frame", "shape", "words"),
    [
        (np.zeros((2, 3, 4)), (5, 5), "rows, columns"),
        (np.zeros((4, 4)), (0, 5), "rows is 0"),
        (np.zeros((4, 4)), 5, "frame shape"),
        (np.zeros((4, 4)), (5, 2.5), "columns is 2.5"),
        (np.full((4, 4), np.inf), (5, 5), "the frame holds NaN or infinite"),
        (np.zeros((4, 0)), (5, 5), r"shape \(4, 0\), expected \(rows, columns\)"),
        ([[1, 2], [3]], (5, 5), "different lengths"),
        (np.full((4, 4), None), (5, 5), "the frame holds object values"),
        (np.zeros((4, 4)), None, "frame shape is None"),
    ],
)
def test_bad_input_is_named(frame, shape, words):
    with pytest.raises(UserError, match=words):
        resize(frame, shape)
