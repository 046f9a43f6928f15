import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.databases import from_released_layout, to_released_layout
from cdmer_bench.errors import UserError
from cdmer_bench.methods.drls import DRLS
from cdmer_bench.methods.rstr import RSTR, as_written
from cdmer_bench.solvers.group_selection import group_features
from cdmer_bench.solvers.region_selection import scale_features
from tests.methods.oracles import arrays, case, random_task, released_task


def block_task(seed, n_source=16, n_target=12, n_blocks=6, block_dim=5, n_classes=3):
    Xs, ys, Xt = random_task(seed, n_source, n_target, n_blocks * block_dim, n_classes)
    shape = (-1, n_blocks, block_dim)
    return Xs.reshape(shape), ys, Xt.reshape(shape)


def case_b():
    Xs, ys, Xt = case("B")
    return Xs.reshape(90, 40, 8), ys, Xt.reshape(70, 40, 8)


def released_blocks(task):
    Xs, ys, Xt, yt = released_task(task)
    Xs, Xt = (from_released_layout(X).reshape(len(X), 85, -1) for X in (Xs, Xt))
    return Xs, ys, Xt, yt


def one_hot(ys):
    return (ys == np.unique(ys)[:, None]).astype(float)


def test_exact_solver_follows_the_certified_iterates():
    Xs, ys, Xt = case_b()
    oracle = arrays("rstr")
    for i, (lam, mu, tau, ratio) in enumerate(oracle["cfg"]):
        l1 = "ratio" if ratio else "absolute"
        method = RSTR(lam=lam, mu=mu, tau=tau, l1=l1, solver="exact").fit(Xs, ys, Xt)
        np.testing.assert_array_equal(method.predict(Xt), oracle["pred"][i])
        np.testing.assert_allclose(method.weights_, oracle["w"][i], atol=1e-7)
        np.testing.assert_allclose(method.coefficients_, oracle["P"][i], atol=1e-7)
        assert method.result_.converged.all()
        # The log of the ratio rule leaves out the term of |w|_1, that of the other has it.
        log = oracle["log"][i]
        steps = [
            RSTR(lam=lam, mu=mu, tau=tau, l1=l1, solver="exact", outer_steps=k).fit(Xs, ys, Xt)
            for k in range(1, 6)
        ]
        norms = np.array([step.weights_.sum() for step in steps])
        before = np.r_[40.0, norms[:-1]]
        left_out = log[:, 3] if ratio else 0.0
        np.testing.assert_allclose(
            method.objectives_,
            log[:, [2, 4]] + np.outer(left_out, [1, 1]) * np.c_[before, norms],
            rtol=1e-8,
        )


@pytest.mark.parametrize("l1", ["ratio", "absolute"])
def test_paper_solver_does_what_section_iii_says(l1):
    Xs, ys, Xt = case_b()
    for lam, mu, tau in [(0.1, 0.5, 0.03), (100.0, 2.0, 0.1), (1000.0, 0.1, 0.01)]:
        P, w, labels = as_written(Xs, one_hot(ys), Xt, lam, mu, tau, l1=l1)
        method = RSTR(lam=lam, mu=mu, tau=tau, l1=l1).fit(Xs, ys, Xt)
        np.testing.assert_allclose(method.coefficients_, P, atol=1e-6)
        np.testing.assert_allclose(method.weights_, w, atol=1e-5 * w.max())
        np.testing.assert_allclose(method.result_.scores[0], labels.T, atol=1e-6)


@pytest.mark.parametrize("numba_off", ["0", "1"])
def test_paper_solver_on_the_released_features(monkeypatch, numba_off):
    monkeypatch.setenv("CDMER_NO_NUMBA", numba_off)
    Xs, ys, Xt, _ = released_blocks("NV")
    method = RSTR()
    chosen = [{"lam": 1000.0, "mu": 0.3, "tau": 0.06}, {"lam": 0.1, "mu": 4.0, "tau": 0.01}]
    _, predicted = method.predict_grid(Xs, ys, Xt, chosen)
    weights = method.solve(method.prepare(Xs, ys - 1, Xt, Xt), chosen).extras["weights"]
    for setting, labels, found in zip(chosen, predicted, weights, strict=True):
        _, w, regressed = as_written(Xs, one_hot(ys), Xt, *setting.values())
        np.testing.assert_array_equal(labels, regressed.argmax(axis=0) + 1)
        np.testing.assert_allclose(found, w, atol=1e-4 * w.max())


