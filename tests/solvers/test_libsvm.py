import itertools

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.errors import UserError
from cdmer_bench.solvers import libsvm
from cdmer_bench.solvers.libsvm import first_appearance, fit_gram
from tests.methods.oracles import arrays, case


@pytest.mark.parametrize("letter", ["A", "B"])
def test_predicts_as_libsvm_itself(letter):
    Xs, ys, Xt = case(letter)
    oracle = arrays("libsvm")
    machine = fit_gram(Xs @ Xs.T, ys - 1)
    np.testing.assert_array_equal(machine.classes + 1, oracle[f"{letter}_svm_label"])
    decision = machine.predict(Xt @ Xs.T)
    np.testing.assert_array_equal(decision.predictions + 1, oracle[f"{letter}_svm_pred"])
    assert machine.machine.n_support_.sum() == oracle[f"{letter}_svm_nsv"]
    pairwise = machine.machine.decision_function(Xt @ Xs.T)
    np.testing.assert_allclose(pairwise, oracle[f"{letter}_svm_dec"], atol=1e-4)


@pytest.mark.parametrize("letter", ["A", "B"])
def test_weighted_samples_predict_as_weighted_libsvm(letter):
    Xs, ys, Xt = case(letter)
    oracle = arrays("libsvm")
    weights, expected = oracle[f"{letter}_ulsif_w"], oracle[f"{letter}_ulsif_pred"]
    for row, predicted in zip(weights, expected, strict=True):
        decision = fit_gram(Xs @ Xs.T, ys - 1, weights=row).predict(Xt @ Xs.T)
        np.testing.assert_array_equal(decision.predictions + 1, predicted)


def test_ties_go_to_the_class_that_appears_first():
    t = {key[5:]: value for key, value in arrays("libsvm").items() if key.startswith("ties_")}
    machine = fit_gram(t["Xs"] @ t["Xs"].T, t["ys"] - 1)
    decision = machine.predict(t["Xt"] @ t["Xs"].T)
    np.testing.assert_array_equal(machine.classes + 1, t["libsvm_labels"])
    pairwise = machine.machine.decision_function(t["Xt"] @ t["Xs"].T)
    np.testing.assert_allclose(pairwise, t["libsvm_dec"], atol=1e-4)
    np.testing.assert_array_equal(decision.predictions + 1, t["libsvm_pred"])
    # The oracle would be blind if sorting the labels gave the same.
    assert np.sum(t["sklearn_sorted_pred"] != t["libsvm_pred"]) == 23
    np.testing.assert_array_equal(decision.scores.argmax(1), decision.predictions)
    ordered = np.sort(decision.scores, axis=1)
    assert (ordered[:, -1] - ordered[:, -2]).min() >= 0.25


def test_binary_maximal_margin_in_closed_form():
    # Points -1 and 1 on a line: f(x) = x, so x = 0.5 belongs to the class of 1.
    x = np.array([[-1.0], [1.0]])
    queries = np.array([[0.5], [-0.5]])
    decision = fit_gram(x @ x.T, np.array([1, 0])).predict(queries @ x.T)
    np.testing.assert_array_equal(decision.predictions, [0, 1])
    # One vote and 3/4 for the winner, and +-c / (4 (1 + |c|)) = 1/12 with c = 0.5.
    expected = [[1.75 + 1 / 12, -1 / 12], [-1 / 12, 1.75 + 1 / 12]]
    np.testing.assert_allclose(decision.scores, expected, atol=1e-12)


