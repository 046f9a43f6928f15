"""Histograms of image gradient orientation on three orthogonal planes (HIGO-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import BlockDescriptor
from cdmer_bench.descriptors.blocks import GRIDS
from cdmer_bench.descriptors.hog_top import gradient_histograms


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
class HIGOTOP(BlockDescriptor):
    """HIGO-TOP; parameters as in :func:`higo_top`."""

    function = staticmethod(higo_top)
    row = "HIGO-TOP(p={bins})"
    bins: int = 8
    grids: Sequence[int] = GRIDS
    zero: str = "skip"
    signed: bool = True
    voting: str = "hard"
    cut: str = "round"
