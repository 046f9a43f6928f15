"""The preprocessing of the benchmark: every clip to one size and one number of frames."""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import choice, positive_integer
from cdmer_bench.preprocessing.crop import face_box
from cdmer_bench.preprocessing.frames import check_frames
from cdmer_bench.preprocessing.resize import check_shape, resize_frames
from cdmer_bench.preprocessing.tim import tim

ROUNDINGS = ("none", "uint8")
CROPS = ("none", "face")
RESIZED_PIXELS = 2**18  # at a time; 2 MB as float64


@dataclass
class Preprocessing:
    """Resize the frames of a grey clip, then interpolate it in time.

    Parameters
    ----------
    n_frames : int
        Frames after temporal interpolation; the paper's 16.
    shape : (int, int)
        Rows and columns after resizing; the paper's 112 x 112. The aspect ratio is not kept.
    round : {'none', 'uint8'}
        What is done with the interpolated values. ``'none'`` keeps them as they are, which is
        what the authors' released features look like; ``'uint8'`` rounds them and cuts them
        to 0..255.
    crop : {'none', 'face'}
        ``'face'`` finds the face once a clip and cuts it out of all its frames first
        (:mod:`~cdmer_bench.preprocessing.crop`), for databases of whole scenes; the paper used
        the databases' own crops.

    Examples
    --------
    >>> Preprocessing()(np.zeros((9, 280, 340), np.uint8)).shape
    (16, 112, 112)
    """

    version: ClassVar[int] = 1
    n_frames: int = 16
    shape: tuple[int, int] = (112, 112)
    round: str = "none"
    crop: str = "none"

    def __post_init__(self) -> None:
        self.n_frames = positive_integer("n_frames", self.n_frames)
        self.shape = check_shape(self.shape)
        choice("round", self.round, ROUNDINGS)
        choice("crop", self.crop, CROPS)

    def for_clip(self, clip: Any) -> "Preprocessing":
        """Return the steps of a clip: one that brings its own box is not cropped again."""
        given = self.crop == "none" or getattr(clip, "box", None) is None
        return self if given else replace(self, crop="none")

    def __call__(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the clip as (n_frames, *shape) float64.

        Parameters
        ----------
        frames : array, shape (T, H, W)
            Grey levels of any real type, T at least 1.

        Raises
        ------
        UserError
            If ``frames`` is not a non-empty clip of finite numbers.
        """
        return self.rounded(tim(self.resized(frames), self.n_frames))

    def rounded(self, clip: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an interpolated clip as ``round`` says."""
        return clip if self.round == "none" else np.clip(np.floor(clip + 0.5), 0, 255)

    def resized(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the clip as (T, *shape) float64, before its interpolation in time."""
        given = check_frames(frames)
        box = face_box(given) if self.crop == "face" else None
        if box is not None:
            left, top, width, height = box
            given = given[:, top : top + height, left : left + width]
        # A few frames at a time: as float64 a long clip of large frames would fill the memory.
        step = max(1, RESIZED_PIXELS // (given.shape[1] * given.shape[2]))
        parts = (given[i : i + step].astype(np.float64) for i in range(0, len(given), step))
        return np.concatenate([resize_frames(part, self.shape) for part in parts])

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as plain values, for the key of stored features."""
        found = {**asdict(self), "shape": list(self.shape)}
        if self.crop == "none":
            del found["crop"]
        return found
