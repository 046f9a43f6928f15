"""`cdmer tables`, `stats` and `export` on results made by hand."""

import dataclasses
import io

import pandas as pd
import pytest

from cdmer_bench.evaluation import accuracy
from cdmer_bench.results import load_predictions, load_scores
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import record


@pytest.fixture
def results(tmp_path):
    """Two methods on two tasks of one corpus, and one cell of another, older."""
    store = ResultsStore(tmp_path / "results")
    for task in (5, 11):
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            store.save(record(task, method, label, key=f"{method}{task}".ljust(64, "0")))
    about = {"date": "2025-01-01T00:00:00+00:00"}
    store.save(record(5, corpus="frames", key="g" * 64, about=about))
    return store.folder


def test_export_writes_the_scores_of_all_corpora(results, cdmer):
    code, out, _ = cdmer("export", "--results", str(results), "--selection", "oracle,class_balance")
    assert code == 0
    written = pd.read_csv(io.StringIO(out), keep_default_na=False)
    expected = load_scores(results, ["oracle", "class_balance"])
    assert written["row"].tolist() == expected["row"].tolist()
    assert len(written) == 10
    assert written["mean_f1"].tolist() == pytest.approx(expected["mean_f1"].tolist(), rel=1e-14)


def test_export_of_one_corpus_and_of_predictions(results, cdmer, tmp_path):
    out = tmp_path / "clips.json"
    arguments = ("--results", str(results), "--corpus", "frames", "--out", str(out))
    assert cdmer("export", "--predictions", *arguments)[0] == 0
    clips = pd.read_json(out)
    expected = load_predictions(results)
    expected = expected[expected["corpus"] == "frames"]
    assert len(clips) == 71
    assert clips["predicted"].tolist() == expected["predicted"].tolist()
    code, _, err = cdmer("export", "--results", str(results), "--corpus", "frame")
    assert code == 2
    assert "no results of the corpus 'frame'; did you mean 'frames'" in err


def test_export_refuses_an_ending_that_it_does_not_know(results, cdmer, tmp_path):
    out = tmp_path / "scores.docx"
    code, _, err = cdmer("export", "--results", str(results), "--out", str(out))
    assert code == 2
    assert "scores.docx" in err
    assert "choices: .csv, .json, .parquet" in err
    assert not out.exists()


@pytest.fixture
def own(tmp_path):
    """Results of two corpora: the paper's tasks, and later two of a laboratory's own."""
    store = ResultsStore(tmp_path / "own")
    for task in (5, 6):
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            store.save(record(task, method, label, key=f"{method}{task}".ljust(64, "0")))
    about = {"date": "2026-02-01T00:00:00+00:00"}
    for source, target in (("lab_a", "lab_b"), ("lab_b", "lab_a")):
        place = {"task": f"{source}__{target}", "source": source, "target": target}
        place |= {"task_label": f"{source} → {target}", "corpus": "mine, seed 3"}
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            key = f"{source}{method}".ljust(64, "0")
            made = record(5, method, label, key=key, about=about)
            store.save(dataclasses.replace(made, **place))
    return str(store.folder)


def test_without_a_number_the_newest_corpus_with_results_for_it_is_shown(own, cdmer):
    assert cdmer("tables", "--results", own)[1].startswith("Own tasks:")
    assert cdmer("tables", "own", "--results", own)[1].startswith("Own tasks:")
    # Of Table III only the older corpus has results.
    code, out, err = cdmer("tables", "3", "--results", own)
    assert code == 0
    assert "Corpus: released." in out
    shown = record(5).y_target, record(5, "svm").predictions
    assert f"{accuracy(shown[0], shown[1][1]):.2f}" in out
    assert "showing corpus 'released'; there are results of 'mine, seed 3' too" in err
    code, _, err = cdmer("tables", "own", "--corpus", "released", "--results", own)
    assert code == 2
    assert "no result on a task outside the paper" in err


