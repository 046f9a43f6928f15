import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.solvers.active_set_lasso import active_set_lasso


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


@settings(max_examples=120, deadline=None, derandomize=True)
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


@settings(max_examples=40, deadline=None, derandomize=True)
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
