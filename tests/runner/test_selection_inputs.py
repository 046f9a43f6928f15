"""`selection_inputs=true`: what is recorded, against scikit-learn; and what is never used."""

import shutil

import numpy as np
import pytest
from sklearn.metrics import f1_score, pairwise_distances
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import NotRecorded, rule
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.methods.gfk import GFK
from cdmer_bench.methods.svm import SVM
from cdmer_bench.results.record import SELECTION_INPUTS as NAMES
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.selection_inputs import SelectionWork, predict_back, source_folds
from cdmer_bench.solvers.ulsif import density_ratio
from tests.small_corpus import draw_features

COSTS = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
SVM_GRID = "++methods.svm.grid.C=[0.001,0.01,0.1,1,10,100]"


def run(corpus, cdmer, *more: str):
    """Run on the task red/green; return (standard error, the method's record)."""
    arguments = corpus.arguments("task=red/green", "progress=false", "backend=sequential", *more)
    code, _, err = cdmer("run", *arguments)
    assert code == 0, err
    return err, load(corpus)


def load(corpus):
    records = ResultsStore(corpus.folder / "results").records()
    return max(records, key=lambda record: record.about["date"])


def flat(seed: int, n: int):
    X, y = draw_features(seed, n)
    return X.reshape(n, -1), y


def noisy_source(corpus) -> tuple[np.ndarray, np.ndarray]:
    """Write a source so noisy that the costs differ in their cross-validated scores."""
    X, y = draw_features(1, 45)
    X = X + 0.3 * np.random.default_rng(5).normal(size=X.shape)
    corpus.write("red", X, y)
    return X.reshape(len(X), -1), y


def test_source_cv_of_the_svm_is_that_of_scikit_learn(corpus, cdmer):
    X, y = noisy_source(corpus)
    _, made = run(corpus, cdmer, "method=svm", SVM_GRID, "selection_inputs=true")
    expected = np.empty((len(COSTS), len(y)), int)
    for train, test in StratifiedKFold(5).split(X, y):
        for row, C in enumerate(COSTS):
            machine = SVC(C=C, kernel="linear").fit(X[train], y[train])
            expected[row, test] = machine.predict(X[test])
    scores = [f1_score(y, row, average="macro") for row in expected]
    assert len(set(np.round(scores, 6))) > 2
    np.testing.assert_array_equal(made.extras["source_cv_predictions"], expected)
    assert rule("source_cv").criterion(made) == pytest.approx(scores)
    assert rule("source_cv").select(made) == int(np.argmax(scores))


@pytest.mark.parametrize(
    ("first", "second"), [("true", "[source_cv]"), ("[source_cv]", "true"), ("true", "[reverse]")]
)
def test_what_a_killed_run_left_of_a_fold_is_taken_for_that_fold(
    corpus, cdmer, monkeypatch, first, second
):
    noisy_source(corpus)
    words = ("method=svm", SVM_GRID)
    run(corpus, cdmer, *words, f"selection_inputs={second}")
    expected = load(corpus).extras
    shutil.rmtree(corpus.folder / "results")
    run(corpus, cdmer, *words)
    with monkeypatch.context() as patch:
        patch.setattr(SelectionWork, "close", interrupted)
        assert cdmer("run", *corpus.arguments("task=red/green", "progress=false", *words,
                     "backend=sequential", f"selection_inputs={first}"))[0] == 130  # fmt: skip
    assert list((corpus.folder / "results").rglob("batch-*.npz"))
    _, made = run(corpus, cdmer, *words, f"selection_inputs={second}")
    assert made.extras.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(made.extras[name], array)


def interrupted(work):
    raise KeyboardInterrupt


