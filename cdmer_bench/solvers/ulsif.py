"""Unconstrained least-squares importance fitting (Kanamori, Hido and Sugiyama, JMLR 10, 2009).

The ratio w(x) = p_target(x) / p_source(x) is modelled as sum_l alpha_l phi_l(x) with Gaussians
phi_l(x) = exp(-||x - c_l||^2 / (2 sigma^2)) at target samples c_l, and fitted by least squares::

    min over alpha  alpha'H alpha / 2 - h'alpha + lambda alpha'alpha / 2
    H = mean over source of phi phi'   (b x b),      h = mean over target of phi   (b)

then negative alpha are set to zero. One eigendecomposition of H serves every lambda.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.kernels import squared_distances

Array = NDArray[np.float64]

# The widths that the authors' implementation (uLSIF.m) tries, 0.001 to 10.
DEFAULT_WIDTHS = tuple(float(width) for width in np.logspace(-3, 1, 9))
# Searched together by the leave-one-out score; widths in units of the median distance between
# a source and a target sample, so that the scale of the features does not matter.
RELATIVE_WIDTHS = tuple(float(width) for width in np.logspace(-1, 1, 9))
PENALTIES = tuple(float(lam) for lam in np.logspace(-3, 3, 9))


@dataclass(frozen=True)
class RatioModel:
    """Gaussians of one width, with H decomposed; made by :func:`ratio_model`."""

    on_source: Array  # (b, n_source), phi of every sample, as columns
    on_target: Array  # (b, n_target)
    values: Array  # (b,), of H = vectors diag(values) vectors'
    vectors: Array  # (b, b)
    h: Array  # (b,)

    def weights(self, lam: float) -> Array:
        """Return the fitted ratio at the source samples, shape (n_source,), all >= 0."""
        alpha = self.vectors @ ((self.vectors.T @ self.h) / (self.values + lam))
        return np.maximum(alpha, 0) @ self.on_source

    def leave_one_out_scores(self, penalties: Sequence[float]) -> list[float]:
        """Return the leave-one-out estimate of the objective for each lambda; lower is better.

        One source and one target sample, the i-th of each, are left out together, for i up to
        the smaller number of samples; the fits come in closed form by the Sherman-Morrison formula
        (section 2.6 of the paper). At least two target samples are needed.
        """
        n_source, n_target = self.on_source.shape[1], self.on_target.shape[1]
        n = min(n_source, n_target)
        source = self.vectors.T @ self.on_source[:, :n]
        target = self.vectors.T @ self.on_target[:, :n]
        h = self.vectors.T @ self.h
        scores = []
        for lam in penalties:
            # All in the eigenbasis of C = H + lambda (n_source - 1) / n_source I.
            inverse = 1 / (self.values + lam * (n_source - 1) / n_source)
            scaled = inverse[:, None] * source
            remaining = n_source - np.einsum("bi,bi->i", source, scaled)
            # n_target B0 - B1, B0 = C^-1 (h + x h'C^-1 x / remaining) and B1 likewise for phi
            correction = n_target * (h @ scaled) - np.einsum("bi,bi->i", target, scaled)
            mixed = n_target * h[:, None] - target
            mixed *= inverse[:, None]
            scaled *= correction / remaining
            mixed += scaled
            alpha = self.vectors @ mixed
            np.maximum(alpha, 0, out=alpha)
            alpha *= (n_source - 1) / (n_source * (n_target - 1))
            at_source = np.einsum("bi,bi->i", self.on_source[:, :n], alpha)
            at_target = np.einsum("bi,bi->i", self.on_target[:, :n], alpha)
            scores.append(float(np.mean(at_source**2) / 2 - np.mean(at_target)))
        return scores


def ratio_model(to_source: Array, to_target: Array, sigma: float) -> RatioModel:
    """Evaluate the Gaussians, given squared distances of centres (b) to samples; decompose H."""
    on_source, on_target = (to / (-2 * sigma**2) for to in (to_source, to_target))
    for phi in (on_source, on_target):
        np.exp(phi, out=phi)
    H = on_source @ on_source.T
    H /= on_source.shape[1]
    values, vectors = np.linalg.eigh(H)
    # H is positive semidefinite; what lies below zero is rounding.
    return RatioModel(on_source, on_target, np.maximum(values, 0), vectors, on_target.mean(1))


def fit_ratios(
    to_source: Array, to_target: Array, widths: Sequence[float], penalties: Sequence[float]
) -> tuple[Array, Array]:
    """Fit a model for each width and lambda, holding one width's at a time.

    Returns the ratios, (n_widths, n_penalties, n_source), and their leave-one-out scores, which
    are 0 where there is but one width to choose from.
    """
    ratios = np.empty((len(widths), len(penalties), to_source.shape[1]))
    scores = np.zeros(ratios.shape[:2])
    for i, width in enumerate(widths):
        model = ratio_model(to_source, to_target, width)
        ratios[i] = [model.weights(lam) for lam in penalties]
        if len(widths) > 1:
            scores[i] = model.leave_one_out_scores(penalties)
        del model
    return ratios, scores


def median_distance(squares: Array) -> float:
    """Return the median distance; 1 where that is 0, as then any width gives equal weights."""
    return float(np.sqrt(np.median(squares))) or 1.0


def density_ratio(Xs: Array, Xt: Array) -> Array:
    """Estimate p_target(x) / p_source(x) at each source sample by uLSIF.

    Width and penalty are the pair of least leave-one-out score, the first of equals; every target
    sample is a centre, so nothing is random.
    """
    source, target = Xs.reshape(len(Xs), -1), Xt.reshape(len(Xt), -1)
    if min(len(source), len(target)) < 2:
        raise UserError(
            f"the density ratio of {len(source)} source and {len(target)} target sample(s) "
            "cannot be estimated; give at least two of each"
        )
    to_source, to_target = squared_distances(target, source), squared_distances(target, target)
    median = median_distance(to_source)
    widths = [width * median for width in RELATIVE_WIDTHS]
    ratios, scores = fit_ratios(to_source, to_target, widths, PENALTIES)
    return ratios.reshape(scores.size, -1)[scores.argmin()]
