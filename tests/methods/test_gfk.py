import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.methods.gfk import GFK, flow_integrals, geodesic_factor
from tests.methods.oracles import arrays, best, case, grid_predictions, random_task, thinned


def kernel(Xs, Xt, k):
    """Return X G X' of all samples by the code under test."""
    X = np.vstack([Xs, Xt])
    prepared = GFK().prepare(Xs, np.zeros(len(Xs), int), Xt, Xt)
    L = geodesic_factor(
        prepared["on_source"][:, :k],
        prepared["on_target"][:, :k],
        prepared["alignment"][:k, :k],
    )
    assert len(L) == len(X)
    return L @ L.T


def kernel_by_quadrature(Xs, Xt, k, n_nodes=40):
    """Return X G X' by Gauss-Legendre integration of Phi(t)Phi(t)' along the geodesic."""
    X = np.vstack([Xs, Xt])
    Ps, Pt = (np.linalg.svd(S - S.mean(0), full_matrices=False)[2][:k].T for S in (Xs, Xt))
    U, cosines, Vt = np.linalg.svd(Ps.T @ Pt)
    theta = np.arccos(np.clip(cosines, -1, 1))
    normal = Pt @ Vt.T - Ps @ U * np.cos(theta)
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-300)
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    total = np.zeros((len(X), len(X)))
    for t, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        flow = X @ (Ps @ U * np.cos(t * theta) + normal * np.sin(t * theta))
        total += weight * flow @ flow.T
    return total


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_kernel_and_predictions_are_those_of_the_public_code(letter, k):
    Xs, ys, Xt = case(letter)
    expected = arrays("subspaces")[f"{letter}_gfk_gram_k{k}"]
    np.testing.assert_allclose(
        thinned(kernel(Xs, Xt, k)), expected, rtol=0, atol=1e-9 * np.abs(expected).max()
    )
    predicted = GFK(k=k).fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(predicted, arrays("subspaces")[f"{letter}_gfk_pred_k{k}"])


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_kernel_is_the_integral_along_the_geodesic(seed, k):
    Xs, _, Xt = random_task(seed, 8, 9, 30)
    expected = kernel_by_quadrature(Xs, Xt, k)
    np.testing.assert_allclose(kernel(Xs, Xt, k), expected, atol=1e-10 * np.abs(expected).max())


def test_equal_domains_give_the_projection_on_their_subspace():
    Xs, _, _ = random_task(3, 10, 10, 20)
    P = np.linalg.svd(Xs - Xs.mean(0))[2][:4].T
    projected = np.vstack([Xs, Xs]) @ P
    np.testing.assert_allclose(kernel(Xs, Xs, 4), projected @ projected.T, atol=1e-9)


def test_integrals_are_smooth_down_to_the_zero_angle():
    theta = np.array([0.0, 1e-9, 1e-5, 0.0499999, 0.0500001, 1.0, np.pi / 2])
    nodes, weights = np.polynomial.legendre.leggauss(30)
    t = (nodes + 1) / 2
    a = [weights / 2 @ np.cos(t * x) ** 2 for x in theta]
    # sin(t theta) / sin(theta) tends to t.
    ratio = [np.sin(t * x) / np.sin(x) if x else t for x in theta]
    b = [weights / 2 @ (np.cos(t * x) * r) for x, r in zip(theta, ratio, strict=True)]
    d = [weights / 2 @ r**2 for r in ratio]
    np.testing.assert_allclose(flow_integrals(theta), [a, b, d], rtol=2e-13)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_rotating_the_features_leaves_the_kernel(seed):
    Xs, _, Xt = random_task(seed, 9, 8, 15)
    Q = scipy.linalg.qr(np.random.default_rng(seed).normal(size=(15, 15)))[0]
    expected = kernel(Xs, Xt, 3)
    np.testing.assert_allclose(
        kernel(Xs @ Q, Xt @ Q, 3), expected, atol=1e-10 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("task", "printed"), [("VN", (0.7619, 76.06)), ("NV", (0.8142, 81.69))])
def test_paper_figures_and_every_prediction_on_the_released_features(task, printed):
    predicted, yt = grid_predictions(GFK(), task)
    assert best(yt, predicted) == printed
    np.testing.assert_array_equal(predicted, arrays("released")[f"{task}_gfk_pred"])


def test_dimension_beyond_the_samples_is_refused_and_beyond_their_variation_noted():
    Xs, ys, Xt = random_task(0, 8, 6, 20)
    with pytest.raises(UserError, match="k = 6: for this task k runs from 1 to 5"):
        GFK(k=6).fit(Xs, ys, Xt)
    Xt[3:] = Xt[0]
    method = GFK(k=4).fit(Xs, ys, Xt)
    assert "vary along 2 direction(s) only" in method.result_.notes[0]
    np.testing.assert_array_equal(method.predict(Xt), GFK(k=2).fit(Xs, ys, Xt).predict(Xt))


def test_one_target_sample_has_no_subspace():
    Xs, ys, Xt = random_task(0, 8, 1, 20)
    with pytest.raises(UserError, match="fewer than two samples"):
        GFK().fit(Xs, ys, Xt)
