"""Solve settings of a method on arrays: the one call behind cells, folds and reverse validation.

:func:`pose` checks the samples and computes what all settings share. Its *pieces* are batches of
settings that any process can solve from the shared arrays; :func:`run` solves all of them here.
"""

import math
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError, is_ours
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.io import clear_errors, one_line, pack_arrays, remove, write_atomically
from cdmer_bench.methods.base import Method, Prepared, batches_of
from cdmer_bench.methods.batches import BatchResult, expect_result, join_batches
from cdmer_bench.methods.inputs import Setting, Task, check_task, shape_samples

_SMALL = 1 << 20  # bytes; larger arrays are mapped, so that processes share them


class Piece(NamedTuple):
    """A batch of settings that any process can solve from the arrays of its problem."""

    indices: list[int]  # the places of its settings in the grid
    solve: Callable[[Prepared], BatchResult]  # ``predictions`` are labels, not class indices


@dataclass
class Problem:
    """A method's settings on one choice of samples, ready to be solved, and what became of it."""

    pieces: Sequence[Piece] = ()  # none of a setting that is left out
    arrays: Prepared = field(default_factory=dict)  # what all pieces share
    n_query: int = 0  # number of samples to predict
    # why a setting does not exist for these samples, by its place in the grid
    left_out: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0  # computing time of the preparation, and of the pieces that are solved
    results: list[BatchResult] = field(default_factory=list)  # of the pieces, in their order
    failure: "Failure | None" = None  # of the preparation, or of the first piece that failed

    def joined(self) -> BatchResult:
        """Return what was found for all settings, also those left out, in the grid's order."""
        apart = [not_predicted(1, self.n_query, reason) for reason in self.left_out.values()]
        places = [piece.indices for piece in self.pieces] + [[index] for index in self.left_out]
        return join_batches(places, [*self.results, *apart])


def solve_batch(
    method: Method,
    settings: list[Setting],  # which share work
    labels: NDArray[np.uint8],  # (n_classes of the source,), the label of each class index
    n_labels: int,  # number of classes of the databases, which may be more
    n_query: int,  # number of samples to predict
    # leave out a setting that the method refuses, and say why in its note; otherwise the batch
    # fails
    lenient: bool,
    arrays: Prepared,
) -> BatchResult:
    """Solve settings, check what the method gave, and put labels for class indices."""
    given = [dict(setting) for setting in settings]
    try:
        own = _apart(method, list(arrays.values()), _SMALL)  # large ones are read-only
        found = method.solve(dict(zip(arrays, own, strict=True)), given)
    except UserError as error:
        if not lenient:
            raise
        if len(settings) == 1:
            return not_predicted(1, n_query, str(error))
        each = [solve_batch(method, [s], labels, n_labels, n_query, True, arrays) for s in settings]
        return join_batches([[i] for i in range(len(each))], each)
    if given != settings:
        raise UserError(
            f"{type(method).__name__}.solve changed the settings that it was given; work on copies"
        )
    check_result(method, found, len(settings), n_query, len(labels))
    predictions = labels[np.asarray(found.predictions)].astype(np.intp)
    if lenient:  # only the predictions are wanted, and joined with those left out
        return BatchResult.closed_form(predictions)
    scores = found.scores
    if scores is not None and len(labels) < n_labels:
        # A class without a source sample can never win.
        scores = np.full((*scores.shape[:2], n_labels), -np.inf, np.float32)
        scores[..., labels] = found.scores
    return replace(found, predictions=predictions, scores=scores)


def named_notes(
    notes: Mapping[int, str], y_source: NDArray[np.integer], classes: Sequence[str]
) -> dict[int, str]:
    """Put the names of classes for a method's class indices, which are those of the source."""
    names = [classes[index] for index in np.unique(y_source)]

    def put(found: re.Match[str]) -> str:
        return "class " + ", ".join(names[int(index)] for index in found[1].split(", "))

    pattern = re.compile(r"class index (\d+(?:, \d+)*)")
    return {setting: pattern.sub(put, text) for setting, text in notes.items()}


