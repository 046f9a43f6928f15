"""Cross-validation on the source: folds, and the method fitted without each of them.

The method is adapted from the other folds to the target, and predicts the fold held out, under
every setting of the grid. Target labels are not read.
"""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import FeatureSet
from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Method
from cdmer_bench.methods.inputs import Setting, check_task
from cdmer_bench.parallel import Call
from cdmer_bench.runner.batch import BatchFailure, batch_failure, read_prepared, write_prepared
from cdmer_bench.runner.validation import possible_settings, predict_possible, store_predictions

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


@dataclass
class Fold:
    """One fold: a :class:`~cdmer_bench.runner.validation.Part` that predicts what is held out.

    Attributes
    ----------
    key, columns, reason
        As for a part; ``columns`` are the samples held out.
    method : Method
    settings : sequence of settings
        The whole grid.
    source : FeatureSet
    Xt : ndarray, shape (n_target, ...)
        The target's samples, without labels.
    """

    key: str
    columns: NDArray[np.intp]
    method: Method
    settings: Sequence[Setting]
    source: FeatureSet
    Xt: NDArray
    reason: str = ""

    def open(self, shared: Path) -> list[list[int]]:
        """Compute what the settings share; no batch if none exists for the samples kept."""
        self.method = copy.copy(self.method)
        kept = np.setdiff1d(np.arange(len(self.source.y)), self.columns)
        try:
            task = check_task(
                self.source.X[kept], self.source.y[kept], self.Xt, self.method.needs_blocks
            )
            self.method.classes_ = task.classes
            possible, self.reason = possible_settings(self.method, self.settings, task.shapes)
            if not possible:
                return []
            Xq = self.source.X[self.columns].reshape(len(self.columns), *task.Xs.shape[1:])
            prepared = self.method.prepare(
                task.Xs, task.ys, task.Xt, np.ascontiguousarray(Xq, dtype=np.float64)
            )
        except UserError as error:
            self.reason = self.reason or str(error)
            return []
        write_prepared(shared, prepared)
        batches = self.method.batches([self.settings[i] for i in possible])
        return [[possible[i] for i in batch] for batch in batches]

    def call(self, members: list[int], shared: Path, result: Path) -> Call:
        """Return the call that predicts the samples held out."""
        settings = [self.settings[i] for i in members]
        arguments = (self.method, settings, members, len(self.columns), shared, result)
        return run_held_out_batch, arguments


def run_held_out_batch(
    method: Method,
    settings: list[Setting],
    indices: list[int],
    n_held_out: int,
    shared: Path,
    result: Path,
) -> BatchFailure | None:
    """Predict held-out samples under the settings of a batch and store the predictions.

    Parameters
    ----------
    method, settings, indices, shared, result
        As for :func:`cdmer_bench.runner.batch.run_batch`.
    n_held_out : int
        Number of samples to predict.
    """
    try:
        found = predict_possible(method, read_prepared(shared), settings, n_held_out)
        store_predictions(result, indices, *found)
    except Exception as error:
        return batch_failure(error)
    return None
