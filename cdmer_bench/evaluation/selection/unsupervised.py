"""Rules that look at the target's predictions or decision values, never at its labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.selection.base import Evaluated, Rule

_NO_COMMON_SCALE = (
    "the methods' decision values are not on one scale and a setting can scale them up, which "
    "looks more certain; compare such choices within a method, with care"
)
CONTENT_WITH_ONE_CLASS = (
    "one class answered with certainty for all of the target is the best that it can find; "
    + _NO_COMMON_SCALE
)


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
        return _entropy(probability.mean(axis=1)) - _entropy(probability).mean(axis=1)


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
    caveat = "it takes the target's class proportions to be the source's, which often is not so"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the distance, between -1 and 0."""
        classes = range(len(record.classes))
        predicted = np.stack([(record.predictions == c).sum(axis=1) for c in classes], axis=1)
        source = np.array([(record.y_source == c).sum() for c in classes])
        n_source, n_target = len(record.y_source), len(record.y_target)
        # Whole numbers until the last step, so that equal distances are equal.
        distance = np.abs(predicted * n_source - source * n_target).sum(axis=1)
        return -0.5 * distance / (n_source * n_target)


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
