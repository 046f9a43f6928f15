r"""A stack of nonnegative lassos, with the penalty absolute or as a ratio.

.. math:: \min_w |y - D w|_2^2 + a\, |w|_1 \qquad \text{subject to } w \ge 0.

With the ratio rule the penalty is a fraction of the smallest one that makes w zero, so a ratio
below 1 never makes it zero, whatever the scale of the data. SLEP (J. Liu, S. Ji and J. Ye, SLEP:
Sparse Learning with Efficient Projections, 2009) calls this ``rFlag = 1``; it minimises half of
the squared norm, so its weight z is a / 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.solvers.active_set_lasso import active_set_lasso

Array = NDArray[np.float64]


class DesignProducts(NamedTuple):
    """What the problem needs of D and y.

    Attributes
    ----------
    gram : ndarray, shape (n_stack, k, k)
        ``D.T @ D``.
    correlation : ndarray, shape (n_stack, k)
        ``D.T @ y``.
    energy : float
        ``y @ y``.
    """

    gram: Array
    correlation: Array
    energy: float

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

    Parameters
    ----------
    products : DesignProducts
    ratio : ndarray, shape (n_stack,)
        At least 0; from 1 on, the optimal w is zero.

    Returns
    -------
    ndarray, shape (n_stack,)
    """
    return 2.0 * ratio * np.maximum(products.correlation.max(axis=1), 0.0)


def nonnegative_lasso(
    products: DesignProducts, penalty: Array, start: Array | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Find the optimum of every problem of a stack.

    Parameters
    ----------
    products : DesignProducts
    penalty : ndarray, shape (n_stack,)
        a >= 0.
    start : ndarray, shape (n_stack, k), optional
        Nonnegative guesses; good ones save time.

    Returns
    -------
    w : ndarray, shape (n_stack, k)
    converged : ndarray of bool, shape (n_stack,)
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
