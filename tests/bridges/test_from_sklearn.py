"""Estimators of scikit-learn and skada as methods of the benchmark."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from cdmer_bench.bridges.from_sklearn import SkadaMethod, SklearnMethod
from cdmer_bench.errors import UserError
from tests.bridges.two_domains import domains

pytest.importorskip("skada")


def test_skadas_estimator_in_the_benchmark_predicts_what_it_predicts_there():
    from skada import JDOTClassifier

    X, y, domain = domains()
    source = domain > 0
    settings, found = SkadaMethod().predict_grid(
        X[source], y[source], X[~source], {"alpha": [0.1, 0.9]}
    )
    for setting, row in zip(settings, found, strict=True):
        there = JDOTClassifier(**setting)
        there.fit(X, np.where(source, y, -1), sample_domain=domain)
        np.testing.assert_array_equal(row, there.predict(X[~source]))


def test_a_classifier_of_scikit_learn_sees_the_source_only():
    X, y, domain = domains()
    source = domain > 0
    method = SklearnMethod(options={"max_iter": 500})
    _, found = method.predict_grid(X[source], y[source], X[~source], {"C": [0.01, 10.0]})
    for C, row in zip([0.01, 10.0], found, strict=True):
        alone = LogisticRegression(C=C, max_iter=500).fit(X[source], y[source])
        np.testing.assert_array_equal(row, alone.predict(X[~source]))


def test_a_range_of_whole_numbers_is_whole_where_the_estimator_wants_that():
    from sklearn.neighbors import KNeighborsClassifier

    X, y, domain = domains()
    source = domain > 0
    method = SklearnMethod("sklearn.neighbors.KNeighborsClassifier")
    _, found = method.predict_grid(X[source], y[source], X[~source], {"n_neighbors": "1:4:9"})
    for k, row in zip((1, 5, 9), found, strict=True):
        alone = KNeighborsClassifier(k).fit(X[source], y[source])
        np.testing.assert_array_equal(row, alone.predict(X[~source]))
    # A parameter that is a share may be 1.0.
    forest = SklearnMethod("sklearn.ensemble.ExtraTreesClassifier").build({"max_features": 1.0})
    assert isinstance(forest.max_features, float)


def test_a_range_is_whole_and_a_text_is_a_value_whatever_the_estimators_default():
    X, y, domain = domains()
    source = domain > 0
    method = SklearnMethod("sklearn.tree.DecisionTreeClassifier", {"random_state": 0})
    grid = {"max_depth": "1:2:5", "max_features": "0.5:0.5:1", "criterion": "entropy"}
    settings, found = method.predict_grid(X[source], y[source], X[~source], grid)
    assert [s["max_depth"] for s in settings] == [1, 1, 3, 3, 5, 5]
    assert [s["max_features"] for s in settings] == [0.5, 1.0] * 3
    for setting, row in zip(settings, found, strict=True):
        alone = DecisionTreeClassifier(random_state=0, **setting).fit(X[source], y[source])
        np.testing.assert_array_equal(row, alone.predict(X[~source]))


def test_coral_of_wide_features_works_on_few_components():
    from skada import CORALAdapter
    from skada import make_da_pipeline as pipeline
    from sklearn.decomposition import PCA
    from sklearn.svm import SVC

    X, y, domain = domains()
    X = X @ np.random.default_rng(0).normal(size=(X.shape[1], 3000))
    source = domain > 0
    found = SkadaMethod("cdmer_bench.bridges.from_sklearn.short_coral").build({})
    labels = np.where(source, y, -1)
    found.fit(X, labels, sample_domain=domain)
    n_components = found["pca"].base_estimator_.n_components_
    assert n_components <= len(X)
    there = pipeline(PCA(n_components=int(n_components)), CORALAdapter(), SVC(kernel="linear"))
    there.fit(X, labels, sample_domain=domain)
    np.testing.assert_array_equal(found.predict(X[~source]), there.predict(X[~source]))


def test_a_pipeline_whose_package_is_missing_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "skada", None)
    with pytest.raises(UserError, match=r"cannot be imported .*pip install skada"):
        SkadaMethod("cdmer_bench.bridges.from_sklearn.short_coral").build({})


@pytest.mark.parametrize(
    ("name", "code"), [("imported", "1 / 0"), ("made", "def make():\n    {}['x']")]
)
def test_an_estimators_code_that_fails_is_one_sentence(tmp_path, monkeypatch, name, code):
    (tmp_path / f"estimator_{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=rf"estimator_{name}\.make raised \w+Error: .*line \d\)"):
        SklearnMethod(f"estimator_{name}.make").check_values({})


@pytest.mark.parametrize(
    ("method", "grid", "message"),
    [
        (SkadaMethod("skada.Nothing"), [{}], "cannot be imported"),
        (SklearnMethod(), [{"depth": 3}], "depth"),
        (SklearnMethod(options={"no": 1}), [{}], "no"),
        (SklearnMethod("sklearn.svm.SVC"), [{"kernel": "none"}], "cannot be used: The 'kernel'"),
        (SklearnMethod("sklearn.linear_model.LinearRegression"), [{}], "give a classifier"),
        (SklearnMethod("sklearn.cluster.KMeans"), [{"n_clusters": 2}], "give a classifier"),
        (SklearnMethod("sklearn.tree.DecisionTreeRegressor"), [{}], "give a classifier"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(method, grid, message):
    X, y, domain = domains()
    with pytest.raises(UserError, match=message):
        method.predict_grid(X[domain > 0], y[domain > 0], X[domain < 0], grid)


def test_the_example_of_the_page_runs_as_written(capsys):
    page = (Path(__file__).parents[2] / "docs" / "bridges.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})
    assert 0.5 < float(capsys.readouterr().out) <= 1  # by chance 0.5


def test_cards_of_the_package_and_of_the_page_run(corpus, cdmer):
    page = (Path(__file__).parents[2] / "docs" / "bridges.md").read_text()
    (card,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "method" / "aligned.yaml").write_text(card)
    chosen = "method=skada,skada_coral,sklearn,aligned"
    code, out, err = cdmer("run", *corpus.arguments(chosen, "task=red/green"))
    assert code == 0, err
    for label in ("JDOT", "CORAL", "Logistic regression", "Subspace alignment"):
        assert re.search(rf"^{label}.* \d\.\d{{4}} / ", out, re.MULTILINE), out


def folds(seed=0):
    """Source, its labels, target, and other samples to be predicted."""
    X, y, domain = domains(seed)
    source = domain > 0
    return X[source], y[source], X[~source], X[~source][-7:] + 0.3


def test_the_grid_goes_before_the_options():
    made = SklearnMethod(options={"C": 1e-6, "max_iter": 500}).build({"C": 10.0})
    assert (made.C, made.max_iter) == (10.0, 500)


def test_what_is_random_is_seeded_with_0_unless_another_seed_is_given():
    forest = "sklearn.ensemble.RandomForestClassifier"
    assert SklearnMethod(forest).build({}).random_state == 0
    assert SklearnMethod(forest, {"random_state": 7}).build({}).random_state == 7
    assert SklearnMethod(forest).build({"random_state": 5}).random_state == 5
    nested = SklearnMethod(
        "sklearn.ensemble.BaggingClassifier", {"estimator": LogisticRegression()}
    )
    assert nested.build({}).random_state == 0
    made = SklearnMethod(f"{__name__}.pipeline").build({})
    assert made.get_params()["forest__random_state"] == 0


def pipeline():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

    return Pipeline([("forest", RandomForestClassifier(n_estimators=2))])


def test_an_estimator_that_is_shared_stays_as_it_was(monkeypatch):
    import sklearn.linear_model

    shared = LogisticRegression(C=3.0)
    monkeypatch.setattr(sklearn.linear_model, "shared", shared, raising=False)
    Xs, ys, Xt, _ = folds()
    method = SklearnMethod("sklearn.linear_model.shared", {"max_iter": 500})
    method.predict_grid(Xs, ys, Xt, {"C": [0.01, 10.0]})
    assert (shared.C, shared.max_iter) == (3.0, 100)
    assert not hasattr(shared, "coef_")


def test_other_samples_than_those_adapted_to_are_predicted():
    from skada import JDOTClassifier

    Xs, ys, Xt, queries = folds()
    plain = SklearnMethod(options={"max_iter": 500}).fit(Xs, ys, Xt)
    alone = LogisticRegression(max_iter=500).fit(Xs, ys)
    np.testing.assert_array_equal(plain.predict(queries), alone.predict(queries))
    there = JDOTClassifier()
    there.fit(np.r_[Xs, Xt], np.r_[ys, [-1] * 24], sample_domain=np.r_[[1] * 30, [-2] * 24])
    found = SkadaMethod().fit(Xs, ys, Xt).predict(queries)
    np.testing.assert_array_equal(found, there.predict(queries))


class Seeing(LogisticRegression):
    """Answers what labels and domains it was given, in their order."""

    def fit(self, X, y, sample_domain):
        self.given_ = np.array(y), np.array(sample_domain)
        return self

    def predict(self, X, sample_domain):
        assert (self.given_[0][self.given_[1] < 0] < 0).all()
        assert (sample_domain < 0).all()
        return self.given_[0][: len(X)]


def test_labels_of_the_target_are_masked_for_skada():
    Xs, ys, Xt, _ = folds()
    found = SkadaMethod(f"{__name__}.Seeing").fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(found, ys[: len(Xt)])


def test_what_an_estimator_warns_of_is_noted_with_its_setting():
    Xs, ys, Xt, _ = folds()
    method = SklearnMethod()
    prepared = method.prepare(Xs, ys, Xt, Xt)
    one_class = {"C": 1e-12, "class_weight": {0: 9.0, 1: 1.0, 2: 1.0}}
    result = method.solve(prepared, [{"max_iter": 500}, {"max_iter": 1}, one_class])
    assert "failed to converge" in result.notes[1]
    assert "failed to converge" not in result.notes.get(0, "") + result.notes.get(2, "")
    assert "every sample is given class index" in result.notes[2]
