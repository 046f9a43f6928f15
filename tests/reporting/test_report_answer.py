"""The first screen of the report: which method is best, by how much, and what warns of it."""

import re

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from cdmer_bench.reporting.html_report import build_report
from tests.reporting.pages import (
    best_prediction,
    embedded,
    first_screen,
    records,
    rows_of,
    section,
    wrong_on,
)
from tests.reporting.records import record


def test_the_first_screen_says_which_method_won_on_what_and_by_how_much(page):
    means = {}
    for made in records():
        f1 = f1_score(made.y_target, best_prediction(made), average="macro")
        means.setdefault(made.method_label, []).append(f1)
    means = {method: np.mean(values) for method, values in means.items()}
    best = max(means, key=means.get)
    first = first_screen(page)
    assert f"</small>{best}</p>" in first
    assert f"mean F1 {means[best]:.4f} on average over 3 of 12 tasks" in first
    assert f"{means[best] - means['Baseline']:.4f} more than the Baseline" in first
    assert "3 tasks are too few to tell this from chance" in first
    assert "upper bounds" in first
    assert "3 methods on 3 of 12 tasks" in first
    # Two tasks of SA are not set against three of the others.
    partial = [r for r in records() if (r.task, r.method) != ("exp05", "sa")]
    assert "Not compared, because tasks are missing: SA." in first_screen(build_report(partial))


def test_the_answer_says_whether_the_lead_is_more_than_chance():
    def told(right):
        """A method that is right more often by so much on every task."""
        made = []
        for task in range(1, 13):
            y = record(task).y_target
            for name, wrong in (("svm", 40), ("tca", right)):
                prediction = y.copy()
                prediction[:wrong] = (y[:wrong] + 1) % 3
                label = {"svm": "Baseline", "tca": "TCA"}[name]
                made.append(record(task, name, label, predictions=prediction[None]))
        return first_screen(build_report(made))

    # All 12 tasks better: the two-sided p of the signed ranks is 2 / 2 ** 12.
    assert "more than chance would give (Wilcoxon's test over 12 tasks, p = 0.00049" in told(10)
    assert "No method is better than the Baseline" in told(50)


def test_one_task_is_judged_by_its_clips(page):
    y = record(5).y_target
    wrong = y.copy()
    wrong[:30] = (y[:30] + 1) % 3
    made = [record(5, "svm", "Baseline", predictions=wrong[None]), record(5, predictions=y[None])]
    first = first_screen(build_report(made))
    assert "</small>TCA</p>" in first
    # Of 30 clips only one method has right: binomial, 2 / 2 ** 30.
    assert "more than chance would give (McNemar's test, p = 1.9e-09)" in first
    alone = first_screen(build_report([record(5)]))
    assert "Without the Baseline among the results" in alone


def test_warnings_are_a_line_each(page):
    first = first_screen(page)
    assert re.findall("<li><b>(.*?):</b> (.*?)</li>", first) == [
        (
            "Not complete",
            "3 of the paper's 12 tasks. No result: Baseline (Exp.3); TCA (Exp.3); SA (Exp.3). "
            "1 failed.",
        )
    ]
    generated = build_report(records(corpus="synthetic", synthetic=True))
    assert "<b>Synthetic:</b>" in first_screen(generated)
    assert "(synthetic data)</title>" in generated
    # Said once: not again below every table.
    assert "SYNTHETIC DATA" not in generated
    whole = first_screen(build_report([record(t) for t in range(1, 13)]))
    assert "Not complete" not in whole


def test_what_is_wrong_with_the_data_stands_on_the_first_screen():
    y = record(5).y_target[:-1]
    findings = {"error": 2, "warning": 0, "note": 0}
    used = {"database": "smic_nir", "title": "SMIC-NIR", "findings": findings}
    few = record(5, predictions=y[None], y_target=y, used={"target": used}, errors_ignored=True)
    first = first_screen(build_report([few]))
    (told,) = re.findall("<li><b>Data:</b> (.*?)</li>", first)
    assert "SMIC-NIR has 70 clips (23/28/19) where Table I has 71 (23/28/20)" in told
    assert "errors in the data of SMIC-NIR were ignored (data.errors=ignore)" in told.replace(
        "E", "e"
    )
    assert "<b>Data:</b>" not in first_screen(build_report([record(5)]))


def test_heat_map_holds_every_task_and_the_average_the_best_method_first(page):
    scores = {
        (made.method_label, made.task_label): f1_score(
            made.y_target, best_prediction(made), average="macro"
        )
        for made in records()
    }
    shown = rows_of(section(page, "answer"), 'id="heat"')
    means = {}
    for method, cells in shown.items():
        expected = [scores[method, task] for task in ("Exp.1", "Exp.2", "Exp.5")]
        assert [float(c) for c in cells[:3]] == pytest.approx(expected, abs=5e-4)
        means[method] = np.mean(expected)
        assert float(cells[3]) == pytest.approx(means[method], abs=5e-4)
    assert list(shown) == sorted(means, key=means.get, reverse=True)
    table = section(page, "answer")
    framed = re.findall(r'<td class="heat best[^>]*data-cells="(\d+)">', table)
    data = embedded(page)["cells"]
    for task in ("Exp.1", "Exp.2", "Exp.5"):
        (best,) = [data[int(i)]["row"] for i in framed if data[int(i)]["task"] == task]
        assert best == max(means, key=lambda m: scores[m, task])


