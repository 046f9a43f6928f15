"""Kernel mean matching: weights that bring the source's mean in a feature space to the target's.

J. Huang, A. Gretton, K. M. Borgwardt, B. Schölkopf and A. J. Smola, Correcting sample selection
bias by unlabeled data, NIPS 2006.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.solvers.bounded_sum_qp import BoundedSumQP


@dataclass(frozen=True)
class MeanMatching:
    r"""The problem of one pair of samples, with n source and m target samples.

    .. math:: \min_g \tfrac12 g'Kg - \kappa'g \quad\text{subject to}\quad 0 \le g \le \text{cap},\;
              |1'g - n| \le n\epsilon,\; \epsilon = (\sqrt n - 1) / \sqrt n

    Attributes
    ----------
    K : ndarray, shape (n, n)
        Gaussian kernel of the source samples, n >= 2, positive definite.
    kappa : ndarray, shape (n,)
        n/m times the sum over the target samples of the kernel with each source sample.
    cap : float
        Largest weight.
    """

    K: NDArray[np.float64]
    kappa: NDArray[np.float64]
    cap: float = 2000.0

    def program(self, penalty: NDArray[np.float64] | float = 0.0) -> BoundedSumQP:
        """Return the quadratic program with ``penalty'g`` added to the objective."""
        n = len(self.kappa)
        epsilon = (np.sqrt(n) - 1) / np.sqrt(n)
        return BoundedSumQP(
            self.K, penalty - self.kappa, n * (1 - epsilon), n * (1 + epsilon), self.cap
        )


def gaussian_of_squared_distances(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(-d^2 / s) with s the square root of the median of the d^2 given.

    Parameters
    ----------
    squares : ndarray
        Squared distances d^2. All of them enter the median, with the zeros of a diagonal.

    Returns
    -------
    ndarray, of the same shape
        Where the median is 0, as with mostly equal samples, its limit: 1 for d = 0, else 0.
    """
    width = np.sqrt(np.median(squares))
    if width == 0:
        return (squares == 0).astype(np.float64)
    # exp(-800) is 0 in float64; the limit avoids an overflow of the quotient.
    return np.exp(-np.minimum(squares, 800 * width) / width)


def match_means(
    source_squares: NDArray[np.float64],
    cross_squares: NDArray[np.float64],
    jitter: float = 1e-10,
) -> MeanMatching:
    """Return the problem for squared distances, each kernel with the width of its own distances.

    Parameters
    ----------
    source_squares : ndarray, shape (n, n)
        Between source samples.
    cross_squares : ndarray, shape (n, m)
        From source to target samples.
    jitter : float
        Added to the diagonal of K, so that equal samples share a weight and the minimum is unique.
    """
    n, m = cross_squares.shape
    K = gaussian_of_squared_distances(source_squares)
    K.flat[:: n + 1] += jitter
    kappa = n / m * gaussian_of_squared_distances(cross_squares).sum(axis=1)
    return MeanMatching(K, kappa)
