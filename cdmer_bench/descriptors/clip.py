"""What every descriptor checks before it computes anything."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.memory import keep_freed_memory
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing.frames import as_frames


def clip_for(name: str, frames: ArrayLike, least: int, why: str) -> NDArray[np.float64]:
    """Return the clip as float64 (T, H, W), at least ``least`` voxels long on each axis.

    Parameters
    ----------
    name : str
        The descriptor, for the message.
    frames : array, shape (T, H, W)
    least : int
        Extent that the descriptor's neighbourhood needs.
    why : str
        Where that extent comes from, such as ``'R=3'``.

    Raises
    ------
    UserError
        If the clip is not a finite (T, H, W) array or is too small.
    """
    keep_freed_memory()
    clip = as_frames(frames)
    if min(clip.shape) < least:
        size = " x ".join(map(str, clip.shape))
        raise UserError(
            f"{name} with {why} needs at least {least} frames, rows and columns, but the clip "
            f"has {size}: interpolate or enlarge it first, or choose a smaller neighbourhood"
        )
    return clip
