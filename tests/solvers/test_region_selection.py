import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.methods.rstr import RSTR
from cdmer_bench.solvers import region_selection
from cdmer_bench.solvers.region_selection import (
    KeptKernels,
    RemadeKernels,
    prepare_products,
    products_of,
)

LABELS = np.eye(3)[:, np.arange(11) % 3]


@pytest.fixture(autouse=True, scope="module", params=["0", "1"], ids=["compiled", "NumPy"])
def form(request):
    """Run every test with the compiled loops and without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDMER_NO_NUMBA", request.param)
        yield


def draw(seed=0, n_query=7):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 6, 4)) + 1 for n in (11, 9, n_query))


def both_ways(monkeypatch, Xs, Xt, Xq):
    """Return the products with kept and with remade kernels, the latter a few rows at a time."""
    kept = {**prepare_products(Xs, Xt, Xq), "labels": LABELS}
    monkeypatch.setattr(region_selection, "KEPT", 0)
    monkeypatch.setattr(region_selection, "ROWS", 8 * 12 * 6)
    remade = {**prepare_products(Xs, Xt, Xq), "labels": LABELS}
    found = products_of(kept), products_of(remade)
    assert [type(way) for way in found] == [KeptKernels, RemadeKernels]
    return found


@pytest.mark.parametrize("same", [True, False])
def test_both_ways_give_the_products_of_the_kernels(monkeypatch, same):
    Xs, Xt, Xq = draw()
    Xq = Xt if same else Xq
    rng = np.random.default_rng(1)
    w, P = rng.random((5, 6)) * (rng.random((5, 6)) > 0.4), rng.normal(size=(5, 20, 3))
    X = np.concatenate([Xs, Xt])
    mean_difference = (Xs.mean(axis=0) - Xt.mean(axis=0)) * np.sqrt(2.5)
    K = np.einsum("aik,bik->iab", X, np.concatenate([Xs, mean_difference[None]]))
    scores = np.einsum("sac,si,aik,qik->sqc", P, w, X, Xq)
    for way in both_ways(monkeypatch, Xs, Xt, Xq):
        weighed = way.weigh_mmd(2.5)
        assert weighed.shape == K.shape
        np.testing.assert_allclose(weighed.weigh(w), np.einsum("si,iab->sab", w, K), atol=1e-12)
        regressed = np.einsum("sac,iab->sicb", P, K)
        np.testing.assert_allclose(weighed.regress(P), regressed, atol=1e-12)
        np.testing.assert_allclose(weighed.regress_queries(P, w), scores, atol=1e-12)


def test_a_setting_has_the_same_bits_in_any_stack_of_remade_kernels(monkeypatch):
    rng = np.random.default_rng(2)
    w, P = rng.random((4, 6)) * (rng.random((4, 6)) > 0.5), rng.normal(size=(4, 20, 3))
    _, remade = both_ways(monkeypatch, *draw())
    for i in range(4):
        one = slice(i, i + 1)
        np.testing.assert_array_equal(remade.weigh(w)[one], remade.weigh(w[one]))
        np.testing.assert_array_equal(remade.regress(P)[one], remade.regress(P[one]))
        together = remade.regress_queries(P, w)[one]
        np.testing.assert_array_equal(together, remade.regress_queries(P[one], w[one]))


def test_rstr_predicts_the_same_with_remade_kernels(monkeypatch):
    Xs, Xt, Xq = draw(3)
    grid = {"lam": [0.1, 10], "mu": [0.1, 0.5], "tau": [0.05]}
    kept = RSTR().fit(Xs, np.arange(11) % 3, Xt)
    scores = kept.result_.scores
    _, of_grid = RSTR.predict_grid(Xs, np.arange(11) % 3, Xt, grid)
    monkeypatch.setattr(region_selection, "KEPT", 0)
    remade = RSTR().fit(Xs, np.arange(11) % 3, Xt)
    np.testing.assert_allclose(remade.result_.scores, scores, atol=1e-9)
    np.testing.assert_allclose(remade.weights_, kept.weights_, atol=1e-9)
    assert (RSTR.predict_grid(Xs, np.arange(11) % 3, Xt, grid)[1] == of_grid).all()
    np.testing.assert_array_equal(remade.predict(Xq), kept.predict(Xq))


def test_few_samples_of_long_blocks_are_kept_whatever_their_size(monkeypatch):
    monkeypatch.setattr(region_selection, "KEPT", 0)
    Xs, Xt, Xq = (np.ones((n, 2, 40)) for n in (5, 4, 6))
    assert "blocks" in prepare_products(Xs, Xt, Xq)


def test_samples_whose_kernels_overflow_are_refused(monkeypatch):
    monkeypatch.setattr(region_selection, "KEPT", 0)
    Xs, Xt, Xq = (X * 1e100 for X in draw())
    with pytest.raises(UserError, match=r"features reach .*e\+100, so the squared kernel overflow"):
        prepare_products(Xs, Xt, Xq)
