r"""Sparse least squares by the inexact augmented Lagrangian method (IALM), many problems at once.

The problem is, for C of size n x m and Y of size c x m,

.. math:: \min_P |Y - P^T C|_F^2 + \mu |P|_1, \qquad P \in R^{n \times c},

and the result is *not* its optimum but the point where the schedule of penalties
(:class:`~cdmer_bench.solvers.penalty_schedule.PenaltySchedule`) stops, which depends on the
schedule. :func:`~cdmer_bench.solvers.active_set_lasso.lasso` gives the optimum.

What makes a step cheap. The step over Q solves with :math:`CC^T + \kappa/2\, I` for another
:math:`\kappa` each time. With :math:`C^T C = V \mathrm{diag}(s) V^T` and :math:`W = CV`,

.. math:: (CC^T + \tfrac\kappa2 I)^{-1} = \tfrac2\kappa
          \bigl(I - W \mathrm{diag}\bigl(\tfrac{1}{s + \kappa/2}\bigr) W^T\bigr),

so one decomposition of the small matrix (m x m) serves all steps, and a step costs two
products with the n x m matrix W. In terms of :math:`v = \kappa Q - T` the step over P and the
multipliers are one clipping: the new T is :math:`-\mathrm{clip}(v, -\mu, \mu)` and the new
:math:`\kappa P` is what the clipping cut off.

Every problem of a stack is multiplied on its own, with shapes that its neighbours do not
change, so that its result is the same to the last bit in any stack.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.solvers.penalty_schedule import PenaltySchedule

Array = NDArray[np.float64]


class LeastSquaresFactors(NamedTuple):
    """Decompositions of a stack of least-squares terms :math:`|Y - P^T C|_F^2`.

    Attributes
    ----------
    W : ndarray, shape (n_stack, n, m)
        ``C @ V``, with orthogonal columns.
    s : ndarray, shape (n_stack, m)
        Eigenvalues of ``C.T @ C``, not negative.
    H : ndarray, shape (n_stack, c, m)
        ``Y @ V``.
    """

    W: Array
    s: Array
    H: Array


class IalmResult(NamedTuple):
    """Where the schedule stopped.

    Attributes
    ----------
    P : ndarray, shape (n_stack, n, c)
        The sparse copy of the variable.
    n_steps : ndarray of int, shape (n_stack,)
        Steps taken.
    converged : ndarray of bool, shape (n_stack,)
        False where the schedule ended before ``max |P - Q|`` fell below its tolerance.
    """

    P: Array
    n_steps: NDArray[np.intp]
    converged: NDArray[np.bool_]


def factorize(C: Array, Y: Array, smallest_shift: float) -> LeastSquaresFactors:
    """Decompose the least-squares terms with data ``C`` and a common ``Y``.

    Parameters
    ----------
    C : ndarray, shape (n_stack, n, m)
        Best with m <= n: the decomposition is one of an m x m matrix.
    Y : ndarray, shape (c, m)
    smallest_shift : float
        The smallest kappa / 2 that will be added to the eigenvalues. Where the rounding of
        ``C.T @ C`` comes near it, the slower decomposition of C itself is used.

    Returns
    -------
    LeastSquaresFactors
    """
    s, V = np.linalg.eigh(C.transpose(0, 2, 1) @ C)
    W = C @ V
    for i in np.flatnonzero(s[:, -1] * np.finfo(float).eps > 1e-3 * smallest_shift):
        U, lengths, Vt = np.linalg.svd(C[i], full_matrices=False)
        lengths[lengths < max(C[i].shape) * np.finfo(float).eps * lengths[0]] = 0.0
        rank = len(lengths)  # min(n, m); further eigenvalues are zero
        W[i], s[i], V[i] = 0.0, 0.0, 0.0
        W[i, :, :rank], s[i, :rank], V[i, :, :rank] = U * lengths, lengths**2, Vt.T
    return LeastSquaresFactors(W, np.maximum(s, 0.0), Y @ V)


def ialm(factors: LeastSquaresFactors, mu: Array, schedule: PenaltySchedule) -> IalmResult:
    """Run the schedule on a stack of problems.

    Parameters
    ----------
    factors : LeastSquaresFactors
        Of ``len(mu)`` problems, or of one that all values of ``mu`` share.
    mu : ndarray, shape (n_stack,)
        Weight of the L1 norm of each problem, >= 0.
    schedule : PenaltySchedule

    Returns
    -------
    IalmResult
    """
    n_stack, c = len(mu), factors.H.shape[1]
    n = factors.W.shape[1]
    result = IalmResult(
        np.empty((n_stack, n, c)), np.full(n_stack, schedule.n_steps), np.zeros(n_stack, bool)
    )
    state = _State.begin(factors, mu, schedule.start, schedule.kappas[0])
    last = schedule.n_steps - 1
    for step, kappa in enumerate(schedule.kappas):
        moved = state.advance(kappa)  # largest change of T, kappa * max |P - Q|
        met = moved < schedule.tolerance * kappa
        ended = met | (step == last)
        if ended.any():
            members = state.members[ended]
            result.P[members] = state.scaled_P[ended].transpose(0, 2, 1) / kappa
            result.n_steps[members] = step + 1
            result.converged[members] = met[ended]
            if ended.all():
                break
            state = state.keep(~ended)
        state.scaled_P *= schedule.kappas[step + 1] / kappa
    return result


class _State:
    """The problems still running, every matrix transposed so that rows are long.

    ``clipped`` is -T and ``scaled_P`` is kappa P, both (n_running, c, n).
    """

    def __init__(
        self,
        members: NDArray[np.intp],
        factors: LeastSquaresFactors,
        bound: Array,
        clipped: Array,
        scaled_P: Array,
    ) -> None:
        self.members = members
        self.factors = factors
        self.W_transposed = factors.W.transpose(0, 2, 1)
        self.s = factors.s[:, None, :]
        self.bound = bound
        self.clipped = clipped
        self.scaled_P = scaled_P
        self.v = np.empty_like(scaled_P)
        self.spare = np.empty_like(scaled_P)

    @classmethod
    def begin(cls, factors: LeastSquaresFactors, mu: Array, start: float, kappa: float) -> "_State":
        shape = (len(mu), factors.H.shape[1], factors.W.shape[1])
        bound = np.asarray(mu, dtype=np.float64)[:, None, None]
        clipped, scaled_P = np.full(shape, -start), np.full(shape, kappa * start)
        return cls(np.arange(len(mu)), factors, bound, clipped, scaled_P)

    def keep(self, left: NDArray[np.bool_]) -> "_State":
        shared = len(self.factors.W) == 1
        factors = self.factors if shared else LeastSquaresFactors(*(f[left] for f in self.factors))
        return _State(
            self.members[left], factors, self.bound[left], self.clipped[left], self.scaled_P[left]
        )

    def advance(self, kappa: float) -> Array:
        W, s, H = self.factors.W, self.s, self.factors.H
        v, spare = self.v, self.spare
        # Q: kappa Q - T = kappa P - W (W' (T + kappa P) - kappa H) / (s + kappa / 2)
        np.subtract(self.scaled_P, self.clipped, out=spare)
        weights = spare @ W
        weights -= kappa * H
        weights *= 1.0 / (s + kappa / 2)
        np.matmul(weights, self.W_transposed, out=v)
        np.subtract(self.scaled_P, v, out=v)
        # P: soft(Q - T / kappa, mu / kappa); T: what the clipping leaves.
        np.maximum(v, -self.bound, out=spare)
        np.minimum(spare, self.bound, out=spare)
        np.subtract(v, spare, out=self.scaled_P)
        self.clipped, self.spare = spare, self.clipped
        np.subtract(self.spare, self.clipped, out=self.spare)
        flat = np.abs(self.spare, out=self.spare).reshape(len(v), -1)
        return flat.max(axis=1)
