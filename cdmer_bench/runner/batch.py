"""One batch, run in any process: read what the cell shares, solve, store the result whole."""

import time
import traceback
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.io import clear_errors, pack_arrays, remove, write_atomically
from cdmer_bench.methods.base import BatchResult, Method, Prepared, expect_result
from cdmer_bench.methods.inputs import Setting

_SMALL = 1 << 20  # bytes; larger arrays are mapped, so that processes share them


@dataclass(frozen=True)
class BatchFailure:
    """Why a batch failed.

    Attributes
    ----------
    error : str
        One sentence for a user's error, else the exception's name and message.
    trace : str
        The traceback.
    is_user_error : bool
        Whether the data or the grid are at fault rather than the method.
    """

    error: str
    trace: str
    is_user_error: bool


def write_prepared(folder: Path, arrays: Prepared) -> None:
    """Store the shared arrays of a cell for the processes that run its batches."""
    remove(folder)  # left by a run that was killed
    try:
        with clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", np.asarray(array), allow_pickle=False)
    except UserError:
        remove(folder)
        raise


@lru_cache(maxsize=2)
def read_prepared(folder: Path) -> Prepared:
    """Read the shared arrays of a cell; large ones as read-only memory maps."""
    arrays: Prepared = {}
    for path in sorted(folder.glob("*.npy")):
        mode = "r" if path.stat().st_size > _SMALL else None
        arrays[path.stem] = np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
    return arrays


def run_batch(
    method: Method, settings: list[Setting], indices: list[int], shared: Path, result: Path
) -> BatchFailure | None:
    """Solve a batch and store its result; return why it failed, or None.

    Parameters
    ----------
    method
    settings
        Those of the batch.
    indices
        Their places in the grid, stored beside the result.
    shared
        Folder written by :func:`write_prepared`.
    result
        File to write.
    """
    try:
        started = time.process_time()
        found = method.solve(read_prepared(shared), settings)
        seconds = time.process_time() - started
        check_result(method, found, len(settings))
        write_atomically(result, pack_arrays(pack(found, indices, seconds)))
    except Exception as error:
        return batch_failure(error)
    return None


def batch_failure(error: Exception) -> BatchFailure:
    """Describe the exception that is being handled."""
    is_user_error = isinstance(error, UserError)
    text = str(error) if is_user_error else f"{type(error).__name__}: {error}"
    return BatchFailure(text, traceback.format_exc(), is_user_error)


def check_result(method: Method, result: BatchResult, n_settings: int) -> None:
    """Refuse a result that is not one row of valid class indices for each setting.

    Raises
    ------
    UserError
        Naming the method and what it gave.
    """
    n_classes = len(method.classes_)
    predictions = np.asarray(expect_result(result).predictions)
    if predictions.ndim != 2 or len(predictions) != n_settings:
        raise UserError(
            f"{type(method).__name__}.solve gave predictions of shape {predictions.shape}, "
            f"expected ({n_settings}, n_query)"
        )
    if not np.issubdtype(predictions.dtype, np.integer) or (
        predictions.size and not (predictions.min() >= 0 and predictions.max() < n_classes)
    ):
        raise UserError(
            f"{type(method).__name__}.solve predicted something else than the class indices "
            f"0 to {n_classes - 1}"
        )


def pack(result: BatchResult, indices: list[int], seconds: float) -> dict[str, np.ndarray]:
    """Return the arrays that stand for a batch's result and the time that it took."""
    arrays: dict[str, np.ndarray] = {
        "indices": np.array(indices, dtype=np.int64),
        "seconds": np.array(seconds),
        "predictions": np.asarray(result.predictions).astype(np.uint8),
        "converged": np.asarray(result.converged, dtype=bool),
        "iterations": np.asarray(result.iterations, dtype=np.int64),
        "note_indices": np.array(list(result.notes), dtype=np.int64),
        "note_texts": np.array(list(result.notes.values()), dtype=np.str_),
    }
    if result.scores is not None:
        arrays["scores"] = np.asarray(result.scores, dtype=np.float32)
    arrays.update({f"extra_{name}": np.asarray(a) for name, a in result.extras.items()})
    return arrays


def unpack(
    members: list[int], n_classes: int, n_query: int, arrays: dict[str, np.ndarray]
) -> tuple[BatchResult, float]:
    """Undo :func:`pack` for the settings ``members``; also return the seconds that they took.

    Raises
    ------
    ValueError, KeyError
        If the arrays are not such a result, whole.
    """
    if arrays["indices"].tolist() != members:
        raise ValueError("it holds other settings")
    texts = [str(text) for text in arrays["note_texts"]]
    result = BatchResult(
        arrays["predictions"],
        arrays.get("scores"),
        arrays["converged"],
        arrays["iterations"],
        dict(zip(arrays["note_indices"].tolist(), texts, strict=True)),
        {k.removeprefix("extra_"): v for k, v in arrays.items() if k.startswith("extra_")},
    )
    n_settings = len(members)
    shapes = {
        "predictions": (n_settings, n_query),
        "scores": (n_settings, n_query, n_classes),
        "converged": (n_settings,),
        "iterations": (n_settings,),
    }
    for name, expected in shapes.items():
        array = getattr(result, name)
        if array is not None and array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, not {expected}")
    predictions = result.predictions
    if predictions.dtype != np.uint8 or (predictions.size and predictions.max() >= n_classes):
        raise ValueError("predictions holds something else than the numbers of the classes")
    if not all(array.shape[:1] == (n_settings,) for array in result.extras.values()):
        raise ValueError("it holds something else than one row for each setting")
    if not set(result.notes) <= set(range(n_settings)):
        raise ValueError("a note belongs to no setting")
    return result, float(arrays["seconds"])
