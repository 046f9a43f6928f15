"""The rules: by labelled source samples, or by the target's predictions and decision values.

None of them looks at a label of the target. Rules on source samples need arrays that a run must
record, in ``record.extras``:

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

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection.base import Evaluated, Rule

# More than any class index; databases have a handful of classes.
NOT_PREDICTED = 255
# Weights of one fold that are apart by less, relative to the largest, are equal but for rounding.
_EQUAL_WEIGHTS = 1e-12
_RATIO = "the density ratio is estimated from few clips in many dimensions and is rough"
# Cosines of probabilities are at least 0 and exp(-1 / 0.002) is far above the smallest double.
_LEAST_TEMPERATURE = 0.002
# Samples whose entropies are computed first, then twice as many, and so on up to the largest;
# settings that are taken at once, so that their pairs of samples stay in the processor's cache.
_FIRST_ROWS, _MOST_ROWS, _PART = 4, 32, 64
_ROUNDING = 1e-9  # nats; far above the error of a sum of entropies

_NO_COMMON_SCALE = (
    "decision values have no common scale and larger ones look more certain, so that its choices "
    "can be compared within a method only"
)
CONTENT_WITH_ONE_CLASS = (
    f"it may prefer a setting that gives one class to the whole target; {_NO_COMMON_SCALE}"
)


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
    if np.ptp(weights) <= _EQUAL_WEIGHTS * weights.max():
        # With equal weights there is nothing to correct, and eta would be rounding errors alone.
        return weighted.mean(axis=1)
    centred = weights - weights.mean()
    eta = -(weighted * centred).mean(axis=1) / np.mean(centred**2)
    return weighted.mean(axis=1) + eta * (weights.mean() - 1.0)


@dataclass(frozen=True)
class Entropy(Rule):
    """Least mean entropy of the softmax of the decision values.

    Decision values enter as the method gives them, so a setting that scales them up looks
    more certain; this is a known weakness of the rule, kept as published.
    """

    name = "entropy"
    label = "entropy: most certain predictions"
    needs = ("scores",)
    reference = "Morerio et al., Minimal-entropy correlation alignment, ICLR 2018"
    caveat = CONTENT_WITH_ONE_CLASS

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the mean entropy, in nats."""
        return -_entropy(softmax(record)).mean(axis=1)


@dataclass(frozen=True)
class InformationMaximization(Rule):
    """Certain and diverse: entropy of the mean prediction minus mean entropy."""

    name = "infomax"
    label = "infomax: certain and diverse predictions"
    needs = ("scores",)
    reference = (
        "Shi and Sha, Information-theoretical learning of discriminative clusters, ICML 2012"
    )
    caveat = _NO_COMMON_SCALE

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return the mutual information of sample and predicted class, in nats."""
        probability = softmax(record)
        information = _entropy(probability.mean(axis=1)) - _entropy(probability).mean(axis=1)
        # It is never negative; two equal entropies leave rounding of either sign, below 1e-14.
        return np.where(information < 1e-14, 0.0, information)


@dataclass(frozen=True)
class ClassBalance(Rule):
    """Predicted class proportions nearest to the source's, by total variation distance.

    It takes the target's class proportions to be the source's, which the databases of the
    paper contradict (73/32/25 against 23/28/20), and is the simplest rule that avoids
    answering one class only.
    """

    name = "class_balance"
    label = "class balance: predicted proportions nearest to the source's"
    reference = "prior matching; Musgrave et al., Benchmarking validation methods for UDA, 2022"
    caveat = "it assumes the class proportions of the source for the target, which is often wrong"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the distance, between -1 and 0."""
        classes = range(len(record.classes))
        predicted = np.stack([(record.predictions == c).sum(axis=1) for c in classes], axis=1)
        source = np.array([(record.y_source == c).sum() for c in classes])
        n_source, n_target = len(record.y_source), len(record.y_target)
        # Whole numbers until the last step, so that equal distances are equal.
        distance = np.abs(predicted * n_source - source * n_target).sum(axis=1)
        return -0.5 * distance / (n_source * n_target)


