"""The record of one cell: a method with its whole grid on one task with one descriptor."""

import dataclasses
import datetime
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.io import content_key, plain

FORMAT = 2
# Arrays that selection rules need beyond the predictions; they lie in a file of their own.
SELECTION_INPUTS = (
    "source_cv_predictions",
    "source_folds",
    "density_ratio",
    "reverse_predictions",
)
# Raised whenever these change; older files are then set aside.
SELECTION_VERSION = 1

_ARRAYS = ("predictions", "y_target", "y_source", "converged", "iterations")
_OPTIONAL_ARRAYS = ("scores", "subject_target", "clips_target")
_APART = (*_ARRAYS, *_OPTIONAL_ARRAYS, "extras", "variant", "differs")


class OtherFormat(Exception):
    """A record that another version of this package wrote; it is whole, but cannot be used."""

    def __init__(self, written: Any) -> None:
        super().__init__(
            f"was written by a newer version of cdmer-bench (format {written}, expected {FORMAT})"
        )
        self.is_newer = isinstance(written, int) and written > FORMAT


@dataclass(frozen=True)
class CellRecord:
    """Everything that tables, selection rules, statistics and pictures need of a cell."""

    key: str  # hash of everything that changes the result
    task: str  # ``exp05``; for a pair outside the paper ``a__b``
    task_label: str  # ``Exp.5``, or ``A → B``
    source: str  # key of the database
    target: str
    method: str  # ``drfs_t``
    method_label: str  # ``DRFS-T``
    descriptor: str  # ``lbp_top_r3p8``
    descriptor_label: str  # ``LBP-TOP(R3P8)``
    corpus: str  # where the databases came from: ``released``, ``synthetic, seed 0``, ...
    synthetic: bool  # whether either database is generated
    grid: str  # ``paper``, ``full`` (of a shipped method outside it), ``reduced`` or ``own``
    solver: str  # ``paper`` or ``exact`` for methods with both modes, else empty
    classes: tuple[str, ...]
    parameters: dict[str, Any]  # the method's fixed parameters
    settings: list[dict[str, Any]]  # every setting of the grid, in the grid's order
    predictions: NDArray[np.uint8]  # (n_settings, n_target), class indices
    y_target: NDArray[np.uint8]  # for scoring and the oracle rule only, no method saw them
    y_source: NDArray[np.uint8]
    subject_target: NDArray[np.str_] | None
    # (n_settings, n_target, n_classes), larger meaning more likely; None where there are none
    scores: NDArray[np.float32] | None
    converged: NDArray[np.bool_]  # (n_settings,), False where an iteration limit ended the solver
    iterations: NDArray[np.intp]  # (n_settings,), 0 for methods without iterations
    notes: dict[int, str] = field(default_factory=dict)  # remarks on settings, by their index
    # what one method keeps, such as block weights, and the selection inputs
    extras: dict[str, NDArray] = field(default_factory=dict)
    # what describes the run but does not change its result: versions, host, date, command,
    # ``seconds`` of computing, ``wall_seconds``, the cards in use, ``settings_from_cache``
    about: dict[str, Any] = field(default_factory=dict)
    # of ``source`` and ``target`` what was used: ``database``, ``title``, ``features`` (their
    # hash), ``n_clips``, ``n_expected`` (or None), ``class_counts`` by name, the number of
    # ``findings`` of each severity, and ``remarks`` on features of files
    used: dict[str, Any] = field(default_factory=dict)
    errors_ignored: bool = False  # the data had errors, and ``data.errors=ignore`` was given
    # what tells it from other records of its method, task and descriptor, such as ``exact solver``;
    # not stored, given by :func:`cdmer_bench.results.current.current`
    variant: str = ""
    # in what it differs from newer records that it stands beside; not stored, given there as well
    differs: tuple[str, ...] = ()
    clips_target: NDArray[np.str_] | None = None  # names of the target's clips, where they have any

    @property
    def row(self) -> str:
        """Label of its row: the method's, with the variant in brackets if there are several."""
        return f"{self.method_label} [{self.variant}]" if self.variant else self.method_label

    def figures(self, index: int) -> dict[str, float]:
        """Return the ``mean_f1`` and ``accuracy`` of a setting on the target."""
        one = self.predictions[index, None]
        f1, percent = grid_scores(self.y_target, one, len(self.classes))
        return {"mean_f1": float(f1[0]), "accuracy": float(percent[0])}

    def content(self) -> dict[str, Any]:
        """Return everything but the arrays, as plain JSON content."""
        names = [known.name for known in dataclasses.fields(self) if known.name not in _APART]
        content = {name: getattr(self, name) for name in names}
        content["notes"] = {str(index): text for index, text in self.notes.items()}
        content["format"] = FORMAT
        written: dict[str, Any] = json.loads(json.dumps(content, default=plain))
        return written

    def arrays(self) -> dict[str, NDArray]:
        """Return the arrays by name, without the selection inputs."""
        arrays = {name: getattr(self, name) for name in (*_ARRAYS, *_OPTIONAL_ARRAYS)}
        for name, array in self.extras.items():
            if name not in SELECTION_INPUTS:
                arrays[f"extra_{name}"] = array
        arrays["key"] = np.array(self.key)
        return {name: array for name, array in arrays.items() if array is not None}

    def selection_inputs(self) -> dict[str, NDArray]:
        """Return the selection inputs by name, bound to the record by a key."""
        inputs = {name: self.extras[name] for name in SELECTION_INPUTS if name in self.extras}
        return {**inputs, "key": np.array(selection_key(self.key))}

    def checked_inputs(self, arrays: dict[str, NDArray]) -> dict[str, NDArray]:
        """Return the selection inputs of a file, or raise a ValueError if they are another's."""
        held = dict(arrays)
        if str(held.pop("key", "")) != selection_key(self.key):
            raise ValueError("it belongs to another cell, or to another version of cdmer-bench")
        return held


def now() -> str:
    """Return the time, by which the newer of two results is known."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def selection_key(record_key: str) -> str:
    """Return the key of the selection inputs that belong to a record."""
    return content_key({"selection inputs": SELECTION_VERSION, "record": record_key})


def record_of(content: dict[str, Any], arrays: dict[str, NDArray]) -> CellRecord:
    """Put a record together again; an error of any kind if the parts do not fit each other."""
    content = dict(content)
    written = content.pop("format", None)
    if written != FORMAT:
        raise OtherFormat(written)
    if str(arrays["key"]) != content["key"]:
        raise ValueError("grid.npz belongs to another cell")
    content["classes"] = tuple(content["classes"])
    content["notes"] = {int(index): text for index, text in content["notes"].items()}
    extras = {k.removeprefix("extra_"): v for k, v in arrays.items() if k.startswith("extra_")}
    parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    parts.update({name: arrays.get(name) for name in _OPTIONAL_ARRAYS})
    record = CellRecord(**content, **parts, extras=extras)
    if record.predictions.shape != (len(record.settings), len(record.y_target)):
        raise ValueError(f"predictions has the shape {record.predictions.shape}")
    return record
