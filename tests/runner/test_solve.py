"""The one call: equal to the method's own, checked, and lenient where it should be."""

from dataclasses import dataclass

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.methods import GFK, SVM, TCA, BatchResult, Method
from cdmer_bench.runner.solve import Failure, pack, pose, run, run_piece, unpack, write_shared
from tests.small_corpus import draw_features


def task(n_source=24, n_target=18):
    (Xs, ys), (Xt, yt) = draw_features(1, n_source), draw_features(2, n_target)
    return Xs.reshape(n_source, -1), ys, Xt.reshape(n_target, -1), yt


@pytest.mark.parametrize("method", [SVM(), GFK(), TCA()], ids=lambda m: type(m).__name__)
def test_it_gives_what_the_method_alone_gives_and_leaves_it_as_it_was(method):
    Xs, ys, Xt, _ = task()
    before = dict(vars(method))
    settings, expected = method.predict_grid(Xs, ys, Xt)
    found = run(method, Xs, ys, Xt, Xt, settings, 3)
    np.testing.assert_array_equal(found.predictions, expected)
    assert dict(vars(method)) == before


def test_queries_are_predicted_and_never_adapted_to():
    Xs, ys, Xt, _ = task()
    found = run(GFK(), Xs, ys, Xt, Xs[:5], [{"k": 3}], 3)
    np.testing.assert_array_equal(found.predictions[0], GFK(k=3).fit(Xs, ys, Xt).predict(Xs[:5]))


def test_labels_are_those_given_and_scores_have_every_class():
    """A source without the first class: index 0 stands for label 1."""
    Xs, ys, Xt, _ = task()
    kept = ys != 0
    found = run(SVM(), Xs[kept], ys[kept], Xt, Xt, [{}], 3)
    assert set(found.predictions.ravel()) <= {1, 2}
    expected = SVM().fit(Xs[kept], ys[kept], Xt).predict(Xt)
    np.testing.assert_array_equal(found.predictions[0], expected)
    assert found.scores.shape == (1, 18, 3)
    assert np.isneginf(found.scores[..., 0]).all()
    np.testing.assert_array_equal(found.scores[0].argmax(-1), expected)


def test_a_setting_that_does_not_exist_is_an_error_or_left_out_with_its_reason():
    Xs, ys, Xt, _ = task()
    settings = [{"k": 30}, {"k": 3}, {"k": 18}]
    found = run(GFK(), Xs, ys, Xt, Xt, settings, 3, lenient=True)
    assert (found.predictions == NOT_PREDICTED).all(1).tolist() == [True, False, True]
    assert sorted(found.notes) == [0, 2]
    assert "k = 18" in found.notes[2]
    one = run(GFK(), Xs, ys, Xt, Xt, [{"k": 3}], 3)
    np.testing.assert_array_equal(found.predictions[1], one.predictions[0])
    with pytest.raises(UserError):
        pose(GFK(), Xs, ys, Xt[:, :5], Xt, settings, 3)
    everything = run(GFK(), Xs, ys, Xt[:, :5], Xt[:, :5], settings, 3, lenient=True)
    assert (everything.predictions == NOT_PREDICTED).all()


@dataclass
class Wrong(Method):
    how: str = ""
    level: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        return {"n": np.array(len(Xq))}

    def solve(self, prepared, settings):
        n, m = int(prepared["n"]), len(settings)
        result = BatchResult.closed_form(np.zeros((m, n), int), np.zeros((m, n, 3)))
        if self.how == "rows":
            result.predictions = result.predictions[:-1]
        elif self.how == "columns":
            result.predictions = result.predictions[:, :-1]
        elif self.how == "class":
            result.predictions[0, 0] = 3
        elif self.how == "negative":
            result.predictions[0, 0] = -1
        elif self.how == "floats":
            result.predictions = result.predictions + 0.5
        elif self.how == "scores":
            result.scores = np.zeros((m, n, 2))
        elif self.how == "converged":
            result.converged = np.ones(m + 1, bool)
        elif self.how == "extras":
            result.extras["weights"] = np.ones((m + 1, 2))
        elif self.how == "nothing":
            return None
        elif self.how == "refuses" and any(s["level"] == 1 for s in settings):
            raise UserError("level 1 is not for these samples")
        return result


HOW = ("rows", "columns", "class", "negative", "floats", "scores", "converged", "extras",
       "nothing")  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_what_a_method_gives_is_checked_in_one_place(how):
    Xs, ys, Xt, _ = task()
    with pytest.raises(UserError, match="solve"):
        run(Wrong(how), Xs, ys, Xt, Xt, [{"level": 0.0}, {"level": 1.0}], 3)


def test_a_setting_that_a_batch_refuses_costs_the_others_nothing():
    Xs, ys, Xt, _ = task()
    settings = [{"level": 0.0}, {"level": 1.0}, {"level": 2.0}]
    found = run(Wrong("refuses"), Xs, ys, Xt, Xt, settings, 3, lenient=True)
    assert (found.predictions == NOT_PREDICTED).all(1).tolist() == [False, True, False]
    assert found.notes == {1: "level 1 is not for these samples"}
    with pytest.raises(UserError, match="level 1"):
        run(Wrong("refuses"), Xs, ys, Xt, Xt, settings, 3)


