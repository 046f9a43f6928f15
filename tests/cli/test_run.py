"""`cdmer run`: its table, its plan, and what is stored and said."""

import csv
import io
import json
import re
import subprocess

import numpy as np
import pytest
import scipy.io
from sklearn.metrics import accuracy_score, f1_score
from sklearn.svm import SVC

from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import CLIPS, NEAREST, draw_features, grids, write_clip_corpus

METHOD = (
    NEAREST
    + """
@dataclass
class Mine(Nearest):
    broken: bool = False

    def solve(self, prepared, settings):
        if self.broken:
            raise ZeroDivisionError("broken on purpose")
        return super().solve(prepared, settings)
"""
)


@pytest.fixture
def own_method(corpus):
    corpus.add_method("mine", METHOD, '{power: "0.5:0.5:2"}', broken=False)
    return corpus


def test_the_table_holds_the_figures_of_an_independent_svm(corpus, cdmer):
    code, out, _ = cdmer("run", *corpus.arguments("method=svm", "task=red/green"))
    assert code == 0
    (Xs, ys), (Xt, yt) = draw_features(1, 24), draw_features(2, 18)
    predicted = SVC(C=1.0, kernel="linear").fit(Xs.reshape(24, -1), ys).predict(Xt.reshape(18, -1))
    f1, accuracy = f1_score(yt, predicted, average="macro"), accuracy_score(yt, predicted)
    assert f"{f1:.4f} / {100 * accuracy:.2f}" in out
    assert "chosen with the target labels" in out


def test_a_run_prints_three_lines_of_caption_and_what_could_be_done_next(corpus, cdmer):
    words = corpus.arguments("method=svm,gfk", "task=red/green")
    _, out, err = cdmer("run", *words)
    assert out.index("----") == len("".join(out.splitlines(keepends=True)[:2]))
    assert "Settings tried" not in out
    assert "cdmer report --open --results" in err.splitlines()[-1]
    _, whole, err = cdmer("run", *words, "notes=true")
    assert "Settings tried: " in whole
    assert "notes=true" not in err


def test_the_csv_of_tables_is_the_long_form(corpus, cdmer):
    cdmer("run", *corpus.arguments("method=gfk", "task=red/green"))
    code, out, _ = cdmer("tables", "--format", "csv", "--results", str(corpus.folder / "results"))
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert rows[0].keys() >= set(
        ["table", "row", "column", "mean_f1", "accuracy", "selection", "n_settings", "corpus"]
    )
    assert rows[0]["row"].startswith("GFK")
    assert rows[0]["n_settings"] == "17"  # all k up to min(24, 18) - 1
    assert rows[0]["corpus"] == "small"
    # The ending of a file says its format.
    folder = ["--results", str(corpus.folder / "results")]
    written = corpus.folder / "table.csv"
    assert cdmer("tables", *folder, "--out", str(written))[0] == 0
    assert written.read_text() == out
    assert cdmer("tables", *folder, "--out", str(written.with_suffix(".txt")))[0] == 0
    assert "----" in written.with_suffix(".txt").read_text()


def test_fixed_settings_are_given_on_the_command_line(corpus, cdmer):
    given = "selection.parameters.settings={tca: {k: 3}, tac: {k: 2}}"
    fixed = ["task=red/green", "method=tca", "methods.tca.grid.k=[2,3,4]", "selection=fixed", given]
    code, out, err = cdmer("run", *corpus.arguments(*fixed))
    assert code == 0
    (mistyped,) = [line for line in err.splitlines() if "'tac'" in line]
    assert "which is none of the chosen methods; did you mean 'tca'?" in mistyped
    (shown,) = re.findall(r"^TCA +(\d\.\d{4} / \d+\.\d{2})", out, re.MULTILINE)
    alone = ["task=red/green", "method=tca", "methods.tca.grid.k=[3]", "results.dir=alone"]
    _, out, _ = cdmer("run", *corpus.arguments(*alone))
    assert re.search(rf"^TCA +{shown}", out, re.MULTILINE)
    _, out, _ = cdmer("run", *corpus.arguments(*fixed[:-1], "notes=true"))
    assert "fixed has no value of k, which has no default" in " ".join(out.split())


