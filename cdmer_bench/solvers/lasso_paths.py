"""Exact lasso solutions of many responses that share one design, along the whole path of mu.

The solution p(mu) is piecewise linear in mu, so the homotopy of Osborne, Presnell and Turlach
(2000; the lasso form of LARS, Efron et al. 2004) gives *every* mu for the cost of its breakpoints,
and exactly. Here all responses of a block walk their own paths side by side: a step takes each one
to its next breakpoint, by products with the Gram matrix for the whole block and a rank-one update
of each response's inverse.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.lasso_walk import LassoWalk


class PathBlock(NamedTuple):
    """Solutions of a block of responses.

    Attributes
    ----------
    rows : ndarray of int, shape (n_block,)
        Which responses these are.
    coefficients : ndarray, shape (n_penalties, n_block, n_variables)
        In the order of the penalties given.
    breakpoints : ndarray of int, shape (n_block,)
        Steps walked.
    complete : ndarray of bool, shape (n_block,)
        False where the limit of breakpoints ended the walk; the coefficients of the penalties
        that were not reached are then those of the last breakpoint. A walk can also lose its
        way by rounding where the Gram matrix of independent variables has a condition above
        about 1e11; the gap of :func:`certify` tells.
    """

    rows: NDArray[np.intp]
    coefficients: NDArray[np.float64]
    breakpoints: NDArray[np.intp]
    complete: NDArray[np.bool_]


def lasso_paths(
    gram: NDArray[np.float64],
    correlations: NDArray[np.float64],
    penalties: Sequence[float],
    *,
    block: int = 64,
) -> Iterator[PathBlock]:
    r"""Minimise :math:`p'Gp - 2 b'p + \mu |p|_1` for each response b and each penalty mu.

    With G = A'A and b = A'y this is the lasso :math:`|y - Ap|^2 + \mu |p|_1` up to a constant.

    Parameters
    ----------
    gram : ndarray, shape (n_variables, n_variables)
        G, symmetric positive semidefinite.
    correlations : ndarray, shape (n_responses, n_variables)
        The vectors b as rows.
    penalties : sequence of float
        The values of mu, > 0, in any order.
    block : int
        Responses that walk together.

    Yields
    ------
    PathBlock
        Blocks cover every response once; responses with similar path lengths come together.

    Raises
    ------
    UserError
        If a penalty is not positive.
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
        yield PathBlock(rows, coefficients, walk.breakpoints, walk.complete)


def matrix_rank(gram: NDArray[np.float64]) -> int:
    """Return the rank of a positive semidefinite matrix, up to rounding."""
    eigenvalues = np.linalg.eigvalsh(gram)
    return int((eigenvalues > eigenvalues[-1] * len(gram) * np.finfo(float).eps).sum())


class Certificate(NamedTuple):
    """Values for each response.

    Attributes
    ----------
    objective : ndarray, shape (n_responses,)
        |y - A p|^2 + mu |p|_1.
    gap : ndarray, shape (n_responses,)
        Upper bound of the objective's excess over the optimum, >= 0 up to rounding.
    """

    objective: NDArray[np.float64]
    gap: NDArray[np.float64]


def certify(
    design: NDArray[np.float64],
    responses: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    mu: float,
) -> Certificate:
    r"""Bound the excess of :math:`|y - Ap|^2 + \mu |p|_1` over its minimum.

    The dual is to maximise :math:`u'y - |u|^2/4` over :math:`|A'u|_\infty \le \mu`; the residual
    r = y - Ap, scaled to be feasible, u = 2 r min(1, mu / max |2 A'r|), gives the bound.

    Parameters
    ----------
    design : ndarray, shape (m, n_variables)
        A.
    responses : ndarray, shape (n_responses, m)
        The vectors y as rows.
    coefficients : ndarray, shape (n_responses, n_variables)
        The vectors p as rows.
    mu : float
        L1 weight, >= 0.
    """
    residual = responses - coefficients @ design.T
    largest = np.abs(2 * residual @ design).max(1)
    shrink = np.ones(len(largest))
    np.divide(mu, largest, out=shrink, where=largest > mu)
    objective = (residual**2).sum(1) + mu * np.abs(coefficients).sum(1)
    feasible = 2 * residual * shrink[:, None]
    dual = (feasible * responses).sum(1) - (feasible**2).sum(1) / 4
    return Certificate(objective, objective - dual)
