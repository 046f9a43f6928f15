import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.kernels import linear_kernel, squared_distances


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 8), st.integers(1, 6))
def test_distances_are_those_of_the_definition(seed, n, m, d):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    expected = ((X[:, None] - Y[None]) ** 2).sum(2)
    np.testing.assert_allclose(squared_distances(X, Y), expected, atol=1e-12)


def test_distances_of_duplicates_are_never_negative_and_of_a_sample_to_itself_zero():
    X = np.full((5, 3), 1e3) + np.random.default_rng(0).normal(size=3)
    assert squared_distances(X, X.copy()).min() >= 0
    np.testing.assert_array_equal(np.diag(squared_distances(X, X)), 0)


def test_gram_matrix_is_exactly_symmetric():
    X = np.random.default_rng(0).normal(size=(23, 37))
    gram = linear_kernel(X, X)
    np.testing.assert_array_equal(gram, gram.T)


def test_overflow_is_refused():
    with pytest.raises(UserError, match="overflow float64"):
        linear_kernel(np.full((1, 2), 1e200), np.full((1, 2), 1e200))
