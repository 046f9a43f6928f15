import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.methods.tkl import decay_cone, minimise_ordered


def problem(seed, d, rank):
    """Return Q and r = -Q c of a random quadratic with its free minimum at c."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(rank, d))
    return A.T @ A, -A.T @ A @ rng.normal(size=d)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.1, 2.0, 5.0]),
    st.booleans(),
)
def test_solution_is_feasible_and_satisfies_the_optimality_conditions(seed, d, zeta, deficient):
    Q, r = problem(seed, d, max(1, d // 2) if deficient else d + 3)
    found, converged = minimise_ordered(Q, r, zeta)
    assert converged
    slack = np.append(found[:-1] - zeta * found[1:], found[-1])
    assert slack.min() >= -1e-9 * (1 + np.abs(found).max())
    # The gradient lies in the dual cone: no generator leads downhill, and none in use uphill.
    cone = decay_cone(d, zeta)
    slopes = cone.T @ (Q @ found + r)
    scale = np.abs(cone.T @ r).max()
    assert slopes.min() >= -1e-7 * scale
    assert abs(found @ (Q @ found + r)) <= 1e-7 * scale * (1 + np.abs(found).sum())


@pytest.mark.parametrize("zeta", [0.3, 1.0, 1.5])
def test_objective_is_that_of_a_general_solver(zeta):
    Q, r = problem(3, 6, 9)
    found, _ = minimise_ordered(Q, r, zeta)
    general = scipy.optimize.minimize(
        lambda x: x @ Q @ x / 2 + r @ x,
        np.ones(6),
        jac=lambda x: Q @ x + r,
        method="SLSQP",
        constraints={
            "type": "ineq",
            "fun": lambda x: np.append(x[:-1] - zeta * x[1:], x[-1]),
        },
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found @ Q @ found / 2 + r @ found == pytest.approx(general.fun, rel=1e-8)
    np.testing.assert_allclose(found, general.x, atol=1e-5)


def test_two_variables_in_closed_form():
    # min (x^2 + y^2)/2 - y over x >= 2y >= 0: on the edge x = 2y, 5 y^2 / 2 - y, so y = 1/5.
    found, _ = minimise_ordered(np.eye(2), np.array([0.0, -1.0]), 2.0)
    np.testing.assert_allclose(found, [0.4, 0.2])


def test_generators_stay_finite_where_powers_would_overflow():
    cone = decay_cone(600, 5.0)
    assert np.isfinite(cone).all()
    np.testing.assert_array_equal(cone.max(0), 1)
    np.testing.assert_allclose(cone[:3, 599], [1, 1 / 5, 1 / 25])
    np.testing.assert_allclose(decay_cone(3, 0.5), [[1, 0.5, 0.25], [0, 1, 0.5], [0, 0, 1]])


@pytest.mark.parametrize("zeta", [0.0, 1.0, 2.0])
def test_nothing_to_minimise_gives_zero(zeta):
    found, converged = minimise_ordered(np.zeros((4, 4)), np.zeros(4), zeta)
    assert converged
    np.testing.assert_array_equal(found, np.zeros(4))


def test_iteration_limit_is_reported():
    Q, r = problem(0, 30, 40)
    found, converged = minimise_ordered(Q, r, 0.5, max_iterations=1)
    assert not converged
    exact, _ = minimise_ordered(Q, r, 0.5)
    np.testing.assert_allclose(found, exact, atol=0.05)