def test_what_replaces_the_answer_under_another_rule_is_that_rules_own_page():
    rng = np.random.default_rng(3)
    made = [
        record(t, m, m.upper(), scores=rng.normal(size=(3, len(record(t).y_target), 3)))
        for t in (1, 2, 5)
        for m in ("svm", "tca")
    ]

    def parts(page):
        names = ("verdict", "caution", "statistics")
        found = [re.search(rf'data-part="{n}">(.*?)</div>\n', page, re.DOTALL) for n in names]
        return [part.group(1) for part in found]

    page = build_report(made)
    other = page[page.index('<template data-rule="entropy">') :]
    assert parts(other) == parts(build_report(made, selection="entropy"))
    assert parts(other) != parts(page)


def test_a_single_cell_opens_with_its_confusion_matrix():
    first = first_screen(build_report([record(5)]))
    assert 'id="heat"' not in first
    assert first.count("data-matrix=") == 1
    two = first_screen(build_report([record(5), record(5, "svm", "Baseline")]))
    assert 'id="heat"' in two
    assert "Average</th>" not in two


def test_the_answer_names_all_who_are_best_and_what_a_rule_lacks():
    same = record(5).predictions
    tied = [record(5, m, m.upper(), predictions=same) for m in ("a", "b", "c", "d")]
    assert "</small>A, B, C and 1 more</p>" in first_screen(build_report(tied))
    alone = first_screen(build_report([record(5, "svm", "Baseline", predictions=same[:1])]))
    assert "run other methods to see how much adaptation adds" in alone
    without = first_screen(build_report([record(5), record(6)], selection="entropy"))
    assert "No setting chosen for TCA (Exp.5, Exp.6): entropy needs scores" in without


def test_what_is_told_from_chance_is_corrected_for_the_number_of_methods():
    """Better on all six tasks: p = 2 / 2 ** 6, and for two methods 0.0625, however good one is."""
    wrong = {"Baseline": 30, "TCA": 10, "SA": 20}
    page = build_report([wrong_on(t, n, label) for t in range(1, 7) for label, n in wrong.items()])
    first = first_screen(page)
    assert "</small>TCA</p>" in first
    assert "6 tasks are too few to tell this from chance" in first
    over = rows_of(section(page, "statistics"), "Methods over 6 of 12 tasks")
    assert over["TCA"][2:] == ["6 of 6", "0.0312", "0.0625"]
    assert over["Baseline"][2:] == ["-", "-", "-"]
    # With seven tasks it is 2 / 2 ** 7, twice; of the leader, not of a method that is as bad.
    made = [wrong_on(t, n, label) for t in range(1, 8) for label, n in wrong.items()]
    made = [r if r.row != "SA" else wrong_on(int(r.task[3:]), 30 + int(r.task[3:]) % 2, "SA")
            for r in made]  # fmt: skip
    assert "more than chance would give (Wilcoxon's test over 7 tasks, p = 0.031" in first_screen(
        build_report(made)
    )


def test_on_one_task_the_best_is_so_by_mean_f1():
    y = record(5).y_target
    # 22 clips of all classes wrong, or the 20 of one class.
    even, two = y.copy(), np.where(y == 2, 0, y)
    even[:66:3] = (y[:66:3] + 1) % 3
    f1 = [f1_score(y, p, average="macro") for p in (even, two)]
    assert f1[0] > f1[1]
    assert accuracy_score(y, even) < accuracy_score(y, two)
    made = [record(5, "a", "A", even[None]), record(5, "b", "B", two[None])]
    assert "</small>A</p>" in first_screen(build_report(made))


def test_the_caveat_of_the_rule_and_whether_it_saw_target_labels_are_said():
    scores = np.zeros((3, 71, 3), np.float32)
    first = section(build_report([record(5, scores=scores)], selection="entropy"), "answer")
    assert "; it may prefer a setting" in first
    assert "without a target label" in first
    assert "target's own labels, which nobody has" not in first.split('<details class="run">')[0]


def test_a_method_without_a_result_on_a_task_stands_last_and_alone_is_best_of_nothing():
    made = [wrong_on(t, n, m) for t in (1, 5) for m, n in (("TCA", 5), ("SA", 9))]
    made.append(wrong_on(1, 0, "GFK"))
    shown = section(build_report(made), "answer")
    assert list(rows_of(shown, 'id="heat"')) == ["TCA", "SA", "GFK"]
    alone = section(build_report([wrong_on(1, 5, "TCA"), wrong_on(5, 5, "TCA")]), "answer")
    assert "heat best" not in alone
