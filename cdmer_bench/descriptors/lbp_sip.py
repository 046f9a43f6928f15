"""Local binary patterns with six intersection points (LBP-SIP)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.compiled import compiled_available
from cdmer_bench.descriptors.base import BlockDescriptor, check_parameters, clip_for
from cdmer_bench.descriptors.blocks import (
    GRIDS,
    block_histograms,
    normalised,
    tiling,
)
from cdmer_bench.descriptors.lbp_top import axis_bits, axis_counts, pack_bits

N_SPATIAL, N_TEMPORAL = 16, 4


def lbp_sip_codes(
    frames: ArrayLike, R: int = 1, *, ties: str = "one"
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Compute the spatial and the temporal code of every voxel whose neighbours fit the clip.

    Both are (T - 2R, H - 2R, W - 2R): 0 to 15, bits in the order x + R, y - R, x - R, y + R;
    and 0 to 3, bits in the order t + R, t - R.
    """
    check_parameters(R=R, ties=ties)
    clip = clip_for("LBP-SIP", frames, 2 * R + 1, f"R={R}")
    if ties == "one":
        bits = axis_bits(clip, R)
    else:
        # n > c is the complement of -n >= -c.
        bits = {key: bit ^ np.uint8(1) for key, bit in axis_bits(-clip, R).items()}
    spatial = pack_bits([bits[2, 1], bits[1, -1], bits[2, -1], bits[1, 1]])
    return spatial, pack_bits([bits[0, 1], bits[0, -1]])


def lbp_sip(
    frames: ArrayLike,
    R: int = 1,
    grids: Sequence[int] = GRIDS,
    *,
    ties: str = "one",
    cut: str = "round",
) -> NDArray[np.float64]:
    """Describe a clip by LBP-SIP histograms of facial blocks.

    The six distinct points of the three planes' circles, at distance R from the centre on the
    three axes, give a spatial code of 4 bits and a temporal code of 2 bits. Their histograms
    are not reduced to uniform codes. Codes are computed on the whole clip and the code map is
    cut into blocks, as for LBP-TOP.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Grey levels, each axis at least 2R + 1 long.
    R : int
        Distance in voxels and in frames, at least 1; the paper's are 1 and 3.
    ties : {'one', 'zero'}
        Bit of a neighbour that is as bright as the centre. No published code shows which;
        ``'one'`` is what LBP-TOP does.
    grids, cut
        As for :func:`~cdmer_bench.descriptors.lbp_top.lbp_top`.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 20)
        16 spatial and then 4 temporal bins; each part sums to 1.

    Raises
    ------
    UserError
        For a clip or parameters outside these ranges.

    Notes
    -----
    No reference implementation is public. The 20 bins a block are confirmed by the lab's
    published feature sizes (1700 for 85 blocks); the order of the bits only permutes bins.

    References
    ----------
    Y. Wang, J. See, R. C.-W. Phan, Y.-H. Oh, LBP with six intersection points: reducing
    redundant information in LBP-TOP for micro-expression recognition, ACCV 2014.
    """
    check_parameters(R=R, ties=ties)
    clip = clip_for("LBP-SIP", frames, 2 * R + 1, f"R={R}")
    layout = tiling((clip.shape[1] - 2 * R, clip.shape[2] - 2 * R), grids, cut)
    # One count of the joint code gives both histograms as its margins.
    if not compiled_available():
        spatial, temporal = lbp_sip_codes(clip, R, ties=ties)
        joint = block_histograms(spatial + np.uint8(N_SPATIAL) * temporal, 64, layout)
    elif ties == "one":
        joint = axis_counts(clip, R, layout)
    else:
        joint = axis_counts(clip, R, layout, -1.0)[:, ::-1]  # the complements, as in the codes
    joint = joint.reshape(-1, N_TEMPORAL, N_SPATIAL)
    return np.hstack([normalised(joint.sum(axis=1)), normalised(joint.sum(axis=2))])


@dataclass
class LBPSIP(BlockDescriptor):
    """LBP-SIP; parameters as in :func:`lbp_sip`."""

    function = staticmethod(lbp_sip)
    row = "LBP-SIP(R{R})"
    R: int = 1
    grids: Sequence[int] = GRIDS
    ties: str = "one"
    cut: str = "round"

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return :func:`lbp_sip` of the clip as one plane, shape (n_blocks, 1, 20)."""
        return super().extract(frames)[:, None]
