"""Exact lasso solutions of many responses that share one design, along the whole path of mu.

The solution p(mu) is piecewise linear in mu, so the homotopy of Osborne, Presnell and Turlach
(2000; the lasso form of LARS, Efron et al. 2004) gives *every* mu for the cost of its breakpoints,
and exactly. A path's next breakpoint is where an inactive variable's correlation reaches the bound
mu, or where an active coefficient shrinks to zero. Here all responses of a block walk their own
paths side by side: a step takes each one to its next breakpoint, by products with the Gram matrix
for the whole block and a rank-one update of each response's inverse.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dger

from cdmer_bench.errors import UserError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# A variable whose squared distance from the span of the active ones is below this fraction of its
# squared norm counts as dependent on them: rounding of the inverse would decide its coefficient.
DEPENDENT = 1e-10
# A correlation that nears its bound more slowly than this, relative to the bound, never meets it.
NEVER = 1e-10
# Breakpoints allowed for each variable; general position needs one or two.
BREAKPOINTS_A_VARIABLE = 20


class PathBlock(NamedTuple):
    """Solutions of a block of responses."""

    rows: Indices  # (n_block,), which responses these are
    coefficients: Array  # (n_penalties, n_block, n_variables), in the order of the penalties given
    breakpoints: Indices  # (n_block,), steps walked


def lasso_paths(
    gram: Array,  # (n, n), G, symmetric positive semidefinite
    correlations: Array,  # (n_responses, n), the vectors b as rows
    penalties: Sequence[float],  # the values of mu, > 0, in any order
    *,
    block: int = 64,  # responses that walk together
) -> Iterator[PathBlock]:
    r"""Minimise :math:`p'Gp - 2 b'p + \mu |p|_1` for each response b and each penalty mu.

    With G = A'A and b = A'y this is the lasso :math:`|y - Ap|^2 + \mu |p|_1` up to a constant.
    Blocks cover every response once; those with similar path lengths come together. A walk may
    lose its way by rounding where the Gram matrix of independent variables has a condition above
    about 1e11, and one that is not over after many breakpoints ends where it is; the gap of
    :func:`certify` tells.
    """
    mus = np.asarray(penalties, float)
    if not (mus > 0).all():
        raise UserError(f"the L1 penalties hold {mus.min():g}; every value must be above 0")
    order = np.argsort(-mus, kind="stable")
    rank = matrix_rank(gram)
    # Responses that enter their path at about the same mu finish it at about the same step.
    entry = np.argsort(-np.abs(correlations).max(1), kind="stable")
    for first in range(0, len(entry), block):
        rows = entry[first : first + block]
        walk = LassoWalk(gram, correlations[rows], mus[order], rank)
        walk.run()
        coefficients = np.empty_like(walk.recorded)
        coefficients[order] = walk.recorded
        yield PathBlock(rows, coefficients, walk.breakpoints)


def matrix_rank(gram: Array) -> int:
    """Return the rank of a positive semidefinite matrix, up to rounding."""
    eigenvalues = np.linalg.eigvalsh(gram)
    return int((eigenvalues > eigenvalues[-1] * len(gram) * np.finfo(float).eps).sum())


class Certificate(NamedTuple):
    """Values for each response."""

    objective: Array  # (n_responses,), |y - A p|^2 + mu |p|_1
    gap: Array  # (n_responses,), bound of its excess over the optimum, >= 0 up to rounding


def certify(
    design: Array,  # (m, n), A
    responses: Array,  # (n_responses, m), the vectors y as rows
    coefficients: Array,  # (n_responses, n), the vectors p as rows
    mu: float,  # >= 0
) -> Certificate:
    r"""Bound the excess of :math:`|y - Ap|^2 + \mu |p|_1` over its minimum.

    The dual is to maximise :math:`u'y - |u|^2/4` over :math:`|A'u|_\infty \le \mu`; the residual
    r = y - Ap, scaled to be feasible, u = 2 r min(1, mu / max |2 A'r|), gives the bound.
    """
    residual = responses - coefficients @ design.T
    largest = np.abs(2 * residual @ design).max(1)
    shrink = np.ones(len(largest))
    np.divide(mu, largest, out=shrink, where=largest > mu)
    objective = (residual**2).sum(1) + mu * np.abs(coefficients).sum(1)
    feasible = 2 * residual * shrink[:, None]
    dual = (feasible * responses).sum(1) - (feasible**2).sum(1) / 4
    return Certificate(objective, objective - dual)


class LassoWalk:
    """The state of a block of paths; sizes: b responses, n variables, k slots for active ones.

    A slot holds one active variable. Free slots have variable number n, sign 0, and zero rows and
    columns in the inverse, so that all responses are updated alike whatever their active sets.
    """

    def __init__(
        self,
        gram: Array,
        correlations: Array,
        mus: Array,
        rank: int,
    ) -> None:
        b, n = correlations.shape
        self.n, self.mus, self.rank = n, mus, rank
        self.padded = np.zeros((n + 1, n + 1))  # variable n is the one that free slots hold
        self.padded[:n, :n] = gram
        self.gram = self.padded[:n, :n].copy()
        self.recorded = np.zeros((len(mus), b, n))
        self.breakpoints = np.zeros(b, np.intp)
        self.row = np.arange(b)
        self.start = 2 * correlations
        self.mu = np.abs(self.start).max(1)  # p = 0 is the solution down to here
        self.reached = np.zeros(b, np.intp)  # how many of mus are recorded
        k = min(8, n + 1)
        self.variable = np.full((b, k), n, np.intp)
        self.sign = np.zeros((b, k))
        self.value = np.zeros((b, k))  # p on the slots
        self.slope = np.zeros((b, k))  # -dp/dmu on the slots
        self.inverse = np.zeros((b, k, k))  # of G on the active variables
        self.closed = np.zeros((b, n), bool)  # variables that cannot join: active or dependent
        self.left = np.full(b, -1, np.intp)  # variable that left in the last step, and its sign
        self.left_sign = np.zeros(b)

    def run(self) -> None:
        """Walk every path down to the smallest penalty."""
        for _ in range(BREAKPOINTS_A_VARIABLE * (self.n + 1)):
            self._step()
            walking = self.reached < len(self.mus)
            if not walking.any():
                return
            if walking.mean() < 0.75:
                self._keep(walking)
        self._record(np.full(len(self.mu), -np.inf))

    def _step(self) -> None:
        """Take every path to its next breakpoint, and change its active set there."""
        correlation, rate = self._corrected()
        joining, join_sign, to_join = self._next_to_join(correlation, rate)
        leaving, to_leave = self._next_to_leave()
        distance = np.minimum(np.minimum(to_join, to_leave), self.mu)
        joins = (to_join <= to_leave) & (to_join < self.mu)
        leaves = np.flatnonzero((to_leave < to_join) & (to_leave < self.mu))
        end = self.mu - distance
        self._record(end)
        self.value += distance[:, None] * self.slope
        self.mu = end
        self.breakpoints[self.row] += 1
        self.left[distance > 0] = -1
        joining = np.where(joins, joining, self.n)
        self._change_active_sets(joining, join_sign, leaves, leaving[leaves])

    def _corrected(self) -> tuple[Array, Array]:
        """Return c = 2 (b - G p) and dc/dmu, once rounding errors are taken out of p and dp/dmu.

        On the active variables c = mu * sign and dc/dmu = sign; what is left over is corrected by
        the inverse, without which the errors would grow with G's condition at each breakpoint.
        """
        b = len(self.mu)
        moved = self._dense(np.concatenate([self.slope, self.value])) @ self.gram
        residual = np.stack(
            [
                self.sign - 2 * self._slots(moved[:b]),
                self._slots(self.start - 2 * moved[b:]) - self.mu[:, None] * self.sign,
            ],
            axis=2,
        )
        residual[self.variable == self.n] = 0
        correction = self.inverse @ residual / 2
        self.slope += correction[:, :, 0]
        self.value += correction[:, :, 1]
        moved += self._dense(np.concatenate([correction[:, :, 0], correction[:, :, 1]])) @ self.gram
        return self.start - 2 * moved[b:], 2 * moved[:b]

    def _next_to_join(self, correlation: Array, rate: Array) -> tuple[Indices, Array, Array]:
        """Find where the first inactive variable's correlation meets mu or -mu."""
        rows = np.arange(len(self.mu))
        mu = self.mu[:, None]
        # c - d * rate = +-(mu - d); one that falls faster than the bound never meets it.
        above, below = np.full_like(rate, np.inf), np.full_like(rate, np.inf)
        for bound, sign in ((above, 1), (below, -1)):
            approach = 1 - sign * rate
            room = np.maximum(mu - sign * correlation, 0)
            np.divide(room, approach, out=bound, where=approach > NEVER)
        # A variable that has just left still lies on its bound, and moves away from it.
        for bound, sign in ((above, 1), (below, -1)):
            on_it = np.flatnonzero((self.left >= 0) & (self.left_sign == sign))
            bound[on_it, self.left[on_it]] = np.inf
        nearest = np.minimum(above, below)
        nearest[self.closed] = np.inf
        joining = nearest.argmin(1)
        to_join = nearest[rows, joining]
        # With as many active variables as the rank, all correlations shrink in proportion to mu.
        to_join[(self.variable < self.n).sum(1) >= self.rank] = np.inf
        join_sign = np.where(above[rows, joining] <= below[rows, joining], 1.0, -1.0)
        return joining, join_sign, to_join

    def _next_to_leave(self) -> tuple[Indices, Array]:
        """Find where the first active coefficient shrinks to zero."""
        towards = -self.slope * self.sign
        distance = np.full(towards.shape, np.inf)
        left_over = np.maximum(self.value * self.sign, 0)
        with np.errstate(over="ignore"):
            np.divide(left_over, towards, out=distance, where=towards > 0)
        leaving = distance.argmin(1)
        return leaving, distance[np.arange(len(distance)), leaving]

    def _record(self, end: Array) -> None:
        """Keep the solutions at the penalties between the current mu and ``end``."""
        last = len(self.mus) - 1
        while True:
            here = self.mus[np.minimum(self.reached, last)]
            hit = np.flatnonzero((self.reached <= last) & (here >= end))
            if len(hit) == 0:
                return
            # At or above the start of the path the solution is still zero.
            distance = np.maximum(self.mu[hit] - here[hit], 0)[:, None]
            if not np.isfinite(end[hit]).all():
                distance[:] = 0.0
            solution = self._dense(self.value[hit] + distance * self.slope[hit], hit)
            self.recorded[self.reached[hit], self.row[hit]] = solution
            self.reached[hit] += 1

    def _change_active_sets(
        self, joining: Indices, join_sign: Array, leaves: Indices, gone: Indices
    ) -> None:
        """Let a variable join or leave in each path, by a rank-one change of the inverse.

        ``joining`` has the variable of each path, or n; the paths ``leaves`` lose that of a slot.
        """
        factor, joins = np.zeros(len(self.mu)), np.flatnonzero(joining < self.n)
        crossed = self.padded[joining[:, None], self.variable]
        projection = np.matmul(self.inverse, crossed[:, :, None])[:, :, 0]
        own = self.padded[joining[joins], joining[joins]]
        # |a_j - A_active u|^2 for u as it is: a small number left by a large cancellation, which
        # the bare own - g'u would drown in the error of u.
        missed = crossed - self._slots(self._dense(projection) @ self.gram)
        missed[self.variable == self.n] = 0
        apart = own - np.einsum("bk,bk->b", (crossed + missed)[joins], projection[joins])
        change = projection + np.matmul(self.inverse, missed[:, :, None])[:, :, 0]
        free = apart > DEPENDENT * own
        self.closed[joins, joining[joins]] = True  # active, or dependent on the active ones
        joins = joins[free]
        self._make_room(joins)
        if change.shape[1] < self.variable.shape[1]:
            change = np.pad(change, ((0, 0), (0, self.variable.shape[1] - change.shape[1])))
        slot = (self.variable[joins] == self.n).argmax(1)
        change[joins, slot] = -1.0
        factor[joins] = 1 / apart[free]
        self.variable[joins, slot] = joining[joins]
        self.sign[joins, slot] = join_sign[joins]
        self.value[joins, slot] = 0.0

        change[leaves] = self.inverse[leaves, :, gone]
        factor[leaves] = -1 / self.inverse[leaves, gone, gone]

        scaled = factor[:, None] * change
        self.slope += scaled * (np.einsum("bk,bk->b", change, self.sign) / 2)[:, None]
        # What rounding left of the coefficient that leaves goes to those that stay.
        self.value[leaves] += scaled[leaves] * self.value[leaves, gone][:, None]
        for path in np.flatnonzero(factor):
            # In place and without a copy: the update of the inverses is most of the walk's time.
            dger(factor[path], change[path], change[path], a=self.inverse[path].T, overwrite_a=1)
        # Free the slots of variables that left.
        self.left[leaves] = self.variable[leaves, gone]
        self.left_sign[leaves] = self.sign[leaves, gone]
        self.inverse[leaves, gone, :] = 0
        self.inverse[leaves, :, gone] = 0
        for state in (self.slope, self.sign, self.value):
            state[leaves, gone] = 0
        self.variable[leaves, gone] = self.n
        # What depended on the active set may not depend on the smaller one.
        active = np.zeros((len(leaves), self.n + 1), bool)
        np.put_along_axis(active, self.variable[leaves], True, axis=1)
        self.closed[leaves] = active[:, : self.n]

    def _make_room(self, joins: Indices) -> None:
        """Add slots if one of the paths ``joins`` has no free one."""
        b, k = self.variable.shape
        if not (self.variable[joins] < self.n).all(1).any():
            return
        more = min(max(8, k // 3), self.n + 1 - k)
        self.variable = np.pad(self.variable, ((0, 0), (0, more)), constant_values=self.n)
        self.sign, self.value, self.slope = (
            np.pad(state, ((0, 0), (0, more))) for state in (self.sign, self.value, self.slope)
        )
        inverse = np.zeros((b, k + more, k + more))
        inverse[:, :k, :k] = self.inverse
        self.inverse = inverse

    def _dense(self, slots: Array, rows: Indices | None = None) -> Array:
        """Spread values on the slots over all variables; stacked blocks share the slots."""
        variable = self.variable if rows is None else self.variable[rows]
        dense = np.zeros((len(slots), self.n + 1))
        variable = np.tile(variable, (len(slots) // max(len(variable), 1), 1))
        np.put_along_axis(dense, variable, slots, axis=1)
        return dense[:, : self.n]

    def _slots(self, dense: Array) -> Array:
        """Pick the active variables' values; those of free slots mean nothing."""
        return np.take_along_axis(dense, np.minimum(self.variable, self.n - 1), axis=1)

    def _keep(self, walking: NDArray[np.bool_]) -> None:
        """Forget the paths that have ended."""
        for name in (
            "row", "start", "mu", "reached", "variable", "sign", "value", "slope", "inverse",
            "closed", "left", "left_sign",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name)[walking])
