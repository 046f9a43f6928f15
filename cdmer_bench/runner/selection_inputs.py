"""Record beside finished cells what selection rules need beyond the predictions."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cdmer_bench.errors import UserError
from cdmer_bench.features.extract import Features
from cdmer_bench.io import content_key
from cdmer_bench.parallel import Backend, Progress
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.selection_inputs import NOT_PREDICTED, selection_key
from cdmer_bench.results.store import CLAIM_WAIT, ResultsStore
from cdmer_bench.runner.cell import Cell
from cdmer_bench.runner.progressing import Progressing
from cdmer_bench.runner.reverse import WayBack
from cdmer_bench.runner.source_folds import N_FOLDS, Fold, source_folds
from cdmer_bench.runner.validation import Part, Validation
from cdmer_bench.solvers.ulsif import density_ratio

_PARTS = {
    "reverse_predictions": ["reverse"],
    "source_cv_predictions": [f"fold {number}" for number in range(N_FOLDS)],
}


def lacking(cells: Sequence[Cell], store: ResultsStore, wanted: Sequence[str]) -> list[Cell]:
    """Return the finished cells that lack any of the wanted selection inputs."""
    found = []
    for cell in cells:
        if cell.status == "done":
            record = store.load(cell.folder(store))
            if record is not None and not set(wanted) <= set(record.extras):
                found.append(cell)
    return found


class SelectionRun:
    """Record the selection inputs of cells that are done.

    Parameters
    ----------
    features, store
    backend
        Where batches run.
    wanted
        Names of the inputs, see :mod:`cdmer_bench.evaluation.selection.source`.
    progressing
    """

    def __init__(
        self,
        features: Features,
        store: ResultsStore,
        backend: Backend,
        wanted: Sequence[str],
        progressing: Progressing | None = None,
    ) -> None:
        self.features, self.store, self.backend = features, store, backend
        self.wanted = tuple(wanted)
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
                        time.sleep(CLAIM_WAIT)
        finally:
            if self.bar:
                self.bar.close()
        return failed

    def _record(self, cell: Cell) -> bool:
        """Record what a cell lacks; False if that failed."""
        record = self.store.load(cell.folder(self.store))
        if record is None:
            return True
        complete = True
        for name in self.wanted:
            if name not in record.extras:
                try:
                    record.extras[name] = self._compute(name, cell, record)
                except Exception as error:
                    # A user's error is about this data set, which the rules then tell as a gap.
                    complete &= isinstance(error, UserError)
                    text = str(error) if isinstance(error, UserError) else repr(error)
                    self.progressing.say(f"{cell.name}: {name} could not be recorded: {text}")
                    continue
                self.store.save_selection_inputs(record)
            for part in _PARTS.get(name, []):
                self.store.forget_unfinished(part_key(cell, part))
        return complete

    def _compute(self, name: str, cell: Cell, record: CellRecord) -> NDArray:
        """Compute one input. Of the target only the samples and predictions are used."""
        source = self.features.load(cell.task.source, cell.descriptor_name)
        if name == "source_folds":
            numbers = np.empty(len(source.y), np.uint8)
            for number, held_out in enumerate(source_folds(source.y, source.subject)):
                numbers[held_out] = number
            return numbers
        Xt = self.features.load(cell.task.target, cell.descriptor_name).X
        if name == "density_ratio":
            return density_ratio(source.X, Xt)
        parts: list[Part] = []
        if name == "reverse_predictions":
            everything = np.arange(len(source.y))
            key = part_key(cell, *_PARTS[name])
            settings, predicted = record.settings, record.predictions
            parts.append(WayBack(key, everything, cell.method, settings, predicted, source.X, Xt))
            return self._predict(cell, record, parts, "way back", "taken back to the source")
        folds = source_folds(source.y, source.subject)
        for part, held_out in zip(_PARTS[name], folds, strict=False):
            key = part_key(cell, part)
            parts.append(Fold(key, held_out, cell.method, record.settings, source, Xt))
        return self._predict(cell, record, parts, "source folds", "cross-validated on the source")

    def _predict(
        self, cell: Cell, record: CellRecord, parts: Sequence[Part], title: str, what: str
    ) -> NDArray[np.uint8]:
        """Run the parts of a validation; say how many settings it leaves out."""
        if self.progressing.open_bar and self.bar is None:
            self.bar = self.progressing.open_bar("settings", 0)
        if self.bar:
            self.bar.extend(len(parts) * len(record.settings), f"{cell.name}, {title}")
        shape = (len(record.settings), len(record.y_source))
        validation = Validation(shape, parts, self.store, self.backend, self.progressing, self.bar)
        predictions, reason = validation.predictions()
        left_out = int((predictions == NOT_PREDICTED).any(axis=1).sum())
        if left_out:
            self.progressing.say(
                f"{cell.name}: {left_out} of {len(predictions)} settings cannot be {what}, and "
                f"rules that need it leave them out ({reason})"
            )
        return predictions


def part_key(cell: Cell, part: str) -> str:
    """Return the key under which the unfinished batches of a part are stored."""
    return content_key({"selection inputs": selection_key(cell.key), "part": part})
