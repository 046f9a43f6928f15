"""The sentences that say what an average is over, what is missing and what a rule left out."""

from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.evaluation.selection import rule
from cdmer_bench.evaluation.selection.source import NOT_PREDICTED
from cdmer_bench.reporting import MissingCell, build_table
from cdmer_bench.reporting.analysis import compare_cells, compare_methods, stats_text
from cdmer_bench.reporting.captions import absences, scope, task_span
from cdmer_bench.reporting.picture_data import cells_of
from cdmer_bench.reporting.published import paper_order, sorted_as_paper
from cdmer_bench.reporting.rules import summarize_rules
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


def test_order_of_the_paper_with_strangers_last():
    labels = ["Mine", "RSTR", "Exp.11", "TCA", "Baseline", "Exp.2", "TCA", "Yours"]
    assert paper_order(labels)[:3] == ["Baseline", "TCA", "RSTR"]
    assert paper_order(labels)[-2:] == ["Mine", "Yours"]
    assert paper_order(["Exp.11", "Exp.2", "A → B"]) == ["Exp.2", "Exp.11", "A → B"]
    made = [record(11, "rstr", "RSTR"), record(11), record(2, "x", "Mine"), record(2)]
    shown = [(r.task_label, r.method_label) for r in sorted_as_paper(made)]
    assert shown == [("Exp.2", "TCA"), ("Exp.2", "Mine"), ("Exp.11", "TCA"), ("Exp.11", "RSTR")]


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


def test_budgets_of_a_cell_are_those_that_its_grid_holds():
    rng = np.random.default_rng(0)
    made = record(5, predictions=rng.integers(0, 3, (10, 71)))
    (cell,) = cells_of([made], [rule("oracle")])
    assert list(cell.budgets) == [1, 10]
    assert cell.budgets[10] == cell.choices["oracle"].mean_f1


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
