"""The baseline: a linear support vector machine trained on the source, without adaptation.

Most methods end with the same machine, on the source as they adapt it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import BatchResult, Method, Prepared, Setting
from cdmer_bench.solvers.kernels import linear_kernel
from cdmer_bench.solvers.libsvm import Decision, VotingMachine, fit_gram


@dataclass
class SVM(Method):
    """Linear C-SVM, one against one, on the source samples as they are.

    For each pair of classes: min ||w||^2 / 2 + C sum_i xi_i subject to y_i (w'x_i + b) >= 1 - xi_i
    and xi >= 0, solved in the dual by LIBSVM (default tolerance 1e-3) on the Gram matrix of the
    source. The pairwise machines vote; a tie goes to the class that appears first in the source.

    Parameters
    ----------
    C : float
        Cost of the slack; the paper fixes 1 (section IV-A1).
    """

    C: float = 1.0

    label = "Baseline"

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute the Gram matrix (n_source, n_source) and the block (n_query, n_source)."""
        return {"gram": linear_kernel(Xs, Xs), "block": linear_kernel(Xq, Xs), "ys": ys}

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Train and predict for each C."""
        classified = []
        for setting in settings:
            C = self.complete(setting)["C"]
            machine = fit_gram(prepared["gram"], prepared["ys"], C=C)
            classified.append(Classified(machine, machine.predict(prepared["block"])))
        return batch_result(classified)


class Classified(NamedTuple):
    """One setting's machine, its decision on the queries, and the remarks made on the way."""

    machine: VotingMachine
    decision: Decision
    remarks: Sequence[str] = ()


def classify_linearly(
    source: NDArray[np.float64],  # (n_source, n_dimensions)
    ys: NDArray[np.intp],
    queries: NDArray[np.float64],  # (n_query, n_dimensions)
    C: float,
    remarks: Sequence[str] = (),
) -> Classified:
    """Train a linear SVM on adapted source samples and predict the adapted queries."""
    machine = fit_gram(linear_kernel(source, source), ys, C=C)
    return Classified(machine, machine.predict(linear_kernel(queries, source)), remarks)


def batch_result(classified: Sequence[Classified]) -> BatchResult:
    """Gather the settings of a batch; ``converged`` is LIBSVM's, ``iterations`` are 0."""
    result = BatchResult.closed_form(
        np.stack([entry.decision.predictions for entry in classified]),
        np.stack([entry.decision.scores for entry in classified]),
    )
    for index, (machine, _, remarks) in enumerate(classified):
        notes = [*remarks, machine.note]
        result.converged[index] = machine.converged
        if any(notes):
            result.notes[index] = "; ".join(filter(None, notes))
    result.note_single_classes()
    return result
