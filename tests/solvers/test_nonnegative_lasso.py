import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.solvers.nonnegative_lasso import (
    DesignProducts,
    nonnegative_lasso,
    ratio_penalties,
)
from tests.methods.oracles import arrays


def solve(D, y, kind, z):
    """Solve one problem by SLEP's parameters; return w and the weight of |w|_1."""
    products = DesignProducts.of(np.ascontiguousarray(D.T)[None], y)
    weight = np.array([z])
    penalty = ratio_penalties(products, weight) if kind == "ratio" else 2 * weight
    w, converged = nonnegative_lasso(products, penalty)
    assert converged.all()
    np.testing.assert_allclose(products.squared_error(w), [np.sum((y - D @ w[0]) ** 2)], rtol=1e-9)
    return w[0], penalty[0]


@pytest.mark.parametrize("kind", ["ratio", "abs"])
@pytest.mark.parametrize("letter", ["B", "D"])
def test_slep_after_5000_iterations_and_a_second_active_set_method(letter, kind):
    slep = arrays("slep")
    D, y = slep[f"{letter}_D"], slep[f"{letter}_y"]
    for i, z in enumerate(slep[f"{letter}_z"]):
        w, penalty = solve(D, y, kind, z)
        np.testing.assert_allclose(w, slep[f"{letter}_{kind}_exact"][i], atol=1e-10)
        theirs = slep[f"{letter}_{kind}_5000"][i]
        np.testing.assert_allclose(w, theirs, atol=2e-4)
        ours, other = (np.sum((y - D @ v) ** 2) + penalty * v.sum() for v in (w, theirs))
        np.testing.assert_allclose(ours, other, rtol=1e-8)
        assert ours <= other * (1 + 1e-13)
        if kind == "ratio":  # SLEP's objective has half the squared error
            assert ours / 2 == pytest.approx(slep[f"{letter}_ratio_objective_5000"][i], rel=1e-8)


@pytest.mark.parametrize("letter", ["B", "D"])
def test_slep_after_100_iterations_is_above_the_optimum(letter):
    slep = arrays("slep")
    D, y = slep[f"{letter}_D"], slep[f"{letter}_y"]
    for z, theirs in zip(slep[f"{letter}_z"], slep[f"{letter}_ratio_100"], strict=True):
        w, penalty = solve(D, y, "ratio", z)
        np.testing.assert_allclose(w, theirs, atol=0.11)
        ours, other = (np.sum((y - D @ v) ** 2) + penalty * v.sum() for v in (w, theirs))
        assert ours < other


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.01, 2), st.floats(1e-3, 1e3))
def test_a_ratio_below_one_selects_something_at_any_scale(seed, ratio, scale):
    rng = np.random.default_rng(seed)
    D, y = scale * rng.normal(size=(12, 6)), rng.normal(size=12)
    if (D.T @ y).max() <= 0:
        return
    w, _ = solve(D, y, "ratio", ratio)
    assert w.any() == (ratio < 1)


def test_the_penalty_is_that_of_the_whole_squared_error():
    # |1 - w|^2 + a w has its minimum at 1 - a / 2.
    w, _ = solve(np.ones((1, 1)), np.ones(1), "abs", 0.25)
    np.testing.assert_allclose(w, [0.75])


def test_where_nothing_correlates_the_ratio_rule_gives_no_penalty_and_w_is_zero():
    w, penalty = solve(-np.ones((2, 3)), np.ones(2), "ratio", 0.5)
    assert penalty == 0
    assert not w.any()