def test_a_comma_list_is_one_run_and_a_second_run_does_nothing(own_method, cdmer):
    arguments = own_method.arguments("method=svm,mine", "task=red/green,green/red")
    code, out, err = cdmer("run", *arguments)
    assert code == 0
    assert out.count("Own tasks") == 1
    assert "Mine" in out
    assert "Baseline" in out
    assert "4 cells: 4 done" in err
    stamps = {p: p.stat().st_mtime_ns for p in (own_method.folder / "results").rglob("record.json")}
    assert len(stamps) == 4
    again, out_again, _ = cdmer("run", *arguments)
    assert (again, out_again) == (0, out)
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}


def test_the_plan_counts_what_is_done_to_do_and_without_data(corpus, cdmer):
    cdmer("run", *corpus.arguments("method=svm", "task=red/green"))
    code, out, _ = cdmer(
        "run",
        *corpus.arguments("method=svm", "task=red/green,green/red,red/blue", "dry_run=true"),
    )
    assert code == 0
    assert "1 done, 1 to do, 0 failed, 1 without data" in out
    assert "blue.npz" in out


def test_tasks_without_data_are_reported_and_the_others_run(corpus, cdmer):
    code, out, err = cdmer("run", *corpus.arguments("method=svm", "task=red/green,red/blue"))
    assert code == 0
    assert "blue.npz" in err
    assert "No figure (-) for Baseline (R → B): without data" in out
    assert "1 done, 0 to do, 0 failed, 1 without data" in err
    assert "(1 of 2)" in out  # the average is not printed as if it were whole


def test_only_tasks_without_data_exit_with_2(corpus, cdmer):
    code, _, err = cdmer("run", *corpus.arguments("method=svm", "task=red/blue"))
    assert code == 2
    assert "blue.npz" in err


def test_a_failed_cell_keeps_the_others_and_exits_with_1(own_method, cdmer):
    words = ("method=svm,mine", "task=red/green", "methods.mine.parameters.broken=true")
    code, out, err = cdmer("run", *own_method.arguments(*words))
    assert code == 1
    assert "broken on purpose" in err
    assert "Baseline" in out
    failure = next((own_method.folder / "results" / "failures").glob("*.json"))
    assert "ZeroDivisionError" in json.loads(failure.read_text())["content"]["trace"]
    plan = cdmer("run", *own_method.arguments(*words, "dry_run=true"))[1]
    assert "1 done, 0 to do, 1 failed" in plan


def test_editing_a_method_of_the_users_own_runs_it_again(own_method, cdmer):
    words = own_method.arguments("method=mine", "task=red/green")

    def plan():  # in a process of its own, because a module is imported once
        command, environment = own_method.command("run", *words, "dry_run=true")
        return subprocess.run(command, capture_output=True, text=True, env=environment).stdout

    assert cdmer("run", *words)[0] == 0
    assert "1 done" in plan()
    path = own_method.folder / "my_conf" / "mine.py"
    path.write_text(path.read_text() + "\n# edited\n")
    assert "0 done, 1 to do" in plan()


def test_multirun_runs_a_job_for_each_value(corpus, cdmer):
    code, out, _ = cdmer("run", "-m", *corpus.arguments("method=svm,gfk", "task=red/green"))
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("==")] == [
        "== job 1: method=svm",
        "== job 2: method=gfk",
        "== all jobs",
    ]
    joint = out.partition("== all jobs")[2]
    assert "Baseline" in joint
    assert "GFK" in joint
    assert out.count("Own tasks") == 3


