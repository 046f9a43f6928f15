"""The compiled walk along lasso paths: one response after the other, its inverse kept.

The same path as that of :mod:`~cdmer_bench.solvers.lasso_paths`, by the same rules. Of a response
with k active among n variables a breakpoint costs k n + k^2 multiplications: the rate at which the
n correlations change, and a rank-one change of the k x k inverse of the active block of G.
Solutions are not stored: those of each penalty are added up to what the caller needs, from the k
values alone.

The loops are as plain as they are because numba takes seconds to compile slices.
"""
# mypy: allow-untyped-defs

import numpy as np

from cdmer_bench.compiled import kernel
from cdmer_bench.solvers.lasso_paths import BREAKPOINTS_A_VARIABLE, DEPENDENT, NEVER

# Breakpoints after which correlations are computed anew, before rounding errors add up.
RENEWED = 32
# Error of the optimality conditions, relative to the penalty, from which on it is corrected.
CORRECTED = 1e-9
# Rounding of an objective that is formed from |y|^2, over |y|^2.
ROUNDING = 1e-13


@kernel
def fill(out, n, value):
    """Set ``out[:n]``."""
    for j in range(n):
        out[j] = value


@kernel
def add_rows(factor, weights, rows, k, matrix, width, out):
    """Add factor * weights[i] * matrix[rows[i], :width] for i < k to ``out``, four in one pass."""
    i = 0
    while i + 4 <= k:
        w0, w1 = factor * weights[i], factor * weights[i + 1]
        w2, w3 = factor * weights[i + 2], factor * weights[i + 3]
        m0, m1 = matrix[rows[i]], matrix[rows[i + 1]]
        m2, m3 = matrix[rows[i + 2]], matrix[rows[i + 3]]
        for j in range(width):
            out[j] += w0 * m0[j] + w1 * m1[j] + w2 * m2[j] + w3 * m3[j]
        i += 4
    while i < k:
        w0, m0 = factor * weights[i], matrix[rows[i]]
        for j in range(width):
            out[j] += w0 * m0[j]
        i += 1


@kernel
def correct(values, missed, inverse, every, k, variable, gram, n, factor, moved, change):
    """Add inverse @ missed / 2 to values, and factor times G of it to ``moved``."""
    fill(change, k, 0.0)
    add_rows(0.5, missed, every, k, inverse, k, change)
    for i in range(k):
        values[i] += change[i]
    add_rows(factor, change, variable, k, gram, n, moved)


@kernel
def next_to_join(correlation, rate, mu, closed, n, left, left_sign):
    """Find where the first inactive variable's correlation meets mu or -mu: how far, which, sign.

    A variable that has just left still lies on its bound, and moves away from it.
    """
    nearest, joining, sign = np.inf, -1, 1.0
    for j in range(n):
        if closed[j]:
            continue
        # c - d * rate = +-(mu - d); one that falls faster than the bound never meets it.
        approach = 1.0 - rate[j]
        if approach > NEVER and not (j == left and left_sign > 0):
            room = mu - correlation[j]
            distance = room / approach if room > 0 else 0.0
            if distance < nearest:
                nearest, joining, sign = distance, j, 1.0
        approach = 1.0 + rate[j]
        if approach > NEVER and not (j == left and left_sign < 0):
            room = mu + correlation[j]
            distance = room / approach if room > 0 else 0.0
            if distance < nearest:
                nearest, joining, sign = distance, j, -1.0
    return nearest, joining, sign


@kernel
def next_to_leave(value, slope, sign, k):
    """Find where the first active coefficient shrinks to zero: how far, which slot."""
    nearest, leaving = np.inf, -1
    for i in range(k):
        towards = -slope[i] * sign[i]
        if towards > 0:
            room = value[i] * sign[i]
            distance = room / towards if room > 0 else 0.0
            if distance < nearest:
                nearest, leaving = distance, i
    return nearest, leaving


@kernel
def certify_point(point, k, variable, start, correlation, rate, ahead, n, mu, energy):
    """Return the objective of a point on the path and its duality gap.

    With G p = b - c / 2 they need no product: |r|^2 = |y|^2 - 2 b'p + p'Gp, r'y = |y|^2 - b'p.
    """
    largest, length, along, inside = 0.0, 0.0, 0.0, 0.0
    for j in range(n):
        size = abs(correlation[j] - ahead * rate[j])
        if size > largest:
            largest = size
    for i in range(k):
        j = variable[i]
        length += abs(point[i])
        along += point[i] * start[j] / 2
        inside += point[i] * (correlation[j] - ahead * rate[j])
    error = energy - along - inside / 2
    shrink = 1.0 if largest <= mu else mu / largest
    objective = error + mu * length
    return objective, objective - 2 * shrink * (energy - along) + shrink * shrink * error


