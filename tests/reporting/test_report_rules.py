"""The rules and the budget in the report: curves, losses, and which rules are offered."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cdmer_bench.evaluation.selection import rule
from cdmer_bench.reporting.html_report import build_report
from tests.reporting.pages import embedded, records, rows_of, section
from tests.reporting.records import record


def test_tasks_with_other_classes_share_the_curves_of_mean_f1_and_accuracy():
    own = {"task": "a__b", "task_label": "A → B", "classes": tuple("abcd"), "key": "own"}
    page = build_report([record(5), replace(record(6), **own)])
    (curve,) = embedded(page)["curves"]["oracle"]
    assert (curve["tasks"], len(curve["values"])) == (2, 2)
    assert [m["label"] for m in embedded(page)["measures"]] == ["mean F1", "accuracy (%)"]


def test_a_curve_says_over_how_many_tasks_it_is():
    partial = [r for r in records() if (r.task, r.method) != ("exp05", "sa")]
    page = build_report(partial)
    lines = {c["row"]: c["tasks"] for c in embedded(page)["curves"]["oracle"]}
    assert lines == {"Baseline": 3, "TCA": 3, "SA": 2}
    assert "SA (2 of 3)" in section(page, "rules")


def test_average_of_a_rule_says_once_a_row_which_tasks_it_lacks():
    partial = [r for r in records() if (r.task, r.method) != ("exp05", "sa")]
    rows = rows_of(section(build_report(partial), "rules"), "Mean F1 under each rule")
    assert rows["SA"][-1] == "2 of 3"
    assert rows["TCA"][-1] == "3 of 3"


def test_rules_are_ranked_by_what_they_lose_against_the_oracle():
    made = []
    for task in (1, 2, 5):
        rng = np.random.default_rng(task)
        n = len(record(task).y_target)
        scores = rng.normal(size=(4, n, 3)).astype(np.float32)
        settings = [{"k": i} for i in range(4)]
        made.append(record(task, predictions=scores.argmax(-1), scores=scores, settings=settings))
    text = section(build_report(made), "rules")
    best = text[text.index('id="best-rule"') :]
    shown = re.findall(r'class="label">([^<]*)</span>.*?class="value">([\d.]+)<', best, re.DOTALL)
    losses = {name: float(value) for name, value in shown}
    f1 = [[f1_score(r.y_target, p, average="macro") for p in r.predictions] for r in made]
    for name in ("entropy", "infomax", "class_balance"):
        lost = [max(s) - s[rule(name).select(r)] for s, r in zip(f1, made, strict=True)]
        assert losses[name] == pytest.approx(np.mean(lost), abs=5e-5)
    assert losses["a setting at random"] == pytest.approx(
        np.mean([max(s) - np.mean(s) for s in f1]), abs=5e-5
    )
    order = [name for name, _ in shown][:-1]
    assert order == sorted(order, key=losses.get)


def test_the_options_of_the_rule_that_the_page_opens_with_are_kept():
    page = build_report(records(), selection=rule("fixed", settings={"tca": {"k": 3}}))
    (chosen,) = {
        cell["chosen"]["fixed"]["setting"]
        for cell in embedded(page)["cells"]
        if cell["row"] == "TCA"
    }
    assert chosen == "k = 3"


def test_rules_are_offered_where_a_grid_leaves_something_to_choose():
    scores = np.zeros((1, 71, 3), np.float32)
    one = build_report([record(5, predictions=np.zeros((1, 71)), scores=scores)])
    assert re.findall('<option value="([a-z_]+)"', one) == ["oracle"]


def test_what_a_rule_loses_is_marked_at_its_loss():
    made = []
    for task in (1, 2, 5):
        rng = np.random.default_rng(task)
        scores = rng.normal(size=(4, len(record(task).y_target), 3)).astype(np.float32)
        made.append(record(task, predictions=scores.argmax(-1), scores=scores, settings=[{}] * 4))
    text = section(build_report(made), "rules")
    tips = re.findall(r'class="dot" style="left:([\d.]+)%" title="([a-z ]+): loses ([\d.]+)', text)
    places = sorted((float(loss), float(left)) for left, _, loss in tips)
    assert len(places) > 2
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(places) if b[0] > a[0]]
    assert slopes == pytest.approx([np.mean(slopes)] * len(slopes), rel=0.05)
