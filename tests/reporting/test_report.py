"""The HTML report: self-contained, escaped, honest about gaps, its figures those of the store."""

import html
import itertools
import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import Rule, rule
from cdmer_bench.reporting import MissingCell
from cdmer_bench.reporting.html_report import build_report
from cdmer_bench.reporting.picture_data import cells_of, curves, measured
from cdmer_bench.results.current import current
from tests.reporting.records import record

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """Check that tags nest, and collect tags and addresses."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def records(**changes):
    names = (("svm", "Baseline"), ("tca", "TCA"), ("sa", "SA"))
    return [record(task, *name, **changes) for task in (1, 2, 5) for name in names]


def best_prediction(made):
    scores = [f1_score(made.y_target, p, average="macro") for p in made.predictions]
    return made.predictions[int(np.argmax(scores))]


def section(page, name):
    start = page.index(f'<section id="{name}">')
    return html.unescape(page[start : page.index("</section>", start)])


def first_screen(page):
    return section(page, "answer").split('<details class="run">')[0]


def embedded(page):
    text = re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1)
    return json.loads(text)


def rows_of(text, opening):
    """Return the cells of each row of the first table after some text, by the row's name."""
    table = text[text.index(opening) :]
    table = table[: table.index("</table>")]
    found = {}
    for name, rest in re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', table, re.DOTALL):
        found[name] = [
            re.sub("<[^>]*>", "", cell).strip()
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", rest, re.DOTALL)
        ]
    return found


@pytest.fixture(scope="module")
def page():
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: <i>singular</i>")]
    return build_report(records(), missing=missing)


def test_tags_nest_and_nothing_is_loaded_from_outside(page):
    outline = Outline(page)
    assert outline.open == []
    assert outline.addresses
    assert all(a.startswith("#") for a in outline.addresses)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


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


def test_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(0, 3, (2, 60))
    f1, percent, *recalls = measured(confusion_matrix(true, predicted))
    assert f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    assert percent == pytest.approx(100 * accuracy_score(true, predicted))
    assert recalls == pytest.approx(100 * recall_score(true, predicted, average=None))
    assert np.isnan(measured(np.array([[3, 1], [0, 0]]))[3])


