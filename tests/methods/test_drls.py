import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.methods.drls import DRLS
from tests.methods.oracles import arrays, best, case, grid_predictions, random_task


def objective(Xs, ys, Xt, P, lam, mu):
    """Evaluate the objective as it is written in the paper, samples as columns."""
    X = np.vstack([Xs, Xt])
    Ks, Kt = X @ Xs.T, X @ Xt.T
    L = (ys == np.unique(ys)[:, None]).astype(float)
    k = Ks.mean(axis=1) - Kt.mean(axis=1)
    fit = np.sum((L - P.T @ Ks) ** 2)
    return fit + lam * np.sum((P.T @ k) ** 2) + mu * np.abs(P).sum()


@pytest.mark.parametrize("letter", ["A", "B"])
def test_coefficients_objective_and_predictions_are_those_of_the_authors_code(letter):
    Xs, ys, Xt = case(letter)
    oracle = arrays("drls")
    for i, lam in enumerate(oracle[f"{letter}_lam"], 1):
        for j, mu in enumerate(oracle[f"{letter}_mu"], 1):
            method = DRLS(lam=lam, mu=mu).fit(Xs, ys, Xt)
            P = method.coefficients_
            np.testing.assert_allclose(P, oracle[f"{letter}_P_{i}{j}"], atol=1e-5)
            np.testing.assert_allclose(
                objective(Xs, ys, Xt, P, lam, mu), oracle[f"{letter}_obj_{i}{j}"], rtol=1e-8
            )
            np.testing.assert_array_equal(method.predict(Xt), oracle[f"{letter}_pred_{i}{j}"])
            assert method.result_.converged.all()


@pytest.mark.parametrize("letter", ["A", "B"])
def test_exact_solver_meets_the_certified_optimum(letter):
    Xs, ys, Xt = case(letter)
    oracle = arrays("drls")
    for i, (lam, mu) in enumerate(oracle[f"{letter}_exact_settings"]):
        method = DRLS(lam=lam, mu=mu, solver="exact").fit(Xs, ys, Xt)
        found = objective(Xs, ys, Xt, method.coefficients_, lam, mu)
        np.testing.assert_allclose(found, oracle[f"{letter}_exact_obj"][i], rtol=1e-9)
        np.testing.assert_array_equal(method.predict(Xt), oracle[f"{letter}_exact_pred"][i])
        scores = oracle[f"{letter}_exact_scores"][i]
        np.testing.assert_allclose(method.result_.scores[0], scores, atol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.001, 1000), st.floats(0.001, 10))
def test_exact_solver_closes_the_duality_gap(seed, lam, mu):
    Xs, ys, Xt = random_task(seed, 14, 9, 6)
    P = DRLS(lam=lam, mu=mu, solver="exact").fit(Xs, ys, Xt).coefficients_
    X = np.vstack([Xs, Xt])
    Ks, Kt = X @ Xs.T, X @ Xt.T
    C = np.column_stack([Ks, np.sqrt(lam) * (Ks.mean(axis=1) - Kt.mean(axis=1))])
    Y = np.column_stack([ys == np.unique(ys)[:, None], np.zeros(3)])
    primal = np.sum((Y - P.T @ C) ** 2) + mu * np.abs(P).sum()
    # Dual of min |y - C'p|^2 + mu |p|_1: max 2 u'y - |u|^2 over 2 |C u|_inf <= mu.
    U = Y - P.T @ C
    U = U * min(1.0, mu / max(2 * np.abs(C @ U.T).max(), 1e-300))
    dual = 2 * np.sum(U * Y) - np.sum(U**2)
    assert -1e-9 <= (primal - dual) / primal <= 1e-6


@pytest.mark.parametrize("task", ["VN", "NV"])
def test_every_prediction_of_the_papers_grid_on_the_released_features(task):
    predicted, yt = grid_predictions(DRLS(), task)
    np.testing.assert_array_equal(predicted, arrays("drls")[f"{task}_pred"])
    grid = [[s["lam"], s["mu"]] for s in DRLS().settings(None, (71, 71, 15045))]
    np.testing.assert_array_equal(grid, arrays("drls")[f"{task}_grid"])
    assert best(yt, predicted) == {"VN": (0.7209, 73.24), "NV": (0.8183, 81.69)}[task]


