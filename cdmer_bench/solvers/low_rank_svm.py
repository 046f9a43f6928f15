r"""The soft-margin machine of two classes by an interior point, for kernels of low rank.

.. math:: \min_\alpha \tfrac12 \alpha' Q \alpha - 1'\alpha \quad\text{subject to}\quad
          y'\alpha = 0,\; 0 \le \alpha_i \le C_i, \qquad Q = \mathrm{diag}(y) Z Z' \mathrm{diag}(y)

with n samples Z (n x r) of rank r and signs y: the problem that LIBSVM solves by pairs of
coordinates, which hardly move where C is large for the size of the samples and no plane parts the
classes. A step of the interior point costs O(n r^2), and about 20 suffice (M. C. Ferris and
T. S. Munson, Interior-point methods for massive support vector machines, SIAM J. Optimization
13(3), 2002; predictor and corrector after Mehrotra).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Array = NDArray[np.float64]

# Duality gap over the objective at which the loop stops, and the most steps of it.
TOLERANCE = 1e-7
MAX_STEPS = 60


class SoftMargin(NamedTuple):
    """A machine f(x) = sum_i coefficients_i x_i'x + bias, with its certificate."""

    coefficients: Array  # (n,), alpha y
    bias: float
    gap: float  # duality gap over the objective; infinite if y'alpha is not 0


def train_soft_margin(gram: Array, y: Array, C: Array) -> SoftMargin:
    """Train on a Gram matrix (n, n), signs (n,) and costs (n,); the best point met is returned."""
    Z = _factor(gram)
    # For samples of length 1 the numbers below are comparable: alpha and C are scaled instead.
    size = float(np.mean(np.sum(Z * Z, axis=1))) or 1.0
    U, C = y[:, None] * Z / np.sqrt(size), C * size
    alpha, bias = np.minimum(C / 2, 1.0), 0.0
    gradient = U @ (U.T @ alpha) - 1
    lower = np.maximum(gradient, 0) + 1.0  # multipliers of 0 <= alpha
    upper = lower - gradient  # and of alpha <= C
    best = SoftMargin(np.zeros(len(y)), 0.0, np.inf)
    for _ in range(MAX_STEPS):
        gap = _relative_gap(U, y, C, alpha, bias)
        if gap < best.gap:
            best = SoftMargin(alpha * y / size, bias, gap)
        if gap <= TOLERANCE:
            break
        with np.errstate(all="ignore"):
            step = _predict_and_correct(U, y, C, alpha, bias, lower, upper)
        if step is None:
            break
        alpha, bias, lower, upper = step
    return best


def _factor(gram: Array) -> Array:
    """Return Z (n x r) such that gram = Z Z', by a Cholesky decomposition with pivoting."""
    lower, pivots, rank, _ = lapack.dpstrf(gram, lower=1)
    Z = np.empty((len(gram), rank))
    Z[pivots - 1] = np.tril(lower)[:, :rank]
    return Z


def _relative_gap(U: Array, y: Array, C: Array, alpha: Array, bias: float) -> float:
    """Return the duality gap over the primal objective."""
    w = U.T @ alpha
    primal = w @ w / 2 + C @ np.maximum(0, 1 - (U @ w + bias * y))
    dual = alpha.sum() - w @ w / 2
    if abs(y @ alpha) > 1e-6 * (1 + alpha.sum()) or not np.isfinite(primal - dual):
        return np.inf
    return float((primal - dual) / primal)


def _predict_and_correct(
    U: Array, y: Array, C: Array, alpha: Array, bias: float, lower: Array, upper: Array
) -> tuple[Array, float, Array, Array] | None:
    """Return alpha, the bias and the multipliers after a step; None where numbers fail."""
    room, r = C - alpha, U.shape[1]
    hinge = 1 - (U @ (U.T @ alpha) + bias * y)
    # With the multipliers eliminated, and then alpha, which changes by D (...), there remain r + 1
    # equations for the changes of w and of the bias.
    D, columns = 1 / (lower / alpha + upper / room), np.column_stack([U, y])
    matrix = columns.T @ (D[:, None] * columns)
    matrix.flat[: r * (r + 1) : r + 2] += 1
    scale = 1 / np.sqrt(np.diag(matrix))
    factor, failed = lapack.dpotrf(matrix * scale * scale[:, None], lower=1)
    if failed:
        return None

    def newton(at_lower: Array, at_upper: Array) -> tuple[Array, float, Array, Array]:
        """Return the changes that lead alpha lower and room upper to the values given."""
        right = hinge + at_lower / alpha - at_upper / room
        known = columns.T @ (D * right)
        known[r] += y @ alpha
        change = scale * lapack.dpotrs(factor, scale * known, lower=1)[0]
        da = D * (right - columns @ change)
        dlower = (at_lower - lower * da) / alpha - lower
        return da, float(change[r]), dlower, (at_upper + upper * da) / room - upper

    def longest(da: Array, dlower: Array, dupper: Array) -> float:
        at = np.concatenate([alpha, room, lower, upper])
        by = np.concatenate([da, -da, dlower, dupper])
        return float(np.min(-at[by < 0] / by[by < 0], initial=1.0))

    mean = (lower @ alpha + upper @ room) / (2 * len(y))
    da, _, dlower, dupper = newton(np.zeros(len(y)), np.zeros(len(y)))
    length = longest(da, dlower, dupper)
    predicted = (lower + length * dlower) @ (alpha + length * da)
    predicted += (upper + length * dupper) @ (room - length * da)
    centre = (predicted / (2 * len(y)) / mean) ** 3 * mean
    da, db, dlower, dupper = newton(centre - dlower * da, centre + dupper * da)
    # 0.995 of the way to the boundary is the usual distance to keep.
    length = 0.995 * longest(da, dlower, dupper)
    moved = (
        alpha + length * da,
        bias + length * db,
        lower + length * dlower,
        upper + length * dupper,
    )
    return moved if length > 1e-10 and all(np.isfinite(part).all() for part in moved) else None