@pytest.mark.parametrize("name", ["oracle", "entropy"])
def test_curves_are_means_over_all_parts_of_the_grid(name):
    """The measure at the setting that the rule chooses, over every subset of the settings."""
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(5, 71, 3)).astype(np.float32)
    made = record(
        5, predictions=scores.argmax(-1), scores=scores, settings=[{"k": i} for i in range(5)]
    )
    chosen = rule(name)
    cells = cells_of([made], [chosen])
    ((curve,),) = curves(cells, [chosen]).values()
    criterion = chosen.criterion(made)
    of_setting = [
        [
            f1_score(made.y_target, p, average="macro"),
            100 * accuracy_score(made.y_target, p),
            *(100 * recall_score(made.y_target, p, average=None)),
        ]
        for p in made.predictions
    ]
    for m, values in zip(curve.budgets, curve.values, strict=True):
        parts = list(itertools.combinations(range(5), m))
        picked = [max(part, key=lambda i: criterion[i]) for part in parts]
        assert values == pytest.approx(np.mean([of_setting[i] for i in picked], axis=0))
    assert curve.budgets.tolist() == [1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Tied(Rule):
    """The second setting is better by rounding alone, so the first is chosen."""

    name = "tied"
    label = "tied"

    def criterion(self, record):
        return np.array([1.0, 1.0 + 2e-16, 0.0])


def test_a_curve_ends_at_the_figure_that_the_tables_show():
    made, chosen = record(5), Tied()
    cells = cells_of([made], [chosen])
    ((curve,),) = curves(cells, [chosen]).values()
    f1 = [f1_score(made.y_target, p, average="macro") for p in made.predictions]
    assert f1[0] != f1[1]
    assert curve.values[-1, 0] == pytest.approx(f1[0])
    assert cells[0].values("tied")[0] == pytest.approx(f1[0])


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


def test_figures_of_tables_come_from_the_cells_that_they_name(page):
    data = embedded(page)["cells"]
    text = section(page, "tables")
    found = re.findall(r'data-cells="(\d+)"[^>]*>(?:<b>)?([\d.]+)', text)
    assert len(found) == 9
    by_key = {(r.method_label, r.task_label): r for r in records()}
    for number, shown in found:
        made = by_key[data[int(number)]["row"], data[int(number)]["task"]]
        f1 = f1_score(made.y_target, best_prediction(made), average="macro")
        assert shown == f"{f1:.4f}"


def test_descriptors_and_variants_have_their_own_cells():
    made = [
        record(5, "svm", "Baseline"),
        record(5, "svm", "Baseline", key="h", descriptor_label="HOG-TOP(p=4)"),
        record(5, key="a", parameters={"k": 2, "mu": 1.0}),
        record(5, key="b", parameters={"k": 2, "mu": 5.0}),
    ]
    page = build_report(current(made))
    data, text = embedded(page)["cells"], section(page, "tables")
    for row, descriptor, name in (
        ("Baseline", "HOG-TOP(p=4)", "HOG-TOP(p=4)"),
        ("TCA [mu = 1.0]", "LBP-TOP(R3P8)", "TCA [mu = 1.0]"),
        ("TCA [mu = 5.0]", "LBP-TOP(R3P8)", "TCA [mu = 5.0]"),
    ):
        numbers = re.findall(
            rf'data-row="{re.escape(name)}"><th[^>]*>[^<]*</th>.*?data-cells="(\d+)"', text, re.S
        )
        assert numbers
        for number in numbers:
            assert (data[int(number)]["row"], data[int(number)]["descriptor"]) == (row, descriptor)
    # In the table of descriptors the Baseline is that of the paper's descriptor.
    descriptors = text[text.index("Table V:") :]
    (number,) = re.findall(r'data-row="Baseline">.*?data-cells="(\d+)"', descriptors, re.DOTALL)[:1]
    assert data[int(number)]["descriptor"] == "LBP-TOP(R3P8)"


def test_methods_of_table_vii_name_their_cells():
    tuned = {"key": "tuned", "descriptor_label": "C3D-FC1 (Finetune)"}
    page = build_report(
        [record(8, "svm", "Baseline"), record(8), record(8, "svm", "Baseline", **tuned)]
    )
    text = section(page, "tables")
    last = text[text.index("Table VII:") :]
    (number,) = re.findall(r'data-row="TCA">.*?data-cells="(\d+)"', last, re.DOTALL)[:1]
    assert embedded(page)["cells"][int(number)]["row"] == "TCA"


def test_confusion_matrices_have_true_classes_in_rows(page):
    text = section(page, "errors")
    for made in records():
        number = next(
            i
            for i, cell in enumerate(embedded(page)["cells"])
            if (cell["row"], cell["task"]) == (made.method_label, made.task_label)
        )
        table = text[text.index(f'data-matrix="{number}"') :]
        counts = re.findall(r"<td[^>]*>(\d+)<small>(\d+) %", table[: table.index("</table>")])
        expected = confusion_matrix(made.y_target, best_prediction(made))
        assert [int(c) for c, _ in counts] == expected.ravel().tolist()
        shares = 100 * expected / expected.sum(axis=1, keepdims=True)
        assert [int(s) for _, s in counts] == np.round(shares).astype(int).ravel().tolist()


def test_gaps_are_listed_and_escaped(page):
    assert "<i>singular" not in page
    assert "failed: &lt;i&gt;singular&lt;/i&gt;" in page
    assert "(3 of 6)" in page
    assert "Not run with any method: Exp.4, Exp.6 to Exp.12." in section(page, "errors")


def test_columns_of_words_stand_left_and_those_of_numbers_are_sorted_as_numbers(page):
    start = page.index("<figcaption>Where every figure comes from")
    heads = re.findall(r'<th scope="col"([^>]*)>([^<]*)</th>', page[start:])
    assert [name for kind, name in heads if kind] == ["Descriptor", "Setting", "Key"]
    apart = re.findall(r'data-sort="(-?\d+)">(\d+) : (\d+)<', page)
    assert apart
    assert all(int(number) == int(this) - int(other) for number, this, other in apart)


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


def test_paper_stands_beside_only_for_real_data(page):
    assert "figures equal to every digit" in page
    assert "paper 0." in section(page, "tables")
    generated = build_report(records(corpus="synthetic", synthetic=True))
    assert "figures equal to every digit" not in generated


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


def test_times_are_those_of_the_cells_and_of_a_setting():
    made = [record(t, about={"seconds": s}) for t, s in ((1, 3.0), (2, 6.0), (5, 30.0))]
    cost = section(build_report(made), "cost")
    assert re.findall(r'class="value">([^<]+)<', cost) == ["6 s", "2 s"]
    assert "Exp.5: 30 s" in cost
    assert "Exp.5: 10 s" in cost


def test_blocks_are_drawn_over_one_another_with_the_share_of_each_grid():
    weights = np.zeros((3, 85))
    weights[:, 0], weights[:, 5] = 1.0, 3.0  # the whole face, and the upper left of 4 x 4
    weights[[0, 2]] *= 10  # of settings that are not chosen
    made = record(5, "rstr", "RSTR", extras={"weights": weights})
    text = section(build_report([made]), "errors")
    assert "1 x 1: 1 of 1 blocks, 25 % of the weight" in text
    assert "4 x 4: 1 of 16 blocks, 75 % of the weight" in text
    assert "8 x 8: 0 of 64 blocks, 0 % of the weight" in text
    overlaid = text[text.index('aria-label="all grids, laid') :]
    shades = re.findall(r"--t:([\d.]+)", overlaid[: overlaid.index("</svg>")])
    assert len(shades) == 64
    assert sorted(set(shades)) == ["0.25", "1.0"]
    assert shades.count("1.0") == 4
    drawn = {n: text[text.index(f'aria-label="grid of {n} x {n} blocks"') :] for n in (1, 4)}
    for n, shade in ((1, "0.333"), (4, "1.0")):
        assert re.findall(r"--t:([\d.]+)", drawn[n].split("</svg>")[0]) == [shade]


def wrong_on(task, n, label, **changes):
    """A record of one setting that has the first clips of the target wrong."""
    y = record(task).y_target
    prediction = y.copy()
    prediction[:n] = (y[:n] + 1) % 3
    return record(task, label.lower(), label, predictions=prediction[None], **changes)


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


def test_the_options_of_the_rule_that_the_page_opens_with_are_kept():
    page = build_report(records(), selection=rule("fixed", settings={"tca": {"k": 3}}))
    (chosen,) = {
        cell["chosen"]["fixed"]["setting"]
        for cell in embedded(page)["cells"]
        if cell["row"] == "TCA"
    }
    assert chosen == "k = 3"


def test_one_generated_database_marks_the_page_and_its_figures_are_not_compared():
    mixed = [record(1, synthetic=True), record(2)]
    page = build_report(mixed)
    assert "(synthetic data)</title>" in page
    assert "figures equal to every digit" not in page
    # Unless that is asked for; or not to.
    assert "figures equal to every digit" in build_report(mixed, against_paper=True)
    assert "figures equal to every digit" not in build_report(records(), against_paper=False)


def test_a_note_of_one_table_does_not_stand_above_all():
    made = [record(1, solver="exact"), record(7)]
    text = section(build_report(made), "tables")
    note = "Solver run until it converged: TCA."
    assert text.count(note) == 1
    assert text.index("Table III") < text.index(note) < text.index("Table IV")
    assert text.index("Corpus: released.") < text.index("Table III")


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


def test_rules_are_offered_where_a_grid_leaves_something_to_choose():
    scores = np.zeros((1, 71, 3), np.float32)
    one = build_report([record(5, predictions=np.zeros((1, 71)), scores=scores)])
    assert re.findall('<option value="([a-z_]+)"', one) == ["oracle"]


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


def test_the_line_in_a_picture_of_a_grid_is_the_baselines_figure():
    made = [record(5), wrong_on(5, 10, "Baseline")]
    page = section(build_report(made), "errors")
    picture = page[page.index("<summary>TCA on Exp.5") :]
    level = float(re.search(r'class="level" d="M[\d.]+ ([\d.]+)H', picture)[1])
    points = re.search(r'points="([^"]*)"', picture)[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    f1 = [f1_score(made[0].y_target, p, average="macro") for p in made[0].predictions]
    # Heights are linear in mean F1.
    slope, start = np.polyfit(f1, heights, 1)
    base = f1_score(made[1].y_target, made[1].predictions[0], average="macro")
    assert level == pytest.approx(start + slope * base, abs=0.2)


def test_of_two_methods_side_by_side_the_better_one_on_a_task_lies_on_its_side():
    made = [wrong_on(t, n, m) for t in (1, 5) for m, n in (("Baseline", 30), ("TCA", 5))]
    text = section(build_report(made), "tables")
    chart = text[text.index('id="pair"') :]
    assert "mean F1 of Baseline</text>" in chart
    # 350 x 350, with 50 and 14 beside the axes, 12 above and 42 below; both axes are the same.
    for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart):
        across, up = (float(x) - 50) / (336 - 50), (308 - float(y)) / (308 - 12)
        assert up > across


def test_the_papers_figures_and_the_differences_stand_in_the_tables():
    made = wrong_on(5, 27, "TCA")  # 44 of 71, as the paper's TCA, which has a mean F1 of 0.5810
    f1 = f1_score(made.y_target, made.predictions[0], average="macro")
    text = section(build_report([made]), "tables")
    assert "<small>paper 0.5810 / 61.97</small>" in text
    assert f'<small class="apart">{round(f1, 4) - 0.5810:+.4f}, +0 clips</small>' in text
    row = rows_of(text, "<figcaption>Largest differences first")["TCA, Exp.5"]
    assert row[:3] == ["III", f"{f1:.4f} / 61.97", "0.5810 / 61.97"]


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


def test_settings_that_a_limit_ended_are_counted():
    made = record(5, converged=np.array([True, False, True]), notes={1: "it did not end"})
    row = rows_of(section(build_report([made]), "errors"), "What methods noted about results")
    assert row["Exp.5, TCA"] == ["1 of 3", "1", "it did not end"]


def test_a_map_has_each_setting_at_its_values_and_marks_the_chosen_one():
    settings = [{"a": a, "b": b} for a in (1, 2) for b in (1, 2, 3)]
    y = record(5).y_target
    grid = np.stack([np.where(np.arange(71) < n, y, (y + 1) % 3) for n in (1, 9, 20, 30, 71, 40)])
    page = section(build_report([record(5, predictions=grid, settings=settings)]), "errors")
    cells = re.findall(
        r'<td class="heat( best)?"[^>]*data-setting="(\d)" title="a = (\d), b = (\d): ([\d.]+)"',
        page,
    )
    assert {int(i): (int(a), int(b)) for _, i, a, b, _ in cells} == {
        i: (s["a"], s["b"]) for i, s in enumerate(settings)
    }
    assert [i for best, i, *_ in cells if best] == ["4"]
    # The larger value of what goes up stands above.
    assert [a for _, _, a, _, _ in cells] == ["2", "2", "2", "1", "1", "1"]


def test_samples_of_the_target_are_those_after_the_sources():
    made = record(7)
    points = np.random.default_rng(0).normal(size=(130 + 164, 2))
    page = section(build_report([made], placed=[(made, points, None)]), "errors")
    panel = page[page.index('aria-label="Samples before adaptation"') :].split("</svg>")[0]
    marks = re.findall(r'<circle class="c(\d)( target)?"', panel)
    assert [bool(target) for _, target in marks] == [False] * 130 + [True] * 164
    assert [int(c) for c, _ in marks] == [*made.y_source, *made.y_target]


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


def test_variants_of_the_baseline_have_their_cells_in_tables_of_descriptors():
    made = [
        record(5, "svm", "Baseline", key=f"{d}{c}", descriptor_label=d, parameters={"C": c})
        for d in ("LBP-TOP(R3P8)", "HOG-TOP(p=4)")
        for c in (1.0, 10.0)
    ]
    page = build_report(current(made))
    data, text = embedded(page)["cells"], section(page, "tables")
    rows = re.findall(r'data-row="(HOG[^"]*)"><th.*?data-cells="(\d+)"', text, re.DOTALL)
    assert {name for name, _ in rows} == {f"HOG-TOP(p=4) [C = {c}]" for c in (1.0, 10.0)}
    for name, number in rows:
        cell = data[int(number)]
        assert cell["descriptor"] == "HOG-TOP(p=4)"
        assert name.partition(" [")[2] == cell["row"].partition(" [")[2]


def test_averages_of_a_row_name_the_cells_behind_them():
    page = build_report([record(t) for t in range(1, 7)])
    numbers = re.findall(r'data-cells="(\d+(?: \d+)+)"', section(page, "tables"))
    data = embedded(page)["cells"]
    assert [{data[int(i)]["task"] for i in n.split()} for n in numbers] == [
        {f"Exp.{t}" for t in range(1, 7)}
    ]
