r"""The lasso and the nonnegative lasso, solved exactly by an active-set method.

.. math:: \min_x \tfrac12 x^T G x - h^T x + z |x|_1
          \qquad (\text{optionally } x \ge 0),

where G is positive semidefinite, such as :math:`D^T D` with :math:`h = D^T y`. The method is
that of Lawson and Hanson for nonnegative least squares (C. L. Lawson and R. J. Hanson, Solving
Least Squares Problems, 1974, chapter 23), carried over to signed variables by splitting each
into its two signs, of which at most one is ever active. Variables enter one at a time where
the objective falls fastest; then the problem is solved on the active ones, with their signs
held, and a variable that would change its sign leaves. The objective falls at every change, so
no set of active variables and signs comes back, and the end is the optimum up to rounding.

:class:`CarefulLasso` does the same where the square G of a design A is too badly conditioned to be
worked with: on the QR decomposition of the active columns, A_S = QR, so that errors grow with the
condition of A, not with that of A'A. The residual is never a difference of large numbers: with
z = R'^-1 sign it is the sum of what no active column fits, r0 = y - QQ'y, and of mu/2 Q z.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

Array = NDArray[np.float64]

# Of :class:`CarefulLasso`: a column of which less than this lies outside the span of the active
# ones depends on them; the relative gap that ends the search.
DEPENDENT, ENOUGH = 1e-12, 1e-9


class LassoResult(NamedTuple):
    """The optimum and how it was reached."""

    x: Array  # (k,)
    n_changes: int  # how often a variable entered the active set
    converged: bool  # False if the limit on changes came before the optimality conditions held


def active_set_lasso(
    gram: Array,  # (k, k), G, symmetric positive semidefinite
    correlation: Array,  # (k,), h
    penalty: float,  # z >= 0
    *,
    nonnegative: bool = False,  # whether x >= 0 is required
    start: Array | None = None,  # (k,), a feasible point; one near the optimum saves changes
    tolerance: float = 1e-12,
) -> LassoResult:
    """Solve one lasso.

    The optimality conditions hold to ``tolerance * max |h|``, or to the rounding of the gradient
    where that is coarser.
    """
    k = len(correlation)
    x = np.zeros(k) if start is None else np.array(start, dtype=np.float64)
    signs = np.sign(x)
    margin = tolerance * max(float(np.abs(correlation).max(initial=0.0)), penalty)
    barred = np.zeros(k, bool)
    limit = 100 + 20 * k
    if signs.any():
        _descend(gram, correlation, penalty, x, signs)
    for n_changes in range(limit):
        gradient = correlation - gram @ x
        gain = gradient if nonnegative else np.abs(gradient)
        gain = np.where((signs != 0) | barred, -np.inf, gain - penalty)
        entering = int(gain.argmax()) if k else 0
        if k == 0 or gain[entering] <= margin:
            return LassoResult(x, n_changes, True)
        signs[entering] = 1.0 if gradient[entering] > 0 else -1.0
        # A gain that rounding alone makes sends the variable straight out again: bar it until
        # the point has moved.
        if _descend(gram, correlation, penalty, x, signs):
            barred[:] = False
        barred[entering] |= signs[entering] == 0
    return LassoResult(x, limit, False)


def _descend(gram: Array, correlation: Array, penalty: float, x: Array, signs: Array) -> bool:
    """Minimise over the active variables, signs held; return whether ``x`` moved.

    Works in place: each pass goes towards the minimum on the active set as far as the signs
    allow, and a variable that reaches zero becomes inactive.
    """
    moved = False
    while True:
        active = np.flatnonzero(signs)
        if not len(active):
            return moved
        theta = signs[active]
        goal = _solve_active(gram, correlation - penalty * signs, active, x)
        now = x[active]
        blocking = goal * theta <= 0
        if not blocking.any():
            x[active] = goal
            return True
        gap = np.where(blocking & (now != goal), now - goal, 1.0)
        steps = np.where(blocking, now / gap, 1.0)
        step = float(steps.min(initial=1.0))
        leaving = blocking & (steps <= step)
        x[active] = now + step * (goal - now)
        x[active[leaving]] = 0.0
        signs[active[leaving]] = 0.0
        moved |= step > 0


def _solve_active(gram: Array, linear: Array, active: NDArray[np.intp], x: Array) -> Array:
    """Return the minimum of the quadratic on the active variables, given their signs."""
    block = gram[active[:, None], active]
    _, goal, info = dposv(block, linear[active])
    return goal if info == 0 else _solve_dependent(block, linear[active], x[active])


def _solve_dependent(block: Array, linear: Array, now: Array) -> Array:
    """Stand in for the minimum where the active columns are linearly dependent.

    Along a direction that leaves the fit unchanged the penalty is linear: if it falls, the goal
    lies beyond the first sign change on that way; if not, it is the nearest of the minima.
    """
    values, vectors = np.linalg.eigh(block)
    null = values <= 1e-13 * max(values[-1], np.finfo(float).tiny)
    residual = linear - block @ now
    components = vectors.T @ residual
    falling = vectors[:, null] @ components[null]
    if np.abs(falling).max() > 1e-10 * np.abs(linear).max():
        distances = np.where(now * falling < 0, -now, 0.0) / np.where(falling == 0, 1.0, falling)
        crossing = distances[now * falling < 0]
        if len(crossing):
            return now + 2.0 * crossing.min() * falling
    return now + vectors[:, ~null] @ (components[~null] / values[~null])


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
        best, lowest = CarefulSolution(p, np.inf, np.inf), np.inf
        for _ in range(100 + 20 * len(p)):
            p, rest, fitting = _descend_carefully(design, inside, mu, p)
            found = _certify(design, inside, mu, p, rest, fitting)
            if found.gap < best.gap or found.objective < lowest * (1 - 1e-13):
                barred = np.zeros(len(p), bool)
            best = found if found.gap < best.gap else best
            lowest = min(lowest, found.objective)
            pull = (rest + fitting) @ design
            gain = np.where((p != 0) | barred, -np.inf, 2 * np.abs(pull) - mu)
            entering = int(gain.argmax())
            if gain[entering] <= 1e-12 * mu or found.gap <= ENOUGH * found.objective:
                break
            # Until objective or gap has fallen: rounding could swap it in and out.
            barred[entering] = True
            p = _enter(design, p, entering, np.sign(pull[entering]), self._lengths)
        return best._replace(objective=best.objective + float(outside @ outside))

    def follow(self, response: Array, mu: float) -> CarefulSolution:
        """Minimise along falling penalties: from far off the search may end above the optimum."""
        found = CarefulSolution(np.zeros(self._design.shape[1]), np.inf, np.inf)
        largest = 2 * np.abs(self._U.T @ response @ self._design).max()
        for weight in np.geomspace(largest, mu, 9)[1:]:
            found = self.solve(response, float(weight), found.p)
        return found

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


def _descend_carefully(
    design: Array, response: Array, mu: float, p: Array
) -> tuple[Array, Array, Array]:
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
