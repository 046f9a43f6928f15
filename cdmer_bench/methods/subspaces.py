"""What TCA, GFK and SA share, the dimension k; and GFK and SA, the domains' principal subspaces."""

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.inputs import Array, Grid, Indices, Setting, is_whole
from cdmer_bench.methods.svm import AdaptedSVM
from cdmer_bench.solvers.principal_subspaces import principal_directions, span_coordinates

# Only where the user leaves k open; the paper searches every value.
DEFAULT_DIMENSION = 20


@dataclass
class SubspaceMethod(AdaptedSVM):
    """A method whose setting is a dimension k, 1 to a largest that the task's shape gives.

    Parameters
    ----------
    k : int, optional
        Dimension of the subspace; by default 20, or the largest possible if that is less. A
        larger one than the task allows is refused, never clipped.
    """

    k: int | None = None

    @abstractmethod
    def largest_dimension(self, n_source: int, n_target: int, n_features: int) -> int:
        """Return the largest k of a task of this shape."""

    def all_values(self, parameter: str, n_source: int, n_target: int, n_features: int) -> list:
        """Return 1 to the largest dimension for ``k``."""
        shapes = n_source, n_target, n_features
        if parameter != "k":
            return super().all_values(parameter, *shapes)
        self.dimension({"k": 1}, shapes)
        return list(range(1, self.largest_dimension(*shapes) + 1))

    def settings(self, grid: Grid | None, shapes: tuple[int, int, int]) -> list[Setting]:
        """List the settings of ``grid``; a dimension that the task's shape forbids is an error."""
        settings = super().settings(grid, shapes)
        for setting in settings:
            self.dimension(setting, shapes)
        return settings

    def dimension(self, setting: Setting, shapes: Iterable[int]) -> int:
        """Return k, or what stands for None, given n_source, n_target and n_features."""
        chosen, name = self.complete(setting), type(self).__name__
        largest = dataclasses.replace(self, **chosen).largest_dimension(*map(int, shapes))
        k = chosen["k"]
        if largest < 1:
            raise UserError(
                f"{name} has no dimension to choose for this task, because a domain has fewer "
                "than two samples; add samples or use another method"
            )
        if k is None:
            return min(DEFAULT_DIMENSION, largest)
        if not is_whole(k):
            raise UserError(f"{name} needs a whole number for k, found {k!r}")
        if not 1 <= k <= largest:
            raise UserError(
                f"{name} cannot use k = {int(k)}: for this task k runs from 1 to {largest}; "
                "leave larger values out of the grid or write k: all"
            )
        return int(k)


@dataclass
class DomainSubspaceMethod(SubspaceMethod):
    """A method of the leading k principal directions of each domain."""

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Project all samples, as they are, on both bases, for every k at once."""
        n_source, n_target = len(Xs), len(Xt)
        coordinates = span_coordinates(*([Xs, Xt] if Xq is Xt else [Xs, Xt, Xq]))
        Ps = principal_directions(coordinates[:n_source])
        Pt = principal_directions(coordinates[n_source : n_source + n_target])
        if Xq is not Xt:
            coordinates = np.delete(coordinates, np.s_[n_source : n_source + n_target], axis=0)
        return {
            "on_source": coordinates @ Ps,  # (n_source + n_query, source rank)
            "on_target": coordinates @ Pt,  # (n_source + n_query, target rank)
            "alignment": Ps.T @ Pt,
            "ys": ys,
            "shape": np.array([n_source, n_target, Xs.shape[1]]),
        }


def rank_remark(k: int, used: int) -> str:
    """Say that k exceeds the number of directions along which the samples vary."""
    return (
        f"k = {k}, but the samples of a domain vary along {used} direction(s) only; "
        f"k = {used} was used"
    )