def test_source_cv_of_gfk_adapts_to_the_target_and_leaves_out_what_cannot_be(corpus, cdmer):
    X, y = noisy_source(corpus)
    Xt, _ = flat(2, 40)
    corpus.write("green", Xt.reshape(40, 5, 6), np.arange(40) % 3)
    grid = "methods.gfk.grid={k:[1,3,10,29,30]}"
    err, made = run(corpus, cdmer, "method=gfk", grid, "selection_inputs=true")
    held_out = made.extras["source_cv_predictions"]
    for row, k in enumerate([1, 3, 10]):
        for train, test in StratifiedKFold(5).split(X, y):
            # Held-out samples are predicted by the fit to all of the target, none of them in it.
            fitted = GFK(k=k).fit(X[train], y[train], Xt)
            np.testing.assert_array_equal(held_out[row, test], fitted.predict(X[test]))
    assert "cannot be cross-validated" not in err
    assert (held_out != NOT_PREDICTED).all()


def test_settings_that_the_folds_are_too_small_for_are_marked_and_never_chosen(corpus, cdmer):
    # k runs to 23 for 24 source samples, but to 18 or 19 for the 19 or 20 that a fold keeps.
    corpus.write("green", *draw_features(2, 30))
    grid = "methods.gfk.grid={k:[5,18,19,23]}"
    err, made = run(corpus, cdmer, "method=gfk", grid, "selection_inputs=true")
    lost = (made.extras["source_cv_predictions"] == NOT_PREDICTED).sum(axis=1)
    sizes = [len(test) for _, test in StratifiedKFold(5).split(np.zeros(24), np.arange(24) % 3)]
    assert lost.tolist() == [0, 0, sum(n for n in sizes if 24 - n <= 19), 24]
    assert "2 of 4 settings cannot be cross-validated" in err
    for name in ("source_cv", "importance_weighted", "dev"):
        assert np.isnan(rule(name).criterion(made)).tolist() == [False, False, True, True]
        assert rule(name).select(made) in (0, 1)


def test_a_criterion_undefined_everywhere_is_said_not_settled_by_order(corpus, cdmer):
    corpus.write("green", *draw_features(2, 30))
    grid = "methods.gfk.grid={k:[22,23]}"
    _, made = run(corpus, cdmer, "method=gfk", grid, "selection_inputs=true")
    with pytest.raises(NotRecorded, match="undefined for every setting"):
        rule("source_cv").select(made)


def test_reverse_validation_of_the_svm_is_that_of_scikit_learn(corpus, cdmer):
    X, y = noisy_source(corpus)
    Xt, _ = flat(2, 18)
    _, made = run(corpus, cdmer, "method=svm", SVM_GRID, "selection_inputs=reverse")
    assert set(made.extras) & set(NAMES) == {"reverse_predictions"}
    back = []
    for C in COSTS:
        there = SVC(C=C, kernel="linear").fit(X, y).predict(Xt)
        several = len(np.unique(there)) > 1
        back.append(
            SVC(C=C, kernel="linear").fit(Xt, there).predict(X)
            if several
            else np.full(len(X), there[0])
        )
    np.testing.assert_array_equal(made.extras["reverse_predictions"], back)
    scores = [f1_score(y, row, average="macro", labels=[0, 1, 2]) for row in back]
    assert len(set(np.round(scores, 6))) > 2
    assert rule("reverse").criterion(made) == pytest.approx(scores)
    assert rule("reverse").select(made) == int(np.argmax(scores))


def test_reverse_validation_adapts_back_to_the_source(corpus, cdmer):
    X, _ = noisy_source(corpus)
    Xt, _ = flat(2, 18)
    _, made = run(corpus, cdmer, "method=gfk", "selection_inputs=[reverse]")
    for row, setting in enumerate(made.settings):
        there = made.predictions[row]
        back = GFK(k=setting["k"]).fit(Xt, there, X).predict(X)
        np.testing.assert_array_equal(made.extras["reverse_predictions"][row], back)


def test_tables_choose_by_the_way_back(corpus, cdmer):
    noisy_source(corpus)
    run(corpus, cdmer, "method=svm", SVM_GRID, "selection_inputs=reverse")
    results = str(corpus.folder / "results")
    code, out, _ = cdmer("tables", "all", "--selection", "oracle,reverse", "--results", results)
    assert code == 0
    assert "(reverse)" in out
    assert "not recorded" not in out


