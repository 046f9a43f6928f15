"""What a user gives a method: ranges, grids, samples and labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.methods import SVM
from cdmer_bench.methods.inputs import expand_grid, parse_range
from tests.methods.test_base import draw


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


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([np.nan, 1, 2], "NaN"),
        (np.array([np.nan, 1.0, 2.0], dtype=object), "NaN"),
        (np.array(["2020", "NaT", "2021"], dtype="datetime64[Y]"), "NaN"),
        (np.ma.masked_array([0, 1, 2], mask=[False, True, False]), "ys has masked values"),
        ([None, 1, 2], "cannot be sorted"),
        ([[1], [1, 2], 3], "cannot be sorted"),
    ],
)
def test_labels_that_are_none_are_refused(labels, words):
    Xs, _, Xt = draw(n_source=3)
    with pytest.raises(UserError, match=words):
        SVM().fit(Xs, labels, Xt)


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
        (lambda Xs, ys, Xt: ([[1], [1, 2]], ys, Xt), "not an array of numbers"),
        (lambda Xs, ys, Xt: (Xs + 0j, ys, Xt), "values are complex"),
        (lambda Xs, ys, Xt: (Xs.astype("datetime64[s]"), ys, Xt), "values are datetime64"),
        (lambda Xs, ys, Xt: (Xs, ys, np.ma.masked_less(Xt, 0)), "Xt has masked values"),
    ],
)
def test_samples_that_form_no_task_are_refused_in_a_sentence(change, words):
    with pytest.raises(UserError, match=words):
        SVM().fit(*change(*draw()))


def test_data_frames_are_matched_by_the_names_of_their_columns():
    rng = np.random.default_rng(3)
    Xs, Xt = rng.random((20, 4)), rng.random((15, 4)) + 0.1
    ys = (Xs[:, 0] > 0.5).astype(int)
    columns = ["a", "b", "c", "d"]
    source = pd.DataFrame(Xs, columns=columns)
    target = pd.DataFrame(Xt, columns=columns)
    expected = SVM().fit(Xs, ys, Xt).predict(Xt)
    assert len(set(expected)) == 2
    turned = target[columns[::-1]]
    fitted = SVM().fit(source, ys, turned)
    assert np.array_equal(fitted.predict(turned), expected)
    assert np.array_equal(fitted.predict(target), expected)
    assert np.array_equal(SVM.predict_grid(source, ys, turned)[1][0], expected)
    with pytest.raises(UserError, match="Xt has other columns than Xs \\('a' is not in both once"):
        SVM().fit(source, ys, target.drop(columns="a"))
    with pytest.raises(UserError, match="X has other columns than Xs"):
        fitted.predict(target.rename(columns={"a": "e"}))
