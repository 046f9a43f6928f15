"""The HTML report: self-contained, escaped, honest about gaps, its figures those of the store."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cdmer_bench.errors import UserError
from cdmer_bench.parallel import start_beside
from cdmer_bench.reporting import MissingCell, html_rules
from cdmer_bench.reporting.analysis import judge_rules
from cdmer_bench.reporting.html_report import build_report
from tests.reporting.records import record

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """Check that tags nest, and collect tags and text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text, self.addresses = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def records(**changes):
    made = []
    for task in (1, 2, 5):
        for method, label in (("svm", "Baseline"), ("tca", "TCA"), ("sa", "SA")):
            made.append(record(task, method, label, **changes))
    return made


@pytest.fixture(scope="module")
def page():
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: <i>singular</i>")]
    return build_report(records(), missing=missing, pictures=False)


def test_tags_nest_and_nothing_is_loaded_from_outside(page):
    outline = Outline(page)
    assert outline.open == []
    assert outline.addresses
    assert all(a.startswith(("#", "data:image/svg+xml;base64,")) for a in outline.addresses)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "@import" not in page


def test_opens_with_what_was_run(page):
    first = page[page.index("<h1>") : page.index("<nav ")]
    for words in ("9 finished cells", "1 failed", "released", "TCA", "2026-01-01", "cdmer run"):
        assert words in first
    assert "smic_hs, smic_nir, smic_vis" in first
    assert "A Benchmark (Zong et al.)" in first


def test_first_screen_says_what_came_out(page):
    scores = {}
    for made in records():
        f1 = [f1_score(made.y_target, p, average="macro") for p in made.predictions]
        scores.setdefault(made.method_label, []).append(max(f1))
    means = {method: np.mean(values) for method, values in scores.items()}
    best = max(means, key=means.get)
    said = f"{best}: mean F1 {means[best]:.4f}, the highest average over 3 of 12 tasks"
    assert said in page[: page.index("<nav ")]
    # Two tasks of SA are not set against three of the others.
    partial = [r for r in records() if (r.task, r.method) != ("exp05", "sa")]
    first = build_report(partial, pictures=False)
    assert "not compared, because tasks are missing: SA" in first[: first.index("<nav ")]
    assert "Best method" not in build_report([record(5)], pictures=False)


def test_tasks_of_the_paper_that_nobody_ran_are_among_the_gaps(page):
    gaps = page[page.index('<section id="gaps">') :]
    assert "Not run with any method: Exp.4, Exp.6 to Exp.12." in gaps
    own = build_report([record(5, task_label="a → b")], pictures=False)
    assert "Not run with any method" not in own


def test_columns_of_words_stand_left_and_those_of_numbers_are_sorted_as_numbers(page):
    start = page.index("<figcaption>Where every figure comes from")
    heads = re.findall(r'<th scope="col"([^>]*)>([^<]*)</th>', page[start:])
    left = [name for kind, name in heads if kind]
    assert left == ["Descriptor", "Setting", "Key"]
    alone = re.findall(r'data-sort="(-?\d+)">(\d+) : (\d+)<', page)
    assert alone
    assert all(int(number) == int(this) - int(other) for number, this, other in alone)


def test_gaps_are_listed_and_escaped(page):
    assert "<i>singular" not in page
    assert "failed: &lt;i&gt;singular&lt;/i&gt;" in page
    assert "(3 of 6)" in page


def test_figures_are_those_of_the_predictions(page):
    for made in records():
        best = 0.0
        for prediction in made.predictions:
            f1 = [
                2
                * np.sum((made.y_target == c) & (prediction == c))
                / (np.sum(made.y_target == c) + np.sum(prediction == c))
                for c in range(3)
            ]
            best = max(best, np.mean(f1))
        rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', page, re.DOTALL)
        name = f"{made.task_label}, {made.method_label}"
        assert any(head == name and f">{best:.4f}<" in rest for head, rest in rows)


