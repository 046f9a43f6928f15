import numpy as np
import pandas as pd
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.methods.tgsr import TGSR, as_written
from cdmer_bench.solvers import group_selection
from cdmer_bench.solvers.label_regression import label_matrix
from tests.methods.oracles import DATA, macro_f1_and_accuracy, random_task
from tests.methods.test_rstr import released_blocks


def block_task(seed, n_source=12, n_target=9, n_blocks=5, block_dim=6):
    Xs, ys, Xt = random_task(seed, n_source, n_target, n_blocks * block_dim)
    shape = (-1, n_blocks, block_dim)
    return Xs.reshape(shape), ys, Xt.reshape(shape)


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0])
@pytest.mark.parametrize("size", [(12, 9, 5, 6), (40, 9, 5, 6), (8, 3, 21, 3)])
@pytest.mark.parametrize("lam", [0.0, 0.01, 3.0, 500.0])
def test_the_form_for_a_grid_ends_where_the_loop_as_written_does(
    monkeypatch, size, lam, kept_bytes
):
    monkeypatch.setattr(group_selection, "KEPT", kept_bytes)
    Xs, ys, Xt = block_task(1, *size)
    L, method = label_matrix(ys), TGSR(groups="blocks")
    chosen = [{"k": k, "lam": lam} for k in range(1, size[2] + 1)]
    prepared = method.prepare(Xs, ys, Xt, Xt)
    assert ("grams" in prepared) == (kept_bytes > 0)
    result = method.solve(prepared, chosen)
    for i, setting in enumerate(chosen):
        B, labels, n_steps = as_written(Xs, L, Xt, **setting)
        np.testing.assert_allclose(result.scores[i], labels, atol=1e-7)
        assert result.iterations[i] == n_steps
        assert (np.linalg.norm(B, axis=(1, 2)) > 0).sum() <= setting["k"]


def test_stops_at_its_limit_of_steps_and_says_so(monkeypatch):
    Xs, ys, Xt = block_task(2)
    monkeypatch.setattr(group_selection, "MOST_STEPS", 7)
    fitted = TGSR(k=2).fit(Xs, ys, Xt)
    assert not fitted.result_.converged[0]
    assert "above its tolerance" in fitted.result_.notes[0]
    assert fitted.result_.iterations[0] == 7


@pytest.mark.parametrize("task", ["VN", "NV"])
def test_figures_that_the_authors_recorded(task):
    recorded = pd.read_csv(DATA / "tgsr_recorded.csv")
    recorded = recorded[recorded["task"] == task]
    assert len(recorded) > 140
    Xs, ys, Xt, yt = released_blocks(task)
    settings = recorded[["k", "lam"]].to_dict("records")
    _, predicted = TGSR.predict_grid(Xs, ys, Xt, settings)
    found = [macro_f1_and_accuracy(yt, row) for row in predicted]
    expected = np.column_stack(
        [recorded["mean_f1"].round(4), (100 * recorded["accuracy"]).round(2)]
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_grid_is_that_of_the_records():
    settings = TGSR().settings(None, (71, 71, 15045))
    assert len(settings) == 85 * 276
    assert [settings[i]["lam"] for i in (0, 45, 46, 275)] == [0.001, 0.01, 0.01, 1000]
    assert [s["k"] for s in settings[::276]] == list(range(1, 86))


def test_more_groups_than_there_are_means_all_of_them():
    Xs, ys, Xt = block_task(3)
    method = TGSR(lam=2.0)
    settings, predicted = method.predict_grid(Xs, ys, Xt, {"k": [5, 60]})
    np.testing.assert_array_equal(predicted[0], predicted[1])
    result = method.solve(method.prepare(Xs, ys, Xt, Xt), settings)
    assert result.notes[1] == "k = 60, so all 5 groups stay"
    assert "groups stay" not in result.notes.get(0, "")


def test_groups_are_runs_of_the_file_or_facial_blocks():
    Xs, ys, Xt = block_task(4)
    runs = TGSR(k=2).fit(Xs, ys, Xt).result_.scores
    moved = [group_selection.group_features(X, "authors_chunks") for X in (Xs, Xt)]
    same = TGSR(k=2, groups="blocks").fit(moved[0], ys, moved[1]).result_.scores
    np.testing.assert_array_equal(runs, same)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"k": 0}, "k of TGSR"), ({"k": 1.5}, "k of TGSR"), ({"lam": -1.0}, "lam is -1.0"),
     ({"groups": "faces"}, "no groups 'faces'")],
)  # fmt: skip
def test_wrong_parameters_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        TGSR(**wrong).fit(*block_task(0))
