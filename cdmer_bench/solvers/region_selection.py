r"""P and w of RSTR for many settings at once: the alternation of the paper's section III-B.

Symbols, equations and the form for one setting, step by step: :mod:`cdmer_bench.methods.rstr`.
What saves time here: the kernels of all blocks are put beside their column for the MMD once; as w
starts at ones, the first P does not depend on tau; ten settings go through a step together.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.solvers.active_set_lasso import (
    DesignProducts,
    nonnegative_lasso,
    ratio_penalties,
)
from cdmer_bench.solvers.blocks import BlockProducts
from cdmer_bench.solvers.label_regression import add_mmd_label, solve_regression
from cdmer_bench.solvers.stacked_ialm import Regression

Array = NDArray[np.float64]

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
    blocks: BlockProducts,
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
    blocks: BlockProducts,
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


def _objective(design: DesignProducts, w: Array, penalty: Array, P: Array, mu: Array) -> Array:
    """Return Eq. (8) of every setting, shape (n_settings,)."""
    sparsity = penalty * w.sum(axis=1) + mu * np.abs(P).sum(axis=(1, 2))
    return design.squared_error(w) + sparsity


def regressed_labels(blocks: BlockProducts, P: Array, w: Array) -> Array:
    r"""Return :math:`P^T \sum_i w_i k_i^{te}` of every query, (n_settings, n_query, n_classes)."""
    stacks = _stacks(len(w), blocks.shape)
    return np.concatenate([blocks.regress_queries(P[i], w[i]) for i in stacks])