def test_a_setting_has_the_same_scores_alone_in_the_grid_and_in_any_batch():
    Xs, ys, Xt = random_task(3)
    method = DRLS()
    prepared = method.prepare(Xs, ys, Xt, Xt)
    settings = method.settings({"lam": [0.1, 10], "mu": [0.01, 0.5, 3, 400]}, (30, 25, 12))
    assert method.batches(settings) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    whole = method.solve(prepared, settings)
    np.testing.assert_array_equal(method.solve(prepared, settings[::-1]).scores, whole.scores[::-1])
    for i, setting in enumerate(settings):
        np.testing.assert_array_equal(method.solve(prepared, [setting]).scores[0], whole.scores[i])


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(["paper", "exact"]))
def test_rotating_features_and_reordering_samples_change_nothing(seed, solver):
    Xs, ys, Xt = random_task(seed, 16, 11, 5)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    source, target = rng.permutation(16), rng.permutation(11)
    method = DRLS(lam=2.0, mu=0.5, solver=solver)
    scores = method.fit(Xs, ys, Xt).result_.scores[0]
    moved = method.fit(Xs[source] @ rotation, ys[source], Xt[target] @ rotation).result_.scores[0]
    np.testing.assert_allclose(moved, scores[target], atol=1e-6)


def test_other_queries_are_predicted_with_what_was_learned_on_the_target():
    Xs, ys, Xt = random_task(8)
    method = DRLS().fit(Xs, ys, Xt)
    labels = method.predict(Xt)
    np.testing.assert_array_equal(method.predict(Xt[3:7]), labels[3:7])


def test_a_penalty_that_empties_p_is_noted():
    Xs, ys, Xt = random_task(1)
    method = DRLS(mu=1e7).fit(Xs, ys, Xt)
    assert set(method.predict(Xt)) == {0}
    assert "mu is too large" in method.result_.notes[0]


@pytest.mark.parametrize("solver", ["paper", "exact"])
@pytest.mark.parametrize(
    ("n_source", "n_target", "n_features", "n_classes"),
    [(2, 2, 1, 2), (12, 1, 3, 3), (20, 9, 40, 10), (7, 6, 500, 3)],
)
def test_small_and_odd_tasks_give_labels(solver, n_source, n_target, n_features, n_classes):
    Xs, ys, Xt = random_task(2, n_source, n_target, n_features, n_classes)
    Xs[-1] = Xs[0]
    Xs[:, 0] = Xt[:, 0] = 4.0
    method = DRLS(solver=solver).fit(Xs, ys, Xt)
    assert np.isin(method.predict(Xt), ys).all()
    assert np.isfinite(method.result_.scores).all()


def test_wrong_input_is_refused_with_what_to_do():
    Xs, ys, Xt = random_task(1)
    with pytest.raises(UserError, match="divide the features by a constant"):
        DRLS().fit(1e100 * Xs, ys, Xt)
    with pytest.raises(UserError, match="no solver 'exakt'; did you mean 'exact'"):
        DRLS(solver="exakt").fit(Xs, ys, Xt)
    with pytest.raises(UserError, match="mu is -1"):
        DRLS(mu=-1.0).fit(Xs, ys, Xt)


def test_a_solver_that_did_not_end_is_noted_and_one_that_did_is_not(monkeypatch):
    Xs, ys, Xt = random_task(1)
    assert DRLS().fit(Xs, ys, Xt).result_.notes == {}
    regress = DRLS.regress

    def stopped(self, prepared, settings):
        found = regress(self, prepared, settings)
        found.converged[0] = False
        return found

    monkeypatch.setattr(DRLS, "regress", stopped)
    assert "above its tolerance" in DRLS().fit(Xs, ys, Xt).result_.notes[0]