@kernel
def certify_carefully(
    point, slope, k, variable, start, rate, n, mu, design_rows, response, residual, width
):
    """Return the same where |y|^2 is so large that its rounding hides the objective.

    The residual is formed as it is, and the dual point is the part mu A_active (A'A)^-1 sign of
    twice the residual: all of it where the active variables can fit the response.
    """
    for j in range(width):
        residual[j] = response[j]
    add_rows(-1.0, point, variable, k, design_rows, width, residual)
    error, length, along, inside, largest = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(width):
        error += residual[j] * residual[j]
    for i in range(k):
        j = variable[i]
        length += abs(point[i])
        along += slope[i] * start[j]
        inside += slope[i] * rate[j]
    for j in range(n):
        largest = max(largest, abs(rate[j]))
    # u = t 2 mu A_active slope: A'u = t mu rate, u'y = t mu slope'2b, |u|^2 = t^2 mu^2 2 slope'rate
    shrink = mu if largest <= 1 else mu / largest
    objective = error + mu * length
    return objective, objective - shrink * along + shrink * shrink * inside / 2


@kernel
def add_point(point, k, variable, raw, n_raw, projected, square, n, dense):
    """Add the point's products to P raw and to the lower triangle of P P'."""
    for i in range(k):
        row, weight = projected[variable[i]], point[i]
        for j in range(n_raw):
            row[j] += weight * raw[j]
    fill(dense, n, 0.0)
    for i in range(k):
        dense[variable[i]] = point[i]
    for i in range(k):
        row, weight = square[variable[i]], point[i]
        for j in range(variable[i] + 1):
            row[j] += weight * dense[j]


@kernel
def turn(change, k, factor, sign, slope, inverse):
    """Change the inverse by factor * change change', and the slopes with it."""
    along = 0.0
    for i in range(k):
        along += change[i] * sign[i]
    for i in range(k):
        weight, row = factor * change[i], inverse[i]
        slope[i] += weight * along / 2
        for j in range(k):
            row[j] += weight * change[j]


