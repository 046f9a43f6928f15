"""Open choices about the features of facial blocks: which values make a block, and their scale."""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError, closest

Array = NDArray[np.float64]

GROUPS = ("blocks", "authors_chunks")
SCALES = ("raw", "block_l2", "zscore")
N_PLANES = 3


def group_features(X: Array, groups: str) -> Array:
    """Say which values form the groups whose weights are learned.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_blocks, block_dim)
        Facial blocks of the grids 1, 2, 4, ... blocks a side, each with its planes in order.
    groups : {'blocks', 'authors_chunks'}
        'blocks' are the facial blocks. 'authors_chunks' are consecutive runs of ``block_dim``
        values of the authors' file order, which goes plane by plane inside each grid: beyond
        the whole face such a run mixes parts of three blocks.

    Returns
    -------
    ndarray, shape (n_samples, n_blocks, block_dim)
    """
    if groups not in GROUPS:
        raise UserError(f"there are no groups {groups!r}; {closest(str(groups), GROUPS)}")
    if groups == "blocks":
        return X
    n_samples, n_blocks, block_dim = X.shape
    sizes = _grid_sizes(n_blocks)
    if block_dim % N_PLANES:
        raise UserError(
            f"groups=authors_chunks needs blocks of {N_PLANES} planes, but a block has "
            f"{block_dim} values; use groups=blocks"
        )
    runs, first = [], 0
    for size in sizes:
        grid = X[:, first : first + size].reshape(n_samples, size, N_PLANES, -1)
        runs.append(grid.transpose(0, 2, 1, 3).reshape(n_samples, -1))
        first += size
    return np.concatenate(runs, axis=1).reshape(X.shape)


def scale_features(X: Array, reference: Array, scale: str) -> Array:
    """Scale the values of blocks.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_blocks, block_dim)
    reference : ndarray, shape (n_reference, n_blocks, block_dim)
        Source and target together, from which 'zscore' takes means and deviations.
    scale : {'raw', 'block_l2', 'zscore'}
        As they are; every block of every sample to unit length (a zero block stays zero); every
        value to mean 0 and deviation 1 over the reference (a constant value becomes 0).

    Returns
    -------
    ndarray, shape of ``X``
    """
    if scale not in SCALES:
        raise UserError(f"there is no scale {scale!r}; {closest(str(scale), SCALES)}")
    if scale == "raw":
        return X
    if scale == "block_l2":
        lengths = np.linalg.norm(X, axis=2, keepdims=True)
        return X / np.where(lengths > 0, lengths, 1.0)
    deviations = reference.std(axis=0)
    # Rounding leaves a constant value a tiny deviation: compare the values themselves.
    constant = np.ptp(reference, axis=0) == 0
    centred = X - reference.mean(axis=0)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, deviations))


def _grid_sizes(n_blocks: int) -> list[int]:
    """Return 1, 4, 16, ... for the grids 1, 2, 4, ... that make up ``n_blocks``."""
    sizes: list[int] = []
    while sum(sizes) < n_blocks:
        sizes.append(4 ** len(sizes))
    if sum(sizes) != n_blocks:
        raise UserError(
            f"groups=authors_chunks needs the blocks of the grids 1, 2, 4, ... (1, 5, 21, 85 "
            f"blocks), but samples have {n_blocks} blocks; use groups=blocks"
        )
    return sizes
