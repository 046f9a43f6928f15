"""Compiled loops against the NumPy forms, bit for bit, and in few seconds."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cdmer_bench.compiled import compiled_available
from cdmer_bench.descriptors import higo_top, hog_top, lbp_sip, lbp_top, lpq_top
from cdmer_bench.descriptors.lbp_top import bilinear, lbp_top_codes

pytestmark = pytest.mark.skipif(not compiled_available(), reason="numba is not there")

GRIDS = (1, 2, 3)
DESCRIBE = {
    **{f"LBP-TOP(R{R}P{P})": (lbp_top, {"R": R, "P": P}) for R in (1, 2, 3, 4) for P in (4, 8)},
    **{f"LBP-SIP(R{R}) {t}": (lbp_sip, {"R": R, "ties": t})
       for R in (1, 3) for t in ("one", "zero")},
    **{f"LPQ-TOP({d}) {m}": (lpq_top, {"decorr": d, "block_mode": m})
       for d in (0, 0.1, 0.7) for m in ("crop", "codemap")},
    **{f"HOG-TOP({b})": (hog_top, {"bins": b}) for b in (4, 8)},
    **{f"HIGO-TOP({b}) {z}": (higo_top, {"bins": b, "zero": z})
       for b in (4, 8) for z in ("skip", "vote")},
}  # fmt: skip


def clips():
    rng = np.random.default_rng(0)
    t, y, x = np.meshgrid(*(np.arange(n) for n in (11, 37, 29)), indexing="ij", sparse=True)
    moving = 128 + 60 * np.sin(0.3 * y + 0.2 * x + 0.4 * t) + rng.normal(0, 3, (11, 37, 29))
    return {
        "noise": rng.normal(128, 40, (12, 31, 40)),
        "moving": moving,
        "whole levels": np.round(moving),
        "few levels": rng.integers(0, 3, (9, 30, 33)),
        "flat": np.full((9, 30, 30), 77.0),
        "halves": np.where(x + 0 * (t + y) > 14, 200.0, 40.0),
    }


@pytest.fixture
def without_numba(monkeypatch):
    def call(function, *arguments, **parameters):
        with monkeypatch.context() as context:
            context.setenv("CDMER_NO_NUMBA", "1")
            assert not compiled_available()
            return function(*arguments, **parameters)

    return call


@pytest.mark.parametrize("name", DESCRIBE)
def test_histograms_are_those_of_numpy_to_the_last_bit(name, without_numba):
    describe, parameters = DESCRIBE[name]
    for kind, clip in clips().items():
        expected = without_numba(describe, clip, grids=GRIDS, **parameters)
        found = describe(clip, grids=GRIDS, **parameters)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected), kind


@settings(max_examples=40)
@given(
    clip=arrays(np.int8, st.tuples(*(st.integers(7, 12) for _ in range(3)))),
    name=st.sampled_from([n for n in DESCRIBE if "R4" not in n and "LPQ" not in n]),
)
def test_any_small_clip(clip, name):
    describe, parameters = DESCRIBE[name]
    with pytest.MonkeyPatch.context() as context:
        context.setenv("CDMER_NO_NUMBA", "1")
        expected = describe(clip, grids=(1,), **parameters)
    assert np.array_equal(describe(clip, grids=(1,), **parameters), expected)


def test_diagonal_points_are_bilinear_values():
    """The fast form of the interpolated points against the textbook's."""
    clip = np.random.default_rng(1).normal(128, 40, (7, 9, 11))
    for R in (1, 2, 3):
        codes = lbp_top_codes(clip, R, 8)
        d = R / sqrt(2)
        for plane, (row, column) in enumerate(((1, 2), (0, 2), (0, 1))):
            for index in np.ndindex(codes[plane].shape):
                at = np.array(index) + R
                image = clip.transpose(3 - row - column, row, column)[at[3 - row - column]]
                r, c = at[row], at[column]
                for bit, (up, right) in zip((1, 3, 5, 7), ((1, 1), (1, -1), (-1, -1), (-1, 1)),
                                            strict=True):  # fmt: skip
                    value = bilinear(image, r - up * d, c + right * d)
                    assert (value >= image[r, c]) == bool(codes[plane][index] >> bit & 1)
