r"""Facial blocks: their features, their linear kernels, and RSTR's products with all of these.

The kernels of block i stand beside each other as :math:`[K_i^s, k_i^{st}]`, n x m with
m = n_source + 1 (see :mod:`~cdmer_bench.solvers.label_regression`). Those of a task take
n_blocks (n_source + n_target)(n_source + n_query) numbers: 34 MB for two databases of 150 clips
with 85 blocks, 68 GB for two of 5,000. Up to ``KEPT`` bytes they are kept, by
:class:`KeptKernels`. Beyond that :class:`RemadeKernels` keeps the samples and makes every kernel
again where it is needed, rows at a time, which trades time for memory. Which way is taken depends
on the shapes alone, never on the machine, so that the same samples give the same bits everywhere.
Both treat every setting of a stack in steps that its neighbours do not change, so a setting's
numbers are the same to the last bit in any stack.
"""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import compiled_available, kernel
from cdmer_bench.errors import UserError, closest
from cdmer_bench.solvers.kernels import linear_kernel
from cdmer_bench.solvers.label_regression import source_and_mmd_kernels, weigh_mmd

Array = NDArray[np.float64]

GROUPS = ("blocks", "authors_chunks")
SCALES = ("raw", "block_l2", "zscore")
N_PLANES = 3

# Bytes of kernels above which they are made again at every use, and of rows made at once.
KEPT = 1 << 30
ROWS = 1 << 26
# Entries of a kernel that are weighed at once: 85 blocks of them fit a core's cache.
_RUN = 1024


def group_features(X: Array, groups: str) -> Array:
    """Say which values of X (n_samples, n_blocks, block_dim) form the groups that are selected.

    'blocks' are the facial blocks of the grids 1, 2, 4, ... 'authors_chunks' are consecutive runs
    of block_dim values of the authors' file order, which goes plane by plane inside each grid:
    beyond the whole face such a run mixes parts of three blocks.
    """
    if groups not in GROUPS:
        raise UserError(f"there are no groups {groups!r}; {closest(str(groups), GROUPS)}")
    if groups == "blocks":
        return X
    n_samples, n_blocks, block_dim = X.shape
    sizes = [1]
    while sum(sizes) < n_blocks:
        sizes.append(4 * sizes[-1])
    if sum(sizes) != n_blocks:
        raise UserError(
            f"groups=authors_chunks needs the blocks of the grids 1, 2, 4, ... (1, 5, 21, 85 "
            f"blocks), but samples have {n_blocks} blocks; use groups=blocks"
        )
    if block_dim % N_PLANES:
        raise UserError(
            f"groups=authors_chunks needs blocks of {N_PLANES} planes, but a block has "
            f"{block_dim} values; use groups=blocks"
        )
    runs = []
    for grid in np.split(X, np.cumsum(sizes)[:-1], axis=1):
        planes = grid.reshape(n_samples, grid.shape[1], N_PLANES, -1).transpose(0, 2, 1, 3)
        runs.append(planes.reshape(n_samples, -1))
    return np.concatenate(runs, axis=1).reshape(X.shape)


