r"""The inexact augmented Lagrangian method (IALM), by which the authors solve sparse least squares.

The problem is, for C of size n x m and Y of size c x m,

.. math:: \min_P |Y - P^T C|_F^2 + \mu |P|_1, \qquad P \in R^{n \times c},

and the result is *not* its optimum but the point where the schedule of penalties
(:class:`PenaltySchedule`) stops, which depends on the schedule;
:func:`~cdmer_bench.solvers.active_set_lasso.active_set_lasso` gives the optimum.
:func:`ialm_as_written` is the loop of the paper's Algorithm 1, :func:`ialm` the same for a stack of
problems with few columns c, such as the labels of DRLS and RSTR, and
:class:`~cdmer_bench.solvers.response_ialm.ResponseIALM` the same for many columns, such as the
features of TSRG and DRFS-T.

What makes a step of :func:`ialm` cheap. The step over Q solves with :math:`CC^T + \kappa/2\, I` for
another :math:`\kappa` each time. With :math:`C^T C = V \mathrm{diag}(s) V^T` and :math:`W = CV`,

.. math:: (CC^T + \tfrac\kappa2 I)^{-1} = \tfrac2\kappa
          \bigl(I - W \mathrm{diag}\bigl(\tfrac{1}{s + \kappa/2}\bigr) W^T\bigr),

so one decomposition of the small matrix (m x m) serves all steps, and a step costs two
products with the n x m matrix W. In terms of :math:`v = \kappa Q - T` the step over P and the
multipliers are one clipping: the new T is :math:`-\mathrm{clip}(v, -\mu, \mu)` and the new
:math:`\kappa P` is what the clipping cut off.

Comments number the steps as :class:`PenaltySchedule` does.

Every problem of a stack is multiplied on its own, with shapes that its neighbours do not
change, so that its result is the same to the last bit in any stack.

Where numba is there, :func:`ialm` runs a compiled loop, one problem after the other. It carries
z = W'(T + kappa P) from step to step instead of multiplying it out: as v = kappa P - W e, with e
the weights of a step, and W'W = diag(s), the next z is s e + W'(change of P), and most entries of P
are zero. While P is zero nothing of size n is formed. The results differ from those of NumPy's
loop by rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import compiled_available, kernel
from cdmer_bench.errors import UserError

Array = NDArray[np.float64]


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

    Parameters
    ----------
    kappa0 : float
        The first penalty, > 0.
    rho : float
        Growth of the penalty at each step, > 1.
    kappa_max : float
        Largest penalty, at least ``kappa0``.
    tolerance : float
        Largest ``|P - Q|`` of any entry at which the loop stops, > 0.
    start : float
        Initial value of every entry of P and T.
    n_extra : int
        Steps allowed after the penalty has reached ``kappa_max``.
    """

    kappa0: float = 1e-3
    rho: float = 1.1
    kappa_max: float = 1e15
    tolerance: float = 1e-8
    start: float = 1.0
    n_extra: int = 100

    def __post_init__(self) -> None:
        """Refuse constants with which the loop cannot end.

        Raises
        ------
        UserError
            If a constant is outside its range.
        """
        if not (self.kappa0 > 0 and self.rho > 1 and self.kappa_max >= self.kappa0):
            raise UserError(
                f"penalty schedule kappa0={self.kappa0}, rho={self.rho}, "
                f"kappa_max={self.kappa_max}: kappa0 must be positive, rho above 1 and "
                "kappa_max at least kappa0"
            )
        if not self.tolerance > 0 or self.n_extra < 0:
            raise UserError(
                f"penalty schedule tolerance={self.tolerance}, n_extra={self.n_extra}: the "
                "tolerance must be positive and n_extra not negative"
            )

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


def ialm_as_written(
    C: Array, Y: Array, mu: float, schedule: PenaltySchedule
) -> tuple[Array, int, bool]:
    """Follow the paper's Algorithm 1 for one problem, with one linear system a step.

    Parameters
    ----------
    C, Y
        Shapes (n, m) and (c, m).
    mu : float
    schedule : PenaltySchedule

    Returns
    -------
    P : ndarray, shape (n, c)
    n_steps : int
    converged : bool
    """
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
    n_stack, n, c = len(mu), factors.W.shape[1], factors.H.shape[1]
    result = IalmResult(
        np.empty((n_stack, n, c)), np.empty(n_stack, np.intp), np.empty(n_stack, bool)
    )
    if compiled_available():
        _run_compiled(factors, np.asarray(mu, dtype=np.float64), schedule, result)
        return result
    running = _skip_steps_with_zero_P(factors, np.asarray(mu, dtype=np.float64), schedule)
    kappas = schedule.kappas
    while len(running.members):
        kappa = kappas[running.step]
        moved = _advance(running, kappa[:, None, None])
        # 3. The check.
        met = moved < schedule.tolerance * kappa
        ended = met | (running.step == schedule.n_steps - 1)
        if ended.any():
            members = running.members[ended]
            P = running.scaled_P[ended] / kappa[ended, None, None]
            result.P[members] = P.transpose(0, 2, 1)
            result.n_steps[members] = running.step[ended] + 1
            result.converged[members] = met[ended]
            running, kappa = running.keep(~ended), kappa[~ended]
        # 5. The next kappa.
        running.step += 1
        running.scaled_P *= (kappas[running.step] / kappa)[:, None, None]
    return result