def test_words_choose_results_as_in_a_run(own, cdmer):
    def listed(*words):
        code, out, err = cdmer("tables", *words, "--format", "csv", "--results", own)
        assert code == 0, err
        frame = pd.read_csv(io.StringIO(out))
        frame = frame[frame["method"].notna() & frame["task"].notna() & frame["mean_f1"].notna()]
        return set(zip(frame["row"], frame["task"], strict=True))

    assert listed("task=lab_a/lab_b") == {("Baseline", "lab_a__lab_b"), ("TCA", "lab_a__lab_b")}
    assert listed("corpus=mine", "method=tca") == {("TCA", "lab_a__lab_b"), ("TCA", "lab_b__lab_a")}
    assert listed("corpus=released", "task=type1", "method=svm") == {
        ("Baseline", "exp05"),
        ("Baseline", "exp06"),
    }
    assert listed("3", "task=smic_vis/smic_nir", "method=TCA") == {("TCA", "exp05")}
    code, _, err = cdmer("tables", "corpus=mine", "method=tkl", "--results", own)
    assert code == 2
    assert "there is no result with method=tkl" in err
    code, _, err = cdmer("tables", "8", "--results", own)
    assert code == 2
    assert "'8' is not a choice for `cdmer tables`" in err


def test_statistics_of_own_databases_and_of_the_papers(own, cdmer):
    code, out, _ = cdmer("stats", "--results", own)
    assert code == 0
    assert "Corpus: mine, seed 3." in out
    assert "lab_a → lab_b" in out
    code, out, _ = cdmer("stats", "--tables", "3", "--results", own)
    assert code == 0
    assert "Corpus: released." in out
    assert "won : lost" in out
    code, out, _ = cdmer("stats", "own", "method=svm,tca", "task=lab_b/lab_a", "--results", own)
    assert code == 0
    assert "lab_a → lab_b" not in out
    code, _, err = cdmer("stats", "--tables", "5", "--results", own)
    assert code == 2
    assert "choices: 3, 4, own" in err


def test_the_mark_of_synthetic_data_stands_in_tables_statistics_and_exports(tmp_path, cdmer):
    store = ResultsStore(tmp_path / "r")
    for method, label in (("svm", "Baseline"), ("tca", "TCA")):
        made = record(5, method, label, key=method.ljust(64, "0"), corpus="synthetic, seed 0")
        store.save(dataclasses.replace(made, synthetic=True))
    folder = str(store.folder)
    for command in (("tables", "3"), ("tables",), ("stats",)):
        assert "SYNTHETIC DATA" in cdmer(*command, "--results", folder)[1]
    frame = pd.read_csv(io.StringIO(cdmer("export", "--results", folder)[1]))
    assert frame["synthetic"].all()


def test_the_ending_of_the_file_says_how_a_table_is_written(own, cdmer, tmp_path):
    for name, start in (("a.md", "**Own tasks"), ("a.txt", "Own tasks"), ("a.html", "<!DOCTYPE")):
        out = tmp_path / name
        assert cdmer("tables", "--results", own, "--out", str(out))[0] == 0
        assert out.read_text().startswith(start)
    out = tmp_path / "a.docx"
    code, _, err = cdmer("tables", "--results", own, "--out", str(out))
    assert code == 2
    assert "does not say how to write it" in err
    assert not out.exists()


def test_later_papers_and_their_audit(own, cdmer):
    code, out, err = cdmer("tables", "3", "--against", "paper,tgsr2022", "--results", own)
    assert code == 0
    assert "TGSR [tgsr2022]" in out
    assert "figures equal to every digit" in err
    code, _, err = cdmer("tables", "3", "--against", "tgsr", "--results", own)
    assert code == 2
    assert "did you mean 'tgsr2022'" in err
    code, out, _ = cdmer("audit", "--paper", "madtn2021")
    assert code == 0
    assert "Accuracies that no count of right predictions gives: 10" in out
    assert "copied with other figures: 3" in out


