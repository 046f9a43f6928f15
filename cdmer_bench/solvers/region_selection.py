r"""P and w of RSTR for many settings at once: the alternation of the paper's section III-B.

Symbols, equations and the form for one setting, step by step: :mod:`cdmer_bench.methods.rstr`.
What saves time here: the kernels of all blocks are put beside their column for the MMD once; as w
starts at ones, the first P does not depend on tau; ten settings go through a step together.

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

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import compiled_available, kernel
from cdmer_bench.errors import UserError, closest
from cdmer_bench.solvers.active_set_lasso import active_set_lasso
from cdmer_bench.solvers.kernels import linear_kernel
from cdmer_bench.solvers.label_regression import (
    Regression,
    add_mmd_label,
    solve_regression,
    source_and_mmd_kernels,
    weigh_mmd,
)

Array = NDArray[np.float64]

SCALES = ("raw", "block_l2", "zscore")

# Bytes of kernels above which they are made again at every use, and of rows made at once.
KEPT = 1 << 30
ROWS = 1 << 26
# Entries of a kernel that are weighed at once: 85 blocks of them fit a core's cache.
_RUN = 1024
# Settings that one pass of the alternation takes together, so that NumPy's cost per call is
# shared while the matrices of all of them stay in the cache; fewer where these would take more
# bytes than the second number. It changes no result.
_STACK = 10
_STACK_BYTES = 1 << 28


class Selection(NamedTuple):
    """Where the alternation ended, for every setting."""

    P: Array  # (n_settings, n_source + n_target, n_classes)
    w: Array  # (n_settings, n_blocks)
    # (n_settings, outer_steps, 2), Eq. (8) after each update of P and of w, both with the weight of
    # |w|_1 of that iteration.
    objectives: Array
    converged: NDArray[np.bool_]  # (n_settings,), False if any inner solver met its limit


def select_regions(
    blocks: "BlockProducts",
    L: Array,  # (c, n_source), one-hot labels
    mu: Array,  # (n_settings,)
    tau: Array,  # (n_settings,)
    lam: float,
    l1: str = "ratio",
    outer_steps: int = 5,
    solver: str = "paper",
) -> Selection:
    """Find P and w of every setting."""
    # With [K_i^s, sqrt(gamma) k_i^st] and the labels [L^s, 0] the MMD is part of the squared
    # error, in Eq. (9) and in Eq. (13) alike.
    blocks, Y = blocks.weigh_mmd(lam), add_mmd_label(L)
    distinct, place = np.unique(mu, return_inverse=True)
    first = solve_regression(blocks.weigh(np.ones((1, blocks.shape[0]))), Y, distinct, solver)
    ended = [
        _alternate(blocks, Y, mu[s], tau[s], l1, int(outer_steps), solver, first.take(place[s]))
        for s in _stacks(len(mu), blocks.shape)
    ]
    return Selection(*(np.concatenate(parts) for parts in zip(*ended, strict=True)))


def _stacks(n_settings: int, shape: tuple[int, int, int]) -> Iterator[slice]:
    """Cut settings into stacks, given the (n_blocks, n, m) of the kernels."""
    size = min(_STACK, max(1, _STACK_BYTES // (8 * shape[1] * shape[2])))
    return (slice(i, i + size) for i in range(0, n_settings, size))


def _alternate(
    blocks: "BlockProducts",
    Y: Array,
    mu: Array,
    tau: Array,
    l1: str,
    outer_steps: int,
    solver: str,
    regression: Regression,  # the first P
) -> Selection:
    """Repeat the updates of P and w for a stack of settings."""
    w = np.ones((len(mu), blocks.shape[0]))
    converged = regression.converged
    objectives = []
    for step in range(outer_steps):
        if step > 0:
            # Fix w and update P, Eq. (9).
            regression = solve_regression(blocks.weigh(w), Y, mu, solver)
        # Fix P and update w, Eq. (12) and (13). The entries of D and y stand in another order
        # than in the paper, the same for both, which changes nothing.
        D_transposed = blocks.regress(regression.P).reshape(*w.shape, -1)
        design = DesignProducts.of(D_transposed, Y.ravel())
        penalty = tau if l1 == "absolute" else ratio_penalties(design, tau)
        after_P = _objective(design, w, penalty, regression.P, mu)
        w, solved = nonnegative_lasso(design, penalty, w if step > 0 else None)
        objectives.append([after_P, _objective(design, w, penalty, regression.P, mu)])
        converged = converged & regression.converged & solved
    return Selection(regression.P, w, np.array(objectives).transpose(2, 0, 1), converged)


def _objective(design: "DesignProducts", w: Array, penalty: Array, P: Array, mu: Array) -> Array:
    """Return Eq. (8) of every setting, shape (n_settings,)."""
    sparsity = penalty * w.sum(axis=1) + mu * np.abs(P).sum(axis=(1, 2))
    return design.squared_error(w) + sparsity


def regressed_labels(blocks: "BlockProducts", P: Array, w: Array) -> Array:
    r"""Return :math:`P^T \sum_i w_i k_i^{te}` of every query, (n_settings, n_query, n_classes)."""
    stacks = _stacks(len(w), blocks.shape)
    return np.concatenate([blocks.regress_queries(P[i], w[i]) for i in stacks])


class DesignProducts(NamedTuple):
    """What the problem needs of D and y."""

    gram: Array  # (n_stack, k, k), ``D.T @ D``
    correlation: Array  # (n_stack, k), ``D.T @ y``
    energy: float  # ``y @ y``

    @classmethod
    def of(cls, D_transposed: Array, y: Array) -> "DesignProducts":
        """Multiply a stack of transposed designs (n_stack, k, m) with themselves and ``y`` (m)."""
        gram = D_transposed @ D_transposed.transpose(0, 2, 1)
        return cls(gram, (D_transposed @ y[:, None])[:, :, 0], float(y @ y))

    def squared_error(self, w: Array) -> Array:
        """Return ``|y - D w|^2`` for w (n_stack, k), shape (n_stack,)."""
        column = w[:, :, None]
        change = w[:, None, :] @ (self.gram @ column - 2 * self.correlation[:, :, None])
        return self.energy + change[:, 0, 0]


def ratio_penalties(products: DesignProducts, ratio: Array) -> Array:
    """Return the weights a of ``|w|_1`` that are ``ratio`` times those above which w is zero.

    A ratio (n_stack,) below 1 then never makes w zero, whatever the scale of the data; SLEP
    (J. Liu, S. Ji and J. Ye, SLEP: Sparse Learning with Efficient Projections, 2009) calls this
    ``rFlag = 1``. From 1 on the optimal w is zero.
    """
    return 2.0 * ratio * np.maximum(products.correlation.max(axis=1), 0.0)


def nonnegative_lasso(
    products: DesignProducts, penalty: Array, start: Array | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the w >= 0 (n_stack, k) of least ``|y - D w|^2 + a |w|_1``, and which converged.

    ``penalty`` (n_stack,) are the a >= 0; good nonnegative guesses (n_stack, k) save time.
    """
    w = np.empty(products.correlation.shape)
    converged = np.empty(len(w), bool)
    for i, weight in enumerate(penalty):
        found = active_set_lasso(
            products.gram[i],
            products.correlation[i],
            float(weight) / 2,  # of half the squared error
            nonnegative=True,
            start=None if start is None else start[i],
        )
        w[i], converged[i] = found.x, found.converged
    return w, converged


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
