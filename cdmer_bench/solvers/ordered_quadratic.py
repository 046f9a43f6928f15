"""Minimise a convex quadratic over nonnegative coefficients that fall at a given rate."""

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

Array = NDArray[np.float64]


def minimise_ordered(
    Q: Array,  # (d, d), symmetric positive semidefinite
    r: Array,  # (d,), in the range of Q, so that the quadratic is bounded below
    zeta: float,  # rate of fall, >= 0; 0 leaves l >= 0 only, below 1 the coefficients may rise
    max_iterations: int | None = None,  # by default 30 d; a problem seldom takes more than 2 d
) -> tuple[Array, bool]:
    """Minimise l'Q l / 2 + r'l over l_i >= zeta l_(i+1), l_d >= 0.

    The feasible cone is {T theta : theta >= 0} with T upper triangular, T_ij = zeta^(j - i), which
    leaves a nonnegative least-squares problem of d variables, solved by the active-set method of
    Lawson and Hanson. Its matrix is the root of T'Q T, scaled to a unit diagonal, without the
    eigenvalues that are rounding: from zeta = 2 on the columns of T are nearly parallel. The
    objective is that of the minimum to about 1e-9 (relative).
    """
    d = len(r)
    cone = decay_cone(d, zeta)
    H = cone.T @ Q @ cone
    diagonal = np.sqrt(np.diag(H))
    scale = 1 / np.where(diagonal > 0, diagonal, 1.0)
    values, vectors = np.linalg.eigh(H * scale * scale[:, None])
    kept = values > d * np.finfo(float).eps * values[-1]
    if not kept.any():
        return np.zeros(d), True  # any l is a minimum of nothing
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    # theta'H theta / 2 + g'theta = ||A theta / scale - b||^2 / 2 + constant, with g = T'r
    A = (vectors * roots).T
    b = -((vectors.T @ (scale * (cone.T @ r))) / roots)
    converged = True
    try:
        theta = scipy.optimize.nnls(A, b, maxiter=max_iterations or 30 * d)[0]
    except RuntimeError:
        converged = False
        theta = scipy.optimize.lsq_linear(A, b, bounds=(0, np.inf)).x
    return cone @ (scale * theta), converged


def decay_cone(d: int, zeta: float) -> Array:
    """Return the generators of {l : l_i >= zeta l_(i+1), l_d >= 0}, each with largest entry 1.

    Column j is zeta^(j - i) in the rows i <= j, divided by its largest entry: zeta^j itself would
    overflow (5^200 = 6e139, and its square in a Gram matrix).
    """
    i, j = np.indices((d, d))
    steps = np.where(j >= i, j - i, 0)
    cone = float(zeta) ** steps if zeta <= 1 else float(zeta) ** (steps - j)
    return np.where(j >= i, cone, 0.0)
