"""Histograms of oriented gradients on three orthogonal planes (HOG-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import BlockDescriptor
from cdmer_bench.descriptors.blocks import GRIDS
from cdmer_bench.descriptors.gradients import gradient_histograms


def hog_top(
    frames: ArrayLike,
    bins: int = 8,
    grids: Sequence[int] = GRIDS,
    *,
    signed: bool = True,
    voting: str = "hard",
    cut: str = "round",
) -> NDArray[np.float64]:
    """Describe a clip by HOG-TOP histograms of facial blocks.

    In each plane every voxel votes for the bin of its gradient's orientation with the
    gradient's magnitude in that plane. Blocks are not normalised against each other; the map
    of votes, one voxel smaller on every side of every axis, is cut into blocks as for LBP-TOP.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Grey levels, each axis at least 3 long.
    bins : {4, 8}
        The paper's p: equal half-open bins, from -pi on (from 0 on if not ``signed``).
    signed : bool
        True: orientations over the full circle; False: over half of it, g and -g alike.
    voting : {'hard', 'soft'}
        Whether the whole vote goes to the orientation's bin, or is shared linearly by the two
        bins with the nearest centres.
    grids, cut
        As for :func:`~cdmer_bench.descriptors.lbp_top.lbp_top`.

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
    return gradient_histograms(
        "HOG-TOP",
        frames,
        bins,
        grids,
        magnitude=True,
        zero="skip",
        signed=signed,
        voting=voting,
        cut=cut,
    )


@dataclass
class HOGTOP(BlockDescriptor):
    """HOG-TOP; parameters as in :func:`hog_top`."""

    function = staticmethod(hog_top)
    row = "HOG-TOP(p={bins})"
    bins: int = 8
    grids: Sequence[int] = GRIDS
    signed: bool = True
    voting: str = "hard"
    cut: str = "round"
