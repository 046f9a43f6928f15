"""What is compared with what when cells are missing."""

import numpy as np
import pytest

from cdmer_bench.evaluation.selection import rule
from cdmer_bench.reporting.analysis import (
    comparable,
    compare_cells,
    compare_methods,
    judge_rules,
    summarize_rules,
)
from tests.reporting.records import labels, record

ORACLE = rule("oracle")


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


def test_subjects_are_drawn_where_known():
    subjects = np.array([f"s{i // 9}" for i in range(71)])
    cells = compare_cells([record(5), record(6, subject_target=subjects)], ORACLE)
    assert [c.interval.by_subject for c in cells] == [False, True]


def test_rules_are_averaged_over_the_tasks_that_have_their_input():
    scores = np.zeros((3, 71, 3), np.float32)
    records = [record(5, scores=scores), record(6)]
    found = {s.rule: s for s in summarize_rules(judge_rules(records, [ORACLE, rule("entropy")]))}
    assert found["oracle"].gap == 0
    assert (found["entropy"].n, found["entropy"].of) == (1, 2)
    assert found["entropy"].lack == "entropy needs scores, not recorded"


def test_only_one_descriptor_is_compared():
    other = record(5, descriptor_label="HOG-TOP(p=4)")
    for order in ([other, record(5)], [record(5), other, other]):
        assert [r.descriptor_label for r in comparable(order)] == ["LBP-TOP(R3P8)"]
    assert [r.descriptor_label for r in comparable([other])] == ["HOG-TOP(p=4)"]
    assert comparable([]) == []
