"""Antialiased bicubic resizing in MATLAB's convention."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError, listed, positive_integer
from cdmer_bench.preprocessing.frames import real_numbers

BAND = 8  # outputs that are computed together, from the few inputs that they need


def cubic_kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate the cubic convolution kernel with a = -0.5 (Keys, 1981), zero from 2 on."""
    r = np.abs(x)
    inner = 1.5 * r**3 - 2.5 * r**2 + 1
    outer = -0.5 * r**3 + 2.5 * r**2 - 4 * r + 2
    return np.where(r <= 1, inner, np.where(r < 2, outer, 0.0))


@lru_cache(maxsize=256)
def resize_matrix(n_given: int, n_wanted: int) -> NDArray[np.float64]:
    """Return the matrix that resizes ``n_given`` samples along one axis to ``n_wanted``.

    Output sample i lies at the input coordinate ``u = (i + 1) / s + (1 - 1 / s) / 2``
    (1-based, s the scale). When shrinking, the kernel is widened by 1 / s (antialiasing). The
    border is mirrored with the edge sample repeated, and each row is scaled to sum to 1.
    """
    scale = n_wanted / n_given
    shrink = min(scale, 1.0)
    half_width = 2 / shrink
    centre = np.arange(1, n_wanted + 1) / scale + 0.5 * (1 - 1 / scale)
    first = np.floor(centre - half_width).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * half_width)) + 2)  # 1-based, may leave 1..n
    weights = cubic_kernel(shrink * (centre[:, None] - taps))
    folded = (taps - 1) % (2 * n_given)
    index = np.where(folded < n_given, folded, 2 * n_given - 1 - folded)
    matrix = np.zeros((n_wanted, n_given))
    np.add.at(matrix, (np.arange(n_wanted)[:, None], index), weights)
    matrix /= matrix.sum(axis=1, keepdims=True)
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=256)
def _bands(n_given: int, n_wanted: int) -> list[tuple[slice, slice, NDArray[np.float64]]]:
    """Cut the resizing matrix into (outputs, inputs, weights), without most of its zeros."""
    bands = []
    for first in range(0, n_wanted, BAND):
        rows = resize_matrix(n_given, n_wanted)[first : first + BAND]
        used = np.flatnonzero(rows.any(axis=0))
        inputs = slice(used[0], used[-1] + 1)
        bands.append((slice(first, first + len(rows)), inputs, rows[:, inputs].copy()))
    return bands


def resize_frames(frames: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Resize all frames of a float64 clip (T, H, W) to ``shape`` by products of band matrices."""
    n_frames, height, width = frames.shape
    if width != shape[1]:
        rows = np.empty((n_frames * height, shape[1]))
        for outputs, inputs, weights in _bands(width, shape[1]):
            np.matmul(frames.reshape(-1, width)[:, inputs], weights.T, out=rows[:, outputs])
        frames = rows.reshape(n_frames, height, shape[1])
    if height != shape[0]:
        resized = np.empty((n_frames, *shape))
        for outputs, inputs, weights in _bands(height, shape[0]):
            np.matmul(weights, frames[:, inputs], out=resized[:, outputs])
        frames = resized
    return frames


def resize(frame: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Resize one grey frame by antialiased bicubic interpolation.

    Same convention as MATLAB's ``imresize(frame, shape)``, in float64 and without rounding or
    clipping: overshoots at edges are kept. The aspect ratio is whatever ``shape`` makes it.

    Parameters
    ----------
    frame : array, shape (H, W)
        Grey levels, of any real type.
    shape : (int, int)
        Rows and columns wanted.

    Returns
    -------
    ndarray of float64, shape ``shape``
        Equal to ``frame`` if that is its shape already.

    Raises
    ------
    UserError
        If ``frame`` is not two-dimensional, is empty or not finite, or ``shape`` is not two
        positive whole numbers.
    """
    wanted = check_shape(shape)
    array = real_numbers(frame, "frame")
    if array.ndim != 2 or 0 in array.shape:
        raise UserError(
            f"the frame has shape {array.shape}, expected (rows, columns) with at least one of each"
        )
    clip = np.ascontiguousarray(array, dtype=np.float64)[None]
    return np.array(resize_frames(clip, wanted)[0])


def check_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return ``shape`` as two positive ints."""
    rows, columns = listed("the frame shape", shape, "(rows, columns)", length=2)
    return positive_integer("rows", rows), positive_integer("columns", columns)
