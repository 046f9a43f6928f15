"""The inexact augmented Lagrangian method for many responses that share one design."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.penalty_schedule import PenaltySchedule

# Responses whose state fits a core's second-level cache; 128 to 512 are within 10% of each other.
BLOCK = 256


class IALMSolution(NamedTuple):
    """Where the loop stopped.

    Attributes
    ----------
    coefficients : ndarray, shape (n_responses, n_variables)
        The sparse copy P, a response a row.
    iterations : int
        Steps, the same for all responses.
    converged : bool
        False if the schedule ended before max |P - Q| fell below the tolerance.
    """

    coefficients: NDArray[np.float64]
    iterations: int
    converged: bool


class ResponseIALM:
    r"""Minimise :math:`\sum_r p_r' G p_r - 2 b_r' p_r + \mu |p_r|_1`, all responses r in step.

    In one step, with the penalty kappa and M = kappa/2 (G + kappa/2 I)^-1, the quantities
    D = kappa P and C = -T obey (rows are responses)

        Z = (2B - C + kappa P_old) M + C,    C_new = clip(Z, -mu, mu),    D_new = Z - C_new,

    and max |P - Q| is max |C_new - C| / kappa. This is one product with an n x n matrix and six
    passes over the data, done for a block of responses at a time so that the passes stay in cache.

    The responses are independent but for the stopping rule, which is on the largest residual of
    all: the loop stops at the first step at which *every* block is below the tolerance. A block
    is therefore taken forward to the first step, not before the furthest of the others, at which
    it is below; the round is repeated until all stand at one step. No block passes that step, so
    the result is that of the undivided loop.

    Parameters
    ----------
    hessian : ndarray, shape (n_variables, n_variables)
        G, symmetric positive semidefinite.
    schedule : PenaltySchedule
        Constants of the method.
    """

    def __init__(
        self, hessian: NDArray[np.float64], schedule: PenaltySchedule | None = None
    ) -> None:
        self.schedule = PenaltySchedule() if schedule is None else schedule
        eigenvalues, self._vectors = np.linalg.eigh(hessian)
        self._eigenvalues = np.maximum(eigenvalues, 0)
        self._smoothers: list[NDArray[np.float64]] = []

    def solve(
        self, correlations: NDArray[np.float64], mu: float, *, block: int = BLOCK
    ) -> IALMSolution:
        """Run the loop for one L1 weight.

        Parameters
        ----------
        correlations : ndarray, shape (n_responses, n_variables)
            The vectors b as rows.
        mu : float
            L1 weight, >= 0. The matrices of the steps are kept for the next call.
        block : int
            Responses treated together; changes the time only.

        Raises
        ------
        UserError
            If ``mu`` is negative.
        """
        if mu < 0:
            raise UserError(f"the L1 weight mu is {mu:g}; it must not be negative")
        schedule = self.schedule
        blocks = [
            _Block(correlations[first : first + block], schedule)
            for first in range(0, len(correlations), block)
        ]
        step = 0
        while any(part.step < step or not part.met for part in blocks) or step == 0:
            for part in blocks:
                while part.step < step or (not part.met and part.step < schedule.n_steps):
                    part.advance(self._smoother(part.step), mu)
                step = part.step
            if step == schedule.n_steps and all(part.step == step for part in blocks):
                break
        last_kappa = schedule.kappas[step - 1]
        coefficients = np.concatenate([part.scaled for part in blocks])
        coefficients /= last_kappa
        return IALMSolution(coefficients, step, all(part.met for part in blocks))

    def _smoother(self, step: int) -> NDArray[np.float64]:
        """Return M of a step."""
        while len(self._smoothers) <= step:
            half = self.schedule.kappas[len(self._smoothers)] / 2
            weights = half / (self._eigenvalues + half)
            self._smoothers.append((self._vectors * weights) @ self._vectors.T)
        return self._smoothers[step]


class _Block:
    """The state of a block of responses after ``step`` steps."""

    def __init__(self, correlations: NDArray[np.float64], schedule: PenaltySchedule) -> None:
        self.schedule = schedule
        self.step = 0
        self.met = False
        self.pull = 2 * correlations
        self.clipped = np.full(correlations.shape, -schedule.start)  # C = -T
        self.scaled = np.full(correlations.shape, schedule.kappas[0] * schedule.start)  # kappa P
        self._worst = 0

    def advance(self, smoother: NDArray[np.float64], mu: float) -> None:
        """Do one step, and note whether it meets the tolerance."""
        kappas = self.schedule.kappas
        growth = kappas[self.step] / kappas[self.step - 1] if self.step else 1.0
        right = self.scaled * growth
        right -= self.clipped
        right += self.pull
        z = np.matmul(right, smoother, out=self.scaled)
        z += self.clipped
        limit = self.schedule.tolerance * kappas[self.step]
        # The entry that was last the worst decides nearly always, so the rest need no look.
        old, new = self.clipped.flat[self._worst], z.flat[self._worst]
        self.met = bool(abs(min(max(new, -mu), mu) - old) < limit)
        if self.met:
            change = np.abs(np.clip(z, -mu, mu, out=right) - self.clipped)
            self._worst = int(change.argmax())
            self.met = bool(change.flat[self._worst] < limit)
        np.clip(z, -mu, mu, out=self.clipped)
        z -= self.clipped
        self.step += 1
