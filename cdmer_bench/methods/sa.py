"""Subspace alignment (Fernando, Habrard, Sebban and Tuytelaars, ICCV 2013)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import BatchResult, Prepared, Setting, choose
from cdmer_bench.methods.subspaces import DomainSubspaceMethod, rank_remark
from cdmer_bench.methods.svm import batch_result, classify_linearly


@dataclass
class SA(DomainSubspaceMethod):
    """Subspace alignment, then a linear SVM on the aligned coordinates.

    Ps and Pt (n_features x k) are the leading principal directions of the centred source and of
    the centred target. M aligns the first basis with the second, and the samples are compared in
    the coordinates Zs and Zt::

        min over M (k x k)  ||Ps M - Pt||_F^2,   so M = Ps'Pt,   Zs = Xs Ps M,   Zt = Xt Pt

    Parameters
    ----------
    k : int, optional
        Dimension of the subspaces; all possible ones in the paper.
    limit : {'each', 'common'}
        What bounds k. ``'each'``: k runs to max(n_source, n_target) - 1, and each domain has
        min(k, its number of samples - 1) directions, so that M becomes rectangular;
        ``'common'``: k runs to min(n_source, n_target) - 1.
    C : float
        Cost of the SVM.

    Notes
    -----
    The samples are centred to find the bases, but projected as they are. With ``'each'`` all six
    printed results for which the authors' features are public are reproduced, with ``'common'``
    five.

    If the samples of a domain vary along fewer directions than its number of samples allows
    (duplicates, constant features), its basis has that many, and the result's note says so.
    """

    limit: str = "each"
    C: float = 1.0

    label = "SA"

    def largest_dimension(self, n_source: int, n_target: int, n_features: int) -> int:
        """Return max (``limit='each'``) or min of the numbers of samples, - 1, or n_features."""
        choose("limit of SA", self.limit, ("each", "common"))
        smaller = min(n_source, n_target) - 1
        if self.limit == "common" or smaller < 1:
            return min(smaller, n_features)
        return min(max(n_source, n_target) - 1, n_features)

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Train on the leading columns for each k."""
        classified = []
        for setting in settings:
            chosen, k = self.complete(setting), self.dimension(setting, prepared["shape"])
            M, source, queries = _align(prepared, k)
            # `limit` provides for fewer samples than k + 1; fewer directions are worth a remark.
            short = any(
                have < min(k, size - 1)
                for have, size in zip(M.shape, prepared["shape"][:2], strict=True)
            )
            remarks = [rank_remark(k, min(M.shape))] if short else []
            classified.append(
                classify_linearly(source, prepared["ys"], queries, chosen["C"], remarks)
            )
        return batch_result(classified)

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> NDArray[np.float64]:
        """Return the products of Xs Ps Ps'Pt and Xt Pt; see :meth:`Method.adapted_kernel`."""
        _, source, target = _align(prepared, self.dimension(setting, prepared["shape"]))
        Z = np.concatenate([source, target])
        return Z @ Z.T


def _align(
    prepared: Prepared, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return M = Ps'Pt for k, the aligned source and the queries on the target's basis."""
    n_source = len(prepared["ys"])
    M = prepared["alignment"][:k, :k]
    source = prepared["on_source"][:n_source, : M.shape[0]] @ M
    return M, source, prepared["on_target"][n_source:, : M.shape[1]]
