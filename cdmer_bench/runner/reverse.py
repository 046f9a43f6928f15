"""Reverse validation: from the predicted target back to the source.

Each setting is fitted once more with the roles swapped: the target with the labels that the
setting predicted for it is the source, and the source without its labels is the target. What it
then predicts for the source is compared with the source's labels. Target labels are not read.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Method
from cdmer_bench.methods.inputs import Setting, check_task
from cdmer_bench.parallel import Call
from cdmer_bench.results.selection_inputs import NOT_PREDICTED
from cdmer_bench.runner.batch import BatchFailure, batch_failure, read_prepared, write_prepared
from cdmer_bench.runner.validation import possible_settings, predict_possible, store_predictions

# Fits in a batch; each prepares the method anew, because the labels differ.
_FITS = 4


@dataclass
class WayBack:
    """The way back of all settings: a :class:`~cdmer_bench.runner.validation.Part`.

    Attributes
    ----------
    key, columns, reason
        As for a part; ``columns`` are all source samples.
    method : Method
    settings : sequence of settings
        The whole grid.
    predicted : ndarray of uint8, shape (n_settings, n_target)
        The target's classes under each setting.
    Xs, Xt : ndarray, shapes (n_source, ...) and (n_target, ...)
        Samples without labels.
    """

    key: str
    columns: NDArray[np.intp]
    method: Method
    settings: Sequence[Setting]
    predicted: NDArray[np.uint8]
    Xs: NDArray
    Xt: NDArray
    reason: str = ""

    def open(self, shared: Path) -> list[list[int]]:
        """Write the samples; settings that predicted the same share a batch and a fit."""
        write_prepared(shared, {"source": self.Xs, "target": self.Xt})
        batches: list[list[int]] = []
        fits = _FITS
        for group in self._groups():
            for part in self.method.batches([self.settings[i] for i in group]):
                if fits == _FITS:
                    batches.append([])
                    fits = 0
                batches[-1] += [group[i] for i in part]
                fits += 1
        return batches

    def _groups(self) -> list[list[int]]:
        """Return the settings that predicted the same, in the order of their first."""
        groups: dict[bytes, list[int]] = {}
        for index, labels in enumerate(self.predicted):
            groups.setdefault(labels.tobytes(), []).append(index)
        return list(groups.values())

    def call(self, members: list[int], shared: Path, result: Path) -> Call:
        """Return the call that predicts the source."""
        settings = [self.settings[i] for i in members]
        labels = self.predicted[members]
        return run_reversed_batch, (self.method, settings, members, labels, shared, result)


def run_reversed_batch(
    method: Method,
    settings: list[Setting],
    indices: list[int],
    labels: NDArray[np.uint8],
    shared: Path,
    result: Path,
) -> BatchFailure | None:
    """Predict the source from the predicted target, and store the predictions.

    Parameters
    ----------
    method, settings, indices, shared, result
        As for :func:`cdmer_bench.runner.batch.run_batch`.
    labels : ndarray of uint8, shape (n_settings, n_target)
        What each setting predicted; equal rows stand together.
    """
    try:
        samples = read_prepared(shared)
        rows, reason = [], ""
        for start, end in _runs(labels):
            found, why = predict_back(
                method, samples["target"], labels[start], samples["source"], settings[start:end]
            )
            rows.append(found)
            reason = reason or why
        store_predictions(result, indices, np.concatenate(rows), reason)
    except Exception as error:
        return batch_failure(error)
    return None


def predict_back(
    method: Method,
    Xt: NDArray,
    labels: NDArray[np.uint8],
    Xs: NDArray,
    settings: list[Setting],
) -> tuple[NDArray[np.uint8], str]:
    """Return the source's classes, shape (n_settings, n_source), from the labelled target.

    Where the labels hold a single class, that is the class of every source sample. Settings that
    do not exist with the roles swapped are ``NOT_PREDICTED``; the second value says why.
    """
    if (labels == labels[0]).all():
        return np.full((len(settings), len(Xs)), labels[0], np.uint8), ""
    found = np.full((len(settings), len(Xs)), NOT_PREDICTED, np.uint8)
    reversed_ = copy.copy(method)
    try:
        task = check_task(Xt, labels, Xs, method.needs_blocks)
        reversed_.classes_ = task.classes
        possible, reason = possible_settings(reversed_, settings, task.shapes)
        if not possible:
            return found, reason
        prepared = reversed_.prepare(task.Xs, task.ys, task.Xt, task.Xt)
    except UserError as error:
        return found, str(error)
    chosen = [settings[i] for i in possible]
    found[possible], refused = predict_possible(reversed_, prepared, chosen, len(Xs))
    return found, reason or refused


def _runs(labels: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Yield the first and last but one index of each run of equal rows."""
    changes = np.flatnonzero((labels[1:] != labels[:-1]).any(axis=1)) + 1
    ends = [*changes.tolist(), len(labels)]
    yield from zip([0, *ends[:-1]], ends, strict=True)
