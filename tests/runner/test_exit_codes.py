"""Exit codes of mixtures: what worked is shown, and the code says that something did not."""

import pytest

BREAKS = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.errors import UserError
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Breaks(Method):
    when: str = "never"
    level: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        if self.when == "folds" and len(Xq) < 10:
            raise ZeroDivisionError("broken on purpose")
        if self.when == "data":
            raise UserError("these data do not suit it")
        return {"n": np.array(len(Xq))}

    def solve(self, prepared, settings):
        if self.when == "always":
            raise ZeroDivisionError("broken on purpose")
        n = int(prepared["n"])
        return BatchResult.closed_form(np.tile(np.arange(n) % 3, (len(settings), 1)))
"""


@pytest.fixture
def breaking(corpus):
    corpus.add_method("breaks", BREAKS, "{level: [0.0, 1.0]}", when="never")
    return corpus


def call(corpus, cdmer, *more):
    words = corpus.arguments("backend=sequential", "progress=false", *more)
    flags = [word for word in more if word == "-m"]
    return cdmer("run", *flags, *(word for word in words if word != "-m"))


@pytest.mark.parametrize(
    ("when", "code", "status"),
    [("never", 0, ""), ("always", 1, "failed"), ("data", 1, "refused")],
)
def test_a_cell_that_went_wrong_beside_good_ones(breaking, cdmer, when, code, status):
    words = ("method=svm,breaks", "task=red/green", f"methods.breaks.parameters.when={when}")
    ended, out, err = call(breaking, cdmer, *words)
    assert ended == code, err
    assert "Baseline" in out  # what worked is shown
    if status:
        assert f"{status}: R → G Breaks" in err
    # What was computed is kept, and the same command says the same again.
    assert call(breaking, cdmer, *words)[0] == code


def test_nothing_but_refused_cells_is_the_users_to_mend(breaking, cdmer):
    words = ("method=breaks", "task=red/green", "methods.breaks.parameters.when=data")
    code, _, err = call(breaking, cdmer, *words)
    assert code == 2
    assert "these data do not suit it" in err


@pytest.mark.parametrize(
    ("kinds", "tasks", "code"),
    [
        (("always", "data"), "red/green", 1),  # a failure outweighs what the user can mend
        (("data",), "red/green,red/blue", 2),  # blue is not on this machine
        (("always",), "red/green,red/blue", 1),
        (("never",), "red/green,red/blue", 0),
        (("data", "never"), "red/green,red/blue", 1),
    ],
)
def test_refused_failed_and_absent_cells_together(corpus, cdmer, kinds, tasks, code):
    for kind in kinds:
        corpus.add_method(kind, BREAKS.replace("Breaks", kind.title()), "{level: [0.0]}", when=kind)
    words = (f"method={','.join(kinds)}", f"task={tasks}")
    for _ in range(2):
        ended, out, err = call(corpus, cdmer, *words)
        assert ended == code, err
        assert ("Never" in out) == ("never" in kinds)
    # The plan says where each stands, and ends well.
    ended, out, _ = call(corpus, cdmer, *words, "dry_run=true")
    assert ended == 0
    assert f"{int('never' in kinds)} done" in out
    assert f"{int('always' in kinds)} failed" in out
    if "data" in kinds:
        assert "refused last time: these data do not suit it" in out


def test_a_grid_that_does_not_suit_is_refused_before_anything_runs(corpus, cdmer):
    words = ("method=svm,gfk", "task=red/green", "methods.gfk.grid.k=[40]")
    plan = call(corpus, cdmer, *words, "dry_run=true")
    assert plan[0] == 0
    assert "1 to do" in plan[1]
    assert "1 refused" in plan[1]
    code, out, err = call(corpus, cdmer, *words)
    assert code == 1
    assert "Baseline" in out
    assert "refused: R → G GFK" in err


@pytest.mark.parametrize(
    ("hook", "code"), [("settings", 1), ("all_values", 1), ("check_samples", 1), ("shared_work", 2)]
)
def test_code_of_a_methods_own_that_fails_in_the_plan_is_one_sentence(corpus, cdmer, hook, code):
    own = f"{BREAKS}\n    def {hook}(self, *given):\n        return {{}}['it']\n"
    corpus.add_method("breaks", own, "{level: all}" if hook == "all_values" else "{level: [0, 1]}")
    ended, out, err = call(corpus, cdmer, "method=svm,breaks", "task=red/green")
    assert ended == code
    said = "settings" if hook == "all_values" else hook
    assert f"{said} of Breaks raised KeyError: 'it' ({corpus.folder}" in err
    assert ("Baseline" in out) == (code == 1)  # the other method is run


def test_features_without_blocks_are_refused_for_a_method_that_needs_them(corpus, cdmer):
    import numpy as np

    for name in ("red", "green"):
        with np.load(corpus.folder / f"{name}.npz") as held:
            X, y = held["features"], held["labels"]
        corpus.write(name, X.reshape(len(X), -1), y)
    code, out, _ = call(corpus, cdmer, "method=svm,rstr", "task=red/green", "dry_run=true")
    assert code == 0
    assert "selects facial blocks" in out
    assert "1 to do" in out
    assert "RSTR, given features: " not in out  # no hours are told of what will not run


def test_a_selection_input_that_failed(breaking, cdmer):
    words = ("method=svm,breaks", "task=red/green", "methods.breaks.parameters.when=folds")
    code, out, err = call(breaking, cdmer, *words, "selection_inputs=[source_cv]")
    assert code == 1, err
    assert "source_cv_predictions could not be recorded: ZeroDivisionError" in err
    assert "Breaks" in out
    assert "2 cells: 2 done" in err


@pytest.mark.parametrize(("methods", "code"), [("svm,sa", 0), ("svm,breaks", 1), ("breaks,svm", 1)])
def test_jobs_of_a_multirun_that_end_with_other_codes(corpus, cdmer, methods, code):
    corpus.add_method("breaks", BREAKS, "{level: [0.0, 1.0]}", when="always")
    ended, out, _ = call(corpus, cdmer, "-m", f"method={methods}", "task=red/green")
    assert ended == code
    assert "Baseline" in out


def test_jobs_of_a_multirun_that_end_with_1_and_2(breaking, cdmer):
    words = ("-m", "method=breaks", "task=red/green")
    ended, *_ = call(breaking, cdmer, *words, "methods.breaks.parameters.when=always,data")
    assert ended == 1  # a failed cell outweighs what the user can mend


def test_jobs_that_all_end_with_2(breaking, cdmer):
    words = ("-m", "method=breaks", "methods.breaks.parameters.when=data")
    ended, out, _ = call(breaking, cdmer, *words, "task=red/green,red/blue")
    assert ended == 2
    assert "== all jobs" not in out


def test_the_joint_table_is_of_one_rule_of_what_ran_and_names_what_is_missing(corpus, cdmer):
    corpus.add_method("breaks", BREAKS, "{level: [0.0]}", when="always")
    ended, out, _ = call(corpus, cdmer, "-m", "task=red/green", "method=breaks,svm")
    assert ended == 1
    joint = " ".join(out.partition("== all jobs")[2].split())
    assert "Baseline" in joint
    assert "No figure (-) for Breaks (all tasks): failed: ZeroDivisionError" in joint
    words = ("-m", "task=red/green", "method=svm,sa", "dry_run=true")
    assert "== all jobs" not in call(corpus, cdmer, *words)[1]
    words = ("-m", "task=red/green", "method=svm", "selection=oracle,class_balance")
    assert "== all jobs" not in call(corpus, cdmer, *words)[1]


def test_a_failed_input_of_another_cell_does_not_hide_a_failed_cell(corpus, cdmer):
    for kind in ("always", "folds"):
        corpus.add_method(kind, BREAKS.replace("Breaks", kind.title()), "{level: [0.0]}", when=kind)
    words = ("method=svm,folds", "task=red/green", "selection_inputs=[source_cv,reverse]")
    code, _, err = call(corpus, cdmer, *words)
    assert code == 1
    assert "2 cells: 2 done" in err
    code, _, err = call(corpus, cdmer, "method=svm,always", *words[1:])
    assert code == 1
    assert "1 done, 0 to do, 1 failed" in err
    # What could be recorded is there all the same.
    from cdmer_bench.results.store import ResultsStore

    held = {r.method: set(r.extras) for r in ResultsStore(corpus.folder / "results").records()}
    assert held == {
        "svm": {"source_cv_predictions", "reverse_predictions"},
        "folds": {"reverse_predictions"},
    }


def test_classes_that_a_side_lacks_are_told_and_kept(corpus, cdmer):
    import numpy as np

    from cdmer_bench.results.store import ResultsStore
    from tests.small_corpus import draw_features

    X, y = draw_features(2, 18)
    keep = np.r_[np.flatnonzero(y != 2)]
    corpus.write("green", X[keep], y[keep])
    code, out, err = call(corpus, cdmer, "method=svm", "task=red/green")
    assert code == 0
    assert "no clip" in err + out
    assert "high" in err.partition("no clip")[2]
    (record,) = ResultsStore(corpus.folder / "results").records()
    assert record.used["target"]["class_counts"] == {"low": 6, "mid": 6, "high": 0}
    assert record.used["source"]["n_clips"] == 24
    assert record.about["seconds"] <= record.about["wall_seconds"] + 5
