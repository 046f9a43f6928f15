import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.methods.tca import TCA, transfer_components
from cdmer_bench.solvers import principal_subspaces
from tests.methods.oracles import arrays, best, case, grid_predictions, random_task, thinned


def oracle_dimensions(letter):
    return [int(k.split("_k")[1]) for k in arrays("subspaces") if k.startswith(f"{letter}_tca_gr")]


@pytest.mark.parametrize("letter", ["A", "B"])
def test_components_and_predictions_are_those_of_the_public_code(letter):
    Xs, ys, Xt = case(letter)
    K = np.vstack([Xs, Xt]) @ np.vstack([Xs, Xt]).T
    W = transfer_components(K, len(Xs))
    Z = K @ W
    e = np.r_[np.full(len(Xs), 1 / len(Xs)), np.full(len(Xt), -1 / len(Xt))]
    W = W[:, :20]
    variances = ((K @ W - (K @ W).mean(0)) ** 2).sum(0)
    values = variances / ((e @ K @ W) ** 2 + (W**2).sum(0))
    np.testing.assert_allclose(values, arrays("subspaces")[f"{letter}_tca_eig"], rtol=1e-9)
    assert len(oracle_dimensions(letter)) == 5
    for k in oracle_dimensions(letter):
        expected = arrays("subspaces")[f"{letter}_tca_gram_k{k}"]
        found = thinned(Z[:, :k] @ Z[:, :k].T)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
        predicted = TCA(k=k).fit(Xs, ys, Xt).predict(Xt)
        np.testing.assert_array_equal(predicted, arrays("subspaces")[f"{letter}_tca_pred_k{k}"])


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_components_solve_the_generalised_eigenproblem(seed, mu):
    Xs, _, Xt = random_task(seed, 9, 7, 20)
    X = np.vstack([Xs, Xt])
    K, n = X @ X.T, 16
    e = np.r_[np.full(9, 1 / 9), np.full(7, -1 / 7)]
    H = np.eye(n) - 1 / n
    A = K @ np.outer(e, e) @ K + mu * np.eye(n)
    B = K @ H @ K
    W = transfer_components(K, 9, mu, "constraint")
    np.testing.assert_allclose(W.T @ A @ W, np.eye(n), atol=1e-8)
    values = np.diag(W.T @ B @ W)
    np.testing.assert_allclose(values, scipy.linalg.eigh(B, A)[0][::-1], atol=1e-9 * values[0])
    unit = transfer_components(K, 9, mu, "unit")
    np.testing.assert_allclose(np.linalg.norm(unit, axis=0), 1)
    variance = transfer_components(K, 9, mu, "variance")[:, : n - 1]
    np.testing.assert_allclose(np.diag(variance.T @ B @ variance), 1, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["unit", "constraint", "variance"])
def test_the_way_for_large_tasks_gives_the_same_components(monkeypatch, scaling):
    Xs, ys, Xt = random_task(3, 30, 25, 80)
    plain = TCA(k=40, scaling=scaling).fit(Xs, ys, Xt).result_.scores
    monkeypatch.setattr(principal_subspaces, "LARGEST_SVD", 0)
    large = TCA(k=40, scaling=scaling).fit(Xs, ys, Xt).result_.scores
    np.testing.assert_allclose(large, plain, atol=1e-3)  # LIBSVM's tolerance
    np.testing.assert_array_equal(large.argmax(axis=2), plain.argmax(axis=2))


@pytest.mark.parametrize(("task", "printed"), [("VN", (0.5810, 61.97)), ("NV", (0.6598, 67.61))])
def test_paper_figures_and_every_prediction_on_the_released_features(task, printed):
    predicted, yt = grid_predictions(TCA(), task)
    assert best(yt, predicted) == printed
    np.testing.assert_array_equal(predicted, arrays("released")[f"{task}_tca_pred"])


@pytest.mark.parametrize("scaling", ["unit", "constraint", "variance"])
def test_huge_features_are_refused_and_tiny_ones_are_not(scaling):
    Xs, ys, Xt = random_task(0, 8, 6, 20)
    with pytest.raises(UserError, match="square overflows float64; rescale the features"):
        TCA(scaling=scaling).fit(1e80 * Xs, ys, 1e80 * Xt)
    tiny = TCA(scaling=scaling).fit(1e-160 * Xs, ys, 1e-160 * Xt)
    assert np.isfinite(tiny.result_.scores).all()


def test_a_dimension_left_open_is_twenty_or_the_largest():
    Xs, ys, Xt = random_task(1, 20, 15, 40)
    expected = TCA(k=20).fit(Xs, ys, Xt).result_.scores
    np.testing.assert_array_equal(TCA().fit(Xs, ys, Xt).result_.scores, expected)
    few = TCA(k=5).fit(Xs[:, :5], ys, Xt[:, :5]).result_.scores
    np.testing.assert_array_equal(TCA().fit(Xs[:, :5], ys, Xt[:, :5]).result_.scores, few)


def test_all_means_every_dimension_that_the_samples_span():
    assert TCA().all_values("k", 5, 4, 100) == list(range(1, 9))
    assert TCA().all_values("k", 5, 4, 3) == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 12}, "k runs from 1 to 11"),
        ({"k": 0}, "k runs from 1"),
        ({"k": 2.5}, "whole number"),
        ({"k": "x"}, "whole number"),
        ({"mu": 0.0}, "mu of TCA"),
        ({"scaling": "long"}, "expected one of unit, constraint, variance"),
    ],
)
def test_refuses_impossible_parameters(changes, message):
    Xs, ys, Xt = random_task(0, 6, 6, 20)
    with pytest.raises(UserError, match=message):
        TCA(**changes).fit(Xs, ys, Xt)


def test_grid_is_checked_before_anything_is_computed():
    with pytest.raises(UserError, match="k runs from 1 to 8"):
        TCA().settings({"k": [3, 9]}, (5, 4, 100))
