import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from cdmer_bench.errors import UserError
from cdmer_bench.solvers import principal_subspaces
from cdmer_bench.solvers.principal_subspaces import (
    principal_directions,
    right_singular_vectors,
    span_coordinates,
)


@settings(max_examples=20)
@given(st.integers(2, 12), st.integers(1, 40), st.integers(0, 10**6))
def test_span_coordinates_keep_inner_products(n, d, seed):
    X = np.random.default_rng(seed).normal(size=(n, d))
    coordinates = span_coordinates(X)
    assert coordinates.shape == (n, min(n, d))
    np.testing.assert_allclose(coordinates @ coordinates.T, X @ X.T, atol=1e-12)


def test_directions_are_those_of_scikit_learn():
    X = np.random.default_rng(0).normal(size=(15, 8)) * np.arange(8, 0, -1) + 3
    directions = principal_directions(X)
    expected = PCA().fit(X).components_
    assert directions.shape == (8, 8)
    np.testing.assert_allclose(np.abs(expected @ directions), np.eye(8), atol=1e-10)


def test_small_directions_survive_beside_large_ones():
    # A ratio of 1e-9 in scale is 1e-18 in variance, below what a Gram matrix can hold.
    rng = np.random.default_rng(1)
    X = rng.normal(size=(10, 3)) * [1.0, 1e-9, 1e-9]
    assert principal_directions(X).shape == (3, 3)


@pytest.mark.parametrize(
    ("X", "rank"),
    [
        (np.ones((6, 4)), 0),
        (np.ones((1, 4)), 0),
        (np.repeat(np.random.default_rng(0).normal(size=(3, 5)) + 1e3, 4, axis=0), 2),
        (np.random.default_rng(0).normal(size=(6, 20)), 5),
        (1e-200 * np.random.default_rng(0).normal(size=(6, 3)), 3),
    ],
    ids=["constant", "one sample", "duplicates", "fewer samples than features", "tiny"],
)
def test_rank_counts_the_directions_of_variation(X, rank):
    directions = principal_directions(X)
    assert directions.shape == (X.shape[1], rank)
    np.testing.assert_allclose(directions.T @ directions, np.eye(rank), atol=1e-12)


def test_refuses_overflow():
    with pytest.raises(UserError, match="overflow"):
        span_coordinates(np.full((2, 5), 1.7e308))


def test_both_ways_to_the_span_give_the_same_inner_products(monkeypatch):
    rng = np.random.default_rng(5)
    parts = [rng.gamma(0.5, size=(n, 200)) for n in (9, 14)]
    X = np.concatenate(parts)
    fast = span_coordinates(*parts)
    assert not np.triu(fast, 1).any()
    monkeypatch.setattr(principal_subspaces, "LARGEST_CONDITION", 0)
    slow = span_coordinates(*parts)
    for found in (fast, slow):
        np.testing.assert_allclose(found @ found.T, X @ X.T, rtol=1e-12)


def test_nearly_equal_samples_keep_the_small_difference_between_them():
    X = np.random.default_rng(6).normal(size=(5, 40))
    X[4] = X[3] + 1e-9 * X[0]
    found = span_coordinates(X)
    length = np.linalg.norm(found[4] - found[3])
    np.testing.assert_allclose(length, 1e-9 * np.linalg.norm(X[0]), rtol=1e-5)


@pytest.mark.parametrize("smallest", [1e-2, 1e-9, 0.0])
def test_large_matrices_are_decomposed_in_less_memory(monkeypatch, smallest):
    rng = np.random.default_rng(7)
    left, right = (np.linalg.qr(rng.normal(size=(60, 60)))[0] for _ in range(2))
    M = 37 * (left * np.linspace(1, smallest, 60) ** 3) @ right.T
    expected, vectors = right_singular_vectors(M)
    monkeypatch.setattr(principal_subspaces, "LARGEST_SVD", 0)
    singular, found = right_singular_vectors(M.copy())
    np.testing.assert_allclose(singular, expected, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found.T @ found, np.eye(60), atol=1e-12)
    clear = expected > 1e-9 * expected[0]
    alike = np.abs(np.sum(found * vectors, axis=0))
    np.testing.assert_allclose(alike[clear], 1, atol=1e-8)
