"""Statistics against published examples and plain enumerations."""

import itertools
from math import comb

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation import accuracy, mean_f1
from cdmer_bench.evaluation.statistics import (
    bootstrap_interval,
    cliques,
    friedman,
    holm,
    mcnemar,
    wilcoxon_against,
)

# J. Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006,
# Table 6: AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets. He prints 0.975 twice for
# "voting" but ranks them 2 and 3, so unrounded the third column is the larger.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_friedman_ranks_and_critical_difference_of_demsar():
    ranking = friedman(DEMSAR)
    assert ranking.average_ranks.round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    # He prints 1.25 and, without correcting for ties, 9.28.
    assert round(ranking.critical_difference, 2) == 1.25
    uncorrected = 12 * 14 / (4 * 5) * (np.sum(ranking.average_ranks**2) - 4 * 25 / 4)
    assert round(uncorrected, 2) == 9.28
    assert ranking.chi2 > uncorrected
    assert ranking.f == pytest.approx(13 * ranking.chi2 / (14 * 3 - ranking.chi2))
    assert 0.01 < ranking.p < 0.05


def test_wilcoxon_of_demsar():
    # Section 3.1.3: C4.5 against C4.5+m has T = 12 over 14 data sets, below the critical 21.
    p, adjusted = wilcoxon_against(DEMSAR[:, :2], 0)
    assert np.isnan(p[0])
    assert p[1] < 0.05
    assert adjusted[1] == p[1]


def test_wilcoxon_is_exact_without_ties():
    apart = np.array([0.1, 0.2, -0.3, 0.4, 0.5, 0.6])
    p, _ = wilcoxon_against(np.column_stack([np.zeros(6), apart]), 0)
    signed = [
        min(sum(r for r, s in zip(range(1, 7), signs, strict=True) if s == side) for side in (0, 1))
        for signs in itertools.product((0, 1), repeat=6)
    ]
    assert p[1] == pytest.approx(np.mean(np.array(signed) <= 3))


# Whole numbers tie often, and some are zero.
@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_with_ties_is_what_scipy_finds_by_every_sign(seed):
    apart = np.random.default_rng(seed).integers(-3, 5, size=9).astype(float)
    every_sign = scipy.stats.PermutationMethod(n_resamples=np.inf)
    expected = scipy.stats.wilcoxon(apart[apart != 0], method=every_sign).pvalue
    p, _ = wilcoxon_against(np.column_stack([np.zeros(9), apart]), 0)
    assert p[1] == pytest.approx(expected, rel=1e-12)


def test_wilcoxon_without_ties_is_what_scipy_finds_exactly():
    apart = np.random.default_rng(3).normal(0.4, 1.0, 40)
    p, _ = wilcoxon_against(np.column_stack([np.zeros(40), apart]), 0)
    assert p[1] == pytest.approx(scipy.stats.wilcoxon(apart, method="exact").pvalue, rel=1e-10)


def test_equal_methods_are_no_different():
    scores = np.tile(np.arange(6.0)[:, None], (1, 3))
    assert wilcoxon_against(scores, 0)[0][1:].tolist() == [1, 1]
    ranking = friedman(scores)
    assert ranking.average_ranks.tolist() == [2, 2, 2]
    assert ranking.p == 1


def test_friedman_and_iman_davenport_of_demsar():
    # Section 3.2.2 prints F = 3.69 from the uncorrected 9.28, and the critical value 2.85 of
    # F(3, 39). Without ties nothing is corrected, so ours must give his formulas there.
    assert round(13 * 9.28 / (14 * 3 - 9.28), 2) == 3.69
    rng = np.random.default_rng(0)
    scores = rng.random((9, 4))
    ranks = (-scores).argsort(axis=1).argsort(axis=1) + 1.0
    chi2 = 12 * 9 / 20 * (np.sum(ranks.mean(axis=0) ** 2) - 25.0)
    found = friedman(scores)
    assert found.chi2 == pytest.approx(chi2)
    assert found.f == pytest.approx(8 * chi2 / (27 - chi2))


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (9, 3.102), (10, 3.164)])
def test_critical_values_of_nemenyi(k, q):
    # Demsar's Table 5 (a), q for level 0.05.
    scores = np.random.default_rng(k).random((6, k))
    found = friedman(scores).critical_difference
    assert round(found / np.sqrt(k * (k + 1) / 36), 3) == pytest.approx(q, abs=0.0011)


def test_critical_value_at_another_level():
    # Demsar's Table 5 (a), level 0.10, four methods.
    found = friedman(DEMSAR, level=0.10).critical_difference
    assert round(found / np.sqrt(4 * 5 / (6 * 14)), 3) == pytest.approx(2.291, abs=0.0011)


def test_mcnemar_on_a_published_table():
    # Agresti, Categorical data analysis: approval at two surveys, 150 against 86 changed.
    y = np.zeros(236)
    first = np.r_[np.zeros(150), np.ones(86)]
    only_first, only_second, p = mcnemar(y, first, 1 - first)
    assert (only_first, only_second) == (150, 86)
    # Exact two-sided binomial, twice the upper tail.
    assert p == pytest.approx(2 * sum(comb(236, i) for i in range(150, 237)) / 2**236)
    assert p < 0.0001  # as he prints for z = -4.17


def test_holm_example():
    # S. Holm's procedure on four p-values, by hand: 4 x .005, 3 x .01, 2 x .03, then .06 >= .04.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_p_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-15).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5))
