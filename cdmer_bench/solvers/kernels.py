"""Kernel matrices between samples, checked to be finite.

Samples may be memory maps larger than memory. Kernels of many or long samples are built block by
block of rows, so that beside the kernel itself only a block's product is held; a block of a map is
read when it is multiplied and can be dropped again. Which way is taken depends on the shapes alone,
never on the machine, so that the same samples give the same bits everywhere.
"""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError

Array = NDArray[np.float64]

# Bytes of samples from which on kernels are built block by block, and of a block of rows.
BLOCKWISE = 1 << 28
BLOCK = 1 << 26


def linear_kernel(X: Array, Y: Array) -> Array:
    """Return the inner products of samples, (n, m); exactly symmetric if both are one array."""
    with np.errstate(over="ignore", invalid="ignore"):
        kernel = X @ Y.T if max(X.nbytes, Y.nbytes) <= BLOCKWISE else _product_by_blocks(X, Y)
    if not np.isfinite(kernel).all():
        raise UserError(
            "the inner products of the samples overflow float64 (features beyond about 1e150); "
            "rescale the features"
        )
    return kernel


def pooled_kernel(*parts: Array) -> Array:
    """Return the inner products of all samples of several arrays, in their order.

    Beyond ``BLOCKWISE`` bytes the samples are never put together: that would copy them.
    """
    if sum(part.nbytes for part in parts) <= BLOCKWISE:
        X = np.concatenate(parts)
        return linear_kernel(X, X)
    ends = np.cumsum([len(part) for part in parts])
    kernel = np.empty((ends[-1], ends[-1]))
    places = [slice(end - len(part), end) for part, end in zip(parts, ends, strict=True)]
    for i, (rows, X) in enumerate(zip(places, parts, strict=True)):
        for columns, Y in zip(places[:i], parts[:i], strict=True):
            kernel[rows, columns] = linear_kernel(X, Y)
            kernel[columns, rows] = kernel[rows, columns].T
        kernel[rows, rows] = linear_kernel(X, X)
    return kernel


def pooled_kernels(Xs: Array, Xt: Array, Xq: Array) -> tuple[Array, Array]:
    """Return the kernel of all samples of two domains, and its columns of queries, maybe of Xt."""
    kernel = pooled_kernel(Xs, Xt)
    if Xq is Xt:
        return kernel, kernel[:, len(Xs) :]
    if Xs.nbytes + Xt.nbytes <= BLOCKWISE:
        return kernel, linear_kernel(np.concatenate([Xs, Xt]), Xq)
    return kernel, np.concatenate([linear_kernel(part, Xq) for part in (Xs, Xt)])


def _product_by_blocks(X: Array, Y: Array) -> Array:
    """Multiply block of rows by block of rows; half of them if both are the same array."""
    size = max(1, BLOCK // max(1, X.itemsize * X.shape[1]))
    kernel = np.empty((len(X), len(Y)))
    for first in range(0, len(X), size):
        rows = slice(first, first + size)
        for start in range(0, first + 1 if X is Y else len(Y), size):
            columns = slice(start, start + size)
            kernel[rows, columns] = X[rows] @ Y[columns].T
            if X is Y and start < first:
                kernel[columns, rows] = kernel[rows, columns].T
    return kernel


def squared_distances(X: Array, Y: Array) -> Array:
    """Return the squared Euclidean distances between samples, shape (n, m), never negative."""
    distances = linear_kernel(X, Y)
    distances *= -2
    distances += np.add.outer(np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Y, Y))
    np.maximum(distances, 0, out=distances)
    if X is Y:
        np.fill_diagonal(distances, 0)
    return distances
