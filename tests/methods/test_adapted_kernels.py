"""What an adaptation does to the samples."""

import numpy as np
import pytest
import scipy.linalg
from sklearn.svm import SVC

from cdmer_bench.methods import DRFST, DRLS, GFK, RSTR, SA, TCA, TKL, TSRG
from tests.methods.oracles import random_task

MOVING = (
    TCA(k=5),
    GFK(k=4),
    SA(k=5),
    TKL(zeta=2.0),
    TSRG(lam=1.0),
    DRFST(lam=10.0),
    DRLS(),
    RSTR(),
)


def task(method, seed=3):
    Xs, ys, Xt = random_task(seed, 21, 16, 24, 3)
    if method.needs_blocks:
        Xs, Xt = Xs.reshape(21, 6, 4), Xt.reshape(16, 6, 4)
    return Xs, np.unique(ys, return_inverse=True)[1], Xt


def adapted(method, setting=None):
    Xs, ys, Xt = task(method)
    return method.adapted_kernel(method.prepare(Xs, ys, Xt, Xt), setting or {})


@pytest.mark.parametrize("method", MOVING, ids=lambda method: method.label)
def test_the_kernel_is_symmetric_and_semidefinite(method):
    K = adapted(method)
    assert K.shape == (37, 37)
    np.testing.assert_allclose(K, K.T, atol=1e-9 * np.abs(K).max())
    assert np.linalg.eigvalsh((K + K.T) / 2)[0] > -1e-9 * np.abs(K).max()


@pytest.mark.parametrize("method", MOVING[:6], ids=lambda method: method.label)
def test_an_svm_on_the_kernel_predicts_what_the_method_predicts(method):
    Xs, ys, Xt = task(method)
    K = adapted(method)
    machine = SVC(C=1.0, kernel="precomputed").fit(K[:21, :21], ys)
    np.testing.assert_array_equal(machine.predict(K[21:, :21]), method.fit(Xs, ys, Xt).predict(Xt))


@pytest.mark.parametrize(
    "method", [DRLS(lam=3.0, mu=0.3), RSTR(lam=3.0, mu=0.3)], ids=["DRLS", "RSTR"]
)
def test_regressed_labels_are_those_of_the_coefficients(method):
    Xs, ys, Xt = task(method)
    fitted = method.fit(Xs, ys, Xt)
    w = getattr(fitted, "weights_", np.ones(1))
    X = np.concatenate([Xs, Xt]).reshape(37, len(w), -1)
    Z = np.einsum("i,aik,bik->ab", w, X, X) @ fitted.coefficients_
    np.testing.assert_allclose(adapted(method), Z @ Z.T, rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(Z[21:].argmax(axis=1), fitted.predict(Xt))


def test_the_kernel_of_tca_is_that_of_its_generalized_eigenvectors():
    Xs, _, Xt = task(TCA(k=3))
    X = np.concatenate([Xs, Xt])
    K, H = X @ X.T, np.eye(37) - 1 / 37
    e = np.r_[np.full(21, 1 / 21), np.full(16, -1 / 16)]
    _, W = scipy.linalg.eigh(K @ H @ K, K @ np.outer(e, e) @ K + 2.0 * np.eye(37))
    Z = K @ (W[:, ::-1][:, :3] / np.linalg.norm(W[:, ::-1][:, :3], axis=0))
    np.testing.assert_allclose(adapted(TCA(k=3, mu=2.0)), Z @ Z.T, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(adapted(TCA(k=9, mu=2.0), {"k": 3}), Z @ Z.T, rtol=1e-6, atol=1e-6)


def test_the_kernel_of_sa_is_that_of_the_aligned_samples():
    Xs, _, Xt = task(SA(k=4))
    Ps, Pt = (np.linalg.svd(X - X.mean(axis=0))[2][:4].T for X in (Xs, Xt))
    Z = np.concatenate([Xs @ Ps @ Ps.T @ Pt, Xt @ Pt])
    np.testing.assert_allclose(adapted(SA(k=4)), Z @ Z.T, rtol=1e-9, atol=1e-9)
