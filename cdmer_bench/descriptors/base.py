"""What every descriptor is: a configured map from a clip to histograms of facial blocks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.blocks import CUTS, check_grids
from cdmer_bench.errors import DataMissing, UserError, choice, positive_integer
from cdmer_bench.io import user_path
from cdmer_bench.preprocessing.frames import as_frames


class Descriptor(ABC):
    """Base of the descriptors.

    A subclass is a dataclass whose fields are the descriptor's parameters. It writes
    :meth:`extract`, and checks its parameters when it is made, so that a mistake shows before the
    first clip is read.

    Attributes
    ----------
    version : int
        Raised whenever the numbers that the descriptor gives change; part of the key of
        stored features.
    in_batches : bool
        True where a model is too large for every worker: :meth:`extract_batch` is then called
        in the main process with ``batch_size`` clips at a time.
    """

    version: ClassVar[int] = 1
    in_batches: ClassVar[bool] = False
    batch_size: int = 1

    @property
    def label(self) -> str:
        """The name of the descriptor for messages; its row in tables has the label of its card."""
        return type(self).__name__

    @abstractmethod
    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Describe a clip.

        Parameters
        ----------
        frames : array, shape (T, H, W)
            Grey levels after preprocessing.

        Returns
        -------
        ndarray of float64, shape (n_blocks, n_planes, n_bins)
            Block-major: the blocks of the grids one after the other, in a grid the row of a
            block changing fastest.

        Raises
        ------
        UserError
            If the clip is not finite, not three-dimensional, or too small.
        """

    def extract_batch(self, clips: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Describe several clips, shape (n_clips, n_blocks, n_planes, n_bins)."""
        return np.stack([self.extract(clip) for clip in clips])

    def check_ready(self) -> None:  # noqa: B027  (most descriptors need nothing)
        """Raise a UserError if no clip can be described, such as for an unreadable model file."""

    @property
    def remark(self) -> str:
        """What the row's label must add where its figures mean nothing, such as random weights."""
        return ""

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as plain values (lists for tuples), for stored features' keys."""
        values = asdict(self)  # type: ignore[call-overload]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


ALLOWED: dict[str, tuple[Any, ...]] = {
    "P": (4, 8),
    "ties": ("one", "zero"),
    "bins": (4, 8),
    "zero": ("skip", "vote"),
    "signed": (True, False),
    "voting": ("hard", "soft"),
    "block_mode": ("crop", "codemap"),
    "cut": CUTS,
}


def check_parameters(**parameters: Any) -> None:
    """Refuse a value that a parameter of this name cannot have."""
    for name, value in parameters.items():
        if name in ALLOWED:
            choice(name, value, ALLOWED[name])
        elif name == "grids":
            check_grids(value)
        elif name == "R":
            positive_integer(name, value)
        elif name == "decorr":
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not 0 <= value < 1:
                raise UserError(f"decorr is {value!r}, expected a correlation from 0 to below 1")


class BlockDescriptor(Descriptor):
    """A function that describes the blocks of a clip, with its parameters as fields."""

    function: ClassVar[Callable[..., NDArray[np.float64]]]
    row: ClassVar[str]  # of the paper's tables; parameters stand in braces
    grids: Sequence[int]

    def __post_init__(self) -> None:
        check_parameters(**vars(self))
        self.grids = check_grids(self.grids)

    @property
    def label(self) -> str:
        """The row's name in the paper's tables."""
        return self.row.format(**vars(self))

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the function's value, shape (n_blocks, n_planes, n_bins)."""
        return type(self).function(frames, **vars(self))


def clip_for(name: str, frames: ArrayLike, least: int, why: str) -> NDArray[np.float64]:
    """Return the clip as float64 (T, H, W), at least ``least`` voxels long on each axis.

    The message of a refusal says that ``name`` needs them because of ``why``, such as 'R=3'.
    """
    _keep_freed_memory()
    clip = as_frames(frames)
    if min(clip.shape) < least:
        size = " x ".join(map(str, clip.shape))
        raise UserError(
            f"{name} with {why} needs at least {least} frames, rows and columns, but the clip "
            f"has {size}: interpolate or enlarge it first, or choose a smaller neighbourhood"
        )
    clip = clip.view()
    clip.setflags(write=False)  # one kind of array, so that kernels are compiled once
    return clip


def model_file(path: str | None, network: str, how: str) -> Path:
    """Return the weight file of a network, or say how to get and pass one."""
    if path is None:
        raise DataMissing(f"no weights: {network} has no weight file; {how}")
    found = user_path(path)
    if not found.is_file():
        raise UserError(f"no weights: {path} is not a file; {how}")
    return found


def check_torch(network: str) -> None:
    """Say how to get torch if it is not installed."""
    if find_spec("torch") is None:
        raise DataMissing(
            f"no weights: {network} needs torch, which is not installed; "
            "`pip install torch` installs it"
        )


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    """Make glibc's malloc keep freed arrays of some megabytes for the next ones.

    By default an array of more than 128 KB is mapped, and the first touch of each of its pages
    is a page fault: 4,000 faults for one clip's LBP-TOP, which took longer than its arithmetic
    (13 ms instead of 5). When a larger mapped array is freed, glibc raises that limit, and
    twice the limit is what it keeps (mallopt(3), M_MMAP_THRESHOLD). The array here is freed
    untouched, so it costs nothing; other allocators ignore it.
    """
    np.empty(30 * 2**20, dtype=np.uint8)  # glibc's limit is 32 MB; a clip's arrays take 20