@dataclass
class _Running:
    """The problems that have not stopped; matrices are transposed, so that their rows are long.

    Attributes
    ----------
    members : ndarray of int, shape (n_running,)
        Their places in the stack.
    step : ndarray of int, shape (n_running,)
        The step that comes next, from 0.
    bound : ndarray, shape (n_running, 1, 1)
        mu.
    clipped, scaled_P : ndarray, shape (n_running, c, n)
        -T and kappa P, with the kappa of the step that comes next.
    """

    factors: LeastSquaresFactors
    members: NDArray[np.intp]
    step: NDArray[np.intp]
    bound: Array
    clipped: Array
    scaled_P: Array

    def keep(self, left: NDArray[np.bool_]) -> "_Running":
        """Return the problems that go on."""
        shared = len(self.factors.W) == 1
        factors = self.factors if shared else LeastSquaresFactors(*(f[left] for f in self.factors))
        return _Running(
            factors,
            self.members[left],
            self.step[left],
            self.bound[left],
            self.clipped[left],
            self.scaled_P[left],
        )


def _advance(running: _Running, kappa: Array) -> Array:
    """Take one step; return by how much T changed at most, kappa * max |P - Q|."""
    W, s, H = running.factors
    # 1. Q: v = kappa Q - T = kappa P - W (W' (T + kappa P) - kappa H') / (s + kappa / 2)
    weights = (running.scaled_P - running.clipped) @ W
    weights -= kappa * H
    weights *= 1.0 / (s[:, None, :] + kappa / 2)
    v = weights @ W.transpose(0, 2, 1)
    np.subtract(running.scaled_P, v, out=v)
    # 2. P: kappa P = kappa soft(Q - T / kappa, mu / kappa) is what the clipping cuts off;
    # 4. T: T + kappa (P - Q) is minus what it leaves.
    clipped = np.maximum(v, -running.bound)
    np.minimum(clipped, running.bound, out=clipped)
    running.scaled_P = np.subtract(v, clipped, out=v)
    moved = np.subtract(running.clipped, clipped, out=running.clipped)
    running.clipped = clipped
    return np.abs(moved, out=moved).reshape(len(moved), -1).max(axis=1)


# Steps tried at once while P is zero.
_BLOCK = 8


def _skip_steps_with_zero_P(
    factors: LeastSquaresFactors, mu: Array, schedule: PenaltySchedule
) -> _Running:
    """Take the first steps in which the clipping cuts nothing off and P stays zero.

    Such a step is diagonal in the coordinates of W: its weights e make v = -W e, then
    W' T = W'W e = s e. Several steps are taken in these coordinates and multiplied out at once,
    to see where an entry exceeds mu. From there on all is calculated in full, and likewise from
    where T moves so little that the schedule might stop.
    """
    W, last = factors.W, schedule.n_steps - 1
    n_stack, c, n = len(mu), factors.H.shape[1], W.shape[1]
    step = np.full(n_stack, last)
    clipped = np.full((n_stack, c, n), -schedule.start)
    waiting = np.arange(n_stack)
    before = np.full((len(W), c, n), -schedule.start)
    steps = _zero_steps(factors, schedule)
    for first in range(0, last, _BLOCK):
        block = list(islice(steps, _BLOCK))
        weights = np.stack([step_weights for step_weights, _ in block], axis=1)
        v = -(weights.reshape(len(W), -1, W.shape[2]) @ W.transpose(0, 2, 1))
        v = v.reshape(len(W), -1, c, n)
        if first == 0:
            v[:, 0] += schedule.kappas[0] * schedule.start
        leaves = np.maximum(v.max(axis=(2, 3)), -v.min(axis=(2, 3))) > mu[:, None]
        leaves |= np.stack([still for _, still in block], axis=1)
        for i in waiting:
            own = i if len(W) > 1 else 0
            taken = int(leaves[i].argmax()) if leaves[i].any() else v.shape[1]
            step[i] = first + taken
            clipped[i] = v[own, taken - 1] if taken else before[own]
        waiting = waiting[~leaves[waiting].any(axis=1)]
        if not len(waiting):
            break
        before = v[:, -1]
    scaled_P = np.where(step == 0, schedule.kappas[0] * schedule.start, 0.0)
    scaled_P = np.broadcast_to(scaled_P[:, None, None], clipped.shape).copy()
    return _Running(factors, np.arange(n_stack), step, mu[:, None, None], clipped, scaled_P)


