"""The HTML report: self-contained, escaped, honest about gaps, its figures those of the store."""

import html
import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from cdmer_bench.errors import UserError
from cdmer_bench.reporting import MissingCell
from cdmer_bench.reporting.html_report import build_report
from tests.reporting.pages import Outline, embedded, first_screen, records, rows_of, section
from tests.reporting.records import record


def test_tags_nest_and_nothing_is_loaded_from_outside(page):
    outline = Outline(page)
    assert outline.open == []
    assert outline.addresses
    assert all(a.startswith("#") for a in outline.addresses)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_databases_of_a_user_are_spoken_of_as_his():
    own = [
        record(5, *name, task_label="Lab A → Lab B", corpus="mine", classes=("p", "q", "r"))
        for name in (("svm", "Baseline"), ("tca", "TCA"))
    ]
    page = html.unescape(build_report(own))
    first = first_screen(page)
    assert "mine" in first
    assert "(p, q, r)" in first
    assert "micro-expression" not in first
    assert "paper's 12 tasks" not in page
    assert "Not run with any method" not in page


def test_what_the_page_carries_is_what_each_rule_chose_in_counts_of_true_by_predicted():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(3, 71, 3)).astype(np.float32)
    made = record(5, scores=scores, predictions=scores.argmax(-1))
    data = embedded(build_report([made, record(5, "sa", "SA")]))
    of = {cell["row"]: cell for cell in data["cells"]}
    entropies = []
    for decision in scores.astype(float):
        p = np.exp(decision) / np.exp(decision).sum(-1, keepdims=True)
        entropies.append(-(p * np.log(p)).sum(-1).mean())
    expected = {"oracle": None, "entropy": int(np.argmin(entropies))}
    expected["oracle"] = int(
        np.argmax([f1_score(made.y_target, p, average="macro") for p in made.predictions])
    )
    for name, index in expected.items():
        chosen = of["TCA"]["chosen"][name]
        assert chosen["index"] == index
        assert chosen["setting"] == f"k = {index + 1}"
        counts = confusion_matrix(made.y_target, made.predictions[index])
        assert chosen["counts"] == counts.tolist()
        assert not np.array_equal(counts, counts.T)
    assert expected["oracle"] != expected["entropy"]
    assert of["TCA"]["n"] == 71
    assert "entropy needs scores" in of["SA"]["chosen"]["entropy"]


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
    page = build_report([record(5, "svm", "Baseline"), made])
    clean = Outline(page)
    assert clean.open == []
    assert clean.tags.count("script") == 2
    assert not {"img", "u", "k", "i>"} & set(clean.tags)
    assert hostile in [cell["row"] for cell in embedded(page)["cells"]]


def test_one_record_and_rules_without_input_still_report():
    page = build_report([record(5)], selection="entropy")
    assert "entropy needs scores, not recorded" in page
    assert "Where the figures come from" in page
    one = build_report([record(5, predictions=np.zeros((1, 71)))])
    assert "1 finished cell, 1 setting in all" in one
    assert 'id="budget"' not in one
    # A column of dashes only is one of figures that are not there.
    assert '<th scope="col">McNemar p</th>' in one


def test_two_corpora_are_refused():
    with pytest.raises(UserError, match="one corpus, but there are records of other, released"):
        build_report([record(5), record(6, corpus="other")])
    with pytest.raises(UserError, match="no finished cell"):
        build_report([])


def test_one_generated_database_marks_the_page_and_its_figures_are_not_compared():
    mixed = [record(1, synthetic=True), record(2)]
    page = build_report(mixed)
    assert "(synthetic data)</title>" in page
    assert "figures equal to every digit" not in page
    # Unless that is asked for; or not to.
    assert "figures equal to every digit" in build_report(mixed, against_paper=True)
    assert "figures equal to every digit" not in build_report(records(), against_paper=False)


def test_both_sides_of_every_task_are_told():
    used = {"source": {"title": "Lab A", "remarks": ["one file is old"]}}
    generated = record(5, used=used, corpus="synthetic", synthetic=True)
    first = section(build_report([generated]), "answer")
    assert "Lab A: one file is old." in first
    assert "<dt>Databases</dt><dd>Lab A, SMIC-NIR</dd>" in first


