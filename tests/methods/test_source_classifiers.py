"""What holds for every method that ends in an SVM on the source, whatever it does before."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.methods import GFK, IWSVM, SA, SVM, TCA, TKL
from tests.methods.oracles import random_task

METHODS = [SVM, TCA, GFK, SA, TKL, IWSVM]
# Three of IW-SVM's 600 settings are enough here; the others are run on their whole grids.
GRIDS = {IWSVM: {"lam": [1, 30, 1000]}}
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__)


@each_method
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_rotation_of_the_features_and_order_of_the_target_leave_the_predictions(method, seed):
    Xs, ys, Xt = random_task(seed, n_features=40)
    Q = scipy.linalg.qr(np.random.default_rng(seed).normal(size=(40, 40)))[0]
    order = np.random.default_rng(seed).permutation(len(Xt))
    expected = method().predict_grid(Xs, ys, Xt, GRIDS.get(method))[1]
    np.testing.assert_array_equal(
        method().predict_grid(Xs @ Q, ys, Xt @ Q, GRIDS.get(method))[1], expected
    )
    permuted = method().predict_grid(Xs, ys, Xt[order], GRIDS.get(method))[1]
    np.testing.assert_array_equal(permuted, expected[:, order])


@each_method
def test_a_setting_is_the_same_alone_in_the_grid_and_in_any_batch(method):
    Xs, ys, Xt = random_task(7, n_features=60)
    prepared = method().prepare(Xs, ys, Xt, Xt)
    settings, predicted = method().predict_grid(Xs, ys, Xt, GRIDS.get(method))
    whole = method().solve(prepared, settings)
    np.testing.assert_array_equal(whole.predictions, predicted)
    chosen = [0, len(settings) // 2, len(settings) - 1]
    part = method().solve(prepared, [settings[i] for i in chosen])
    np.testing.assert_array_equal(part.scores, whole.scores[chosen])
    for i in chosen:
        alone = method().solve(prepared, [settings[i]])
        np.testing.assert_array_equal(alone.scores[0], whole.scores[i])


@each_method
@pytest.mark.parametrize("n_features", [1, 3, 500])
@pytest.mark.parametrize("sizes", [(2, 2, 2), (4, 2, 2), (2, 9, 2), (40, 12, 10)])
def test_small_tasks_and_many_classes(method, n_features, sizes):
    n_source, n_target, n_classes = sizes
    Xs, ys, Xt = random_task(1, n_source, n_target, n_features, n_classes)
    settings, predicted = method().predict_grid(Xs, ys, Xt, GRIDS.get(method))
    assert predicted.shape == (len(settings), n_target)
    assert np.isin(predicted, ys).all()


@each_method
def test_degenerate_samples(method):
    Xs, ys, Xt = random_task(2, n_features=8)
    ys[ys == 2] = 1
    ys[5] = 2  # a class of one sample
    for change in (
        lambda X: np.zeros_like(X) + 3,
        lambda X: np.repeat(X[:2], len(X), axis=0)[: len(X)],
        lambda X: np.hstack([X, np.ones((len(X), 2)), np.zeros((len(X), 1))]),
        lambda X: 1e-120 * X,
        lambda X: 1e6 * X,
    ):
        settings, predicted = method().predict_grid(change(Xs), ys, change(Xt), GRIDS.get(method))
        assert predicted.shape == (len(settings), len(Xt))
        assert np.isin(predicted, [0, 1, 2]).all()


@each_method
def test_overflow_is_one_clear_error(method):
    Xs, ys, Xt = random_task(2, n_features=8)
    with pytest.raises(UserError, match="rescale the features"):
        method().fit(1e200 * Xs, ys, 1e200 * Xt)


@each_method
def test_new_queries_do_not_take_part_in_the_adaptation(method):
    Xs, ys, Xt = random_task(4, n_features=60)
    fitted = method().fit(Xs, ys, Xt)
    expected = fitted.predict(Xt)
    np.testing.assert_array_equal(fitted.predict(Xt[3:9]), expected[3:9])
    outlier = np.vstack([Xt[:4], 100 * Xt[4:5]])
    np.testing.assert_array_equal(fitted.predict(outlier)[:4], expected[:4])


@each_method
def test_features_wider_than_any_square_matrix_could_hold(method):
    Xs, ys, Xt = random_task(3, 12, 15, 65_280)
    Xs, Xt = 0.02 * Xs, 0.02 * Xt  # distances near 7, within the widths that IW-SVM tries
    predicted = method().fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(predicted, np.arange(15) % 3)
