"""Methods of the benchmark in skada, and estimators of skada and scikit-learn in the benchmark."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from cdmer_bench.bridges.from_sklearn import SkadaMethod, SklearnMethod
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
    TGSR,
    TKL,
    TSRG,
)
from tests.methods.oracles import random_task

pytest.importorskip("skada")

METHODS = (
    SVM(), IWSVM(lam=1.0), TCA(k=5), GFK(k=4), SA(k=4), STM(lam=1.0), TKL(zeta=1.5),
    TSRG(lam=1.0, mu=0.5), DRFST(lam=1.0, mu=0.5), DRLS(lam=1.0, mu=0.5), RSTR(lam=1.0, mu=0.5),
    TGSR(lam=1.0, k=2, groups="blocks"),
)  # fmt: skip


def domains(seed=0):
    Xs, ys, Xt = random_task(seed, 30, 24, 12)
    yt = np.arange(24) % 3
    return np.r_[Xs, Xt], np.r_[ys, yt], np.r_[np.full(30, 1), np.full(24, -2)]


@pytest.mark.parametrize("method", [GFK(k=4), TCA(k=5), SVM(), RSTR(lam=1.0, mu=0.5)])
def test_a_method_in_skada_predicts_what_it_predicts_here(method):
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    source = domain > 0
    n_blocks = 4 if method.needs_blocks else None
    wrapped = clone(DomainClassifier(method, n_blocks)).fit(
        X, np.where(source, y, -1), sample_domain=domain
    )
    blocks = X.reshape(54, n_blocks, -1) if n_blocks else X
    expected = method.fit(blocks[source], y[source], blocks[~source]).predict(blocks[~source])
    np.testing.assert_array_equal(wrapped.predict(X[~source]), expected)


def splitter(name):
    from skada import model_selection

    n_splits = "max_n_splits" if name == "LeaveOneDomainOut" else "n_splits"
    return getattr(model_selection, name)(**{n_splits: 2}, random_state=0)


@pytest.mark.parametrize(
    ("split", "score"),
    [
        ("SourceTargetShuffleSplit", "SupervisedScorer"),
        ("SourceTargetShuffleSplit", "PredictionEntropyScorer"),
        ("SourceTargetShuffleSplit", "SoftNeighborhoodDensity"),
        ("SourceTargetShuffleSplit", "CircularValidation"),
        ("StratifiedDomainShuffleSplit", "ImportanceWeightedScorer"),
        ("DomainShuffleSplit", "PredictionEntropyScorer"),
        ("LeaveOneDomainOut", "SupervisedScorer"),
    ],
)
def test_a_grid_search_with_skadas_splitters_and_scorers_in_its_pipeline(split, score):
    from skada import make_da_pipeline, metrics
    from sklearn.preprocessing import StandardScaler

    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains(1)
    if split == "LeaveOneDomainOut":  # every domain is given as a source and as a target
        X, y, domain = np.r_[X, X], np.r_[y, y], np.r_[np.abs(domain), -np.abs(domain)]
    classifier = DomainClassifier(GFK()).set_score_request(sample_weight=True)
    pipeline = make_da_pipeline(StandardScaler(), classifier)
    masked = np.where(domain > 0, y, -1)
    search = GridSearchCV(
        pipeline,
        {"domainclassifier__method__k": [1, 2]},
        scoring=getattr(metrics, score)(),
        cv=splitter(split),
        error_score="raise",
    )
    options = {"target_labels": y} if score == "SupervisedScorer" else {}
    search.fit(X, masked, sample_domain=domain, **options)
    assert search.best_params_["domainclassifier__method__k"] in (1, 2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    if score == "SupervisedScorer":
        assert (search.cv_results_["mean_test_score"] > 0.3).all()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_probabilities_are_those_of_the_decision_values(method):
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains(2)
    names = np.array(["calm", "glad", "sad"])[y]
    wrapped = DomainClassifier(method, 4 if method.needs_blocks else None)
    wrapped.fit(X, names, sample_domain=domain)
    for queries in (X[domain < 0], X[domain < 0][:5] + 0.01):
        found = wrapped.predict_proba(queries, sample_domain=np.full(len(queries), -2))
        assert found.shape == (len(queries), 3)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        np.testing.assert_array_equal(
            wrapped.classes_[found.argmax(axis=1)], wrapped.predict(queries)
        )
    given = wrapped.method_.result_.scores[0]
    found = wrapped.predict_proba(X[domain < 0])
    expected = np.exp(given) / np.exp(given).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_there_are_no_probabilities_without_decision_values():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    wrapped = DomainClassifier(SklearnMethod()).fit(X, y, sample_domain=domain)
    assert not hasattr(wrapped, "predict_proba")
    assert hasattr(DomainClassifier(SVM()), "predict_proba")


def test_without_sample_domain_the_masked_samples_are_the_target():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    told = DomainClassifier(GFK(k=4)).fit(X, y, sample_domain=domain)
    masked = DomainClassifier(GFK(k=4)).fit(X, np.where(domain > 0, y, -1))
    np.testing.assert_array_equal(told.predict(X), masked.predict(X))


def test_one_domain_is_refused_in_a_sentence():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    with pytest.raises(UserError, match="give sample_domain"):
        DomainClassifier(SVM()).fit(X, y)
    with pytest.raises(UserError, match="one domain only"):
        DomainClassifier(SVM()).fit(X, y, sample_domain=np.abs(domain))


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


def test_several_sources_and_targets_are_told_by_the_sign_alone():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    many = np.where(domain > 0, 1 + np.arange(54) % 3, -1 - np.arange(54) % 2)
    one = DomainClassifier(GFK(k=4)).fit(X, y, sample_domain=domain)
    several = DomainClassifier(GFK(k=4)).fit(X, y, sample_domain=many)
    np.testing.assert_array_equal(one.predict(X), several.predict(X))


def test_the_classes_the_features_and_the_method_given_are_as_scikit_learn_has_them():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    given = RSTR(lam=1.0, mu=0.5)
    wrapped = DomainClassifier(given, 4).fit(X, np.where(domain > 0, y, -1))
    assert wrapped.classes_.tolist() == [0, 1, 2]
    assert wrapped.n_features_in_ == 12
    assert not hasattr(given, "result_")


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of infinite labels
def test_it_passes_scikit_learns_checks_of_estimators_once_the_domains_are_told(monkeypatch):
    from sklearn.utils.estimator_checks import check_estimator
    from sklearn.utils.validation import _num_samples

    from cdmer_bench.bridges.to_skada import DomainClassifier

    fit = DomainClassifier.fit

    def fit_with_every_fourth_as_target(self, X, y, sample_domain=None):
        return fit(self, X, y, np.where(np.arange(_num_samples(X)) % 4 == 3, -2, 1))

    monkeypatch.setattr(DomainClassifier, "fit", fit_with_every_fourth_as_target)
    found = check_estimator(DomainClassifier(SVM()), on_fail=None, on_skip=None)
    assert [r["check_name"] for r in found if r["status"] not in ("passed", "skipped")] == []
    assert sum(r["status"] == "passed" for r in found) > 40


def test_columns_in_another_order_are_not_taken_for_those_of_fit():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    table = pd.DataFrame(X, columns=list("abcdefghijkl"))
    wrapped = DomainClassifier(SVM()).fit(table, y, sample_domain=domain)
    assert wrapped.feature_names_in_.tolist() == list(table)
    np.testing.assert_array_equal(wrapped.predict(table), wrapped.predict(table.copy()))
    with pytest.raises(ValueError, match="same order"):
        wrapped.predict(table[list(table)[::-1]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sample_domain": np.ones(53)}, r"inconsistent numbers of samples: \[54, 54, 53\]"),
        ({"sample_domain": np.r_[np.nan, np.ones(52), -2]}, "sample_domain contains NaN"),
        ({"y": np.zeros(53)}, r"inconsistent numbers of samples: \[54, 53, 54\]"),
        ({"y": np.linspace(0, 1, 54)}, "Unknown label type: continuous"),
        ({"method": LogisticRegression()}, r"method is LogisticRegression\(\), expected one such"),
        ({"method": RSTR(), "n_blocks": 5}, "n_blocks is 5, but samples have 12 features"),
        ({"method": RSTR(), "n_blocks": 0}, "n_blocks is 0, expected a whole number"),
    ],
)
def test_what_fits_no_samples_is_refused(changed, message):
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    given = {"method": SVM(), "n_blocks": None, "y": y, "sample_domain": domain} | changed
    classifier = DomainClassifier(given["method"], given["n_blocks"])
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, given["y"], sample_domain=given["sample_domain"])


def test_the_accuracy_is_weighed_as_asked():
    from cdmer_bench.bridges.to_skada import DomainClassifier

    X, y, domain = domains()
    wrapped = DomainClassifier(SVM()).fit(X, y, sample_domain=domain)
    y[::5] = (y[::5] + 1) % 3
    right = wrapped.predict(X) == y
    assert 0 < right.mean() < 1
    assert wrapped.score(X, y) == pytest.approx(right.mean())
    weights = np.where(right, 3.0, 1.0)
    assert wrapped.score(X, y, sample_weight=weights) == pytest.approx(
        weights @ right / weights.sum()
    )
