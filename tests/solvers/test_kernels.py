import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.solvers import kernels
from cdmer_bench.solvers.kernels import (
    linear_kernel,
    pooled_kernel,
    pooled_kernels,
    squared_distances,
)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 8), st.integers(1, 6))
def test_distances_are_those_of_the_definition(seed, n, m, d):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    expected = ((X[:, None] - Y[None]) ** 2).sum(2)
    np.testing.assert_allclose(squared_distances(X, Y), expected, atol=1e-12)


def test_distances_of_duplicates_are_never_negative_and_of_a_sample_to_itself_zero():
    X = 1e3 + np.random.default_rng(0).normal(size=(40, 37))
    norms = (X**2).sum(1)
    # The oracle would be blind if the product's diagonal were rounded as the norms are.
    assert (2 * (norms - np.diag(X @ X.T))).min() < 0
    assert squared_distances(X, X.copy()).min() >= 0
    np.testing.assert_array_equal(np.diag(squared_distances(X, X)), 0)


def test_gram_matrix_is_exactly_symmetric():
    X = np.random.default_rng(0).normal(size=(23, 37))
    gram = linear_kernel(X, X)
    np.testing.assert_array_equal(gram, gram.T)


def test_overflow_is_refused():
    with pytest.raises(UserError, match="overflow float64"):
        linear_kernel(np.full((1, 2), 1e200), np.full((1, 2), 1e200))


@pytest.fixture
def small_blocks(monkeypatch):
    # Blocks of three rows of 37 features.
    monkeypatch.setattr(kernels, "BLOCKWISE", 0)
    monkeypatch.setattr(kernels, "BLOCK", 3 * 37 * 8)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 7), (10, 3), (23, 11)])
def test_blocks_of_rows_give_the_product(small_blocks, n, m):
    rng = np.random.default_rng(n)
    X, Y = rng.normal(size=(n, 37)), rng.normal(size=(m, 37))
    np.testing.assert_allclose(linear_kernel(X, Y), np.einsum("id,jd->ij", X, Y), rtol=1e-13)
    gram = linear_kernel(X, X)
    np.testing.assert_allclose(gram, np.einsum("id,jd->ij", X, X), rtol=1e-13)
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_array_equal(gram, linear_kernel(X, X))


def test_pooled_kernel_is_that_of_all_samples_whichever_way_it_is_built(monkeypatch):
    rng = np.random.default_rng(1)
    parts = [rng.normal(size=(n, 37)) for n in (5, 8, 2)]
    together = np.concatenate(parts)
    plain = pooled_kernel(*parts)
    np.testing.assert_array_equal(plain, together @ together.T)
    monkeypatch.setattr(kernels, "BLOCKWISE", 0)
    monkeypatch.setattr(kernels, "BLOCK", 3 * 37 * 8)
    blocks = pooled_kernel(*parts)
    np.testing.assert_allclose(blocks, plain, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(blocks, blocks.T)


def test_kernel_of_memory_mapped_samples_needs_no_memory_for_the_samples(tmp_path, monkeypatch):
    path = tmp_path / "samples.npy"
    n, d = 64, 20_000  # 10 MB on disk; the kernel has 33 kB
    samples = np.lib.format.open_memmap(path, mode="w+", dtype=float, shape=(n, d))
    samples[:] = np.random.default_rng(0).normal(size=(n, d))
    samples.flush()
    mapped = np.load(path, mmap_mode="r")
    monkeypatch.setattr(kernels, "BLOCKWISE", 1 << 20)
    monkeypatch.setattr(kernels, "BLOCK", 1 << 20)
    tracemalloc.start()
    kernel = pooled_kernel(mapped[:40], mapped[40:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 18
    np.testing.assert_allclose(kernel, samples @ samples.T, rtol=1e-10, atol=1e-10)


def test_overflow_in_a_block_is_refused(small_blocks):
    with pytest.raises(UserError, match="overflow float64"):
        pooled_kernel(np.full((4, 37), 1e200), np.ones((4, 37)))


def test_pooled_products_are_those_of_all_samples_whichever_way_they_are_built(monkeypatch):
    rng = np.random.default_rng(2)
    parts, Y = [rng.normal(size=(n, 37)) for n in (5, 8)], rng.normal(size=(4, 37))
    kernel, plain = pooled_kernels(*parts, Y)
    np.testing.assert_array_equal(kernel, pooled_kernel(*parts))
    np.testing.assert_array_equal(pooled_kernels(*parts, parts[1])[1], kernel[:, 5:])
    np.testing.assert_array_equal(plain, np.concatenate(parts) @ Y.T)
    monkeypatch.setattr(kernels, "BLOCKWISE", 0)
    monkeypatch.setattr(kernels, "BLOCK", 3 * 37 * 8)
    # Not bit for bit: BLAS sums the products of another shape in another order.
    np.testing.assert_allclose(pooled_kernels(*parts, Y)[1], plain, rtol=1e-12, atol=1e-12)