def test_table_iii_is_that_of_the_descriptor_that_was_run(tmp_path, cdmer):
    store = ResultsStore(tmp_path / "r")
    hog = {"descriptor": "hog_top_p8", "descriptor_label": "HOG-TOP(p=8)"}
    store.save(record(5, key="h".ljust(64, "0"), **hog))
    folder = str(store.folder)
    shown = cdmer("tables", "3", "--results", folder)[1]
    assert "Descriptor: HOG-TOP(p=8)." in shown
    assert "(1 of 6)" in shown
    store.save(record(6, key="l".ljust(64, "0")))
    assert "LBP-TOP(R3P8)" in cdmer("tables", "3", "--results", folder)[1]
    assert "HOG" in cdmer("tables", "3", "descriptor=hog_top_p8", "--results", folder)[1]


def test_a_folder_of_failures_alone_is_exported_and_told(tmp_path, cdmer):
    store = ResultsStore(tmp_path / "r")
    place = {"task_label": "Exp.5", "method_label": "TCA", "descriptor_label": "LBP-TOP(R3P8)"}
    store.save_failure("a" * 64, {**place, "corpus": "released", "error": "ValueError: no"})
    folder = str(store.folder)
    frame = pd.read_csv(io.StringIO(cdmer("export", "--results", folder)[1]))
    assert frame["reason"].tolist() == ["failed: ValueError: no"]
    assert frame["mean_f1"].isna().all()
    for words in (("export", "--predictions"), ("export",)):
        assert cdmer(*words, "--results", folder)[0] == 0
    code, _, err = cdmer("tables", "--results", folder)
    assert code == 2
    assert "holds no finished cell, and 1 failed" in err
    (store.folder / "failures" / f"{'a' * 64}.json").unlink()
    (store.folder / "cells").mkdir()
    assert cdmer("export", "--results", folder)[0] == 0


def test_a_corpus_is_named_as_in_a_run(own, cdmer, tmp_path):
    frame = pd.read_csv(io.StringIO(cdmer("export", "--corpus", "mine", "--results", own)[1]))
    assert set(frame["corpus"]) == {"mine, seed 3"}
    out = str(tmp_path / "mine.zip")
    code, _, err = cdmer("results", "pack", out, "--corpus", "mine", "--results", own)
    assert code == 0
    assert "4 cells" in err
    code, _, err = cdmer("results", "pack", out, "--corpus", "mien", "--results", own)
    assert code == 2
    assert "has no results of the corpus 'mien'" in err


@pytest.fixture
def described(tmp_path):
    """Two methods on Exp.5 with two descriptors, and what failed: SA with each, TCA elsewhere."""
    store = ResultsStore(tmp_path / "described")
    hog = {"descriptor": "hog_top_p8", "descriptor_label": "HOG-TOP(p=8)"}
    for number, more in enumerate(({}, hog)):
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            made = record(5, method, label, key=f"{number}{method}".ljust(64, "0"), **more)
            turned = (made.predictions + number) % 3
            store.save(dataclasses.replace(made, predictions=turned.astype("uint8")))
    place = {"corpus": "released", "error": "ValueError: no"}
    failed = [("Exp.5", "SA", "LBP-TOP(R3P8)"), ("Exp.5", "IW-SVM", "HOG-TOP(p=8)"),
              ("Exp.8", "GFK", "LBP-TOP(R3P8)")]  # fmt: skip
    for number, (task, method, descriptor) in enumerate(failed):
        labels = {"task_label": task, "method_label": method, "descriptor_label": descriptor}
        store.save_failure(f"{number}".ljust(64, "f"), {**labels, **place})
    return str(store.folder)


def test_a_table_of_one_descriptor_has_its_figures_and_failures(described, cdmer):
    for number, label in enumerate(("LBP-TOP(R3P8)", "HOG-TOP(p=8)")):
        code, out, _ = cdmer("tables", "3", "--descriptor", label, "--results", described)
        assert code == 0
        assert f"Descriptor: {label}." in out
        made = record(5, "tca")
        turned = (made.predictions + number) % 3
        best = max(accuracy(made.y_target, p) for p in turned)
        assert f"{best:.2f}" in next(line for line in out.splitlines() if line.startswith("TCA"))
        said = " ".join(out.split())
        assert ("SA (" in said, "IW-SVM (" in said) == (number == 0, number == 1)


