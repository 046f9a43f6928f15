"""Augmented clips for fine-tuning, and their split by the clips that they were made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing.tim import combine_frames, tim_matrix

N_FRAMES = 160  # after temporal interpolation
N_SEGMENTS, SEGMENT = 16, 10  # one frame is drawn from each segment of ten
_DRAW = 3  # tells this stream of random numbers from the recipe's others


@dataclass(frozen=True)
class Split:
    """Augmented clips as pairs (clip, number of the variant).

    Attributes
    ----------
    training, validation : ndarray of int, shape (n, 2)
        No clip occurs on both sides.
    """

    training: NDArray[np.intp]
    validation: NDArray[np.intp]


def split_by_clip(labels: Sequence[int], n_total: int, n_validation: int, seed: int) -> Split:
    """Share the clips out to training and validation, then number their variants.

    Parameters
    ----------
    labels : sequence of int
        Class of each clip; each class is shared out in the same proportion.
    n_total, n_validation : int
        Augmented clips in all and for validation. Each clip of a side gets as many variants as
        the others, or one more.
    seed : int

    Raises
    ------
    UserError
        If there are too few clips for both sides, or a class has none to train on.
    """
    y = np.asarray(labels)
    n_held = round(len(y) * n_validation / n_total) if n_validation else 0
    n_held = max(n_held, 1) if n_validation else 0
    if n_held >= len(y):
        raise UserError(
            f"fine-tuning has {len(y)} clips, expected more than the {n_held} held out for "
            "validation; lower c3d.finetune.n_validation"
        )
    # Rank of a clip in its class, as a fraction: the first n_held fractions are a fair share.
    rng = np.random.default_rng([seed, 0])
    fraction = np.empty(len(y))
    for label in np.unique(y):
        mine = rng.permutation(np.flatnonzero(y == label))
        fraction[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    order = np.lexsort((np.arange(len(y)), fraction))
    held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
    if set(y[kept].tolist()) != set(y.tolist()):
        raise UserError(
            "fine-tuning would hold out every clip of a class; lower c3d.finetune.n_validation"
        )
    return Split(_variants(kept, n_total - n_validation), _variants(held, n_validation))


def _variants(clips: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Number ``n`` variants in turn over the clips."""
    if not len(clips):
        return np.empty((0, 2), dtype=np.intp)
    index = np.arange(n)
    return np.stack([clips[index % len(clips)], index // len(clips)], axis=1)


def drawn_frames(clip: int, variant: int, seed: int) -> NDArray[np.intp]:
    """Draw one of the ten frames of each of the 16 segments of 160, 16 rising numbers."""
    rng = np.random.default_rng([seed, _DRAW, clip, variant])
    return SEGMENT * np.arange(N_SEGMENTS) + rng.integers(0, SEGMENT, N_SEGMENTS)


def augmented(frames: NDArray, clip: int, variant: int, seed: int) -> NDArray[np.float64]:
    """Return a variant of a clip: interpolated to 160 frames, of which 16 are drawn.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Resized, not yet interpolated.
    clip, variant, seed : int
        Decide the draw.

    Returns
    -------
    ndarray of float64, shape (16, H, W)
        The drawn frames of ``tim(frames, 160)``; only these are computed.
    """
    rows = tim_matrix(len(frames), N_FRAMES)[drawn_frames(clip, variant, seed)]
    return combine_frames(rows, frames.astype(np.float64))