def test_the_table_of_all_jobs_is_there_when_everything_is_computed_anew(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    words = ["corpus=noise", "descriptor=lbp_top_r1p4", "method=svm,sa", "task=left/right"]
    words += ["backend=sequential", "force=true"]
    code, out, _ = cdmer("run", "-m", *corpus.arguments(*words))
    assert code == 0
    joint = out.partition("== all jobs")[2]
    assert "Baseline" in joint
    assert "SA" in joint


def test_cfg_job_shows_the_configuration(corpus, cdmer):
    code, out, _ = cdmer("run", *corpus.arguments("method=tca", "--cfg", "job"))
    assert code == 0
    assert "cdmer_bench.methods.tca.TCA" in out


@pytest.mark.parametrize("backend", ["sequential", "loky"])
def test_the_stored_bytes_do_not_depend_on_the_number_of_processes(corpus, cdmer, backend):
    words = ("method=tca,sa", "task=red/green", f"backend={backend}")
    for n_jobs, folder in ((1, "one"), (2, "two")):
        place = (f"n_jobs={n_jobs}", f"results.dir={corpus.folder / folder}")
        assert cdmer("run", *corpus.arguments(*words, *place))[0] == 0
    assert len(grids(corpus.folder / "one")) == 2
    assert grids(corpus.folder / "one") == grids(corpus.folder / "two")


def test_every_settings_predictions_are_kept(corpus, cdmer):
    cdmer("run", *corpus.arguments("method=sa", "task=red/green"))
    (record,) = ResultsStore(corpus.folder / "results").records()
    assert record.predictions.shape == (len(record.settings), 18)
    assert record.settings[0] == {"k": 1}
    np.testing.assert_array_equal(record.y_target, draw_features(2, 18)[1])


def test_another_benchmark_of_four_domains_and_ten_classes_runs_from_a_yaml_alone(
    tmp_path, cdmer, monkeypatch
):
    """800 features, other names: what would have worked only for faces would fail here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_conf" / "corpus").mkdir(parents=True)
    rng = np.random.default_rng(0)
    means = rng.normal(size=(10, 800))
    names = {"amazon": 45, "webcam": 30, "dslr": 24, "caltech": 50}
    lines = ["# @package corpus", "name: office", "reader:"]
    lines += [
        "  _target_: cdmer_bench.databases.matfiles.FileFeatureDatabase",
        f"  root: {tmp_path}",
    ]
    lines += ["databases:"]
    for name, n in names.items():
        y = np.arange(n) % 10
        X = np.abs(means[y] + rng.normal(size=(n, 800)) + rng.normal(size=800))
        scipy.io.savemat(tmp_path / f"{name}.mat", {"fts": X, "labels": y[:, None] + 1})
        lines.append(
            f"  {name}: {{title: {name.title()}, letter: {name[0].upper()}, "
            "classes: [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9], "
            f"files: {{given: {name}.mat}}, features: fts}}"
        )
    (tmp_path / "my_conf" / "corpus" / "office.yaml").write_text("\n".join(lines) + "\n")
    pairs = ",".join(f"{a}/{b}" for a in names for b in names if a != b)
    code, out, err = cdmer(
        "run",
        "--config-dir",
        "my_conf",
        "corpus=office",
        "descriptor=given",
        "method=svm,gfk,sa,tkl",
        f"task={pairs}",
    )
    assert code == 0, err
    assert "48 cells: 48 done" in err
    assert "A → W" in out
    assert "C → D" in out
    for record in ResultsStore("results").records():
        assert set(np.unique(record.predictions)) <= set(range(10))
        best = (record.predictions == record.y_target).mean(axis=1).max()
        assert best > 0.5  # chance is 0.1


def test_refused_and_failed_are_the_same_words_everywhere(own_method, cdmer):
    code = METHOD.replace('ZeroDivisionError("broken', 'UserError("unfit').replace(
        "import numpy as np\n", "import numpy as np\nfrom cdmer_bench.errors import UserError\n"
    )
    own_method.add_method("strict", code.replace("Mine", "Strict"), "{power: [1]}", broken=True)
    own_method.add_method("mine", METHOD, "{power: [1]}", broken=True)
    words = own_method.arguments("method=svm,mine,strict", "task=red/green")
    code, _, err = cdmer("run", *words)
    assert code == 1
    assert "refused: R → G Strict" in err
    assert "failed: R → G Mine" in err
    assert "1 done, 0 to do, 1 failed, 0 without data, 1 refused" in err
    _, out, _ = cdmer("run", *words, "dry_run=true")
    assert "refused last time: unfit on purpose" in out
    results = ("--results", str(own_method.folder / "results"))
    _, out, _ = cdmer("tables", *results)
    said = " ".join(out.split())
    assert "Strict (all tasks): refused: unfit on purpose" in said
    assert "Mine (all tasks): failed:" in said
    _, out, _ = cdmer("export", *results)
    status = {row["method_label"]: row["status"] for row in csv.DictReader(io.StringIO(out))}
    assert status == {"Baseline": "done", "Mine": "failed", "Strict": "refused"}


@pytest.fixture
def as_the_paper(corpus):
    """Features under the names of two of the paper's databases, so that Exp.5 can run on them."""
    card = corpus.folder / "my_conf" / "corpus" / "small.yaml"
    text = card.read_text().replace("  red:", "  smic_vis:").replace("  green:", "  smic_nir:")
    card.write_text(text.replace("[low, mid, high]", "[negative, positive, surprise]"))
    return corpus


def test_printed_figures_stand_beside_where_they_are_asked_for(as_the_paper, cdmer):
    words = as_the_paper.arguments(
        "method=svm,gfk",
        "task=exp05",
        "descriptors.given.label=LBP-TOP(R3P8)",
        "backend=sequential",
    )
    _, without, _ = cdmer("run", *words)
    code, beside, _ = cdmer("run", *words, "against=paper")
    assert code == 0
    # The Baseline and GFK of Exp.5 in Table III of the paper.
    for figure in ("0.6186 / 63.38", "0.7619 / 76.06"):
        assert figure in beside
        assert figure not in without
    code, _, err = cdmer("run", *words, "against=tgsr2022")
    assert code == 2
    assert "against is 'tgsr2022'" in err


def test_methods_run_on_the_descriptors_that_only_names(corpus, cdmer):
    card = corpus.folder / "my_conf" / "corpus" / "small.yaml"
    card.write_text(re.sub(r"\{given: (\w+.npz)\}", r"{given: \1, again: \1}", card.read_text()))
    (corpus.folder / "my_conf" / "descriptor").mkdir()
    (corpus.folder / "my_conf" / "descriptor" / "again.yaml").write_text(
        "# @package descriptors.again\nlabel: Again\n"
    )
    words = corpus.arguments("method=svm,gfk,sa", "task=red/green", "descriptor=given,again")
    code, out, _ = cdmer("run", *words, "+only={gfk: [again], sa: [again, given]}", "dry_run=true")
    assert code == 0
    planned = {
        tuple(line.split("  ")[0].split(", ")) for line in out.splitlines() if "to do" in line
    }
    assert {pair for pair in planned if len(pair) == 2} == {
        ("Baseline", "given features"),
        ("Baseline", "Again"),
        ("GFK", "Again"),
        ("SA", "given features"),
        ("SA", "Again"),
    }


# Of the databases of `faulty` two have errors, and each has a clip less than expected.
FAULTY = (
    CLIPS.replace("Noise(", "Faulty(")
    + """
    def account(self, descriptor=None):
        from dataclasses import replace
        from cdmer_bench.databases.base import Finding
        kinds = {"left": ["error"], "right": ["error", "warning"]}.get(self.name, ["warning"])
        found = [Finding(kind, f"a {kind}", "s1/0") for kind in kinds]
        return replace(super().account(descriptor), findings=found, n_expected=7)
"""
)

FAULTY_CORPUS = """\
# @package corpus
name: faulty
classes: [a, b, c]
reader: {_target_: faulty.Faulty}
databases: {left: {}, right: {}, whole: {}, other: {}}
"""


def test_errors_of_all_databases_stop_a_run_and_warnings_do_not(corpus, cdmer):
    conf = corpus.folder / "my_conf"
    (conf / "faulty.py").write_text(FAULTY)
    (conf / "corpus" / "faulty.yaml").write_text(FAULTY_CORPUS)
    words = corpus.arguments("corpus=faulty", "descriptor=hog_top_p4", "method=svm", "n_jobs=1")
    code, _, err = cdmer("run", *words, "task=left/right,whole/left")
    assert code == 2
    assert "; in all 2 errors in the data" in err
    assert f"cdmer data check corpus=faulty --config-dir {conf} tells more" in err
    assert "right: 6 of 7 clips, 2/2/2 a/b/c; 1 error, 1 warning:" in err
    assert "; in all 1 error in the data" in cdmer("run", *words, "task=left/whole")[2]
    code, _, err = cdmer("run", *words, "task=whole/other")
    assert code == 0, err
    assert "whole: 6 of 7 clips, 2/2/2 a/b/c; 1 warning:" in err
