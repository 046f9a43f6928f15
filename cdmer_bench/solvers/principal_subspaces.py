"""Principal directions of two sets of samples, in the coordinates of the samples' own span.

Rotating all samples by the same orthogonal matrix changes no inner product. The n samples of a task
span at most n dimensions, so the lower triangle L of X X' = L L' gives coordinates in
min(n, n_features) dimensions; bases, projections and angles are computed there. As this squares
the condition number, samples that are nearly dependent take the slower way of a QR decomposition
of X', which does not.
"""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg import lapack

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.kernels import pooled_kernel

Array = NDArray[np.float64]

# Of the samples, above which they take the slower way: relative errors of inner products along the
# least of their directions stay below 1e-16 times its square.
LARGEST_CONDITION = 1e4
# Rows of a square matrix up to which LAPACK decomposes it as a whole, with five times its memory.
LARGEST_SVD = 3000
# Singular values below this share of the largest are left for the next round of the other way,
# which takes squares. What is known of the vectors above errs by 1e-10 then, what is left below by
# 1e-13 of the largest value.
SHARE = 1e-3
_ROWS = 500  # multiplied at a time


def span_coordinates(*parts: Array) -> Array:
    """Return coordinates, n x min(n, n_features), of samples in a basis of their span."""
    if parts[0].shape[1] <= sum(len(part) for part in parts):
        return np.concatenate(parts)
    # The transpose of the kernel is itself, in the order that LAPACK writes over.
    lower, failed = lapack.dpotrf(pooled_kernel(*parts).T, lower=True, clean=True, overwrite_a=True)
    if not failed:
        inverse, _ = lapack.dtrtri(lower, lower=True)
        condition = np.linalg.norm(lower) * np.linalg.norm(inverse)
        del inverse
        if condition <= LARGEST_CONDITION:
            return np.ascontiguousarray(lower)
    with np.errstate(over="ignore", invalid="ignore"):
        # 'raw', because 'r' alone would cut a triangle from a copy of the whole.
        _, triangle = scipy.linalg.qr(
            np.concatenate(parts).T, mode="raw", overwrite_a=True, check_finite=False
        )
    coordinates = np.ascontiguousarray(triangle.T)
    if not np.isfinite(coordinates).all():
        raise UserError("the norms of the samples overflow float64; rescale the features")
    return coordinates


def principal_directions(X: Array) -> Array:
    """Return the principal directions of the centred samples, without those of rounding.

    They are orthonormal columns by falling variance, n_dimensions x rank.
    """
    largest = min(len(X) - 1, X.shape[1])
    if largest < 1:
        return np.zeros((X.shape[1], 0))
    _, singular, Vt = np.linalg.svd(X - X.mean(0), full_matrices=False)
    # Rounding of the mean alone leaves about eps times the size of the samples.
    size = max(singular[0], np.linalg.norm(X, 2))
    noise = max(X.shape) * np.finfo(float).eps * size
    rank = min(int(np.sum(singular > noise)), largest)
    return np.ascontiguousarray(Vt[:rank].T)


def right_singular_vectors(M: Array) -> tuple[Array, Array]:
    """Return the singular values of a square matrix, falling, and its right vectors as columns.

    A matrix of more than ``LARGEST_SVD`` rows is written over. Its columns are rotated by the
    eigenvectors of M'M until they are orthogonal; the short ones, of which M'M does not know
    enough, once more among themselves.
    """
    n = len(M)
    if n <= LARGEST_SVD:
        _, singular, Vt = np.linalg.svd(M)
        return singular, Vt.T
    V, left, noise = np.eye(n), n, 0.0
    while left:
        short = M[:, :left]
        # By rising length. The transpose of the square is itself, in the order of LAPACK.
        squares, turn = scipy.linalg.eigh(
            (short.T @ short).T, driver="evr", overwrite_a=True, check_finite=False
        )
        for rows in (slice(i, i + _ROWS) for i in range(0, n, _ROWS)):
            M[rows, :left] = M[rows, :left] @ turn
            V[rows, :left] = V[rows, :left] @ turn
        del turn
        noise = noise or (n * np.finfo(float).eps) ** 2 * squares[-1]
        if squares[-1] <= noise:
            break
        left -= int(np.sum(squares > SHARE**2 * squares[-1]))
    return np.sqrt(np.einsum("ij,ij->j", M, M))[::-1], V[:, ::-1]
