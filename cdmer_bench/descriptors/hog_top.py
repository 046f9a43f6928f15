"""Histograms of oriented gradients on three orthogonal planes (HOG-TOP; HIGO-TOP is like it)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.compiled import compiled_available
from cdmer_bench.descriptors.base import BlockDescriptor, check_parameters, clip_for
from cdmer_bench.descriptors.blocks import GRIDS, BlockLayout, block_histograms, normalised, tiling
from cdmer_bench.descriptors.kernels import sum_gradient_votes
from cdmer_bench.descriptors.lbp_top import PLANES

# Grey levels. Smaller components are rounding noise of the preprocessing in flat areas, and
# count as 0; so does a smaller difference between two components. Integer input has neither.
ZERO_MARGIN = 1e-9


def gradients(clip: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return I_t, I_y and I_x by the filter [-1 0 1], each (T - 2, H - 2, W - 2)."""
    centre = slice(1, -1)
    parts = []
    for axis in range(3):
        after, before = [centre] * 3, [centre] * 3
        after[axis], before[axis] = slice(2, None), slice(None, -2)
        parts.append(clip[tuple(after)] - clip[tuple(before)])
    return parts


def _signs(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return 1 for positive values, 2 for negative and 0 for zero ones."""
    positive = (values > ZERO_MARGIN).view(np.uint8)
    return positive + ((values < -ZERO_MARGIN).view(np.uint8) << np.uint8(1))


@lru_cache(maxsize=4)
def _bin_table(bins: int, zero_bin: int) -> NDArray[np.intp]:
    """Map ``s(row) + 3 s(column) + 9 s(|row| - |column|)``, s from :func:`_signs`, to a bin.

    Bin b holds -pi + b w <= theta < -pi + (b + 1) w, w = 2 pi / bins, with theta = +pi taken as
    -pi. A gradient of zero goes to ``zero_bin``.
    """
    table = np.full(27, bins)
    octants = 8 // bins
    for index in range(27):
        row, column, larger = ((0, 1, -1)[index // 3**i % 3] for i in range(3))
        if row == column == 0:
            table[index] = zero_bin
            continue
        # A vector of the same signs and order of magnitudes, in units of 1/8 turn from -pi.
        vector = np.array([row, column]) * (2 + np.array([larger, -larger]))
        eighth = int(np.floor((np.arctan2(*vector) + np.pi) / (np.pi / 4) + 1e-6)) % 8
        table[index] = eighth // octants
    table.setflags(write=False)
    return table


def orientation_bins(
    row: NDArray[np.float64], column: NDArray[np.float64], bins: int, zero_bin: int
) -> NDArray[np.intp]:
    """Return the bin of each gradient's orientation, ``zero_bin`` where there is no gradient.

    Bins are found from signs and comparisons, not from theta: with whole grey levels many
    gradients lie exactly on an edge between bins, where rounding would decide.
    """
    index = _signs(row) + np.uint8(3) * _signs(column)
    if bins == 8:
        index += np.uint8(9) * _signs(np.abs(row) - np.abs(column))
    return _bin_table(bins, zero_bin)[index]


def _shared_votes(
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    bins: int,
    zero_bin: int,
    voting: str,
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64] | float]]:
    """Yield the bins that each voxel votes for, and their shares of the vote."""
    if voting == "hard":
        yield orientation_bins(row, column, bins, zero_bin), 1.0
        return
    position = (np.arctan2(row, column) + np.pi) * (bins / (2 * np.pi)) - 0.5
    lower = np.floor(position)
    first = lower.astype(np.intp)
    flat = _signs(row) + _signs(column) == 0
    for step, share in ((0, 1 - (position - lower)), (1, position - lower)):
        yield np.where(flat, zero_bin, (first + step) % bins), np.where(flat, 1 - step, share)


def _unsigned(
    row: NDArray[np.float64], column: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return vectors at the angle ``2 theta + pi``, which is the same for g and -g.

    Full-circle bins of it are the bins of theta over half a circle from 0 on.
    """
    return -2 * row * column, row * row - column * column


def gradient_histograms(
    name: str,  # the descriptor, for messages
    frames: ArrayLike,
    bins: int,
    grids: Sequence[int],
    *,
    magnitude: bool,  # of the vote: the gradient's in the plane, or 1
    zero: str,
    signed: bool,
    voting: str,
    cut: str,
) -> NDArray[np.float64]:
    """Histogram the gradients' orientations in each plane of each block: (n_blocks, 3, bins).

    Parameters are those of `hog_top` and `higo_top`. A histogram without votes is 0.
    """
    check_parameters(bins=bins, zero=zero, signed=signed, voting=voting)
    clip = clip_for(name, frames, 3, "central differences")
    layout = tiling((clip.shape[1] - 2, clip.shape[2] - 2), grids, cut)
    # Voxels without gradient have the orientation 0, or a bin that is dropped afterwards.
    zero_bin = bins if zero == "skip" else bins // 2 if signed else 0
    if compiled_available() and signed and voting == "hard":
        return normalised(_compiled_votes(clip, bins, zero_bin, magnitude, layout))
    parts = gradients(clip)
    planes = []
    for row_axis, column_axis in PLANES:
        row, column = parts[row_axis], parts[column_axis]
        weight = np.sqrt(row * row + column * column) if magnitude else np.ones(row.shape)
        pair = (row, column) if signed else _unsigned(row, column)
        votes = [
            block_histograms(codes, bins + 1, layout, weights=weight * share)
            for codes, share in _shared_votes(*pair, bins, zero_bin, voting)
        ]
        planes.append(np.sum(votes, axis=0)[:, :bins])
    return normalised(np.stack(planes, axis=1))


def _compiled_votes(
    clip: NDArray[np.float64], bins: int, zero_bin: int, magnitude: bool, layout: BlockLayout
) -> NDArray[np.float64]:
    """Sum the votes for the bins of each plane of each block, shape (n_blocks, 3, bins)."""
    table = _bin_table(bins, zero_bin)
    n = bins + 1 if magnitude else 27  # whole votes are counted first and sorted into bins later
    votes = np.zeros(layout.total * 3 * n, dtype=np.float64 if magnitude else np.int32)
    sums, counts = (votes, np.zeros(0, np.int32)) if magnitude else (np.zeros(0), votes)
    cell = layout.firsts(3 * n)
    sum_gradient_votes(clip, magnitude, ZERO_MARGIN, table.astype(np.uint8), n, cell, sums, counts)
    pooled = layout.pool(votes.reshape(layout.total, -1)).reshape(-1, 3, n)
    return pooled[..., :bins] if magnitude else pooled @ np.eye(bins + 1)[table, :bins]


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
