"""What selection rules need beyond the predictions, in a file of its own beside a cell's record."""

import numpy as np

from cdmer_bench.evaluation.selection.source import NOT_PREDICTED
from cdmer_bench.io import content_key, pack_arrays
from cdmer_bench.results.record import CellRecord

FILE = "selection.npz"
# Raised whenever the recorded numbers change; older files are then set aside.
VERSION = 1
NAMES = ("source_cv_predictions", "source_folds", "density_ratio", "reverse_predictions")

__all__ = ["FILE", "NAMES", "NOT_PREDICTED", "pack_inputs", "selection_key", "unpack_inputs"]


def selection_key(record_key: str) -> str:
    """Return the key of the selection inputs that belong to a record."""
    return content_key({"selection inputs": VERSION, "record": record_key})


def pack_inputs(record: CellRecord) -> bytes:
    """Return the file that holds a record's selection inputs, bound to it by its key."""
    inputs = {name: record.extras[name] for name in NAMES if name in record.extras}
    return pack_arrays({**inputs, "key": np.array(selection_key(record.key))})


def unpack_inputs(record: CellRecord, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Check what a file of :func:`pack_inputs` held against its record.

    Raises
    ------
    ValueError
        If it belongs to another record or version, or an array does not fit the record.
    """
    held = dict(arrays)
    key = held.pop("key", None)
    if key is None or str(key) != selection_key(record.key):
        raise ValueError("it belongs to another cell, or to another version of cdmer-bench")
    n_settings, n_source = len(record.settings), len(record.y_source)
    for name, array in held.items():
        whole = name in ("source_folds", "density_ratio")
        expected = (n_source,) if whole else (n_settings, n_source)
        if name not in NAMES:
            raise ValueError(f"it holds an array {name!r}, which no rule knows")
        if array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, not {expected}")
        _check_values(name, array, len(record.classes))
    return held


def _check_values(name: str, array: np.ndarray, n_classes: int) -> None:
    """Refuse values that no run records; whoever can write can also seal."""
    if name == "density_ratio":
        if array.dtype.kind != "f" or not (np.isfinite(array) & (array >= 0)).all():
            raise ValueError(f"{name} holds something else than finite numbers from 0 on")
        return
    if array.dtype != np.uint8:
        raise ValueError(f"{name} holds {array.dtype}, not whole numbers from 0 to 255")
    if name != "source_folds" and (array[array != NOT_PREDICTED] >= n_classes).any():
        raise ValueError(f"{name} holds something else than the numbers of the classes")
