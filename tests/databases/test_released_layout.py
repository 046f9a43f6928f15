import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.databases import from_released_layout, to_released_layout
from cdmer_bench.errors import UserError


def position(grids, n_planes, n_bins, grid_index, plane, column, row, bin_):
    """Index in a released vector, counted by walking the loops that the authors' layout has."""
    index = 0
    for g, grid in enumerate(grids):
        for p in range(n_planes):
            for x in range(grid):
                for y in range(grid):
                    for b in range(n_bins):
                        if (g, p, x, y, b) == (grid_index, plane, column, row, bin_):
                            return index
                        index += 1
    raise AssertionError


@pytest.mark.parametrize(
    ("grid_index", "plane", "column", "row", "bin_"),
    [(0, 0, 0, 0, 0), (1, 1, 1, 0, 3), (2, 2, 2, 0, 4), (2, 0, 0, 2, 1), (2, 2, 2, 2, 4)],
)
def test_block_of_a_released_value_is_where_the_loops_put_it(grid_index, plane, column, row, bin_):
    grids, n_planes, n_bins = (1, 2, 3), 3, 5
    flat = np.arange(14 * 15, dtype=float)[np.newaxis]
    X = from_released_layout(flat, grids, n_planes)
    block = sum(g * g for g in grids[:grid_index]) + column * grids[grid_index] + row
    expected = position(grids, n_planes, n_bins, grid_index, plane, column, row, bin_)
    assert X[0, block, plane, bin_] == expected


@given(
    grids=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    n_planes=st.integers(1, 4),
    n_bins=st.integers(1, 7),
    n_samples=st.integers(0, 3),
)
def test_the_two_conversions_are_exact_inverses(grids, n_planes, n_bins, n_samples):
    n_blocks = sum(g * g for g in grids)
    flat = np.random.default_rng(0).normal(size=(n_samples, n_blocks * n_planes * n_bins))
    X = from_released_layout(flat, grids, n_planes)
    assert X.shape == (n_samples, n_blocks, n_planes, n_bins)
    assert np.array_equal(to_released_layout(X, grids), flat)
    assert np.array_equal(from_released_layout(to_released_layout(X, grids), grids, n_planes), X)


def test_one_plane_keeps_blocks_whole():
    flat = np.arange(10.0).reshape(1, 10)
    assert np.array_equal(from_released_layout(flat, (1, 2), 1)[0, :, 0], flat.reshape(5, 2))
    assert np.array_equal(to_released_layout(flat.reshape(1, 5, 2), (1, 2)), flat)


def test_one_clip_is_converted_as_one_of_many():
    flat = np.random.default_rng(2).random((2, 15045))
    X = from_released_layout(flat)
    assert np.array_equal(from_released_layout(flat[1]), X[1])
    assert np.array_equal(to_released_layout(X[1]), flat[1])
    # As many clips as blocks, each of one plane, are no single clip.
    assert to_released_layout(np.zeros((85, 85, 20))).shape == (85, 1700)


@pytest.mark.parametrize("width", [0, 15044])
def test_a_width_that_does_not_divide_is_named(width):
    with pytest.raises(UserError, match=rf"width of {width} is not a multiple of 85 blocks"):
        from_released_layout(np.zeros((2, width)))


def test_wrong_number_of_blocks_is_named():
    with pytest.raises(UserError, match=r"\(2, 30, 3, 59\), expected \(n_samples, 85"):
        to_released_layout(np.zeros((2, 30, 3, 59)))


@pytest.mark.parametrize("grids", [(), None, 4, (1, 2.5), (0,), "12"])
def test_grids_that_are_none_are_named(grids):
    for convert, features in ((from_released_layout, np.zeros((2, 15045))),
                              (to_released_layout, np.zeros((2, 85, 3, 59)))):  # fmt: skip
        with pytest.raises(UserError, match="grid"):
            convert(features, grids)


def test_grids_may_be_an_array():
    flat = np.random.default_rng(1).random((2, 15045))
    X = from_released_layout(flat, np.array([1, 2, 4, 8]))
    assert np.array_equal(to_released_layout(X, np.array([1, 2, 4, 8])), flat)