def test_statistics_name_what_failed_of_their_tasks_and_descriptor(described, cdmer):
    said = " ".join(cdmer("stats", "3", "--results", described)[1].split())
    lacking = said.partition("No result: ")[2]
    assert lacking.startswith("SA (")
    assert "IW-SVM" not in lacking
    assert "GFK" not in lacking  # Exp.8 is of Table IV
    both = " ".join(cdmer("stats", "--results", described)[1].split())
    assert "GFK (" in both.partition("No result: ")[2]


def test_rules_are_ranked_all_of_them(own, cdmer):
    from cdmer_bench.evaluation.selection import RULES

    code, out, _ = cdmer("stats", "--rules", "--results", own)
    assert code == 0
    assert all(name in out for name in RULES)
    assert "won : lost" not in out


def test_each_paper_that_is_named_stands_beside_and_no_other(own, cdmer):
    def rows(*papers):
        words = ("tables", "3", "--against", ",".join(papers), "--results", own)
        return " ".join(cdmer(*words)[1].split()).replace(" / ", "/")

    later = {"tgsr2022": "TGSR [tgsr2022]", "madtn2021": "MADTN [madtn2021]"}
    printed = "0.6186/63.38"  # of the Baseline on Exp.5, in the paper
    for papers in ([], ["tgsr2022"], ["madtn2021"], [*later], ["paper"], ["paper", *later]):
        said = rows(*papers)
        assert {name for name, row in later.items() if row in said} == set(papers) - {"paper"}
        assert (printed in said) == ("paper" in papers)


def test_a_paper_that_has_no_figure_for_the_tables_is_named(own, cdmer):
    words = ("--against", "paper,tgsr2022", "--results", own)
    said = "tgsr2022 prints no figure that these tables hold."
    assert said in cdmer("tables", "own", *words)[2]
    assert said not in cdmer("tables", "3", *words)[2]
    assert said not in cdmer("tables", "own", "3", *words)[2]


def test_a_format_that_is_named_outweighs_the_ending(own, cdmer, tmp_path):
    out = tmp_path / "table.txt"
    assert cdmer("tables", "--results", own, "--format", "md", "--out", str(out))[0] == 0
    assert out.read_text().startswith("**Own tasks")


def test_statistics_and_reports_are_of_the_corpus_that_is_named(own, cdmer, tmp_path):
    assert "Corpus: released." in cdmer("stats", "--corpus", "released", "--results", own)[1]
    for words in (("--corpus", "released"), ("corpus=released",)):
        page = tmp_path / "page.html"
        assert cdmer("report", *words, "--out", str(page), "--results", own)[0] == 0
        text = page.read_text()
        assert "mine, seed 3" not in text
        assert "released" in text


def test_a_table_asked_for_by_its_tasks_shows_no_other(own, cdmer):
    out = cdmer("tables", "3", "task=exp05", "--results", own)[1]
    assert "Exp.5" in out
    assert "Exp.6" not in out
    assert "Exp.6" in cdmer("tables", "3", "--results", own)[1]


def test_each_rule_that_is_named_has_rows_of_its_own(own, cdmer):
    words = ("tables", "3", "task=exp05", "method=tca", "--results", own)
    both = cdmer(*words, "--selection", "oracle,class_balance")[1]
    rows = [line for line in both.splitlines() if line.startswith("TCA")]
    assert [line.split()[1] for line in rows] == ["(oracle)", "(class_balance)"]
    for rule, row in zip(("oracle", "class_balance"), rows, strict=True):
        alone = cdmer(*words, "--selection", rule)[1]
        (line,) = (line for line in alone.splitlines() if line.startswith("TCA"))
        assert row.split()[2:] == line.split()[1:]
