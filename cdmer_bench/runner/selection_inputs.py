"""Record beside finished cells what selection rules need beyond the predictions.

*Source cross-validation*: the method is adapted from all but one fold of the source to the target,
and predicts that fold, under every setting of the grid.

*Reverse validation*: each setting is fitted once more with the roles swapped. The target, with the
labels that the setting predicted for it, is the source; the source, without its labels, is the
target, and what is predicted for it is compared with its labels.

No target label is read for either.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import FeatureSet
from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.methods.base import BatchResult, Method, Prepared, batches_of, join_batches
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.results.record import CellRecord, selection_key
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell
from cdmer_bench.runner.execute import Part, Spread, Work, failing
from cdmer_bench.runner.solve import Failure, Problem, pose, run
from cdmer_bench.solvers.ulsif import density_ratio

N_FOLDS = 5
_FITS = 4  # in a batch of reverse validation; each prepares the method anew, as the labels differ
_DONE_TO = {
    "source_cv_predictions": "cross-validated on the source",
    "reverse_predictions": "taken back to the source",
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
        # Of each part the input that it belongs to, and the source samples that it predicts.
        self.predicted: list[tuple[str, NDArray[np.intp]]] = []
        self.part_names: list[str] = []  # of the parts, one for one

    def is_done(self) -> bool:
        """Whether another run has recorded everything."""
        return not lacking([self.cell], self.store, self.wanted)

    def _missing(self, record: CellRecord) -> list[str]:
        return [name for name in self.wanted if name not in record.extras]

    def parts(self) -> Sequence[Part]:
        """Return a part for each fold, and one for reverse validation, of what is missing."""
        record = self.cell.record(self.store)
        assert record is not None
        source, target = self.sides()
        method, every = self.cell.method, np.arange(len(source.y))
        found: list[tuple[Part, str, NDArray[np.intp]]] = []
        names = self.part_names = []
        if (name := "reverse_predictions") in self._missing(record):
            found.append((partial(_reversed, method, record, source, target.X), name, every))
            names.append("reverse")
        if (name := "source_cv_predictions") in self._missing(record):
            try:
                for fold, held_out in enumerate(source_folds(source.y, source.subject)):
                    part = partial(_fold, method, record.settings, source, target.X, held_out)
                    found.append((part, name, held_out))
                    names.append(f"fold{fold}")
            except UserError as error:
                found.append((failing(error), name, every))
                names.append("folds")
        self.predicted = [(name, columns) for _, name, columns in found]
        return [part for part, _, _ in found]

    def part_name(self, number: int) -> str:
        """Name a fold by its number: which parts there are depends on what is missing."""
        return self.part_names[number]

    def close(self) -> None:
        """Store what was found; say what could not be."""
        record = self.cell.record(self.store)
        if record is None:
            return
        missing = self._missing(record)
        if len(self.problems) != len(self.predicted):  # even the parts could not be told
            self._tell("the selection inputs", self.problems[0].failure)
            return
        for name in missing:
            parts = zip(self.problems, self.predicted, strict=True)
            mine = [(problem, columns) for problem, (of, columns) in parts if of == name]
            failure = next((problem.failure for problem, _ in mine if problem.failure), None)
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

    def _input(
        self, name: str, record: CellRecord, mine: Sequence[tuple[Problem, NDArray[np.intp]]]
    ) -> NDArray:
        """Put an input together. Of the target only samples and predictions are used."""
        source, target = self.sides()
        if name == "source_folds":
            numbers = np.empty(len(source.y), np.uint8)
            for number, held_out in enumerate(source_folds(source.y, source.subject)):
                numbers[held_out] = number
            return numbers
        if name == "density_ratio":
            return density_ratio(source.X, target.X)
        predictions = np.full((len(record.settings), len(source.y)), NOT_PREDICTED, np.uint8)
        reasons: list[str] = []
        for problem, columns in mine:
            found = problem.joined()
            predictions[:, columns] = found.predictions
            reasons += found.notes.values()
        left_out = int((predictions == NOT_PREDICTED).any(axis=1).sum())
        if left_out:
            self.say(
                f"{self.cell.name}: {left_out} of {len(predictions)} settings cannot be "
                f"{_DONE_TO[name]}, and rules that need it leave them out ({reasons[0]})"
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
        settings = [[record.settings[i] for i in fit] for fit in chosen]
        labels = [record.predictions[fit[0]] for fit in chosen]
        indices = [i for fit in chosen for i in fit]
        pieces.append(ReversedFits(method, settings, labels, indices, len(source.classes)))
    return Problem(pieces, {"source": source.X, "target": Xt}, len(source.X))


@dataclass(frozen=True)
class ReversedFits:
    """A few fits of reverse validation, a :class:`~cdmer_bench.runner.solve.Piece`."""

    method: Method
    settings: list[list[Setting]]  # of each fit
    # list of ndarray of uint8, each of shape (n_target,), what the settings of each fit predicted
    labels: list[NDArray[np.uint8]]
    indices: list[int]  # the places of all these settings in the grid
    n_labels: int  # number of classes of the databases

    def solve(self, arrays: Prepared) -> BatchResult:
        """Predict the source by each fit."""
        Xt, Xs = arrays["target"], arrays["source"]
        results = [
            predict_back(self.method, Xt, labels, Xs, settings, self.n_labels)
            for settings, labels in zip(self.settings, self.labels, strict=True)
        ]
        bounds = np.cumsum([0, *map(len, self.settings)])
        return join_batches([list(range(*two)) for two in pairwise(bounds)], results)


def predict_back(
    method: Method,
    Xt: NDArray,
    labels: NDArray[np.uint8],
    Xs: NDArray,
    settings: Sequence[Setting],
    n_labels: int,
) -> BatchResult:
    """Predict the source's classes from the target with the labels predicted for it.

    Where these are a single class, that is the class of every source sample. Settings that do
    not exist with the roles swapped are ``NOT_PREDICTED``, and a note says why.
    """
    if (labels == labels[0]).all():
        return BatchResult.closed_form(np.full((len(settings), len(Xs)), labels[0]))
    return run(method, Xt, labels, Xs, Xs, settings, n_labels, lenient=True)