@pytest.mark.parametrize("solver", ["paper", "exact"])
def test_the_first_coefficients_are_those_of_drls(solver):
    Xs, ys, Xt = case_b()
    first = RSTR(lam=10.0, mu=0.7, solver=solver, outer_steps=1).fit(Xs, ys, Xt)
    drls = DRLS(lam=10.0, mu=0.7, solver=solver).fit(Xs, ys, Xt)
    np.testing.assert_allclose(first.coefficients_, drls.coefficients_, atol=1e-9)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    lam=st.floats(0.01, 1000),
    mu=st.floats(0.01, 5),
    tau=st.floats(0.01, 20),
)
def test_exact_steps_with_an_absolute_penalty_never_raise_the_objective(seed, lam, mu, tau):
    Xs, ys, Xt = block_task(seed)
    method = RSTR(lam=lam, mu=mu, tau=tau, l1="absolute", solver="exact", outer_steps=6)
    path = method.fit(Xs, ys, Xt).objectives_.ravel()
    assert (np.diff(path) <= 1e-9 * path[0]).all()
    # The last is Eq. (8), written out.
    P, w = method.coefficients_, method.weights_
    X = np.concatenate([Xs, Xt])
    K = np.einsum("i,aid,bid->ab", w, X, X)
    L = (ys == np.unique(ys)[:, None]).astype(float)
    mmd = P.T @ (K[:, :16].mean(axis=1) - K[:, 16:].mean(axis=1))
    fit = np.sum((L - P.T @ K[:, :16]) ** 2) + lam * mmd @ mmd
    np.testing.assert_allclose(path[-1], fit + tau * w.sum() + mu * np.abs(P).sum(), rtol=1e-7)
    assert (w >= 0).all()


def test_a_setting_has_the_same_bits_alone_in_the_grid_and_in_any_batch():
    Xs, ys, Xt = block_task(5)
    method = RSTR()
    prepared = method.prepare(Xs, ys, Xt, Xt)
    grid = {"lam": [1, 100], "mu": "0.1:0.7:5", "tau": [0.01, 0.05, 0.1]}
    chosen = method.settings(grid, (16, 12, 30))
    assert [len(batch) for batch in method.batches(chosen)] == [24, 24]
    whole = method.solve(prepared, chosen)
    assert whole.extras["weights"].shape == (48, 6)
    order = np.random.default_rng(0).permutation(48)
    shuffled = method.solve(prepared, [chosen[i] for i in order])
    np.testing.assert_array_equal(shuffled.scores, whole.scores[order])
    np.testing.assert_array_equal(shuffled.extras["weights"], whole.extras["weights"][order])
    for i in range(0, 48, 5):
        alone = method.solve(prepared, [chosen[i]])
        np.testing.assert_array_equal(alone.scores[0], whole.scores[i])
    fitted = RSTR(**chosen[13]).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(fitted.result_.scores[0], whole.scores[13])


def test_batches_of_the_papers_grid_hold_a_hundred_settings_of_one_lam():
    chosen = RSTR().settings(None, (71, 71, 15045))
    assert len(chosen) == 3000
    batches = RSTR().batches(chosen)
    assert {len(batch) for batch in batches} == {100}
    assert sorted(i for batch in batches for i in batch) == list(range(3000))
    assert all(len({chosen[i]["lam"] for i in batch}) == 1 for batch in batches)


def test_a_block_of_noise_in_every_class_gets_less_weight_than_one_that_tells_them():
    Xs, ys, Xt = block_task(4)
    rng = np.random.default_rng(0)
    Xs[:, 1:] = rng.normal(size=Xs[:, 1:].shape)
    Xt[:, 1:] = rng.normal(size=Xt[:, 1:].shape)
    method = RSTR(lam=1.0, mu=0.5, tau=0.1).fit(Xs, ys, Xt)
    assert method.weights_.argmax() == 0
    np.testing.assert_allclose(method.result_.extras["weights"][0], method.weights_, rtol=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_the_order_of_blocks_and_samples_does_not_matter(seed):
    Xs, ys, Xt = block_task(seed)
    rng = np.random.default_rng(seed)
    source, target, block = rng.permutation(16), rng.permutation(12), rng.permutation(6)
    method = RSTR(lam=5.0, mu=0.5, tau=0.05, solver="exact", outer_steps=2)
    scores = method.fit(Xs, ys, Xt).result_.scores[0]
    w = method.weights_
    method.fit(Xs[source][:, block], ys[source], Xt[target][:, block])
    np.testing.assert_allclose(method.weights_, w[block], atol=1e-6 * w.max())
    np.testing.assert_allclose(method.result_.scores[0], scores[target], atol=1e-6)


def test_the_authors_chunks_are_runs_of_their_file_order():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2, 21, 3, 4))
    expected = to_released_layout(X, grids=(1, 2, 4)).reshape(2, 21, 12)
    np.testing.assert_array_equal(group_features(X.reshape(2, 21, 12), "authors_chunks"), expected)
    with pytest.raises(UserError, match="samples have 6 blocks; use groups=blocks"):
        RSTR(groups="authors_chunks").fit(*block_task(0))
    with pytest.raises(UserError, match="block has 4 values"):
        group_features(np.zeros((2, 5, 4)), "authors_chunks")


