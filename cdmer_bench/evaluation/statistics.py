"""Intervals, tests and search budgets, for comparing methods on stored predictions.

The tasks of the protocol share databases, and TYPE-I targets show the same events as their
sources. Tests over tasks take them as independent; their p-values are too small, and captions
say so (:data:`DEPENDENCE`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import f1_of_counts

DEPENDENCE = (
    "The tasks share databases and so depend on each other; "
    "tests over tasks take them as independent and are optimistic."
)


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval: lower and upper limits."""

    mean_f1: tuple[float, float]  # between 0 and 1
    accuracy: tuple[float, float]  # in percent
    by_subject: bool  # whether subjects rather than samples were drawn


def bootstrap_interval(
    y_true: ArrayLike,  # (n_target,), class indices
    y_pred: ArrayLike,  # (n_target,), class indices
    n_classes: int,
    subjects: ArrayLike | None = None,  # (n_target,), optional
    *,
    level: float = 0.95,  # coverage, between 0 and 1
    n_resamples: int = 2000,
    seed: int = 0,  # the same seed gives the same interval
) -> Interval:
    """Return percentile bootstrap intervals of mean F1 and accuracy.

    Whole subjects are drawn where they are known, because clips of one person are alike;
    otherwise samples. The interval is conditional on the setting: it does not contain the
    uncertainty of having chosen the setting on the same samples. A class that a resample
    neither holds nor predicts is left out of that resample's mean F1; counting it as 0 would
    pull the interval below the score wherever few subjects show a class.
    """
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    groups = np.arange(len(true)) if subjects is None else np.asarray(subjects)
    names, members = np.unique(groups, return_inverse=True)
    # Each group's confusion matrix; a resample is a sum of these, weighted by how often drawn.
    counts = np.zeros((len(names), n_classes, n_classes))
    np.add.at(counts, (members, true, predicted), 1)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)
    resampled = np.tensordot(draws, counts, axes=1)
    occurs = (resampled.sum(axis=-1) + resampled.sum(axis=-2)) > 0
    f1 = f1_of_counts(resampled).sum(axis=-1) / occurs.sum(axis=-1)
    percent = 100 * resampled.diagonal(axis1=1, axis2=2).sum(axis=1) / resampled.sum(axis=(1, 2))
    limits = [(1 - level) / 2, (1 + level) / 2]
    low_f1, high_f1 = np.quantile(f1, limits).tolist()
    low, high = np.quantile(percent, limits).tolist()
    return Interval((low_f1, high_f1), (low, high), subjects is not None)


def mcnemar(y_true: ArrayLike, first: ArrayLike, second: ArrayLike) -> tuple[int, int, float]:
    """Test exactly whether two methods are right equally often on the same samples.

    It returns how many only the first and only the second has right, and the p-value.
    """
    from scipy.stats import binomtest

    true = np.asarray(y_true)
    right, other = np.asarray(first) == true, np.asarray(second) == true
    only_first, only_second = int(np.sum(right & ~other)), int(np.sum(other & ~right))
    n = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, n).pvalue) if n else 1.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's step-down adjusted p-values, in the order given."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty_like(p)
    result[order] = np.minimum(adjusted, 1.0)
    return result


def wilcoxon_against(
    scores: ArrayLike,  # (n_tasks, n_methods)
    control: int,  # column that the others are compared with
) -> tuple[NDArray, NDArray]:
    """Return the two-sided p of Wilcoxon's signed ranks of every method against one, and Holm's.

    NaN for the control itself, 1 where all differences are zero; zero differences are left out.
    """
    table = np.asarray(scores, dtype=float)
    p = np.full(table.shape[1], np.nan)
    others = [j for j in range(table.shape[1]) if j != control]
    for j in others:
        # Rounded, so that equal scores computed in different orders count as no difference.
        p[j] = _signed_rank_p(np.round(table[:, j] - table[:, control], 12))
    adjusted = p.copy()
    adjusted[others] = holm(p[others])
    return p, adjusted


def _signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of signed ranks from their exact distribution.

    scipy.stats.wilcoxon is exact up to 13 differences, or 50 without ties, and approximates above.
    """
    from scipy.stats import rankdata

    apart = differences[differences != 0]
    # Tied ranks end in one half; doubled, all are whole.
    doubled = (2 * rankdata(np.abs(apart))).astype(int)
    # The chance of each sum of ranks if every sign is tossed: one rank after the other.
    chance = np.ones(1)
    for rank in doubled:
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    found = doubled[apart > 0].sum()
    return float(min(1.0, 2 * min(chance[: found + 1].sum(), chance[found:].sum())))


@dataclass(frozen=True)
class Ranking:
    """Friedman's test over tasks."""

    average_ranks: NDArray[np.float64]  # (n_methods,), 1 is best; ties share their mean rank
    chi2: float  # Friedman's statistic, corrected for ties
    p: float  # of Iman and Davenport's F, which is less conservative than chi2
    f: float  # Iman and Davenport's statistic
    critical_difference: float  # Nemenyi's at 5 %, of average ranks
    n_tasks: int


def ranks_of(scores: ArrayLike) -> NDArray[np.float64]:
    """Return the ranks of methods on every task, larger scores first, ties by their mean rank."""
    from scipy.stats import rankdata

    # Rounded, so that equal scores computed in different orders tie.
    return np.asarray(rankdata(-np.round(np.asarray(scores), 12), axis=1))


def friedman(
    scores: ArrayLike,  # (n_tasks, n_methods), at least two tasks and three methods
    level: float = 0.05,  # significance level of the critical difference
) -> Ranking:
    """Rank methods over tasks, larger scores better (Demsar, JMLR 7, 2006)."""
    from scipy.stats import f as f_distribution
    from scipy.stats import friedmanchisquare, studentized_range

    table = np.asarray(scores, dtype=float)
    n, k = table.shape
    if n < 2 or k < 3 or np.isnan(table).any():
        raise UserError(
            f"ranks over {n} task(s) of {k} method(s) cannot be tested; "
            "run at least two tasks and three methods, each on every task"
        )
    ranks = ranks_of(table)
    constant = np.ptp(ranks) == 0
    chi2 = 0.0 if constant else float(friedmanchisquare(*-ranks.T).statistic)
    rest = n * (k - 1) - chi2
    f = float("inf") if rest <= 0 else (n - 1) * chi2 / rest
    p = float(f_distribution.sf(f, k - 1, (k - 1) * (n - 1)))
    critical = studentized_range.ppf(1 - level, k, np.inf) / np.sqrt(2)
    return Ranking(
        ranks.mean(axis=0), chi2, p, f, float(critical * np.sqrt(k * (k + 1) / (6 * n))), n
    )


def cliques(average_ranks: Sequence[float], critical_difference: float) -> list[tuple[int, ...]]:
    """Return the largest groups of methods whose average ranks lie within the difference."""
    order = sorted(range(len(average_ranks)), key=lambda i: average_ranks[i])
    groups: list[tuple[int, ...]] = []
    for start in range(len(order)):
        best = average_ranks[order[start]]
        group = tuple(i for i in order[start:] if average_ranks[i] - best <= critical_difference)
        if len(group) > 1 and not (groups and set(group) <= set(groups[-1])):
            groups.append(group)
    return groups


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
