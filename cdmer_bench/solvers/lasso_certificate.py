"""Objective and duality gap of lasso solutions: how far from the optimum they can be at most."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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
