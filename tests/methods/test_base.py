import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.methods import GFK, RSTR, SA, SVM, StrandResult
from cdmer_bench.methods.grid import expand_grid, parse_range


def draw(n_source=12, n_target=9, width=6, seed=0):
    rng = np.random.default_rng(seed)
    ys = np.arange(n_source) % 3
    return rng.normal(size=(n_source, width)) + ys[:, None], ys, rng.normal(size=(n_target, width))


def test_the_papers_notation():
    assert parse_range("0.001:0.001:0.003, 0.1, 2:1:4") == [0.001, 0.002, 0.003, 0.1, 2.0, 3.0, 4.0]
    stm = "0.001:0.001:0.009, 0.01:0.01:0.09, 0.1:0.1:1, 2:1:100, 1000, 10000"
    assert len(parse_range(stm)) == 129  # the paper's grid of STM
    assert parse_range("0.1:0.1:1")[2] == 0.3  # and not 0.30000000000000004


@pytest.mark.parametrize(
    "text", ["", "a", "1:2", "1:0:2", "1:-1:0", "2:1:1", "1:1:2:3", "nan", "inf"]
)
def test_what_is_not_in_the_notation_is_refused(text):
    with pytest.raises(UserError):
        parse_range(text)


@given(st.integers(0, 50), st.integers(1, 20), st.integers(0, 40), st.integers(0, 4))
def test_a_range_holds_every_step_up_to_its_last(first, step, count, places):
    scale = 10**places
    last = first + step * count
    text = f"{first / scale}:{step / scale}:{last / scale}"
    assert parse_range(text) == [(first + step * i) / scale for i in range(count + 1)]


def test_a_grid_runs_its_last_parameter_fastest():
    settings = expand_grid({"a": [1, 2], "b": ["x", "y"]})
    assert settings == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_labels_may_be_of_any_sortable_type():
    Xs, ys, Xt = draw()
    names = np.array(["negative", "positive", "surprise"])
    plain = SVM().fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(SVM().fit(Xs, names[ys], Xt).predict(Xt), names[plain])


def test_the_grid_can_be_asked_of_the_class():
    Xs, ys, Xt = draw()
    settings, predictions = SA.predict_grid(Xs, ys, Xt)
    again, same = SA().predict_grid(Xs, ys, Xt, None)
    assert settings == again
    np.testing.assert_array_equal(predictions, same)


@pytest.mark.parametrize("kind", [GFK, SA])
def test_a_setting_is_the_same_alone_and_in_the_grid(kind):
    Xs, ys, Xt = draw()
    settings, predictions = kind().predict_grid(Xs, ys, Xt)
    for setting, expected in zip(settings, predictions, strict=True):
        np.testing.assert_array_equal(kind(**setting).fit(Xs, ys, Xt).predict(Xt), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda Xs, ys, Xt: (Xs, ys[:-1], Xt), "one label for each"),
        (lambda Xs, ys, Xt: (Xs, ys, Xt[:, :3]), "same descriptor"),
        (lambda Xs, ys, Xt: (Xs, ys * 0, Xt), "at least two"),
        (lambda Xs, ys, Xt: (Xs, ys, Xt[:0]), "no sample"),
        (lambda Xs, ys, Xt: (Xs * np.nan, ys, Xt), "NaN"),
        (lambda Xs, ys, Xt: (Xs[0], ys, Xt), "expected"),
        (lambda Xs, ys, Xt: ([["a"]], ys, Xt), "not an array of numbers"),
    ],
)
def test_samples_that_form_no_task_are_refused_in_a_sentence(change, words):
    with pytest.raises(UserError, match=words):
        SVM().fit(*change(*draw()))


def test_a_method_of_blocks_says_what_to_pass():
    with pytest.raises(UserError, match=r"n_samples, n_blocks, block_dim"):
        RSTR().fit(*draw())


def test_predicting_before_fitting_is_refused():
    with pytest.raises(UserError, match="call fit"):
        SVM().predict(np.ones((2, 3)))


@pytest.mark.parametrize("grid", [{"k": ["two"]}, {"k": [float("nan")]}, {"j": [1]}, {"k": []}])
def test_grids_with_wrong_names_or_values_are_refused(grid):
    with pytest.raises(UserError):
        GFK().predict_grid(*draw(), grid)


def test_a_setting_of_one_predicted_class_is_named_once():
    scores = np.array([[[2.0, 1.0], [3.0, 0.0]], [[2.0, 1.0], [0.0, 1.0]], [[1.0, 1.0]] * 2])
    result = StrandResult.from_scores(scores, np.ones(3, bool), np.zeros(3, int))
    assert result.notes == {
        0: "every sample is given class index 0",
        2: "all scores are equal, so every sample is given the first class",
    }
    Xs, ys, Xt = draw()
    constant = SVM().fit(np.ones_like(Xs), ys, np.ones_like(Xt))
    assert constant.result_.notes[0].startswith("every sample is given class index")
    assert not SVM().fit(Xs, ys, 3 * Xt).result_.notes