def test_what_was_run_when_by_which_versions_and_why_cells_are_missing():
    made = [
        record(t, about={"date": f"2026-01-0{t}T00:00:00+00:00", "versions": {"numpy": f"2.{t}"}})
        for t in (2, 1, 5)
    ]
    reasons = ("failed: a", "failed: b", "without data: c")
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", reason) for reason in reasons]
    page = build_report(made, missing=missing)
    first = section(page, "answer")
    assert "2026-01-01 00:00 to 2026-01-05 00:00 UTC" in first
    assert "numpy 2.1, numpy 2.2, numpy 2.5" in first
    assert "2 failed, 1 without data." in first
    # The table says it where the figure would stand.
    assert re.search('title="(failed: a|failed: b|without data: c)"', section(page, "tables"))


def test_own_tasks_beside_those_of_the_paper():
    made = [record(5), record(6, task_label="A → B", source="a", target="b")]
    first = section(build_report(made), "answer")
    assert "TCA on" not in first
    assert "micro-expression" not in first
    assert "Exp.5 (1 of the paper's 12); A → B" in first


def test_only_one_descriptor_is_judged_and_timed():
    other = {"descriptor_label": "HOG-TOP(p=4)", "about": {"seconds": 999.0}}
    made = [record(5), record(5, "svm", "Baseline"), record(6, **other)]
    page = build_report(made)
    assert set(rows_of(section(page, "statistics"), "How sure each figure is")) == {
        "Exp.5, Baseline",
        "Exp.5, TCA",
    }
    assert "999" not in section(page, "cost")


def test_recalls_are_offered_where_all_cells_have_the_same_classes():
    own = record(5, task_label="A → B", classes=("p", "q", "r"))
    assert len(embedded(build_report([record(5)]))["measures"]) == 5
    assert len(embedded(build_report([record(5), own]))["measures"]) == 2


def test_what_the_page_opens_with_is_of_its_rule():
    """Entropy takes the third setting; the oracle another."""
    made = []
    for task, method in ((7, "TCA"), (7, "Baseline"), (8, "TCA"), (8, "Baseline")):
        n = len(record(task).y_target)
        scores = np.zeros((3, n, 3), np.float32)
        scores[2, :, 0] = 9
        weights = np.eye(3, 85, k=3) + 1e-9
        weights[2, :] = 0
        weights[2, 3] = 2.0  # the second column, upper row of 2 x 2
        extras = {"weights": weights} if method == "TCA" else {}
        made.append(record(task, method.lower(), method, scores=scores, extras=extras))
    page = build_report(made, selection="entropy")
    third = {
        (r.method_label, r.task_label): f1_score(r.y_target, r.predictions[2], average="macro")
        for r in made
    }
    heat = rows_of(section(page, "answer"), 'id="heat"')
    for method in ("TCA", "Baseline"):
        shown = [float(x) for x in heat[method][:2]]
        assert shown == pytest.approx([third[method, t] for t in ("Exp.7", "Exp.8")], abs=6e-4)
    rules = section(page, "rules")
    assert 'id="budget"' in rules
    data = embedded(page)
    assert [cell["n"] for cell in data["cells"]] == [164, 164, 130, 130]
    last = {c["row"]: c["values"][0][-1] for c in data["curves"]["entropy"]}
    for method in ("TCA", "Baseline"):
        mean = np.mean([third[method, t] for t in ("Exp.7", "Exp.8")])
        assert last[method] == pytest.approx(mean, abs=1e-5)
    ends = re.findall(r'points="[^"]*?([\d.]+),([\d.]+) "', rules)
    own = re.findall(r'points="[^"]*?([\d.]+),([\d.]+) "', section(build_report(made), "rules"))
    assert ends != own
    # A grid's picture marks the setting of the rule, with the Baseline's figure as a line.
    errors = section(page, "errors")
    assert f"chosen by entropy: k = 3 with {third['TCA', 'Exp.7']:.4f}" in errors
    # One block has all the weight: the upper right quarter.
    face = errors[errors.index('aria-label="grid of 2 x 2 blocks"') :]
    blocks = re.findall(
        r'<rect x="([\d.]+)" y="([\d.]+)"[^>]*--t:([\d.]+)', face.split("</svg>")[0]
    )
    assert blocks == [("0.5000", "0.0000", "1.0")]


def test_times_are_those_of_the_cells_and_of_a_setting():
    made = [record(t, about={"seconds": s}) for t, s in ((1, 3.0), (2, 6.0), (5, 30.0))]
    cost = section(build_report(made), "cost")
    assert re.findall(r'class="value">([^<]+)<', cost) == ["6 s", "2 s"]
    assert "Exp.5: 30 s" in cost
    assert "Exp.5: 10 s" in cost


def test_paper_stands_beside_only_for_real_data(page):
    assert "figures equal to every digit" in page
    assert "paper 0." in section(page, "tables")
    generated = build_report(records(corpus="synthetic", synthetic=True))
    assert "figures equal to every digit" not in generated
