import dataclasses

import numpy as np
import pytest
import sklearn.base

from cdmer_bench.errors import UserError
from cdmer_bench.methods import (
    DRFST,
    DRLS,
    GFK,
    IWSVM,
    RSTR,
    SA,
    STM,
    SVM,
    TCA,
    TKL,
    TSRG,
    BatchResult,
)
from cdmer_bench.methods.batches import join_batches
from cdmer_bench.methods.inputs import is_range

EVERY = (SVM, IWSVM, TCA, GFK, SA, STM, TKL, TSRG, DRFST, DRLS, RSTR)


def draw(n_source=12, n_target=9, width=6, seed=0):
    rng = np.random.default_rng(seed)
    ys = np.arange(n_source) % 3
    return rng.normal(size=(n_source, width)) + ys[:, None], ys, rng.normal(size=(n_target, width))


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


def block_task(seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((12, 3, 4)), np.arange(12) % 3, rng.random((9, 3, 4))


@pytest.mark.parametrize("kind", EVERY)
def test_a_grid_on_another_task_leaves_what_was_fitted(kind):
    Xs, ys, Xt = block_task()
    method = kind().fit(Xs, ys, Xt)
    expected, some = method.predict(Xt), method.predict(Xt[2:5])
    method.predict_grid(Xs[::-1] + 1, np.array(["a", "b", "c"])[ys], Xt, [{}])
    np.testing.assert_array_equal(method.predict(Xt), expected)
    np.testing.assert_array_equal(method.predict(Xt[2:5]), some)
    with pytest.raises(UserError, match="two"):
        method.fit(Xs, 0 * ys, Xt)
    np.testing.assert_array_equal(method.predict(Xt), expected)


@pytest.mark.parametrize("kind", EVERY)
def test_a_grid_is_no_fit(kind):
    method = kind()
    before = dict(vars(method))
    method.predict_grid(*block_task(), [{}])
    assert vars(method) == before
    with pytest.raises(UserError, match="call fit"):
        method.predict(block_task()[2])


@pytest.mark.parametrize("kind", EVERY)
def test_layout_and_type_of_the_samples_do_not_matter(kind):
    Xs, ys, Xt = (np.round(8 * X) if X.ndim > 1 else X for X in block_task(1))
    expected = kind().fit(Xs, ys, Xt).predict(Xt)
    strided = np.zeros((24, 3, 8))
    strided[::2, :, 1::2] = Xs
    for source in (
        np.asfortranarray(Xs),
        strided[::2, :, 1::2],
        Xs.astype(np.float32),
        Xs.astype(np.int16),
        Xs.reshape(12, 3, 2, 2),
        Xs.tolist(),
    ):
        target = Xt.reshape(9, 3, 2, 2).astype(np.uint8)
        np.testing.assert_array_equal(kind().fit(source, ys.tolist(), target).predict(Xt), expected)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("value", ["?", None, True, float("nan"), -1, [1], {}, 1j])
def test_a_parameter_of_a_wrong_type_or_range_is_one_sentence(kind, value):
    task = block_task()
    for field in dataclasses.fields(kind):
        if field.name == "cache" and value == "?":  # a folder may have that name
            continue
        for attempt in (
            lambda name=field.name: kind(**{name: value}).fit(*task),
            lambda name=field.name: kind(**{name: value}).predict_grid(*task, [{}]),
            lambda name=field.name: kind().predict_grid(*task, {name: [value]}),
        ):
            if field.name == "k" and value is None:
                attempt()
                continue
            with pytest.raises(UserError) as refusal:
                attempt()
            assert "\n" not in str(refusal.value)
            assert field.name in str(refusal.value)


@pytest.mark.parametrize("kind", EVERY)
def test_a_method_is_cloned_shown_and_changed_as_scikit_learn_does(kind):
    name = dataclasses.fields(kind)[0].name
    method = kind(**{name: 2})
    method.fit(*block_task())
    copy = sklearn.base.clone(method)
    assert copy == method
    assert not hasattr(copy, "result_")
    assert f"{name}=2" in repr(copy)
    assert copy.set_params(**{name: 3}).get_params() == {**method.get_params(), name: 3}
    with pytest.raises(UserError, match="no parameter 'depth'"):
        copy.set_params(depth=3)


def test_what_holds_for_a_task_may_be_set_too():
    task = block_task()
    changed = RSTR().set_params(scale="zscore").fit(*task)
    expected = RSTR(scale="zscore").fit(*task)
    np.testing.assert_array_equal(changed.weights_, expected.weights_)


def test_a_bare_word_in_a_grid_is_that_choice():
    task = block_task()
    for kind, grid in (
        (STM, {"solver": "exact", "lam": "1, 10"}),
        (TKL, {"kernel": "rbf", "zeta": [1, 2]}),
        (IWSVM, {"sigma": "median", "centres": "all", "lam": [1, 2]}),
        (SA, {"limit": "common", "k": [1, 2]}),
    ):
        listed = {name: [v] if str(v).isalpha() else v for name, v in grid.items()}
        settings, predicted = kind.predict_grid(*task, grid)
        again, expected = kind.predict_grid(*task, listed)
        assert settings == again
        np.testing.assert_array_equal(predicted, expected)
    settings, _ = IWSVM.predict_grid(*task, {"sigma": "1:1:3"})
    assert [s["sigma"] for s in settings] == [1, 2, 3]
    assert [is_range(text) for text in ("1:1:3", "0.1, 7", "median", "1:0:3")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "values", [2.0, [2.0], (2.0,), np.array([2.0]), np.array(2.0), range(2, 3), "2"]
)
def test_values_of_a_grid_may_be_any_sequence_or_one_number(values):
    Xs, ys, Xt = draw()
    settings, predicted = SVM.predict_grid(Xs, ys, Xt, {"C": values})
    assert settings == [{"C": 2.0}]
    np.testing.assert_array_equal(predicted[0], SVM(C=2.0).fit(Xs, ys, Xt).predict(Xt))


@pytest.mark.parametrize("grid", ["C", 5, [1], [{"C": 1}, "C"], {1: [2]}])
def test_what_is_no_grid_is_refused(grid):
    with pytest.raises(UserError, match=r"give a mapping|has no parameter"):
        SVM().predict_grid(*draw(), grid)


@pytest.mark.parametrize("kind", EVERY)
def test_a_grid_may_repeat_settings_in_any_order(kind):
    task = block_task(2)
    name = {"SVM": "C", "TKL": "zeta", "TCA": "k", "GFK": "k", "SA": "k"}.get(kind.__name__, "lam")
    settings, predicted = kind.predict_grid(*task, {name: [3, 1, 2, 1, 3]})
    assert [s[name] for s in settings] == [3, 1, 2, 1, 3]
    for setting, row in zip(settings, predicted, strict=True):
        np.testing.assert_array_equal(kind(**setting).fit(*task).predict(task[2]), row)


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
    result = BatchResult.from_scores(scores, np.ones(3, bool), np.zeros(3, int))
    assert result.notes == {
        0: "every sample is given class index 0",
        2: "all scores are equal, so every sample is given the first class",
    }
    Xs, ys, Xt = draw()
    constant = SVM().fit(np.ones_like(Xs), ys, np.ones_like(Xt))
    assert constant.result_.notes[0].startswith("every sample is given class index")
    assert not SVM().fit(Xs, ys, 3 * Xt).result_.notes


def test_the_papers_grids_have_as_many_settings_as_section_iv_says():
    task = (71, 71, 15045)  # SMIC-VIS and SMIC-NIR
    sizes = {kind.__name__: len(kind().settings(None, task)) for kind in EVERY}
    assert sizes == {
        "SVM": 1,
        "IWSVM": 600,
        "TCA": 141,
        "GFK": 70,
        "SA": 70,
        "STM": 129,
        "TKL": 50,
        "TSRG": 7 * 37,
        "DRFST": 7 * 37,
        "DRLS": 7 * 37,
        "RSTR": 6 * 50 * 10,
    }


def test_a_class_of_the_users_has_the_grid_that_it_says_or_inherits():
    class Mine(GFK):
        paper_grid = {"k": [1, 2]}  # noqa: RUF012

    class Other(GFK):
        pass

    assert [s["k"] for s in Mine().settings(None, (9, 9, 9))] == [1, 2]
    assert Other.paper_grid == GFK.paper_grid == {"k": "all"}


def test_the_old_names_are_known_or_refused_in_a_sentence():
    from cdmer_bench.methods import StrandResult

    assert StrandResult is BatchResult
    with pytest.raises(UserError, match="Old defines strands, which is called batches"):

        class Old(SVM):
            def strands(self, settings):
                return [list(range(len(settings)))]


def batch(indices, scores=True):
    """Return a result that bears the indices of its settings everywhere."""
    indices = np.array(indices)
    rows = np.repeat(indices[:, None], 2, axis=1)
    return BatchResult(
        rows,
        rows[:, :, None] + np.zeros(3) if scores else None,
        indices % 2 == 0,
        10 * indices,
        {0: f"setting {indices[0]}"},
        {"weights": rows / 4},
    )


def test_joined_batches_are_in_the_order_of_the_grid():
    batches = [[3, 0], [4, 1], [2]]
    joined = join_batches(batches, [batch(s) for s in batches])
    order = np.arange(5)
    np.testing.assert_array_equal(joined.predictions, order[:, None] + [0, 0])
    np.testing.assert_array_equal(joined.scores[:, 1, 2], order)
    assert joined.converged.tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(joined.iterations, 10 * order)
    assert joined.notes == {3: "setting 3", 4: "setting 4", 2: "setting 2"}
    np.testing.assert_array_equal(joined.extras["weights"][:, 0], order / 4)


def test_scores_of_a_part_of_the_batches_are_no_scores():
    joined = join_batches([[0], [1]], [batch([0]), batch([1], scores=False)])
    assert joined.scores is None


def test_a_closed_form_converges_without_iterations():
    result = BatchResult.closed_form([[1, 0], [0, 0]])
    assert result.predictions.dtype == np.intp
    assert (result.converged.tolist(), result.iterations.tolist()) == ([True, True], [0, 0])


def test_notes_of_a_setting_are_gathered():
    result = BatchResult.closed_form([[1, 0]])
    result.add_note(0, "first")
    result.add_note(0, "second")
    assert result.notes == {0: "first; second"}


@pytest.mark.parametrize(("predicted", "noted"), [([2, 2], True), ([2], False), ([0, 2], False)])
def test_single_classes_are_noted_but_for_one_query(predicted, noted):
    result = BatchResult.closed_form([predicted])
    result.note_single_classes()
    assert bool(result.notes) == noted


def test_what_was_taken_from_a_cache_is_summed_over_batches():
    results = [batch([0]), batch([1])]
    for n, result in enumerate(results, start=1):
        result.reused, result.spared = n, n / 4
    joined = join_batches([[0], [1]], results)
    assert (joined.reused, joined.spared) == (3, 0.75)
