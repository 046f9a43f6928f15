"""Record beside finished cells what source-based selection rules need (`selection_inputs=true`).

For each fold of the source the method is adapted from the other folds to the target, and predicts
the fold held out, under every setting of the grid. Target labels are not read.
"""

import copy
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cdmer_bench.databases.base import FeatureSet
from cdmer_bench.errors import UserError
from cdmer_bench.features.extract import Features
from cdmer_bench.files import content_key
from cdmer_bench.methods.base import Method, check_task
from cdmer_bench.methods.density_ratio import density_ratio
from cdmer_bench.parallel import Backend, Call, Progress, run_parallel
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.selection_inputs import FILE, NOT_PREDICTED, selection_key
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell
from cdmer_bench.runner.execute import Progressing
from cdmer_bench.runner.source_folds import (
    possible_settings,
    run_held_out_strand,
    source_folds,
)
from cdmer_bench.runner.strand import StrandFailure, write_prepared

RECORDED = ("source_cv_predictions", "density_ratio")
_WAIT = 0.5  # seconds between two looks at a cell that another run is working on
_ATTEMPTS = 3  # times that strands whose worker process died are given to new workers


def lacking(cells: Sequence[Cell], store: ResultsStore) -> list[Cell]:
    """Return the finished cells without a file of selection inputs."""
    return [
        cell
        for cell in cells
        if cell.status == "done" and not (_folder(cell, store) / FILE).exists()
    ]


def _folder(cell: Cell, store: ResultsStore) -> Path:
    return store.cell_folder(cell.task.name, cell.descriptor_name, cell.method_name, cell.key)


@dataclass
class _Fold:
    """One fold: what it holds out, and the strands of the settings that exist for the rest.

    ``codes`` are the classes that its training samples hold; ``key`` names its unfinished files.
    """

    key: str
    held_out: NDArray[np.intp]
    method: Method
    codes: NDArray[np.uint8]
    strands: list[list[int]]


@dataclass
class _Validation:
    """The cross-validation of one cell in progress."""

    cell: Cell
    record: CellRecord
    folds: list[_Fold] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)  # settings of each strand called
    failures: list[StrandFailure] = field(default_factory=list)
    reason: str = ""  # why the first setting left out was


