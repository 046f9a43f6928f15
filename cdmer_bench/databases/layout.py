"""Conversion between the released order of a feature vector and blocks of planes of bins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError, listed, positive_integer
from cdmer_bench.protocol import BLOCK_GRIDS

GRIDS = BLOCK_GRIDS


def count_blocks(grids: Sequence[int]) -> int:
    """Return the number of blocks of all grids together: 85 for 1, 2, 4 and 8."""
    items = listed("grids", grids, "whole numbers of at least 1, such as [1, 2, 4, 8]")
    return sum(positive_integer("a grid", g) ** 2 for g in items)


def from_released_layout(
    flat: ArrayLike, grids: Sequence[int] = GRIDS, n_planes: int = 3
) -> NDArray[np.float64]:
    """Cut released feature vectors into blocks.

    The authors' vectors are plane-major inside each grid: for each grid in turn, the first plane
    of all its blocks, then the second plane of all its blocks, and so on. So their consecutive
    runs of 177 values are *not* facial blocks. Blocks of a grid are ordered column by column
    (the row index runs fastest), here as there.

    Parameters
    ----------
    flat : array, shape (n_samples, n_features), or (n_features,) for one clip
        ``n_features`` is ``n_blocks * n_planes * n_bins`` for some number of bins.
    grids : sequence of int
        Blocks along each side of the face, coarse to fine as in the vector.
    n_planes : int
        3 for descriptors on three orthogonal planes.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_blocks, n_planes, n_bins)
        Without the first axis for one clip.

    Raises
    ------
    UserError
        If the width is not a multiple of ``n_blocks * n_planes``.
    """
    vectors = np.asarray(flat, dtype=np.float64)
    if vectors.ndim == 1:
        return from_released_layout(vectors[np.newaxis], grids, n_planes)[0]
    if vectors.ndim != 2:
        raise UserError(
            f"released features have shape {vectors.shape}, expected (n_samples, n_features)"
        )
    n_samples, width = vectors.shape
    n_blocks = count_blocks(grids)
    if width == 0 or width % (n_blocks * n_planes):
        raise UserError(
            f"a feature width of {width} is not a multiple of {n_blocks} blocks x {n_planes} "
            f"planes (grids {list(grids)}); name the grids and planes that the features have"
        )
    n_bins = width // (n_blocks * n_planes)
    blocks = np.empty((n_samples, n_blocks, n_planes, n_bins))
    first = 0
    for grid in grids:
        size = grid * grid
        run = vectors[:, first * n_planes * n_bins : (first + size) * n_planes * n_bins]
        planes = run.reshape(n_samples, n_planes, size, n_bins)
        blocks[:, first : first + size] = planes.transpose(0, 2, 1, 3)
        first += size
    return blocks


def to_released_layout(X: ArrayLike, grids: Sequence[int] = GRIDS) -> NDArray[np.float64]:
    """Put blocks back into the released order; the exact inverse of `from_released_layout`.

    Parameters
    ----------
    X : array, shape (n_samples, n_blocks, n_planes, n_bins) or (n_samples, n_blocks, n_bins)
        The second form counts as one plane. One clip is (n_blocks, n_planes, n_bins).
    grids : sequence of int
        As for `from_released_layout`.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_blocks * n_planes * n_bins)
        Without the first axis for one clip.

    Raises
    ------
    UserError
        If the number of blocks is not that of ``grids``.
    """
    blocks = np.asarray(X, dtype=np.float64)
    n_blocks = count_blocks(grids)
    if blocks.ndim == 3 and blocks.shape[1] != n_blocks == blocks.shape[0]:
        return to_released_layout(blocks[np.newaxis], grids)[0]
    if blocks.ndim == 3:
        blocks = blocks[:, :, np.newaxis, :]
    if blocks.ndim != 4 or blocks.shape[1] != n_blocks:
        raise UserError(
            f"features have shape {np.shape(X)}, expected (n_samples, {n_blocks}, n_planes, "
            f"n_bins) for the grids {list(grids)}"
        )
    runs = []
    first = 0
    for grid in grids:
        size = grid * grid
        planes = blocks[:, first : first + size].transpose(0, 2, 1, 3)
        runs.append(planes.reshape(len(blocks), size * blocks.shape[2] * blocks.shape[3]))
        first += size
    return np.ascontiguousarray(np.concatenate(runs, axis=1))