def test_a_batch_comes_back_from_its_arrays():
    scores = np.random.default_rng(0).random((2, 4, 3)).astype(np.float32)
    result = BatchResult.closed_form(scores.argmax(-1), scores)
    result.add_note(1, "told")
    result.extras["weights"] = np.arange(6.0).reshape(2, 3)
    back, seconds = unpack([5, 7], pack(result, [5, 7], 1.5))
    np.testing.assert_array_equal(back.predictions, result.predictions)
    np.testing.assert_array_equal(back.scores, scores)
    np.testing.assert_array_equal(back.extras["weights"], result.extras["weights"])
    assert back.notes == {1: "told"}
    assert seconds == 1.5
    with pytest.raises(ValueError, match="other settings"):
        unpack([5, 8], pack(result, [5, 7], 1.5))


@dataclass
class Writing(Method):
    """Writes into whatever it is given, as a careless method does."""

    k: int = 1
    into: str = "samples"

    def prepare(self, Xs, ys, Xt, Xq):
        assert Xq is Xt
        if self.into == "samples":
            for array in (Xs, ys, Xt):
                array *= 0
        return {"sums": Xq.sum(axis=1), "n": len(Xs)}

    def batches(self, settings):
        return [[index] for index in range(len(settings))]

    def solve(self, prepared, settings):
        found = np.where(prepared["sums"] > np.median(prepared["sums"]), 1, 0)
        if self.into == "prepared":
            prepared["sums"] *= -1
            prepared["more"] = 1
        if self.into == "settings":
            settings[0]["k"] = 7
        return BatchResult.closed_form(np.stack([found] * len(settings)))


def test_what_a_method_writes_into_its_samples_reaches_no_other_method():
    Xs, ys, Xt, _ = task()
    kept = [array.copy() for array in (Xs, ys, Xt)]
    run(Writing(), Xs, ys, Xt, Xt, [{"k": 1}], 3)
    for array, before in zip((Xs, ys, Xt), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_what_a_method_writes_while_solving_reaches_no_other_batch():
    Xs, ys, Xt, _ = task()
    found = run(Writing(into="prepared"), Xs, ys, Xt, Xt, [{"k": 1}, {"k": 2}], 3)
    np.testing.assert_array_equal(found.predictions[0], found.predictions[1])
    with pytest.raises(UserError, match="changed the settings"):
        run(Writing(into="settings"), Xs, ys, Xt, Xt, [{"k": 1}], 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "prepare gave NoneType, expected arrays by name"),
        ({"a": object()}, "prepare gave 'a' as object, expected an array"),
        ({"a": None}, "prepare gave 'a' as NoneType"),
        ({"a/b": np.ones(2)}, "prepare named an array 'a/b'"),
        ({1: np.ones(2)}, "prepare named an array 1"),
    ],
)
def test_what_prepare_gives_must_be_arrays_by_name(given, message):
    class Odd(Writing):
        def prepare(self, Xs, ys, Xt, Xq):
            return given

    Xs, ys, Xt, _ = task()
    with pytest.raises(UserError, match=message):
        run(Odd(), Xs, ys, Xt, Xt, [{"k": 1}], 3)


@pytest.mark.parametrize("batches", [[[0]], [[0, 1], [1]], [[0, 1, 2]], []])
def test_a_setting_that_a_method_loses_or_doubles_is_never_stored(batches):
    class Odd(Writing):
        def batches(self, settings):
            return batches

    Xs, ys, Xt, _ = task()
    with pytest.raises(UserError, match=r"Odd: batches of 2 settings hold .* 0 to 1 once"):
        run(Odd(into=""), Xs, ys, Xt, Xt, [{"k": 1}, {"k": 2}], 3)
    batches[:] = [[], [1], [0]]
    assert len(run(Odd(into=""), Xs, ys, Xt, Xt, [{"k": 1}, {"k": 2}], 3).predictions) == 2


@pytest.mark.parametrize("predictions", [[["a"]], [[0.5]], [[None]], [["0"]]])
def test_predictions_that_are_no_whole_numbers_are_refused(predictions):
    with pytest.raises(UserError, match="expected whole numbers: the index of a class"):
        BatchResult.closed_form(predictions)
    with pytest.raises(UserError, match="some predictions are NaN or infinite"):
        BatchResult.closed_form([[np.nan]])


@pytest.mark.parametrize("kind", [np.uint8, float, bool, object])
def test_whole_numbers_of_any_type_are_indices(kind):
    assert BatchResult.closed_form(np.array([[0, 1]]).astype(kind)).predictions.tolist() == [[0, 1]]


def test_a_method_that_leaves_the_program_fails_alone(tmp_path):
    class Leaving(Writing):
        def solve(self, prepared, settings):
            raise SystemExit(3)

    Xs, ys, Xt, _ = task()
    problem = pose(Leaving(), Xs, ys, Xt, Xt, [{"k": 1}], 3)
    write_shared(tmp_path / "shared", problem.arrays)
    failure = run_piece(problem.pieces[0], tmp_path / "shared", tmp_path / "out.npz")
    assert failure.error == "SystemExit: 3"
    assert not failure.is_user_error


def test_a_failure_is_one_line():
    assert Failure.of(ValueError("a\n  b")).error == "ValueError: a b"
