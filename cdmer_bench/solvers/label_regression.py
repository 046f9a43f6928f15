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

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.active_set_lasso import active_set_lasso
from cdmer_bench.solvers.ialm import PenaltySchedule
from cdmer_bench.solvers.stacked_ialm import Regression, factorize, ialm

Array = NDArray[np.float64]

AUTHORS_SCHEDULE = PenaltySchedule()


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
        return ialm(factorize(C, Y, AUTHORS_SCHEDULE.kappa0 / 2), mu, AUTHORS_SCHEDULE)
    found = Regression.empty(len(mu), C.shape[1], len(Y))
    for i, weight in enumerate(mu):
        data = C[i if len(C) > 1 else 0]
        # The columns of P are separate lassos; the lasso has half the squared norm.
        columns = [active_set_lasso(data @ data.T, data @ y, float(weight) / 2) for y in Y]
        found.P[i] = np.stack([column.x for column in columns], axis=1)
        found.n_steps[i] = sum(column.n_changes for column in columns)
        found.converged[i] = all(column.converged for column in columns)
    return found
