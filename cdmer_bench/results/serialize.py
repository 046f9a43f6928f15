"""Records as JSON and arrays, sealed with a checksum."""

import dataclasses
import json
from typing import Any

import numpy as np

from cdmer_bench.io import content_key
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.selection_inputs import NAMES as SELECTION_INPUTS

FORMAT = 1
_ARRAYS = ("predictions", "y_target", "y_source", "converged", "iterations")
_OPTIONAL_ARRAYS = ("scores", "subject_target")
_APART = (*_ARRAYS, *_OPTIONAL_ARRAYS, "extras", "variant")


class NewerFormat(ValueError):
    """A record that a later version of this package wrote; it is whole, but cannot be read."""


def arrays_of(record: CellRecord) -> dict[str, np.ndarray]:
    """Return the arrays of a record, by name, but for the selection inputs in their own file."""
    arrays = {name: getattr(record, name) for name in _ARRAYS}
    for name in _OPTIONAL_ARRAYS:
        if getattr(record, name) is not None:
            arrays[name] = getattr(record, name)
    arrays.update(
        {f"extra_{n}": array for n, array in record.extras.items() if n not in SELECTION_INPUTS}
    )
    arrays["key"] = np.array(record.key)
    return arrays


def content_of(record: CellRecord) -> dict[str, Any]:
    """Return everything but the arrays, as plain JSON content."""
    content = {
        f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name not in _APART
    }
    content["notes"] = {str(index): text for index, text in record.notes.items()}
    content["format"] = FORMAT
    plain: dict[str, Any] = json.loads(json.dumps(content, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be stored in record.json")


def record_of(content: dict[str, Any], arrays: dict[str, np.ndarray]) -> CellRecord:
    """Put a record together again.

    Raises
    ------
    NewerFormat
        If a later version of this package wrote it.
    ValueError, KeyError, TypeError
        If the parts do not fit each other.
    """
    written = content.pop("format", None)
    if isinstance(written, int) and written > FORMAT:
        raise NewerFormat(
            f"was written by a newer version of cdmer-bench (format {written}, expected {FORMAT})"
        )
    if written != FORMAT:
        raise ValueError("it was written by another version of cdmer-bench")
    if str(arrays["key"]) != content["key"]:
        raise ValueError("grid.npz belongs to another cell")
    if not isinstance(content["classes"], list) or not isinstance(content["notes"], dict):
        raise ValueError("its classes are no list, or its notes no table")
    content["classes"] = tuple(content["classes"])
    content["notes"] = {int(index): text for index, text in content["notes"].items()}
    extras = {k.removeprefix("extra_"): v for k, v in arrays.items() if k.startswith("extra_")}
    parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    parts.update({name: arrays.get(name) for name in _OPTIONAL_ARRAYS})
    record = CellRecord(**content, **parts, extras=extras)
    _check_texts(record)
    _check_arrays(record)
    return record


def _check_texts(record: CellRecord) -> None:
    """Refuse content of other types than the record's; whoever can write can also seal."""
    for known in dataclasses.fields(CellRecord):
        value = getattr(record, known.name)
        if known.type is str and not isinstance(value, str):
            raise ValueError(f"{known.name} is {value!r}, not text")
    for name, value in (("parameters", record.parameters), ("about", record.about)):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is {value!r}, not a table of names and values")
    if not isinstance(record.settings, list) or not all(
        isinstance(setting, dict) for setting in record.settings
    ):
        raise ValueError("settings are no list of tables of names and values")
    if not record.settings or not record.classes:
        raise ValueError("it has no setting or no class")
    if not all(isinstance(text, str) for text in (*record.classes, *record.notes.values())):
        raise ValueError("a class or a note is no text")


def _check_arrays(record: CellRecord) -> None:
    """Refuse arrays that do not fit each other, or classes that do not exist."""
    n_settings, n_target = len(record.settings), len(record.y_target)
    shapes: dict[str, tuple[int, ...]] = {
        "predictions": (n_settings, n_target),
        "y_target": (n_target,),
        "y_source": (len(record.y_source),),
        "converged": (n_settings,),
        "iterations": (n_settings,),
        "scores": (n_settings, n_target, len(record.classes)),
        "subject_target": (n_target,),
    }
    for name, expected in shapes.items():
        array = getattr(record, name)
        if array is not None and array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, not {expected}")
    for name in ("predictions", "y_target", "y_source"):
        array = getattr(record, name)
        if not array.size or array.dtype != np.uint8 or array.max() >= len(record.classes):
            raise ValueError(f"{name} holds something else than the numbers of the classes")
    numbers = (record.converged, record.iterations, *record.extras.values())
    kinds = [array.dtype.kind for array in numbers]
    if kinds[0] != "b" or not set(kinds) <= set("biuf"):
        raise ValueError("one of its arrays holds something else than numbers")
    if record.scores is not None and record.scores.dtype.kind != "f":
        raise ValueError("its scores are no numbers")
    if not set(record.notes) <= set(range(n_settings)):
        raise ValueError("a note belongs to no setting")


def seal(content: dict[str, Any]) -> bytes:
    """Return a JSON file that holds ``content`` and the SHA-256 of its canonical JSON."""
    sealed = {"content": content, "sha256": content_key(content)}
    return (json.dumps(sealed, indent=1, sort_keys=True, default=_plain) + "\n").encode()


def unseal(data: bytes) -> dict[str, Any]:
    """Check and parse what :func:`seal` gave; its texts are made fit to be shown.

    Raises
    ------
    ValueError
        If the checksum is not that of the content.
    """
    try:
        sealed = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(sealed, dict) or not isinstance(sealed.get("content"), dict):
        raise ValueError("it holds no record")
    content: dict[str, Any] = sealed["content"]
    if content_key(content) != sealed.get("sha256"):
        raise ValueError("its checksum does not fit its content")
    return content
