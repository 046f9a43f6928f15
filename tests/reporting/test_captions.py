"""The sentences that say what an average is over, what is missing and what a rule left out."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.evaluation.selection import rule
from cdmer_bench.evaluation.selection.rules import NOT_PREDICTED
from cdmer_bench.reporting import MissingCell, build_table, render
from cdmer_bench.reporting.analysis import compare_cells, compare_methods, stats_text
from cdmer_bench.reporting.captions import (
    NO_COMPARISON,
    absences,
    join_names,
    scope,
    shortened,
    task_span,
)
from cdmer_bench.reporting.picture_data import cells_of
from cdmer_bench.reporting.published import (
    later_paper,
)
from cdmer_bench.reporting.rules import summarize_rules
from cdmer_bench.results.scores import score_records
from tests.reporting.figures import TYPE_I, cell
from tests.reporting.records import record


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        (["Exp.5"], "Exp.5"),
        (["Exp.5", "Exp.5"], "Exp.5"),
        ([f"Exp.{i}" for i in range(1, 13)], "12 tasks"),
        ([f"Exp.{i}" for i in range(1, 8)], "7 of 12 tasks"),
        (["Exp.1", "A → B", "B → A"], "3 tasks"),
    ],
)
def test_scope(tasks, words):
    assert scope(tasks) == words


def test_spans():
    assert (
        task_span([f"Exp.{i}" for i in (1, 2, 3, 5, 7, 8)]) == "Exp.1 to Exp.3, Exp.5, Exp.7, Exp.8"
    )
    assert task_span(["A", "B"], ["A", "B"]) == "all tasks"


def test_absences_count_what_was_asked_for():
    made = [record(1), record(2), record(1, "sa", "SA")]
    assert absences(made[:2]) == ""
    assert absences(made) == "No result: SA (Exp.2)."
    failed = [MissingCell("Exp.2", "SA", "", "failed"), MissingCell("Exp.2", "GFK", "", "failed")]
    assert absences(made, failed) == "No result: GFK (all tasks); SA (Exp.2)."


def validated(task, method="tca", label="TCA"):
    """A record of three settings, of which the first could not be validated on the source."""
    made = record(task, method, label)
    held_out = np.stack([made.y_source] * 3)
    held_out[0, 0] = NOT_PREDICTED
    return replace(made, extras={"source_cv_predictions": held_out})


def test_settings_that_a_rule_leaves_out_are_counted():
    records = [validated(5), validated(6), record(5, "svm", "Baseline", np.zeros((1, 71)))]
    table = build_table("III", records, ["oracle", "source_cv"], whole=False)
    phrase = "source_cv is undefined at some settings and leaves them out: TCA 2 of 6."
    assert phrase in table.notes
    assert sum("leaves them out" in note for note in table.notes) == 1
    (summary,) = [
        s for s in summarize_rules(cells_of(records, [rule("source_cv")])) if s.method == "TCA"
    ]
    assert (summary.left_out, summary.settings) == (2, 6)


def test_caveat_stands_once_for_the_rules_that_share_it():
    records = [record(5, scores=np.zeros((3, 71, 3), np.float32))]
    notes = build_table("III", records, ["entropy", "infomax", "snd", "class_balance"]).notes
    for start in ("entropy, snd: it may prefer a setting", "infomax: decision values have"):
        assert sum(note.startswith(start) for note in notes) == 1
    assert not any("common scale" in note for note in build_table("III", records).notes)


def test_row_that_was_not_run_is_named_once_under_several_rules():
    notes = build_table("III", [record(5)], ["oracle", "class_balance"]).notes
    (missing,) = [note for note in notes if note.endswith("not run.")]
    assert missing.count("STM") == 1
    assert "(oracle)" not in missing


def test_task_without_the_baseline_is_left_out_by_name():
    records = [
        record(t, m, label) for t in (1, 2, 3) for m, label in (("tca", "TCA"), ("sa", "SA"))
    ]
    records += [record(t, "svm", "Baseline") for t in (1, 2)]
    overall = compare_methods(compare_cells(records, rule("oracle")))
    assert overall.tasks == ("Exp.1", "Exp.2")
    assert overall.left_out_sentences == ("Left out, because Baseline has no result there: Exp.3.",)
    text = stats_text(records, rule("oracle"))
    assert "No result: Baseline (Exp.3)." in text
    assert "Over 2 of 12 tasks" in text
    assert overall.left_out_sentences[0] in text


def test_statistics_of_a_long_or_hostile_label_stay_in_their_columns():
    records = [record(t, "x", "two\nlines \033[31m" + "y" * 60) for t in (1, 2)]
    text = stats_text([*records, record(1), record(2)], rule("oracle"))
    assert "\033" not in text
    lines = [line for line in text.splitlines() if line.startswith("Exp.")]
    assert len(lines) == 4
    assert len({line.index("0.") for line in lines}) == 1


def test_only_methods_of_the_paper_can_be_run_with_another_grid_than_its():
    made = [record(5, grid="own"), record(5, "mine", "Mine", grid="own"), record(5, "sa", "SA")]
    notes = build_table("III", made).notes
    (note,) = (note for note in notes if "grid of the user" in note)
    assert note == "Run with a grid of the user's own, not the paper's: TCA."


def test_a_later_method_says_when_it_was_not_run_over_its_whole_grid():
    tgsr, cost = ("tgsr", "TGSR"), ("svm_c", "Baseline (C searched)")
    made = [record(5, *tgsr, grid="reduced"), record(5, *cost, grid="own"), record(5, grid="paper")]
    notes = [note for note in build_table("III", made).notes if note.startswith("Run with")]
    assert notes == [
        "Run with a grid of the user's own, not the full one: Baseline (C searched).",
        "Run with the reduced grid, not the full one: TGSR.",
    ]
    short = shortened(build_table("III", made), rule("oracle"), 120)
    assert short.notes[0].endswith("; a grid of the user's own; the reduced grid.")
    made = [record(5, *tgsr, grid="paper"), record(5, *cost, grid="full")]
    assert not [note for note in build_table("III", made).notes if note.startswith("Run with")]


def test_later_papers_beside_synthetic_figures_are_said_to_mean_nothing():
    made, later = record(5, corpus="synthetic", synthetic=True), [later_paper("tgsr2022")]
    assert NO_COMPARISON in build_table("III", [made], later=later).notes


def test_remarks_on_both_databases_stand_in_the_caption_and_in_the_long_form():
    used = {"source": {"remarks": ["one file is old"]}, "target": {"remarks": ["two are new"]}}
    table = build_table("III", [record(5, used=used)], whole=False)
    both = {"SMIC-VIS: one file is old.", "SMIC-NIR: two are new."}
    assert both <= set(table.notes)
    remarks = json.loads(render(table, "json"))[0]["remarks"]
    assert all(sentence in remarks for sentence in both)


def test_a_remark_that_another_cell_has_beside_a_second_one_stands_in_the_caption_once():
    used = [{"target": {"remarks": texts}} for texts in (["one is old"], ["one is old", "two new"])]
    records = [record(5, used=used[0]), record(5, "sa", "SA", used=used[1])]
    for text in (" ".join(build_table("III", records).notes), stats_text(records, rule("oracle"))):
        assert text.count("SMIC-NIR: one is old.") == 1
        assert text.count("SMIC-NIR: two new.") == 1
    others = [record(5, used=used[0]), record(6, "sa", "SA", used=used[1])]
    assert "SMIC-VIS: one is old. SMIC-VIS: two new." in build_table("III", others).notes


def test_what_a_descriptor_was_tuned_on_stands_in_the_caption():
    note = "tuned on SMIC-VIS, 2 steps of 2 out of 8"
    made = record(5, "svm", "Baseline")
    tuned = replace(made, about={"descriptor_note": note}, descriptor_label="C3D-FC1 (UCF101)")
    assert f"C3D-FC1 (UCF101): {note}." in build_table("V", [made, tuned]).notes


def test_every_rule_is_named_and_one_with_the_target_labels_among_them_is_an_upper_bound():
    notes = build_table("III", [record(5)], ["class_balance", "oracle"]).notes
    assert [n.split(":")[1].strip() for n in notes if n.startswith("Selection:")] == [
        "class balance",
        "oracle",
    ]
    assert any("are upper bounds" in note for note in notes)
    assert not any("are upper bounds" in n for n in build_table("III", [], "class_balance").notes)


def test_settings_tried_are_those_of_each_row_from_the_least_to_the_most():
    five = np.stack([np.zeros(71)] * 5)
    made = [
        record(5, variant="a", task_label="A → B"),
        record(6, variant="a", task_label="B → A", predictions=five),
        record(6, variant="b", task_label="B → A", predictions=five),
    ]
    notes = build_table("own", score_records(made), whole=False).notes
    assert "Settings tried: TCA [a] 3 to 5, TCA [b] 5." in notes


def test_the_solvers_are_told_of_the_methods_that_they_were_of():
    made = [
        record(5, solver="exact"),
        record(5, "tsrg", "TSRG", solver="paper"),
        record(5, "svm", "Baseline"),
    ]
    notes = build_table("III", made, whole=False).notes
    assert "Solver stopped after as many iterations as in the paper: TSRG." in notes
    assert "Solver run until it converged: TCA." in notes


def test_a_limit_is_told_of_the_variant_that_met_it():
    made = [record(5, variant="a"), record(5, variant="b", converged=np.zeros(3, bool))]
    notes = build_table("III", score_records(made), whole=False).notes
    (note,) = [note for note in notes if "iteration limit" in note]
    assert note.endswith("chosen setting: TCA [b] Exp.5.")


def test_a_figure_that_is_older_than_a_failure_is_told():
    failed = [MissingCell("Exp.5", "TCA", "LBP-TOP(R3P8)", "failed: no memory")]
    notes = build_table("III", [record(5), record(6)], missing=failed, whole=False).notes
    assert "Of an earlier run than the last, which failed: no memory: TCA Exp.5." in notes


def test_a_gap_under_one_of_several_rules_names_the_rule():
    made = record(5, scores=np.zeros((3, 71, 3), np.float32))
    table = build_table("III", [made, record(6)], ["oracle", "entropy"], only_asked=True)
    gap = "No figure (-) for TCA (entropy) (Exp.6): entropy needs scores, not recorded."
    assert gap in table.notes


def test_names_that_repeat_are_counted_once():
    assert join_names(["A", "A", "B", "B"], 2) == "A, B"
    assert join_names(["A", "A", "B", "C"], 2) == "A, B and 1 more"


def test_the_descriptor_of_a_table_of_methods_is_named():
    assert "Corpus: released. Descriptor: LBP-TOP(R3P8)." in build_table("III", [record(5)]).notes
    assert "Corpus: released." in build_table("V", [record(5)]).notes


def test_letters_are_explained_where_the_titles_of_any_task_have_no_room():
    made = [
        record(5, task_label=f"A → {letter}", source="amazon", target=target)
        for letter, target in (("d", "dslr"), ("W", "A camera that hangs above the door"))
    ]
    table = build_table("own", made)
    assert [title for _, title in table.columns[:2]] == ["amazon → dslr", ""]
    assert any("W is A camera that hangs above the door" in note for note in table.notes)


def test_gaps_of_a_later_paper_are_no_gaps_of_the_run():
    paper = later_paper("tgsr2022")
    some = replace(paper, cells={p: c for p, c in paper.cells.items() if p[2] == "Exp.5"})
    assert not any("not printed" in n for n in build_table("III", [record(5)], later=[some]).notes)


def test_gaps_are_explained_in_the_caption():
    missing = [
        MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: singular matrix"),
        *(MissingCell(f"Exp.{t}", "SA", "LBP-TOP(R3P8)", "without data") for t in TYPE_I),
    ]
    table = build_table("III", [record(1), record(2)], missing=missing, whole=False)
    assert cell(table, "TCA", "Exp.3").reason == "failed: singular matrix"
    notes = " ".join(table.notes)
    assert "TCA (Exp.3): failed: singular matrix" in notes
    assert "SA (all tasks): without data" in notes
    assert "TCA (Exp.4 to Exp.6): not run" in notes


def test_caption_says_corpus_rule_grid_and_synthetic():
    made = record(5, corpus="synthetic", synthetic=True, grid="reduced")
    for format in ("text", "md", "tex", "html"):
        text = " ".join(render(build_table("III", [made]), format).split())
        assert "SYNTHETIC DATA" in text
        assert "chosen with the target labels" in text
        assert "synthetic" in text
        assert "reduced" in text
        assert "TCA 3" in text


def test_unconverged_choice_is_named():
    made = record(5, converged=np.zeros(3, bool))
    notes = " ".join(build_table("III", [made]).notes)
    assert "An iteration limit ended the solver at the chosen setting: TCA Exp.5" in notes


def test_only_the_limit_of_the_chosen_setting_is_told():
    for chosen in (False, True):
        # The second of three settings is the best one of these records.
        converged = np.array([chosen, not chosen, chosen])
        notes = " ".join(build_table("III", [record(5, converged=converged)]).notes)
        assert ("An iteration limit" in notes) == chosen


def test_own_databases_have_their_titles_where_there_is_room_else_letters_and_a_key():
    own = {"task_label": "A → dslr", "source": "amazon", "target": "dslr"}
    scores = score_records([record(5, **own)])
    table = build_table("own", scores.assign(source_title="Amazon"))
    assert table.columns[0] == ("A → dslr", "Amazon → dslr")
    assert not [note for note in table.notes if note.startswith("Databases:")]
    long = "Amazon, pictures of its catalogue"
    table = build_table("own", scores.assign(source_title=long))
    assert table.columns[0] == ("A → dslr", "")
    assert f"Databases: A is {long}." in table.notes
