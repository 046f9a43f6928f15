"""Every figure of tables and report, recomputed from grid.npz by a few lines of numpy alone.

Nothing of the package computes what is expected here: the files are read with numpy and json, and
mean F1 is written out from precision and recall.
"""

import csv
import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.cli.main import main
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import record

METHODS = (("svm", "Baseline", 1), ("tca", "TCA", 5), ("gfk", "GFK", 3), ("rstr", "RSTR", 7))
ROWS = [label for _, label, _ in METHODS]
PUBLISHED = Path(__file__).parents[2] / "cdmer_bench/reporting/published.csv"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return a folder with random predictions of four methods on the twelve tasks."""
    folder = tmp_path_factory.mktemp("results")
    store, rng = ResultsStore(folder), np.random.default_rng(5)
    for task in range(1, 13):
        for index, (method, label, n_settings) in enumerate(METHODS):
            y = record(task).y_target
            share = rng.random((n_settings, 1))
            predicted = np.where(rng.random((n_settings, len(y))) < share, y, rng.integers(0, 3))
            key = f"{task:02d}{index}".ljust(64, "f")
            store.save(record(task, method, label, predicted, key=key))
    return folder


def mean_f1(y, prediction):
    total = 0.0
    for c in range(3):
        right = np.sum((prediction == c) & (y == c))
        if right:
            precision, recall = right / np.sum(prediction == c), right / np.sum(y == c)
            total += 2 * precision * recall / (precision + recall)
    return total / 3


def recomputed(results):
    """Return (index, mean F1, accuracy) of the first best setting, by (method, task)."""
    figures = {}
    for path in Path(results).glob("cells/*/*/*/grid.npz"):
        about = json.loads((path.parent / "record.json").read_text())["content"]
        with np.load(path) as arrays:
            y, predictions = arrays["y_target"], arrays["predictions"]
        scores = [mean_f1(y, prediction) for prediction in predictions]
        best = next(i for i, s in enumerate(scores) if s >= max(scores) - 1e-12)
        percent = 100 * np.mean(predictions[best] == y)
        figures[about["method_label"], about["task_label"]] = best, scores[best], percent
    assert len(figures) == 48
    return figures


def with_averages(figures, tasks):
    """Add the averages of rows and columns over one table's tasks."""
    values = {(m, t): figures[m, t][1:] for m in ROWS for t in tasks}
    for m in ROWS:
        values[m, "Average"] = np.mean([values[m, t] for t in tasks], axis=0)
    for t in tasks:
        values["Average", t] = np.mean([values[m, t] for m in ROWS], axis=0)
    return values


TASKS = {
    "III": [f"Exp.{i}" for i in range(1, 7)],
    "IV": [f"Exp.{i}" for i in range(7, 13)],
}


def test_every_cell_average_and_difference_of_the_tables(results, capsys):
    assert main(["tables", "--format", "csv", "--against", "paper", "--results", str(results)]) == 0
    shown = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    figures = recomputed(results)
    expected = {n: with_averages(figures, tasks) for n, tasks in TASKS.items()}
    with PUBLISHED.open() as file:
        printed = {(p["table"], p["row"], p["column"]): p for p in csv.DictReader(file)}
    # 4 x 6 cells, 4 + 6 averages, two tables
    assert len(shown) == 2 * (24 + 10)
    for line in shown:
        place = line["table"], line["row"], line["column"]
        f1, percent = expected[line["table"]][line["row"], line["column"]]
        assert (line["mean_f1"], line["accuracy"]) == (f"{f1:.4f}", f"{percent:.2f}")
        assert line["selection"] == "oracle"
        if "Average" in place:
            assert line["n_settings"] == ""
        else:
            assert int(line["n_settings"]) == dict((m[1], m[2]) for m in METHODS)[line["row"]]
        if line["row"] == "Average":
            # Other rows than the paper's give no comparable average.
            assert line["paper_mean_f1"] == line["difference_mean_f1"] == ""
            continue
        paper = printed[place]
        assert line["paper_mean_f1"] == paper["mean_f1"]
        assert line["paper_accuracy"] == paper["accuracy"]
        apart = round(f1, 4) - float(paper["mean_f1"])
        assert float(line["difference_mean_f1"]) == pytest.approx(apart, abs=1e-9)
        if line["column"] != "Average":
            n = len(record(int(line["column"][4:])).y_target)
            samples = round(percent * n / 100) - round(float(paper["accuracy"]) * n / 100)
            assert int(line["difference_samples"]) == samples


