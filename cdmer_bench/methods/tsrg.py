"""TSRG, the target sample re-generator (Zong et al., ACM MM 2017; the paper's reference [21])."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cdmer_bench.methods.base import SHARED_WORK, Prepared
from cdmer_bench.methods.inputs import Array, Indices
from cdmer_bench.methods.regeneration import Regeneration, Regenerator, pool
from cdmer_bench.solvers.libsvm import VotingMachine, fit_gram


@dataclass
class TSRG(Regenerator):
    r"""Regenerate the target samples so that they look like source samples.

    :math:`\min_P |X_s - P'K_s|_F^2 + \lambda |P'k|^2 + \mu |P|_1` (see
    :mod:`cdmer_bench.methods.regeneration`; the source is the fixed domain). A linear SVM is
    trained on the raw source and applied to the regenerated target :math:`P'K_t`.

    Parameters
    ----------
    lam, mu, C, solver
        See :class:`~cdmer_bench.methods.regeneration.Regenerator`.
    """

    label: ClassVar[str] = "TSRG"

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the kernels of the pooled samples, source first."""
        return {**pool(Xs, Xt, Xs, Xq), "ys": ys}

    def shared_work(self, source: str, target: str) -> list[str]:
        """Name the regressions between two databases, the fixed one first."""
        return [SHARED_WORK, source, target]

    def _decide(
        self, prepared: Prepared, found: Regeneration, C: float
    ) -> tuple[VotingMachine, Array]:
        n_source = len(prepared["ys"])
        machine = fit_gram(prepared["kernel"][:n_source, :n_source], prepared["ys"], C=C)
        return machine, found.across  # (P'K_q)' X_s

    def _join(self, prepared: Prepared, found: Regeneration) -> Array:
        n_source = len(prepared["ys"])
        source = prepared["kernel"][:n_source, :n_source]
        return np.block([[source, found.across.T], [found.across, found.among]])
