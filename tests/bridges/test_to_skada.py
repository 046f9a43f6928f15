"""Methods of the benchmark as classifiers of scikit-learn, with skada's domains."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from cdmer_bench.bridges.from_sklearn import SklearnMethod
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
from tests.bridges.two_domains import domains

pytest.importorskip("skada")

METHODS = (
    SVM(), IWSVM(lam=1.0), TCA(k=5), GFK(k=4), SA(k=4), STM(lam=1.0), TKL(zeta=1.5),
    TSRG(lam=1.0, mu=0.5), DRFST(lam=1.0, mu=0.5), DRLS(lam=1.0, mu=0.5), RSTR(lam=1.0, mu=0.5),
    TGSR(lam=1.0, k=2, groups="blocks"),
)  # fmt: skip


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
