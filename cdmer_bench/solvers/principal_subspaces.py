"""Principal component bases of two sets of samples, in the coordinates of the samples' own span.

Rotating all samples by the same orthogonal matrix changes no inner product. The n samples of a task
span at most n dimensions, so a QR decomposition of their transpose gives coordinates in
min(n, n_features) dimensions; bases, projections and angles are computed there. Unlike the way
through the Gram matrix this does not square the condition number.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from cdmer_bench.errors import UserError


class Basis(NamedTuple):
    """Principal directions of a set of samples."""

    directions: NDArray[np.float64]  # (n_dimensions, rank), orthonormal columns by falling variance
    rank: int


def span_coordinates(*parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coordinates (n x min(n, n_features)) of samples in an orthonormal basis of their span.

    One copy of the samples is made and decomposed in place.
    """
    X = np.concatenate(parts)
    if X.shape[1] <= X.shape[0]:
        return X
    with np.errstate(over="ignore", invalid="ignore"):
        # 'raw', because 'r' alone would cut a triangle from a copy of the whole.
        _, triangle = scipy.linalg.qr(X.T, mode="raw", overwrite_a=True, check_finite=False)
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
