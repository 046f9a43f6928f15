"""What GFK and SA share: the principal subspaces of source and of target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.dimension import SubspaceMethod
from cdmer_bench.solvers.principal_subspaces import principal_basis, span_coordinates


@dataclass
class DomainSubspaceMethod(SubspaceMethod):
    """A method of the leading k principal directions of each domain."""

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Project all samples on both bases, for every k at once.

        Returns
        -------
        dict
            ``on_source`` and ``on_target``, (n_source + n_query) x rank: the samples, not centred,
            on the principal directions of source and target; ``alignment``, (source rank x target
            rank): Ps'Pt; ``ys``; ``shape``: n_source, n_target, n_features.
        """
        n_source, n_target = len(Xs), len(Xt)
        coordinates = span_coordinates(*([Xs, Xt] if Xq is Xt else [Xs, Xt, Xq]))
        queries = coordinates[n_source:] if Xq is Xt else coordinates[n_source + n_target :]
        source = principal_basis(coordinates[:n_source])
        target = principal_basis(coordinates[n_source : n_source + n_target])
        samples = np.concatenate([coordinates[:n_source], queries])
        return {
            "on_source": samples @ source.directions,
            "on_target": samples @ target.directions,
            "alignment": source.directions.T @ target.directions,
            "ys": ys,
            "shape": np.array([n_source, n_target, Xs.shape[1]]),
        }


def rank_remark(k: int, used: int) -> str:
    """Say that k exceeds the number of directions along which the samples vary."""
    return (
        f"k = {k}, but the samples of a domain vary along {used} direction(s) only; "
        f"k = {used} was used"
    )
