"""Bad input: one sentence, exit code 2, nothing lost."""

import os

import numpy as np
import pytest

from tests.small_corpus import draw_features


def sentence(err: str) -> str:
    """The last line, which must be the only error."""
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["method=tac"], ["'tac' is not a method", "did you mean 'tca'"]),
        (["task=exp99"], ["'exp99' is not a task", "exp09"]),
        (["method=svm,tac"], ["'tac' is not a method", "did you mean 'tca'"]),
        (["descriptor=lbp_top"], ["'lbp_top' is not a descriptor", "lbp_top_r"]),
        (["experiment=table9"], ["'table9' is not an experiment", "table7"]),
        (["corpus=relased"], ["'relased' is not a corpus", "released"]),
        (["n_jobs=many"], ["n_jobs", "many"]),
        (["n_jobs=0"], ["n_jobs is 0"]),
        (["jobs=2"], ["jobs is not a key", "n_jobs"]),
        (["solver=fast"], ["solver", "exact, paper"]),
        (["grid=huge"], ["grid is 'huge'", "paper"]),
        (["task=red/pink"], ["'pink'", "green"]),
        (
            ["method=svm", "methods.svm.parameters.C=big"],
            ["methods.svm.parameters.C is 'big'", "number"],
        ),
        (["method=svm", "methods.svm.parameters.D=1"], ["parameters.D", "C"]),
        (["method=[svm"], ["[svm"]),
        (["only={svm:[given]}"], ["only.svm", "+only.svm="]),
        (["+only={svm:[other]}"], ["only={'svm': ['other']} leaves nothing", "given"]),
        (["selection=snd", "+selection.parameters.temprature=1"], ["'temprature'", "temperature"]),
        (["selection=snd", "selection.parameters.temperature=low"], ["'low'", "at least 0.002"]),
        (["+selection.parameters.k=3"], ["'oracle' has no parameter 'k'; it has none"]),
        (["selection=fixed", "selection.parameters.settings={tca: 20}"], ["{tca: {k: 20}}"]),
        (["selection=fixed", "selection.parameters.settings=[20]"], ["{tca: {k: 20}}"]),
    ],
)
def test_mistakes_on_the_command_line(corpus, cdmer, arguments, words):
    code, out, err = cdmer("run", *corpus.arguments("task=red/green", *arguments))
    assert code == 2
    for word in words:
        assert word in sentence(err)
    assert out == ""


@pytest.mark.parametrize(
    ("k", "words"), [("[1,two]", "'two'"), ("[1,17.5]", "17.5"), ("[1,1000]", "1000")]
)
def test_wrong_values_in_a_grid(corpus, cdmer, k, words):
    code, _, err = cdmer(
        "run", *corpus.arguments("method=gfk", "task=red/green", f"methods.gfk.grid.k={k}")
    )
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def _with_nan(corpus):
    X, y = draw_features(2, 18)
    X[3, 1, 2] = np.nan
    corpus.write("green", X, y)


def _with_infinity(corpus):
    X, y = draw_features(2, 18)
    X[3, 1, 2] = np.inf
    corpus.write("green", X, y)


def _with_foreign_label(corpus):
    X, y = draw_features(2, 18)
    y[0] = 9
    corpus.write("green", X, y)


def _without_a_class_in_the_source(corpus):
    X, y = draw_features(1, 24)
    corpus.write("red", X[y != 2], y[y != 2])


def _with_another_width(corpus):
    X, y = draw_features(2, 18)
    corpus.write("green", X[:, :, :4], y)


def _truncated(corpus):
    path = corpus.folder / "green.npz"
    path.write_bytes(path.read_bytes()[:300])


def _empty(corpus):
    (corpus.folder / "green.npz").write_bytes(b"")


def _with_other_names(corpus):
    X, y = draw_features(2, 18)
    np.savez(corpus.folder / "green.npz", data=X, target=y)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_with_nan, ["NaN"]),
        (_with_infinity, ["infinite"]),
        (_with_foreign_label, ["9"]),
        (_without_a_class_in_the_source, ["no clip", "'high'", "red"]),
        (_with_another_width, ["(20,)", "(30,)"]),
        (_truncated, ["green.npz"]),
        (_empty, ["green.npz"]),
        (_with_other_names, ["green.npz", "features", "data"]),
    ],
)
def test_damaged_or_unfit_feature_files(corpus, cdmer, damage, words):
    cdmer("run", *corpus.arguments("method=gfk", "task=green/red"))
    damage(corpus)
    code, _, err = cdmer("run", *corpus.arguments("method=svm", "task=red/green"))
    assert code == 2
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert len(list((corpus.folder / "results").rglob("record.json"))) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_results_folder(corpus, cdmer):
    (corpus.folder / "results").mkdir(mode=0o500)
    code, _, err = cdmer("run", *corpus.arguments("method=svm", "task=red/green"))
    assert code == 2
    assert "may not write" in sentence(err)


def test_a_file_in_the_place_of_the_results_folder(corpus, cdmer):
    (corpus.folder / "results").write_text("mine")
    code, _, err = cdmer("run", *corpus.arguments("method=svm", "task=red/green"))
    assert code == 2
    assert "results" in sentence(err)
    assert (corpus.folder / "results").read_text() == "mine"


def test_a_yaml_without_its_package_line_says_which(corpus, cdmer):
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "method" / "mine.yaml").write_text("_target_: a.B\nlabel: Mine\n")
    code, _, err = cdmer("run", *corpus.arguments("method=mine", "task=red/green"))
    assert code == 2
    assert "# @package methods" in sentence(err)


def test_a_class_that_cannot_be_imported(corpus, cdmer):
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "method" / "mine.yaml").write_text(
        "# @package methods.mine\n_target_: nowhere.Mine\nlabel: Mine\n"
    )
    code, _, err = cdmer("run", *corpus.arguments("method=mine", "task=red/green"))
    assert code == 2
    assert "methods.mine._target_ is 'nowhere.Mine'" in sentence(err)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data", "check", "corpus=nope"], "'nope' is not a corpus"),
        (["data", "check", "corpus.root"], "corpus.root"),
        (["check", "method", "nope"], "'nope' is not a method"),
        (
            ["check", "method", "svm", "--config-dir", "nowhere"],
            "--config-dir nowhere is not a folder",
        ),
        (["run", "--config-dir", "nowhere"], "--config-dir nowhere is not a folder"),
        (["list", "methods", "--config-dir", "nowhere"], "--config-dir nowhere is not a folder"),
        (["check", "method", "svm", "="], "= chooses nothing"),
        (["results", "merge", "nowhere", "--into", "x"], "nowhere holds no cells"),
        (["tables", "--results", "nowhere"], "nowhere holds no finished cell"),
    ],
)
def test_bad_words_of_other_commands_are_one_sentence(corpus, cdmer, arguments, words):
    code, _, err = cdmer(*arguments)
    assert code == 2
    assert words in sentence(err)
