"""Rules that look at the target's predictions or decision values, never at its labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.selection.base import Evaluated, Rule


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

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return minus the distance, between -1 and 0."""
        classes = np.arange(len(record.classes))
        predicted = (record.predictions[:, :, None] == classes).mean(axis=1)
        source = (record.y_source[:, None] == classes).mean(axis=0)
        return -0.5 * np.abs(predicted - source).sum(axis=1)


@dataclass(frozen=True)
class NeighborhoodDensity(Rule):
    """Soft neighbourhood density: target samples should have many close neighbours.

    Attributes
    ----------
    temperature : float
        Of the softmax over neighbours; 0.05 in the reference.
    """

    temperature: float = 0.05

    name = "snd"
    label = "SND: soft neighbourhood density"
    needs = ("scores",)
    reference = "Saito et al., Tune it the right way, ICCV 2021"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return the mean entropy of each sample's similarity to the others, in nats."""
        density = np.full(len(record.settings), np.nan)
        if len(record.y_target) < 2:
            return density
        for index, probability in enumerate(softmax(record)):
            unit = probability / np.linalg.norm(probability, axis=1, keepdims=True)
            similarity = unit @ unit.T / self.temperature
            np.fill_diagonal(similarity, -np.inf)
            density[index] = _entropy(_softmax(similarity)).mean()
        return density


def softmax(record: Evaluated) -> NDArray[np.float64]:
    """Return class probabilities, shape (n_settings, n_target, n_classes); NaN if undefined."""
    scores = np.asarray(record.scores, dtype=np.float64)
    return _softmax(np.where(np.isfinite(scores).all(axis=(1, 2), keepdims=True), scores, np.nan))


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    exponential = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    # 0 log 0 = 0
    logarithm = np.log(np.where(probability == 0, 1.0, probability))
    return -(probability * logarithm).sum(axis=-1)
