r"""Region selective transfer regression (RSTR), the method that the benchmark's paper proposes.

T. Zhang, Y. Zong, W. Zheng, C. L. P. Chen, X. Hong, C. Tang, Z. Cui and G. Zhao, Cross-database
micro-expression recognition: a benchmark, IEEE Trans. Knowledge and Data Engineering, 2020,
section III. This module keeps the paper's order and its columns-are-samples notation:

==============  ====================  ========================================================
:math:`L^s`     c x Ns                one-hot labels of the Ns source samples
:math:`K_i^s`   n x Ns                linear kernel of block i, all n = Ns + Nt samples with
                                      the source's
:math:`K_i^t`   n x Nt                the same with the target's
:math:`P`       n x c                 regression coefficients
:math:`w`       K, >= 0               weights of the K facial blocks
==============  ====================  ========================================================

Eq. (8), with :math:`k_i^{st} = \frac{1}{N_s} K_i^s 1_s - \frac{1}{N_t} K_i^t 1_t`:

.. math:: \min_{P, w \ge 0} \Bigl|L^s - P^T \sum_i w_i K_i^s\Bigr|_F^2 + \lambda |w|_1
          + \mu |P|_1 + \gamma \Bigl|P^T \sum_i w_i k_i^{st}\Bigr|_2^2

Alternately P is found with w fixed (Eq. 9 to 11, Algorithm 1) and w with P fixed (Eq. 12, 13).

**Misprints of the paper, corrected here**

- Eq. (2): the target's mean is over Nt samples, not Ns.
- Eq. (3): it is the square of the MMD that Eq. (4) and (5) relax.
- Algorithm 1, step 1: the closed form of Q is
  :math:`(\tilde K^s \tilde K^{sT} + \gamma \tilde k \tilde k^T + \frac\kappa2 I)^{-1}
  (\tilde K^s L^{sT} + \frac{T + \kappa P}{2})`. Printed are :math:`\tilde K^s \tilde K^s`,
  whose shapes do not fit, and :math:`\sqrt\gamma`, which is not where the gradient vanishes.
- Algorithm 1, step 4: the "machine epsilon" is far below the rounding of the step itself;
  the tolerance is 1e-8, as in the authors' released solver.
- Text before Eq. (13): it rewrites Eq. (12), not Eq. (10).
- Eq. (13): :math:`D = [A; \sqrt\gamma B]`; printed without :math:`\sqrt\gamma`.
- Eq. (14): the sum runs over the K blocks, not to M.

**What the paper leaves open, and the choice made** (fields of :class:`RSTR`)

- Section IV-A names the searched weights :math:`\lambda, \mu, \tau` without saying which terms
  they weigh. Taken as :math:`\lambda \in [0.1, 10^4]` for Eq. (8)'s :math:`\gamma` (``lam``),
  :math:`\mu` for :math:`|P|_1` (``mu``), :math:`\tau` for :math:`|w|_1` (``tau``). With the
  literal reading of Eq. (8) most of the grid makes w zero.
- ``tau`` is a ratio, SLEP's ``rFlag = 1`` (``l1``): the weight of :math:`|w|_1` is tau times the
  smallest one that makes w zero. As this weight then changes with P, the objective need not
  fall from one iteration to the next; with ``l1='absolute'`` and ``solver='exact'`` it does.
- "A preset threshold" for the objective is not given: a fixed number of iterations
  (``outer_steps``), and the prediction uses the w of the last.
- IALM's constants are those of the authors' released code for DRLS; w starts at ones, so the
  first P is that of DRLS.
- SLEP's 100 iterations are replaced by the exact minimum over w, which is faster and does not
  depend on the last bits of its input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError, closest
from cdmer_bench.methods.alternation import L1_RULES, Alternation, alternate, regressed_labels
from cdmer_bench.methods.base import BatchResult, Method, Prepared
from cdmer_bench.methods.block_features import group_features, scale_features
from cdmer_bench.methods.block_products import prepare_products, products_of
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.methods.label_regression import (
    check_not_negative,
    check_solver,
    group_by,
    label_matrix,
)


@dataclass
class RSTR(Method):
    """Transfer regression that learns which facial blocks matter.

    Parameters
    ----------
    lam : float
        Weight of the maximum mean discrepancy, Eq. (8)'s gamma, >= 0.
    mu : float
        Weight of ``|P|_1``, >= 0.
    tau : float
        Weight of ``|w|_1``, >= 0; a ratio of the largest useful one unless ``l1='absolute'``.
    l1 : {'ratio', 'absolute'}
        What ``tau`` means.
    outer_steps : int
        Iterations of the alternation, >= 1.
    solver : {'paper', 'exact'}
        How P is found: the authors' schedule of penalties, or the minimum of Eq. (9).
    groups : {'blocks', 'authors_chunks'}
        See :func:`~cdmer_bench.methods.block_features.group_features`.
    scale : {'raw', 'block_l2', 'zscore'}
        See :func:`~cdmer_bench.methods.block_features.scale_features`.

    Attributes
    ----------
    weights_ : ndarray, shape (n_blocks,)
        w, after :meth:`fit`. P and w are only defined up to a factor that one gains and the
        other loses: compare weights within a w, not between two.
    coefficients_ : ndarray, shape (n_source + n_target, n_classes)
        P.
    objectives_ : ndarray, shape (outer_steps, 2)
        See :class:`~cdmer_bench.methods.alternation.Alternation`.
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

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute the kernels of every block, if they fit; see :meth:`Method.prepare`."""
        Xs, Xt, Xq = (group_features(X, self.groups) for X in (Xs, Xt, Xq))
        if self.scale != "raw":  # which needs no copy of all samples
            both = np.concatenate([Xs, Xt])
            Xs, Xt, Xq = (scale_features(X, both, self.scale) for X in (Xs, Xt, Xq))
        return {**prepare_products(Xs, Xt, Xq), "labels": label_matrix(ys)}

    def check_values(self, setting: Setting) -> None:
        """Refuse values outside their range; see :meth:`Method.check_values`."""
        super().check_values(setting)
        chosen = self.complete(setting)
        for name in ("groups", "scale"):
            if chosen[name] != getattr(self, name):
                raise UserError(
                    f"the grid of RSTR varies {name!r}, which holds for a whole task: make one "
                    f"RSTR({name}=...) for each value"
                )
        check_solver(chosen["solver"])
        check_not_negative(lam=chosen["lam"], mu=chosen["mu"], tau=chosen["tau"])
        if chosen["l1"] not in L1_RULES:
            raise UserError(
                f"there is no l1 rule {chosen['l1']!r}; {closest(chosen['l1'], L1_RULES)}"
            )
        if chosen["outer_steps"] < 1 or chosen["outer_steps"] != int(chosen["outer_steps"]):
            raise UserError(
                f"outer_steps is {chosen['outer_steps']}, expected a whole number from 1 on"
            )

    def batches(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Group settings by ``lam``, at most 100 together: they share DRLS's P, found first."""
        groups = group_by(settings, lambda setting: setting.get("lam", self.lam))
        return [group[i : i + 100] for group in groups for i in range(0, len(group), 100)]

    def alternate(self, prepared: Prepared, settings: Sequence[Setting]) -> Alternation:
        """Find P and w of every setting."""
        return alternate(
            products_of(prepared),
            prepared["labels"],
            [self.complete(setting) for setting in settings],
        )

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Predict every setting of a batch; the block weights are in ``extras['weights']``."""
        return self._predict(prepared, self.alternate(prepared, settings))

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> NDArray[np.float64]:
        """Return Z Z' of the regressed labels, Z = sum_i w_i K_i P; see the base class."""
        blocks, found = products_of(prepared), self.alternate(prepared, [setting])
        source = blocks.weigh(found.w)[0, :, :-1].T @ found.P[0]
        Z = np.concatenate([source, blocks.regress_queries(found.P, found.w)[0]])
        return Z @ Z.T

    def _learn(self, prepared: Prepared) -> BatchResult:
        found = self.alternate(prepared, [{}])
        self.coefficients_, self.weights_ = found.P[0], found.w[0]
        self.objectives_ = found.objectives[0]
        return self._predict(prepared, found)

    def _predict(self, prepared: Prepared, found: Alternation) -> BatchResult:
        scores = regressed_labels(products_of(prepared), found)
        result = BatchResult.from_scores(scores, found.converged, found.n_steps)
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
