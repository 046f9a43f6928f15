"""The record of one cell: a method with its whole grid on one task with one descriptor."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.io import content_key

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
_APART = (*_ARRAYS, *_OPTIONAL_ARRAYS, "extras", "variant")


class OtherFormat(ValueError):
    """A record that another version of this package wrote; it is whole, but cannot be used.

    Attributes
    ----------
    is_newer : bool
    """

    def __init__(self, written: Any) -> None:
        super().__init__(
            f"was written by a newer version of cdmer-bench (format {written}, expected {FORMAT})"
        )
        self.is_newer = isinstance(written, int) and written > FORMAT


@dataclass(frozen=True)
class CellRecord:
    """Everything that tables, selection rules, statistics and pictures need of a cell.

    Attributes
    ----------
    key : str
        Hash of everything that changes the result.
    task, task_label : str
        ``exp05`` and ``Exp.5``; for a pair outside the paper ``a__b`` and ``A → B``.
    source, target : str
        Keys of the databases.
    method, method_label : str
        ``drfs_t`` and ``DRFS-T``.
    descriptor, descriptor_label : str
        ``lbp_top_r3p8`` and ``LBP-TOP(R3P8)``.
    corpus : str
        Where the databases came from: ``released``, ``synthetic``, ...
    synthetic : bool
        True if either database is generated.
    grid : str
        Name of the grid: ``paper``, ``reduced`` or ``own``.
    solver : str
        ``paper`` or ``exact`` for methods with both modes, else empty.
    classes : tuple of str
    parameters : dict
        The method's fixed parameters.
    settings : list of dict
        Every setting of the grid, in the grid's order.
    predictions : ndarray of uint8, shape (n_settings, n_target)
        Class indices.
    y_target : ndarray of uint8, shape (n_target,)
        True class indices; for scoring and the oracle rule only, no method saw them.
    y_source : ndarray of uint8, shape (n_source,)
    subject_target : ndarray of str, shape (n_target,), or None
    scores : ndarray of float32, shape (n_settings, n_target, n_classes), or None
        Decision values, larger meaning more likely; None where the method records none.
    converged : ndarray of bool, shape (n_settings,)
    iterations : ndarray of int, shape (n_settings,)
    notes : dict from int to str
        By index of the setting.
    extras : dict from str to ndarray
        What else the method recorded, one row for each setting, such as RSTR's ``weights``; and
        the selection inputs (:mod:`cdmer_bench.evaluation.selection.source`), if recorded.
    about : dict
        Versions, host, date, command, ``seconds`` of computing and ``wall_seconds``,
        ``settings_from_cache`` (how many took their regressions from there, if any), and the cards
        in use: what describes the run but does not change its result.
    used : dict
        For ``source`` and ``target`` the ``database``, its ``title``, the hash of its
        ``features``, ``n_clips``, ``n_expected`` (or None), ``class_counts`` by the name of the
        class, the number of ``findings`` of each severity, and ``remarks`` on features of files.
    errors_ignored : bool
        Whether the data had findings of severity error, and ``data.errors=ignore`` was given.
    clips_target : ndarray of str, shape (n_target,), or None
        Names of the target's clips, where they have any.
    variant : str
        What tells it from other records of its method, task and descriptor, such as
        ``exact solver``; not stored, given by :func:`cdmer_bench.results.current.current`.
    """

    key: str
    task: str
    task_label: str
    source: str
    target: str
    method: str
    method_label: str
    descriptor: str
    descriptor_label: str
    corpus: str
    synthetic: bool
    grid: str
    solver: str
    classes: tuple[str, ...]
    parameters: dict[str, Any]
    settings: list[dict[str, Any]]
    predictions: NDArray[np.uint8]
    y_target: NDArray[np.uint8]
    y_source: NDArray[np.uint8]
    subject_target: NDArray[np.str_] | None
    scores: NDArray[np.float32] | None
    converged: NDArray[np.bool_]
    iterations: NDArray[np.intp]
    notes: dict[int, str] = field(default_factory=dict)
    extras: dict[str, NDArray] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)
    errors_ignored: bool = False
    variant: str = ""
    clips_target: NDArray[np.str_] | None = None

    @property
    def row(self) -> str:
        """Label of its row: the method's, with the variant in brackets if there are several."""
        return f"{self.method_label} [{self.variant}]" if self.variant else self.method_label

    def content(self) -> dict[str, Any]:
        """Return everything but the arrays, as plain JSON content."""
        names = [known.name for known in dataclasses.fields(self) if known.name not in _APART]
        content = {name: getattr(self, name) for name in names}
        content["notes"] = {str(index): text for index, text in self.notes.items()}
        content["format"] = FORMAT
        plain: dict[str, Any] = json.loads(json.dumps(content, default=_plain))
        return plain

    def arrays(self) -> dict[str, NDArray]:
        """Return the arrays by name, without the selection inputs."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for name in _OPTIONAL_ARRAYS:
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        extras = {n: array for n, array in self.extras.items() if n not in SELECTION_INPUTS}
        arrays.update({f"extra_{name}": array for name, array in extras.items()})
        arrays["key"] = np.array(self.key)
        return arrays

    def selection_inputs(self) -> dict[str, NDArray]:
        """Return the selection inputs by name, bound to the record by a key."""
        inputs = {name: self.extras[name] for name in SELECTION_INPUTS if name in self.extras}
        return {**inputs, "key": np.array(selection_key(self.key))}

    def checked_inputs(self, arrays: dict[str, NDArray]) -> dict[str, NDArray]:
        """Return the selection inputs of a file if they are this record's.

        Raises
        ------
        ValueError
            If they belong to another record or version.
        """
        held = dict(arrays)
        if str(held.pop("key", "")) != selection_key(self.key):
            raise ValueError("it belongs to another cell, or to another version of cdmer-bench")
        return held


def selection_key(record_key: str) -> str:
    """Return the key of the selection inputs that belong to a record."""
    return content_key({"selection inputs": SELECTION_VERSION, "record": record_key})


def record_of(content: dict[str, Any], arrays: dict[str, NDArray]) -> CellRecord:
    """Put a record together again.

    Raises
    ------
    OtherFormat
        If another version of this package wrote it.
    ValueError, KeyError, TypeError, AttributeError
        If the parts do not fit each other.
    """
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


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be stored in record.json")
