import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import lars_path_gram

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.lasso_paths import certify, lasso_paths


def solve(design, responses, penalties, block=64):
    """Return coefficients of shape (n_penalties, n_responses, n_variables)."""
    found = np.full((len(penalties), len(responses), design.shape[1]), np.nan)
    for part in lasso_paths(design.T @ design, responses @ design, penalties, block=block):
        found[:, part.rows] = part.coefficients
    return found


def test_paths_are_those_of_scikit_learns_lars():
    rng = np.random.default_rng(0)
    design, responses = rng.normal(size=(20, 12)), rng.normal(size=(9, 20))
    penalties = [0.01, 3.0, 0.5]
    found = solve(design, responses, penalties, block=4)
    for r, y in enumerate(responses):
        alphas, _, path = lars_path_gram(
            design.T @ y, design.T @ design, n_samples=1, method="lasso"
        )
        for i, mu in enumerate(penalties):
            # scikit-learn has 1/2 |y - Ap|^2 + alpha |p|_1, and alphas fall.
            expected = [np.interp(mu / 2, alphas[::-1], row[::-1]) for row in path]
            np.testing.assert_allclose(found[i, r], expected, atol=1e-10)


def test_orthonormal_design_gives_soft_thresholding():
    rng = np.random.default_rng(1)
    design = np.linalg.qr(rng.normal(size=(9, 6)))[0]
    responses = rng.normal(size=(5, 9))
    b = responses @ design
    for mu, found in zip([1.5, 0.2], solve(design, responses, [1.5, 0.2]), strict=True):
        np.testing.assert_allclose(
            found, np.sign(b) * np.maximum(np.abs(b) - mu / 2, 0), atol=1e-12
        )


@settings(max_examples=40)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 20),
    st.floats(1e-3, 1e3),
    st.booleans(),
)
def test_gap_closes_for_wide_tall_and_repeated_designs(seed, m, n, offset, repeat):
    rng = np.random.default_rng(seed)
    # A common offset makes the columns nearly parallel, as kernels of raw histograms are.
    design = rng.normal(size=(m, n)) + offset
    if repeat:
        design = np.hstack([design, design[:, : n // 2], np.zeros((m, 1))])
    responses = rng.normal(size=(6, m))
    largest = 2 * np.abs(responses @ design).max()
    penalties = largest * np.array([1.1, 0.3, 1e-2, 1e-4])
    for mu, found in zip(penalties, solve(design, responses, penalties), strict=True):
        bound = certify(design, responses, found, mu)
        assert bound.gap.sum() <= 1e-6 * bound.objective.sum()


def test_zero_responses_and_zero_designs_have_zero_solutions():
    assert not solve(np.ones((4, 3)), np.zeros((2, 4)), [0.1]).any()
    assert not solve(np.zeros((4, 3)), np.ones((2, 4)), [0.1]).any()


def test_a_penalty_must_be_positive():
    with pytest.raises(UserError, match="above 0"):
        next(lasso_paths(np.eye(2), np.ones((1, 2)), [0.0]))


def test_gap_vanishes_at_the_optimum_and_bounds_the_excess_elsewhere():
    # One variable, A = 2, y = 3: the optimum of (3 - 2p)^2 + mu |p| at mu = 4 is p = 1, value 5.
    design, response = np.array([[2.0]]), np.array([[3.0]])
    best = certify(design, response, np.array([[1.0]]), 4.0)
    assert best.objective[0] == pytest.approx(5.0)
    assert best.gap[0] == pytest.approx(0.0, abs=1e-14)
    for p in (-1.0, 0.0, 0.5, 2.0):
        found = certify(design, response, np.array([[p]]), 4.0)
        assert found.objective[0] == pytest.approx((3 - 2 * p) ** 2 + 4 * abs(p))
        assert found.gap[0] >= found.objective[0] - 5.0 - 1e-12
