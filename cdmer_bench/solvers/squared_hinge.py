r"""Linear machines with weighted squared hinge losses, trained in the primal.

.. math:: \min_{w, b} \frac{\lambda}{2} |w|^2
          + \frac12 \sum_i g_i \max(0, 1 - y_i (w'x_i + b))^2

with n samples x_i, signs y_i, weights g_i >= 0 and the ridge λ > 0. Both solvers work on the Gram
matrix G (n x n) of the samples: w = sum_i a_i x_i, so that no vector of the samples' own
dimension appears. After O. Chapelle, Training a support vector machine in the primal, Neural
Computation 19(5), 2007.
"""

from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

Array = NDArray[np.float64]


class Machine(NamedTuple):
    """A trained machine, f(x) = sum_i a_i x_i'x + b."""

    a: Array  # (n,)
    b: float
    iterations: int
    converged: bool  # False if the iteration limit, or a number beyond float64, ended the solver

    def squared_hinges(self, G: Array, y: Array) -> Array:
        """Return max(0, 1 - y f(x))^2 of the training samples, shape (n,)."""
        return np.maximum(0, 1 - y * (G @ self.a + self.b)) ** 2


def train_least_squares_steps(
    G: Array,  # (n, n)
    y: Array,  # (n,), -1 or 1
    weights: Array,  # (n,)
    ridge: float = 1.0,
    max_iterations: int = 1000,
    # Stops when a step's decrease along the last gradient is below this share of the objective.
    precision: float = 1e-6,
) -> Machine:
    """Train by conjugate gradients whose line search ignores the hinge, as a public code does.

    The gradient is that of the problem above, but the line search minimises *weighted least
    squares*: it keeps the samples outside the margin, whose loss is 0. The result is therefore
    no optimum, and may be far from it; it is deterministic nevertheless, and the printed results
    of the selective transfer machine come from it (see :class:`~cdmer_bench.methods.stm.STM`).
    It starts at w = 0, b = 0; the first direction is the *unweighted* gradient X'y, sum(y), later
    ones follow Fletcher and Reeves.
    """
    a, b = np.zeros(len(y)), 0.0
    residual, Ga = np.ones(len(y)), np.zeros(len(y))
    with np.errstate(all="ignore"):
        go, gob = y.astype(np.float64), float(y.sum())
        Ggo = G @ go
        squared = go @ Ggo + gob * gob
        s, sb, Gs = go, gob, Ggo
        for iteration in range(1, max_iterations + 1):
            slope, curvature = ridge * float(a @ Gs), ridge * float(s @ Gs)
            t, after = _least_squares_length(slope, curvature, Gs + sb, residual, y, weights)
            hinge, Ga_new = np.maximum(after, 0), Ga + t * Gs
            loss, a_new = weights * hinge, a + t * s
            objective = (loss @ hinge + ridge * (a_new @ Ga_new)) / 2
            if not (isfinite(objective) and isfinite(t * sb)):
                return Machine(a, b, iteration, False)
            a, b, residual, Ga = a_new, b + t * sb, after, Ga_new
            if t * (s @ Ggo + sb * gob) < precision * objective:
                return Machine(a, b, iteration, True)
            force = loss * y
            gn, gob = force - ridge * a, float(force.sum())
            Ggo = G @ gn
            now = gn @ Ggo + gob * gob
            if now == 0:
                return Machine(a, b, iteration, True)
            ratio, squared = np.float64(now / squared), now
            s, sb, Gs = ratio * s + gn, ratio * sb + gob, ratio * Gs + Ggo
    return Machine(a, b, max_iterations, False)


def _least_squares_length(
    slope0: float,  # of the ridge along the direction
    curvature: float,  # of the ridge along the direction
    outputs: Array,  # (n,), change of f per unit of t
    residual: Array,  # (n,), 1 - y f at t = 0
    y: Array,
    weights: Array,
) -> tuple[float, Array]:
    """Return the length t that minimises the weighted squares, and the residuals 1 - y f there.

    Newton's method on a parabola: the second pass only removes rounding. The residuals are those
    before the last correction of t.
    """
    signed = y * outputs
    weighted = weights * signed
    second = np.float64(weighted @ signed + curvature)
    t, after = 0.0, residual
    for _ in range(100):
        after = residual - t * signed
        slope = slope0 + t * curvature - float(after @ weighted)
        t -= slope / second
        # A number that is not finite ends the loop as well.
        if not slope * slope / second >= 1e-10:
            break
    return t, after


