"""Subspace alignment (Fernando, Habrard, Sebban and Tuytelaars, ICCV 2013)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.inputs import Setting, choose
from cdmer_bench.methods.subspaces import DomainSubspaceMethod, rank_remark
from cdmer_bench.methods.svm import Adapted


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
    printed results for which the authors' features were at hand are reproduced, with ``'common'``
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

    def adapt(self, prepared: Prepared, settings: Sequence[Setting]) -> Iterator[Adapted]:
        """Align the leading columns of the bases for each k."""
        n_source = len(prepared["ys"])
        for setting in settings:
            k = self.dimension(setting, prepared["shape"])
            M = prepared["alignment"][:k, :k]
            source = prepared["on_source"][:n_source, : M.shape[0]] @ M
            queries = prepared["on_target"][n_source:, : M.shape[1]]
            # `limit` covers too few samples for k; too few directions in them are remarked on.
            short = any(
                have < min(k, size - 1)
                for have, size in zip(M.shape, prepared["shape"][:2], strict=True)
            )
            yield Adapted(source, queries, rank_remark(k, min(M.shape)) if short else "")