def test_a_decision_of_exactly_zero_is_a_vote_for_the_second_class():
    x = np.array([[-1.0], [1.0]])
    machine = fit_gram(x @ x.T, np.array([1, 0]))
    middle = np.zeros((1, 2))
    assert machine.machine.decision_function(middle) == 0
    assert machine.predict(middle).predictions == [0]


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_weight_zero_is_the_same_as_leaving_the_sample_out(seed, n_classes):
    rng = np.random.default_rng(seed)
    X, Q = rng.normal(size=(24, 5)), rng.normal(size=(9, 5))
    ys = np.arange(24) % n_classes
    weights = rng.uniform(0.5, 2, 24)
    weights[rng.permutation(23)[:6]] = 0
    ys[23] = n_classes - 1  # both machines know of the last class
    kept = weights > 0
    a = fit_gram(X @ X.T, ys, weights=weights).predict(Q @ X.T)
    b = fit_gram(
        np.ascontiguousarray((X @ X.T)[np.ix_(kept, kept)]),
        ys[kept],
        weights=weights[kept],
    ).predict((Q @ X.T)[:, kept])
    np.testing.assert_array_equal(a.predictions, b.predictions)
    np.testing.assert_array_equal(a.scores, b.scores)


def test_a_class_without_weight_is_never_predicted_and_named():
    X = np.array([[0.0], [1.0], [5.0], [6.0], [10.0]])
    ys = np.array([0, 0, 1, 1, 2])
    machine = fit_gram(X @ X.T, ys, weights=np.array([1.0, 1, 1, 1, 0]))
    decision = machine.predict(np.array([[0.5], [20.0]]) @ X.T)
    np.testing.assert_array_equal(decision.predictions, [0, 1])
    np.testing.assert_array_equal(decision.scores[:, 2], -1)
    assert "class index 2" in machine.note


def test_one_class_left_and_none_left():
    X = np.array([[0.0], [1.0], [2.0]])
    one = fit_gram(X @ X.T, np.array([1, 0, 1]), weights=np.array([0.0, 3.0, 0.0]))
    assert one.predict(X @ X.T).predictions.tolist() == [0, 0, 0]
    assert "class index 1" in one.note
    none = fit_gram(X @ X.T, np.array([1, 0, 1]), weights=np.zeros(3))
    decision = none.predict(X @ X.T)
    assert decision.predictions.tolist() == [1, 1, 1]
    assert decision.scores.shape == (3, 2)
    assert "all sample weights are zero" in none.note


def test_first_appearance_orders_and_decodes():
    classes, codes = first_appearance(np.array([2, 0, 2, 1, 0]))
    assert classes.tolist() == [2, 0, 1]
    assert codes.tolist() == [0, 1, 0, 2, 1]


def test_refuses_what_is_not_finite_and_a_cost_that_is_not_positive():
    gram = np.eye(3)
    gram[0, 1] = np.nan
    with pytest.raises(UserError, match="kernel of the source samples holds NaN"):
        fit_gram(gram, np.array([0, 1, 1]))
    machine = fit_gram(np.eye(3), np.array([0, 1, 1]))
    with pytest.raises(UserError, match="between target and source"):
        machine.predict(np.full((1, 3), np.inf))
    with pytest.raises(UserError, match="sample weights"):
        fit_gram(np.eye(3), np.array([0, 1, 1]), weights=np.array([1, np.nan, 1]))
    with pytest.raises(UserError, match="C > 0"):
        fit_gram(np.eye(3), np.array([0, 1, 1]), C=0.0)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_pairs_that_libsvm_does_not_finish_are_solved_all_the_same(
    monkeypatch, n_classes, weighted
):
    rng = np.random.default_rng(n_classes)
    ys = rng.permutation(np.arange(60) % n_classes)
    X = rng.normal(size=(60, 4)) + ys[:, None] / 2
    Q = rng.normal(size=(30, 4)) + 1
    weights = rng.uniform(0.5, 2, 60) if weighted else None
    usual = fit_gram(X @ X.T, ys, weights=weights)
    assert not usual.pairs
    monkeypatch.setattr(libsvm, "PATIENCE", 3)
    monkeypatch.setattr(libsvm, "PATIENCE_OF_FEW", 3)
    apart = fit_gram(X @ X.T, ys, weights=weights)
    n_pairs = n_classes * (n_classes - 1) // 2
    assert len(apart.pairs) == n_pairs
    assert apart.converged
    assert f"{n_pairs} of {n_pairs} pairs of classes were solved by an interior" in apart.note
    expected, found = usual.predict(Q @ X.T), apart.predict(Q @ X.T)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-2)
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    # And by LIBSVM itself where the interior point gives no certificate.
    monkeypatch.setattr(libsvm, "RELATIVE_GAP", -1.0)
    again = fit_gram(X @ X.T, ys, weights=weights).predict(Q @ X.T)
    np.testing.assert_allclose(again.scores, expected.scores, atol=1e-2)


