"""The commands on a results folder: report, stats, audit."""

import json
from pathlib import Path

import pytest

from cdmer_bench.cli.main import main
from cdmer_bench.cli.stored import choose_results
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import record


@pytest.fixture
def results(tmp_path):
    store = ResultsStore(tmp_path / "results")
    for task in (5, 11):
        for index, (method, label) in enumerate((("svm", "Baseline"), ("tca", "TCA"))):
            key = f"{task:02d}{index}".ljust(64, "0")
            store.save(record(task, method, label, key=key))
    return str(tmp_path / "results")


@pytest.mark.parametrize("found", [True, False])
def test_report_is_opened_or_says_that_there_is_no_browser(results, monkeypatch, capsys, found):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or found)
    assert main(["report", "--open", "--results", results]) == 0
    assert opened == [f"file://{results}/report.html"]
    assert ("no browser was found" in capsys.readouterr().err) != found


def test_report_of_a_part_of_the_results(results, cdmer):
    assert cdmer("report", "task=smic_vis/smic_nir", "--results", results)[0] == 0
    page = Path(results, "report.html").read_text(encoding="utf-8")
    assert "2 methods on Exp.5" in page
    assert "Exp.11" not in page.split('id="data">')[1].split("</script>")[0]


def test_failures_of_other_corpora_and_of_finished_cells_are_not_named(results, cdmer):
    store = ResultsStore(results)
    labels = {"method_label": "SA", "descriptor_label": "LBP-TOP(R3P8)", "error": "ValueError: no"}
    store.save_failure("a" * 64, {**labels, "task_label": "Exp.5", "corpus": "released"})
    store.save_failure("b" * 64, {**labels, "task_label": "Exp.6", "corpus": "other"})
    finished = {**labels, "task_label": "Exp.5", "method_label": "TCA", "corpus": "released"}
    store.save_failure("c" * 64, finished)
    _, text, _ = cdmer("tables", "3", "--results", results)
    assert "No figure (-) for SA (Exp.5): failed: ValueError: no." in " ".join(text.split())
    assert text.count("failed") == 1
    (missing,) = choose_results(results, None)[1]
    assert (missing.method_label, missing.task_label) == ("SA", "Exp.5")


def test_results_that_all_failed_say_why(tmp_path, cdmer):
    store = ResultsStore(tmp_path / "results")
    labels = {"method_label": "SA", "descriptor_label": "LBP-TOP(R3P8)", "error": "ValueError: no"}
    store.save_failure("a" * 64, {**labels, "task_label": "Exp.5", "corpus": "released"})
    for command in ("report", "tables", "stats"):
        code, _, err = cdmer(command, "--results", str(tmp_path / "results"))
        assert code == 2
        assert (
            "no finished cell, and 1 failed, the first of them SA on Exp.5: ValueError: no" in err
        )


def test_stats_of_the_tables_asked_for(results, cdmer):
    for tables, tasks in (("3", {"Exp.5"}), ("4", {"Exp.11"}), ("3,4", {"Exp.5", "Exp.11"})):
        code, text, _ = cdmer("stats", "--tables", tables, "--results", results)
        assert code == 0
        assert {word for word in text.split() if word in ("Exp.5", "Exp.11")} == tasks
    code, _, err = cdmer("stats", "--tables", "5", "--results", results)
    assert code == 2
    assert "--tables holds '5'; choices: 3, 4" in err


def test_stats_under_a_rule_say_what_to_know_about_it(results, cdmer):
    _, text, _ = cdmer("stats", "--selection", "class_balance", "--results", results)
    assert "class_balance: it assumes the class proportions of the source for the target" in text
    _, text, _ = cdmer("stats", "--results", results)
    assert "class_balance" not in text


def test_audit_lists_findings_and_gives_them_as_json(cdmer):
    code, text, err = cdmer("audit")
    assert code == 0
    assert "Table IV DRLS Exp.11: accuracy 49.83 is no count of 71 clips" in text
    _, shown, _ = cdmer("audit", "--format", "json")
    assert f"{len(json.loads(shown))} findings" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["3", "--descriptor", "LBP-TIP"], "'LBP-TIP', which has no result; did you mean 'LBP-TOP"),
        (["--descriptor", "LBP-TOP(R3P8)"], "of one table; name it"),
        (["5", "--descriptor", "LBP-TOP(R3P8)"], "of one table; name it"),
    ],
)
def test_a_descriptor_that_no_table_can_show_is_refused(results, cdmer, words, said):
    code, out, err = cdmer("tables", *words, "--results", results)
    assert (code, out) == (2, "")
    assert said in err