def test_settings_that_do_not_exist_the_other_way_are_marked():
    X, _ = flat(1, 24)
    Xt, _ = flat(2, 18)
    labels = (np.arange(18) % 3).astype(np.uint8)
    found = predict_back(GFK(), Xt, labels, X, [{"k": 5}, {"k": 18}], 3)
    assert (found.predictions == NOT_PREDICTED).all(axis=1).tolist() == [False, True]
    assert "k = 18" in found.notes[1]
    one_class = np.full(18, 2, np.uint8)
    found = predict_back(SVM(), Xt, one_class, X, [{"C": 1.0}], 3)
    assert (found.predictions == 2).all()
    assert not found.notes


def test_what_to_record_is_checked(corpus, cdmer):
    for value, words in (("entrophy", "did you mean 'entropy'"), ("3", "expected true, false")):
        arguments = corpus.arguments("task=red/green", "method=svm", f"selection_inputs={value}")
        code, _, err = cdmer("run", *arguments)
        assert code == 2
        assert words in err


def test_no_target_label_is_used(corpus, cdmer):
    noisy_source(corpus)
    _, before = run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    Xt, yt = draw_features(2, 18)
    shuffled = np.random.default_rng(3).permutation(yt)
    corpus.write("green", Xt, shuffled)
    _, after = run(corpus, cdmer, "method=gfk", "selection_inputs=true", "force=true")
    assert after.key != before.key
    np.testing.assert_array_equal(after.y_target, shuffled)
    for name in NAMES:
        np.testing.assert_array_equal(after.extras[name], before.extras[name])
    for name in ("source_cv", "importance_weighted", "dev", "reverse"):
        assert rule(name).select(after) == rule(name).select(before)


def test_only_the_missing_part_is_computed_and_a_damaged_one_is_set_aside(corpus, cdmer):
    _, without = run(corpus, cdmer, "method=gfk")
    assert "source_cv_predictions" not in without.extras
    (folder,) = (corpus.folder / "results" / "cells").glob("*/*/*")
    stored = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(stored) == {"grid.npz", "record.json"}

    plan = corpus.arguments("task=red/green", "method=gfk", "selection_inputs=true", "dry_run=true")
    assert "1 done cell lacks" in cdmer("run", *plan)[1]
    run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    added = (folder / "selection.npz").read_bytes()
    assert {n: (folder / n).read_bytes() for n in stored} == stored
    assert not list((corpus.folder / "results" / "unfinished").glob("*"))

    (folder / "selection.npz").write_bytes(added[:200] + b"?" + added[201:])
    with pytest.warns(UserWarning, match=r"selection\.npz is damaged"):
        run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    assert (folder / "selection.npz").read_bytes() == added
    assert (folder / "selection.npz.damaged-0").exists()
    assert {n: (folder / n).read_bytes() for n in stored} == stored


def test_inputs_of_another_cell_are_set_aside(corpus, cdmer):
    run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    run(corpus, cdmer, "method=svm", SVM_GRID, "selection_inputs=true")
    (gfk,) = (corpus.folder / "results" / "cells").glob("*/*/gfk-*")
    (svm,) = (corpus.folder / "results" / "cells").glob("*/*/svm-*")
    (gfk / "selection.npz").write_bytes((svm / "selection.npz").read_bytes())
    with pytest.warns(UserWarning, match="belongs to another cell"):
        record = ResultsStore(corpus.folder / "results").load(gfk)
    assert record is not None
    assert "density_ratio" not in record.extras


def test_worker_processes_give_the_same_bytes(corpus, cdmer):
    run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    (path,) = (corpus.folder / "results" / "cells").glob("*/*/*/selection.npz")
    alone = path.read_bytes()
    path.unlink()
    run(corpus, cdmer, "method=gfk", "selection_inputs=true", "backend=loky", "n_jobs=2")
    assert path.read_bytes() == alone


