"""Histograms of image gradient orientation on three orthogonal planes (HIGO-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.blocks import CUTS, GRIDS, check_grids
from cdmer_bench.descriptors.gradients import check_votes, gradient_histograms
from cdmer_bench.errors import choice


def higo_top(
    frames: ArrayLike,
    bins: int = 8,
    grids: Sequence[int] = GRIDS,
    *,
    zero: str = "skip",
    signed: bool = True,
    voting: str = "hard",
    cut: str = "round",
) -> NDArray[np.float64]:
    """Describe a clip by HIGO-TOP histograms of facial blocks.

    As :func:`~cdmer_bench.descriptors.hog_top.hog_top`, but every voxel has one vote, whatever
    its gradient's magnitude, which makes it less sensitive to illumination.

    Parameters
    ----------
    frames, bins, grids, signed, voting, cut
        As for :func:`~cdmer_bench.descriptors.hog_top.hog_top`.
    zero : {'skip', 'vote'}
        Whether a voxel without gradient in a plane has no vote there, or one for the bin of
        orientation 0. No published code shows which; it matters in flat areas only.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 3, bins)
        Planes XY, XT, YT. Each histogram sums to 1, or is 0 where no voxel votes.

    Raises
    ------
    UserError
        For a clip or parameters outside these ranges.
    """
    return gradient_histograms(
        "HIGO-TOP",
        frames,
        bins,
        grids,
        magnitude=False,
        zero=zero,
        signed=signed,
        voting=voting,
        cut=cut,
    )


@dataclass
class HIGOTOP(Descriptor):
    """HIGO-TOP; parameters as in :func:`higo_top`."""

    bins: int = 8
    grids: Sequence[int] = GRIDS
    zero: str = "skip"
    signed: bool = True
    voting: str = "hard"
    cut: str = "round"

    def __post_init__(self) -> None:
        check_votes(self.bins, self.zero, self.signed, self.voting)
        self.grids = check_grids(self.grids)
        choice("cut", self.cut, CUTS)

    @property
    def label(self) -> str:
        """The row's name in the paper's tables."""
        return f"HIGO-TOP(p={self.bins})"

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return :func:`higo_top` of the clip, shape (n_blocks, 3, bins)."""
        return higo_top(frames, **vars(self))
