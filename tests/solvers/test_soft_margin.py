import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.svm import SVC

from cdmer_bench.solvers.libsvm import train_soft_margin


def problem(seed, n, r, scale, apart):
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    X = scale * (rng.normal(size=(n, r)) + apart * y[:, None] * rng.normal(size=r))
    return X, y, rng.uniform(0.2, 3.0, n)


def objectives(X, y, C, found):
    """The primal objective and the dual one, in the plain way."""
    w = X.T @ found.coefficients
    hinge = np.maximum(0, 1 - y * (X @ w + found.bias))
    return w @ w / 2 + C @ hinge, (found.coefficients * y).sum() - w @ w / 2


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(4, 60),
    r=st.integers(1, 12),
    scale=st.sampled_from([0.1, 1.0, 30.0, 1e3]),
)
def test_the_point_is_feasible_and_its_gap_is_small(seed, n, r, scale):
    X, y, C = problem(seed, n, r, scale, 0.2)
    found = train_soft_margin(X @ X.T, y, C)
    alpha = found.coefficients * y
    assert (alpha >= 0).all()
    assert (alpha <= C).all()
    assert abs(found.coefficients.sum()) <= 1e-6 * (1 / scale**2 + alpha.sum())
    primal, dual = objectives(X, y, C, found)
    assert (primal - dual) / primal == pytest.approx(found.gap, rel=1e-3, abs=1e-9)
    if found.gap > 1e-6:  # only where a plane parts the classes: then LIBSVM is quick
        assert SVC(C=1e6, kernel="linear", max_iter=10**6).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("apart", [0.1, 0.5, 3.0])
def test_decisions_are_those_of_libsvm_at_a_tight_tolerance(apart):
    X, y, C = problem(3, 50, 4, 1.0, apart)
    found = train_soft_margin(X @ X.T, y, C)
    machine = SVC(C=1.0, kernel="precomputed", tol=1e-9).fit(X @ X.T, y, sample_weight=C)
    expected = machine.decision_function(X @ X.T)
    np.testing.assert_allclose(X @ X.T @ found.coefficients + found.bias, expected, atol=1e-4)


def test_equal_samples_of_both_classes_leave_a_constant():
    y = np.array([1.0, -1.0, 1.0, -1.0])
    found = train_soft_margin(np.ones((4, 4)), y, np.ones(4))
    assert found.gap <= 1e-6
    np.testing.assert_allclose(np.ones((4, 4)) @ found.coefficients, 0, atol=1e-6)


@pytest.mark.parametrize("r", [2, 12])
@pytest.mark.parametrize("scale", [30.0, 1e3, 1e6, 1e9])
def test_samples_of_any_size_that_no_plane_parts_are_solved(r, scale):
    """The larger the samples, the less |w| counts: what is left is the least sum of slacks."""
    X, y, C = problem(1, 80, r, 1.0, 0.1)
    gram = scale**2 * (X @ X.T)
    found = train_soft_margin(gram, y, C)
    assert found.gap <= 1e-6
    values = gram @ found.least + found.bias
    # min C'xi subject to y (Xw + b) + xi >= 1, xi >= 0
    sides = np.column_stack([-y[:, None] * X, -y, -np.eye(80)])
    free = [(None, None)] * (r + 1) + [(0, None)] * 80
    cost = np.r_[np.zeros(r + 1), C]
    least = linprog(cost, sides, -np.ones(80), bounds=free).fun
    assert C @ np.maximum(0, 1 - y * values) == pytest.approx(least, rel=1e-5)
