"""TSRG, the target sample re-generator (Zong et al., ACM MM 2017; the paper's reference [21])."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.regeneration import Regeneration, Regenerator, pool
from cdmer_bench.solvers.kernels import pooled_products
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
    _squares: ClassVar[bool] = False

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute the kernels of the pooled samples, source first."""
        shared = pool(Xs, Xt, Xs)
        n_source = len(Xs)
        queries = shared["kernel"][:, n_source:] if Xq is Xt else pooled_products([Xs, Xt], Xq)
        return {**shared, "ys": ys, "queries": np.ascontiguousarray(queries)}

    def _decide(
        self, prepared: Prepared, found: Regeneration, C: float
    ) -> tuple[VotingMachine, NDArray[np.float64]]:
        n_source = len(prepared["ys"])
        machine = fit_gram(prepared["kernel"][:n_source, :n_source], prepared["ys"], C=C)
        # (P'K_q)' X_s = K_q' (P X_s)
        return machine, prepared["queries"].T @ found.projected

    def _join(self, prepared: Prepared, found: Regeneration) -> NDArray[np.float64]:
        n_source = len(prepared["ys"])
        target = prepared["kernel"][:, n_source:]
        across = target.T @ found.projected  # (P'K_t)'X_s
        return np.block(
            [
                [prepared["kernel"][:n_source, :n_source], across.T],
                [across, target.T @ found.square @ target],
            ]
        )
