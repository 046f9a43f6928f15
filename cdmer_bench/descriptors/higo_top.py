"""Histograms of image gradient orientation on three orthogonal planes (HIGO-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.blocks import CUTS, GRIDS, check_grids
from cdmer_bench.descriptors.clip import choice
from cdmer_bench.descriptors.gradients import check_votes, gradient_histograms


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
    frames : array, shape (T, H, W)
        Grey levels, each axis at least 3 long.
    bins : {4, 8}
        The paper's p: equal half-open bins, from -pi on (from 0 on if not ``signed``).
    grids : sequence of int
        A grid g has g x g blocks.
    zero : {'skip', 'vote'}
        Whether a voxel without gradient in a plane has no vote there, or one for the bin of
        orientation 0. No published code shows which; it matters in flat areas only.
    signed : bool
        True: orientations over the full circle; False: over half of it, g and -g alike.
    voting : {'hard', 'soft'}
        Whether the whole vote goes to the orientation's bin, or is shared linearly by the two
        bins with the nearest centres.
    cut : {'round', 'ceil'}
        How a grid is cut, see :func:`~cdmer_bench.descriptors.blocks.cut_axis`.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 3, bins)
        Planes XY, XT, YT. Each histogram sums to 1, or is 0 where no voxel votes.

    Raises
    ------
    UserError
        For a clip or parameters outside these ranges.

    References
    ----------
    X. Li, X. Hong, A. Moilanen, X. Huang, T. Pfister, G. Zhao, M. Pietikäinen, Towards reading
    hidden emotions: a comparative study of spontaneous micro-expression spotting and
    recognition methods, IEEE Transactions on Affective Computing 9(4), 2018.
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