def _zero_steps(
    factors: LeastSquaresFactors, schedule: PenaltySchedule
) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
    """Yield the weights of every step but the last while P is zero, and where T hardly moves.

    The move of T in the span of W has the squared norm (W' move)^2 / s, summed: the largest
    entry can only be below the tolerance where this norm is below the tolerance times the root
    of the number of entries.
    """
    W, s, H = factors.W, factors.s[:, None, :], factors.H
    kappas = schedule.kappas
    sums = np.broadcast_to(schedule.start * W.sum(axis=1)[:, None, :], H.shape)
    seen = (1.0 + kappas[0]) * sums  # W' (T + kappa P)
    size = np.sqrt(W.shape[1] * H.shape[1])
    for j, kappa in enumerate(kappas[:-1]):
        previous = sums if j == 0 else seen  # W' T
        weights = (seen - kappa * H) / (s + kappa / 2)
        seen = s * weights
        if j == 0:
            seen = seen - kappas[0] * sums
        moved = np.square((seen - previous) / np.sqrt(np.where(s > 0, s, np.inf))).sum(axis=(1, 2))
        yield weights, np.sqrt(moved) < schedule.tolerance * kappa * size


def _run_compiled(
    factors: LeastSquaresFactors, mu: Array, schedule: PenaltySchedule, result: IalmResult
) -> None:
    """Run the compiled loop on every problem."""
    W = np.ascontiguousarray(factors.W)
    Wt = np.ascontiguousarray(factors.W.transpose(0, 2, 1))
    for i, bound in enumerate(mu):
        own = i if len(W) > 1 else 0
        P, result.n_steps[i], result.converged[i] = _loop(
            W[own],
            Wt[own],
            factors.s[own],
            np.ascontiguousarray(factors.H[own]),
            bound,
            schedule.kappas,
            schedule.tolerance,
            schedule.start,
        )
        result.P[i] = P.T


@kernel
def _loop(
    W: Array,  # (n, m)
    Wt: Array,  # (m, n)
    s: Array,  # (m,)
    H: Array,  # (c, m)
    mu: float,
    kappas: Array,
    tolerance: float,
    start: float,
) -> tuple[Array, int, bool]:
    """Run the schedule on one problem; return P (c x n), the steps and whether it converged."""
    (n, m), c = W.shape, len(H)
    P, clipped = np.full((c, n), kappas[0] * start), np.full((c, n), -start)  # kappa P and -T
    v, z, e, before = np.empty(n), np.zeros((c, m)), np.empty((c, m)), np.empty((c, m))
    _add_rows(z, W, P - clipped)
    reach = np.sqrt((W * W).sum(axis=1).max())  # |W e| is at most this times |e|
    idle = False  # P is zero, and clipped stands for -W before
    for step in range(len(kappas)):
        kappa = kappas[step]
        for k in range(c):
            for j in range(m):
                e[k, j] = (z[k, j] - kappa * H[k, j]) / (s[j] + kappa / 2)
        if idle:
            move, largest = 0.0, 0.0  # of T, squared, and of e
            for k in range(c):
                size = 0.0
                for j in range(m):
                    size += e[k, j] * e[k, j]
                    move += s[j] * (e[k, j] - before[k, j]) ** 2
                largest = max(largest, size)
            still = move < (tolerance * kappa) ** 2 * n * c
            if reach * np.sqrt(largest) <= mu and not still and step < len(kappas) - 1:
                z[:] = s * e
                before[:] = e
                continue
            for k in range(c):
                clipped[k] = 0.0
                _subtract_product(clipped[k], Wt, before[k])
            idle = False
        moved, nonzero = 0.0, 0
        ratio = kappas[min(step + 1, len(kappas) - 1)] / kappa
        z[:] = s * e
        for k in range(c):
            v[:] = P[k]
            _subtract_product(v, Wt, e[k])  # 1. Q: v = kappa Q - T
            for i in range(n):
                inside = min(max(v[i], -mu), mu)
                moved = max(moved, abs(inside - clipped[k, i]))
                clipped[k, i] = inside  # 4. T
                cut = v[i] - inside  # 2. P
                change = (1.0 + ratio) * cut - P[k, i]
                P[k, i] = cut
                if cut != 0.0:
                    nonzero += 1
                if change != 0.0:
                    for j in range(m):
                        z[k, j] += change * W[i, j]
        if moved < tolerance * kappa or step == len(kappas) - 1:  # 3. The check.
            return P / kappa, step + 1, moved < tolerance * kappa
        P *= ratio  # 5. The next kappa.
        idle = nonzero == 0 and reach > 0
        before[:] = e
    return P, 0, False


@kernel
def _add_rows(total: Array, W: Array, factors: Array) -> None:
    """Add factors (c x n) times W (n x m) to the total (c x m)."""
    for k in range(len(factors)):
        for i in range(len(W)):
            for j in range(W.shape[1]):
                total[k, j] += factors[k, i] * W[i, j]


@kernel
def _subtract_product(v: Array, Wt: Array, e: Array) -> None:
    """Subtract W e from v, four columns of W at a time."""
    m = len(Wt)
    for j in range(0, m - 3, 4):
        a, b, c, d = e[j], e[j + 1], e[j + 2], e[j + 3]
        for i in range(len(v)):
            v[i] -= (a * Wt[j, i] + b * Wt[j + 1, i]) + (c * Wt[j + 2, i] + d * Wt[j + 3, i])
    for j in range(m - m % 4, m):
        for i in range(len(v)):
            v[i] -= e[j] * Wt[j, i]