@kernel
def walk_paths(
    gram,  # (n, n)
    design_rows,  # (n, m), A'
    responses,  # (D, m), the y
    starts,  # (D, n), 2 b of each response
    mus,  # (q,), falling
    rank,  # of ``gram``
    limit,  # relative gap above which a solution is not added up
    raw,  # (D, n_raw)
    projected,  # (q, n, n_raw), to which P times raw is added
    square,  # (q, n, n), to whose lower triangle P P' is added
    objective,  # (D, q), written
    gap,  # (D, q), written; infinite where the walk did not arrive
):
    """Walk the paths of all responses and add up their solutions; return the most breakpoints."""
    n, q, m, n_raw = len(gram), len(mus), design_rows.shape[1], raw.shape[1]
    slots = min(rank, n) + 1
    inverse = np.zeros((slots, slots))
    variable, every = np.zeros(slots, np.int64), np.arange(slots)
    sign, value, slope = np.zeros(slots), np.zeros(slots), np.zeros(slots)
    change, crossed, missed = np.zeros(slots), np.zeros(slots), np.zeros(slots)
    dense, rate, correlation = np.zeros(n), np.zeros(n), np.zeros(n)
    residual, closed = np.zeros(m), np.zeros(n, np.bool_)
    most = 0
    for r in range(len(starts)):
        start, response = starts[r], responses[r]
        mu, energy = 0.0, 0.0
        for j in range(m):
            energy += response[j] * response[j]
        for j in range(n):
            correlation[j] = start[j]
            closed[j] = False
            if abs(start[j]) > mu:
                mu = abs(start[j])
        fill(gap[r], q, np.inf)
        # Not 0 and -1, whose types are their values: what takes them would be compiled twice.
        k, left = np.int64(0), np.int64(-1)
        reached, steps, left_sign = 0, 0, 0.0
        while reached < q and steps < BREAKPOINTS_A_VARIABLE * (n + 1):
            if steps % RENEWED == RENEWED - 1:
                for j in range(n):
                    correlation[j] = start[j]
                add_rows(-2.0, value, variable, k, gram, n, correlation)
            # On the active variables dc/dmu = sign and c = mu * sign, but for rounding.
            fill(rate, n, 0.0)
            add_rows(2.0, slope, variable, k, gram, n, rate)
            worst = 0.0
            for i in range(k):
                missed[i] = sign[i] - rate[variable[i]]
                worst = max(worst, abs(missed[i]))
            if worst > CORRECTED:
                correct(slope, missed, inverse, every, k, variable, gram, n, 2.0, rate, change)
            worst = 0.0
            for i in range(k):
                missed[i] = correlation[variable[i]] - mu * sign[i]
                worst = max(worst, abs(missed[i]))
            if worst > CORRECTED * mu:
                correct(
                    value, missed, inverse, every, k, variable, gram, n, -2.0, correlation, change
                )
            to_join, joining, join_sign = np.inf, -1, 1.0
            # With as many active variables as the rank, all correlations shrink with mu.
            if k < rank:
                to_join, joining, join_sign = next_to_join(
                    correlation, rate, mu, closed, n, left, left_sign
                )
            to_leave, leaving = next_to_leave(value, slope, sign, k)
            distance = min(to_join, to_leave, mu)
            joins = to_join <= to_leave and to_join < mu
            leaves = to_leave < to_join and to_leave < mu
            while reached < q and mus[reached] >= mu - distance:
                here = mus[reached]
                # At or above the start of the path the solution is still zero.
                ahead = max(mu - here, 0.0)
                for i in range(k):
                    change[i] = value[i] + ahead * slope[i]
                objective[r, reached], gap[r, reached] = certify_point(
                    change, k, variable, start, correlation, rate, ahead, n, here, energy
                )
                bound = limit * objective[r, reached]
                if not (gap[r, reached] <= bound and bound >= ROUNDING * energy):
                    objective[r, reached], gap[r, reached] = certify_carefully(
                        change, slope, k, variable, start, rate, n, here,
                        design_rows, response, residual, m,
                    )  # fmt: skip
                if gap[r, reached] <= limit * objective[r, reached]:
                    add_point(
                        change, k, variable, raw[r], n_raw, projected[reached], square[reached],
                        n, dense,
                    )  # fmt: skip
                reached += 1
            for i in range(k):
                value[i] += distance * slope[i]
            for j in range(n):
                correlation[j] -= distance * rate[j]
            mu -= distance
            steps += 1
            if distance > 0:
                left = np.int64(-1)
            if joins:
                closed[joining] = True  # active, or dependent on the active ones
                for i in range(k):
                    crossed[i] = gram[joining, variable[i]]
                fill(change, k, 0.0)
                add_rows(1.0, crossed, every, k, inverse, k, change)
                # |a_j - A_active u|^2 for u as it is: a small number left by a large
                # cancellation, which the bare own - g'u would drown in the error of u.
                fill(dense, n, 0.0)
                add_rows(1.0, change, variable, k, gram, n, dense)
                own = gram[joining, joining]
                apart = own
                for i in range(k):
                    missed[i] = crossed[i] - dense[variable[i]]
                    apart -= (crossed[i] + missed[i]) * change[i]
                if apart > DEPENDENT * own and k < slots:
                    add_rows(1.0, missed, every, k, inverse, k, change)
                    variable[k], sign[k], value[k], slope[k] = joining, join_sign, 0.0, 0.0
                    change[k] = -1.0
                    for i in range(k + 1):
                        inverse[i, k] = inverse[k, i] = 0.0
                    k += 1
                    turn(change, k, 1.0 / apart, sign, slope, inverse)
            elif leaves:
                for i in range(k):
                    change[i] = inverse[leaving, i]
                own, over = inverse[leaving, leaving], value[leaving]
                # What rounding left of the coefficient that leaves goes to those that stay.
                for i in range(k):
                    value[i] -= change[i] * over / own
                turn(change, k, -1.0 / own, sign, slope, inverse)
                left, left_sign = variable[leaving], sign[leaving]
                k -= 1
                variable[leaving], sign[leaving] = variable[k], sign[k]
                value[leaving], slope[leaving] = value[k], slope[k]
                for i in range(k):
                    inverse[leaving, i] = inverse[k, i]
                for i in range(k):
                    inverse[i, leaving] = inverse[i, k]
                inverse[leaving, leaving] = inverse[k, k]
                # What depended on the active set may not depend on the smaller one.
                for j in range(n):
                    closed[j] = False
                for i in range(k):
                    closed[variable[i]] = True
        most = max(most, steps)
    return most
