import numpy as np
import pytest

from cdmer_bench.cli import plot
from cdmer_bench.cli.tables import choose_records, recorded_failures
from cdmer_bench.errors import UserError
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


def test_ranks_are_drawn_of_methods_that_share_tasks(results, tmp_path):
    out = tmp_path / "ranks.png"
    assert plot.main(["ranks", "--results", results, "--out", str(out)]) == 0
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_ranks_of_one_method_are_refused(results):
    with pytest.raises(UserError, match=r"1 methods on 2 tasks .* at least three methods"):
        plot.main(["ranks", "method=tca", "--results", results])


def test_failures_that_the_filters_leave_out_are_not_drawn(results, tmp_path):
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
    missing = recorded_failures(results, choose_records(results, None))
    assert [(m.task_label, m.method_label) for m in missing] == [("Exp.5", "SA"), ("Exp.6", "TCA")]
    for filters, kept in (
        ([], ["SA", "TCA"]),
        (["corpus=released"], ["SA", "TCA"]),
        (["method=tca"], ["TCA"]),
        (["task=exp05"], ["SA"]),
        (["method=svm", "task=exp05"], []),
    ):
        records = plot._filtered(results, filters)
        assert [m.method_label for m in plot._asked_for(missing, records, filters)] == kept
    out = tmp_path / "scores.svg"
    assert plot.main(["scores", "method=svm", "--results", results, "--out", str(out)]) == 0
    assert "failed" not in out.read_text(encoding="utf-8")


def test_nothing_is_said_to_be_drawn_if_it_is_not(results, capsys):
    with pytest.raises(UserError, match=r"TCA on Exp\.5 was run with one setting"):
        plot.main(["parameters", "--results", results])
    assert "is drawn" not in capsys.readouterr().err
