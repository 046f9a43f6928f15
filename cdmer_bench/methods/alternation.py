r"""The alternation of RSTR between the coefficients P and the block weights w.

Symbols, equations and their corrections: see :mod:`cdmer_bench.methods.rstr`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.block_products import BlockProducts
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.methods.label_regression import (
    Regression,
    add_mmd_label,
    group_by,
    solve_regression,
)
from cdmer_bench.solvers.nonnegative_lasso import (
    DesignProducts,
    nonnegative_lasso,
    ratio_penalties,
)

Array = NDArray[np.float64]

L1_RULES = ("ratio", "absolute")

# Settings that one pass of the alternation takes together, so that NumPy's cost per call is
# shared while the matrices of all of them stay in the cache; fewer where these would take more
# bytes than the second number. It changes no result.
_STACK = 10
_STACK_BYTES = 1 << 28


class Alternation(NamedTuple):
    """Where the alternation ended, for every setting of a batch.

    Attributes
    ----------
    P : ndarray, shape (n_settings, n_source + n_target, n_classes)
    w : ndarray, shape (n_settings, n_blocks)
    objectives : ndarray, shape (n_settings, outer_steps, 2)
        Eq. (8) after the update of P and after that of w, both with the weight of ``|w|_1`` of
        that iteration.
    n_steps : ndarray of int, shape (n_settings,)
        Iterations; where other settings take more, the rest of ``objectives`` is NaN.
    converged : ndarray of bool, shape (n_settings,)
        False if any inner solver met its limit.
    """

    P: Array
    w: Array
    objectives: Array
    n_steps: NDArray[np.intp]
    converged: NDArray[np.bool_]

    @classmethod
    def empty(cls, n_settings: int, n: int, c: int, n_blocks: int, steps: int) -> "Alternation":
        """Return room for the results of ``n_settings`` settings."""
        return cls(
            np.empty((n_settings, n, c)),
            np.empty((n_settings, n_blocks)),
            np.full((n_settings, steps, 2), np.nan),
            np.empty(n_settings, np.intp),
            np.empty(n_settings, np.bool_),
        )

    def put(self, members: NDArray[np.intp], ended: "Alternation") -> None:
        """Write the results of some settings, which took equally many steps."""
        for mine, other in zip(self[:2], ended[:2], strict=True):
            mine[members] = other
        self.objectives[members, : ended.objectives.shape[1]] = ended.objectives
        self.n_steps[members] = ended.n_steps
        self.converged[members] = ended.converged


def alternate(blocks: BlockProducts, L: Array, settings: Sequence[Setting]) -> Alternation:
    """Find P and w of every setting.

    Parameters
    ----------
    blocks : BlockProducts
    L : ndarray, shape (c, n_source)
        One-hot labels.
    settings : sequence of settings
        With every parameter of :class:`~cdmer_bench.methods.rstr.RSTR` but the task's.
    """
    n_blocks, n, _ = blocks.shape
    most_steps = max(int(setting["outer_steps"]) for setting in settings)
    found = Alternation.empty(len(settings), n, len(L), n_blocks, most_steps)
    for members in group_by(settings, _what_stays):
        mu, tau = (np.array([float(settings[i][name]) for i in members]) for name in ("mu", "tau"))
        for stack, ended in _alternate(blocks, L, settings[members[0]], mu, tau):
            found.put(np.array(members)[stack], ended)
    return found


def _what_stays(setting: Setting) -> tuple:
    return tuple(setting[name] for name in ("lam", "l1", "outer_steps", "solver"))


def _alternate(
    blocks: BlockProducts, L: Array, shared: Setting, mu: Array, tau: Array
) -> Iterator[tuple[NDArray[np.intp], Alternation]]:
    """Alternate for settings that differ in ``mu`` and ``tau`` only, some at a time."""
    # [K_i^s, sqrt(gamma) k_i^st]: with this column beside the source's, whose labels are
    # [L^s, 0], the MMD is part of the squared error, in Eq. (9) and in Eq. (13) alike.
    blocks = blocks.weigh_mmd(shared["lam"])
    Y = add_mmd_label(L)
    # w starts at ones, so the first P, that of DRLS, does not depend on tau.
    distinct, place = np.unique(mu, return_inverse=True)
    start = np.ones((1, blocks.shape[0]))
    first = solve_regression(blocks.weigh(start), Y, distinct, shared["solver"])
    for stack in _stacks(len(mu), blocks.shape):
        regression = first.take(place[stack])
        yield stack, _alternate_stack(blocks, Y, shared, mu[stack], tau[stack], regression)


def _stacks(n_settings: int, shape: tuple[int, int, int]) -> list[NDArray[np.intp]]:
    """Cut settings into stacks, given the (n_blocks, n, m) of the kernels."""
    size = min(_STACK, max(1, _STACK_BYTES // (8 * shape[1] * shape[2])))
    return [np.arange(i, min(i + size, n_settings)) for i in range(0, n_settings, size)]


def _alternate_stack(
    blocks: BlockProducts, Y: Array, shared: Setting, mu: Array, tau: Array, regression: Regression
) -> Alternation:
    """Repeat the updates of P and w, from the first P on."""
    w = np.ones((len(mu), blocks.shape[0]))
    converged = regression.converged
    objectives = []
    for step in range(int(shared["outer_steps"])):
        if step > 0:
            # 1) Fix w and update P, Eq. (9): by Eq. (10), (11) and Algorithm 1, which is
            # cdmer_bench.solvers.ialm, or exactly.
            regression = solve_regression(blocks.weigh(w), Y, mu, shared["solver"])
        # 2) Fix P and update w, Eq. (12) and (13).
        design = design_of_weights(blocks, regression.P, Y)
        penalty = tau if shared["l1"] == "absolute" else ratio_penalties(design, tau)
        after_P = objective(design, w, penalty, regression.P, mu)
        w, solved = nonnegative_lasso(design, penalty, w if step > 0 else None)
        objectives.append([after_P, objective(design, w, penalty, regression.P, mu)])
        converged = converged & regression.converged & solved
    path = np.array(objectives).transpose(2, 0, 1)
    # 3) Check convergence: a fixed number of steps, see above.
    return Alternation(regression.P, w, path, np.full(len(mu), len(objectives)), converged)


def design_of_weights(blocks: BlockProducts, P: Array, Y: Array) -> DesignProducts:
    r"""Set up the update of w, Eq. (12) and (13), for every P of a stack.

    Column i of A is :math:`P^T K_i^s` and column i of B is :math:`P^T k_i^{st}`, both written as
    vectors; D is (Ns + 1) c x K. The entries stand here in another order than in the paper, the
    same for D and y, which changes nothing.
    """
    D_transposed = blocks.regress(P).reshape(len(P), blocks.shape[0], -1)
    return DesignProducts.of(D_transposed, Y.ravel())


def objective(design: DesignProducts, w: Array, penalty: Array, P: Array, mu: Array) -> Array:
    """Return Eq. (8) of every setting, shape (n_settings,)."""
    sparsity = penalty * w.sum(axis=1) + mu * np.abs(P).sum(axis=(1, 2))
    return design.squared_error(w) + sparsity


def regressed_labels(blocks: BlockProducts, found: Alternation) -> Array:
    r"""Return :math:`P^T \sum_i w_i k_i^{te}` of every query, (n_settings, n_query, n_classes).

    Eq. (14) projects these on the simplex and takes the largest entry. The projection subtracts
    one number from all entries and cuts at zero, so the largest stays the largest: it is left
    out.
    """
    stacks = _stacks(len(found.w), blocks.shape)
    return np.concatenate([blocks.regress_queries(found.P[i], found.w[i]) for i in stacks])
