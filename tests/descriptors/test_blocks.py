"""Cutting code maps into blocks and pooling histograms."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdmer_bench.descriptors.blocks import (
    block_histograms,
    block_layout,
    cut_axis,
    normalised,
    tiling,
)
from cdmer_bench.errors import UserError

# Bins of every voxel, and histograms of the blocks, from one run of public code in Octave.
OCTAVE = np.load(Path(__file__).parents[1] / "data/descriptors/lbptop_octave.npz")


def lengths(size, n, cut="round"):
    return [end - start for start, end in cut_axis(size, n, cut)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (106, {1: [106], 2: [53] * 2, 4: [27] * 3 + [25], 8: [13] * 7 + [15]}),
        (110, {1: [110], 2: [55] * 2, 4: [28] * 3 + [26], 8: [14] * 7 + [12]}),
    ],
)
def test_cuts_are_those_of_the_released_features(size, expected):
    # The only sizes that make every released histogram times its voxel count whole.
    assert {n: lengths(size, n) for n in expected} == expected


def test_the_other_public_rule_gives_other_blocks():
    assert lengths(106, 8, "ceil") == [14] * 7 + [8]


@example(2, 3, "round")  # two runs would leave nothing for the third
@example(4, 3, "ceil")
@given(st.integers(1, 200), st.integers(1, 12), st.sampled_from(["round", "ceil"]))
def test_a_cut_covers_the_axis_or_is_refused(size, n, cut):
    try:
        runs = cut_axis(size, n, cut)
    except UserError:
        step = np.floor(size / n + 0.5) if cut == "round" else np.ceil(size / n)
        assert step == 0 or (n - 1) * step >= size
        return
    positions = [p for start, end in runs for p in range(start, end)]
    assert positions == list(range(size))
    assert all(end > start for start, end in runs)


@given(
    st.integers(8, 30),
    st.integers(8, 30),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_pooled_histograms_equal_direct_counts(height, width, grids, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, (3, height, width)).astype(np.uint8)
    weights = rng.random(codes.shape)
    layout = tiling((height, width), grids)
    counts = block_histograms(codes, 5, layout)
    sums = block_histograms(codes, 5, layout, weights=weights)
    block = 0
    for g in grids:
        for left, right in cut_axis(width, g):  # column-major: rows change fastest
            for top, bottom in cut_axis(height, g):
                area = np.s_[:, top:bottom, left:right]
                assert counts[block].tolist() == np.bincount(codes[area].ravel(), None, 5).tolist()
                expected = np.bincount(codes[area].ravel(), weights[area].ravel(), 5)
                np.testing.assert_allclose(sums[block], expected, atol=1e-12)
                block += 1
    assert block == len(counts)


@pytest.mark.parametrize("key", [k for k in OCTAVE.files if k.endswith(("round", "ceil"))])
def test_blocks_equal_those_of_the_public_code_in_octave(key):
    clip, setting, grid, cut = key.split("_")
    expected = OCTAVE[key]
    for plane, name in enumerate(("xy", "xt", "yt")):
        bins = OCTAVE[f"{clip}_{setting}_flbp_u2map_{name}"]
        layout = tiling(bins.shape[1:], (int(grid[1:]),), cut)
        got = normalised(block_histograms(bins, expected.shape[2], layout))
        np.testing.assert_allclose(got, expected[:, plane], rtol=0, atol=1e-15)


def test_blocks_may_leave_gaps():
    codes = np.arange(10)[None, None].repeat(2, axis=1)
    layout = block_layout((2, 10), (((0, 2),),) * 2, (((1, 9),), ((0, 3), (5, 10))))
    counts = block_histograms(codes, 10, layout)
    held = [np.flatnonzero(row).tolist() for row in counts]
    assert held == [list(range(1, 9)), [0, 1, 2], [5, 6, 7, 8, 9]]


def test_bins_are_looked_up():
    layout = tiling((1, 4), (1,))
    codes = np.array([[[0, 3, 3, 1]]], dtype=np.uint8)
    assert block_histograms(codes, 2, layout, bins=np.array([0, 1, 1, 1])).tolist() == [[1, 3]]


def test_a_histogram_without_votes_stays_zero():
    counts = np.array([[0.0, 0.0], [1.0, 3.0], [0.125, 0.125]])
    assert normalised(counts).tolist() == [[0, 0], [0.25, 0.75], [0.5, 0.5]]


@pytest.mark.parametrize("grids", [(), "12", 4, (0,), (2.5,), (True,)])
def test_wrong_grids_are_refused(grids):
    with pytest.raises(UserError, match="grid"):
        tiling((20, 20), grids)


def test_wrong_cut_is_refused():
    with pytest.raises(UserError, match="cut is 'floor'"):
        cut_axis(20, 2, "floor")