def test_the_table_shows_figures_under_source_rules_and_merging_keeps_them(corpus, cdmer):
    run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    merged = corpus.folder / "merged"
    assert cdmer("results", "merge", str(corpus.folder / "results"), "--into", str(merged))[0] == 0
    (one,) = (corpus.folder / "results" / "cells").glob("*/*/*")
    (two,) = (merged / "cells").glob("*/*/*")
    for name in ("grid.npz", "selection.npz"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    rules = "oracle,source_cv,importance_weighted,dev,reverse"
    code, out, _ = cdmer("tables", "all", "--selection", rules, "--results", str(merged))
    assert code == 0
    assert "not recorded" not in out


def test_no_subject_is_in_two_folds_and_every_sample_is_held_out_once():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40)
    subject = rng.integers(0, 9, 40).astype(str)
    folds = source_folds(y, subject)
    assert sorted(np.concatenate(folds).tolist()) == list(range(40))
    assert sum(len(np.unique(subject[fold])) for fold in folds) == len(np.unique(subject))
    assert len(folds) == 5


def test_fewer_folds_where_classes_or_subjects_are_few():
    assert len(source_folds(np.array([0, 0, 0, 1]), None)) == 3
    assert len(source_folds(np.arange(20) % 2, np.repeat(["a", "b"], 10))) == 2
    with pytest.raises(UserError, match="cannot be cross-validated"):
        source_folds(np.array([0, 1, 2]), None)
    with pytest.raises(UserError, match="1 subject"):
        source_folds(np.arange(20) % 2, np.repeat("a", 20))


@pytest.mark.parametrize("seed", range(4))
def test_density_ratio_comes_near_a_known_ratio_whatever_the_scale(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0.0, 1.0, (300, 1)), rng.normal(1.0, 0.7, (300, 1))
    estimate = density_ratio(source, target)
    z = (source[:, 0] - 1.0) / 0.7
    true = np.exp(-(z**2) / 2 + source[:, 0] ** 2 / 2) / 0.7
    # The error of an estimate from 300 samples is that of sampling; equal weights are no match.
    assert np.corrcoef(estimate, true)[0, 1] > 0.9
    assert np.mean((estimate - true) ** 2) < np.mean((1 - true) ** 2)
    scaled = density_ratio(source * 1e-4, target * 1e-4)
    np.testing.assert_allclose(scaled, estimate, rtol=1e-6, atol=1e-9)


def test_density_ratio_is_that_of_the_best_pair_by_leaving_one_out(corpus, cdmer):
    _, made = run(corpus, cdmer, "method=gfk", "selection_inputs=true")
    Xs, Xt = flat(1, 24)[0], flat(2, 18)[0]
    to_source, to_target = pairwise_distances(Xt, Xs), pairwise_distances(Xt, Xt)
    candidates = []
    for width in np.median(to_source) * np.logspace(-1, 1, 9):
        phi, psi = (np.exp(-(d**2) / (2 * width**2)) for d in (to_source, to_target))
        for lam in np.logspace(-3, 3, 9):
            score = np.mean([left_out_loss(phi, psi, lam, i) for i in range(18)])
            candidates.append((score, textbook_ulsif(phi, psi, lam) @ phi))
    _, weights = min(candidates, key=lambda pair: pair[0])
    # Wide Gaussians are nearly dependent, so that the two ways of solving differ a little.
    np.testing.assert_allclose(made.extras["density_ratio"], weights, rtol=1e-5)
    assert np.ptp(weights) > 0


def textbook_ulsif(phi, psi, lam):
    """Coefficients from the normal equations, with an explicit inverse."""
    H = phi @ phi.T / phi.shape[1]
    return np.maximum(np.linalg.inv(H + lam * np.eye(len(H))) @ psi.mean(axis=1), 0)


def left_out_loss(phi, psi, lam, i):
    alpha = textbook_ulsif(np.delete(phi, i, axis=1), np.delete(psi, i, axis=1), lam)
    return (alpha @ phi[:, i]) ** 2 / 2 - alpha @ psi[:, i]


@pytest.mark.parametrize("sizes", [(1, 5), (5, 1)])
def test_density_ratio_refuses_a_domain_of_one_sample(sizes):
    with pytest.raises(UserError, match="at least two of each"):
        density_ratio(np.zeros((sizes[0], 2)), np.zeros((sizes[1], 2)))
