r"""The inexact augmented Lagrangian method (IALM), by which the authors solve sparse least squares.

The problem is, for C of size n x m and Y of size c x m,

.. math:: \min_P |Y - P^T C|_F^2 + \mu |P|_1, \qquad P \in R^{n \times c},

and the result is *not* its optimum but the point where the schedule of penalties
(:class:`PenaltySchedule`) stops, which depends on the schedule;
:func:`~cdmer_bench.solvers.active_set_lasso.active_set_lasso` gives the optimum.

:func:`ialm_as_written` is the loop of the paper's Algorithm 1. Methods run its fast forms, which
tests compare with it: :func:`~cdmer_bench.solvers.label_regression.ialm` for a stack of problems
with few columns c, the labels of DRLS and RSTR, and :class:`ResponseIALM` for many columns, the
features of TSRG and DRFS-T.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Responses treated together: many enough that a step's matrix is read once for all of them, few
# enough that their state stays in cache.
BLOCK = 384
# Bytes up to which the matrices of all steps are kept; n = 500 variables with the usual schedule.
KEPT = 1 << 30


@dataclass(frozen=True)
class PenaltySchedule:
    r"""Constants of an IALM that splits a variable into a smooth copy Q and a sparse copy P.

    The augmented Lagrangian of :math:`f(Q) + \mu |P|_1` subject to :math:`P = Q` is

    .. math:: f(Q) + \mu |P|_1 + \langle T, P - Q \rangle + \kappa/2\, |P - Q|_F^2 .

    With P = T = ``start`` everywhere, each step j does, in this order,

    1. Q: the minimum over Q,
    2. P: the minimum over P, ``soft(Q - T / kappa_j, mu / kappa_j)``,
    3. the check: stop when ``max |P - Q| < tolerance``,
    4. ``T += kappa_j * (P - Q)``,
    5. ``kappa_{j+1} = min(rho * kappa_j, kappa_max)``.

    ``kappa`` grows geometrically whatever the residual is, so the loop stops after at most
    ``n_steps`` steps, 1e-4 to 1e-2 relative above the optimum: the result depends on these
    constants, which are those of the IALM that the authors of the benchmark released
    (``rho <= 1.02`` with ``start = 0`` comes within 1e-5 of the optimum, and reproduces none
    of the printed figures).
    """

    kappa0: float = 1e-3  # the first penalty, > 0
    rho: float = 1.1  # its growth at each step, > 1
    kappa_max: float = 1e15
    tolerance: float = 1e-8  # largest |P - Q| of any entry at which the loop stops, > 0
    start: float = 1.0  # of every entry of P and T
    n_extra: int = 100  # steps allowed after the penalty has reached ``kappa_max``

    @cached_property
    def kappas(self) -> NDArray[np.float64]:
        """The penalty of every step, shape (n_steps,), by repeated multiplication."""
        values = [self.kappa0]
        while values[-1] < self.kappa_max:
            values.append(min(self.rho * values[-1], self.kappa_max))
        values += [self.kappa_max] * self.n_extra
        kappas = np.array(values)
        kappas.flags.writeable = False
        return kappas

    @property
    def n_steps(self) -> int:
        """The number of steps after which the loop gives up."""
        return len(self.kappas)


AUTHORS_SCHEDULE = PenaltySchedule()


def ialm_as_written(
    C: Array,  # (n, m)
    Y: Array,  # (c, m)
    mu: float,
    schedule: PenaltySchedule,
) -> tuple[Array, int, bool]:
    """Follow Algorithm 1, a linear system a step: P (n x c), the steps, whether it converged."""
    n, CYt = len(C), C @ Y.T
    P = T = np.full(CYt.shape, schedule.start)
    for step, kappa in enumerate(schedule.kappas, start=1):
        Q = np.linalg.solve(C @ C.T + kappa / 2 * np.eye(n), CYt + (T + kappa * P) / 2)
        V = Q - T / kappa
        P = np.sign(V) * np.maximum(np.abs(V) - mu / kappa, 0)
        if np.abs(P - Q).max() < schedule.tolerance:
            return P, step, True
        T = T + kappa * (P - Q)
    return P, schedule.n_steps, False


class IALMSolution(NamedTuple):
    """Where the loop stopped."""

    coefficients: Array  # (n_responses, n_variables), the sparse copy P, a response a row
    iterations: int  # steps, the same for all responses
    converged: bool  # False if the schedule ended before max |P - Q| fell below the tolerance


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
    """

    def __init__(self, design: Array, schedule: PenaltySchedule = AUTHORS_SCHEDULE) -> None:
        self.schedule = schedule
        n_rows, n = design.shape
        kept = self.schedule.n_steps * n * n * design.itemsize
        self._by_factor = 2 * n_rows < n or kept > KEPT
        if self._by_factor:
            _, lengths, self._right = np.linalg.svd(design, full_matrices=False)
            self._eigenvalues, self._left = lengths**2, np.ascontiguousarray(self._right.T)
        else:
            eigenvalues, self._left = np.linalg.eigh(design.T @ design)
            self._eigenvalues, self._right = np.maximum(eigenvalues, 0), self._left.T
        self._matrices: list[Array] = []  # M of the steps so far, for the next L1 weight

    def multiply(self, right: Array, step: int, out: Array) -> Array:
        """Write ``right @ M`` of a step to ``out`` and return it."""
        half = self.schedule.kappas[step] / 2
        if self._by_factor:
            coordinates = right @ self._left
            coordinates *= self._eigenvalues / (self._eigenvalues + half)
            np.matmul(coordinates, self._right, out=out)
            return np.subtract(right, out, out=out)
        if step == len(self._matrices):
            weights = half / (self._eigenvalues + half)
            self._matrices.append((self._left * weights) @ self._right)
        return np.matmul(right, self._matrices[step], out=out)

    def solve(
        self,
        correlations: Array,  # (n_responses, n_variables), the vectors b as rows
        mu: float,  # >= 0
        *,
        block: int = BLOCK,
    ) -> IALMSolution:
        """Run the loop for one L1 weight."""
        n_steps, step = self.schedule.n_steps, 0
        scratch = np.empty_like(correlations[:block])
        blocks = [
            _Block(self, correlations[first : first + block], scratch)
            for first in range(0, len(correlations), block)
        ]
        while not all(part.met and part.step == step > 0 for part in blocks):
            if all(part.step == n_steps for part in blocks):
                break
            for part in blocks:
                while part.step < step or (not part.met and part.step < n_steps):
                    part.advance(mu)
                step = part.step
        coefficients = np.concatenate([part.scaled for part in blocks])
        coefficients /= self.schedule.kappas[step - 1]
        return IALMSolution(coefficients, step, all(part.met for part in blocks))


class _Block:
    """The state of a block of responses after ``step`` steps; ``scratch`` is shared by blocks."""

    def __init__(self, loop: ResponseIALM, correlations: Array, scratch: Array) -> None:
        schedule = loop.schedule
        self.loop, self.step, self.met = loop, 0, False
        self.pull = 2 * correlations
        self.clipped = np.full(correlations.shape, -schedule.start)  # C = -T
        self.scaled = np.full(correlations.shape, schedule.kappas[0] * schedule.start)  # kappa P
        self._right = scratch[: len(correlations)]
        self._worst = 0

    def advance(self, mu: float) -> None:
        """Do one step, and note whether it meets the tolerance."""
        kappas = self.loop.schedule.kappas
        growth = kappas[self.step] / kappas[self.step - 1] if self.step else 1.0
        right = np.multiply(self.scaled, growth, out=self._right)
        right -= self.clipped
        right += self.pull
        z = self.loop.multiply(right, self.step, self.scaled)
        z += self.clipped
        limit = self.loop.schedule.tolerance * kappas[self.step]
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
