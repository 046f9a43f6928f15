"""The baseline: a linear support vector machine trained on the source, without adaptation.

Most methods end with the same machine, on the source as they adapt it.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batches import BatchResult
from cdmer_bench.methods.inputs import Array, Indices, Setting
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

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the Gram matrix (n_source, n_source) and the block (n_query, n_source)."""
        return {"gram": linear_kernel(Xs, Xs), "block": linear_kernel(Xq, Xs), "ys": ys}

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Train and predict for each C."""
        classified = []
        for setting in settings:
            machine = fit_gram(prepared["gram"], prepared["ys"], self.complete(setting)["C"])
            classified.append(Classified(machine, machine.predict(prepared["block"])))
        return batch_result(classified)


class Classified(NamedTuple):
    """One setting's machine, its decision on the queries, and remarks on the adaptation."""

    machine: VotingMachine
    decision: Decision
    remark: str = ""


def batch_result(classified: Sequence[Classified]) -> BatchResult:
    """Gather the settings of a batch; ``converged`` is LIBSVM's, ``iterations`` are 0."""
    result = BatchResult.closed_form(
        np.stack([entry.decision.predictions for entry in classified]),
        np.stack([entry.decision.scores for entry in classified]),
    )
    for index, (machine, _, remark) in enumerate(classified):
        result.converged[index] = machine.converged
        for text in filter(None, (remark, machine.note)):
            result.add_note(index, text)
    result.note_single_classes()
    return result


class Adapted(NamedTuple):
    """The samples as a method adapts them under one setting."""

    source: Array  # (n_source, n_dimensions)
    queries: Array  # (n_query, n_dimensions)
    remark: str = ""  # what the user should know about them
    converged: bool = True


@dataclass
class AdaptedSVM(Method):
    """Base of the methods that give the samples new coordinates, then train a linear SVM there.

    A subclass writes :meth:`prepare` and :meth:`adapt`, and has a parameter C, the SVM's cost.
    """

    @abstractmethod
    def adapt(self, prepared: Prepared, settings: Sequence[Setting]) -> Iterator[Adapted]:
        """Yield the adapted samples of each setting, which holds every parameter."""

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Train on the adapted source and predict the adapted queries, for each setting."""
        full = [self.complete(setting) for setting in settings]
        classified, converged = [], []
        for chosen, found in zip(full, self.adapt(prepared, full), strict=True):
            gram = linear_kernel(found.source, found.source)
            machine = fit_gram(gram, prepared["ys"], chosen["C"])
            decision = machine.predict(linear_kernel(found.queries, found.source))
            classified.append(Classified(machine, decision, found.remark))
            converged.append(found.converged)
        result = batch_result(classified)
        result.converged &= converged
        return result

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> Array:
        """Return the products of the adapted samples; see :meth:`Method.adapted_kernel`."""
        found = next(self.adapt(prepared, [self.complete(setting)]))
        Z = np.concatenate([found.source, found.queries])
        return Z @ Z.T
