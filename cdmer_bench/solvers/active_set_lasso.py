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

:func:`nonnegative_lasso` solves a stack of :math:`\min_{w \ge 0} |y - D w|_2^2 + a |w|_1`, whose
penalty may be a fraction of the smallest one that makes w zero (:func:`ratio_penalties`): a ratio
below 1 then never makes it zero, whatever the scale of the data. SLEP (J. Liu, S. Ji and J. Ye,
SLEP: Sparse Learning with Efficient Projections, 2009) calls this ``rFlag = 1``; it minimises half
of the squared norm, so its weight z is a / 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

Array = NDArray[np.float64]


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


class DesignProducts(NamedTuple):
    """What the problem needs of D and y."""

    gram: Array  # (n_stack, k, k), ``D.T @ D``
    correlation: Array  # (n_stack, k), ``D.T @ y``
    energy: float  # ``y @ y``

    @classmethod
    def of(cls, D_transposed: Array, y: Array) -> "DesignProducts":
        """Multiply a stack of transposed designs (n_stack, k, m) with themselves and ``y`` (m)."""
        gram = D_transposed @ D_transposed.transpose(0, 2, 1)
        return cls(gram, (D_transposed @ y[:, None])[:, :, 0], float(y @ y))

    def squared_error(self, w: Array) -> Array:
        """Return ``|y - D w|^2`` for w (n_stack, k), shape (n_stack,)."""
        column = w[:, :, None]
        change = w[:, None, :] @ (self.gram @ column - 2 * self.correlation[:, :, None])
        return self.energy + change[:, 0, 0]


def ratio_penalties(products: DesignProducts, ratio: Array) -> Array:
    """Return the weights a of ``|w|_1`` that are ``ratio`` times those above which w is zero.

    From a ratio (n_stack,) of 1 on, the optimal w is zero.
    """
    return 2.0 * ratio * np.maximum(products.correlation.max(axis=1), 0.0)


def nonnegative_lasso(
    products: DesignProducts, penalty: Array, start: Array | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the optimum w (n_stack, k) of every problem, and which converged.

    ``penalty`` (n_stack,) are the a >= 0; good nonnegative guesses (n_stack, k) save time.
    """
    w = np.empty(products.correlation.shape)
    converged = np.empty(len(w), bool)
    for i, weight in enumerate(penalty):
        found = active_set_lasso(
            products.gram[i],
            products.correlation[i],
            float(weight) / 2,  # of half the squared error
            nonnegative=True,
            start=None if start is None else start[i],
        )
        w[i], converged[i] = found.x, found.converged
    return w, converged
