"""Local binary patterns on three orthogonal planes (LBP-TOP)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.compiled import compiled_available
from cdmer_bench.descriptors.base import BlockDescriptor, check_parameters, clip_for
from cdmer_bench.descriptors.blocks import (
    GRIDS,
    BlockLayout,
    block_histograms,
    normalised,
    tiling,
)
from cdmer_bench.descriptors.kernels import count_axis_codes, count_circle_codes

PLANES = ((1, 2), (0, 2), (0, 1))  # (row axis, column axis) of XY, XT and YT in a (T, H, W) clip
# Grey levels. Neighbours as bright as the centre count as brighter; in floating point the
# interpolated ones miss equality by some 1e-13, which would flip up to 8 % of the bits of flat
# areas. With this margin the bits equal those of exact arithmetic on integer grey levels.
TIE_MARGIN = 1e-9


@lru_cache(maxsize=8)
def uniform_bins(P: int) -> NDArray[np.intp]:
    """Map each of the 2^P codes to its bin.

    Codes with at most two changes around the circle get bins of their own in increasing order;
    all others share the last one: P (P - 1) + 3 bins.
    """
    codes = np.arange(2**P)
    rotated = (codes >> 1) | ((codes & 1) << (P - 1))
    changes = np.array([int(c).bit_count() for c in codes ^ rotated])
    uniform = changes <= 2
    bins = np.where(uniform, np.cumsum(uniform) - 1, uniform.sum())
    bins.setflags(write=False)
    return bins


def inner(
    volume: NDArray[np.float64], axes: Sequence[int], R: int, shift: int = 0
) -> NDArray[np.float64]:
    """View ``volume`` without R voxels on both sides of ``axes``, moved by ``shift`` along them."""
    kept = [slice(None)] * 3
    for axis in axes:
        kept[axis] = slice(R + shift, volume.shape[axis] - R + shift)
    return volume[tuple(kept)]


def axis_bits(clip: NDArray[np.float64], R: int) -> dict[tuple[int, int], NDArray[np.uint8]]:
    """Return by (axis, sign) where the voxel ``sign * R`` away is as bright as the centre: 1."""
    threshold = inner(clip, (0, 1, 2), R) - TIE_MARGIN
    bits = {}
    for axis in range(3):
        slab = inner(clip, [a for a in range(3) if a != axis], R)
        for sign in (1, -1):
            bits[axis, sign] = (inner(slab, (axis,), R, sign * R) >= threshold).view(np.uint8)
    return bits


def pack_bits(bits: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return ``sum_i bits[i] 2^i`` for arrays of 0 and 1."""
    codes = bits[0].copy()
    for i, bit in enumerate(bits[1:], start=1):
        codes |= bit << np.uint8(i)
    return codes


def bilinear(image: NDArray[np.float64], row: float, column: float) -> float:
    """Return the value between four pixels; the textbook form of what diagonal points are."""
    r, c = floor(row), floor(column)
    return float(
        [r + 1 - row, row - r] @ image[r : r + 2, c : c + 2] @ [c + 1 - column, column - c]
    )


def between(R: int) -> tuple[int, float]:
    """Return m and g: a diagonal point lies r = R / sqrt(2) = m + f away on both axes, m whole.

    Its bilinear value has weights 1 - f (m away) and f (m + 1 away) on each axis. Divided by
    (1 - f)^2 that is ``V + g V'``, g = f / (1 - f), taken along the columns and then along the
    rows; its four weights sum to (1 + g)^2 = 1 / (1 - f)^2.
    """
    m = floor(R / sqrt(2))
    f = R / sqrt(2) - m
    return m, f / (1 - f)


def _diagonal_bits(
    clip: NDArray[np.float64], R: int
) -> list[dict[tuple[int, int], NDArray[np.uint8]]]:
    """Compare each plane's diagonal points with the centre, by (row sign, column sign)."""
    m, g = between(R)
    threshold = (inner(clip, (0, 1, 2), R) - TIE_MARGIN) * (1 + g) ** 2

    def along(volume: NDArray[np.float64], axis: int) -> dict[int, NDArray[np.float64]]:
        far = g * volume
        return {
            sign: inner(volume, (axis,), R, sign * m) + inner(far, (axis,), R, sign * (m + 1))
            for sign in (1, -1)
        }

    on_columns = {axis: along(clip, axis) for axis in (1, 2)}
    bits: list[dict[tuple[int, int], NDArray[np.uint8]]] = []
    for row_axis, column_axis in PLANES:
        normal = 3 - row_axis - column_axis
        bits.append({})
        for column_sign, volume in on_columns[column_axis].items():
            for row_sign, points in along(inner(volume, (normal,), R), row_axis).items():
                bits[-1][row_sign, column_sign] = (points >= threshold).view(np.uint8)
    return bits


