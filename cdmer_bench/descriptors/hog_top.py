"""Histograms of oriented gradients on three orthogonal planes (HOG-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.blocks import (
    CUTS,
    GRIDS,
    block_histograms,
    check_grids,
    normalised,
    tiling,
)
from cdmer_bench.descriptors.clip import choice
from cdmer_bench.descriptors.gradients import BINS, checked_gradients, orientation_bins
from cdmer_bench.descriptors.lbp_top import PLANES


def hog_top(
    frames: ArrayLike,
    bins: int = 8,
    grids: Sequence[int] = GRIDS,
    *,
    cut: str = "round",
) -> NDArray[np.float64]:
    """Describe a clip by HOG-TOP histograms of facial blocks.

    In each plane every voxel votes for the bin of its gradient's orientation over the full
    circle, with the gradient's magnitude in that plane. Votes are not shared between bins and
    blocks are not normalised against each other; the map of votes, one voxel smaller on every
    side of every axis, is cut into blocks as for LBP-TOP.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Grey levels, each axis at least 3 long.
    bins : {4, 8}
        The paper's p: equal bins, half-open from -pi on.
    grids : sequence of int
        A grid g has g x g blocks.
    cut : {'round', 'ceil'}
        How a grid is cut, see :func:`~cdmer_bench.descriptors.blocks.cut_axis`.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 3, bins)
        Planes XY, XT, YT. Each histogram sums to 1, or is 0 where no gradient votes.

    Raises
    ------
    UserError
        For a clip or parameters outside these ranges.

    Notes
    -----
    No reference implementation is public; filter, signed orientations, hard votes and the
    normalisation follow the description by Li et al.

    References
    ----------
    X. Li, X. Hong, A. Moilanen, X. Huang, T. Pfister, G. Zhao, M. Pietikäinen, Towards reading
    hidden emotions: a comparative study of spontaneous micro-expression spotting and
    recognition methods, IEEE Transactions on Affective Computing 9(4), 2018.
    """
    parts = checked_gradients("HOG-TOP", frames, bins, "skip")
    layout = tiling(parts[0].shape[1:], grids, cut)
    squares = [part * part for part in parts]
    planes = zip(PLANES, orientation_bins(parts, bins, "skip"), strict=True)
    votes = [
        block_histograms(codes, bins + 1, layout, np.sqrt(squares[row] + squares[column]))
        for (row, column), codes in planes
    ]
    return normalised(np.stack(votes, axis=1)[..., :bins])


@dataclass
class HOGTOP(Descriptor):
    """HOG-TOP; parameters as in :func:`hog_top`."""

    bins: int = 8
    grids: Sequence[int] = GRIDS
    cut: str = "round"

    def __post_init__(self) -> None:
        choice("bins", self.bins, BINS)
        self.grids = check_grids(self.grids)
        choice("cut", self.cut, CUTS)

    @property
    def label(self) -> str:
        """The row's name in the paper's tables."""
        return f"HOG-TOP(p={self.bins})"

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return :func:`hog_top` of the clip, shape (n_blocks, 3, bins)."""
        return hog_top(frames, self.bins, self.grids, cut=self.cut)
