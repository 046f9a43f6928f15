"""The exact search against enumeration of every confusion matrix of a small database."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.reporting.audit import constant_class, counts_with_accuracy, find_matrix

SMALL = (4, 3, 2)


def splits(total, parts):
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in splits(total - first, parts - 1):
            yield (first, *rest)


def all_scores(counts):
    """Every (mean F1 to four decimals, right) that a confusion matrix of ``counts`` has."""
    found = set()
    for rows in itertools.product(*(list(splits(n, 3)) for n in counts)):
        predicted = [sum(row[j] for row in rows) for j in range(3)]
        right = [rows[i][i] for i in range(3)]
        f1 = sum(
            2 * r / (n + p) if n + p else 0.0
            for r, n, p in zip(right, counts, predicted, strict=True)
        )
        found.add((f1 / 3, sum(right)))
    return found


SCORES = all_scores(SMALL)


def test_every_matrix_is_found():
    assert all(find_matrix(round(f1, 4), right, SMALL) for f1, right in SCORES)


@given(st.integers(0, 10000), st.integers(0, sum(SMALL)))
def test_found_exactly_if_a_matrix_prints_so(digits, right):
    f1 = digits / 10000
    expected = any(r == right and abs(v - f1) <= 0.00005 + 1e-9 for v, r in SCORES)
    assert (find_matrix(f1, right, SMALL) is not None) == expected


def test_the_next_digit_is_not_taken_for_rounding():
    # Near every score; digits drawn at random hardly ever lie within one of a score.
    near = {(round(f1, 4) + step / 10000, right) for f1, right in SCORES for step in (-1, 1)}
    refused = 0
    for f1, right in near:
        possible = any(r == right and abs(v - f1) <= 0.00005 + 1e-9 for v, r in SCORES)
        assert (find_matrix(f1, right, SMALL) is not None) == possible
        refused += not possible
    assert refused > 100


def test_witness_has_the_scores():
    counts = (23, 28, 20)
    # Table III, Baseline, Exp.5: 63.38 = 45 / 71
    right, predicted = find_matrix(0.6186, 45, counts)
    f1 = [2 * r / (n + p) for r, n, p in zip(right, counts, predicted, strict=True)]
    assert round(sum(f1) / 3, 4) == 0.6186
    assert sum(right) == 45
    assert sum(predicted) == 71


@pytest.mark.parametrize(
    ("percent", "n", "right"),
    [(63.38, 71, [45]), (49.83, 71, []), (61.5, 130, []), (0.0, 71, [0]), (100.0, 71, [71])],
)
def test_counts_that_print_as_an_accuracy(percent, n, right):
    assert counts_with_accuracy(percent, n) == right


def test_constant_answers_are_recognized():
    assert constant_class(0.1994, 42.68, (70, 51, 43)) == 0
    assert constant_class(0.1075, 19.23, (73, 32, 25)) == 2
    assert constant_class(0.1075, 56.15, (73, 32, 25)) is None


def test_totals_that_no_matrix_has_are_not_taken_for_one():
    # Every right and predicted counts that add up, whether a matrix has them or not.
    refused = 0
    for right in itertools.product(*(range(n + 1) for n in SMALL)):
        for wrong in splits(sum(SMALL) - sum(right), 3):
            f1 = sum(2 * r / (n + r + w) for r, n, w in zip(right, SMALL, wrong, strict=True)) / 3
            value = round(f1, 4)
            possible = any(k == sum(right) and abs(v - value) <= 0.00005 for v, k in SCORES)
            assert (find_matrix(value, sum(right), SMALL) is not None) == possible
            refused += not possible
    assert refused > 10
