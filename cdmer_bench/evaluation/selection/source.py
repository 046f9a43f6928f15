"""Rules that judge a setting by labelled source samples; a run must record what they need.

Arrays in ``record.extras``:

``source_cv_predictions`` : uint8, shape (n_settings, n_source)
    Class predicted for each source sample while it was held out (by subject where known), or
    ``NOT_PREDICTED`` where the setting does not exist for so few source samples. A setting with
    such a sample has no criterion and is never chosen.
``density_ratio`` : float, shape (n_source,)
    Estimate of p_target(x) / p_source(x) at each source sample.
``reverse_predictions`` : uint8, shape (n_settings, n_source)
    Class predicted for each source sample by the method with the roles swapped: trained on
    the target with its predicted labels, adapted to the source.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection.base import Evaluated, Rule

# More than any class index; databases have a handful of classes.
NOT_PREDICTED = 255


@dataclass(frozen=True)
class SourceCV(Rule):
    """Best mean F1 on held-out source samples."""

    name = "source_cv"
    label = "source CV: cross-validated on the source"
    needs = ("source_cv_predictions",)
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
    reference = "Sugiyama, Krauledat and Müller, JMLR 8, 2007"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the mean of weight times zero-one loss."""
        return -_weighted_losses(record).mean(axis=1)


@dataclass(frozen=True)
class DeepEmbeddedValidation(Rule):
    """Importance-weighted error with a control variate, which lowers its variance.

    risk = mean(w l) + eta mean(w) - eta, eta = -cov(w l, w) / var(w).
    """

    name = "dev"
    label = "DEV: importance-weighted source error with control variate"
    needs = ("source_cv_predictions", "density_ratio")
    reference = "You et al., Towards accurate model selection in deep UDA, ICML 2019"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the corrected risk."""
        weight = np.asarray(record.extras["density_ratio"], dtype=float)
        losses = _weighted_losses(record)
        centred = weight - weight.mean()
        variance = np.mean(centred**2)
        if variance == 0:
            # Equal weights leave nothing for the control variate to correct.
            return -losses.mean(axis=1)
        eta = -(losses * centred).mean(axis=1) / variance
        return -(losses.mean(axis=1) + eta * (weight.mean() - 1.0))


@dataclass(frozen=True)
class ReverseValidation(Rule):
    """Best mean F1 on the source after going to the target and back."""

    name = "reverse"
    label = "reverse validation: from the predicted target back to the source"
    needs = ("reverse_predictions",)
    reference = "Zhong et al., ECML 2010; Bruzzone and Marconcini, TPAMI 32(5), 2010"

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


def _weighted_losses(record: Evaluated) -> NDArray[np.float64]:
    """Return weight times zero-one loss; NaN for settings with a sample not predicted."""
    predictions = np.asarray(record.extras["source_cv_predictions"])
    wrong = predictions != record.y_source
    losses = wrong * np.asarray(record.extras["density_ratio"], dtype=float)
    losses[(predictions == NOT_PREDICTED).any(axis=1)] = np.nan
    return losses