@dataclass(frozen=True)
class NeighborhoodDensity(Rule):
    """Soft neighbourhood density: target samples should have many close neighbours."""

    temperature: float = 0.05  # of the softmax over neighbours, as in the reference

    def __post_init__(self) -> None:
        """Check the temperature."""
        number = isinstance(self.temperature, int | float)
        if not number or not self.temperature >= _LEAST_TEMPERATURE:
            raise UserError(
                f"rule 'snd' has the temperature {self.temperature!r}; "
                f"give at least {_LEAST_TEMPERATURE}"
            )

    name = "snd"
    label = "SND: soft neighbourhood density"
    needs = ("scores",)
    reference = "Saito et al., Tune it the right way, ICCV 2021"
    caveat = CONTENT_WITH_ONE_CLASS

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return the mean entropy of each sample's similarity to the others, in nats."""
        return self._densities(record, all_settings=True)

    def contenders(self, record: Evaluated) -> NDArray[np.float64]:
        """Return the densities near the largest, and for the others a number below it.

        An entropy over n - 1 others is at most log(n - 1). A setting that could not reach the
        largest density even if the samples not yet looked at all had that much is left there.
        """
        return self._densities(record, all_settings=False)

    def _densities(self, record: Evaluated, *, all_settings: bool) -> NDArray[np.float64]:
        densities = np.full(len(record.settings), np.nan)
        n = len(record.y_target)
        if n < 2:
            return densities
        probability = softmax(record)
        units = probability / np.linalg.norm(probability, axis=-1, keepdims=True)
        left = np.flatnonzero(np.isfinite(units).all(axis=(1, 2)))
        sums = np.zeros(len(units))
        reached = -np.inf
        for rows in _row_ranges(n):
            sums[left] += _entropy_sums(units[left], rows, self.temperature)
            densities[left] = (sums[left] + (n - rows.stop) * np.log(n - 1)) / n
            if all_settings or not len(left):
                continue
            leader = units[[left[densities[left].argmax()]]]
            whole = _entropy_sums(leader, slice(0, n), self.temperature)[0] / n
            reached = max(reached, whole)
            left = left[densities[left] >= reached - _ROUNDING]
        return densities


def softmax(record: Evaluated) -> NDArray[np.float64]:
    """Return class probabilities, shape (n_settings, n_target, n_classes); NaN if undefined."""
    # Classes first in memory: numpy is slow at reducing a last axis of three.
    scores = np.moveaxis(np.asarray(record.scores), 2, 0).astype(np.float64, order="C")
    scores[:, ~np.isfinite(scores).all(axis=(0, 2))] = np.nan
    scores -= scores.max(axis=0)
    exponential = np.exp(scores, out=scores)
    exponential /= exponential.sum(axis=0)
    return np.moveaxis(exponential, 0, 2)


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    classes_first = np.moveaxis(probability, -1, 0)
    # 0 log 0 = 0
    logarithm = np.log(classes_first, where=classes_first > 0, out=np.zeros_like(classes_first))
    return -np.einsum("c...,c...->...", classes_first, logarithm)


def _row_ranges(n: int) -> Iterator[slice]:
    first, rows = 0, _FIRST_ROWS
    while first < n:
        yield slice(first, min(first + rows, n))
        first, rows = first + rows, min(2 * rows, _MOST_ROWS)


def _entropy_sums(
    units: NDArray[np.float64],  # (n_settings, n, n_classes), class probabilities, of length 1
    rows: slice,  # the samples
    temperature: float,
) -> NDArray[np.float64]:
    """Return the sum of some samples' entropies of the softmax over their cosines to the others.

    With s = (cosine - 1) / temperature and Z = sum exp(s), an entropy is
    log Z - sum(exp(s) s) / Z.
    """
    ones = np.ones((*units.shape[:2], 1))
    # One matrix product of these gives s.
    samples = np.concatenate([units, -ones], axis=2)[:, rows] / temperature
    others = np.concatenate([units, ones], axis=2).swapaxes(1, 2)
    own = np.arange(rows.start, rows.stop)
    found = np.empty(len(units))
    for first in range(0, len(units), _PART):
        part = slice(first, first + _PART)
        shifted = samples[part] @ others[part]
        exponential = np.exp(shifted)
        exponential[:, own - rows.start, own] = 0.0
        total = exponential.sum(axis=2)
        weighted = np.einsum("sij,sij->si", exponential, shifted)
        found[part] = (np.log(total) - weighted / total).sum(axis=1)
    return found
