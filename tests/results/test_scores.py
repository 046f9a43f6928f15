"""The scores table against scores counted by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.results import load_predictions, load_scores
from cdmer_bench.results.scores import (
    COLUMNS,
    SIDES,
    class_remarks,
    pack_table,
    remarks,
    score_records,
    setting_text,
)
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import labels, record

NAMES = ("negative", "positive", "surprise")


@pytest.fixture
def results(tmp_path):
    """TCA and the Baseline on two tasks, an older TCA of other predictions, and a failure."""
    store = ResultsStore(tmp_path / "results")
    for task in (5, 6):
        subjects = np.array([f"s{i // 9}" for i in range(71)])
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            made = record(task, method, label, key=f"{method}{task}".ljust(64, "0"))
            names = np.array([f"clip {i}" for i in range(71)])
            known = made_with(made, subject_target=subjects, clips_target=names)
            store.save(made if task == 5 else known)
    wrong = [(labels("smic_nir") + 1) % 3]
    about = {"date": "2025-01-01T00:00:00+00:00", "seconds": 9.0}
    store.save(record(5, predictions=wrong, key="old".ljust(64, "0"), about=about))
    failure = {"task_label": "Exp.6", "method_label": "SA", "descriptor_label": "LBP-TOP(R3P8)"}
    store.save_failure("f" * 64, {**failure, "corpus": "released", "error": "ValueError: no"})
    return store


def made_with(made, **changes):
    import dataclasses

    return dataclasses.replace(made, **changes)


def test_a_row_a_cell_and_rule_with_the_scores_of_the_chosen_setting(results):
    scores = load_scores(results.folder, ["oracle", "class_balance"])
    assert tuple(scores.columns) == COLUMNS
    done = scores[scores["status"] == "done"]
    assert len(done) == 2 * 2 * 2
    for _, row in done[done["selection"] == "oracle"].iterrows():
        (held,) = [r for r in results.records() if r.key == row["key"]]
        f1 = [
            f1_score(held.y_target, p, average="macro", zero_division=0) for p in held.predictions
        ]
        best = int(np.argmax(f1))
        assert row["mean_f1"] == pytest.approx(f1[best], abs=1e-12)
        percent = 100 * accuracy_score(held.y_target, held.predictions[best])
        assert row["accuracy"] == pytest.approx(percent, abs=1e-10)
        assert (row["setting"], row["n_settings"], row["n_target"]) == (f"k = {best + 1}", 3, 71)
        assert (row["seconds"], row["reason"]) == (1.5, "")


def test_only_current_results_and_standing_failures_are_there(results):
    scores = load_scores(results.folder)
    assert "old".ljust(64, "0") not in set(scores["key"])
    (failed,) = scores[scores["status"] == "failed"].to_dict("records")
    assert (failed["row"], failed["task_label"]) == ("SA", "Exp.6")
    assert failed["reason"] == "failed: ValueError: no"
    assert np.isnan(failed["mean_f1"])


def test_a_rule_without_its_input_gives_no_figure_but_a_reason(results):
    scores = load_scores(results.folder, "entropy")
    row = scores[scores["status"] == "done"].iloc[0]
    assert row["reason"] == "entropy needs scores, not recorded"
    assert np.isnan(row["mean_f1"])
    assert row["n_settings"] == 3


def test_the_mark_of_synthetic_data_is_kept_in_failures_as_well():
    failure = {"task_label": "Exp.6", "method_label": "SA", "descriptor_label": "L", "error": "no"}
    made = [record(5, corpus="generated", synthetic=True), record(5)]
    failures = [{**failure, "corpus": corpus} for corpus in ("generated", "released")]
    scores = score_records(made, failures=failures)
    assert scores["synthetic"].tolist() == [True, False, True, False]
    assert scores["synthetic"].dtype == bool


def test_a_row_says_of_its_setting_and_its_sides_what_the_record_holds():
    held_out = np.tile(labels("smic_vis"), (3, 1))
    held_out[0, 0] = NOT_PREDICTED
    held_out[1, :20] = 2
    used = {side: {"title": side.title(), "remarks": [f"the {side} was scaled"]} for side in SIDES}
    made = record(
        5,
        converged=np.array([True, True, False]),
        extras={"source_cv_predictions": held_out},
        used=used,
        about={"seconds": 1.5, "wall_seconds": 2.5, "descriptor_note": "tuned on one"},
    )
    scores = score_records([made], ["oracle", "source_cv"]).set_index("selection")
    # The second setting is the oracle's; the first has a sample without a prediction.
    assert scores["setting"].to_dict() == {"oracle": "k = 2", "source_cv": "k = 3"}
    assert scores["n_undefined"].to_dict() == {"oracle": 0, "source_cv": 1}
    assert scores["converged"].to_dict() == {"oracle": True, "source_cv": False}
    row = scores.loc["oracle"]
    assert (row["seconds"], row["wall_seconds"]) == (1.5, 2.5)
    assert (row["source_title"], row["target_title"]) == ("Source", "Target")
    assert (row["source_remarks"], row["target_remarks"]) == (
        "Source: the source was scaled.",
        "Target: the target was scaled.",
    )
    assert row["descriptor_note"] == "tuned on one"


def test_predictions_are_those_of_the_chosen_setting_in_names_of_classes(results):
    clips = load_predictions(results.folder)
    assert len(clips) == 2 * 71 + 2 * 71
    for (task, row), mine in clips.groupby(["task", "row"]):
        scores = load_scores(results.folder).set_index(["task", "row"])
        mean_f1 = f1_score(mine["true"], mine["predicted"], average="macro", labels=NAMES)
        assert mean_f1 == pytest.approx(scores.loc[(task, row), "mean_f1"], abs=1e-12)
        assert mine["clip"].tolist() == list(range(71))
    assert set(clips[clips["task"] == "exp06"]["subject"]) == {f"s{i}" for i in range(8)}
    assert set(clips[clips["task"] == "exp05"]["subject"]) == {""}
    assert set(clips[clips["task"] == "exp05"]["clip_name"]) == {""}
    first = clips[(clips["task"] == "exp06") & (clips["clip"] == 17)]
    assert set(first["clip_name"]) == {"clip 17"}


def test_a_folder_without_results_is_named(tmp_path):
    for load in (load_scores, load_predictions):
        with pytest.raises(UserError, match=r"nowhere holds no results; .*name a folder"):
            load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no selection rule 'orakel'; did you mean 'oracle'"):
        load_scores(tmp_path, "orakel")


def test_files_hold_the_table_as_it_is(results, tmp_path):
    import pandas as pd

    scores = load_scores(results.folder)
    readers = {".csv": pd.read_csv, ".json": pd.read_json}
    if pytest.importorskip("pyarrow"):
        readers[".parquet"] = pd.read_parquet
    for suffix, read in readers.items():
        path = tmp_path / f"scores{suffix}"
        path.write_bytes(pack_table(scores, suffix))
        again = read(path)
        assert list(again.columns) == list(scores.columns)
        assert again["row"].tolist() == scores["row"].tolist()
        np.testing.assert_allclose(again["mean_f1"], scores["mean_f1"], rtol=1e-14)


def test_settings_as_text():
    assert setting_text({"k": 20, "mu": 0.1, "kernel": "rbf", "C": 1e-7}) == (
        "k = 20, mu = 0.1, kernel = rbf, C = 1e-07"
    )


USED = {
    "database": "smic_nir",
    "title": "SMIC (NIR)",
    "features": "0" * 64,
    "n_clips": 71,
    "n_expected": 71,
    "class_counts": {"negative": 23, "positive": 28, "surprise": 20},
    "findings": {"error": 0, "warning": 2, "note": 0},
}


def test_nothing_is_remarked_where_the_counts_are_those_of_table_i():
    # Exp.5 goes from VIS to NIR; findings alone change nothing.
    made = record(5, used={"target": USED, "source": USED})
    assert remarks(made, "target") == []
    # The errors that were ignored are those of the other side.
    assert remarks(made_with(made, errors_ignored=True), "target") == []
    scaled = {**USED, "remarks": ["features normalised in each database: zscore"]}
    assert remarks(made_with(made, used={"target": scaled}), "target") == [
        "SMIC (NIR): features normalised in each database: zscore."
    ]
    assert remarks(made, "source") == []


def test_other_counts_than_those_of_table_i_are_remarked_with_the_findings():
    y = np.repeat([0, 1, 2], (4, 2, 1)).astype(np.uint8)
    findings = {"error": 24, "warning": 1, "note": 0}
    made = record(
        5,
        predictions=y[None],
        y_target=y,
        used={"target": {**USED, "findings": findings}},
        errors_ignored=True,
    )
    assert remarks(made, "target") == [
        "SMIC (NIR) has 7 clips (4/2/1) where Table I has 71 (23/28/20); `cdmer data check` lists "
        "24 errors, 1 warning.",
        "Errors in the data of SMIC (NIR) were ignored (data.errors=ignore).",
        "The target SMIC (NIR) has one clip of the class surprise.",
    ]
    # Without data.errors=ignore nothing was ignored.
    told = " ".join(remarks(made_with(made, errors_ignored=False), "target"))
    assert "24 errors" in told
    assert "ignored" not in told


def test_each_side_is_counted_by_its_own_labels():
    made = record(5, y_source=np.repeat([0, 1, 2], (9, 1, 3)).astype(np.uint8))
    assert remarks(made, "target") == []
    assert remarks(made, "source") == [
        "SMIC-VIS has 13 clips (9/1/3) where Table I has 71 (23/28/20).",
        "The source SMIC-VIS has one clip of the class positive.",
    ]


def test_other_classes_than_the_papers_are_not_compared_with_table_i():
    names = ("positive", "negative", "surprise")
    used = {"target": {"title": "Mine", "n_expected": 70}, "source": {"title": "Also"}}
    assert remarks(record(5, classes=names, used=used), "source") == []
    assert remarks(record(5, classes=names, used=used), "target") == ["Mine has 71 of 70 clips."]


def test_the_classes_are_compared_with_table_i_one_by_one():
    # As many clips as Table I has, with negative and positive the other way round.
    y = np.repeat([0, 1, 2], (28, 23, 20)).astype(np.uint8)
    (sentence,) = remarks(record(5, predictions=y[None], y_target=y), "target")
    assert sentence == "SMIC-NIR has 71 clips (28/23/20) where Table I has 71 (23/28/20)."


def test_a_target_without_a_class_says_what_a_mean_f1_can_be():
    y = np.repeat([0, 1], (30, 41)).astype(np.uint8)
    made = record(5, predictions=y[None], y_target=y)
    # A perfect prediction of a target that lacks one of three classes scores 2/3.
    assert load_mean(made) == pytest.approx(2 / 3)
    (sentence,) = [s for s in remarks(made, "target") if "class" in s]
    assert sentence == (
        "The target SMIC-NIR has no clip of the class surprise, whose F1 is then 0: mean F1 is "
        "at most 0.6667."
    )
    table = score_records([made])
    assert sentence in table["target_remarks"][0]


def test_every_class_that_a_target_lacks_lowers_the_bound():
    said = class_remarks("target", "Mine", {"a": 4, "b": 0, "c": 0, "d": 1})
    assert said[0].endswith("class b, whose F1 is then 0: mean F1 is at most 0.5000")
    assert said[1].endswith("class c, whose F1 is then 0: mean F1 is at most 0.5000")
    assert said[2] == "the target Mine has one clip of the class d"


def load_mean(made):
    return float(score_records([made])["mean_f1"][0])


def test_clips_left_out_of_own_databases_are_remarked():
    own = {"source": "lab_a", "target": "lab_b", "classes": ("a", "b", "c")}
    used = {"target": {**USED, "database": "lab_b", "title": "Lab B", "n_expected": 80}}
    made = record(5, used=used)
    made = made_with(made, **own)
    assert remarks(made, "target") == [
        "Lab B has 71 of 80 clips; `cdmer data check` lists 2 warnings."
    ]
    assert remarks(made, "source") == []
    assert score_records([made])[["source_title", "target_title"]].to_numpy().tolist() == [
        ["lab_a", "Lab B"]
    ]
