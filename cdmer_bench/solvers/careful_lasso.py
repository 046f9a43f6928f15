"""One lasso from its design, where the design's square is too badly conditioned to be worked with.

The same active-set method as :mod:`~cdmer_bench.solvers.active_set_lasso`, on the QR decomposition
of the active columns, A_S = QR: errors grow with the condition of A, not with that of A'A. The
residual is never a difference of large numbers: with z = R'^-1 sign it is the sum of what no active
column fits, r0 = y - QQ'y, and of mu/2 Q z.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A column of which less than this lies outside the span of the active ones depends on them.
DEPENDENT = 1e-12
# Relative gap that ends the search.
ENOUGH = 1e-9


class CarefulSolution(NamedTuple):
    """The solution p of a lasso, its objective |y - Ap|^2 + mu |p|_1, and its duality gap."""

    p: Array
    objective: float
    gap: float


class CarefulLasso:
    """The lassos of one design A (m x n), each solved on its own."""

    def __init__(self, design: Array) -> None:
        U, spectrum, _ = np.linalg.svd(design, full_matrices=False)
        # In the space of the columns: what lies outside it is the same for every p.
        self._U = U[:, spectrum > max(design.shape) * np.finfo(float).eps * spectrum[0]]
        self._design = self._U.T @ design
        self._lengths = np.linalg.norm(self._design, axis=0)

    def solve(self, response: Array, mu: float, start: Array) -> CarefulSolution:
        """Minimise |y - Ap|^2 + mu |p|_1 from a point that may be anywhere."""
        design, inside = self._design, self._U.T @ response
        outside = response - self._U @ inside
        p = self._independent(start)
        barred = np.zeros(len(p), bool)
        best = CarefulSolution(p, np.inf, np.inf)
        for _ in range(100 + 20 * len(p)):
            p, rest, fitting = _descend(design, inside, mu, p)
            found = _certify(design, inside, mu, p, rest, fitting)
            if found.gap < best.gap:
                best, barred = found, np.zeros(len(p), bool)
            pull = (rest + fitting) @ design
            gain = np.where((p != 0) | barred, -np.inf, 2 * np.abs(pull) - mu)
            entering = int(gain.argmax())
            if gain[entering] <= 1e-12 * mu or found.gap <= ENOUGH * found.objective:
                break
            barred[entering] = True  # until the gap has fallen: rounding could swap it in and out
            p = _enter(design, p, entering, np.sign(pull[entering]), self._lengths)
        return best._replace(objective=best.objective + float(outside @ outside))

    def _independent(self, start: Array) -> Array:
        """Return a point without the variables whose columns depend on those of larger parts."""
        p = np.zeros(len(start))
        active = np.flatnonzero(start)
        if len(active):
            parts = self._design[:, active] * start[active]
            R, order = scipy.linalg.qr(parts, mode="r", pivoting=True)
            diagonal = np.abs(np.diag(R))
            kept = active[order[: int((diagonal > DEPENDENT * diagonal[0]).sum())]]
            p[kept] = start[kept]
        return p


def _enter(design: Array, p: Array, entering: int, sign: float, lengths: Array) -> Array:
    """Make a variable active; one that depends on the active ones in the place of another."""
    p, active = p.copy(), np.flatnonzero(p)
    Q, R = np.linalg.qr(design[:, active])
    along = Q.T @ design[:, entering]
    outside = design[:, entering] - Q @ along
    p[entering] = sign * np.finfo(float).tiny
    if len(active) == 0 or np.linalg.norm(outside) > DEPENDENT * lengths[entering]:
        return p
    # Along a direction that changes no fit the L1 norm falls until one coefficient is zero.
    change = -sign * scipy.linalg.solve_triangular(R, along)
    steps = np.full(len(active), np.inf)
    np.divide(-p[active], change, out=steps, where=p[active] * change < 0)
    step = steps.min()
    if np.isfinite(step):
        p[active] += step * change
        p[active[steps <= step]] = 0.0
        p[entering] = sign * max(step, np.finfo(float).tiny)
    return p


def _descend(design: Array, response: Array, mu: float, p: Array) -> tuple[Array, Array, Array]:
    """Minimise over the active variables, signs held; also return r0 and mu/2 Q z."""
    p = p.copy()
    while True:
        active = np.flatnonzero(p)
        sign = np.sign(p[active])
        Q, R = np.linalg.qr(design[:, active])
        fitted = Q.T @ response
        try:
            z = scipy.linalg.solve_triangular(R, sign, trans="T")
            goal = scipy.linalg.solve_triangular(R, fitted - mu / 2 * z)
        except scipy.linalg.LinAlgError:
            p[active[np.abs(np.diag(R)).argmin()]] = 0.0
            continue
        blocking = goal * sign <= 0
        if not blocking.any():
            p[active] = goal
            rest = response - Q @ fitted
            if len(active) == len(response):  # which then fit it
                rest[:] = 0.0
            return p, rest, mu / 2 * (Q @ z)
        now = p[active]
        steps = np.where(blocking, now / np.where(blocking, now - goal, 1.0), np.inf)
        step = steps.min()
        p[active] = now + step * (goal - now)
        p[active[steps <= step]] = 0.0


def _certify(
    design: Array, response: Array, mu: float, p: Array, rest: Array, fitting: Array
) -> CarefulSolution:
    """Bound the excess over the optimum by the better of two dual points, with and without r0."""
    actual = response - design @ p
    objective, dual = float(actual @ actual + mu * np.abs(p).sum()), -np.inf
    for half in (rest + fitting, fitting):
        largest = 2 * np.abs(half @ design).max(initial=0.0)
        u = 2 * half * (mu / largest if largest > mu else 1.0)
        dual = max(dual, float(u @ response - u @ u / 4))
    return CarefulSolution(p, objective, objective - dual)
