from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.svm import SVC

from cdmer_bench.errors import UserError
from cdmer_bench.methods.svm import SVM, Adapted, AdaptedSVM, Classified, batch_result
from cdmer_bench.solvers.libsvm import VotingMachine, fit_gram
from tests.methods.oracles import arrays, best, case, grid_predictions


@pytest.mark.parametrize("letter", ["A", "B"])
def test_predicts_as_libsvm(letter):
    Xs, ys, Xt = case(letter)
    predicted = SVM().fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(predicted, arrays("libsvm")[f"{letter}_svm_pred"])


def test_breaks_ties_as_libsvm():
    t = arrays("libsvm")
    predicted = SVM().fit(t["ties_Xs"], t["ties_ys"], t["ties_Xt"]).predict(t["ties_Xt"])
    np.testing.assert_array_equal(predicted, t["ties_libsvm_pred"])


def test_cost_is_that_of_scikit_learn_in_the_binary_case():
    Xs, ys, Xt = case("A")
    binary = (ys == 2).astype(int)
    settings, predicted = SVM().predict_grid(Xs, binary, Xt, {"C": "0.001, 0.1, 10"})
    for setting, row in zip(settings, predicted, strict=True):
        expected = SVC(kernel="linear", C=setting["C"]).fit(Xs, binary).predict(Xt)
        np.testing.assert_array_equal(row, expected)
    assert len(np.unique(predicted, axis=0)) == 3


@pytest.mark.parametrize(("task", "printed"), [("VN", (0.6186, 63.38)), ("NV", (0.6078, 63.38))])
def test_paper_figures_on_the_released_features(task, printed):
    predicted, yt = grid_predictions(SVM(), task)
    assert best(yt, predicted) == printed
    np.testing.assert_array_equal(predicted, arrays("released")[f"{task}_svm_pred"])


def test_cost_must_be_positive():
    Xs, ys, Xt = case("A")
    with pytest.raises(UserError, match="C > 0"):
        SVM(C=-1.0).fit(Xs, ys, Xt)


def test_notes_gather_remarks_and_the_machines_own():
    x = np.array([[-1.0], [1.0]])
    ys = np.array([0, 1])
    machine = fit_gram(x @ x.T, ys)
    decision = machine.predict(x @ x.T)
    odd = VotingMachine(ys, 2, None, None, converged=False, iterations=7, note="odd weights")
    result = batch_result(
        [
            Classified(machine, decision),
            Classified(machine, decision, "k was reduced"),
            Classified(odd, decision, "reduced"),
        ]
    )
    assert result.notes == {
        1: "k was reduced",
        2: "reduced; odd weights",
    }
    assert result.converged.tolist() == [True, True, False]
    assert result.predictions.tolist() == [[0, 1]] * 3
    assert result.scores.shape == (3, 2, 2)


def test_what_an_adaptation_says_is_kept_with_the_setting():
    @dataclass
    class Halved(AdaptedSVM):
        C: float = 1.0

        def prepare(self, Xs, ys, Xt, Xq):
            return {"source": Xs / 2, "queries": Xq / 2, "ys": ys}

        def adapt(self, prepared, settings):
            for setting in settings:
                yield Adapted(prepared["source"], prepared["queries"], "halved", setting["C"] < 2)

    x, ys = np.array([[-1.0], [1.0]]), np.array([0, 1])
    prepared = Halved().prepare(x, ys, x, x)
    result = Halved().solve(prepared, [{}, {"C": 3.0}])
    assert result.notes == {0: "halved", 1: "halved"}
    assert result.converged.tolist() == [True, False]
    places = np.array([-1, 1, -1, 1]) / 2
    kernel = Halved().adapted_kernel(prepared, {})
    np.testing.assert_array_equal(kernel, np.outer(places, places))
