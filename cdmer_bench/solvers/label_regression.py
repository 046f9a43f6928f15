r"""Transfer regression of labels on kernels: what DRLS and RSTR share.

Written with the columns of the paper: n = n_source + n_target samples, of which the first
n_source are the source. K is the kernel between all n samples; :math:`K^s` (n x n_source) are
its columns of the source, :math:`K^t` (n x n_target) those of the target, and

.. math:: k^{st} = \tfrac{1}{N_s} K^s 1_s - \tfrac{1}{N_t} K^t 1_t \qquad (n)

is the difference of the domains' mean columns, :math:`|P^T k^{st}|^2` the maximum mean
discrepancy (MMD) of the regressed samples. The problem in P (n x c),

.. math:: \min_P |L - P^T K^s|_F^2 + \lambda |P^T k^{st}|_2^2 + \mu |P|_1,

is a sparse least-squares problem :math:`|Y - P^T C|_F^2 + \mu |P|_1` once the MMD is written as
one sample more, whose label is zero: :math:`C = [K^s, \sqrt\lambda k^{st}]` and
:math:`Y = [L, 0]`. Only linear kernels are used, on raw features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.active_set_lasso import active_set_lasso
from cdmer_bench.solvers.ialm import PenaltySchedule, factorize, ialm

Array = NDArray[np.float64]

AUTHORS_SCHEDULE = PenaltySchedule()


class Regression(NamedTuple):
    """Solutions of a stack of problems."""

    P: Array  # (n_stack, n, c)
    n_steps: NDArray[np.intp]  # (n_stack,), of the IALM, or changes of the active sets
    converged: NDArray[np.bool_]  # (n_stack,)

    @classmethod
    def empty(cls, n_stack: int, n: int, c: int) -> "Regression":
        """Return room for ``n_stack`` solutions P (n x c)."""
        return cls(
            np.zeros((n_stack, n, c)), np.zeros(n_stack, np.intp), np.ones(n_stack, np.bool_)
        )

    def take(self, members: NDArray[np.intp]) -> "Regression":
        """Return the solutions of some members of the stack."""
        return Regression(self.P[members], self.n_steps[members], self.converged[members])

    def put(self, members: Sequence[int], found: "Regression") -> None:
        """Write the solutions of some members of the stack."""
        for mine, other in zip(self, found, strict=True):
            mine[members] = other


def label_matrix(ys: NDArray[np.intp]) -> Array:
    """Return L (c x n_source): column i has a 1 in the row of the class of source sample i."""
    return (np.arange(ys.max() + 1)[:, None] == ys).astype(np.float64)


def add_mmd_label(L: Array) -> Array:
    """Return Y = [L, 0] (c x (n_source + 1)): the MMD is a sample whose label is zero."""
    return np.column_stack([L, np.zeros(len(L))])


def source_and_mmd_kernels(kernel: Array, n_source: int) -> Array:
    """Return :math:`[K^s, k^{st}]`, n x (n_source + 1), of the kernel K between all n samples."""
    kernels = np.empty((len(kernel), n_source + 1))
    kernels[:, :-1] = kernel[:, :n_source]
    kernels[:, -1] = kernels[:, :-1].mean(axis=1) - kernel[:, n_source:].mean(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        fits = np.isfinite(np.vdot(kernel, kernel))
    if not fits:
        largest = np.sqrt(np.diag(kernel).max())
        raise UserError(
            f"samples have norms of up to {largest:.3g}, so the squared kernel overflows; divide "
            "the features by a constant"
        )
    return kernels


def weigh_mmd(kernels: Array, lam: float) -> Array:
    r"""Return :math:`C = [K^s, \sqrt\lambda k^{st}]` for a stack of ``[Ks, kst]``."""
    C = kernels.copy()
    C[..., -1] *= np.sqrt(lam)
    return C


def solve_regression(
    C: Array,  # (n_stack, n, m), or (1, n, m), common to all ``mu``
    Y: Array,  # (c, m)
    mu: Array,  # (n_stack,)
    solver: str,  # 'paper': the authors' IALM, which stops above the optimum; 'exact'
) -> Regression:
    r"""Solve :math:`\min_P |Y - P^T C|_F^2 + \mu |P|_1` for a stack of problems."""
    if solver == "paper":
        factors = factorize(C, Y, AUTHORS_SCHEDULE.kappa0 / 2)
        return Regression(*ialm(factors, mu, AUTHORS_SCHEDULE))
    found = Regression.empty(len(mu), C.shape[1], len(Y))
    for i, weight in enumerate(mu):
        found.put([i], _solve_exactly(C[i if len(C) > 1 else 0], Y, float(weight)))
    return found


def _solve_exactly(C: Array, Y: Array, mu: float) -> Regression:
    gram = C @ C.T
    # The columns of P are c separate lassos; the lasso has half the squared norm.
    columns = [active_set_lasso(gram, C @ y, mu / 2) for y in Y]
    return Regression(
        np.stack([column.x for column in columns], axis=1)[None],
        np.array([sum(column.n_changes for column in columns)]),
        np.array([all(column.converged for column in columns)]),
    )
