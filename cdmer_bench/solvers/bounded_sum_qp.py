r"""Convex quadratic programs over a box whose sum is bounded from both sides.

.. math:: \min_g \tfrac12 g'Kg + f'g \quad\text{subject to}\quad
          0 \le g \le \text{cap},\; \text{low} \le 1'g \le \text{high} .

Solved by a primal-dual interior point, which ends near the optimum at a stated tolerance, or by an
active-set method, which goes on from there to the optimum itself.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from cdmer_bench.errors import UserError

Array = NDArray[np.float64]

# Where an entry stands in the active-set method.
LOWER, FREE, CAPPED = 0, 1, 2


@dataclass(frozen=True)
class BoundedSumQP:
    """The program above, with 0 <= low < high and n * cap > (low + high) / 2.

    Where ``cap >= high`` the bound of the sum implies the upper bound, and it is left out.
    """

    K: Array
    f: Array
    low: float
    high: float
    cap: float = np.inf

    def __post_init__(self) -> None:
        """Refuse bounds without a strict interior."""
        if not (0 <= self.low < self.high and len(self.f) * self.cap > (self.low + self.high) / 2):
            raise UserError(
                f"bounds of the sum {self.low} to {self.high} with entries up to {self.cap}: "
                "expected 0 <= low < high and a middle that the entries can reach"
            )

    @property
    def capped(self) -> bool:
        """Whether the upper bound of the entries can be active."""
        return self.cap < self.high

    @property
    def scale(self) -> float:
        """What residuals of the gradient are relative to."""
        return max(1.0, float(np.abs(self.f).max()))

    def objective(self, g: Array) -> float:
        """Return g'Kg / 2 + f'g."""
        return float(0.5 * (g @ self.K @ g) + self.f @ g)

    def slacks(self, g: Array) -> Array:
        """Return g, 1'g - low, high - 1'g and, if it can be active, cap - g in one vector."""
        total = float(g.sum())
        ends = np.array([total - self.low, self.high - total])
        return np.concatenate([g, ends, self.cap - g] if self.capped else [g, ends])

    def slopes(self, step: Array) -> Array:
        """Return the change of the slacks when g changes by ``step``."""
        ends = step.sum() * np.array([1.0, -1.0])
        return np.concatenate([step, ends, -step] if self.capped else [step, ends])

    def pull(self, multipliers: Array) -> Array:
        """Return the transpose of :meth:`slopes` applied to multipliers, shape (n,)."""
        n = len(self.f)
        pulled = multipliers[:n] + (multipliers[n] - multipliers[n + 1])
        return pulled - multipliers[n + 2 :] if self.capped else pulled


class QPSolution(NamedTuple):
    """What a solver found."""

    g: Array  # (n,)
    iterations: int
    converged: bool  # whether the solver reached its tolerance
    multiplier: float  # of the sum: positive where low binds, negative where high does


def solve_interior_point(
    problem: BoundedSumQP, tolerance: float = 1e-8, max_iterations: int = 100
) -> QPSolution:
    """Solve by a predictor-corrector method, from the middle of the bounds.

    S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM J.
    Optimization 2(4), 1992. The loop stops when the duality gap is at most
    tolerance * max(1, |objective|), the dual residual tolerance * max(1, max |f|) and the primal
    one tolerance * high. Entries that are 0 at the optimum are left at about the tolerance, and
    negative ones clipped at 0.
    """
    n, scale = len(problem.f), problem.scale
    g = np.full(n, (problem.low + problem.high) / 2 / n)
    slack = problem.slacks(g)
    multiplier = np.full(len(slack), scale)
    for iteration in range(max_iterations + 1):
        Kg = problem.K @ g
        objective = 0.5 * (g @ Kg) + problem.f @ g
        dual = Kg + problem.f - problem.pull(multiplier)
        primal = problem.slacks(g) - slack
        gap = slack @ multiplier
        converged = bool(
            np.abs(dual).max() <= tolerance * scale
            and np.abs(primal).max() <= tolerance * problem.high
            and gap <= tolerance * max(1.0, abs(objective))
        )
        if converged or iteration == max_iterations:
            break
        with np.errstate(all="ignore"):
            step = _predict_and_correct(problem, slack, multiplier, dual, primal)
        if step is None:
            break
        g, slack, multiplier = g + step[0], slack + step[1], multiplier + step[2]
    return QPSolution(
        np.maximum(g, 0), iteration, converged, float(multiplier[n] - multiplier[n + 1])
    )


def _predict_and_correct(
    problem: BoundedSumQP, slack: Array, multiplier: Array, dual: Array, primal: Array
) -> tuple[Array, Array, Array] | None:
    """Return one step of g, slacks and multipliers; None beyond float64."""
    n = len(problem.f)
    weight = multiplier / slack
    matrix = problem.K + (weight[n] + weight[n + 1])
    matrix.flat[:: n + 1] += weight[:n] + (weight[n + 2 :] if problem.capped else 0)
    factor, failed = lapack.dpotrf(matrix)
    if failed:
        return None

    def newton(aim: Array) -> tuple[Array, Array, Array]:
        # slack * dmultiplier + multiplier * dslack = aim; dslack = J dg + primal
        right = problem.pull((aim - multiplier * primal) / slack) - dual
        dg, _ = lapack.dpotrs(factor, right)
        dslack = problem.slopes(dg) + primal
        return dg, dslack, (aim - multiplier * dslack) / slack

    def longest(dslack: Array, dmultiplier: Array) -> float:
        at, by = np.concatenate([slack, multiplier]), np.concatenate([dslack, dmultiplier])
        falling = by < 0
        return float(np.min(-at[falling] / by[falling], initial=1.0))

    product = slack * multiplier
    mean = product.mean()
    _, dslack, dmultiplier = newton(-product)
    length = longest(dslack, dmultiplier)
    predicted = ((slack + length * dslack) * (multiplier + length * dmultiplier)).mean()
    centre = (predicted / mean) ** 3 * mean
    dg, dslack, dmultiplier = newton(centre - product - dslack * dmultiplier)
    # 0.995 of the way to the boundary is the usual distance to keep.
    length = min(1.0, 0.995 * longest(dslack, dmultiplier))
    step = length * dg, length * dslack, length * dmultiplier
    return step if all(np.isfinite(part).all() for part in step) else None


def solve_active_set(
    problem: BoundedSumQP,
    # Largest violation of a sign, relative to the scale for gradients, to high for entries.
    tolerance: float = 1e-11,
) -> QPSolution:
    """Guess from an interior point what binds, then exchange until the point is optimal.

    Entries that bind are exactly 0 or cap. If the exchanges do not end, ``converged`` is False
    and the solution that of the interior point at 1e-12.
    """
    n, low, high, slack = len(problem.f), problem.low, problem.high, tolerance * problem.high
    start = solve_interior_point(problem, 1e-9)
    state = np.where(start.g > 1e-5 * start.g.max(), FREE, LOWER)
    if problem.capped:
        state[start.g > (1 - 1e-5) * problem.cap] = CAPPED
    bound = next((b for b in (low, high) if abs(start.g.sum() - b) <= 1e-6 * high), None)
    for iteration in range(10 * n + 100):
        try:
            g, multiplier = _stationary_point(problem, state, bound)
        except LinAlgError:
            break
        # One exchange at a time once n rounds have not sufficed: the least index cannot cycle.
        single = iteration >= n
        outside = np.flatnonzero((state == FREE) & ((g < -slack) | (g > problem.cap + slack)))
        if len(outside):  # fix the free entries that left the box
            gone = outside[:1] if single else outside
            state[gone] = np.where(g[gone] < 0, LOWER, CAPPED)
            continue
        gradient = problem.K @ g + problem.f - multiplier
        pull = np.where(state == LOWER, -gradient, np.where(state == CAPPED, gradient, 0.0))
        pulling = np.flatnonzero(pull > tolerance * problem.scale)
        if len(pulling):  # free the one that pulls most
            state[pulling[0] if single else pulling[pull[pulling].argmax()]] = FREE
            continue
        if bound is None:  # which bound of the sum should bind, given the signs
            total = g.sum()
            right = high if total > high + slack else low if total < low - slack else None
        else:
            right = None if (multiplier > 0 if bound == high else multiplier < 0) else bound
        if right == bound:
            g = np.clip(g, 0, problem.cap)
            return QPSolution(g, start.iterations + iteration + 1, True, multiplier)
        bound = right
    return solve_interior_point(problem, 1e-12)._replace(converged=False)


def _stationary_point(
    problem: BoundedSumQP, state: NDArray[np.intp], bound: float | None
) -> tuple[Array, float]:
    """Minimise over the free entries, with the sum at ``bound`` unless that is None."""
    free = np.flatnonzero(state == FREE)
    g = np.where(state == CAPPED, problem.cap if problem.capped else 0.0, 0.0)
    if not len(free):
        return g, 0.0
    factor = cho_factor(problem.K[np.ix_(free, free)])
    x = cho_solve(factor, -(problem.K @ g + problem.f)[free])
    multiplier = 0.0
    if bound is not None:
        direction = cho_solve(factor, np.ones(len(free)))
        multiplier = float((bound - g.sum() - x.sum()) / direction.sum())
        x += multiplier * direction
    g[free] = x
    return g, multiplier
