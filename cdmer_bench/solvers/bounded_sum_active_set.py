"""The active-set solver of the quadratic programs with a bounded sum, exact to rounding."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from cdmer_bench.solvers.bounded_sum_qp import BoundedSumQP, QPSolution, solve_interior_point

LOWER, FREE, CAPPED = 0, 1, 2


def solve_active_set(problem: BoundedSumQP, tolerance: float = 1e-11) -> QPSolution:
    """Guess from an interior point what binds, then exchange until the point is optimal.

    Parameters
    ----------
    problem
    tolerance : float
        Largest violation of a sign condition, relative to ``max(1, max |f|)`` for gradients and
        to ``high`` for entries and the sum.

    Returns
    -------
    QPSolution
        Entries that bind are exactly 0 or ``cap``. If the exchanges do not end, ``converged`` is
        False and the solution that of the interior point at 1e-12.
    """
    n = len(problem.f)
    start = solve_interior_point(problem, 1e-9)
    state = np.where(start.g > 1e-5 * start.g.max(), FREE, LOWER)
    if problem.capped:
        state[start.g > (1 - 1e-5) * problem.cap] = CAPPED
    bound = _bound_near(problem, float(start.g.sum()))
    for iteration in range(10 * n + 100):
        try:
            g, multiplier = _stationary_point(problem, state, bound)
        except LinAlgError:
            break
        # One exchange at a time once n rounds have not sufficed: the least index cannot cycle.
        changed = _exchange(problem, state, g, multiplier, tolerance, single=iteration >= n)
        right = _right_bound(problem, bound, g, multiplier, tolerance) if not changed else bound
        if not changed and right == bound:
            g = np.clip(g, 0, problem.cap)
            return QPSolution(g, start.iterations + iteration + 1, True, multiplier)
        bound = right
    return solve_interior_point(problem, 1e-12)._replace(converged=False)


def optimality_residual(problem: BoundedSumQP, g: NDArray[np.float64], multiplier: float) -> float:
    """Return the largest violation of the optimality conditions, relative to max(1, max |f|).

    Parameters
    ----------
    problem
    g : ndarray, shape (n,)
    multiplier : float
        Of the sum, as in :class:`QPSolution`.
    """
    scale = max(1.0, float(np.abs(problem.f).max()))
    gradient = problem.K @ g + problem.f - multiplier
    # Zero at the optimum: each entry moves against its gradient as far as the box lets it.
    moves = np.clip(g - gradient / scale, 0, problem.cap) - g
    total = g.sum()
    outside = max(problem.low - total, total - problem.high, 0.0)
    complementary = max(multiplier, 0) * (total - problem.low) + max(-multiplier, 0) * (
        problem.high - total
    )
    return max(float(np.abs(moves).max()), outside, abs(complementary) / scale)


def _bound_near(problem: BoundedSumQP, total: float) -> float | None:
    """Return the bound of the sum that binds at a point, None if neither."""
    for bound in (problem.low, problem.high):
        if abs(total - bound) <= 1e-6 * problem.high:
            return bound
    return None


def _stationary_point(
    problem: BoundedSumQP, state: NDArray[np.intp], bound: float | None
) -> tuple[NDArray[np.float64], float]:
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


def _exchange(
    problem: BoundedSumQP,
    state: NDArray[np.intp],
    g: NDArray[np.float64],
    multiplier: float,
    tolerance: float,
    single: bool,
) -> bool:
    """Fix the free entries that left the box, else free the one that pulls most; in place."""
    slack = tolerance * problem.high
    outside = np.flatnonzero((state == FREE) & ((g < -slack) | (g > problem.cap + slack)))
    if len(outside):
        gone = outside[:1] if single else outside
        state[gone] = np.where(g[gone] < 0, LOWER, CAPPED)
        return True
    gradient = problem.K @ g + problem.f - multiplier
    pull = np.where(state == LOWER, -gradient, np.where(state == CAPPED, gradient, 0.0))
    pulling = np.flatnonzero(pull > tolerance * max(1.0, float(np.abs(problem.f).max())))
    if len(pulling):
        state[pulling[0] if single else pulling[pull[pulling].argmax()]] = FREE
        return True
    return False


def _right_bound(
    problem: BoundedSumQP,
    bound: float | None,
    g: NDArray[np.float64],
    multiplier: float,
    tolerance: float,
) -> float | None:
    """Return the bound of the sum that should bind, given the signs at a stationary point."""
    if bound is None:
        total, slack = g.sum(), tolerance * problem.high
        if total > problem.high + slack:
            return problem.high
        return problem.low if total < problem.low - slack else None
    wrong = multiplier > 0 if bound == problem.high else multiplier < 0
    return None if wrong else bound
