"""The budget curve against every subset of a small grid."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.statistics import budget_curve

grids = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(grids)
def test_equals_the_mean_over_all_subsets(scores):
    expected = [
        np.mean([max(part) for part in itertools.combinations(scores, m)])
        for m in range(1, len(scores) + 1)
    ]
    assert budget_curve(scores) == pytest.approx(expected, abs=1e-12)


def test_large_grid_is_exact():
    n, m = 3000, 700
    expected = sum(Fraction(i, n) * Fraction(comb(i - 1, m - 1), comb(n, m)) for i in (3000, 2999))
    spikes = np.where(np.arange(1, n + 1) >= 2999, np.arange(1, n + 1) / n, 0.0)
    assert budget_curve(spikes, [m])[0] == pytest.approx(float(expected), rel=1e-12)


@given(grids)
def test_rises_from_the_mean_to_the_maximum(scores):
    curve = budget_curve(scores)
    assert curve[0] == pytest.approx(np.mean(scores))
    assert curve[-1] == pytest.approx(max(scores))
    assert (np.diff(curve) >= -1e-12).all()


@pytest.mark.parametrize(("scores", "budgets"), [([], None), ([0.5], [2]), ([0.5], [0])])
def test_impossible_budget_is_named(scores, budgets):
    with pytest.raises(UserError, match="between 1 and"):
        budget_curve(scores, budgets)
