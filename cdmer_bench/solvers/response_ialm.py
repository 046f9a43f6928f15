"""The inexact augmented Lagrangian method for many responses that share one design."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.ialm import PenaltySchedule

# Responses treated together: many enough that a step's matrix is read once for all of them, few
# enough that their state stays in cache; 256 to 512 are within 10% of each other.
BLOCK = 384
# Bytes up to which the matrices of all steps are kept; n = 500 variables with the usual schedule.
KEPT = 1 << 30


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

    G = A'A for a design A (n_rows x n_variables). In one step, with the penalty kappa and
    M = kappa/2 (G + kappa/2 I)^-1, the quantities D = kappa P and C = -T obey (rows are responses)

        Z = (2B - C + kappa P_old) M + C,    C_new = clip(Z, -mu, mu),    D_new = Z - C_new,

    and max |P - Q| is max |C_new - C| / kappa. This is one product with an n x n matrix and six
    passes over the data, done for a block of responses at a time so that the passes stay in cache.
    Where A has few rows, M is the identity but for the r eigenvectors V of G that are not in its
    null space, with eigenvalues s: X M = X - X V diag(s / (s + kappa/2)) V', two products with an
    n x r matrix, which are less work where r < n/2. With many variables that form is taken too,
    since the matrices of all steps would fill the memory.

    The responses are independent but for the stopping rule, which is on the largest residual of
    all: the loop stops at the first step at which *every* block is below the tolerance. A block
    is therefore taken forward to the first step, not before the furthest of the others, at which
    it is below; the round is repeated until all stand at one step. No block passes that step, so
    the result is that of the undivided loop.

    Parameters
    ----------
    design : ndarray, shape (n_rows, n_variables)
        A.
    schedule : PenaltySchedule
        Constants of the method.
    """

    def __init__(
        self, design: NDArray[np.float64], schedule: PenaltySchedule | None = None
    ) -> None:
        self.schedule = PenaltySchedule() if schedule is None else schedule
        n_rows, n = design.shape
        kept = self.schedule.n_steps * n * n * design.itemsize
        kind = _ByFactor if 2 * n_rows < n or kept > KEPT else _ByMatrices
        self._shrinkage = kind(design, self.schedule)

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
        scratch = np.empty_like(correlations[:block])
        blocks = [
            _Block(correlations[first : first + block], schedule, scratch)
            for first in range(0, len(correlations), block)
        ]
        step = 0
        while any(part.step < step or not part.met for part in blocks) or step == 0:
            for part in blocks:
                while part.step < step or (not part.met and part.step < schedule.n_steps):
                    part.advance(self._shrinkage, mu)
                step = part.step
            if step == schedule.n_steps and all(part.step == step for part in blocks):
                break
        last_kappa = schedule.kappas[step - 1]
        coefficients = np.concatenate([part.scaled for part in blocks])
        coefficients /= last_kappa
        return IALMSolution(coefficients, step, all(part.met for part in blocks))


class _ByMatrices:
    """Products with M by the matrices M of all steps, kept for the next L1 weight."""

    def __init__(self, design: NDArray[np.float64], schedule: PenaltySchedule) -> None:
        eigenvalues, self._vectors = np.linalg.eigh(design.T @ design)
        self._eigenvalues = np.maximum(eigenvalues, 0)
        self._kappas = schedule.kappas
        self._matrices: list[NDArray[np.float64]] = []

    def multiply(
        self, right: NDArray[np.float64], step: int, out: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Write ``right @ M`` of a step to ``out`` and return it."""
        while len(self._matrices) <= step:
            half = self._kappas[len(self._matrices)] / 2
            weights = half / (self._eigenvalues + half)
            self._matrices.append((self._vectors * weights) @ self._vectors.T)
        return np.matmul(right, self._matrices[step], out=out)


class _ByFactor:
    """Products with M by the right singular vectors of the design, (r, n)."""

    def __init__(self, design: NDArray[np.float64], schedule: PenaltySchedule) -> None:
        _, lengths, vectors = np.linalg.svd(design, full_matrices=False)
        self._eigenvalues, self._vectors = lengths**2, vectors
        self._transposed = np.ascontiguousarray(vectors.T)
        self._kappas = schedule.kappas

    def multiply(
        self, right: NDArray[np.float64], step: int, out: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Write ``right @ M`` of a step to ``out`` and return it."""
        coordinates = right @ self._transposed
        coordinates *= self._eigenvalues / (self._eigenvalues + self._kappas[step] / 2)
        np.matmul(coordinates, self._vectors, out=out)
        return np.subtract(right, out, out=out)


class _Block:
    """The state of a block of responses after ``step`` steps; ``scratch`` is shared by blocks."""

    def __init__(
        self,
        correlations: NDArray[np.float64],
        schedule: PenaltySchedule,
        scratch: NDArray[np.float64],
    ) -> None:
        self.schedule = schedule
        self.step = 0
        self.met = False
        self.pull = 2 * correlations
        self.clipped = np.full(correlations.shape, -schedule.start)  # C = -T
        self.scaled = np.full(correlations.shape, schedule.kappas[0] * schedule.start)  # kappa P
        self._right = scratch[: len(correlations)]
        self._worst = 0

    def advance(self, shrinkage: _ByMatrices | _ByFactor, mu: float) -> None:
        """Do one step, and note whether it meets the tolerance."""
        kappas = self.schedule.kappas
        growth = kappas[self.step] / kappas[self.step - 1] if self.step else 1.0
        right = np.multiply(self.scaled, growth, out=self._right)
        right -= self.clipped
        right += self.pull
        z = shrinkage.multiply(right, self.step, self.scaled)
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
