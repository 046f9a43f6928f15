"""Folds of the source, and predictions for the part of it that a fold holds out."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.files import pack_arrays, write_atomically
from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.grid import Setting
from cdmer_bench.results.selection_inputs import NOT_PREDICTED
from cdmer_bench.runner.strand import StrandFailure, check_result, read_prepared, strand_failure

N_FOLDS = 5


def source_folds(y: NDArray[np.intp], subject: NDArray[np.str_] | None) -> list[NDArray[np.intp]]:
    """Split the source samples into folds to hold out, with as equal class shares as can be.

    Parameters
    ----------
    y : ndarray of int, shape (n_source,)
        Class indices.
    subject : ndarray of str, shape (n_source,), or None
        Where known, no subject is in two folds.

    Returns
    -------
    list of ndarray of int
        Indices of the samples that each fold holds out: five folds, or fewer where the largest
        class has fewer samples or the database fewer subjects. Nothing is drawn at random.

    Raises
    ------
    UserError
        If not even two folds are possible.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_subjects = len(y) if subject is None else len(np.unique(subject))
    n_folds = min(N_FOLDS, int(np.bincount(y).max()), n_subjects)
    if n_folds < 2:
        raise UserError(
            f"a source of {n_subjects} subject(s) whose largest class has {np.bincount(y).max()} "
            "sample(s) cannot be cross-validated; give at least two of each"
        )
    folds = (StratifiedKFold if subject is None else StratifiedGroupKFold)(n_folds)
    with warnings.catch_warnings():
        # A class with fewer samples than folds is missing from some, which is as intended.
        warnings.simplefilter("ignore", UserWarning)
        held_out = [test for _, test in folds.split(y, y, subject)]
    return [indices for indices in held_out if len(indices)]


def possible_settings(
    method: Method, settings: Sequence[Setting], shapes: tuple[int, int, int]
) -> tuple[list[int], str]:
    """Return which settings exist for a task of these shapes, and why the first other does not.

    ``shapes`` are n_source, n_target and n_features. A subspace of more dimensions than the fold
    has samples, for example, does not exist.
    """
    possible, reason = [], ""
    for index, setting in enumerate(settings):
        try:
            method.settings([setting], shapes)
        except UserError as error:
            reason = reason or str(error)
        else:
            possible.append(index)
    return possible, reason


def run_held_out_strand(
    method: Method,
    settings: list[Setting],
    indices: list[int],
    n_held_out: int,
    shared: Path,
    result: Path,
) -> StrandFailure | None:
    """Predict held-out samples under the settings of a strand and store the predictions.

    Parameters
    ----------
    method, settings, indices, shared, result
        As for :func:`cdmer_bench.runner.strand.run_strand`.
    n_held_out : int
        Number of samples to predict.
    """
    try:
        predictions, reason = predict_possible(method, read_prepared(shared), settings, n_held_out)
        arrays: dict[str, np.ndarray] = {
            "indices": np.array(indices, dtype=np.int64),
            "predictions": predictions,
            "reason": np.array(reason, dtype=np.str_),
        }
        write_atomically(result, pack_arrays(arrays))
    except Exception as error:
        return strand_failure(error)
    return None


def predict_possible(
    method: Method, prepared: Prepared, settings: list[Setting], n_held_out: int
) -> tuple[NDArray[np.uint8], str]:
    """Return class indices, shape (n_settings, n_held_out), and why some are ``NOT_PREDICTED``.

    A setting that the method refuses for this fold alone costs the others of its strand nothing.
    """
    try:
        found = method.solve(prepared, settings)
    except UserError as error:
        if len(settings) == 1:
            return np.full((1, n_held_out), NOT_PREDICTED, np.uint8), str(error)
        parts = [predict_possible(method, prepared, [s], n_held_out) for s in settings]
        reason = next((text for _, text in parts if text), "")
        return np.concatenate([rows for rows, _ in parts]), reason
    check_result(method, found, len(settings))
    return np.asarray(found.predictions).astype(np.uint8), ""
