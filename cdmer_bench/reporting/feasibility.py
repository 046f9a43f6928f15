"""Which scores a confusion matrix can have at all: an exact search over matrices."""

import itertools
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

# A figure printed to d decimals stands for every value within half a unit of the last one; the
# margin covers the rounding of binary fractions and is far below the spacing of real scores.
_MARGIN = 1e-9
_HALF_F1, _HALF_PERCENT = 0.00005, 0.005


def counts_with_accuracy(percent: float, n: int) -> list[int]:
    """Return the counts of right predictions of ``n`` that print as ``percent``."""
    return [k for k in range(n + 1) if abs(100 * k / n - percent) <= _HALF_PERCENT + _MARGIN]


@cache
def find_matrix(
    mean_f1: float,  # as printed, four decimals
    n_right: int,
    class_counts: tuple[int, ...],  # true samples of each class
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Find a confusion matrix of three classes with that mean F1 and so many right predictions.

    It is told by the right predictions and the predictions of each class; None if there is none.
    """
    n_wrong = sum(class_counts) - n_right
    low, high = 3 * (mean_f1 - _HALF_F1), 3 * (mean_f1 + _HALF_F1)
    wrong = _splits(n_wrong)
    for right in _right_splits(n_right, class_counts):
        base = np.add(class_counts, right)
        # F1_i = 2 right_i / (true_i + predicted_i) is largest without wrong predictions of i.
        if (2 * np.divide(right, base)).sum() < low - _MARGIN:
            continue
        if (2 * np.divide(right, base + n_wrong)).sum() > high + _MARGIN:
            continue
        total = (2 * np.asarray(right) / (base + wrong)).sum(axis=1)
        missed = np.subtract(class_counts, right)
        fits = (np.abs(total - 3 * mean_f1) <= 3 * _HALF_F1 + _MARGIN) & (
            wrong + missed <= n_wrong
        ).all(axis=1)
        if fits.any():
            found = wrong[fits.argmax()]
            return right, tuple(int(r + w) for r, w in zip(right, found, strict=True))
    return None


def constant_class(mean_f1: float, percent: float, class_counts: Sequence[int]) -> int | None:
    """Return the class that, answered for every sample, gives both figures, or None."""
    n = sum(class_counts)
    for index, count in enumerate(class_counts):
        f1 = 2 * count / (n + count) / len(class_counts)
        if abs(f1 - mean_f1) <= _HALF_F1 + _MARGIN and count in counts_with_accuracy(percent, n):
            return index
    return None


def _splits(total: int) -> NDArray[np.intp]:
    """List all triples of counts that add up to ``total``, shape (n, 3)."""
    first, second = np.indices((total + 1, total + 1))
    third = total - first - second
    return np.stack([first, second, third], axis=-1)[third >= 0]


def _right_splits(n_right: int, counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for first, second in itertools.product(range(counts[0] + 1), range(counts[1] + 1)):
        third = n_right - first - second
        if 0 <= third <= counts[2]:
            yield first, second, third
