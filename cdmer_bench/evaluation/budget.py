"""The best score that is to be expected of a part of a grid, drawn at random."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError


def budget_curve(
    scores: ArrayLike,  # (n_settings,)
    budgets: ArrayLike | None = None,  # values of m, 1 to n_settings; by default all of them
) -> NDArray[np.float64]:
    """Return the expected best of m settings drawn at random without replacement.

    With the scores sorted, s_1 <= ... <= s_n, the best of m draws is s_i with probability
    C(i - 1, m - 1) / C(n, m), so E_m = sum_i s_i C(i - 1, m - 1) / C(n, m): exact, no sampling.
    It never falls with m, from the mean of the scores at m = 1 to their maximum at m = n.
    """
    ordered = np.sort(np.asarray(scores, dtype=float))
    n = len(ordered)
    wanted = np.arange(1, n + 1) if budgets is None else np.asarray(budgets, dtype=int)
    if not n:
        raise UserError("budgets must lie between 1 and the 0 settings of the grid")
    # One budget after the other: all chances of a large grid at once would not fit the memory.
    return np.array([rank_chances(n, [m])[0] @ ordered[::-1] for m in wanted])


def rank_chances(
    n: int,  # settings of the grid
    budgets: ArrayLike,  # (n_budgets,), values of m, 1 to n
) -> NDArray[np.float64]:
    """Return how likely each setting is the best of m drawn at random, the best setting first.

    The shape is (n_budgets, n); rows sum to 1.
    """
    wanted = np.asarray(budgets, dtype=int)
    if not wanted.size or wanted.min() < 1 or wanted.max() > n:
        raise UserError(f"budgets must lie between 1 and the {n} settings of the grid")
    # The best of all is drawn with m / n; each next one follows with (i - m) / (i - 1) of that.
    ratios = np.ones((len(wanted), n))
    ranks = np.arange(n, 1, -1)
    ratios[:, 1:] = np.maximum(ranks - wanted[:, None], 0) / (ranks - 1)
    chances: NDArray[np.float64] = np.cumprod(ratios, axis=1) * (wanted[:, None] / n)
    return chances