def test_average_of_a_rule_says_which_tasks_it_lacks():
    partial = [r for r in records() if (r.task, r.method) != ("exp05", "sa")]
    rules = build_report(partial, pictures=False)
    rules = rules[rules.index('<section id="rules">') : rules.index('<section id="statistics">')]
    (row,) = re.findall(r'<th scope="row">SA</th>(.*?)</tr>', rules)
    assert row.count("(2 of 3 tasks)") == row.count("<td") > 0
    (whole,) = re.findall(r'<th scope="row">TCA</th>(.*?)</tr>', rules)
    assert "tasks" not in whole


def test_paper_stands_beside_only_for_real_data(page):
    assert "figures equal to every digit" in page
    generated = build_report(records(corpus="synthetic", synthetic=True), pictures=False)
    assert "figures equal to every digit" not in generated
    assert "SYNTHETIC DATA" in generated[: generated.index("<nav ")]
    assert "(synthetic data)</title>" in generated


def test_labels_of_users_cannot_become_markup():
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    made = record(
        5,
        "x",
        hostile,
        descriptor_label="LBP-TOP(R3P8)",
        classes=('"><b>', "<u>", "&"),
        settings=[{"<k>": i} for i in range(3)],
        notes={0: hostile},
        about={"command": hostile, "machine": hostile, "date": hostile, "versions": {"<": ">"}},
    )
    clean = Outline(build_report([record(5, "svm", "Baseline"), made], pictures=False))
    assert clean.open == []
    assert clean.tags.count("script") == 1
    assert not {"img", "b", "u", "k"} & set(clean.tags) - {"b"}


def test_one_record_and_rules_without_input_still_report():
    page = build_report([record(5)], selection="entropy", pictures=False)
    assert "entropy needs scores, not recorded" in page
    assert "Where the figures come from" in page


def test_one_cell_is_said_to_be_a_part():
    page = build_report([record(5, predictions=np.zeros((1, 71)))], pictures=False)
    first = html.unescape(page[: page.index("<nav ")])
    assert "NOT COMPLETE: 1 of the paper's 12 tasks." in first
    assert "1 finished cell; " in first
    assert "(1 setting in all)" in first
    # A column of dashes only is one of figures that are not there.
    assert '<th scope="col">McNemar p</th>' in page
    whole = build_report([record(t) for t in range(1, 13)], pictures=False)
    assert "NOT COMPLETE" not in whole
    own = build_report([record(5, task_label="a → b")], pictures=False)
    assert "NOT COMPLETE" not in own


def test_two_corpora_are_refused():
    with pytest.raises(UserError, match="one corpus, but there are records of other, released"):
        build_report([record(5), record(6, corpus="other")])
    with pytest.raises(UserError, match="no finished cell"):
        build_report([])


def test_report_is_the_same_if_rules_are_judged_in_another_process(monkeypatch):
    made = records()
    here = build_report(made, pictures=False)
    monkeypatch.setattr(html_rules, "_WORTH_A_PROCESS", 1)
    calls = []

    def start(function, *arguments):
        calls.append(function)
        return start_beside(function, *arguments)

    monkeypatch.setattr(html_rules, "start_beside", start)
    assert build_report(made, pictures=False) == here
    assert calls == [judge_rules]


def test_report_with_pictures():
    pytest.importorskip("matplotlib")
    blocks = {"extras": {"weights": np.arange(255.0).reshape(3, 85)}}
    outline = Outline(build_report([*records(), record(5, "rstr", "RSTR", **blocks)]))
    # A map, budgets, times, a grid for each method, blocks, and ranks.
    assert outline.tags.count("img") == 9
    assert outline.open == []


def test_report_of_single_settings_has_no_picture_of_budgets():
    pytest.importorskip("matplotlib")
    one = record(5, predictions=np.zeros((1, 71)))
    outline = Outline(build_report([one]))
    # A map and times.
    assert outline.tags.count("img") == 2
