"""What every step accepts as a clip: finite grey levels of shape (T, H, W)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError

# ITU-R BT.601 luma, as MATLAB's rgb2gray has it to four digits.
RGB_WEIGHTS = (0.2989, 0.5870, 0.1140)


def real_numbers(values: ArrayLike, what: str) -> NDArray:
    """Return finite real numbers as an array of their own type."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise UserError(
            f"the {what} has rows or frames of different lengths, expected one array of numbers"
        ) from None
    if array.dtype.kind not in "buif":
        raise UserError(
            f"the {what} holds {array.dtype} values, expected real numbers; convert it to uint8 "
            "or float64 first"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(
            f"the {what} holds NaN or infinite grey levels; repair or remove those frames"
        )
    return array


def check_frames(frames: ArrayLike) -> NDArray:
    """Return a clip as an array of shape (T, H, W) of its own real type."""
    array = real_numbers(frames, "clip")
    if array.ndim != 3 or 0 in array.shape:
        raise UserError(
            f"the clip has shape {array.shape}, expected (frames, rows, columns) with at least "
            "one of each; convert colour frames with to_grey first"
        )
    return array


def as_frames(frames: ArrayLike) -> NDArray[np.float64]:
    """Return a clip as a C-contiguous float64 array of shape (T, H, W)."""
    return np.ascontiguousarray(check_frames(frames), dtype=np.float64)


def to_grey(frame: ArrayLike) -> NDArray:
    """Convert an RGB frame to grey, 0.2989 R + 0.5870 G + 0.1140 B.

    Parameters
    ----------
    frame : array, shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Channels in the order red, green, blue; a fourth one (opacity) is ignored. A frame
        without colour is returned as it is.

    Returns
    -------
    ndarray, shape (H, W)
        Integer frames keep their type, rounded half up; other frames give float64, unrounded.

    Raises
    ------
    UserError
        For any other shape.
    """
    array = np.asarray(frame)
    if array.ndim == 2:
        return array
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise UserError(
            f"the frame has shape {array.shape}, expected (rows, columns) or (rows, columns, "
            "channels) with 1, 3 or 4 channels"
        )
    if array.shape[2] == 1:
        return array[..., 0]
    grey = array[..., :3].astype(np.float64) @ np.array(RGB_WEIGHTS)
    if array.dtype.kind in "iu":
        return np.floor(grey + 0.5).astype(array.dtype)
    return grey
