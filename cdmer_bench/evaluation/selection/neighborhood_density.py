"""Soft neighbourhood density, and its maximum over a grid without all of the work."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.base import Evaluated, Rule
from cdmer_bench.evaluation.selection.unsupervised import CONTENT_WITH_ONE_CLASS, softmax

# Cosines of probabilities are at least 0 and exp(-1 / 0.002) is far above the smallest double.
_LEAST_TEMPERATURE = 0.002
# Samples whose entropies are computed first, then twice as many, and so on up to the largest;
# settings that are taken at once, so that their pairs of samples stay in the processor's cache.
_FIRST_ROWS, _MOST_ROWS, _PART = 4, 32, 64
_ROUNDING = 1e-9  # nats; far above the error of a sum of entropies


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


def _row_ranges(n: int) -> Iterator[slice]:
    first, rows = 0, _FIRST_ROWS
    while first < n:
        yield slice(first, min(first + rows, n))
        first, rows = first + rows, min(2 * rows, _MOST_ROWS)


def _entropy_sums(
    units: NDArray[np.float64], rows: slice, temperature: float
) -> NDArray[np.float64]:
    """Return the sum of some samples' entropies of the softmax over their cosines to the others.

    With s = (cosine - 1) / temperature and Z = sum exp(s), an entropy is
    log Z - sum(exp(s) s) / Z.

    Parameters
    ----------
    units : ndarray, shape (n_settings, n, n_classes)
        Class probabilities, of length 1.
    rows : slice
        The samples.
    temperature : float

    Returns
    -------
    ndarray, shape (n_settings,)
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
