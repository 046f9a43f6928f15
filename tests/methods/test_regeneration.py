import importlib.util
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from cdmer_bench.errors import UserError
from cdmer_bench.methods.drfs_t import DRFST
from cdmer_bench.methods.inputs import expand_grid, parse_range
from cdmer_bench.methods.regeneration import regenerate
from cdmer_bench.methods.tsrg import TSRG
from tests.methods.oracles import (
    arrays,
    case,
    random_task,
    regeneration_coefficients,
    released_task,
    thinned,
)

METHODS = pytest.mark.parametrize("method", [TSRG, DRFST])


def objective(fixed, moving, coefficients, lam, mu):
    """Evaluate the objective as the paper writes it, samples as columns."""
    X = np.vstack([fixed, moving])
    K1, K2 = X @ fixed.T, X @ moving.T
    k = K1.mean(axis=1) - K2.mean(axis=1)
    P = coefficients.T
    fit = np.sum((fixed.T - P.T @ K1) ** 2)
    return fit + lam * np.sum((P.T @ k) ** 2) + mu * np.abs(P).sum()


def regenerated_gram(name, Xs, Xt, coefficients):
    """Return the products of target and source samples, one domain of them regenerated."""
    X = np.vstack([Xs, Xt]) if name == "tsrg" else np.vstack([Xt, Xs])
    if name == "tsrg":
        return (coefficients @ (X @ Xt.T)).T @ Xs.T
    return Xt @ (coefficients @ (X @ Xs.T))


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("name", ["tsrg", "drfst"])
@pytest.mark.parametrize(
    "keys",  # lambda, then mu
    [
        ("12", "23", "31"),
        pytest.param(("11", "13", "21", "22", "32", "33"), marks=pytest.mark.slow),
    ],
)
def test_paper_solver_stops_where_the_authors_code_stops(name, letter, keys):
    Xs, ys, Xt = case(letter)
    oracle = arrays("regeneration")
    fixed, moving = (Xs, Xt) if name == "tsrg" else (Xt, Xs)
    method = TSRG() if name == "tsrg" else DRFST()
    grid = {"lam": oracle[f"{letter}_lam"], "mu": oracle[f"{letter}_mu"]}
    found, predictions = method.predict_grid(Xs, ys, Xt, grid)
    for index, setting in enumerate(found):
        key = f"{index // 3 + 1}{index % 3 + 1}"
        np.testing.assert_array_equal(predictions[index], oracle[f"{letter}_{name}_pred_{key}"])
        if key not in keys:
            continue
        P, value, _ = regeneration_coefficients(fixed, moving, **setting)
        np.testing.assert_allclose(value, objective(fixed, moving, P, **setting), rtol=1e-10)
        if f"{letter}_{name}_obj_{key}" in oracle:
            np.testing.assert_allclose(value, oracle[f"{letter}_{name}_obj_{key}"], rtol=1e-8)
        gram = thinned(regenerated_gram(name, Xs, Xt, P))
        expected = oracle[f"{letter}_{name}_gram_{key}"]
        np.testing.assert_allclose(gram, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("name", ["tsrg", "drfst"])
def test_exact_solver_meets_the_certified_optimum(name, letter):
    Xs, ys, Xt = case(letter)
    oracle = arrays("regeneration")
    fixed, moving = (Xs, Xt) if name == "tsrg" else (Xt, Xs)
    for i, (lam, mu) in enumerate(oracle[f"{letter}_exact_settings"]):
        P, value, gap = regeneration_coefficients(fixed, moving, lam, mu, "exact")
        np.testing.assert_allclose(value, oracle[f"{letter}_{name}_exact_obj_{i}"], rtol=1e-7)
        assert gap < 1e-7
        gram = thinned(regenerated_gram(name, Xs, Xt, P))
        expected = oracle[f"{letter}_{name}_exact_gram_{i}"]
        np.testing.assert_allclose(gram, expected, atol=1e-3 * np.abs(expected).max())
        method = (TSRG if name == "tsrg" else DRFST)(lam=lam, mu=mu, solver="exact")
        predicted = method.fit(Xs, ys, Xt).predict(Xt)
        np.testing.assert_array_equal(predicted, oracle[f"{letter}_{name}_exact_pred_{i}"])
        assert method.result_.converged.all()


@METHODS
@pytest.mark.parametrize("solver", ["paper", "exact"])
def test_a_setting_is_the_same_alone_and_in_the_grid(method, solver):
    Xs, ys, Xt = random_task(3)
    grid = {"lam": [0.1, 10], "mu": [0.01, 0.5, 4]}
    found, together = method(solver=solver).predict_grid(Xs, ys, Xt, grid)
    alone = [method(solver=solver, **s).fit(Xs, ys, Xt).predict(Xt) for s in found]
    np.testing.assert_array_equal(together, alone)


@METHODS
def test_paper_grid_holds_the_259_settings_and_the_reduced_one_76_of_them(method):
    def pairs(grid):
        settings_ = expand_grid({name: parse_range(text) for name, text in grid.items()})
        return {(s["lam"], s["mu"]) for s in settings_}

    card = files("cdmer_bench.conf") / "method" / f"{method.__module__.rpartition('.')[2]}.yaml"
    reduced = OmegaConf.create(card.read_text()).grids.reduced
    assert len(pairs(method.paper_grid)) == 7 * 37
    assert len(pairs(reduced)) == 76
    assert pairs(reduced) < pairs(method.paper_grid)


@METHODS
def test_batches_keep_to_one_lambda_and_hold_every_setting_once(method):
    found = method().settings(None, (30, 25, 12))
    for solver in ("paper", "exact"):
        batches = method(solver=solver).batches(found)
        assert sorted(i for batch in batches for i in batch) == list(range(259))
        assert [len(batch) for batch in batches] == 7 * [37]
        assert all(len({found[i]["lam"] for i in batch}) == 1 for batch in batches)


@METHODS
@settings(max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(2, 2, 1, 2), (2, 9, 5, 2), (12, 2, 3, 3), (20, 15, 700, 10)]),
    solver=st.sampled_from(["paper", "exact"]),
)
def test_order_of_features_does_not_matter_and_labels_are_of_the_source(
    method, seed, shape, solver
):
    Xs, ys, Xt = random_task(seed, *shape)
    order = np.random.default_rng(seed).permutation(Xs.shape[1])
    first = method(solver=solver).fit(Xs, ys, Xt)
    second = method(solver=solver).fit(Xs[:, order], ys, Xt[:, order])
    assert set(first.predict(Xt)) <= set(ys)
    assert np.isfinite(first.result_.scores).all()
    np.testing.assert_allclose(first.result_.scores, second.result_.scores, atol=0.05)


