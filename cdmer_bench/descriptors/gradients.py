"""Gradient orientations on three orthogonal planes, shared by HOG-TOP and HIGO-TOP."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.clip import choice, clip_for
from cdmer_bench.descriptors.lbp_top import PLANES

BINS = (4, 8)
ZEROS = ("skip", "vote")
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
def _bin_table(bins: int, zero: str) -> NDArray[np.intp]:
    """Map ``s(row) + 3 s(column) + 9 s(|row| - |column|)``, s from :func:`_signs`, to a bin.

    Bin b holds -pi + b w <= theta < -pi + (b + 1) w, w = 2 pi / bins, with theta = +pi taken as
    -pi. A gradient of zero goes to bin ``bins``, which is dropped, or to that of theta = 0.
    """
    table = np.full(27, bins)
    octants = 8 // bins
    for index in range(27):
        row, column, larger = ((0, 1, -1)[index // 3**i % 3] for i in range(3))
        if row == column == 0:
            table[index] = bins // 2 if zero == "vote" else bins
            continue
        # A vector of the same signs and order of magnitudes, in units of 1/8 turn from -pi.
        vector = np.array([row, column]) * (2 + np.array([larger, -larger]))
        eighth = int(np.floor((np.arctan2(*vector) + np.pi) / (np.pi / 4) + 1e-6)) % 8
        table[index] = eighth // octants
    table.setflags(write=False)
    return table


def orientation_bins(
    parts: list[NDArray[np.float64]], bins: int, zero: str
) -> Iterator[NDArray[np.intp]]:
    """Yield for XY, XT and YT each voxel's bin, 0 to ``bins`` - 1, or ``bins`` for no vote."""
    table = _bin_table(bins, zero)
    signs = [_signs(part) for part in parts]
    sizes = [np.abs(part) for part in parts]
    for row, column in PLANES:
        index = signs[row] + np.uint8(3) * signs[column]
        if bins == 8:
            index += np.uint8(9) * _signs(sizes[row] - sizes[column])
        yield table[index]


def orientation_codes(
    frames: ArrayLike, bins: int = 8, *, zero: str = "skip"
) -> tuple[NDArray[np.int8], ...]:
    """Compute the orientation bin of every voxel that has both neighbours on all axes.

    The orientation in a plane is ``theta = atan2(g_row, g_column)``, with the row and column
    axes (y, x) in XY, (t, x) in XT and (t, y) in YT. Bins are half-open from -pi on. They are
    found from signs and comparisons, not from theta: with whole grey levels many gradients lie
    exactly on an edge, where rounding would decide.

    Parameters
    ----------
    frames : array, shape (T, H, W)
    bins : {4, 8}
    zero : {'skip', 'vote'}

    Returns
    -------
    tuple of three ndarray of int8, shape (T - 2, H - 2, W - 2)
        XY, XT, YT; -1 where the voxel has no vote.

    Raises
    ------
    UserError
        For a clip shorter than 3 on an axis, or another number of bins.
    """
    parts = checked_gradients("HOG-TOP", frames, bins, zero)
    planes = orientation_bins(parts, bins, zero)
    return tuple(np.where(plane == bins, -1, plane).astype(np.int8) for plane in planes)


def checked_gradients(
    name: str, frames: ArrayLike, bins: int, zero: str
) -> list[NDArray[np.float64]]:
    """Return the gradients of a clip after checking it and the options of descriptor ``name``."""
    choice("bins", bins, BINS)
    choice("zero", zero, ZEROS)
    return gradients(clip_for(name, frames, 3, "central differences"))
