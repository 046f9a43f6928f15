r"""The products of RSTR with the kernels of all blocks, whether these fit in memory or not.

The kernels of a task take n_blocks (n_source + n_target)(n_source + n_query) numbers: 34 MB for
two databases of 150 clips with 85 blocks, 68 GB for two of 5,000. Up to ``KEPT`` bytes they are
kept, by :class:`KeptKernels`. Beyond that :class:`RemadeKernels` keeps the samples and makes
every kernel again where it is needed, rows at a time, which trades time for memory. Which way is
taken depends on the shapes alone, never on the machine, so that the same samples give the same
bits everywhere.
"""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.block_kernels import (
    kernels_of_blocks,
    kernels_of_queries,
    regress_blocks,
    weigh_blocks,
)
from cdmer_bench.methods.label_regression import weigh_mmd

Array = NDArray[np.float64]

# Bytes of kernels above which they are made again at every use, and of rows made at once.
KEPT = 1 << 30
ROWS = 1 << 26


class BlockProducts(ABC):
    r"""Products with the kernels :math:`[K_i^s, \sqrt\gamma k_i^{st}]` (n x m) of every block.

    Here m = n_source + 1. Every setting of a stack is treated in steps that its neighbours do
    not change, so its numbers are the same to the last bit in any stack.

    Attributes
    ----------
    shape : tuple of int
        (n_blocks, n, m).
    """

    shape: tuple[int, int, int]

    @abstractmethod
    def weigh_mmd(self, lam: float) -> Self:
        """Return the products with gamma = ``lam`` (it is 1 at first)."""

    @abstractmethod
    def weigh(self, w: Array) -> Array:
        r"""Return :math:`\sum_i w_i K_i`, (n_stack, n, m), for every row of ``w``."""

    @abstractmethod
    def regress(self, P: Array) -> Array:
        """Return ``P.T @ K_i``, (n_stack, n_blocks, c, m), for every P (n x c) of a stack."""

    @abstractmethod
    def regress_queries(self, P: Array, w: Array) -> Array:
        r"""Return :math:`(P^T \sum_i w_i k_i^{te})^T` of every query, (n_stack, n_query, c)."""


class KeptKernels(BlockProducts):
    """The kernels as arrays.

    Parameters
    ----------
    blocks : ndarray, shape (n_blocks, n, m)
    queries : ndarray, shape (n_blocks, n, n_query)
    """

    def __init__(self, blocks: Array, queries: Array) -> None:
        self.blocks, self.queries = blocks, queries
        self.shape = blocks.shape

    def weigh_mmd(self, lam: float) -> "KeptKernels":
        """See :meth:`BlockProducts.weigh_mmd`."""
        return KeptKernels(weigh_mmd(self.blocks, lam), self.queries)

    def weigh(self, w: Array) -> Array:
        """See :meth:`BlockProducts.weigh`."""
        return weigh_blocks(self.blocks, w)

    def regress(self, P: Array) -> Array:
        """See :meth:`BlockProducts.regress`."""
        return regress_blocks(P, self.blocks)

    def regress_queries(self, P: Array, w: Array) -> Array:
        """See :meth:`BlockProducts.regress_queries`."""
        return weigh_blocks(self.queries, w).transpose(0, 2, 1) @ P