def cells_of(page, caption):
    """Return the rows of the HTML table with that caption: name and the texts of its cells."""
    start = page.index(f"<figcaption>{caption}")
    body = page[start : page.index("</table>", start)]
    rows = re.findall(r'<tr[^>]*><th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', body, re.DOTALL)
    return {
        html.unescape(name): [
            re.sub("<[^>]*>", "", c.split('<span class="printed">')[0])
            for c in re.findall(r"<td[^>]*>(.*?)</td>", cells, re.DOTALL)
        ]
        for name, cells in rows
    }


def test_every_figure_of_the_report(results, tmp_path):
    path = tmp_path / "report.html"
    assert main(["report", "--results", str(results), "--out", str(path)]) == 0
    page, figures = path.read_text(encoding="utf-8"), recomputed(results)
    for number, tasks in TASKS.items():
        expected = with_averages(figures, tasks)
        for row, cells in cells_of(page, f"Table {number}:").items():
            wanted = [
                "{:.4f} {:.2f}".format(*expected[row, t]) if (row, t) in expected else ""
                for t in [*tasks, "Average"]
            ]
            assert cells == wanted
    source = cells_of(page, "Where every figure comes from")
    interval = cells_of(page, "How sure each figure is")
    rules = cells_of(page, "Every task: mean F1 under each rule")
    assert len(source) == len(interval) == len(rules) == 48
    for (method, task), (index, f1, percent) in figures.items():
        name = f"{task}, {method}"
        assert source[name][1:3] == [f"{f1:.4f}", f"{percent:.2f}"]
        assert source[name][3].startswith(f"{index} of ")
        assert interval[name][0] == rules[name][1] == f"{f1:.4f}"
        assert interval[name][2] == f"{percent:.2f}"
    averages = cells_of(page, "Methods over 12 tasks")
    ranked = cells_of(page, "Mean F1 under each rule")
    for method in ROWS:
        mean = np.mean([figures[method, t][1] for tasks in TASKS.values() for t in tasks])
        assert averages[method][0] == ranked[method][0] == f"{mean:.4f}"


def test_gaps_and_budgets_of_the_report(results, tmp_path):
    path = tmp_path / "report.html"
    main(["report", "--results", str(results), "--out", str(path)])
    shown = cells_of(path.read_text(encoding="utf-8"), "Every task: mean F1 under each rule")
    for grid in Path(results).glob("cells/*/*/*/grid.npz"):
        about = json.loads((grid.parent / "record.json").read_text())["content"]
        with np.load(grid) as arrays:
            y, predictions, source = (arrays[k] for k in ("y_target", "predictions", "y_source"))
        scores = [mean_f1(y, p) for p in predictions]
        distance = [
            sum(abs(np.mean(p == c) - np.mean(source == c)) for c in range(3)) for p in predictions
        ]
        chosen = next(i for i, d in enumerate(distance) if d <= min(distance) + 1e-12)
        gap = max(scores) - scores[chosen]
        settings, oracle, balance, *_, random_one = shown[
            f"{about['task_label']}, {about['method_label']}"
        ]
        assert settings == str(len(predictions))
        assert oracle == f"{max(scores):.4f}"
        assert balance == f"{scores[chosen]:.4f}" + (f" (-{gap:.4f})" if gap > 0 else "")
        assert random_one == f"{np.mean(scores):.4f}"
