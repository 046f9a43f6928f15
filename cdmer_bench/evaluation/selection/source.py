"""Rules that judge a setting by labelled source samples; a run must record what they need.

Arrays in ``record.extras``:

``source_cv_predictions`` : uint8, shape (n_settings, n_source)
    Class predicted for each source sample while it was held out (by subject where known), or
    ``NOT_PREDICTED`` where the setting does not exist for so few source samples. A setting with
    such a sample has no criterion and is never chosen.
``source_folds`` : uint8, shape (n_source,)
    Number of the fold in which each source sample was held out.
``density_ratio`` : float, shape (n_source,)
    Estimate of p_target(x) / p_source(x) at each source sample, up to a factor.
``reverse_predictions`` : uint8, shape (n_settings, n_source)
    Class predicted for each source sample by the method with the roles swapped: trained on
    the target with the labels that the setting predicted, adapted to the source; or
    ``NOT_PREDICTED``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection.base import Evaluated, Rule

# More than any class index; databases have a handful of classes.
NOT_PREDICTED = 255
# Weights of one fold that are apart by less, relative to the largest, are equal but for rounding.
_ROUNDING = 1e-12
_RATIO = "the density ratio is estimated from few clips in many dimensions and is rough"


@dataclass(frozen=True)
class SourceCV(Rule):
    """Best mean F1 on held-out source samples."""

    name = "source_cv"
    label = "source CV: cross-validated on the source"
    needs = ("source_cv_predictions",)
    caveat = "it looks at the source alone and cannot see how different the target is"
    reference = "source risk in Ganin and Lempitsky, ICML 2015"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return each setting's mean F1 on the held-out source samples."""
        return _source_scores(record, "source_cv_predictions")


@dataclass(frozen=True)
class ImportanceWeighted(Rule):
    """Least source error weighted by the density ratio."""

    name = "importance_weighted"
    label = "IWCV: importance-weighted source error"
    needs = ("source_cv_predictions", "density_ratio")
    caveat = _RATIO
    reference = "Sugiyama, Krauledat and Müller, JMLR 8, 2007"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the mean of weight times zero-one loss, weights of mean 1."""
        return -(_source_losses(record) * _weights(record)).mean(axis=1)


@dataclass(frozen=True)
class DeepEmbeddedValidation(Rule):
    """Importance-weighted error with a control variate, which lowers its variance.

    A density ratio w has expectation 1 over the source, but not mean 1 over the samples of a
    fold; the part of the losses l that is due to this is subtracted. In each fold::

        risk = mean(w l) + eta (mean(w) - 1),    eta = -cov(w l, w) / var(w)

    and the risk of a setting is the mean over folds, each counted by its samples.
    """

    name = "dev"
    label = "DEV: importance-weighted source error with control variate"
    needs = ("source_cv_predictions", "source_folds", "density_ratio")
    caveat = _RATIO
    reference = "You et al., Towards accurate model selection in deep UDA, ICML 2019"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the corrected risk."""
        losses, weights = _source_losses(record), _weights(record)
        folds = np.asarray(record.extras["source_folds"])
        risk = np.zeros(len(losses))
        for fold in np.unique(folds):
            inside = folds == fold
            risk += inside.mean() * _corrected_risk(losses[:, inside], weights[inside])
        return -risk


@dataclass(frozen=True)
class ReverseValidation(Rule):
    """Best mean F1 on the source after going to the target and back."""

    name = "reverse"
    label = "reverse validation: from the predicted target back to the source"
    needs = ("reverse_predictions",)
    caveat = "a setting that gives one class to the whole target comes back with one class"
    reference = "Bruzzone and Marconcini, TPAMI 32(5), 2010; Zhong et al., ECML 2010"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return each setting's mean F1 on the source by the reversed method."""
        return _source_scores(record, "reverse_predictions")


def _source_scores(record: Evaluated, name: str) -> NDArray[np.float64]:
    """Return each setting's mean F1 on the source; NaN where a sample was not predicted."""
    predictions = np.asarray(record.extras[name])
    complete = (predictions != NOT_PREDICTED).all(axis=1)
    scores = np.full(len(predictions), np.nan)
    if complete.any():
        f1, _ = grid_scores(record.y_source, predictions[complete], len(record.classes))
        scores[complete] = f1
    return scores


def _source_losses(record: Evaluated) -> NDArray[np.float64]:
    """Return the zero-one losses while held out; NaN for settings with a sample not predicted."""
    predictions = np.asarray(record.extras["source_cv_predictions"])
    losses = (predictions != record.y_source).astype(float)
    losses[(predictions == NOT_PREDICTED).any(axis=1)] = np.nan
    return losses


def _weights(record: Evaluated) -> NDArray[np.float64]:
    """Return the density ratio scaled to mean 1; NaN if it is 0 at every source sample."""
    ratio = np.asarray(record.extras["density_ratio"], dtype=float)
    mean = ratio.mean()
    return ratio / mean if mean > 0 else np.full(len(ratio), np.nan)


def _corrected_risk(
    losses: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the risk of each setting in one fold, shape (n_settings,)."""
    weighted = losses * weights
    if np.ptp(weights) <= _ROUNDING * weights.max():
        # With equal weights there is nothing to correct, and eta would be rounding errors alone.
        return weighted.mean(axis=1)
    centred = weights - weights.mean()
    eta = -(weighted * centred).mean(axis=1) / np.mean(centred**2)
    return weighted.mean(axis=1) + eta * (weights.mean() - 1.0)
