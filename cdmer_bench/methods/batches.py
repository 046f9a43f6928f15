"""Batches of settings: which settings are solved together, and what a method found for them."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.io import gathered
from cdmer_bench.methods.inputs import Indices, Setting


@dataclass
class BatchResult:
    """What a method found for the settings of one batch.

    Attributes
    ----------
    predictions : ndarray of int, shape (n_settings, n_query)
        Index of the predicted class, 0 to n_classes - 1, in the sorted order of the labels.
    scores : ndarray of float, shape (n_settings, n_query, n_classes), or None
        Decision values, larger meaning more likely; None where a method has none cheaply.
    converged : ndarray of bool, shape (n_settings,)
        False where an iteration limit ended the solver.
    iterations : ndarray of int, shape (n_settings,)
        Iterations of the method's outermost loop; 0 for closed forms.
    notes : dict from int to str
        For a setting's index in the batch, what the user should know about its result.
    extras : dict from str to ndarray, each of shape (n_settings, ...)
        What else a method learned that is worth keeping, such as RSTR's block weights; small,
        because it is stored for every setting.
    reused : int
        Number of settings whose work was taken from a cache.
    spared : float
        Seconds of computing that this work took when it was done.
    """

    predictions: Indices
    scores: NDArray[np.floating] | None
    converged: NDArray[np.bool_]
    iterations: Indices
    notes: dict[int, str] = field(default_factory=dict)
    extras: dict[str, NDArray] = field(default_factory=dict)
    reused: int = 0
    spared: float = 0.0

    @classmethod
    def closed_form(
        cls, predictions: ArrayLike, scores: NDArray[np.floating] | None = None
    ) -> "BatchResult":
        """Return the result of settings that need no iteration of the method's own."""
        array = _as_indices(predictions)
        n_settings = len(array)
        return cls(array, scores, np.ones(n_settings, bool), np.zeros(n_settings, np.intp))

    @classmethod
    def from_scores(
        cls, scores: NDArray[np.floating], converged: NDArray[np.bool_], iterations: Indices
    ) -> "BatchResult":
        """Predict the class of the largest score; ties go to the first class, and are noted."""
        result = cls(scores.argmax(-1), scores, converged, iterations)
        for index, rows in enumerate(scores):
            if rows.size and np.ptp(rows) == 0:
                result.add_note(
                    index, "all scores are equal, so every sample is given the first class"
                )
        result.note_single_classes()
        return result

    def add_note(self, index: int, text: str) -> None:
        """Add a sentence to the note of a setting."""
        said = self.notes.get(index)
        self.notes[index] = f"{said}; {text}" if said else text

    def note_single_classes(self) -> None:
        """Say of which settings all predictions are one class, unless a note says so already."""
        for index, predicted in enumerate(self.predictions):
            alike = len(predicted) > 1 and (predicted == predicted[0]).all()
            if alike and "every sample" not in self.notes.get(index, ""):
                self.add_note(index, f"every sample is given class index {predicted[0]}")


def _as_indices(predictions: ArrayLike) -> Indices:
    """Return predictions as whole numbers; refuse texts, and numbers that would be cut off."""
    given = np.asarray(predictions)
    try:
        with np.errstate(invalid="ignore"):  # of NaN, which is refused below
            array = given.astype(np.intp)
    except (TypeError, ValueError):
        array = np.array([])
    if given.dtype.kind in "fcUSO" and not np.array_equal(array, given):
        finite = given.dtype.kind not in "fc" or np.isfinite(given).all()
        found = f"predictions are {given.dtype} values"
        raise UserError(
            f"{found if finite else 'some predictions are NaN or infinite'}, expected whole "
            "numbers: the index of a class, from 0, for each setting and sample"
        )
    return array


def expect_result(found: Any) -> BatchResult:
    """Return what a method's ``solve`` gave; anything but a :class:`BatchResult` is refused."""
    if not isinstance(found, BatchResult):
        raise UserError(
            f"solve gave {type(found).__name__}, expected a BatchResult; return "
            "BatchResult.closed_form(predictions, scores), for example"
        )
    return found


def join_batches(batches: list[list[int]], results: list[BatchResult]) -> BatchResult:
    """Put the batches' results back into the order of the grid."""
    order = np.argsort(np.concatenate([np.asarray(s) for s in batches]), kind="stable")

    def joined(parts: Iterable[Any]) -> Any:
        return np.concatenate(list(parts))[order]

    scores = [expect_result(r).scores for r in results]
    notes: dict[int, str] = {}
    for batch, r in zip(batches, results, strict=True):
        notes |= {batch[i]: text for i, text in r.notes.items()}
    return BatchResult(
        joined(r.predictions for r in results),
        None if any(s is None for s in scores) else joined(scores),
        joined(r.converged for r in results),
        joined(r.iterations for r in results),
        notes,
        {name: joined(r.extras[name] for r in results) for name in results[0].extras},
        sum(r.reused for r in results),
        sum(r.spared for r in results),
    )


def group_by(settings: Sequence[Setting], key: Callable[[Setting], Hashable]) -> list[list[int]]:
    """Group the indices of settings with equal keys, in order of first appearance."""
    return list(gathered((key(setting), index) for index, setting in enumerate(settings)).values())
