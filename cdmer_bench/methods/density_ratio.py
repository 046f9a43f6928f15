"""How likely each source sample is in the target: importance weights for selection rules."""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.kernels import squared_distances
from cdmer_bench.solvers.ulsif import ratio_model

# Searched together by the leave-one-out score; widths in units of the median distance between
# a source and a target sample, so that the scale of the features does not matter.
RELATIVE_WIDTHS = tuple(float(width) for width in np.logspace(-1, 1, 9))
PENALTIES = tuple(float(lam) for lam in np.logspace(-3, 3, 9))


def density_ratio(Xs: NDArray[np.float64], Xt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate p_target(x) / p_source(x) at each source sample by uLSIF.

    Width and penalty are the pair of least leave-one-out score, the first of equals (Kanamori,
    Hido and Sugiyama, JMLR 10, 2009); every target sample is a centre, so nothing is random.

    Parameters
    ----------
    Xs, Xt : ndarray, shapes (n_source, ...) and (n_target, ...)
        Samples; trailing axes are flattened.

    Returns
    -------
    ndarray, shape (n_source,)
        All >= 0.

    Notes
    -----
    The true ratio has mean 1 over the source. For few samples of many features, where the domains
    hardly overlap, the mean of the estimate can be several times that; it is kept as it is, and
    the rules that use it scale it.

    Raises
    ------
    UserError
        If a domain has fewer than the two samples that leaving one out needs.
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