class RemadeKernels(BlockProducts):
    """The samples of every block, from which kernels are made at every use.

    Parameters
    ----------
    samples : ndarray, shape (n_blocks, n, block_dim)
        All samples, the source's first.
    mmd : ndarray, shape (n_blocks, 1, block_dim)
        Mean source sample minus mean target sample, of which the kernels' last column is made.
    query_samples : ndarray, shape (n_blocks, n_query, block_dim)
    """

    def __init__(self, samples: Array, mmd: Array, query_samples: Array, n_source: int) -> None:
        self.samples, self.mmd, self.query_samples = samples, mmd, query_samples
        self.n_source = n_source
        self.shape = (len(samples), samples.shape[1], n_source + 1)

    def weigh_mmd(self, lam: float) -> "RemadeKernels":
        """See :meth:`BlockProducts.weigh_mmd`."""
        weighted = self.mmd * np.sqrt(lam)
        return RemadeKernels(self.samples, weighted, self.query_samples, self.n_source)

    def weigh(self, w: Array) -> Array:
        """See :meth:`BlockProducts.weigh`."""
        _, n, m = self.shape
        total = np.zeros((len(w), n, m))
        step = max(1, ROWS // (8 * m))
        for i in map(int, np.flatnonzero(w.any(axis=0))):
            columns = self._columns(i)
            for rows in (slice(first, first + step) for first in range(0, n, step)):
                kernel = self.samples[i, rows] @ columns
                for setting in np.flatnonzero(w[:, i]):
                    total[setting, rows] += w[setting, i] * kernel
        return total

    def regress(self, P: Array) -> Array:
        """See :meth:`BlockProducts.regress`."""
        n_blocks, _, m = self.shape
        transposed = np.ascontiguousarray(P.transpose(0, 2, 1))
        regressed = np.empty((len(P), n_blocks, P.shape[2], m))
        for i in range(n_blocks):
            np.matmul(transposed @ self.samples[i], self._columns(i), out=regressed[:, i])
        return regressed

    def regress_queries(self, P: Array, w: Array) -> Array:
        """See :meth:`BlockProducts.regress_queries`."""
        transposed = np.ascontiguousarray(P.transpose(0, 2, 1))
        scores = np.zeros((len(P), self.query_samples.shape[1], P.shape[2]))
        for i, queries in enumerate(self.query_samples):
            weighted = w[:, i, None, None] * (transposed @ self.samples[i])
            scores += queries @ weighted.transpose(0, 2, 1)
        return scores

    def _columns(self, block: int) -> Array:
        """Return what a kernel's columns are products with, (block_dim, m)."""
        return np.concatenate([self.samples[block, : self.n_source], self.mmd[block]]).T


def prepare_products(Xs: Array, Xt: Array, Xq: Array) -> dict[str, Array]:
    """Compute what :func:`products_of` needs, for the way that the number of samples asks for.

    Parameters
    ----------
    Xs, Xt, Xq : ndarray, shape (n_source, n_target or n_query, n_blocks, block_dim)

    Returns
    -------
    dict from str to ndarray

    Raises
    ------
    UserError
        If the features are so large that the kernels, or their squares, overflow.
    """
    n, n_blocks = len(Xs) + len(Xt), Xs.shape[1]
    width = len(Xs) + 1 + len(Xq)
    if 8 * n_blocks * n * width <= KEPT or width <= Xs.shape[2]:
        return {"blocks": kernels_of_blocks(Xs, Xt), "queries": kernels_of_queries(Xs, Xt, Xq)}
    samples = np.empty((n_blocks, n, Xs.shape[2]))
    samples[:, : len(Xs)] = Xs.transpose(1, 0, 2)
    samples[:, len(Xs) :] = Xt.transpose(1, 0, 2)
    _check_squares(samples)
    mmd = samples[:, : len(Xs)].mean(axis=1) - samples[:, len(Xs) :].mean(axis=1)
    prepared = {"samples": samples, "mmd": mmd[:, None]}
    if Xq is not Xt:
        prepared["query_samples"] = np.ascontiguousarray(Xq.transpose(1, 0, 2))
    return prepared


def products_of(prepared: dict[str, Array]) -> BlockProducts:
    """Return the products of a task that :func:`prepare_products` has prepared.

    ``prepared`` also holds the ``labels``, (c, n_source).
    """
    if "blocks" in prepared:
        return KeptKernels(prepared["blocks"], prepared["queries"])
    samples, n_source = prepared["samples"], prepared["labels"].shape[1]
    queries = prepared.get("query_samples", samples[:, n_source:])
    return RemadeKernels(samples, prepared["mmd"], queries, n_source)


def _check_squares(samples: Array) -> None:
    """Refuse features whose kernels could overflow when squared and summed."""
    n_blocks, n, _ = samples.shape
    with np.errstate(over="ignore"):
        largest = max(float(np.einsum("nd,nd->n", block, block).max()) for block in samples)
        bound = n_blocks * n * n * largest * largest  # by Cauchy and Schwarz
    if not np.isfinite(bound):
        raise UserError(
            f"features reach {np.abs(samples).max():.3g}, so the squared kernel overflows; divide "
            "the features by a constant"
        )
