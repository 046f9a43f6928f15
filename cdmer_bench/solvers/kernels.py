"""Kernel matrices between samples, checked to be finite."""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError


def linear_kernel(X: NDArray[np.float64], Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inner products of samples.

    Parameters
    ----------
    X, Y : ndarray, shapes (n, n_features) and (m, n_features)
        If both are the same array, the result is exactly symmetric.

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    UserError
        If a product overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        kernel = X @ Y.T
    if not np.isfinite(kernel).all():
        raise UserError(
            "the inner products of the samples overflow float64 (features beyond about 1e150); "
            "rescale the features"
        )
    return kernel


def squared_distances(X: NDArray[np.float64], Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared Euclidean distances between samples, shape (n, m), never negative."""
    squares = linear_kernel(X, Y)
    norms_x = np.einsum("ij,ij->i", X, X)
    norms_y = np.einsum("ij,ij->i", Y, Y)
    distances = norms_x[:, None] + norms_y[None, :] - 2 * squares
    np.maximum(distances, 0, out=distances)
    if X is Y:
        np.fill_diagonal(distances, 0)
    return distances
