"""LBP-SIP against slow loops, and its choices."""

from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.descriptors import LBPSIP, lbp_sip
from cdmer_bench.descriptors.lbp_sip import lbp_sip_codes
from cdmer_bench.errors import UserError

DATA = Path(__file__).parents[1] / "data/descriptors"
CLIPS = np.load(DATA / "inputs.npz")
ORACLE = np.load(DATA / "lbpsip.npz")


@pytest.mark.parametrize("key", [k for k in ORACLE.files if "hist" not in k])
def test_codes_equal_slow_loops(key):
    clip, radius, part = key.split("_")
    assert np.array_equal(
        lbp_sip_codes(CLIPS[clip], int(radius[1:]))["sq".index(part)], ORACLE[key]
    )


@pytest.mark.parametrize("key", [k for k in ORACLE.files if "hist" in k])
def test_histograms_equal_slow_loops(key):
    clip, radius, _, grid = key.split("_")
    got = lbp_sip(CLIPS[clip], int(radius[1:]), grids=(int(grid[1:]),))
    np.testing.assert_allclose(got, ORACLE[key], rtol=0, atol=1e-15)


def neighbours(R):
    """Offsets (t, y, x) in the order of the bits."""
    return [(0, 0, R), (0, -R, 0), (0, 0, -R), (0, R, 0), (R, 0, 0), (-R, 0, 0)]


@pytest.mark.parametrize("ties", ["one", "zero"])
def test_ties_count_as_asked(ties):
    clip = CLIPS["vties"].astype(float)
    spatial, temporal = lbp_sip_codes(clip, 2, ties=ties)
    both = spatial + 16 * temporal.astype(int)
    centre = clip[2:-2, 2:-2, 2:-2]
    expected = np.zeros(centre.shape, int)
    for bit, shift in enumerate(neighbours(2)):
        around = clip[
            tuple(slice(2 + s, n - 2 + s) for s, n in zip(shift, clip.shape, strict=True))
        ]
        expected += (around >= centre if ties == "one" else around > centre) << bit
    assert np.array_equal(both, expected)
    assert (expected != 0).any()


def test_the_two_parts_each_sum_to_one():
    got = lbp_sip(CLIPS["v32"], 3)
    assert got.shape == (85, 20)
    np.testing.assert_allclose(got[:, :16].sum(axis=1), 1, atol=1e-14)
    np.testing.assert_allclose(got[:, 16:].sum(axis=1), 1, atol=1e-14)


def test_flat_clip():
    flat = np.full((5, 10, 10), 17.3)
    assert lbp_sip(flat, grids=(1,))[0].nonzero()[0].tolist() == [15, 19]
    assert lbp_sip(flat, grids=(1,), ties="zero")[0].nonzero()[0].tolist() == [0, 16]


@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ((2, 20, 20), {}, "at least 3 frames"),
        ((6, 20, 20), {"R": 3}, "at least 7 frames"),
        ((9, 20, 20), {"ties": "half"}, "ties is 'half'"),
        ((9, 20, 20), {"R": -1}, "R is -1"),
        ((9, 9, 20), {}, "cannot be cut"),
    ],
)
def test_bad_input_is_named(shape, parameters, words):
    with pytest.raises(UserError, match=words):
        lbp_sip(np.zeros(shape), **parameters)


def test_class_gives_one_plane():
    descriptor = LBPSIP(R=3)
    got = descriptor.extract(CLIPS["v32"])
    assert got.shape == (85, 1, 20)
    assert np.array_equal(got[:, 0], lbp_sip(CLIPS["v32"], 3))
    assert descriptor.label == "LBP-SIP(R3)"