def lbp_top_codes(frames: ArrayLike, R: int = 3, P: int = 8) -> tuple[NDArray[np.uint8], ...]:
    """Compute the LBP codes of every voxel whose neighbourhood fits the clip.

    Bit i belongs to the point at angle ``2 pi i / P``: ``R sin`` rows up and ``R cos`` columns
    right of the centre, bilinear where it is no voxel. It is 1 where that point is at least as
    bright as the centre. Returned are XY (rows y, columns x), XT (rows t, columns x) and YT
    (rows t, columns y), each (T - 2R, H - 2R, W - 2R) in the order (t, y, x).
    """
    check_parameters(R=R, P=P)
    clip = clip_for("LBP-TOP", frames, 2 * R + 1, f"R={R}")
    axial = axis_bits(clip, R)
    diagonal = _diagonal_bits(clip, R) if P == 8 else [{}, {}, {}]
    codes = []
    for (row, column), corner in zip(PLANES, diagonal, strict=True):
        bits = [axial[column, 1], axial[row, -1], axial[column, -1], axial[row, 1]]
        if P == 8:
            corners = [corner[-1, 1], corner[-1, -1], corner[1, -1], corner[1, 1]]
            bits = [bit for pair in zip(bits, corners, strict=True) for bit in pair]
        codes.append(pack_bits(bits))
    return tuple(codes)


def lbp_top(
    frames: ArrayLike,
    R: int = 3,
    P: int = 8,
    grids: Sequence[int] = GRIDS,
    *,
    cut: str = "round",
) -> NDArray[np.float64]:
    """Describe a clip by uniform LBP-TOP histograms of facial blocks.

    Codes are computed once, on the whole clip; the code map, R voxels smaller on every side of
    every axis, is cut into blocks. The same R and P hold in all three planes.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Grey levels, each axis at least 2R + 1 long. Values that are not whole are used as
        they are.
    R : int
        Radius in voxels and in frames, at least 1; the paper's are 1 and 3.
    P : {4, 8}
        Points on the circle.
    grids : sequence of int
        A grid g has g x g blocks. The default gives the 85 blocks of the authors' released
        features; (1, 2, 3, 4) the 30 of the paper's text.
    cut : {'round', 'ceil'}
        How a grid is cut, see :func:`~cdmer_bench.descriptors.blocks.cut_axis`.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 3, n_bins)
        Planes XY, XT, YT; 59 bins for P = 8, 15 for P = 4, the last for all codes with more
        than two changes around the circle. Each histogram sums to 1.

    Raises
    ------
    UserError
        For a clip or parameters outside these ranges.

    References
    ----------
    G. Zhao, M. Pietikäinen, Dynamic texture recognition using local binary patterns with an
    application to facial expressions, IEEE TPAMI 29(6), 2007.
    """
    check_parameters(R=R, P=P, cut=cut)
    clip = clip_for("LBP-TOP", frames, 2 * R + 1, f"R={R}")
    layout = tiling((clip.shape[1] - 2 * R, clip.shape[2] - 2 * R), grids, cut)
    if compiled_available():
        return normalised(_compiled_counts(clip, R, P, layout))
    n_bins = P * (P - 1) + 3
    codes = lbp_top_codes(clip, R, P)
    counts = [block_histograms(plane, n_bins, layout, uniform_bins(P)) for plane in codes]
    return normalised(np.stack(counts, axis=1))


def _compiled_counts(
    clip: NDArray[np.float64], R: int, P: int, layout: BlockLayout
) -> NDArray[np.float64]:
    """Count the codes of each plane of each block, shape (n_blocks, 3, n_bins)."""
    if P == 4:
        # A voxel's six neighbours on the axes make the codes of all planes.
        joint = axis_counts(clip, R, layout)
        return np.stack([joint @ _margin(plane) for plane in range(3)], axis=1)
    m, g = between(R)
    bins, n_bins = uniform_bins(P).astype(np.uint8), P * (P - 1) + 3
    cell = layout.firsts(3 * n_bins)
    counts = np.zeros(layout.total * 3 * n_bins, dtype=np.int32)
    count_circle_codes(clip, R, m, g, (1 + g) ** 2, TIE_MARGIN, bins, n_bins, cell, counts)
    return layout.pool(counts.reshape(layout.total, -1)).reshape(-1, 3, n_bins)


def axis_counts(
    clip: NDArray[np.float64], R: int, layout: BlockLayout, sign: float = 1.0
) -> NDArray[np.float64]:
    """Count the joint codes of six neighbours in each block, shape (n_blocks, 64); compiled.

    Bits are those of x + R, y - R, x - R, y + R, t + R and t - R; with ``sign`` -1 they are of
    the negative of the clip.
    """
    counts = np.zeros(layout.total * 64, dtype=np.int32)
    count_axis_codes(clip, R, sign, TIE_MARGIN, layout.firsts(64), counts)
    return layout.pool(counts.reshape(-1, 64))


@lru_cache(maxsize=3)
def _margin(plane: int) -> NDArray[np.float64]:
    """Return the matrix from counts of joint codes to those of a plane's 15 bins for P = 4."""
    joint = np.arange(64)
    bits = [joint >> i & 1 for i in ((0, 1, 2, 3), (0, 5, 2, 4), (3, 5, 1, 4))[plane]]
    matrix = np.zeros((64, 15))
    matrix[joint, uniform_bins(4)[sum(bit << i for i, bit in enumerate(bits))]] = 1
    return matrix


@dataclass
class LBPTOP(BlockDescriptor):
    """LBP-TOP with uniform codes; parameters as in :func:`lbp_top`."""

    function = staticmethod(lbp_top)
    row = "LBP-TOP(R{R}P{P})"
    R: int = 3
    P: int = 8
    grids: Sequence[int] = GRIDS
    cut: str = "round"