def train_to_optimum(
    G: Array, y: Array, weights: Array, ridge: float = 1.0, max_iterations: int = 200
) -> Machine:
    """Train by Newton's method on the samples inside the margin, with an exact line search.

    The optimum to rounding: after a full step that keeps the set of samples inside the margin, the
    stationarity conditions hold exactly. If all positive weights are of one sign, the bias is not
    unique; w = 0 and b = that sign.
    """
    a, b, f = np.zeros(len(y)), 0.0, np.zeros(len(y))
    signs = y[weights > 0]
    if len(signs) and np.all(signs == signs[0]):
        return Machine(a, float(signs[0]), 0, True)
    for iteration in range(1, max_iterations + 1):
        inside = (y * f < 1) & (weights > 0)
        try:
            a_new, b_new = _weighted_ridge(G, y, weights, ridge, inside)
        except (LinAlgError, ValueError):
            # The samples are so large that the system has no factorisation in float64.
            return Machine(a, b, iteration, False)
        f_new = G @ a_new + b_new
        if np.abs(f_new - f).max() <= 1e-11 * max(1.0, np.abs(f).max()):
            # Only rounding is left to gain, and samples on the margin would change sides for ever.
            return Machine(a_new, b_new, iteration, True)
        t = _hinge_length((a, f), (a_new - a, f_new - f), b_new - b, y, weights, ridge)
        a, b, f = a + t * (a_new - a), b + t * (b_new - b), f + t * (f_new - f)
        same = t == 1 and np.array_equal((y * f < 1) & (weights > 0), inside)
        if same or stationarity(G, y, weights, Machine(a, b, iteration, True), ridge) < 1e-12:
            return Machine(a, b, iteration, True)
    return Machine(a, b, max_iterations, False)


def stationarity(G: Array, y: Array, weights: Array, machine: Machine, ridge: float = 1.0) -> float:
    """Return the largest residual of the optimality conditions, relative to the largest force.

    They are λ a_i = g_i y_i max(0, 1 - y_i f_i) for each sample, and sum_i a_i = 0.
    """
    force = weights * y * np.maximum(0, 1 - y * (G @ machine.a + machine.b))
    residual = max(float(np.abs(ridge * machine.a - force).max()), abs(float(force.sum())))
    return residual / max(float(np.abs(force).max()), np.finfo(float).tiny)


def _weighted_ridge(
    G: Array, y: Array, weights: Array, ridge: float, inside: NDArray[np.bool_]
) -> tuple[Array, float]:
    """Solve λ a = D (y - G a - b), sum(a) = 0 for the samples inside; D their weights."""
    # With a = D^(1/2) c the matrix λ I + D^(1/2) G D^(1/2) is well conditioned for tiny weights.
    root = np.sqrt(weights[inside])
    matrix = root[:, None] * G[np.ix_(inside, inside)] * root
    matrix.flat[:: len(root) + 1] += ridge
    factor = cho_factor(matrix)
    for_bias, for_signs = cho_solve(factor, root), cho_solve(factor, root * y[inside])
    b = float((root @ for_signs) / (root @ for_bias))
    a = np.zeros(len(y))
    a[inside] = root * (for_signs - b * for_bias)
    return a, b


def _hinge_length(
    at: tuple[Array, Array],
    step: tuple[Array, Array],
    bias_step: float,
    y: Array,
    weights: Array,
    ridge: float,
) -> float:
    """Return the length in (0, 1] that minimises the convex objective along a Newton step."""
    (a, f), (da, df) = at, step
    dw = df - bias_step

    def slope(t: float) -> float:
        hinge = np.maximum(0, 1 - y * (f + t * df))
        return float(ridge * ((a + t * da) @ dw) - (weights * hinge * y) @ df)

    if slope(1.0) <= 1e-12 * abs(slope(0.0)):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return (low + high) / 2
