"""Rules that look at the target's predictions or decision values, never at its labels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.base import Evaluated, Rule

_NO_COMMON_SCALE = (
    "the methods' decision values are not on one scale and a setting can scale them up, which "
    "looks more certain; compare such choices within a method, with care"
)
_CONTENT_WITH_ONE_CLASS = (
    "one class answered with certainty for all of the target is the best that it can find; "
    + _NO_COMMON_SCALE
)
# Settings that a thread takes at once, and rows of pairs whose mirror images are copied.
_PART, _STRIP = 64, 32
# Cosines of probabilities are at least 0 and exp(-1 / 0.002) is far above the smallest double.
_LEAST_TEMPERATURE = 0.002


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
    caveat = _CONTENT_WITH_ONE_CLASS

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
        classes = np.arange(len(record.classes))
        predicted = (record.predictions[:, :, None] == classes).sum(axis=1)
        source = (record.y_source[:, None] == classes).sum(axis=0)
        n_source, n_target = len(record.y_source), len(record.y_target)
        # Whole numbers until the last step, so that equal distances are equal.
        distance = np.abs(predicted * n_source - source * n_target).sum(axis=1)
        return -0.5 * distance / (n_source * n_target)


@dataclass(frozen=True)
class NeighborhoodDensity(Rule):
    """Soft neighbourhood density: target samples should have many close neighbours.

    Attributes
    ----------
    temperature : float
        Of the softmax over neighbours, at least 0.002; 0.05 in the reference.

    Raises
    ------
    UserError
        For what is no number, and for a lower temperature, at which a sample far from all others
        has no neighbour left in double precision.
    """

    temperature: float = 0.05

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
    caveat = _CONTENT_WITH_ONE_CLASS

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return the mean entropy of each sample's similarity to the others, in nats."""
        density = np.full(len(record.settings), np.nan)
        if len(record.y_target) < 2:
            return density
        probability = softmax(record)
        units = probability / np.linalg.norm(probability, axis=-1, keepdims=True)
        parts = [units[first : first + _PART] for first in range(0, len(units), _PART)]
        # NumPy lets other threads go on while it computes, and settings are independent.
        with ThreadPoolExecutor() as threads:
            densities = threads.map(lambda part: _densities(part, self.temperature), parts)
            return np.concatenate(list(densities))


def softmax(record: Evaluated) -> NDArray[np.float64]:
    """Return class probabilities, shape (n_settings, n_target, n_classes); NaN if undefined."""
    # Classes first in memory: numpy is slow at reducing a last axis of three.
    scores = np.moveaxis(np.asarray(record.scores), 2, 0).astype(np.float64, order="C")
    scores[:, ~np.isfinite(scores).all(axis=(0, 2))] = np.nan
    scores -= scores.max(axis=0)
    exponential = np.exp(scores, out=scores)
    exponential /= exponential.sum(axis=0)
    return np.moveaxis(exponential, 0, 2)


def _densities(units: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return the mean entropy of the samples' softmax over their cosines to the others.

    With s = (cosine - 1) / temperature and Z = sum exp(s), a sample's entropy is
    log Z - sum(exp(s) s) / Z. A report evaluates it for every setting, so each pair of samples
    has one exponential, none a logarithm, and no setting takes new memory.

    Parameters
    ----------
    units : ndarray, shape (n_settings, n, n_classes)
        Class probabilities, of length 1.
    temperature : float

    Returns
    -------
    ndarray, shape (n_settings,)
    """
    n = units.shape[1]
    ones = np.ones((*units.shape[:2], 1))
    # One matrix product of these gives s.
    rows = np.concatenate([units / temperature, -ones / temperature], axis=2)
    columns = np.concatenate([units, ones], axis=2)
    shifted, exponential = np.empty((2, n, n))
    found = np.empty(len(units))
    for index in range(len(units)):
        np.matmul(rows[index], columns[index].T, out=shifted)
        for first in range(0, n, _STRIP):
            strip, after = slice(first, first + _STRIP), slice(first + _STRIP, None)
            np.exp(shifted[strip, first:], out=exponential[strip, first:])
            exponential[after, strip] = exponential[strip, after].T
        np.fill_diagonal(exponential, 0.0)
        total = exponential.sum(axis=1)
        entropies = np.log(total) - np.einsum("ij,ij->i", exponential, shifted) / total
        found[index] = entropies.mean()
    return found


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    classes_first = np.moveaxis(probability, -1, 0)
    # 0 log 0 = 0
    logarithm = np.log(classes_first, where=classes_first > 0, out=np.zeros_like(classes_first))
    return -np.einsum("c...,c...->...", classes_first, logarithm)
