"""Base of the methods that regenerate the samples of one domain, TSRG and DRFS-T."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import BatchResult, Method, Prepared
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.methods.regeneration import Regeneration, check_parameters, regenerate
from cdmer_bench.solvers.libsvm import VotingMachine


@dataclass
class Regenerator(Method):
    """Base of TSRG and DRFS-T.

    Parameters
    ----------
    lam : float
        Weight of the mean discrepancy (lambda), >= 0.
    mu : float
        Weight of the L1 norm of P; > 0, or >= 0 for the paper's solver.
    C : float
        Cost of the linear SVM, > 0.
    solver : {'paper', 'exact'}
        See :mod:`cdmer_bench.methods.regeneration`.
    """

    lam: float = 1.0
    mu: float = 0.1
    C: float = 1.0
    solver: str = "paper"

    @abstractmethod
    def _decide(
        self, prepared: Prepared, found: Regeneration, C: float
    ) -> tuple[VotingMachine, NDArray[np.float64]]:
        """Return the trained machine and the kernel between queries and training samples."""

    def check_values(self, setting: Setting) -> None:
        """Refuse a value that is outside its parameter's range."""
        super().check_values(setting)
        check_parameters(type(self).__name__, self.complete(setting))

    def batches(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Group the settings of one lambda: all if exact (one path), else by two."""
        groups: dict[tuple[Any, Any], list[int]] = {}
        for index, setting in enumerate(settings):
            chosen = self.complete(setting)
            groups.setdefault((chosen["lam"], chosen["solver"]), []).append(index)
        batches = []
        for (_, solver), members in groups.items():
            size = len(members) if solver == "exact" else 2
            batches += [members[i : i + size] for i in range(0, len(members), size)]
        return batches

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Solve the settings, those of one lambda together."""
        chosen = [self.complete(setting) for setting in settings]
        found = regenerate(prepared, chosen)
        predictions, scores, notes = [], [], {}
        for index, values in enumerate(chosen):
            machine, block = self._decide(prepared, found[index], values["C"])
            decision = machine.predict(block)
            predictions.append(decision.predictions)
            scores.append(decision.scores)
            note = _note(found[index], machine)
            if note:
                notes[index] = note
        result = BatchResult(
            np.array(predictions),
            np.array(scores),
            np.array([found[i].converged for i in range(len(chosen))]),
            np.array([found[i].iterations for i in range(len(chosen))], np.intp),
            notes,
        )
        result.note_single_classes()
        return result

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> NDArray[np.float64]:
        """Return the products of raw and regenerated samples; see :meth:`Method.adapted_kernel`."""
        return self._join(prepared, regenerate(prepared, [self.complete(setting)])[0])

    @abstractmethod
    def _join(self, prepared: Prepared, found: Regeneration) -> NDArray[np.float64]:
        """Return the products of all samples, one domain raw and the other regenerated."""


def _note(found: Regeneration, machine: VotingMachine) -> str:
    """Say what the user should know about a setting's result."""
    notes = [machine.note] if machine.note else []
    if not found.square.any():
        notes.append("the L1 weight leaves no coefficient, so regenerated samples are all zero")
    if not found.converged:
        notes.append(
            "the penalty schedule ended above its tolerance"
            if np.isnan(found.gap)
            else f"the relative duality gap is {found.gap:.1e}"
        )
    if not machine.converged:
        notes.append("LIBSVM stopped at its limit of iterations")
    return "; ".join(notes)
