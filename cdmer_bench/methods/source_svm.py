"""The step that most methods end with: an SVM on the adapted source, as a batch's result."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.batch_result import BatchResult
from cdmer_bench.solvers.kernels import linear_kernel
from cdmer_bench.solvers.libsvm import Decision, VotingMachine, fit_gram


class Classified(NamedTuple):
    """One setting's machine, its decision on the queries, and the remarks made on the way."""

    machine: VotingMachine
    decision: Decision
    remarks: Sequence[str] = ()


def classify_linearly(
    source: NDArray[np.float64],
    ys: NDArray[np.intp],
    queries: NDArray[np.float64],
    C: float,
    remarks: Sequence[str] = (),
) -> Classified:
    """Train a linear SVM on adapted source samples and predict the adapted queries.

    Parameters
    ----------
    source, queries : ndarray, shapes (n_source, n_dimensions) and (n_query, n_dimensions)
    ys : ndarray of int, shape (n_source,)
        Class indices.
    C : float
        Cost of the slack.
    remarks
        Passed on.
    """
    machine = fit_gram(linear_kernel(source, source), ys, C=C)
    return Classified(machine, machine.predict(linear_kernel(queries, source)), remarks)


def batch_result(classified: Sequence[Classified]) -> BatchResult:
    """Gather the settings of a batch.

    Parameters
    ----------
    classified
        One entry a setting, in the batch's order.

    Returns
    -------
    BatchResult
        ``iterations`` are 0, as the adaptation itself has none; ``converged`` is LIBSVM's.
    """
    result = BatchResult.closed_form(
        np.stack([entry.decision.predictions for entry in classified]),
        np.stack([entry.decision.scores for entry in classified]),
    )
    for index, (machine, _, remarks) in enumerate(classified):
        notes = [*remarks, machine.note]
        if not machine.converged:
            result.converged[index] = False
            notes.append(f"LIBSVM stopped at its limit after {machine.iterations} iterations")
        if any(notes):
            result.notes[index] = "; ".join(filter(None, notes))
    result.note_single_classes()
    return result
