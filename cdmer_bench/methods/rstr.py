r"""Region selective transfer regression (RSTR), the method that the benchmark's paper proposes.

T. Zhang, Y. Zong, W. Zheng, C. L. P. Chen, X. Hong, C. Tang, Z. Cui and G. Zhao, Cross-database
micro-expression recognition: a benchmark, IEEE Trans. Knowledge and Data Engineering 34(2), 2022,
section III. This module keeps the paper's columns-are-samples notation, with linear kernels:

==============  =====================  =======================================================
:math:`L^s`     c x Ns                 one-hot labels of the Ns source samples
:math:`K_i^s`   n x Ns                 kernel of block i, all n = Ns + Nt samples with the
                                       source's
:math:`K_i^t`   n x Nt                 the same with the target's
:math:`P`       n x c                  regression coefficients
:math:`w`       K, >= 0                weights of the K facial blocks
==============  =====================  =======================================================

Eq. (1) regresses the labels, Eq. (2) to (5) add the maximum mean discrepancy (MMD) of the domains,
Eq. (6) and (7) weigh facial blocks. By kernels, with the mean difference
:math:`k_i^{st} = \frac{1}{N_s} K_i^s 1_s - \frac{1}{N_t} K_i^t 1_t`, that is Eq. (8):

.. math:: \min_{P, w \ge 0} \Bigl|L^s - P^T \sum_i w_i K_i^s\Bigr|_F^2 + \lambda |w|_1
          + \mu |P|_1 + \gamma \Bigl|P^T \sum_i w_i k_i^{st}\Bigr|_2^2

:func:`as_written` follows section III from here on, for one setting. :class:`RSTR` finds the same
for a whole grid by :func:`~cdmer_bench.solvers.region_selection.select_regions`.

**Misprints of the paper, corrected here**

- Eq. (2): the target's mean is over Nt samples, not Ns.
- Eq. (3): it is the square of the MMD that Eq. (4) and (5) relax.
- Algorithm 1, step 1: the closed form of Q is
  :math:`(\tilde K^s \tilde K^{sT} + \gamma \tilde k \tilde k^T + \frac\kappa2 I)^{-1}
  (\tilde K^s L^{sT} + \frac{T + \kappa P}{2})`. Printed are :math:`\tilde K^s \tilde K^s`,
  whose shapes do not fit, and :math:`\sqrt\gamma`, which is not where the gradient vanishes.
- Algorithm 1, step 4: the "machine epsilon" is far below the rounding of the step itself;
  the tolerance is 1e-8, as in the authors' released solver.
- Eq. (13): it rewrites Eq. (12), not Eq. (10), and :math:`D = [A; \sqrt\gamma B]`; printed
  without :math:`\sqrt\gamma`.
- Eq. (14): the sum runs over the K blocks, not to M.

What the paper leaves open are parameters of :class:`RSTR`, settled in docs/protocol.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import ArrayLike

from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batches import BatchResult, group_by, join_batches
from cdmer_bench.methods.inputs import (
    Array,
    Indices,
    Setting,
    check_not_negative,
    check_solver,
    is_whole,
    require,
)
from cdmer_bench.solvers.group_selection import group_features
from cdmer_bench.solvers.label_regression import label_matrix
from cdmer_bench.solvers.region_selection import (
    Selection,
    prepare_products,
    products_of,
    regressed_labels,
    scale_features,
    select_regions,
)


def as_written(
    Xs: Array,  # (Ns, K, d)
    L: Array,  # (c, Ns)
    Xt: Array,  # (Nt, K, d)
    gamma: float,  # ``lam`` of :class:`RSTR`
    mu: float,
    tau: float,
    outer_steps: int = 5,
    l1: str = "ratio",
) -> tuple[Array, Array, Array]:
    """Follow section III-B and C for one setting, forming everything anew at every step.

    Returned are P (n x c), w (K) and the regressed labels (c x Nt) of the target.
    """
    n_source, n_blocks, _ = Xs.shape
    X = np.concatenate([Xs, Xt]).transpose(1, 0, 2)
    K = X @ X.transpose(0, 2, 1)  # one n x n kernel for each block
    Ks, Kt = K[:, :, :n_source], K[:, :, n_source:]
    kst = Ks.mean(axis=2) - Kt.mean(axis=2)
    w = np.ones(n_blocks)
    for _ in range(outer_steps):
        # 1) Fix w and update P, Eq. (9)
        Ks_w, kst_w = np.tensordot(w, Ks, 1), w @ kst
        A = Ks_w @ Ks_w.T + gamma * np.outer(kst_w, kst_w)
        # Algorithm 1: P = Q, Eq. (10); minimise the Lagrangian of Eq. (11) over each in turn
        P = T = np.ones((len(A), len(L)))
        kappa = 1e-3
        while True:
            # Step 1
            Q = np.linalg.solve(A + kappa / 2 * np.eye(len(A)), Ks_w @ L.T + (T + kappa * P) / 2)
            # Step 2: soft thresholding
            P = np.sign(Q - T / kappa) * np.maximum(np.abs(Q - T / kappa) - mu / kappa, 0)
            # Step 4, then step 3 with rho = 1.1
            if np.abs(P - Q).max() < 1e-8:
                break
            T, kappa = T + kappa * (P - Q), min(1.1 * kappa, 1e15)
        # 2) Fix P and update w: Eq. (12) with the columns of A and B, as Eq. (13) with D and y
        A, B = (P.T @ Ks).reshape(n_blocks, -1).T, P.T @ kst.T
        D, y = np.vstack([A, np.sqrt(gamma) * B]), np.append(L.ravel(), np.zeros(len(L)))
        weight = tau * 2 * max((D.T @ y).max(), 0) if l1 == "ratio" else tau
        # |y - D w|^2 + weight 1'w is |R w - R'^-1 (D'y - weight / 2)|^2 + constant, R'R = D'D
        root = np.linalg.cholesky(D.T @ D + 1e-13 * np.sum(D**2) * np.eye(n_blocks))
        w = scipy.optimize.nnls(root.T, np.linalg.solve(root, D.T @ y - weight / 2))[0]
        # 3) Check convergence: the preset maximal number of steps
    # Eq. (14): the answer is the largest entry. Projecting on the simplex subtracts one number from
    # all entries and cuts at zero: the largest stays the largest, so the projection is left out.
    return P, w, P.T @ np.tensordot(w, Kt, 1)


@dataclass
class RSTR(Method):
    """Transfer regression that learns which facial blocks matter.

    Parameters
    ----------
    lam : float
        Weight of the MMD, Eq. (8)'s gamma, >= 0. Section IV-A calls the searched weights lambda,
        mu and tau without saying which terms they weigh.
    mu : float
        Weight of ``|P|_1``, >= 0.
    tau : float
        Weight of ``|w|_1``, >= 0; see ``l1``.
    l1 : {'ratio', 'absolute'}
        ``'ratio'``: the weight is tau times the smallest one that makes w zero, SLEP's
        ``rFlag = 1``. It changes with P, so the objective need not fall from one iteration to
        the next; with ``'absolute'``, where tau is the weight, and ``solver='exact'`` it does.
    outer_steps : int
        Iterations of the alternation, >= 1; the prediction uses P and w of the last.
    solver : {'paper', 'exact'}
        How P is found: by the authors' schedule of penalties, or the minimum of Eq. (9).
    groups : {'blocks', 'authors_chunks'}
        See :func:`~cdmer_bench.solvers.group_selection.group_features`.
    scale : {'raw', 'block_l2', 'zscore'}
        See :func:`~cdmer_bench.solvers.region_selection.scale_features`.

    Attributes
    ----------
    weights_ : ndarray, shape (n_blocks,)
        w, after :meth:`fit`. P and w are only defined up to a factor that one gains and the
        other loses: compare weights within a w, not between two.
    coefficients_ : ndarray, shape (n_source + n_target, n_classes)
        P.
    objectives_ : ndarray, shape (outer_steps, 2)
        Eq. (8) after each update of P and of w.
    """

    lam: float = 1000.0
    mu: float = 1.5
    tau: float = 0.05
    l1: str = "ratio"
    outer_steps: int = 5
    solver: str = "paper"
    groups: str = "blocks"
    scale: str = "raw"

    label = "RSTR"
    needs_blocks = True
    of_a_task = ("groups", "scale")
    batch_by = ("lam",)  # which share the first P
    largest_batch = 100

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the kernels of every block, if they fit; see :meth:`Method.prepare`."""
        Xs, Xt, Xq = (group_features(X, self.groups) for X in (Xs, Xt, Xq))
        if self.scale != "raw":  # which needs no copy of all samples
            both = np.concatenate([Xs, Xt])
            Xs, Xt, Xq = (scale_features(X, both, self.scale) for X in (Xs, Xt, Xq))
        return {**prepare_products(Xs, Xt, Xq), "labels": label_matrix(ys)}

    def check_samples(self, X: ArrayLike, name: str = "X") -> Array:
        """Refuse blocks that cannot be grouped; see :meth:`Method.check_samples`."""
        samples = super().check_samples(X, name)
        group_features(samples, self.groups)
        return samples

    def check_values(self, setting: Setting) -> None:
        """Refuse values outside their range; see :meth:`Method.check_values`."""
        super().check_values(setting)
        chosen = self.complete(setting)
        check_solver(chosen["solver"])
        check_solver(chosen["l1"], "l1 rule", ("ratio", "absolute"))
        check_not_negative(lam=chosen["lam"], mu=chosen["mu"], tau=chosen["tau"])
        steps = chosen["outer_steps"]
        require(is_whole(steps) and steps >= 1, "outer_steps", steps, "a whole number from 1 on")

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Predict every setting of a batch; the block weights are in ``extras['weights']``."""
        full = [self.complete(setting) for setting in settings]
        groups = group_by(full, lambda s: (s["lam"], s["l1"], s["outer_steps"], s["solver"]))
        found = (self.select(prepared, [full[i] for i in group]) for group in groups)
        return join_batches(groups, [self._predict(prepared, selection) for selection in found])

    def select(self, prepared: Prepared, settings: Sequence[Setting]) -> Selection:
        """Find P and w of settings that differ in ``mu`` and ``tau`` only."""
        chosen = [self.complete(setting) for setting in settings]
        mu, tau = (np.array([float(s[name]) for s in chosen]) for name in ("mu", "tau"))
        shared = {name: chosen[0][name] for name in ("lam", "l1", "outer_steps", "solver")}
        return select_regions(products_of(prepared), prepared["labels"], mu, tau, **shared)

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> Array:
        """Return Z Z' of the regressed labels, Z = sum_i w_i K_i P; see the base class."""
        blocks, found = products_of(prepared), self.select(prepared, [setting])
        source = blocks.weigh(found.w)[0, :, :-1].T @ found.P[0]
        Z = np.concatenate([source, blocks.regress_queries(found.P, found.w)[0]])
        return Z @ Z.T

    def _learn(self, prepared: Prepared) -> BatchResult:
        found = self.select(prepared, [{}])
        self.coefficients_, self.weights_ = found.P[0], found.w[0]
        self.objectives_ = found.objectives[0]
        return self._predict(prepared, found)

    def _predict(self, prepared: Prepared, found: Selection) -> BatchResult:
        scores = regressed_labels(products_of(prepared), found.P, found.w)
        steps = np.full(len(scores), found.objectives.shape[1])
        result = BatchResult.from_scores(scores, found.converged, steps)
        result.extras["weights"] = found.w.astype(np.float32)
        for i, (P, w) in enumerate(zip(found.P, found.w, strict=True)):
            # Without blocks the next P is zero too, so the blocks are looked at first.
            if not w.any():
                text = "w is zero, no block is selected: tau or mu is too large for this scale"
                result.add_note(i, text)
            elif not P.any():
                result.add_note(i, "P is zero: mu is too large for features of this scale")
            if not found.converged[i]:
                result.add_note(i, "a solver of P or w ended above its tolerance")
        return result
