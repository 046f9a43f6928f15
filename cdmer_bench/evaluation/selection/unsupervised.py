"""Rules that look at the target's predictions or decision values, never at its labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.base import Evaluated, Rule

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
