r"""Linear kernels of every facial block, and the products of RSTR with them.

One array holds what all settings of a task need, the kernels of block i beside each other as
:math:`[K_i^s, k_i^{st}]`, n x (n_source + 1): see :mod:`~cdmer_bench.methods.label_regression`
for the symbols. Both products treat every setting of a stack on its own, in steps that its
neighbours do not change, so a setting's numbers are the same to the last bit in any stack.
"""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.label_regression import source_and_mmd_kernels

Array = NDArray[np.float64]

# Entries of a kernel that are weighed at once: 85 blocks of them fit a core's cache.
_RUN = 1024


def kernels_of_blocks(Xs: Array, Xt: Array) -> Array:
    r"""Return :math:`[K_i^s, k_i^{st}]` of every block.

    Parameters
    ----------
    Xs : ndarray, shape (n_source, n_blocks, block_dim)
    Xt : ndarray, shape (n_target, n_blocks, block_dim)

    Returns
    -------
    ndarray, shape (n_blocks, n_source + n_target, n_source + 1)
    """
    return np.stack(
        [source_and_mmd_kernels(Xs[:, i], Xt[:, i]) for i in range(Xs.shape[1])], axis=0
    )


def kernels_of_queries(Xs: Array, Xt: Array, Xq: Array) -> Array:
    """Return the kernels of all samples with the queries, (n_blocks, n_samples, n_query)."""
    X = np.concatenate([Xs, Xt]).transpose(1, 0, 2)
    return X @ Xq.transpose(1, 2, 0)


def weigh_blocks(blocks: Array, w: Array) -> Array:
    r"""Return :math:`\sum_i w_i K_i` for every row of weights.

    Parameters
    ----------
    blocks : ndarray, shape (n_blocks, n, m)
    w : ndarray, shape (n_stack, n_blocks)

    Returns
    -------
    ndarray, shape (n_stack, n, m)
    """
    n_blocks, n, m = blocks.shape
    flat, weights = blocks.reshape(n_blocks, n * m), np.ascontiguousarray(w)[:, None, :]
    total = np.empty((len(w), 1, n * m))
    for first in range(0, n * m, _RUN):
        run = slice(first, first + _RUN)
        np.matmul(weights, flat[:, run], out=total[:, :, run])
    return total.reshape(len(w), n, m)


def regress_blocks(P: Array, blocks: Array) -> Array:
    r"""Return :math:`P^T K_i` of every block.

    Parameters
    ----------
    P : ndarray, shape (n_stack, n, c)
    blocks : ndarray, shape (n_blocks, n, m)

    Returns
    -------
    ndarray, shape (n_stack, n_blocks, c, m)
    """
    n_blocks, _, m = blocks.shape
    regressed = np.empty((len(P), n_blocks, P.shape[2], m))
    transposed = np.ascontiguousarray(P.transpose(0, 2, 1))
    for i, kernels in enumerate(blocks):
        np.matmul(transposed, kernels, out=regressed[:, i])
    return regressed
