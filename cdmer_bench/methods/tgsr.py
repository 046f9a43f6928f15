r"""Transferring group sparse regression (TGSR), a later method of the benchmark's laboratory.

X. Jiang, Y. Zong, W. Zheng, J. Liu and M. Wei, Seeking salient facial regions for cross-database
micro-expression recognition, ICPR 2022, arXiv 2111.15361. Columns are samples:

.. math:: \min_C |L - C^T X_s|_F^2 + \lambda |C^T (\bar x_s - \bar x_t)|_2^2
          \quad\text{with at most } k \text{ of the groups of rows of } C \text{ not zero}

=================  ===================  =======================================================
L                  c x n_source         one-hot labels of the source
X_s, X_t           D x n_source, ...    samples; their D rows form G groups
x̄_s, x̄_t           D                    mean samples of the domains
C                  D x c                coefficients
=================  ===================  =======================================================

The mean difference enters as one sample more, :math:`Y = [X_s, \sqrt\lambda (\bar x_s - \bar x_t)]`
(D x (n_source + 1)), whose label is zero. The authors' inexact augmented Lagrangian splits C into P
and B, and stops above the optimum, at a point that depends on its constants: the recorded figures
are of that point. :func:`as_written` follows it for one setting; :class:`TGSR` finds the same for
a whole grid by :func:`~cdmer_bench.solvers.group_selection.select_groups`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batches import BatchResult, group_by, join_batches
from cdmer_bench.methods.inputs import (
    Array,
    Indices,
    Setting,
    check_not_negative,
    is_whole,
    require,
)
from cdmer_bench.solvers.group_selection import (
    MOST_STEPS,
    group_features,
    prepare_groups,
    select_groups,
)
from cdmer_bench.solvers.label_regression import label_matrix


def as_written(
    Xs: Array,  # (n_source, G, d)
    L: Array,  # (c, n_source)
    Xt: Array,  # (n_target, G, d)
    lam: float,
    k: int,
) -> tuple[Array, Array, int]:
    """Follow the authors' loop for one setting, with samples as rows and groups apart.

    Returned are B (G x d x c), the regressed labels P'x_t (n_target x c), the largest of which is
    the answer, and the number of steps.
    """
    n_groups = Xs.shape[1]
    difference = np.sqrt(lam) * (Xs.mean(axis=0) - Xt.mean(axis=0))
    Y = np.concatenate([Xs, difference[None]]).reshape(len(Xs) + 1, -1).T
    YL = Y[:, :-1] @ L.T
    U, s, _ = np.linalg.svd(Y, full_matrices=False)
    P = B = np.ones(YL.shape)
    T, kappa, step = np.zeros(YL.shape), 1e-3, 0
    while True:
        step += 1
        # 1. P = (2 Y Y' / kappa + I)^-1 (B + (2 Y L' - T) / kappa), divided on the span of Y
        R = B + (2 * YL - T) / kappa
        P = R - U @ ((1 - 1 / (2 * s**2 / kappa + 1))[:, None] * (U.T @ R))
        # 2. B: norms of the groups less the (k + 1)-th largest, so that k groups stay
        W = (P + T / kappa).reshape(n_groups, -1)
        norms = np.linalg.norm(W, axis=1)
        threshold = np.sort(norms)[::-1][k] if k < n_groups else 0.0
        kept = np.maximum(norms - threshold, 0) / np.where(norms > 0, norms, 1)
        B = (kept[:, None] * W).reshape(P.shape)
        # 3. The check, T and kappa
        if np.abs(P - B).max() < 1e-8 or step == MOST_STEPS:
            return B.reshape(*Xs.shape[1:], -1), Xt.reshape(len(Xt), -1) @ P, step
        T, kappa = T + kappa * (P - B), min(1.1 * kappa, 1e15)


@dataclass
class TGSR(Method):
    """Regression of the labels by k groups of features, with equal means in both domains.

    Parameters
    ----------
    k : int
        Groups that stay at most, from 1 on.
    lam : float
        Weight of the mean difference, >= 0.
    groups : {'authors_chunks', 'blocks'}
        See :func:`~cdmer_bench.solvers.group_selection.group_features`: the authors' code cuts
        the file into runs, which past the first are no facial blocks.
    """

    k: int = 12
    lam: float = 1.0
    groups: str = "authors_chunks"

    label = "TGSR"
    needs_blocks = True
    of_a_task = ("groups",)
    batch_by = ("lam",)  # which share the decomposition of Y
    largest_batch = None

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Find a basis of the source and the mean difference, with its products by groups."""
        target = group_features(Xt, self.groups)
        queries = target if Xq is Xt else group_features(Xq, self.groups)
        prepared = prepare_groups(group_features(Xs, self.groups), target, queries)
        return {**prepared, "labels": label_matrix(ys)}

    def check_samples(self, X: ArrayLike, name: str = "X") -> Array:
        """Refuse blocks that cannot be grouped; see :meth:`Method.check_samples`."""
        samples = super().check_samples(X, name)
        group_features(samples, self.groups)
        return samples

    def check_values(self, setting: Setting) -> None:
        """Refuse values outside their range; see :meth:`Method.check_values`."""
        super().check_values(setting)
        chosen = self.complete(setting)
        whole = is_whole(chosen["k"]) and chosen["k"] >= 1
        require(whole, "k of TGSR", chosen["k"], "a whole number from 1 on")
        check_not_negative(lam=chosen["lam"])

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Predict every setting of a batch."""
        full, n_groups = [self.complete(setting) for setting in settings], len(prepared["Q"])
        groups = group_by(full, lambda setting: setting["lam"])
        parts = []
        for group in groups:
            k = np.array([min(int(full[i]["k"]), n_groups) for i in group])
            labels, steps, converged = select_groups(prepared, full[group[0]]["lam"], k)
            parts.append(BatchResult.from_scores(labels, converged, steps))
        result = join_batches(groups, parts)
        for i, setting in enumerate(full):
            if setting["k"] > n_groups:
                result.add_note(i, f"k = {setting['k']:g}, so all {n_groups} groups stay")
            if not result.converged[i]:
                result.add_note(i, "the loop ended above its tolerance")
        return result
