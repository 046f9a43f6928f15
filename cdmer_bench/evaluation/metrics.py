"""Mean F1-score and accuracy, for one prediction or for every setting of a grid at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError


def mean_f1(y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Any] | None = None) -> float:
    """Return the mean over the classes of F1 = 2pr / (p + r), 0 for a class with p + r = 0.

    Parameters
    ----------
    y_true, y_pred : array, shape (n,)
        True and predicted labels, of any one type.
    classes : sequence, optional
        The classes of the database; each counts once, whether it occurs or not. By default
        the classes that occur in ``y_true`` or in ``y_pred``. The two differ only where a
        class of the database has no sample and is never predicted.

    Returns
    -------
    float
        Between 0 and 1; section II-A3 of the paper, without rounding.

    Raises
    ------
    UserError
        If the shapes differ, are empty, or a label is not among ``classes``.
    """
    true, predicted, n_classes = _codes(y_true, y_pred, classes)
    return float(f1_of_counts(confusion_matrices(true, predicted[None], n_classes)).mean())


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the percentage of right predictions, T / N x 100, without rounding."""
    true, predicted, _ = _codes(y_true, y_pred, None)
    return 100.0 * np.count_nonzero(true == predicted) / len(true)


def grid_scores(
    y_true: ArrayLike, predictions: ArrayLike, n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score every setting of a grid.

    Parameters
    ----------
    y_true : array of int, shape (n_target,)
        Class indices, 0 to ``n_classes - 1``.
    predictions : array of int, shape (n_settings, n_target)
    n_classes : int
        Number of classes of the database; the mean is taken over all of them.

    Returns
    -------
    mean_f1 : ndarray, shape (n_settings,)
        Between 0 and 1.
    accuracy : ndarray, shape (n_settings,)
        In percent.
    """
    counts = confusion_matrices(y_true, predictions, n_classes)
    right = counts.diagonal(axis1=1, axis2=2).sum(axis=1)
    return f1_of_counts(counts).mean(axis=-1), 100.0 * right / counts.sum(axis=(1, 2))


def confusion_matrices(
    y_true: ArrayLike, predictions: ArrayLike, n_classes: int
) -> NDArray[np.intp]:
    """Count, for every setting, the samples of each true and each predicted class.

    Parameters
    ----------
    y_true : array of int, shape (n_target,)
    predictions : array of int, shape (n_settings, n_target)
    n_classes : int

    Returns
    -------
    ndarray of int, shape (n_settings, n_classes, n_classes)
        Rows are true classes, columns predicted ones.
    """
    true = np.asarray(y_true, dtype=np.intp)
    predicted = np.asarray(predictions, dtype=np.intp)
    _check_indices(true, predicted, n_classes)
    n_settings = len(predicted)
    # One number per (setting, true, predicted), so that one bincount serves the whole grid.
    cell = true * n_classes + predicted
    cell += np.arange(n_settings)[:, None] * n_classes**2
    counts = np.bincount(cell.ravel(), minlength=n_settings * n_classes**2)
    return counts.reshape(n_settings, n_classes, n_classes)


def f1_of_counts(counts: NDArray) -> NDArray[np.float64]:
    """Return each class's F1 = 2 TP / (true + predicted), shape (..., n_classes)."""
    right = counts.diagonal(axis1=-2, axis2=-1)
    total = counts.sum(axis=-1) + counts.sum(axis=-2)
    return 2.0 * right / np.maximum(total, 1)


def _check_indices(true: NDArray[np.intp], predicted: NDArray[np.intp], n_classes: int) -> None:
    if predicted.ndim != 2 or true.shape != predicted.shape[1:] or not len(true):
        raise UserError(
            f"true labels of shape {true.shape} and predictions of shape {predicted.shape} do "
            "not fit; pass (n_target,) and (n_settings, n_target) with at least one sample"
        )
    for name, values in (("true labels", true), ("predictions", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < n_classes:
            raise UserError(
                f"{name} hold class indices from {values.min()} to {values.max()}, "
                f"expected 0 to {n_classes - 1}"
            )


def _codes(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Any] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != predicted.shape or not len(true):
        raise UserError(
            f"y_true has shape {true.shape} and y_pred {predicted.shape}; "
            "pass two lists of labels of the same length, at least one"
        )
    labels = np.concatenate([true, predicted])
    known = np.unique(labels if classes is None else np.asarray(classes))
    unknown = np.setdiff1d(labels, known)
    if len(unknown):
        raise UserError(
            f"label {unknown[0]!s} is not among the classes {', '.join(map(str, known))}"
        )
    codes = np.searchsorted(known, labels)
    return codes[: len(true)], codes[len(true) :], len(known)
