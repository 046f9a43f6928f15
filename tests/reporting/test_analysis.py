"""What is compared with what when cells are missing."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.evaluation.selection import rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.reporting import MissingCell, build_table
from cdmer_bench.reporting.analysis import (
    choose_settings,
    comparable,
    compare_cells,
    compare_methods,
    control_of,
    drawn_units,
    stats_text,
)
from cdmer_bench.reporting.captions import CHOSEN_ON_TARGET, SYNTHETIC, about_unchosen
from cdmer_bench.reporting.html_report import build_report
from cdmer_bench.reporting.picture_data import cells_of
from cdmer_bench.reporting.rules import summarize_rules
from cdmer_bench.results.current import current
from tests.reporting.records import labels, record

ORACLE = rule("oracle")


def statistics_section(records, rule):
    """The section of the report."""
    page = html.unescape(build_report(records, selection=rule))
    start = page.index('<section id="statistics">')
    return page[start : page.index("</section>", start)]


def three_methods(tasks):
    names = (("svm", "Baseline"), ("tca", "TCA"), ("sa", "SA"))
    return [record(t, m, label) for t in tasks for m, label in names]


def test_methods_that_lack_a_task_are_left_out():
    records = [*three_methods((1, 2, 3)), record(1, "gfk", "GFK")]
    overall = compare_methods(compare_cells(records, ORACLE))
    assert overall.tasks == ("Exp.1", "Exp.2", "Exp.3")
    assert overall.methods == ("Baseline", "TCA", "SA")
    assert overall.left_out == ("GFK",)
    assert overall.scores.shape == (3, 3)
    assert overall.ranking.n_tasks == 3
    assert np.isnan(overall.p[0])


def test_too_little_to_compare():
    assert compare_methods([]) is None
    assert compare_methods(compare_cells([record(1), record(2)], ORACLE)) is None
    assert DEPENDENCE not in stats_text([record(1)], ORACLE)  # no test over tasks was made
    assert DEPENDENCE in stats_text(three_methods((1, 2)), ORACLE)
    two = compare_methods(compare_cells(three_methods((1, 2))[:5], ORACLE))
    assert two.left_out == ("SA",)
    assert two.ranking is None


def test_mcnemar_against_the_baseline_of_the_same_task():
    y = labels("smic_nir")
    wrong = (y + 1) % 3
    records = [record(5, "svm", "Baseline", wrong[None]), record(5, "tca", "TCA", y[None])]
    cells = {c.method: c for c in compare_cells(records, ORACLE)}
    assert cells["Baseline"].p is None
    assert (cells["TCA"].only_this, cells["TCA"].only_baseline) == (71, 0)
    assert cells["TCA"].p == pytest.approx(2 * 0.5**71)


def test_cells_are_compared_by_the_names_of_their_classes():
    y = labels("smic_nir")
    right, wrong = y[None], ((y + 1) % 3)[None]
    tca = record(5, "tca", "TCA", right)
    # The Baseline of a run whose card lists the classes in another order, with other numbers.
    order = ("surprise", "positive", "negative")
    turned = {"classes": order, "y_target": 2 - y}
    baseline = record(5, "svm", "Baseline", 2 - wrong, **turned)
    cells = {c.method: c for c in compare_cells([baseline, tca], ORACLE)}
    assert (cells["TCA"].only_this, cells["TCA"].only_baseline) == (71, 0)
    # The same numbers for other classes are other clips, which cannot be compared.
    other = record(5, "svm", "Baseline", wrong, classes=("a", "b", "c"))
    cells = {c.method: c for c in compare_cells([other, tca], ORACLE)}
    assert cells["TCA"].p is None


def test_subjects_are_drawn_where_known():
    subjects = np.array([f"s{i // 9}" for i in range(71)])
    cells = compare_cells([record(5), record(6, subject_target=subjects)], ORACLE)
    assert [c.interval.by_subject for c in cells] == [False, True]


def test_rules_are_averaged_over_the_tasks_that_have_their_input():
    scores = np.zeros((3, 71, 3), np.float32)
    records = [record(5, scores=scores), record(6)]
    found = {s.rule: s for s in summarize_rules(cells_of(records, [ORACLE, rule("entropy")]))}
    assert found["oracle"].gap == 0
    assert (found["entropy"].n, found["entropy"].of) == (1, 2)
    assert found["entropy"].lack == "entropy needs scores, not recorded"


def test_a_score_of_zero_is_a_score():
    wrong = (labels("smic_nir") + 1) % 3
    (found,) = summarize_rules(cells_of([record(5, predictions=wrong[None])], [ORACLE]))
    assert (found.mean_f1, found.n) == (0.0, 1)


def test_only_one_descriptor_is_compared():
    other = record(5, descriptor_label="HOG-TOP(p=4)")
    for order in ([other, record(5)], [record(5), other, other]):
        assert [r.descriptor_label for r in comparable(order)] == ["LBP-TOP(R3P8)"]
    assert [r.descriptor_label for r in comparable([other])] == ["HOG-TOP(p=4)"]
    assert comparable([]) == []


def test_variants_of_a_method_stand_beside_each_other_as_in_the_tables():
    fast, exact = ({"solver": s, "label": "RSTR", "method": "rstr"} for s in ("paper", "exact"))
    records = [
        *(record(t, "svm", "Baseline") for t in (1, 2)),
        record(1, "svm", "Baseline", parameters={"k": 2, "mu": 2.0}),
        *(record(t, **fast) for t in (1, 2)),
        *(record(t, **exact) for t in (1, 2)),
    ]
    shown = current(records)
    assert [(r.task_label, r.row) for r in comparable(shown)] == [
        ("Exp.1", "Baseline [mu = 1.0]"),
        ("Exp.2", "Baseline [mu = 1.0]"),
        ("Exp.1", "Baseline [mu = 2.0]"),
        ("Exp.1", "RSTR [paper solver]"),
        ("Exp.2", "RSTR [paper solver]"),
        ("Exp.1", "RSTR [exact solver]"),
        ("Exp.2", "RSTR [exact solver]"),
    ]
    cells = compare_cells(shown, ORACLE)
    # The others are tested against the Baseline that has most tasks.
    tested = {(c.task, c.method) for c in cells if c.p is not None}
    assert tested == {(r.task_label, r.row) for r in shown} - {
        ("Exp.1", "Baseline [mu = 1.0]"),
        ("Exp.2", "Baseline [mu = 1.0]"),
    }
    overall = compare_methods(cells)
    assert overall.methods == ("Baseline [mu = 1.0]", "RSTR [paper solver]", "RSTR [exact solver]")
    assert np.isnan(overall.p).tolist() == [True, False, False]
    table = build_table("III", records, whole=False)
    assert {r.row for r in shown} <= {row.name for row in table.rows}


def test_methods_that_share_fewer_tasks_than_the_baseline_has_are_compared_over_those():
    records = [
        *three_methods((1, 2, 3)),
        record(4, "svm", "Baseline"),
        record(5, "svm", "Baseline"),
    ]
    overall = compare_methods(compare_cells(records, ORACLE))
    assert overall.tasks == ("Exp.1", "Exp.2", "Exp.3")
    assert overall.methods == ("Baseline", "TCA", "SA")
    assert overall.left_out_sentences == (
        "Left out, because TCA, SA lack some of their results: Exp.4, Exp.5.",
    )


def test_methods_are_compared_without_the_baseline_if_they_share_too_little_with_it():
    records = [r for r in three_methods((1, 2, 3)) if r.method != "svm" or r.task_label == "Exp.3"]
    overall = compare_methods(compare_cells(records, ORACLE))
    assert (overall.tasks, overall.methods) == (("Exp.1", "Exp.2", "Exp.3"), ("TCA", "SA"))
    assert overall.left_out == ("Baseline",)
    assert overall.p is None


def test_statistics_name_the_cells_that_a_rule_cannot_choose_for():
    scores = np.zeros((3, 71, 3), np.float32)
    records = [record(5, scores=scores), record(6), record(5, "sa", "SA"), record(6, "sa", "SA")]
    sentence = (
        "No setting chosen for TCA (Exp.6); SA (Exp.5, Exp.6): entropy needs scores, not recorded."
    )
    assert about_unchosen(choose_settings(records, rule("entropy"))[1]) == [sentence]
    assert about_unchosen(choose_settings(records, ORACLE)[1]) == []
    assert sentence in stats_text(records, rule("entropy"))
    told = "No setting chosen for SA (Exp.5, Exp.6); TCA (Exp.6): entropy needs scores"
    assert told in statistics_section(records, rule("entropy"))
    nothing = stats_text(records[1:], rule("entropy"))
    assert "TCA (Exp.6); SA (Exp.5, Exp.6): entropy needs" in nothing
    assert "bootstrap" not in nothing
    assert "SA (Exp.5, Exp.6); TCA (Exp.6)" in statistics_section(records[1:], rule("entropy"))


def test_what_the_bootstrap_drew_is_said_of_cells_with_and_without_subjects():
    known = record(6, subject_target=np.array([f"s{i // 9}" for i in range(71)]))
    for records, units in (
        ([known], "subjects"),
        ([record(5)], "clips"),
        ([known, record(5)], "subjects where they are known, else clips"),
    ):
        assert drawn_units(compare_cells(records, ORACLE)) == units
        assert f"intervals over {units};" in stats_text(records, ORACLE)
        assert f"Bootstrap over {units}, 2,000" in statistics_section(records, ORACLE)


def test_what_choosing_on_the_target_adds_is_said_where_it_was_done():
    for text in (stats_text, statistics_section):
        assert CHOSEN_ON_TARGET in text([record(5)], ORACLE)
        assert CHOSEN_ON_TARGET not in text([record(5)], rule("class_balance"))


def test_statistics_name_methods_that_failed_everywhere():
    failed = [MissingCell("Exp.6", "Flaky", "LBP-TOP(R3P8)", "failed: no")]
    text = stats_text([record(5), record(6)], ORACLE, failed)
    assert "Tasks: 2 of 12 tasks. No result: Flaky (all tasks)." in text
    # A failed cell of a method whose variants have results does not stand there as one without any.
    variants = current([record(5, solver="paper"), record(5, solver="exact")])
    failed = [MissingCell("Exp.6", "TCA", "LBP-TOP(R3P8)", "failed: no")]
    text = stats_text(variants, ORACLE, failed)
    assert "No result: TCA [paper solver] (Exp.6); TCA [exact solver] (Exp.6)." in text


def test_letters_of_own_databases_are_explained():
    used = {"source": {"title": "Amazon"}, "target": {"title": "DSLR"}}
    own = {"task": "a__d", "task_label": "A → D", "source": "a", "target": "d", "used": used}
    text = stats_text([replace(record(5), **own)], ORACLE)
    assert "Databases: A is Amazon, D is DSLR." in text
    assert "Databases:" not in stats_text([record(5)], ORACLE)


def predicting(task, wrong, **changes):
    """A record of one setting that has the first clips of the target wrong."""
    y = record(task).y_target
    prediction = y.copy()
    prediction[:wrong] = (y[:wrong] + 1) % 3
    return record(task, predictions=prediction[None], **changes)


def test_the_descriptor_that_most_records_have_is_compared_where_the_papers_is_not():
    hog, lpq = (record(5, descriptor_label=label) for label in ("HOG-TOP(p=4)", "LPQ-TOP"))
    assert [r.descriptor_label for r in comparable([hog, lpq, lpq])] == ["LPQ-TOP"] * 2


def test_the_baseline_of_most_tasks_is_the_control_also_as_a_second_row():
    variants = {"a": (1, 2), "b": (1, 2, 3)}
    records = [
        record(t, "svm", "Baseline", variant=name) for name, ts in variants.items() for t in ts
    ]
    records += [record(t) for t in (1, 2)]
    assert control_of(r.row for r in records) == "Baseline [b]"
    overall = compare_methods(compare_cells(records, ORACLE))
    assert overall.methods == ("Baseline [a]", "Baseline [b]", "TCA")
    assert np.isnan(overall.p).tolist() == [False, True, False]


def test_methods_that_have_some_of_the_tasks_left_out_are_said_to_lack_the_others():
    tasks = {"Baseline": (1, 2), "TCA": (1, 2, 3), "SA": (1, 2, 4)}
    records = [record(t, label.lower(), label) for label, ts in tasks.items() for t in ts]
    assert compare_methods(compare_cells(records, ORACLE)).left_out_sentences == (
        "Left out, because Baseline, TCA, SA lack some of their results: Exp.3, Exp.4.",
    )


def test_average_ranks_tell_scores_apart_that_differ_by_little():
    wrong = {"TCA": 20, "SA": 21, "GFK": 22}
    records = [predicting(t, n, method_label=label) for t in (5, 6) for label, n in wrong.items()]
    assert compare_methods(compare_cells(records, ORACLE)).average_ranks.tolist() == [1, 3, 2]


def test_the_text_has_clips_won_and_lost_and_p_values_corrected_for_the_number_of_methods():
    wrong = {"Baseline": 30, "TCA": 10, "SA": 20}
    records = [
        predicting(t, n, method_label=label) for t in range(1, 7) for label, n in wrong.items()
    ]
    text = stats_text(records, ORACLE)
    # Of the first 30 clips the Baseline has none, TCA the last 20 and SA the last 10.
    assert re.findall(r"^Exp.1 +(\w+) .* (\d+ : \d+|-) ", text, re.MULTILINE) == [
        ("Baseline", "-"),
        ("TCA", "20 : 0"),
        ("SA", "10 : 0"),
    ]
    # Better on all six tasks: 2 / 2 ** 6, and by Holm for two methods twice that.
    over = text[text.index("Over 6 of 12 tasks") :]
    assert re.findall(r"^(TCA|SA) .* (\S+)$", over, re.MULTILINE) == [
        ("TCA", "0.0625"),
        ("SA", "0.0625"),
    ]


def test_one_generated_database_and_remarks_on_either_side_stand_in_the_text():
    assert SYNTHETIC in stats_text([record(5, synthetic=True), record(6)], ORACLE)
    assert SYNTHETIC not in stats_text([record(5), record(6)], ORACLE)
    used = {"source": {"remarks": ["one file is old"]}, "target": {"remarks": ["two are new"]}}
    text = stats_text([record(5, used=used)], ORACLE)
    assert "SMIC-NIR: one file is old." not in text
    assert "SMIC-VIS: one file is old." in text
    assert "SMIC-NIR: two are new." in text


def test_what_is_known_against_a_rule_stands_in_the_text():
    scores = np.zeros((3, 71, 3), np.float32)
    assert "\nentropy: it may prefer a setting" in stats_text(
        [record(5, scores=scores)], rule("entropy")
    )


def test_tasks_with_names_of_several_lengths_stand_in_one_column():
    records = [record(5, task_label=label) for label in ("A → B", "A longer name → B")]
    lines = [line for line in stats_text(records, ORACLE).splitlines() if line.startswith("A ")]
    assert len({line.index("TCA") for line in lines}) == 1