def test_mcnemar_is_the_binomial_tail(b, c, both):
    y = np.zeros(b + c + both + 1)
    first = np.r_[np.zeros(b), np.ones(c), np.zeros(both), 1]
    second = np.r_[np.ones(b), np.zeros(c), np.zeros(both), 1]
    only_first, only_second, p = mcnemar(y, first, second)
    n = b + c
    tail = 2 * sum(comb(n, i) for i in range(min(b, c) + 1)) / 2**n
    assert (only_first, only_second) == (b, c)
    assert p == pytest.approx(min(1, tail))


def test_bootstrap_contains_the_score_and_repeats():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 164)
    prediction = np.where(rng.random(164) < 0.6, y, (y + 1) % 3)
    interval = bootstrap_interval(y, prediction, 3)
    assert interval == bootstrap_interval(y, prediction, 3)
    assert interval.mean_f1[0] < mean_f1(y, prediction) < interval.mean_f1[1]
    assert interval.accuracy[0] < accuracy(y, prediction) < interval.accuracy[1]


def test_bootstrap_is_that_of_clips_drawn_one_by_one():
    # The same draws of subjects, but the clips put together, scored and sorted the slow way.
    rng = np.random.default_rng(2)
    subjects = rng.choice(["b", "a", "c", "d", "e"], 40)
    y, prediction = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    names = sorted(set(subjects))
    draws = np.random.default_rng(7).multinomial(5, [0.2] * 5, size=199)
    scores = []
    for draw in draws:
        drawn = np.repeat(names, draw)
        clips = np.concatenate([np.flatnonzero(subjects == name) for name in drawn])
        scores.append((mean_f1(y[clips], prediction[clips]), accuracy(y[clips], prediction[clips])))
    scores = np.sort(scores, axis=0)
    found = bootstrap_interval(y, prediction, 3, subjects, level=0.9, n_resamples=199, seed=7)
    # 0.05 x 198 = 9.9 and 188.1: between order statistics, linearly.
    low = scores[9] + 0.9 * (scores[10] - scores[9])
    high = scores[188] + 0.1 * (scores[189] - scores[188])
    assert (found.mean_f1[0], found.accuracy[0]) == pytest.approx(low)
    assert (found.mean_f1[1], found.accuracy[1]) == pytest.approx(high)


def test_bootstrap_agrees_with_that_of_scipy():
    from scipy.stats import bootstrap

    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 130)
    prediction = np.where(rng.random(130) < 0.55, y, rng.integers(0, 3, 130))
    options = {"n_resamples": 4000, "method": "percentile", "vectorized": False, "rng": 1}
    found = bootstrap_interval(y, prediction, 3, n_resamples=4000)
    for statistic, ours in ((mean_f1, found.mean_f1), (accuracy, found.accuracy)):
        theirs = bootstrap((y, prediction), statistic, paired=True, **options).confidence_interval
        spread = theirs.high - theirs.low
        # Two independent sets of 4,000 draws: limits apart by chance alone.
        assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * spread)


def test_bootstrap_accuracy_has_the_binomial_spread():
    y = np.zeros(400, int)
    prediction = np.r_[np.zeros(240, int), np.ones(160, int)]
    low, high = bootstrap_interval(y, prediction, 2, n_resamples=20000).accuracy
    # Normal approximation of Binomial(400, 0.6): 60 +- 1.96 x 2.449 percent.
    assert low == pytest.approx(60 - 1.96 * 2.449, abs=0.4)
    assert high == pytest.approx(60 + 1.96 * 2.449, abs=0.4)


def test_drawing_alike_subjects_widens_the_interval():
    subjects = np.repeat(np.arange(10), 20)
    y = np.zeros(200, int)
    prediction = (subjects < 4).astype(int)
    by_sample = bootstrap_interval(y, prediction, 2)
    by_subject = bootstrap_interval(y, prediction, 2, subjects)
    assert by_subject.by_subject
    assert not by_sample.by_subject
    width = [i.accuracy[1] - i.accuracy[0] for i in (by_sample, by_subject)]
    assert width[1] > 3 * width[0]


def test_class_shown_by_one_subject_does_not_pull_the_interval_down():
    y = np.repeat([0, 1, 2], [30, 30, 5])
    subjects = np.r_[np.tile(np.arange(10), 6), np.zeros(5, int)]
    assert bootstrap_interval(y, y, 3, subjects).mean_f1 == (1.0, 1.0)


def test_cliques_of_demsar():
    ranking = friedman(DEMSAR)
    # Within 1.25 ranks of the best are all: 3.143 - 1.964 = 1.179.
    assert cliques(ranking.average_ranks, ranking.critical_difference) == [(3, 1, 2, 0)]
    assert cliques([1.0, 2.0, 3.0, 9.0], 1.0) == [(0, 1), (1, 2)]
    assert cliques([1.0, 3.0], 1.0) == []


def test_scores_that_differ_by_rounding_alone_are_equal():
    # 0.1 + 0.2 is not 0.3 in binary fractions; the two methods do the same on every task.
    scores = np.column_stack([[0.3] * 6, [0.1 + 0.2] * 6, [0.9] * 6])
    assert wilcoxon_against(scores, 0)[0][1] == 1
    assert friedman(scores).average_ranks.tolist() == [2.5, 2.5, 1]


@pytest.mark.parametrize("scores", [np.ones((1, 4)), np.ones((4, 2)), [[1, np.nan, 2]] * 3])
def test_scores_that_cannot_be_ranked_are_refused(scores):
    with pytest.raises(UserError):
        friedman(scores)
