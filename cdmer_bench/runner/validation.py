"""Predict source samples under every setting of a finished cell, by fits on other samples.

A cell's validation has parts, such as the folds of cross-validation. The batches of a part are run
like those of a cell: in parallel, each stored as soon as it is finished.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.io import pack_arrays, remove, write_atomically
from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.parallel import ATTEMPTS, WORKER_DIED, Backend, Call, Progress, run_parallel
from cdmer_bench.results.selection_inputs import NOT_PREDICTED
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.batch import BatchFailure, check_result
from cdmer_bench.runner.progressing import Progressing


class Part(Protocol):
    """Fits of the settings on one choice of samples.

    Attributes
    ----------
    key : str
        Names its unfinished files.
    columns : ndarray of int
        Source samples that it predicts.
    reason : str
        Why the first setting that is left out before any batch runs is.
    """

    key: str
    columns: NDArray[np.intp]
    reason: str

    def open(self, shared: Path) -> list[list[int]]:
        """Write what the batches share; return the indices of each batch's settings."""

    def call(self, members: list[int], shared: Path, result: Path) -> Call:
        """Return the call that stores a batch by :func:`store_predictions`."""


@dataclass
class _Opened:
    """A part with its batches."""

    part: Part
    batches: list[list[int]]


@dataclass
class Validation:
    """Runs the parts of one cell's validation.

    Attributes
    ----------
    shape : (int, int)
        n_settings and n_source.
    parts : sequence of Part
    store, backend, progressing
    bar : Progress or None
    """

    shape: tuple[int, int]
    parts: Sequence[Part]
    store: ResultsStore
    backend: Backend
    progressing: Progressing
    bar: Progress | None = None
    _opened: list[_Opened] = field(default_factory=list)

    def predictions(self) -> tuple[NDArray[np.uint8], str]:
        """Return the class of each source sample under every setting, shape ``shape``.

        Samples that a setting cannot predict are ``NOT_PREDICTED``; the second value says why
        the first of them is not.

        Raises
        ------
        UserError
            If the method refuses a batch as a whole.
        RuntimeError
            If it breaks.
        """
        try:
            self._run()
            found, reason = self._collect()
        finally:
            for part in self.parts:
                remove(self._shared(part))
        return found, reason

    def _run(self) -> None:
        """Run the missing batches of every part, again where a worker process died."""
        for attempt in range(1, ATTEMPTS + 1):
            self._opened.clear()
            failures: list[BatchFailure] = []
            sizes: list[int] = []
            try:
                for index, failure in run_parallel(self._calls(sizes), self.backend):
                    if self.bar:
                        self.bar.advance(sizes[index])
                    if failure is not None:
                        failures.append(failure)
                break
            except self.backend.worker_death():
                if attempt == ATTEMPTS:
                    raise
                self.progressing.say(WORKER_DIED)
        if failures:
            raise (UserError if failures[0].is_user_error else RuntimeError)(failures[0].error)

    def _calls(self, sizes: list[int]) -> Iterator[Call]:
        """Yield the calls of every missing batch, opening each part when its turn comes."""
        for part in self.parts:
            batches = part.open(self._shared(part))
            self._opened.append(_Opened(part, batches))
            for number, members in enumerate(batches):
                if self._load(part, number, members) is not None:
                    continue
                sizes.append(len(members))
                yield part.call(
                    members, self._shared(part), self.store.batch_path(part.key, number)
                )

    def _collect(self) -> tuple[NDArray[np.uint8], str]:
        """Put the stored batches of every part together."""
        found = np.full(self.shape, NOT_PREDICTED, np.uint8)
        reason = next((opened.part.reason for opened in self._opened if opened.part.reason), "")
        for opened in self._opened:
            for number, members in enumerate(opened.batches):
                loaded = self._load(opened.part, number, members)
                if loaded is None:
                    folder = self.store.unfinished(opened.part.key)
                    raise RuntimeError(f"a batch vanished from {folder}")
                reason = reason or loaded[1]
                found[np.ix_(np.array(members), opened.part.columns)] = loaded[0]
        return found, reason

    def _load(
        self, part: Part, number: int, members: list[int]
    ) -> tuple[NDArray[np.uint8], str] | None:
        unpack = partial(unpack_predictions, members, len(part.columns))
        return self.store.load_batch(part.key, number, unpack)

    def _shared(self, part: Part) -> Path:
        return self.store.unfinished(part.key) / "shared"


def store_predictions(
    result: Path, indices: list[int], predictions: NDArray[np.uint8], reason: str
) -> None:
    """Store what a batch predicted, classes of shape (n_settings of the batch, n_columns)."""
    arrays: dict[str, np.ndarray] = {
        "indices": np.array(indices, dtype=np.int64),
        "predictions": predictions,
        "reason": np.array(reason, dtype=np.str_),
    }
    write_atomically(result, pack_arrays(arrays))


def unpack_predictions(
    members: list[int], n_columns: int, arrays: dict[str, np.ndarray]
) -> tuple[NDArray[np.uint8], str]:
    """Return what :func:`store_predictions` stored of the settings ``members``.

    Raises
    ------
    ValueError, KeyError
        If the arrays are something else.
    """
    predictions = arrays["predictions"]
    if arrays["indices"].tolist() != members:
        raise ValueError("it holds other settings")
    if predictions.shape != (len(members), n_columns) or predictions.dtype != np.uint8:
        raise ValueError(f"its predictions have the shape {predictions.shape}")
    return predictions, str(arrays["reason"])


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


def predict_possible(
    method: Method, prepared: Prepared, settings: list[Setting], n_query: int
) -> tuple[NDArray[np.uint8], str]:
    """Return classes, shape (n_settings, n_query), and why some are ``NOT_PREDICTED``.

    A setting that the method refuses on these samples alone costs the others of its batch
    nothing.
    """
    try:
        found = method.solve(prepared, settings)
    except UserError as error:
        if len(settings) == 1:
            return np.full((1, n_query), NOT_PREDICTED, np.uint8), str(error)
        parts = [predict_possible(method, prepared, [s], n_query) for s in settings]
        reason = next((text for _, text in parts if text), "")
        return np.concatenate([rows for rows, _ in parts]), reason
    check_result(method, found, len(settings))
    return np.asarray(method.classes_)[found.predictions].astype(np.uint8), ""
