"""Record beside finished cells what selection rules need beyond the predictions.

*Source cross-validation*: the method is adapted from all but one fold of the source to the target,
and predicts that fold, under every setting of the grid.

*Reverse validation*: each setting is fitted once more with the roles swapped. The target, with the
labels that the setting predicted for it, is the source; the source, without its labels, is the
target, and what is predicted for it is compared with its labels.

No target label is read for either.
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import FeatureSet
from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.methods.base import Method, Prepared, batches_of
from cdmer_bench.methods.batches import BatchResult, join_batches
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.results.record import CellRecord, selection_key
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell
from cdmer_bench.runner.execute import Part, Spread, Work, failing
from cdmer_bench.runner.solve import Failure, Piece, Problem, pose, run
from cdmer_bench.solvers.ulsif import density_ratio

N_FOLDS = 5
_FITS = 4  # in a batch of reverse validation; each prepares the method anew, as the labels differ
# The beginning of the names of its parts, and what is done to a setting.
_PARTS = {
    "source_cv_predictions": ("fold", "cross-validated on the source"),
    "reverse_predictions": ("reverse", "taken back to the source"),
}


def lacking(
    cells: Sequence[Cell],
    store: ResultsStore,
    # names of the inputs, see :mod:`cdmer_bench.evaluation.selection.rules`
    wanted: Sequence[str],
) -> list[Cell]:
    """Return the finished cells that lack any of the wanted selection inputs."""
    records = [(cell, cell.record(store)) for cell in cells]
    return [c for c, r in records if r is not None and not set(wanted) <= set(r.extras)]


def record_selection_inputs(cells: Sequence[Cell], spread: Spread, wanted: Sequence[str]) -> int:
    """Record the selection inputs that finished cells lack; return how many cells failed."""
    todo = lacking(cells, spread.store, wanted)
    works = [SelectionWork(cell, spread, wanted) for cell in todo]
    spread.run(works)
    return sum(work.failed for work in works)


class SelectionWork(Work):
    """The selection inputs of a finished cell."""

    def __init__(self, cell: Cell, spread: Spread, wanted: Sequence[str]) -> None:
        super().__init__(cell, spread, selection_key(cell.key), f"{cell.name}, selection inputs")
        self.wanted, self.say, self.failed = wanted, spread.say, False
        self.n_parts = N_FOLDS * ("source_cv_predictions" in wanted)
        self.n_parts += "reverse_predictions" in wanted

    def is_done(self) -> bool:
        """Whether another run has recorded everything."""
        return not lacking([self.cell], self.store, self.wanted)

    def _missing(self, record: CellRecord) -> list[str]:
        return [name for name in self.wanted if name not in record.extras]

    def parts(self) -> Mapping[str, Part]:
        """Return a part for each fold, and one for reverse validation, of what is missing."""
        record = self.cell.record(self.store)
        assert record is not None
        source, target = self.sides()
        method, missing = self.cell.method, self._missing(record)
        found: dict[str, Part] = {}
        if "reverse_predictions" in missing:
            found["reverse"] = partial(_reversed, method, record, source, target.X)
        if "source_cv_predictions" in missing:
            try:
                for fold, held_out in enumerate(source_folds(source.y, source.subject)):
                    samples = source, target.X, held_out
                    found[f"fold{fold}"] = partial(_fold, method, record.settings, *samples)
            except UserError as error:
                found["folds"] = failing(error)
        return found

    def close(self) -> None:
        """Store what was found; say what could not be."""
        record = self.cell.record(self.store)
        if record is None:
            return
        if "" in self.problems:  # the parts could not even be listed
            self._tell("the selection inputs", self.problems[""].failure)
            return
        missing = self._missing(record)
        for name in missing:
            parts = self.problems.items() if name in _PARTS else ()
            mine = [problem for part, problem in parts if part.startswith(_PARTS[name][0])]
            failure = next((problem.failure for problem in mine if problem.failure), None)
            if failure is None:
                try:
                    record.extras[name] = self._input(name, record, mine)
                    continue
                except Exception as error:
                    failure = Failure.of(error)
            self._tell(name, failure)
        if set(missing) & set(record.extras):
            self.store.save_selection_inputs(record)
        if set(missing) <= set(record.extras):
            self.store.forget_unfinished(self.key)

    def _tell(self, name: str, failure: Failure | None) -> None:
        assert failure is not None
        # A user's error concerns the data: captions then name the rule's gap.
        self.failed |= not failure.is_user_error
        self.say(f"{self.cell.name}: {name} could not be recorded: {failure.error}")

    def _input(self, name: str, record: CellRecord, mine: Sequence[Problem]) -> NDArray:
        """Put an input together. Of the target only samples and predictions are used."""
        source, target = self.sides()
        if name == "density_ratio":
            return density_ratio(source.X, target.X)
        every = np.arange(len(source.y))
        back = name == "reverse_predictions"
        held_out = [every] if back else source_folds(source.y, source.subject)
        if name == "source_folds":
            numbers = np.empty(len(every), np.uint8)
            for number, fold in enumerate(held_out):
                numbers[fold] = number
            return numbers
        predictions = np.full((len(record.settings), len(every)), NOT_PREDICTED, np.uint8)
        reasons: list[str] = []
        for problem, columns in zip(mine, held_out, strict=True):
            found = problem.joined()
            predictions[:, columns] = found.predictions
            reasons += found.notes.values()
        left_out = int((predictions == NOT_PREDICTED).any(axis=1).sum())
        if left_out:
            self.say(
                f"{self.cell.name}: {left_out} of {len(predictions)} settings cannot be "
                f"{_PARTS[name][1]}, and rules that need it leave them out ({reasons[0]})"
            )
        return predictions


def source_folds(
    y: NDArray[np.intp],  # (n_source,), class indices
    # (n_source,), or None, where known, no subject is in two folds
    subject: NDArray[np.str_] | None,
) -> list[NDArray[np.intp]]:
    """Split the source samples into folds to hold out, with as equal class shares as can be."""
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


def _fold(
    method: Method,
    settings: Sequence[Setting],
    source: FeatureSet,
    Xt: NDArray,
    held_out: NDArray[np.intp],
) -> Problem:
    """Predict the samples held out by the others."""
    kept = np.setdiff1d(np.arange(len(source.y)), held_out)
    samples = source.X[kept], source.y[kept], Xt, source.X[held_out]
    return pose(method, *samples, settings, len(source.classes), lenient=True)


def _reversed(method: Method, record: CellRecord, source: FeatureSet, Xt: NDArray) -> Problem:
    """Predict the source from the target; settings that predicted the same share a fit."""
    groups: dict[bytes, list[int]] = {}
    for index, labels in enumerate(record.predictions):
        groups.setdefault(labels.tobytes(), []).append(index)
    fits = [
        [group[i] for i in batch]
        for group in groups.values()
        for batch in batches_of(method, [record.settings[i] for i in group])
    ]
    pieces = []
    for first in range(0, len(fits), _FITS):
        chosen = fits[first : first + _FITS]
        fitted = [(record.predictions[fit[0]], [record.settings[i] for i in fit]) for fit in chosen]
        indices = [i for fit in chosen for i in fit]
        pieces.append(Piece(indices, partial(_solve_fits, method, fitted, len(source.classes))))
    return Problem(pieces, {"source": source.X, "target": Xt}, len(source.X))


def _solve_fits(
    method: Method,
    # of each fit what its settings predicted, of shape (n_target,), and these settings
    fits: Sequence[tuple[NDArray[np.uint8], list[Setting]]],
    n_labels: int,  # number of classes of the databases
    arrays: Prepared,
) -> BatchResult:
    """Predict the source by each fit."""
    Xt, Xs = arrays["target"], arrays["source"]
    results = [predict_back(method, Xt, labels, Xs, each, n_labels) for labels, each in fits]
    bounds = np.cumsum([0, *(len(each) for _, each in fits)])
    return join_batches([list(range(*two)) for two in pairwise(bounds)], results)


def predict_back(
    method: Method,
    Xt: NDArray,
    labels: NDArray[np.uint8],
    Xs: NDArray,
    settings: Sequence[Setting],
    n_labels: int,
) -> BatchResult:
    """Predict the source from the target with its predicted labels; of one class without a fit."""
    if (labels == labels[0]).all():
        return BatchResult.closed_form(np.full((len(settings), len(Xs)), labels[0]))
    return run(method, Xt, labels, Xs, Xs, settings, n_labels, lenient=True)
