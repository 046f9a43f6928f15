"""Unconstrained least-squares importance fitting (Kanamori, Hido and Sugiyama, JMLR 10, 2009).

The ratio w(x) = p_target(x) / p_source(x) is modelled as sum_l alpha_l phi_l(x) with Gaussians
phi_l(x) = exp(-||x - c_l||^2 / (2 sigma^2)) at target samples c_l, and fitted by least squares::

    min over alpha  alpha'H alpha / 2 - h'alpha + lambda alpha'alpha / 2
    H = mean over source of phi phi'   (b x b),      h = mean over target of phi   (b)

then negative alpha are set to zero. One eigendecomposition of H serves every lambda.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.kernels import squared_distances

# The widths that the authors' implementation (uLSIF.m) tries, 0.001 to 10.
DEFAULT_WIDTHS = tuple(float(width) for width in np.logspace(-3, 1, 9))
# Searched together by the leave-one-out score; widths in units of the median distance between
# a source and a target sample, so that the scale of the features does not matter.
RELATIVE_WIDTHS = tuple(float(width) for width in np.logspace(-1, 1, 9))
PENALTIES = tuple(float(lam) for lam in np.logspace(-3, 3, 9))


@dataclass(frozen=True)
class RatioModel:
    """Gaussians of one width, with H decomposed; made by :func:`ratio_model`."""

    sigma: float  # width of the Gaussians, in the unit of the samples
    on_source: NDArray[np.float64]  # (b, n_source), phi of every sample, as columns
    on_target: NDArray[np.float64]  # (b, n_target)
    values: NDArray[np.float64]  # (b,), of H = vectors diag(values) vectors'
    vectors: NDArray[np.float64]  # (b, b)
    h: NDArray[np.float64]  # (b,)

    def weights(self, lam: float) -> NDArray[np.float64]:
        """Return the fitted ratio at the source samples, shape (n_source,), all >= 0."""
        alpha = self.vectors @ ((self.vectors.T @ self.h) / (self.values + lam))
        return np.maximum(alpha, 0) @ self.on_source

    def leave_one_out_score(self, lam: float) -> float:
        """Return the leave-one-out estimate of the objective, for one lambda.

        One source and one target sample, the i-th of each, are left out together, for i up to
        the smaller number of samples; the fits come in closed form by the Sherman-Morrison formula
        (section 2.6 of the paper). Lower is better. At least two target samples are needed.
        """
        n_source, n_target = self.on_source.shape[1], self.on_target.shape[1]
        n = min(n_source, n_target)
        # All in the eigenbasis of C = H + lambda (n_source - 1) / n_source I.
        inverse = 1 / (self.values + lam * (n_source - 1) / n_source)
        source = self.vectors.T @ self.on_source[:, :n]
        target = self.vectors.T @ self.on_target[:, :n]
        h = self.vectors.T @ self.h
        scaled = inverse[:, None] * source
        remaining = n_source - np.einsum("bi,bi->i", source, scaled)
        # n_target B0 - B1, where B0 = C^-1 (h + x h'C^-1 x / remaining) and B1 likewise for phi
        correction = (n_target * (h @ scaled) - np.einsum("bi,bi->i", target, scaled)) / remaining
        mixed = inverse[:, None] * (n_target * h[:, None] - target) + scaled * correction
        alpha = np.maximum(self.vectors @ mixed, 0)
        alpha *= (n_source - 1) / (n_source * (n_target - 1))
        at_source = np.einsum("bi,bi->i", self.on_source[:, :n], alpha)
        at_target = np.einsum("bi,bi->i", self.on_target[:, :n], alpha)
        return float(np.mean(at_source**2) / 2 - np.mean(at_target))


def ratio_model(
    to_source: NDArray[np.float64], to_target: NDArray[np.float64], sigma: float
) -> RatioModel:
    """Evaluate the Gaussians, given squared distances of centres (b) to samples; decompose H."""
    on_source = np.exp(-to_source / (2 * sigma**2))
    on_target = np.exp(-to_target / (2 * sigma**2))
    values, vectors = np.linalg.eigh(on_source @ on_source.T / on_source.shape[1])
    # H is positive semidefinite; what lies below zero is rounding.
    return RatioModel(
        sigma, on_source, on_target, np.maximum(values, 0), vectors, on_target.mean(1)
    )


def select_width(models: list[RatioModel], lam: float) -> RatioModel:
    """Return the model of the lowest leave-one-out score; the first of equals."""
    scores = [model.leave_one_out_score(lam) for model in models]
    return models[int(np.argmin(scores))]


def density_ratio(Xs: NDArray[np.float64], Xt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate p_target(x) / p_source(x) at each source sample by uLSIF.

    Width and penalty are the pair of least leave-one-out score, the first of equals (Kanamori,
    Hido and Sugiyama, JMLR 10, 2009); every target sample is a centre, so nothing is random.
    """
    source, target = Xs.reshape(len(Xs), -1), Xt.reshape(len(Xt), -1)
    if min(len(source), len(target)) < 2:
        raise UserError(
            f"the density ratio of {len(source)} source and {len(target)} target sample(s) "
            "cannot be estimated; give at least two of each"
        )
    to_source, to_target = squared_distances(target, source), squared_distances(target, target)
    # Where most samples are the same the median is 0, and any width gives equal weights.
    median = float(np.sqrt(np.median(to_source))) or 1.0
    models = [ratio_model(to_source, to_target, width * median) for width in RELATIVE_WIDTHS]
    pairs = [(model, lam) for model in models for lam in PENALTIES]
    best, lam = pairs[int(np.argmin([m.leave_one_out_score(lam) for m, lam in pairs]))]
    return best.weights(lam)
