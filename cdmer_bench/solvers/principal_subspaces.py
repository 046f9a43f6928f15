"""Principal component bases of two sets of samples, in the coordinates of the samples' own span.

Rotating all samples by the same orthogonal matrix changes no inner product. The n samples of a task
span at most n dimensions, so the lower triangle L of X X' = L L' gives coordinates in
min(n, n_features) dimensions; bases, projections and angles are computed there. As this squares
the condition number, samples that are nearly dependent take the slower way of a QR decomposition
of X', which does not.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg import lapack

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.kernels import pooled_kernel

# Of the samples, above which they take the slower way: relative errors of inner products along the
# least of their directions stay below 1e-16 times its square.
LARGEST_CONDITION = 1e4


class Basis(NamedTuple):
    """Principal directions of a set of samples."""

    directions: NDArray[np.float64]  # (n_dimensions, rank), orthonormal columns by falling variance
    rank: int


def span_coordinates(*parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coordinates, n x min(n, n_features), of samples in a basis of their span."""
    n = sum(len(part) for part in parts)
    if parts[0].shape[1] <= n:
        return np.concatenate(parts)
    lower, failed = lapack.dpotrf(pooled_kernel(*parts), lower=True, clean=True, overwrite_a=True)
    if not failed:
        inverse, _ = lapack.dtrtri(lower, lower=True)
        if np.linalg.norm(lower) * np.linalg.norm(inverse) <= LARGEST_CONDITION:
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


def principal_basis(X: NDArray[np.float64]) -> Basis:
    """Compute the principal directions of the centred samples, without those of rounding."""
    largest = min(len(X) - 1, X.shape[1])
    if largest < 1:
        return Basis(np.zeros((X.shape[1], 0)), 0)
    _, singular, Vt = np.linalg.svd(X - X.mean(0), full_matrices=False)
    # Rounding of the mean alone leaves about eps times the size of the samples.
    size = max(singular[0], np.linalg.norm(X, 2))
    noise = max(X.shape) * np.finfo(float).eps * size
    rank = min(int(np.sum(singular > noise)), largest)
    return Basis(np.ascontiguousarray(Vt[:rank].T), rank)