def test_a_limit_that_is_met_says_what_to_do(monkeypatch):
    Xs, ys, _ = case("A")
    monkeypatch.setattr(libsvm, "PATIENCE_OF_FEW", 2)
    monkeypatch.setattr(libsvm, "RELATIVE_GAP", -1.0)
    assert fit_gram(Xs @ Xs.T, ys - 1).converged
    monkeypatch.setattr(libsvm, "MAX_ITERATIONS", 2)  # it is that of Solver::Solve of svm.cpp
    stopped = fit_gram(Xs @ Xs.T, ys - 1)
    assert not stopped.converged
    assert "3 of 3 pairs of classes" in stopped.note
    assert stopped.note.endswith("divide the features by a constant, or lower C")


def test_classes_that_no_plane_parts_are_done_on_large_components():
    rng = np.random.default_rng(0)
    ys = np.arange(300) % 6
    X = 1e3 * (rng.normal(size=(300, 5)) + rng.normal(size=(6, 5))[ys] / 3)
    machine = fit_gram(X @ X.T, ys)
    assert machine.converged
    assert len(machine.pairs) == 15
    for pair, (a, b) in enumerate(itertools.combinations(machine.classes, 2)):
        # The optimum by a general solver, of the problem with w divided by 1000.
        Z, y = X[(ys == a) | (ys == b)] / 1e3, np.where(ys[(ys == a) | (ys == b)] == a, 1.0, -1.0)
        n, margin = len(y), y[:, None] * np.column_stack([Z, np.ones(len(y))])
        linear = scipy.optimize.linprog(
            np.r_[np.zeros(6), np.ones(n)],
            A_ub=-np.column_stack([margin, np.eye(n)]),
            b_ub=-np.ones(n),
            bounds=[(None, None)] * 6 + [(0, None)] * n,
        )
        # |w|^2 / 2 is below 1e-5 of the slack, which is least for the linear program.
        decision = machine.pairs[pair].decide((X @ X.T)[(ys == a) | (ys == b)])
        slack = np.maximum(0, 1 - y * decision).sum()
        assert slack == pytest.approx(linear.fun, rel=1e-4)


@pytest.mark.parametrize("exponent", [98, 122, 140, 900])
def test_kernel_and_cost_may_leave_32_bits_together(exponent):
    Xs, ys, Xt = case("A")
    plain = fit_gram(Xs @ Xs.T, ys - 1, C=2.0**20)
    # alpha of a kernel divided by s is alpha times s: with C times s the machine is the same.
    huge = fit_gram(np.ldexp(Xs @ Xs.T, exponent), ys - 1, C=2.0 ** (20 - exponent))
    expected = plain.predict(Xt @ Xs.T)
    decision = huge.predict(np.ldexp(Xt @ Xs.T, exponent))
    np.testing.assert_array_equal(decision.predictions, expected.predictions)
    np.testing.assert_array_equal(decision.scores, expected.scores)


def test_a_cost_beyond_what_libsvm_can_solve_is_one_sentence(monkeypatch):
    def fail(*_args, **_kwargs):
        raise ValueError("not finite")

    monkeypatch.setattr("sklearn.svm.SVC.fit", fail)
    with pytest.raises(UserError, match=r"^LIBSVM could not train.*scale the features"):
        fit_gram(np.eye(4), np.array([0, 1, 0, 1]))