def test_scales():
    rng = np.random.default_rng(0)
    X = 5 + rng.normal(size=(9, 4, 3))
    X[:, 1, 2] = 7.0
    X[0, 3] = 0.0
    lengths = np.linalg.norm(scale_features(X, X, "block_l2"), axis=2)
    expected = np.ones((9, 4))
    expected[0, 3] = 0
    np.testing.assert_allclose(lengths, expected)
    z = scale_features(X[:2], X, "zscore")
    np.testing.assert_allclose(
        z[:, 0, 0], ((X[:, 0, 0] - X[:, 0, 0].mean()) / X[:, 0, 0].std())[:2]
    )
    assert not z[:, 1, 2].any()
    for scale in ("block_l2", "zscore"):
        method = RSTR(scale=scale).fit(*block_task(1))
        assert np.isfinite(method.result_.scores).all()


def test_what_leaves_nothing_selected_is_noted():
    Xs, ys, Xt = block_task(0)
    method = RSTR(l1="absolute", tau=1e6).fit(Xs, ys, Xt)
    assert not method.weights_.any()
    assert "no block is selected" in method.result_.notes[0]
    assert set(method.predict(Xt)) == {0}
    method = RSTR(mu=1e9).fit(Xs, ys, Xt)
    assert not method.coefficients_.any()
    assert "mu is too large" in method.result_.notes[0]


@pytest.mark.parametrize("solver", ["paper", "exact"])
@pytest.mark.parametrize(
    ("n_source", "n_target", "n_blocks", "block_dim", "n_classes", "scale"),
    [
        (2, 2, 1, 1, 2, 1.0),
        (12, 1, 30, 2, 3, 1e-6),
        (21, 9, 4, 3, 10, 1e6),
        (7, 6, 85, 4, 3, 1.0),
    ],
)
def test_small_and_odd_tasks_give_labels(
    solver, n_source, n_target, n_blocks, block_dim, n_classes, scale
):
    Xs, ys, Xt = block_task(2, n_source, n_target, n_blocks, block_dim, n_classes)
    Xs[-1] = Xs[0]
    Xs[:, 0], Xt[:, 0] = 4.0, 4.0
    method = RSTR(solver=solver, lam=1.0, mu=0.5).fit(scale * Xs, ys, scale * Xt)
    assert np.isin(method.predict(scale * Xt), ys).all()
    assert np.isfinite(method.result_.scores).all()


def test_samples_without_blocks_are_refused_with_the_shape_to_pass():
    Xs, ys, Xt = random_task(0)
    with pytest.raises(UserError, match=r"pass samples as \(n_samples, n_blocks, block_dim\)"):
        RSTR().fit(Xs, ys, Xt)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"solver": "slep"}, "no solver 'slep'"),
        ({"l1": "ratios"}, "no l1 rule 'ratios'; did you mean 'ratio'"),
        ({"groups": "face"}, "no groups 'face'"),
        ({"scale": "l2"}, "no scale 'l2'"),
        ({"outer_steps": 0}, "outer_steps is 0"),
        ({"outer_steps": 1.5}, "outer_steps is 1.5"),
        ({"tau": -0.1}, "tau is -0.1"),
    ],
)
def test_wrong_parameters_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        RSTR(**wrong).fit(*block_task(0))


def test_a_grid_may_vary_what_holds_for_a_setting_but_not_what_holds_for_a_task():
    task = block_task(0)
    settings_, predicted = RSTR().predict_grid(*task, {"outer_steps": "1:1:3", "tau": [0.01, 0.1]})
    assert len(settings_) == len(predicted) == 6
    np.testing.assert_array_equal(
        predicted[4], RSTR(outer_steps=3, tau=0.01).fit(*task).predict(task[2])
    )
    with pytest.raises(UserError, match=r"make one RSTR\(scale=...\)"):
        RSTR().predict_grid(*task, [{"scale": "zscore"}])


def test_samples_are_scaled_over_both_domains_together():
    Xs, ys, Xt = block_task(6)
    Xt = 3 * Xt + 1
    flat = np.concatenate([Xs, Xt]).reshape(28, -1)
    z = ((flat - flat.mean(axis=0)) / flat.std(axis=0)).reshape(28, 6, 5)
    found = RSTR(scale="zscore").fit(Xs, ys, Xt)
    by_hand = RSTR().fit(z[:16], ys, z[16:])
    np.testing.assert_allclose(found.weights_, by_hand.weights_, rtol=1e-6)
    np.testing.assert_allclose(found.result_.scores, by_hand.result_.scores, atol=1e-7)


def test_iterations_are_those_that_were_asked_for():
    Xs, ys, Xt = block_task(6)
    method = RSTR()
    chosen = [{"outer_steps": n} for n in (1, 3, 5)]
    result = method.solve(method.prepare(Xs, ys, Xt, Xt), chosen)
    assert result.iterations.tolist() == [1, 3, 5]
