import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.bounded_sum_qp import (
    BoundedSumQP,
    solve_active_set,
    solve_interior_point,
)


def optimality_residual(problem, g, multiplier):
    """The largest violation of the optimality conditions, relative to max(1, max |f|)."""
    scale = max(1.0, float(np.abs(problem.f).max()))
    gradient = problem.K @ g + problem.f - multiplier
    # Zero at the optimum: each entry moves against its gradient as far as the box lets it.
    moves = np.clip(g - gradient / scale, 0, problem.cap) - g
    total = g.sum()
    outside = max(problem.low - total, total - problem.high, 0.0)
    complementary = max(multiplier, 0) * (total - problem.low) + max(-multiplier, 0) * (
        problem.high - total
    )
    return max(float(np.abs(moves).max()), outside, abs(complementary) / scale)


def random_program(seed, cap=np.inf, scale=1.0):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    X = rng.normal(size=(n, int(rng.integers(1, 6))))
    K = np.exp(-((X[:, None] - X[None]) ** 2).sum(-1)) + 1e-10 * np.eye(n)
    spread = rng.uniform(0.05, 0.9)
    f = scale * rng.normal(size=n) * rng.choice([0.1, 1, 30])
    return BoundedSumQP(K, f, n * (1 - spread), n * (1 + spread), cap)


def projection(point, low, high, cap):
    """Nearest point of the box whose sum lies in the bounds, by bisection on the multiplier."""
    clipped = np.clip(point, 0, cap)
    target = low if clipped.sum() < low else high
    if low <= clipped.sum() <= high:
        return clipped
    left, right = -1e3, 1e3
    for _ in range(200):
        middle = (left + right) / 2
        left, right = (
            (middle, right) if np.clip(point + middle, 0, cap).sum() < target else (left, middle)
        )
    return np.clip(point + middle, 0, cap)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([np.inf, 2.5]), st.floats(-3, 3))
def test_with_the_identity_both_solvers_project(seed, cap, shift):
    rng = np.random.default_rng(seed)
    point = rng.normal(size=9) * 3 + shift
    problem = BoundedSumQP(np.eye(9), -point, 5.0, 12.0, cap)
    expected = projection(point, 5.0, 12.0, cap)
    np.testing.assert_allclose(solve_active_set(problem).g, expected, atol=1e-10)
    np.testing.assert_allclose(solve_interior_point(problem).g, expected, atol=1e-3)
    np.testing.assert_allclose(solve_interior_point(problem, 1e-12).g, expected, atol=1e-5)


@settings(max_examples=80)
@given(st.integers(0, 10**6), st.sampled_from([np.inf, 1.7]), st.sampled_from([1.0, 1e-6, 1e6]))
def test_the_active_set_meets_the_optimality_conditions(seed, cap, scale):
    problem = random_program(seed, cap, scale)
    solution = solve_active_set(problem)
    assert solution.converged
    assert optimality_residual(problem, solution.g, solution.multiplier) < 1e-8
    assert solution.g.min() >= 0
    assert solution.g.max() <= cap


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([np.inf, 1.7]))
def test_the_interior_point_is_within_its_gap_of_the_optimum(seed, cap):
    problem = random_program(seed, cap)
    best = problem.objective(solve_active_set(problem).g)
    solution = solve_interior_point(problem)
    assert solution.converged
    assert solution.g.min() >= 0
    above = problem.objective(solution.g) - best
    assert -1e-7 * max(1, abs(best)) < above < 3e-8 * max(1, abs(best)) * len(problem.f)


@pytest.mark.parametrize("inside", [-1e-7, 1e-7])
def test_a_bound_that_the_optimum_nearly_meets_does_not_bind(inside):
    # With the identity the free optimum is the point itself.
    point = np.array([1.0, 2.0, 3.0])
    low, high = (6.0 - inside, 9.0) if inside > 0 else (1.0, 6.0 - inside)
    solution = solve_active_set(BoundedSumQP(np.eye(3), -point, low, high))
    np.testing.assert_allclose(solution.g, point, rtol=0, atol=1e-12)
    assert solution.multiplier == 0


def test_an_iteration_limit_is_reported_and_not_hidden():
    solution = solve_interior_point(random_program(3), max_iterations=2)
    assert (solution.converged, solution.iterations) == (False, 2)


def test_a_point_off_the_optimum_has_a_residual():
    problem = random_program(5)
    solution = solve_active_set(problem)
    moved = solution.g + 1e-3 * (np.arange(len(problem.f)) == solution.g.argmax())
    assert optimality_residual(problem, moved, solution.multiplier) > 1e-5


@pytest.mark.parametrize(("low", "high", "cap"), [(2, 2, np.inf), (-1, 2, np.inf), (1, 9, 1.0)])
def test_bounds_without_interior_are_refused(low, high, cap):
    with pytest.raises(UserError, match="expected 0 <= low < high"):
        BoundedSumQP(np.eye(3), np.ones(3), low, high, cap)