class SelectionRun:
    """Record the selection inputs of cells that are done.

    Parameters
    ----------
    features, store
    backend
        Where strands run.
    progressing
    """

    def __init__(
        self,
        features: Features,
        store: ResultsStore,
        backend: Backend,
        progressing: Progressing | None = None,
    ) -> None:
        self.features, self.store, self.backend = features, store, backend
        self.progressing = progressing or Progressing()
        self.bar: Progress | None = None

    def run(self, cells: Sequence[Cell]) -> int:
        """Record what is missing; return how many cells failed (each is said)."""
        waiting = [cell for cell in cells if cell.status == "done"]
        failed = 0
        try:
            with threadpool_limits(1):
                while waiting:
                    busy = []
                    for cell in waiting:
                        with self.store.claim(selection_key(cell.key)) as held:
                            if held:
                                failed += not self._record(cell)
                            else:
                                busy.append(cell)
                    waiting = busy
                    if waiting:
                        time.sleep(_WAIT)
        finally:
            if self.bar:
                self.bar.close()
        return failed

    def _record(self, cell: Cell) -> bool:
        """Record what a cell lacks; False if that failed."""
        record = self.store.load(_folder(cell, self.store))
        if record is None:
            return True
        missing = [name for name in RECORDED if name not in record.extras]
        inputs = {name: record.extras[name] for name in RECORDED if name in record.extras}
        if not missing:
            return True
        source = self.features.load(cell.task.source, cell.descriptor_name)
        # The samples alone: no rule that needs these inputs may see a target label.
        Xt = self.features.load(cell.task.target, cell.descriptor_name).X
        complete = True
        for name in missing:
            try:
                if name == "density_ratio":
                    inputs[name] = density_ratio(source.X, Xt)
                else:
                    inputs[name] = self._cross_validate(cell, record, source, Xt)
            except Exception as error:
                # A user's error is about this data set, which the rules then tell as a gap.
                complete &= isinstance(error, UserError)
                text = str(error) if isinstance(error, UserError) else repr(error)
                self.progressing.say(f"{cell.name}: {name} could not be recorded: {text}")
        if inputs:
            self.store.save_selection_inputs(record, inputs)
        return complete

    def _cross_validate(
        self, cell: Cell, record: CellRecord, source: FeatureSet, Xt: NDArray
    ) -> NDArray[np.uint8]:
        """Return the class of each source sample while held out, under every setting."""
        held_out = source_folds(source.y, source.subject)
        if self.progressing.open_bar and self.bar is None:
            self.bar = self.progressing.open_bar("settings", 0)
        if self.bar:
            self.bar.extend(len(held_out) * len(record.settings), f"{cell.name}, source folds")
        try:
            validation = self._run_folds(cell, record, held_out, source, Xt)
            predictions = self._collect(validation)
        finally:
            for number in range(len(held_out)):
                shared = self.store.unfinished(fold_key(cell, number)) / "shared"
                shutil.rmtree(shared, ignore_errors=True)
        for fold in validation.folds:
            self.store.forget_unfinished(fold.key)
        self._say_left_out(validation, predictions)
        return predictions

    def _run_folds(
        self,
        cell: Cell,
        record: CellRecord,
        held_out: list[NDArray[np.intp]],
        source: FeatureSet,
        Xt: NDArray,
    ) -> _Validation:
        """Run the strands of every fold, again where a worker process died."""
        for attempt in range(1, _ATTEMPTS + 1):
            validation = _Validation(cell, record)
            try:
                calls = self._strands(validation, held_out, source, Xt)
                for index, failure in run_parallel(calls, self.backend):
                    if self.bar:
                        self.bar.advance(validation.sizes[index])
                    if failure is not None:
                        validation.failures.append(failure)
                break
            except self.backend.worker_death():
                if attempt == _ATTEMPTS:
                    raise
                self.progressing.say(
                    "a worker process was killed (out of memory?); its strands are run again"
                )
        if validation.failures:
            first = validation.failures[0]
            raise (UserError if first.is_user_error else RuntimeError)(first.error)
        return validation

    def _strands(
        self,
        validation: _Validation,
        held_out: list[NDArray[np.intp]],
        source: FeatureSet,
        Xt: NDArray,
    ) -> Iterator[Call]:
        """Yield the calls of every missing strand, preparing each fold when its turn comes."""
        settings = validation.record.settings
        for number, indices in enumerate(held_out):
            fold = self._prepare(validation, number, indices, source, Xt)
            if fold is None:
                continue
            validation.folds.append(fold)
            folder = self.store.unfinished(fold.key)
            for strand, members in enumerate(fold.strands):
                if self._strand_is_stored(fold, strand):
                    continue
                validation.sizes.append(len(members))
                yield (
                    run_held_out_strand,
                    (
                        fold.method,
                        [settings[i] for i in members],
                        members,
                        len(indices),
                        folder / "shared",
                        self.store.strand_path(fold.key, strand),
                    ),
                )

    def _prepare(
        self,
        validation: _Validation,
        number: int,
        held_out: NDArray[np.intp],
        source: FeatureSet,
        Xt: NDArray,
    ) -> _Fold | None:
        """Compute what the settings share in one fold; None if no setting exists for it."""
        method = copy.copy(validation.cell.method)
        settings = validation.record.settings
        kept = np.setdiff1d(np.arange(len(source.y)), held_out)
        try:
            Xs, ys, Xt = check_task(method, source.X[kept], source.y[kept], Xt)
            shapes = (len(Xs), len(Xt), int(np.prod(Xs.shape[1:])))
            possible, reason = possible_settings(method, settings, shapes)
            validation.reason = validation.reason or reason
            if not possible:
                return None
            Xq = source.X[held_out].reshape(len(held_out), *Xs.shape[1:])
            prepared = method.prepare(Xs, ys, Xt, np.ascontiguousarray(Xq, dtype=np.float64))
        except UserError as error:
            validation.reason = validation.reason or str(error)
            return None
        strands = method.strands([settings[i] for i in possible])
        key = fold_key(validation.cell, number)
        write_prepared(self.store.unfinished(key) / "shared", prepared)
        return _Fold(
            key,
            held_out,
            method,
            np.asarray(method.classes_, dtype=np.uint8),
            [[possible[i] for i in strand] for strand in strands],
        )

    def _strand_is_stored(self, fold: _Fold, strand: int) -> bool:
        stored = self.store.load_strand(fold.key, strand)
        return stored is not None and stored["indices"].tolist() == fold.strands[strand]

    def _collect(self, validation: _Validation) -> NDArray[np.uint8]:
        """Put the stored strands of every fold together."""
        record = validation.record
        shape = (len(record.settings), len(record.y_source))
        predictions = np.full(shape, NOT_PREDICTED, np.uint8)
        for fold in validation.folds:
            class_of = np.full(NOT_PREDICTED + 1, NOT_PREDICTED, np.uint8)
            class_of[: len(fold.codes)] = fold.codes
            for strand, members in enumerate(fold.strands):
                arrays = self.store.load_strand(fold.key, strand)
                if arrays is None:
                    raise RuntimeError(f"a strand vanished from {self.store.unfinished(fold.key)}")
                validation.reason = validation.reason or str(arrays["reason"])
                predictions[np.ix_(np.array(members), fold.held_out)] = class_of[
                    arrays["predictions"]
                ]
        return predictions

    def _say_left_out(self, validation: _Validation, predictions: NDArray[np.uint8]) -> None:
        left_out = int((predictions == NOT_PREDICTED).any(axis=1).sum())
        if left_out:
            self.progressing.say(
                f"{validation.cell.name}: {left_out} of {len(predictions)} settings cannot be "
                f"cross-validated on the source, and its rules leave them out "
                f"({validation.reason})"
            )


def fold_key(cell: Cell, number: int) -> str:
    """Return the key under which the unfinished strands of a fold are stored."""
    return content_key({"selection inputs": selection_key(cell.key), "fold": number})
