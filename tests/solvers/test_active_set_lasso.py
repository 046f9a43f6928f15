import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.solvers.active_set_lasso import active_set_lasso
from cdmer_bench.solvers.region_selection import DesignProducts, nonnegative_lasso, ratio_penalties
from tests.methods.oracles import arrays


def objective(D, y, x, penalty):
    return 0.5 * np.sum((y - D @ x) ** 2) + penalty * np.abs(x).sum()


def assert_optimal(D, y, x, penalty, nonnegative):
    """Check the optimality conditions from the design itself, not from the Gram matrix."""
    gradient = D.T @ (y - D @ x)
    slack = 1e-8 * max(np.abs(D.T @ y).max(), 1e-300)
    active = x != 0
    np.testing.assert_allclose(gradient[active], penalty * np.sign(x[active]), atol=slack)
    assert (gradient <= penalty + slack).all()
    if nonnegative:
        assert (x >= 0).all()
    else:
        assert (gradient >= -penalty - slack).all()


def random_design(seed, m, k, kind):
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(m, k))
    if kind == "duplicates":
        D = D[:, rng.integers(0, max(k // 2, 1), size=k)]
    elif kind == "dependent":
        D = D[:, : max(k // 2, 1)] @ rng.normal(size=(max(k // 2, 1), k))
    elif kind == "correlated":
        D = D + 30
    elif kind == "parallel":
        D = D[:, :1] + 1e-8 * D
    return D, 3 * rng.normal(size=m)


@settings(max_examples=120)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 25),
    k=st.integers(1, 40),
    kind=st.sampled_from(["plain", "duplicates", "dependent", "correlated", "parallel"]),
    fraction=st.floats(0.001, 1.5),
    nonnegative=st.booleans(),
)
def test_optimality_conditions_hold_for_designs_of_any_rank(
    seed, m, k, kind, fraction, nonnegative
):
    D, y = random_design(seed, m, k, kind)
    penalty = fraction * np.abs(D.T @ y).max()
    found = active_set_lasso(D.T @ D, D.T @ y, penalty, nonnegative=nonnegative)
    assert found.converged
    assert_optimal(D, y, found.x, penalty, nonnegative)
    if fraction > 1:
        assert not found.x.any()


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["plain", "dependent"]),
    nonnegative=st.booleans(),
)
def test_any_start_leads_to_the_same_objective(seed, kind, nonnegative):
    D, y = random_design(seed, 12, 20, kind)
    penalty = 0.05 * np.abs(D.T @ y).max()
    start = np.random.default_rng(seed + 1).normal(size=20)
    start = np.maximum(start, 0) if nonnegative else start
    products = D.T @ D, D.T @ y, penalty
    cold = active_set_lasso(*products, nonnegative=nonnegative)
    warm = active_set_lasso(*products, nonnegative=nonnegative, start=start)
    assert warm.converged
    np.testing.assert_allclose(
        objective(D, y, warm.x, penalty), objective(D, y, cold.x, penalty), rtol=1e-10
    )
    again = active_set_lasso(*products, nonnegative=nonnegative, start=cold.x)
    assert again.n_changes == 0
    np.testing.assert_allclose(again.x, cold.x, atol=1e-12)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_orthonormal_columns_give_soft_thresholding(nonnegative):
    correlation = np.array([3.0, -2.0, 0.5, -0.1, 1.0])
    found = active_set_lasso(np.eye(5), correlation, 0.6, nonnegative=nonnegative)
    expected = [2.4, 0.0 if nonnegative else -1.4, 0.0, 0.0, 0.4]
    np.testing.assert_allclose(found.x, expected, atol=1e-15)


def test_without_penalty_it_is_least_squares():
    rng = np.random.default_rng(5)
    D, y = rng.normal(size=(30, 8)), rng.normal(size=30)
    found = active_set_lasso(D.T @ D, D.T @ y, 0.0)
    np.testing.assert_allclose(found.x, np.linalg.lstsq(D, y, rcond=None)[0], atol=1e-12)


def test_no_variables_and_a_zero_design_give_zero():
    assert active_set_lasso(np.zeros((0, 0)), np.zeros(0), 1.0).x.shape == (0,)
    found = active_set_lasso(np.zeros((3, 3)), np.zeros(3), 0.0, start=np.ones(3))
    assert found.converged


def solve_nonnegative(D, y, kind, z):
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
        w, penalty = solve_nonnegative(D, y, kind, z)
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
        w, penalty = solve_nonnegative(D, y, "ratio", z)
        np.testing.assert_allclose(w, theirs, atol=0.11)
        ours, other = (np.sum((y - D @ v) ** 2) + penalty * v.sum() for v in (w, theirs))
        assert ours < other


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0.01, 2), st.floats(1e-3, 1e3))
def test_a_ratio_below_one_selects_something_at_any_scale(seed, ratio, scale):
    rng = np.random.default_rng(seed)
    D, y = scale * rng.normal(size=(12, 6)), rng.normal(size=12)
    if (D.T @ y).max() <= 0:
        return
    w, _ = solve_nonnegative(D, y, "ratio", ratio)
    assert w.any() == (ratio < 1)


def test_the_penalty_is_that_of_the_whole_squared_error():
    # |1 - w|^2 + a w has its minimum at 1 - a / 2.
    w, _ = solve_nonnegative(np.ones((1, 1)), np.ones(1), "abs", 0.25)
    np.testing.assert_allclose(w, [0.75])


def test_where_nothing_correlates_the_ratio_rule_gives_no_penalty_and_w_is_zero():
    w, penalty = solve_nonnegative(-np.ones((2, 3)), np.ones(2), "ratio", 0.5)
    assert penalty == 0
    assert not w.any()
