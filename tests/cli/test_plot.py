"""`cdmer plot`: which results are drawn, into which file, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.cli import plot
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import labels, record

pytest.importorskip("matplotlib")


@pytest.fixture
def results(tmp_path):
    store = ResultsStore(tmp_path / "results")
    y = labels("smic_nir")
    for task in (5, 11):
        for method, wrong in (("svm", 30), ("tca", 20), ("gfk", 10)):
            predicted = np.r_[(y[:wrong] + 1) % 3, y[wrong:]]
            key = f"{task:02d}{wrong}".ljust(64, "0")
            store.save(record(task, method, method.upper(), [predicted], key=key))
    return str(tmp_path / "results")


def test_ranks_are_drawn_of_methods_that_share_tasks(results, tmp_path, cdmer):
    out = tmp_path / "ranks.png"
    assert cdmer("plot", "ranks", "--results", results, "--out", str(out))[0] == 0
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_ranks_of_one_method_are_refused(results, cdmer):
    code, _, err = cdmer("plot", "ranks", "method=tca", "--results", results)
    assert code == 2
    assert "1 method on 2 tasks were found; ranks need at least two methods that share" in err
    assert cdmer("plot", "ranks", "method=tca,svm", "--results", results)[0] == 0


def test_without_a_kind_the_kinds_are_shown(cdmer):
    code, out, _ = cdmer("plot")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(plot.KINDS)
    assert all(len(line.split()) > 3 for line in out.splitlines())


def test_each_picture_has_a_file_of_its_own_name(results, cdmer):
    wanted = {
        "confusion-tca-exp05.svg": ["confusion", "method=tca", "task=exp05"],
        "confusion-tca-exp11.svg": ["confusion", "method=tca", "task=casme2/smic_nir"],
        "confusion-tca-exp05-one_column.pdf": [
            *("confusion", "method=tca", "task=Exp.5"),
            *("--width", "one", "--format", "pdf"),
        ],
        "scores-tca_gfk_svm-exp05_exp11-released-class_balance.svg": [
            *("scores", "corpus=released", "task=all"),
            *("--selection", "class_balance"),
        ],
    }
    for words in wanted.values():
        assert cdmer("plot", *words, "--results", results)[0] == 0
    files = {path.name for path in Path(results).iterdir() if path.is_file()}
    assert files == set(wanted)


def test_several_kinds_are_drawn_at_once(results, cdmer):
    assert cdmer("plot", "scores", "times", "method=tca", "--results", results)[0] == 0
    files = {path.name for path in Path(results).iterdir() if path.is_file()}
    assert files == {"scores-tca-exp05_exp11.svg", "times-tca-exp05_exp11.svg"}
    code, _, err = cdmer("plot", "scores", "times", "--results", results, "--out", "a.svg")
    assert code == 2
    assert "--out names one file, but 2 pictures are asked for" in err


def test_what_is_no_filter_or_matches_nothing_is_refused(results, cdmer):
    for words, said in (
        (["task=exp99"], "there is no result with task=exp99; did you mean"),
        (["taks=exp05"], "'taks=exp05' is no filter; did you mean 'task'"),
        (["--dpi", "0"], "--dpi is 0, expected at least 1"),
    ):
        code, _, err = cdmer("plot", "scores", *words, "--results", results)
        assert code == 2
        assert said in err


def test_failures_that_the_filters_leave_out_are_not_drawn(results, tmp_path, cdmer):
    store = ResultsStore(results)
    for index, (task, method) in enumerate((("Exp.5", "SA"), ("Exp.11", "TCA"), ("Exp.6", "TCA"))):
        failure = {
            "task_label": task,
            "method_label": method,
            "error": "ValueError: no",
            "trace": "",
        }
        failure |= {"descriptor_label": "LBP-TOP(R3P8)", "corpus": "released"}
        store.save_failure(f"{index}".ljust(64, "a"), failure)
    out = tmp_path / "scores.svg"
    assert cdmer("plot", "scores", "method=svm", "--results", results, "--out", str(out))[0] == 0
    assert "failed" not in out.read_text(encoding="utf-8")


def test_nothing_is_said_to_be_drawn_if_it_is_not(results, cdmer):
    code, _, err = cdmer("plot", "parameters", "--results", results)
    assert code == 2
    assert "on Exp.5 was run with one setting" in err
    assert "is drawn" not in err