def not_predicted(n_settings: int, n_query: int, reason: str) -> BatchResult:
    """Return the result of settings that do not exist for the samples."""
    result = BatchResult.closed_form(np.full((n_settings, n_query), NOT_PREDICTED, np.uint8))
    result.notes = dict.fromkeys(range(n_settings), reason)
    return result


def pose(
    method: Method,  # not changed
    Xs: NDArray,  # (n_source, ...)
    ys: NDArray,  # (n_source,), labels, as indices of the databases' classes
    Xt: NDArray,  # (n_target, ...), the method sees no label of these
    Xq: NDArray,  # (n_query, ...), what to predict, often ``Xt`` itself
    settings: Sequence[Setting],  # the whole grid
    n_labels: int,  # number of the databases' classes
    # leave out settings that do not exist for these samples, such as a subspace of more dimensions
    # than there are samples. Otherwise they are an error
    lenient: bool = False,
) -> Problem:
    """Check the samples of a task and prepare what the settings share."""
    left_out: dict[int, str] = {}
    started = time.thread_time()
    try:
        task = check_task(Xs, ys, Xt, method.needs_blocks)
        for index, setting in enumerate(settings if lenient else ()):
            try:
                method.settings([setting], task.shapes)
            except UserError as error:
                left_out[index] = str(error)
        possible = [i for i in range(len(settings)) if i not in left_out]
        if not possible:
            return Problem(n_query=len(Xq), left_out=left_out)
        queries = task.Xt if Xq is Xt else shape_samples(Xq, "Xq", method.needs_blocks)
        arrays = prepare(method, task, queries)
    except UserError as error:
        if not lenient:
            raise
        return Problem(n_query=len(Xq), left_out=dict.fromkeys(range(len(settings)), str(error)))
    labels = np.asarray(task.classes, dtype=np.uint8)
    pieces = []
    for members in batches_of(method, [settings[i] for i in possible]):
        indices = [possible[i] for i in members]
        how = method, [settings[i] for i in indices], labels, n_labels, len(queries), lenient
        pieces.append(Piece(indices, partial(solve_batch, *how)))
    return Problem(pieces, arrays, len(queries), left_out, time.thread_time() - started)


def _apart(method: Method, arrays: Sequence[NDArray], largest: float = math.inf) -> list[NDArray]:
    """Return what a method of the user's own may write into: copies, as others use these too."""
    if is_ours(method):
        return list(arrays)
    copies = {id(a): a.copy() if a.nbytes <= largest else a for a in arrays}
    return [copies[id(a)] for a in arrays]


def prepare(method: Method, task: Task, queries: NDArray) -> Prepared:
    """Return what a method prepares, the same samples left; refuse what no process can be given."""
    who = f"{type(method).__name__}.prepare"
    arrays: Any = method.prepare(*_apart(method, (task.Xs, task.ys, task.Xt, queries)))
    if not isinstance(arrays, Mapping):
        raise UserError(f"{who} gave {type(arrays).__name__}, expected arrays by name; return them")
    for name, array in arrays.items():
        if not isinstance(name, str) or not re.fullmatch(r"[\w -]{1,100}", name):
            raise UserError(f"{who} named an array {name!r}, expected letters and digits")
        if np.asarray(array).dtype.kind not in "biufcSUmM":
            raise UserError(
                f"{who} gave {name!r} as {type(array).__name__}, expected an array of numbers or "
                "texts; make it one, or compute it in solve"
            )
    return {name: np.asarray(array) for name, array in arrays.items()}


def run(
    method: Method,
    Xs: NDArray,
    ys: NDArray,
    Xt: NDArray,
    Xq: NDArray,
    settings: Sequence[Setting],
    n_labels: int,
    lenient: bool = False,
) -> BatchResult:
    """Solve all settings in this process; see :func:`pose`."""
    problem = pose(method, Xs, ys, Xt, Xq, settings, n_labels, lenient)
    problem.results = [piece.solve(problem.arrays) for piece in problem.pieces]
    return problem.joined()