@METHODS
@pytest.mark.parametrize("solver", ["paper", "exact"])
def test_duplicates_constants_and_unseen_queries(method, solver):
    Xs, ys, Xt = random_task(5, 16, 12, 6)
    Xs = np.vstack([Xs, Xs[:5]])
    ys = np.append(ys, ys[:5])
    Xs[:, 2] = Xt[:, 2] = 7.0
    Xs[:, 3] = Xt[:, 3] = 0.0
    fitted = method(solver=solver).fit(Xs, ys, Xt)
    whole = fitted.predict(Xt)
    np.testing.assert_array_equal(fitted.predict(Xt[:4] + 0), whole[:4])
    fixed, moving = (Xs, Xt) if method is TSRG else (Xt, Xs)
    assert regeneration_coefficients(fixed, moving, 1.0, 0.01, "exact")[2] < 1e-6


@METHODS
@pytest.mark.parametrize("solver", ["paper", "exact"])
def test_a_weight_that_kills_all_coefficients_is_noted(method, solver):
    Xs, ys, Xt = random_task(7)
    fitted = method(mu=1e9, solver=solver).fit(Xs, ys, Xt)
    assert len(set(fitted.predict(Xt))) == 1
    assert "no coefficient" in fitted.result_.notes[0]


@METHODS
def test_rounding_beyond_the_first_penalty_is_noted_where_the_schedule_runs(method):
    Xs, ys, Xt = random_task(7)
    for scale, noted in ((1, []), (500, ["paper"])):  # A'A grows with the fourth power
        found = []
        for solver in ("paper", "exact"):
            fitted = method(solver=solver, mu=float(scale) ** 2).fit(scale * Xs, ys, scale * Xt)
            notes = " ".join(fitted.result_.notes.values())
            found += [solver] if "exceeds the first penalty" in notes else []
        assert found == noted


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"solver": "fast"}, "'paper' or 'exact'"),
        ({"lam": -1.0}, "lam must not be negative"),
        ({"C": 0.0}, "C must be positive"),
        ({"mu": -0.1}, "mu is -0.1"),
        ({"mu": 0.0, "solver": "exact"}, "must be positive"),
    ],
)
def test_wrong_parameters_are_refused(wrong, words):
    Xs, ys, Xt = random_task(1)
    with pytest.raises(UserError, match=words):
        TSRG(**wrong).fit(Xs, ys, Xt)
    with pytest.raises(UserError, match=words):
        DRFST().predict_grid(Xs, ys, Xt, [wrong])


@METHODS
def test_features_whose_kernel_overflows_are_refused(method):
    Xs, ys, Xt = random_task(1)
    with pytest.raises(UserError, match="rescale"):
        method().fit(1e100 * Xs, ys, 1e100 * Xt)