def scale_features(X: Array, reference: Array, scale: str) -> Array:
    """Scale the values of blocks, (n_samples, n_blocks, block_dim).

    'raw': not at all; 'block_l2': every block of every sample to unit length (a zero block stays
    zero); 'zscore': every value to mean 0 and deviation 1 over the reference, which are source
    and target together (a constant value becomes 0).
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


class KeptKernels:
    r"""Products with the kernels :math:`[K_i^s, \sqrt\gamma k_i^{st}]` (n x m), kept as arrays.

    ``shape`` is (n_blocks, n, m); gamma is 1 at first.
    """

    def __init__(self, blocks: Array, queries: Array) -> None:
        self.blocks, self.queries = blocks, queries
        self.shape = blocks.shape

    def weigh_mmd(self, lam: float) -> "KeptKernels":
        """Return the products with gamma = ``lam``."""
        return KeptKernels(weigh_mmd(self.blocks, lam), self.queries)

    def weigh(self, w: Array) -> Array:
        r"""Return :math:`\sum_i w_i K_i`, (n_stack, n, m), for every row of ``w``."""
        return _weigh(self.blocks, w)

    def regress(self, P: Array) -> Array:
        """Return ``P.T @ K_i``, (n_stack, n_blocks, c, m), for every P (n x c) of a stack."""
        n_blocks, _, m = self.shape
        regressed = np.empty((len(P), n_blocks, P.shape[2], m))
        transposed = np.ascontiguousarray(P.transpose(0, 2, 1))
        if compiled_available():
            _regress_sparsely(transposed, self.blocks, regressed)
            return regressed
        for i, kernels in enumerate(self.blocks):
            np.matmul(transposed, kernels, out=regressed[:, i])
        return regressed

    def regress_queries(self, P: Array, w: Array) -> Array:
        r"""Return :math:`(P^T \sum_i w_i k_i^{te})^T` of every query, (n_stack, n_query, c)."""
        return _weigh(self.queries, w).transpose(0, 2, 1) @ P


def _weigh(blocks: Array, w: Array) -> Array:
    r"""Return :math:`\sum_i w_i K_i`, (n_stack, n, m), of kernels (n_blocks, n, m)."""
    n_blocks, n, m = blocks.shape
    if compiled_available():
        total = np.zeros((len(w), n * m))
        _weigh_sparsely(np.ascontiguousarray(w), blocks.reshape(n_blocks, n * m), total)
        return total.reshape(len(w), n, m)
    flat, weights = blocks.reshape(n_blocks, n * m), np.ascontiguousarray(w)[:, None, :]
    total = np.empty((len(w), 1, n * m))
    for first in range(0, n * m, _RUN):
        run = slice(first, first + _RUN)
        np.matmul(weights, flat[:, run], out=total[:, :, run])
    return total.reshape(len(w), n, m)


@kernel
def _weigh_sparsely(w: Array, flat: Array, total: Array) -> None:
    """Add to every row of the total (n_stack x size) the weighed rows of flat (n_blocks x size)."""
    size = flat.shape[1]
    for first in range(0, size, _RUN):
        run = flat[:, first : first + _RUN]
        for setting in range(len(w)):
            _add_rows(total[setting, first : first + _RUN], w[setting], run)


@kernel
def _regress_sparsely(P: Array, blocks: Array, regressed: Array) -> None:
    """Fill (n_stack, n_blocks, c, m) with P (n_stack, c, n) times every block (n x m)."""
    regressed[:] = 0.0
    for i in range(len(blocks)):
        for setting in range(len(P)):
            for k in range(P.shape[1]):
                _add_rows(regressed[setting, i, k], P[setting, k], blocks[i])


@kernel
def _add_rows(total: Array, factors: Array, rows: Array) -> None:
    """Add the rows whose factor is not zero to the total, four at a time."""
    used = np.flatnonzero(factors)
    whole = len(used) - len(used) % 4
    for start in range(0, whole, 4):
        i, j, k, m = used[start : start + 4]
        a, b, c, d = factors[i], factors[j], factors[k], factors[m]
        for x in range(len(total)):
            total[x] += (a * rows[i, x] + b * rows[j, x]) + (c * rows[k, x] + d * rows[m, x])
    for i in used[whole:]:
        for x in range(len(total)):
            total[x] += factors[i] * rows[i, x]


class RemadeKernels:
    """The same products, with kernels computed from the samples at every use."""

    def __init__(self, samples: Array, mmd: Array, query_samples: Array, n_source: int) -> None:
        self.samples, self.mmd, self.query_samples = samples, mmd, query_samples
        self.n_source = n_source
        self.shape = (len(samples), samples.shape[1], n_source + 1)

    def weigh_mmd(self, lam: float) -> "RemadeKernels":
        """Return the products with gamma = ``lam``."""
        weighted = self.mmd * np.sqrt(lam)
        return RemadeKernels(self.samples, weighted, self.query_samples, self.n_source)

    def weigh(self, w: Array) -> Array:
        """Make the kernel of every block with a weight, some rows at a time."""
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
        """Multiply from the left, P' X_i first, so that no kernel is made at all."""
        n_blocks, _, m = self.shape
        transposed = np.ascontiguousarray(P.transpose(0, 2, 1))
        regressed = np.empty((len(P), n_blocks, P.shape[2], m))
        for i in range(n_blocks):
            np.matmul(transposed @ self.samples[i], self._columns(i), out=regressed[:, i])
        return regressed

    def regress_queries(self, P: Array, w: Array) -> Array:
        """Add up the regressed queries block by block."""
        transposed = np.ascontiguousarray(P.transpose(0, 2, 1))
        scores = np.zeros((len(P), self.query_samples.shape[1], P.shape[2]))
        for i, queries in enumerate(self.query_samples):
            weighted = w[:, i, None, None] * (transposed @ self.samples[i])
            scores += queries @ weighted.transpose(0, 2, 1)
        return scores

    def _columns(self, block: int) -> Array:
        """Return what a kernel's columns are products with, (block_dim, m)."""
        return np.concatenate([self.samples[block, : self.n_source], self.mmd[block]]).T