def check_result(
    method: Method, result: Any, n_settings: int, n_query: int, n_classes: int
) -> None:
    """Refuse a result that is not one row of valid class indices for each setting."""
    who = f"{type(method).__name__}.solve"
    result, rows = expect_result(result), (n_settings,)
    shapes = {
        "predictions": (*rows, n_query),
        "scores": (*rows, n_query, n_classes),
        "converged": rows,
        "iterations": rows,
    }
    for name, expected in shapes.items():
        array = getattr(result, name)
        if array is not None and np.shape(array) != expected:
            raise UserError(f"{who} gave {name} of shape {np.shape(array)}, expected {expected}")
    for name, array in result.extras.items():
        if np.shape(array)[:1] != rows:
            raise UserError(
                f"{who} gave extras[{name!r}] of shape {np.shape(array)}, expected one row for "
                f"each of the {n_settings} settings"
            )
    predictions = np.asarray(result.predictions)
    if not np.issubdtype(predictions.dtype, np.integer) or (
        predictions.size and not (predictions.min() >= 0 and predictions.max() < n_classes)
    ):
        raise UserError(
            f"{who} predicted something else than the class indices 0 to {n_classes - 1}"
        )


@dataclass(frozen=True)
class Failure:
    """Why a batch failed."""

    error: str  # one sentence for a user's error, else the exception's name and message
    trace: str  # the traceback
    is_user_error: bool  # whether the data or the grid are at fault rather than the method

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Describe the exception that is being handled."""
        is_user_error = isinstance(error, UserError)
        said = one_line(str(error))
        text = str(error) if is_user_error else f"{type(error).__name__}: {said}"
        return cls(text, traceback.format_exc(), is_user_error)


def write_shared(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Store the arrays that the pieces of a problem share, for the processes that solve them."""
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
def read_shared(folder: Path) -> Prepared:
    """Read the arrays of a problem; large ones as read-only memory maps."""
    arrays: Prepared = {}
    for path in sorted(folder.glob("*.npy")):
        mode = "r" if path.stat().st_size > _SMALL else None
        arrays[path.stem] = np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
    return arrays


def run_piece(piece: Piece, shared: Path, result: Path) -> Failure | None:
    """Solve a piece in any process and store its result; return why it failed, or None."""
    if result.exists():  # a worker stored it and was killed before it could say so
        return None
    try:
        started = time.process_time()
        found = piece.solve(read_shared(shared))
        seconds = time.process_time() - started + found.spared
        data = pack_arrays(pack(found, piece.indices, seconds))
        write_atomically(result, data, tidy=False)  # one of thousands, in a folder that is removed
    except (Exception, SystemExit) as error:  # sys.exit in code of the user's own ends no run
        return Failure.of(error)
    return None


def pack(result: BatchResult, indices: list[int], seconds: float) -> dict[str, np.ndarray]:
    """Return the arrays that stand for the result of a piece and the time that it took."""
    arrays: dict[str, np.ndarray] = {
        "indices": np.array(indices, dtype=np.int64),
        "seconds": np.array(seconds),
        "reused": np.array(result.reused),
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


def unpack(indices: list[int], arrays: dict[str, np.ndarray]) -> tuple[BatchResult, float]:
    """Undo :func:`pack` for the settings ``indices``; also return the seconds that they took."""
    if arrays["indices"].tolist() != indices or len(arrays["predictions"]) != len(indices):
        raise ValueError("it holds other settings")
    texts = [str(text) for text in arrays["note_texts"]]
    result = BatchResult(
        arrays["predictions"],
        arrays.get("scores"),
        arrays["converged"],
        arrays["iterations"],
        dict(zip(arrays["note_indices"].tolist(), texts, strict=True)),
        {k.removeprefix("extra_"): v for k, v in arrays.items() if k.startswith("extra_")},
        int(arrays.get("reused", 0)),
    )
    return result, float(arrays["seconds"])
