import tracemalloc

import numpy as np
import pytest

from cdmer_bench.methods import DRFST, DRLS, GFK, SA, TSRG
from cdmer_bench.solvers import kernels

METHODS = (DRLS, TSRG, DRFST)


def draw(n_features=37, sizes=(14, 11, 6)):
    rng = np.random.default_rng(3)
    parts = [rng.standard_gamma(0.5, size=(n, n_features)) for n in sizes]
    return (parts[0], np.arange(sizes[0]) % 3, *parts[1:])


def prepare_both_ways(monkeypatch, method, data):
    """Prepare with the samples put together, and block by block of a few rows."""
    whole = method.prepare(*data)
    monkeypatch.setattr(kernels, "BLOCKWISE", 0)
    monkeypatch.setattr(kernels, "BLOCK", 3 * data[0].shape[1] * 8)
    return whole, method.prepare(*data)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("same", [True, False])
def test_kernels_built_block_by_block_are_those_of_all_samples(monkeypatch, method, same):
    Xs, ys, Xt, Xq = draw()
    whole, blocks = prepare_both_ways(monkeypatch, method(), (Xs, ys, Xt, Xt if same else Xq))
    assert whole.keys() == blocks.keys()
    for key, value in whole.items():
        # Not bit for bit: BLAS sums the products of another shape in another order.
        np.testing.assert_allclose(blocks[key], value, rtol=1e-12, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("method", METHODS)
def test_predictions_from_kernels_built_block_by_block_are_the_same(monkeypatch, method):
    whole, blocks = prepare_both_ways(monkeypatch, method(), draw())
    settings = [{"lam": 1.0, "mu": 0.01}, {"lam": 10.0, "mu": 0.1}]
    expected, found = method().solve(whole, settings), method().solve(blocks, settings)
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_preparing_holds_no_second_copy_of_many_samples(monkeypatch, method):
    Xs, ys, Xt, _ = draw(20_000, (40, 40, 1))  # 12.8 MB of samples; a kernel has 51 kB
    monkeypatch.setattr(kernels, "BLOCKWISE", 1 << 20)
    monkeypatch.setattr(kernels, "BLOCK", 1 << 20)
    assert traced_peak(method(), Xs, ys, Xt) < 1 << 20


@pytest.mark.parametrize("method", [GFK, SA])
def test_subspaces_take_one_copy_of_the_samples(method):
    Xs, ys, Xt, _ = draw(20_000, (40, 40, 1))
    assert traced_peak(method(), Xs, ys, Xt) < 1.3 * (Xs.nbytes + Xt.nbytes)


def traced_peak(method, Xs, ys, Xt):
    """Return the most bytes that preparing holds at a time."""
    tracemalloc.start()
    method.prepare(Xs, ys, Xt, Xt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
