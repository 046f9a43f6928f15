import numpy as np
import pytest
from sklearn.decomposition import PCA

from cdmer_bench.errors import UserError
from cdmer_bench.methods.sa import SA
from cdmer_bench.solvers.libsvm import fit_gram
from tests.methods.oracles import arrays, best, case, grid_predictions, random_task, thinned


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_coordinates_and_predictions_are_those_of_the_public_code(letter, k):
    Xs, ys, Xt = case(letter)
    n = len(Xs)
    prepared = SA().prepare(Xs, ys, Xt, Xt)
    source = prepared["on_source"][:n, :k] @ prepared["alignment"][:k, :k]
    target = prepared["on_target"][n:, :k]
    for name, gram in (("ss", source @ source.T), ("ts", target @ source.T)):
        expected = arrays("subspaces")[f"{letter}_sa_gram_{name}_k{k}"]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(thinned(gram), expected, rtol=0, atol=1e-9 * scale)
    predicted = SA(k=k).fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(predicted, arrays("subspaces")[f"{letter}_sa_pred_k{k}"])


@pytest.mark.parametrize(("n_source", "n_target"), [(14, 8), (8, 14)])
def test_each_domain_is_clipped_at_its_own_number_of_samples(n_source, n_target):
    Xs, ys, Xt = random_task(5, n_source, n_target, 30)
    settings, predicted = SA().predict_grid(Xs, ys, Xt)
    assert [s["k"] for s in settings] == list(range(1, 14))
    for k, row in zip(range(1, 14), predicted, strict=True):
        Ps = PCA(min(k, n_source - 1)).fit(Xs).components_.T
        Pt = PCA(min(k, n_target - 1)).fit(Xt).components_.T
        Zs, Zt = Xs @ Ps @ Ps.T @ Pt, Xt @ Pt
        np.testing.assert_array_equal(row, fit_gram(Zs @ Zs.T, ys).predict(Zt @ Zs.T).predictions)


@pytest.mark.parametrize(("task", "printed"), [("VN", (0.7004, 71.83)), ("NV", (0.7394, 74.65))])
def test_paper_figures_and_every_prediction_on_the_released_features(task, printed):
    predicted, yt = grid_predictions(SA(), task)
    assert best(yt, predicted) == printed
    np.testing.assert_array_equal(predicted, arrays("released")[f"{task}_sa_pred"])


def test_limits_of_the_dimension():
    assert SA().all_values("k", 9, 5, 100)[-1] == 8
    assert SA(limit="common").all_values("k", 9, 5, 100)[-1] == 4
    assert SA().all_values("k", 9, 5, 3)[-1] == 3
    Xs, ys, Xt = random_task(0, 9, 5, 100)
    with pytest.raises(UserError, match="k runs from 1 to 8"):
        SA(k=9).fit(Xs, ys, Xt)
    with pytest.raises(UserError, match="k runs from 1 to 4"):
        SA(k=5, limit="common").fit(Xs, ys, Xt)
    with pytest.raises(UserError, match="limit of SA is 'all', expected one of each, common"):
        SA(limit="all").fit(Xs, ys, Xt)


def test_clipping_is_silent_for_few_samples_and_noted_for_few_directions():
    Xs, ys, Xt = random_task(0, 9, 5, 30)
    assert SA(k=8).fit(Xs, ys, Xt).result_.notes == {}
    Xs[:] = Xs[ys]
    assert "vary along 2 direction(s)" in SA(k=8).fit(Xs, ys, Xt).result_.notes[0]


def test_one_sample_that_is_there_twice_is_a_direction_less():
    Xs, ys, Xt = random_task(0, 9, 12, 30)
    Xs[1] = Xs[0]
    assert "vary along 7 direction(s)" in SA(k=8).fit(Xs, ys, Xt).result_.notes[0]
