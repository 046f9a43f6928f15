r"""Convex quadratic programs over a box whose sum is bounded from both sides.

.. math:: \min_g \tfrac12 g'Kg + f'g \quad\text{subject to}\quad
          0 \le g \le \text{cap},\; \text{low} \le 1'g \le \text{high} .

Solved by a primal-dual interior point, which ends near the optimum at a stated tolerance;
:mod:`~cdmer_bench.solvers.bounded_sum_active_set` goes on to the optimum itself.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from cdmer_bench.errors import UserError


@dataclass(frozen=True)
class BoundedSumQP:
    """The program above.

    Parameters
    ----------
    K : ndarray, shape (n, n)
        Symmetric positive definite.
    f : ndarray, shape (n,)
    low, high : float
        Bounds of the sum, 0 <= low < high.
    cap : float
        Upper bound of every entry, with ``n * cap > (low + high) / 2``. Where ``cap >= high``
        the bound of the sum implies it, and it is left out.

    Raises
    ------
    UserError
        If no point lies strictly between the bounds.
    """

    K: NDArray[np.float64]
    f: NDArray[np.float64]
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

    def objective(self, g: NDArray[np.float64]) -> float:
        """Return g'Kg / 2 + f'g."""
        return float(0.5 * (g @ self.K @ g) + self.f @ g)

    def slacks(self, g: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return g, 1'g - low, high - 1'g and, if it can be active, cap - g in one vector."""
        total = float(g.sum())
        ends = np.array([total - self.low, self.high - total])
        return np.concatenate([g, ends, self.cap - g] if self.capped else [g, ends])

    def slopes(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change of the slacks when g changes by ``step``."""
        ends = step.sum() * np.array([1.0, -1.0])
        return np.concatenate([step, ends, -step] if self.capped else [step, ends])

    def pull(self, multipliers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the transpose of :meth:`slopes` applied to multipliers, shape (n,)."""
        n = len(self.f)
        pulled = multipliers[:n] + (multipliers[n] - multipliers[n + 1])
        return pulled - multipliers[n + 2 :] if self.capped else pulled


class QPSolution(NamedTuple):
    """What a solver found.

    Attributes
    ----------
    g : ndarray, shape (n,)
    iterations : int
    converged : bool
        Whether the solver reached its tolerance.
    multiplier : float
        The multiplier of the sum: positive where ``low`` binds, negative where ``high`` does.
    """

    g: NDArray[np.float64]
    iterations: int
    converged: bool
    multiplier: float


def solve_interior_point(
    problem: BoundedSumQP, tolerance: float = 1e-8, max_iterations: int = 100
) -> QPSolution:
    """Solve by Mehrotra's predictor-corrector method, from the middle of the bounds.

    Parameters
    ----------
    problem
    tolerance : float
        The loop stops when the duality gap is at most ``tolerance * max(1, |objective|)``, the
        dual residual ``tolerance * max(1, max |f|)`` and the primal one ``tolerance * high``.
        Entries that are 0 at the optimum are left at about the tolerance, and negative ones
        clipped at 0.
    max_iterations : int

    Returns
    -------
    QPSolution
        ``converged`` is False at the iteration limit and where numbers leave float64.

    References
    ----------
    S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM J.
    Optimization 2(4), 1992.
    """
    n, scale = len(problem.f), max(1.0, float(np.abs(problem.f).max()))
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
    problem: BoundedSumQP,
    slack: NDArray[np.float64],
    multiplier: NDArray[np.float64],
    dual: NDArray[np.float64],
    primal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Return one step of g, slacks and multipliers; None beyond float64."""
    n = len(problem.f)
    weight = multiplier / slack
    matrix = problem.K + (weight[n] + weight[n + 1])
    matrix.flat[:: n + 1] += weight[:n] + (weight[n + 2 :] if problem.capped else 0)
    factor, failed = lapack.dpotrf(matrix)
    if failed:
        return None

    def newton(aim: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
        # slack * dmultiplier + multiplier * dslack = aim; dslack = J dg + primal
        right = problem.pull((aim - multiplier * primal) / slack) - dual
        dg, _ = lapack.dpotrs(factor, right)
        dslack = problem.slopes(dg) + primal
        return dg, dslack, (aim - multiplier * dslack) / slack

    def longest(dslack: NDArray[np.float64], dmultiplier: NDArray[np.float64]) -> float:
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
