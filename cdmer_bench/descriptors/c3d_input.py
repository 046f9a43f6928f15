"""What C3D takes: three channels of a clip less the mean that belongs to its weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.c3d_caffe import read_binaryproto
from cdmer_bench.errors import UserError
from cdmer_bench.io import user_path
from cdmer_bench.preprocessing.frames import as_frames
from cdmer_bench.preprocessing.resize import resize_frames

INPUT = (16, 112, 112)  # frames, rows, columns
_WIDE, _CROP = (128, 171), (slice(8, 120), slice(29, 141))  # Caffe's frames and central crop


def network_input(
    frames: ArrayLike, mean: Sequence[float] | NDArray, how: str = "as_is"
) -> NDArray[np.float32]:
    """Turn a grey clip into what C3D was trained on: three channels less their mean.

    Parameters
    ----------
    frames : array, shape (16, 112, 112)
        Grey levels in 0..255, not scaled.
    mean : 3 floats or array, shape (3, 16, 112, 112)
        Of blue, green and red: a value a channel, or the central crop of a mean cube.
    how : {'as_is', 'centre_crop'}
        ``'as_is'`` takes the frames as they are; ``'centre_crop'`` enlarges them to 128 x 171
        and cuts the central 112 x 112, as Caffe does with videos, which loses the face's rim.

    Returns
    -------
    ndarray of float32, shape (3, 16, 112, 112)

    Raises
    ------
    UserError
        If the clip has another shape.
    """
    clip = as_frames(frames)
    if clip.shape != INPUT:
        raise UserError(
            f"C3D takes clips of 16 x 112 x 112, but the clip has {clip.shape}; set "
            "preprocessing.parameters.n_frames=16 and shape=[112,112]"
        )
    if how == "centre_crop":
        clip = resize_frames(clip, _WIDE)[:, *_CROP]
    return np.stack([clip - m for m in mean]).astype(np.float32)


def load_mean(path: str) -> NDArray[np.float64]:
    """Read a mean cube and cut its centre, (3, 16, 112, 112).

    Parameters
    ----------
    path : str
        ``.npy`` or Caffe's ``.binaryproto``, of shape (3, 16, 128, 171) in blue, green, red,
        with or without leading sizes of 1.

    Raises
    ------
    UserError
        If the file is not there or holds something else.
    """
    found = user_path(path)
    if not found.is_file():
        raise UserError(
            f"mean is {path!r}, expected auto, three numbers [blue, green, red] or the file of a "
            "mean cube (.npy, .binaryproto)"
        )
    if found.suffix == ".npy":
        try:
            cube = np.load(found, allow_pickle=False)
        except Exception as error:  # numpy raises several kinds
            raise UserError(f"{found} cannot be read as an array ({error})") from None
    else:
        cube = read_binaryproto(found)
    wanted = (3, 16, *_WIDE)
    if cube.size != np.prod(wanted) or cube.shape[-4:] != wanted or not np.isfinite(cube).all():
        raise UserError(f"{found} has the shape {cube.shape}, expected a mean cube of {wanted}")
    return np.asarray(cube, dtype=np.float64).reshape(wanted)[:, :, *_CROP]
