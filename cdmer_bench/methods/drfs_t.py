"""DRFS-T, domain regeneration in the original feature space, unchanged target domain.

Zong et al., IEEE Transactions on Image Processing 27(5), 2018; the paper's reference [22].
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cdmer_bench.methods.base import SHARED_WORK, Prepared
from cdmer_bench.methods.inputs import Array, Indices
from cdmer_bench.methods.regeneration import Regeneration, Regenerator, pool
from cdmer_bench.solvers.libsvm import VotingMachine, fit_gram


@dataclass
class DRFST(Regenerator):
    r"""Regenerate the source samples so that they look like target samples.

    :math:`\min_P |X_t - P'K_t|_F^2 + \lambda |P'k|^2 + \mu |P|_1` (see
    :mod:`cdmer_bench.methods.regeneration`; the target is the fixed domain). A linear SVM is
    trained on the regenerated source :math:`P'K_s` and applied to the raw target.

    Parameters
    ----------
    lam, mu, C, solver
        See :class:`~cdmer_bench.methods.regeneration.Regenerator`.
    """

    label: ClassVar[str] = "DRFS-T"

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the kernels of the pooled samples, target first."""
        return {**pool(Xt, Xs, Xq), "ys": ys}

    def shared_work(self, source: str, target: str) -> list[str]:
        """Name the regressions between two databases, the fixed one first."""
        return [SHARED_WORK, target, source]

    def _decide(
        self, prepared: Prepared, found: Regeneration, C: float
    ) -> tuple[VotingMachine, Array]:
        gram = found.among  # (P'K_s)' P'K_s
        machine = fit_gram((gram + gram.T) / 2, prepared["ys"], C=C)
        return machine, np.ascontiguousarray(found.across.T)  # X_q' P'K_s

    def _join(self, prepared: Prepared, found: Regeneration) -> Array:
        n_target = len(prepared["fixed"])
        target = prepared["kernel"][:n_target, :n_target]
        return np.block([[found.among, found.across], [found.across.T, target]])
