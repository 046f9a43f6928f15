import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.solvers.squared_hinge import (
    stationarity,
    train_least_squares_steps,
    train_to_optimum,
)


def random_problem(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(4, 20)), int(rng.integers(1, 8))
    X = rng.normal(size=(n, d)) * rng.choice([0.3, 1, 5])
    y = np.where(rng.random(n) < 0.4, 1.0, -1.0)
    y[:2] = [1, -1]
    weights = rng.exponential(size=n) * (rng.random(n) < 0.8)
    weights[:2] = [0.5, 1.5]
    return X, y, weights


def objective(X, y, weights, ridge, parameters):
    w, b = parameters[:-1], parameters[-1]
    hinge = np.maximum(0, 1 - y * (X @ w + b))
    value = ridge * (w @ w) / 2 + weights @ hinge**2 / 2
    force = -weights * hinge * y
    return value, np.append(ridge * w + X.T @ force, force.sum())


def explicit_steps(X, y, weights, ridge, n_steps):
    """The published loop with explicit (w, b), for a fixed number of steps, line search solved."""
    Z = np.column_stack([X, np.ones(len(y))])
    keep = np.append(np.full(X.shape[1], ridge), 0.0)
    v, last = np.zeros(Z.shape[1]), Z.T @ y
    direction = last
    for _ in range(n_steps):
        curvature = keep * direction @ direction + weights @ (Z @ direction) ** 2
        slope = keep * v @ direction - (weights * (1 - y * (Z @ v)) * y) @ (Z @ direction)
        v = v - slope / curvature * direction
        new = Z.T @ (weights * np.maximum(0, 1 - y * (Z @ v)) * y) - keep * v
        direction = (new @ new) / (last @ last) * direction + new
        last = new
    return v


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 10.0]))
def test_newton_reaches_the_optimum(seed, ridge):
    X, y, weights = random_problem(seed)
    G = X @ X.T
    machine = train_to_optimum(G, y, weights, ridge)
    assert machine.converged
    assert stationarity(G, y, weights, machine, ridge) < 1e-9
    found = objective(X, y, weights, ridge, np.append(X.T @ machine.a, machine.b))[0]
    start = np.zeros(X.shape[1] + 1)
    best = scipy.optimize.minimize(
        lambda v: objective(X, y, weights, ridge, v), start, jac=True, options={"gtol": 1e-9}
    ).fun
    assert found <= best + 1e-8 * max(1, best)


@pytest.mark.parametrize("seed", [10, 41, 133, 203, 494])
def test_newton_reaches_the_optimum_where_full_steps_go_in_circles(seed):
    # Heavy tails: full steps cycle on most of these, and a step that moves little may end beside
    # the optimum.
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(4, 14)), int(rng.integers(1, 4))
    X = rng.standard_cauchy(size=(n, d))
    y = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    y[:2] = [1, -1]
    weights = rng.exponential(size=n) ** 3
    machine = train_to_optimum(X @ X.T, y, weights, 0.01)
    assert machine.converged
    assert stationarity(X @ X.T, y, weights, machine, 0.01) < 1e-7


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_published_steps_in_the_span_of_the_samples(seed, n_steps):
    X, y, weights = random_problem(seed)
    machine = train_least_squares_steps(X @ X.T, y, weights, 1.0, n_steps, precision=-np.inf)
    expected = explicit_steps(X, y, weights, 1.0, n_steps)
    found = np.append(X.T @ machine.a, machine.b)
    np.testing.assert_allclose(found, expected, atol=1e-6 * max(1, np.abs(expected).max()))
    assert (machine.iterations, machine.converged) == (n_steps, False)


def test_steps_that_ignore_the_hinge_end_above_the_optimum():
    # Samples far outside the margin on their right side pull the line search back.
    X = np.array([[-9.0], [-1.0], [1.0], [9.0], [12.0]])
    y, weights = np.array([-1.0, -1, 1, 1, 1]), np.ones(5)
    values = []
    for train in (train_to_optimum, train_least_squares_steps):
        machine = train(X @ X.T, y, weights)
        values.append(objective(X, y, weights, 1.0, np.append(X.T @ machine.a, machine.b))[0])
    assert values[1] > 1.01 * values[0]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_weights_of_one_sign_give_that_constant(sign):
    X, y, _ = random_problem(0)
    machine = train_to_optimum(X @ X.T, y, (y == sign).astype(float))
    np.testing.assert_array_equal(machine.a, 0)
    assert machine.b == sign


def test_equal_samples_without_a_direction_end_without_nan():
    y = np.array([1.0, -1, 1, -1])
    machine = train_least_squares_steps(np.zeros((4, 4)), y, np.ones(4))
    assert not machine.converged
    assert np.isfinite(machine.a).all()
    assert np.isfinite(machine.b)


def test_losses_are_the_squared_hinges():
    X, y, weights = random_problem(2)
    machine = train_to_optimum(X @ X.T, y, weights)
    f = X @ (X.T @ machine.a) + machine.b
    np.testing.assert_allclose(machine.squared_hinges(X @ X.T, y), np.maximum(0, 1 - y * f) ** 2)
