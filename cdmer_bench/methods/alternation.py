"""What an alternation between coefficients P and block weights w leaves behind."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Alternation(NamedTuple):
    """Where the alternation ended, for every setting of a strand.

    Attributes
    ----------
    P : ndarray, shape (n_settings, n_source + n_target, n_classes)
    w : ndarray, shape (n_settings, n_blocks)
    objectives : ndarray, shape (n_settings, outer_steps, 2)
        Eq. (8) after the update of P and after that of w, both with the weight of ``|w|_1`` of
        that iteration.
    n_steps : ndarray of int, shape (n_settings,)
        Iterations; where other settings take more, the rest of ``objectives`` is NaN.
    converged : ndarray of bool, shape (n_settings,)
        False if any inner solver met its limit.
    """

    P: Array
    w: Array
    objectives: Array
    n_steps: NDArray[np.intp]
    converged: NDArray[np.bool_]

    @classmethod
    def empty(cls, n_settings: int, n: int, c: int, n_blocks: int, steps: int) -> "Alternation":
        """Return room for the results of ``n_settings`` settings."""
        return cls(
            np.empty((n_settings, n, c)),
            np.empty((n_settings, n_blocks)),
            np.full((n_settings, steps, 2), np.nan),
            np.empty(n_settings, np.intp),
            np.empty(n_settings, np.bool_),
        )

    def put(self, members: NDArray[np.intp], ended: "Alternation") -> None:
        """Write the results of some settings, which took equally many steps."""
        for mine, other in zip(self[:2], ended[:2], strict=True):
            mine[members] = other
        self.objectives[members, : ended.objectives.shape[1]] = ended.objectives
        self.n_steps[members] = ended.n_steps
        self.converged[members] = ended.converged
