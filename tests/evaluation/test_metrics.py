"""Scores against the paper's closed forms and a slow reading of its formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation import accuracy, confusion_matrices, grid_scores, mean_f1
from tests.methods.oracles import arrays

# Negative, positive, surprise: Table I.
HS = np.repeat([0, 1, 2], [70, 51, 43])
CASME2 = np.repeat([0, 1, 2], [73, 32, 25])


@pytest.mark.parametrize(
    ("y_true", "answer", "printed"),
    [
        (HS, 0, (0.1994, 42.68)),  # Table VI, C3D-FC1 (Sports1M), Exp.7
        (CASME2, 0, (0.2397, 56.15)),  # Exp.12
        (CASME2, 2, (0.1075, 19.23)),  # Exp.10
    ],
)
def test_one_class_predictor_scores_as_printed_in_table_vi(y_true, answer, printed):
    prediction = np.full_like(y_true, answer)
    scores = mean_f1(y_true, prediction), accuracy(y_true, prediction)
    assert (round(scores[0], 4), round(scores[1], 2)) == printed


@pytest.mark.parametrize("task", ["VN", "NV"])
def test_scores_of_every_setting_are_those_of_the_reference_study(task):
    released, stm = arrays("released"), arrays("stm_released")
    predictions = {
        **{name: released[f"{task}_{name}_pred"] for name in ("svm", "tca", "gfk", "sa", "tkl")},
        "drls": arrays("drls")[f"{task}_pred"],
        "stm_public": stm[f"{task}_public"],
        "stm_exact": stm[f"{task}_exact"],
    }
    for name, rows in predictions.items():
        f1, percent = grid_scores(released[f"{task}_y_target"] - 1, rows - 1, 3)
        # To the four and two decimals that the study gives.
        expected = released[f"{task}_{name}_scores"]
        np.testing.assert_allclose(f1, expected[:, 0], rtol=0, atol=5.01e-5)
        np.testing.assert_allclose(percent, expected[:, 1], rtol=0, atol=5.01e-3)


def slow_mean_f1(y_true, y_pred, classes):
    """Read section II-A3 word for word."""
    total = 0.0
    for label in classes:
        right = sum(t == p == label for t, p in zip(y_true, y_pred, strict=True))
        predicted, true = list(y_pred).count(label), list(y_true).count(label)
        precision = right / predicted if predicted else 0.0
        recall = right / true if true else 0.0
        total += 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return total / len(classes)


labels = st.integers(2, 10).flatmap(
    lambda c: st.lists(
        st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1, max_size=60
    ).map(lambda pairs: (c, *map(np.array, zip(*pairs, strict=True))))
)


@given(labels)
def test_grid_scores_follow_the_formula_of_the_paper(case):
    n_classes, y_true, y_pred = case
    f1, percent = grid_scores(y_true, np.stack([y_pred, y_true]), n_classes)
    assert f1[0] == pytest.approx(slow_mean_f1(y_true, y_pred, range(n_classes)), abs=1e-12)
    assert f1[0] == pytest.approx(mean_f1(y_true, y_pred, range(n_classes)), abs=1e-15)
    assert percent[0] == pytest.approx(100 * np.mean(y_true == y_pred))
    assert percent[1] == 100
    assert f1[1] == pytest.approx(len(set(y_true)) / n_classes)


@given(labels)
def test_classes_that_nowhere_occur_count_only_if_named(case):
    n_classes, y_true, y_pred = case
    present = sorted(set(y_true) | set(y_pred))
    assert mean_f1(y_true, y_pred) == pytest.approx(slow_mean_f1(y_true, y_pred, present))
    named = mean_f1(y_true, y_pred, range(n_classes))
    assert named == pytest.approx(mean_f1(y_true, y_pred) * len(present) / n_classes)


def test_labels_may_be_words():
    assert mean_f1(["negative", "positive"], ["negative", "negative"]) == pytest.approx(1 / 3)
    assert accuracy(["negative", "positive"], ["negative", "negative"]) == 50


def test_confusion_matrix_has_true_classes_as_rows():
    assert confusion_matrices([0, 0, 1], [[1, 0, 1]], 2).tolist() == [[[1, 1], [0, 1]]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean_f1([0, 1], [0]), "shape"),
        (lambda: accuracy([], []), "at least one"),
        (lambda: mean_f1([0, 1], [0, 3], classes=[0, 1]), "label 3"),
        (lambda: grid_scores([0, 1], [[0, 1, 1]], 2), "do not fit"),
        (lambda: grid_scores([0, 1], [[0, 2]], 2), "from 0 to 2"),
        (lambda: grid_scores([0, 1], [[0, -1]], 2), "from -1 to 0"),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(UserError, match=words):
        call()
