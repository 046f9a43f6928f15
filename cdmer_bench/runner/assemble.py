"""The record of a cell: its stored batches put together."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import BatchResult, join_batches
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.about import describe_run
from cdmer_bench.runner.batch import unpack
from cdmer_bench.runner.cell import Cell, PreparedCell


def assemble(cell: Cell, prepared: PreparedCell, store: ResultsStore, seconds: float) -> CellRecord:
    """Put the stored batches of a cell together as its record.

    Parameters
    ----------
    cell, prepared
        What was run.
    store
        Where its batches lie.
    seconds : float
        Wall-clock time from the cell's preparation to here.

    Raises
    ------
    RuntimeError
        If a batch is not in the store.
    """
    joined, solving = _join(cell, prepared, store)
    target = prepared.target
    return CellRecord(
        key=cell.key,
        task=cell.task.name,
        task_label=cell.task.label,
        source=cell.task.source,
        target=cell.task.target,
        method=cell.method_name,
        method_label=cell.method_label,
        descriptor=cell.descriptor_name,
        descriptor_label=cell.descriptor_label,
        corpus=cell.corpus,
        synthetic=cell.synthetic,
        grid=cell.grid_name,
        solver=str(cell.method.parameters().get("solver", "")),
        classes=target.classes,
        parameters=cell.method.parameters(),
        settings=prepared.settings,
        predictions=prepared.class_codes[joined.predictions],
        y_target=target.y.astype(np.uint8),
        y_source=prepared.source.y.astype(np.uint8),
        subject_target=target.subject,
        scores=_scores_of_all_classes(joined.scores, prepared),
        converged=joined.converged,
        iterations=joined.iterations,
        notes=joined.notes,
        extras=joined.extras,
        about={
            **describe_run(seconds),
            "solve_seconds": round(solving, 3),
            "descriptor_note": cell.descriptor_note,
        },
    )


def load_batch(
    cell: Cell, prepared: PreparedCell, store: ResultsStore, batch: int
) -> tuple[BatchResult, float] | None:
    """Load a stored batch and the seconds that it took; None if it is missing or damaged."""
    members = prepared.batches[batch]
    n_classes, n_query = len(prepared.class_codes), len(prepared.target.y)
    return store.load_batch(cell.key, batch, partial(unpack, members, n_classes, n_query))


def _join(cell: Cell, prepared: PreparedCell, store: ResultsStore) -> tuple[BatchResult, float]:
    """Load every batch of a cell; also return the seconds that solving them took."""
    results, solving = [], 0.0
    for batch in range(len(prepared.batches)):
        loaded = load_batch(cell, prepared, store, batch)
        if loaded is None:
            raise RuntimeError(f"batch {batch} vanished from {store.unfinished(cell.key)}")
        results.append(loaded[0])
        solving += loaded[1]
    return join_batches(prepared.batches, results), solving


def _scores_of_all_classes(
    scores: NDArray[np.float32] | None, prepared: PreparedCell
) -> NDArray[np.float32] | None:
    """Give classes without a source clip, which can never win, the score -inf."""
    codes, classes = prepared.class_codes, prepared.target.classes
    if scores is None or len(codes) == len(classes):
        return scores
    full = np.full((*scores.shape[:2], len(classes)), -np.inf, np.float32)
    full[..., codes] = scores
    return full