def large_task(seed=4, n_features=1500):
    """Histograms of so many features that the paper's solver begins in float32."""
    rng = np.random.default_rng(seed)
    base = rng.gamma(0.5, size=n_features) + 0.02
    by_class = base * rng.gamma(20, 1 / 20, size=(3, n_features))
    ys, yt = np.arange(24) % 3, np.arange(18) % 3
    Xs, Xt = (
        by_class[y] * rng.gamma(5, 1 / 5, size=(len(y), n_features)) / (3 * base.max())
        for y in (ys, yt)
    )
    return Xs, ys, 1.2 * Xt


@METHODS
def test_float32_predicts_as_float64_and_says_which_settings_it_could_not(method, monkeypatch):
    Xs, ys, Xt = large_task()
    grid = {"lam": [1.0], "mu": [0.005, 0.05, 0.5, 3.0]}
    kinds = []
    judge = method._is_certain

    def watched(self, *arguments):
        kinds.append(judge(self, *arguments))
        return kinds[-1]

    monkeypatch.setattr(method, "_is_certain", watched)
    _, predictions = method().predict_grid(Xs, ys, Xt, grid)
    assert len(kinds) == 4
    assert any(kinds)
    alone = [method(lam=1.0, mu=mu).fit(Xs, ys, Xt).predict(Xt) for mu in grid["mu"]]
    np.testing.assert_array_equal(predictions, alone)


@METHODS
def test_a_setting_whose_votes_are_in_doubt_is_solved_in_float64(method, monkeypatch):
    Xs, ys, Xt = large_task()
    prepared = method().prepare(Xs, ys, Xt, Xt)
    settings = [{"lam": 1.0, "mu": mu} for mu in (0.05, 0.5, 1.0, 3.0)]
    certain = method().solve(prepared, settings)
    monkeypatch.setattr(method, "_is_certain", lambda *arguments: False)
    doubted = method().solve(prepared, settings)
    alone = [method().solve(prepared, [setting]) for setting in settings]
    np.testing.assert_array_equal(doubted.scores, [one.scores[0] for one in alone])
    np.testing.assert_array_equal(doubted.iterations, [one.iterations[0] for one in alone])
    assert np.abs(certain.scores - doubted.scores).max() < 1e-2
    assert (certain.scores != doubted.scores).any()


@METHODS
def test_votes_closer_than_what_may_be_missing_are_in_doubt(method):
    Xs, ys, Xt = random_task(3)
    prepared = method().prepare(Xs, ys, Xt, Xt)
    chosen = method().complete({})
    _, found = next(regenerate(prepared, [chosen]))
    machine, block = method()._decide(prepared, found, 1.0)
    least = np.abs(machine.pairwise(block)).min()
    for share, expected in ((1e-9, True), (1e3, False)):
        error = share * found.products
        error[:, : len(prepared["raw"])] *= least / np.abs(block).max()
        doubtful = found._replace(errors=[error])
        assert method()._is_certain(prepared, doubtful, 1.0, machine, block) == expected


def test_the_device_is_no_parameter_of_a_result():
    assert "device" not in TSRG(device="cpu").parameters()
    assert TSRG(device="cpu").get_params()["device"] == "cpu"
    Xs, ys, Xt = random_task(1)
    with pytest.raises(UserError, match="auto, cpu, cuda"):
        TSRG(device="gpu").fit(Xs, ys, Xt)
    with pytest.raises(UserError, match="same for all settings"):
        DRFST().predict_grid(Xs, ys, Xt, [{"device": "cpu"}])


@METHODS
def test_a_gpu_that_is_asked_for_and_not_there_is_refused_however_small_the_task(
    method, monkeypatch
):
    if importlib.util.find_spec("torch"):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="device=cuda needs a GPU"):
        method(device="cuda").fit(*random_task(1))
    method(device="cuda", solver="exact").fit(*random_task(1))  # runs on the CPU anyway
    method(device="auto").fit(*random_task(1))


@pytest.mark.slow
@METHODS
@pytest.mark.parametrize("lam", [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("task", ["NV", "VN"])
def test_float32_predicts_as_float64_on_the_released_features(method, lam, task):
    Xs, ys, Xt, _ = released_task(task)
    Xs, Xt = Xs.reshape(len(Xs), -1), Xt.reshape(len(Xt), -1)
    prepared = method().prepare(Xs, ys, Xt, Xt)
    settings = [s for s in method().settings(None, (len(Xs), len(Xt), 15045)) if s["lam"] == lam]
    together = method().solve(prepared, settings).predictions
    for setting, predictions in zip(settings, together, strict=True):
        alone = method().solve(prepared, [setting])  # one setting alone is solved in float64
        np.testing.assert_array_equal(predictions, alone.predictions[0], err_msg=str(setting))
