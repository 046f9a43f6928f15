"""Importance-weighted support vector machine, with weights by uLSIF."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import BatchResult, Method, Prepared, Setting, choose, is_whole
from cdmer_bench.methods.svm import Classified, batch_result
from cdmer_bench.solvers.kernels import linear_kernel, squared_distances
from cdmer_bench.solvers.libsvm import fit_gram
from cdmer_bench.solvers.ulsif import DEFAULT_WIDTHS, RatioModel, ratio_model, select_width


@dataclass
class IWSVM(Method):
    """Linear SVM whose cost is weighted by how likely a source sample is in the target.

    The weight of source sample x_i is w_i = sum_l alpha_l exp(-||x_i - c_l||^2 / (2 sigma^2)),
    an estimate of p_target(x_i) / p_source(x_i), with b centres c_l among the target samples.
    alpha (b) solves uLSIF's least-squares problem (Kanamori, Hido and Sugiyama, JMLR 10, 2009)::

        min over alpha  alpha'H alpha / 2 - h'alpha + lambda alpha'alpha / 2,   then max(alpha, 0)

    (H, b x b, and h, b: see :mod:`cdmer_bench.solvers.ulsif`), and the SVM minimises
    ||w||^2 / 2 + C sum_i w_i xi_i.

    Parameters
    ----------
    lam : float
        lambda > 0, the trade-off that the paper searches.
    sigma : 'loocv', 'median' or float
        Width of the Gaussians in the unit of the features. ``'loocv'`` takes, for each lambda, the
        one of 0.001, 0.00316, ..., 10 with the least closed-form leave-one-out score;
        ``'median'``, for features of another scale, the median distance of source and target.
    centres : 'all' or int
        Target samples taken as centres: all, or this many drawn at random with ``seed``.
    normalise : {'none', 'mean'}
        ``'mean'`` divides the weights by their mean.
    seed : int
        Of the draw of centres.
    C : float
        Cost of the SVM.

    Notes
    -----
    The paper names uLSIF and the values of lambda only. Width rule and candidates are those of
    uLSIF's published code, but all target samples are centres (that code draws 100 at random), so
    that nothing is random. None of the variants tried reproduces the printed figures.

    lambda far above the eigenvalues of H (at most b) only scales all weights by 1 / lambda: there
    the search is one over the SVM's cost, down to C = 1e-6. Normalised weights would make those
    settings equal to the baseline. Classes whose weights all vanish are named in the notes. The
    leave-one-out score pairs the i-th source sample with the i-th target sample, up to the shorter
    of the two, and so depends a little on their order.
    """

    lam: float = 1.0
    sigma: float | str = "loocv"
    centres: int | str = "all"
    normalise: str = "none"
    seed: int = 0
    C: float = 1.0

    label = "IW-SVM"

    def check_values(self, setting: Setting) -> None:
        """Refuse values outside their range; see :meth:`Method.check_values`."""
        super().check_values(setting)
        chosen = self.complete(setting)
        if isinstance(chosen["sigma"], str):
            choose("sigma of IW-SVM, if not a number,", chosen["sigma"], ("loocv", "median"))
        choose("normalise of IW-SVM", chosen["normalise"], ("none", "mean"))
        for name in ("lam", "sigma"):
            value = chosen[name]
            if not isinstance(value, str) and not 0 < value < np.inf:
                raise UserError(f"{name} of IW-SVM is {value!r}, expected a positive number")
        centres, seed = chosen["centres"], chosen["seed"]
        if centres != "all" and not (is_whole(centres) and centres >= 1):
            raise UserError(
                f"centres of IW-SVM is {centres!r}, expected 'all' or a whole number >= 1"
            )
        if not (is_whole(seed) and seed >= 0):
            raise UserError(f"seed of IW-SVM is {seed!r}, expected a whole number >= 0")

    def batches(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Group by hundreds: H is decomposed for every width once a batch."""
        indices = range(len(settings))
        return [list(indices[start : start + 100]) for start in indices[::100]]

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute the kernel blocks, and distances of target samples to all samples."""
        return {
            "gram": linear_kernel(Xs, Xs),
            "block": linear_kernel(Xq, Xs),
            "to_source": squared_distances(Xt, Xs),
            "to_target": squared_distances(Xt, Xt),
            "ys": ys,
        }

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Weight the source and train, for each lambda; the widths chosen are in ``extras``."""
        models: dict[tuple, list[RatioModel]] = {}
        classified, widths = [], []
        for setting in settings:
            chosen = self.complete(setting)
            basis = chosen["sigma"], chosen["centres"], chosen["seed"]
            if basis not in models:
                models[basis] = ratio_models(prepared, *basis)
            entry, width = fit_weighted(prepared, models[basis], chosen)
            classified.append(entry)
            widths.append(width)
        result = batch_result(classified)
        result.extras["sigma"] = np.array(widths)
        return result


def ratio_models(prepared: Prepared, sigma: Any, centres: Any, seed: int) -> list[RatioModel]:
    """Return a model of the density ratio for each width to choose from."""
    n_target = len(prepared["to_target"])
    if isinstance(sigma, str):
        if sigma == "loocv" and n_target < 2:
            raise UserError(
                "IW-SVM cannot leave out one of 1 target sample to choose sigma; give a number "
                "for sigma, or more target samples"
            )
        # Where most samples are the same the median is 0, and any width gives equal weights.
        median = float(np.sqrt(np.median(prepared["to_source"]))) or 1.0
        widths = DEFAULT_WIDTHS if sigma == "loocv" else (median,)
    else:
        widths = (float(sigma),)
    rows = np.arange(n_target)
    if centres != "all":
        drawn = np.random.default_rng(int(seed)).permutation(n_target)[: int(centres)]
        rows = np.sort(drawn)
    to_source, to_target = prepared["to_source"][rows], prepared["to_target"][rows]
    return [ratio_model(to_source, to_target, width) for width in widths]


def fit_weighted(
    prepared: Prepared, models: list[RatioModel], chosen: Setting
) -> tuple[Classified, float]:
    """Train with the weights for one lambda; return the result and the width used."""
    lam = float(chosen["lam"])
    model = models[0] if len(models) == 1 else select_width(models, lam)
    weights = model.weights(lam)
    mean = weights.mean()
    if chosen["normalise"] == "mean" and mean > 0:
        weights = weights / mean
    machine = fit_gram(prepared["gram"], prepared["ys"], C=chosen["C"], weights=weights)
    return Classified(machine, machine.predict(prepared["block"])), model.sigma
