r"""Domain regeneration in the label space (DRLS).

Y. Zong, W. Zheng, X. Huang, J. Shi, Z. Cui and G. Zhao, Domain regeneration for cross-database
micro-expression recognition, IEEE Trans. Image Processing 27(5), 2018.

The framework is that of :mod:`cdmer_bench.methods.regeneration`, with labels in the place of
samples. With n = n_source + n_target samples, DRLS finds P (n x c) by

.. math:: \min_P |L - P^T K^s|_F^2 + \lambda |P^T k^{st}|_2^2 + \mu |P|_1,

================  =========================================================================
L                 c x n_source, one-hot labels of the source
:math:`K^s`       n x n_source, linear kernel between all samples and the source's
:math:`k^{st}`    n, mean column of the source less mean column of the target
:math:`\lambda`   weight of the maximum mean discrepancy (field ``lam``)
:math:`\mu`       weight of the L1 norm, the sum of all ``|P_ij|``
================  =========================================================================

and gives a query with kernel column k (n) the class of the largest entry of
:math:`P^T k`; there is no further classifier.

Two solvers: ``paper`` runs the authors' inexact augmented Lagrangian method, which stops 1e-4
to 1e-2 relative above the minimum and so defines the method as benchmarked; ``exact`` finds the
minimum. The constants of the former depend on the scale of the features: keep histograms raw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batches import BatchResult, group_by, join_batches
from cdmer_bench.methods.inputs import Array, Indices, Setting, check_not_negative, check_solver
from cdmer_bench.solvers.kernels import pooled_kernels
from cdmer_bench.solvers.label_regression import (
    Regression,
    add_mmd_label,
    label_matrix,
    solve_regression,
    source_and_mmd_kernels,
    weigh_mmd,
)


@dataclass
class DRLS(Method):
    """Sparse regression of the labels whose result has the same mean in both domains.

    Parameters
    ----------
    lam : float
        Weight of the maximum mean discrepancy, >= 0.
    mu : float
        Weight of the L1 norm of P, >= 0.
    solver : {'paper', 'exact'}
        The authors' schedule of penalties, or the minimum of the objective.

    Attributes
    ----------
    coefficients_ : ndarray, shape (n_source + n_target, n_classes)
        P, after :meth:`fit`.
    """

    lam: float = 1.0
    mu: float = 0.1
    solver: str = "paper"

    label = "DRLS"
    batch_by = ("lam",)  # whose eigendecomposition all ``mu`` share
    largest_batch = None

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the kernels [Ks, kst] and those of the queries; see :meth:`Method.prepare`."""
        kernel, queries = pooled_kernels(Xs, Xt, Xq)
        return {
            "kernels": source_and_mmd_kernels(kernel, len(Xs)),
            "queries": np.ascontiguousarray(queries),
            "labels": label_matrix(ys),
        }

    def check_values(self, setting: Setting) -> None:
        """Refuse values outside their range; see :meth:`Method.check_values`."""
        super().check_values(setting)
        chosen = self.complete(setting)
        check_solver(chosen["solver"])
        check_not_negative(lam=chosen["lam"], mu=chosen["mu"])

    def regress(self, prepared: Prepared, settings: Sequence[Setting]) -> Regression:
        """Return P (n x c) of settings that differ in ``mu`` only."""
        chosen = [self.complete(setting) for setting in settings]
        C, Y = weigh_mmd(prepared["kernels"], chosen[0]["lam"]), add_mmd_label(prepared["labels"])
        mu = np.array([setting["mu"] for setting in chosen], dtype=np.float64)
        return solve_regression(C[None], Y, mu, chosen[0]["solver"])

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Predict the class of the largest regressed label."""
        full = [self.complete(setting) for setting in settings]
        groups = group_by(full, lambda setting: (setting["lam"], setting["solver"]))
        found = (self.regress(prepared, [full[i] for i in group]) for group in groups)
        return join_batches(groups, [self._predict(prepared, one) for one in found])

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> Array:
        """Return Z Z' of the regressed labels Z = K P; see :meth:`Method.adapted_kernel`."""
        P = self.regress(prepared, [setting]).P[0]
        Z = np.concatenate([prepared["kernels"][:, :-1].T, prepared["queries"].T]) @ P
        return Z @ Z.T

    def _learn(self, prepared: Prepared) -> BatchResult:
        regression = self.regress(prepared, [{}])
        self.coefficients_ = regression.P[0]
        return self._predict(prepared, regression)

    def _predict(self, prepared: Prepared, regression: Regression) -> BatchResult:
        scores = prepared["queries"].T @ regression.P
        result = BatchResult.from_scores(scores, regression.converged, regression.n_steps)
        for i, P in enumerate(regression.P):
            if not P.any():
                result.add_note(i, "P is zero: mu is too large for features of this scale")
            if not regression.converged[i]:
                result.add_note(i, "the solver of P ended above its tolerance")
        return result