BlockProducts = KeptKernels | RemadeKernels


def prepare_products(Xs: Array, Xt: Array, Xq: Array) -> dict[str, Array]:
    """Compute what :func:`products_of` needs: kernels, or samples where these are too many."""
    n, n_blocks = len(Xs) + len(Xt), Xs.shape[1]
    width = len(Xs) + 1 + len(Xq)
    if 8 * n_blocks * n * width <= KEPT or width <= Xs.shape[2]:
        X, n_source = np.concatenate([Xs, Xt]), len(Xs)
        blocks, queries = np.empty((n_blocks, n, n_source + 1)), np.empty((n_blocks, n, len(Xq)))
        for i in range(n_blocks):
            kernel = linear_kernel(X[:, i], X[:, i])
            blocks[i] = source_and_mmd_kernels(kernel, n_source)
            queries[i] = kernel[:, n_source:] if Xq is Xt else X[:, i] @ Xq[:, i].T
        return {"blocks": blocks, "queries": queries}
    samples = np.empty((n_blocks, n, Xs.shape[2]))
    samples[:, : len(Xs)] = Xs.transpose(1, 0, 2)
    samples[:, len(Xs) :] = Xt.transpose(1, 0, 2)
    with np.errstate(over="ignore"):
        largest = max(float(np.einsum("nd,nd->n", block, block).max()) for block in samples)
        bound = n_blocks * n * n * largest * largest  # of the kernels squared and summed
    if not np.isfinite(bound):
        raise UserError(
            f"features reach {np.abs(samples).max():.3g}, so the squared kernel overflows; divide "
            "the features by a constant"
        )
    mmd = samples[:, : len(Xs)].mean(axis=1) - samples[:, len(Xs) :].mean(axis=1)
    prepared = {"samples": samples, "mmd": mmd[:, None]}
    if Xq is not Xt:
        prepared["query_samples"] = np.ascontiguousarray(Xq.transpose(1, 0, 2))
    return prepared


def products_of(prepared: dict[str, Array]) -> BlockProducts:
    """Return what :func:`prepare_products` prepared, beside the ``labels`` (c, n_source)."""
    if "blocks" in prepared:
        return KeptKernels(prepared["blocks"], prepared["queries"])
    samples, n_source = prepared["samples"], prepared["labels"].shape[1]
    queries = prepared.get("query_samples", samples[:, n_source:])
    return RemadeKernels(samples, prepared["mmd"], queries, n_source)
