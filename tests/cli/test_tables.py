"""`cdmer tables`, `stats` and `export` on results made by hand."""

import io

import pandas as pd
import pytest

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
