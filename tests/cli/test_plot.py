"""`cdmer plot`: which results are drawn, into which file, and what is refused."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from cdmer_bench.cli import plot
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import labels, record

figure = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def results(tmp_path):
    store = ResultsStore(tmp_path / "results")
    y = labels("smic_nir")
    for task in (5, 11):
        for method, wrong in (("svm", 30), ("tca", 20), ("gfk", 10)):
            predicted = np.r_[(y[:wrong] + 1) % 3, y[wrong:]]
            key = f"{task:02d}{wrong}".ljust(64, "0")
            store.save(record(task, method, method.upper(), [predicted], key=key))
    return str(tmp_path / "results")


def test_ranks_are_drawn_of_methods_that_share_tasks(results, tmp_path, cdmer):
    out = tmp_path / "ranks.png"
    assert cdmer("plot", "ranks", "--results", results, "--out", str(out))[0] == 0
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_ranks_of_one_method_are_refused(results, cdmer):
    code, _, err = cdmer("plot", "ranks", "method=tca", "--results", results)
    assert code == 2
    assert "1 method on 2 tasks were found; ranks need at least two methods that share" in err
    assert cdmer("plot", "ranks", "method=tca,svm", "--results", results)[0] == 0


def test_without_a_kind_the_kinds_are_shown(cdmer):
    code, out, _ = cdmer("plot")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(plot.KINDS)
    assert all(len(line.split()) > 3 for line in out.splitlines())


def test_each_picture_has_a_file_of_its_own_name(results, cdmer):
    wanted = {
        "confusion-tca-exp05.svg": ["confusion", "method=tca", "task=exp05"],
        "confusion-tca-exp11.svg": ["confusion", "method=tca", "task=casme2/smic_nir"],
        "confusion-tca-exp05-one_column.pdf": [
            *("confusion", "method=tca", "task=Exp.5"),
            *("--width", "one", "--format", "pdf"),
        ],
        "scores-tca_gfk_svm-exp05_exp11-released-class_balance.svg": [
            *("scores", "corpus=released", "task=all"),
            *("--selection", "class_balance"),
        ],
    }
    for words in wanted.values():
        assert cdmer("plot", *words, "--results", results)[0] == 0
    files = {path.name for path in Path(results).iterdir() if path.is_file()}
    assert files == set(wanted)


def test_several_kinds_are_drawn_at_once(results, cdmer):
    assert cdmer("plot", "scores", "times", "method=tca", "--results", results)[0] == 0
    files = {path.name for path in Path(results).iterdir() if path.is_file()}
    assert files == {"scores-tca-exp05_exp11.svg", "times-tca-exp05_exp11.svg"}
    code, _, err = cdmer("plot", "scores", "times", "--results", results, "--out", "a.svg")
    assert code == 2
    assert "--out names one file, but 2 pictures are asked for" in err


def test_what_is_no_filter_or_matches_nothing_is_refused(results, cdmer):
    for words, said in (
        (["task=exp99"], "there is no result with task=exp99; did you mean"),
        (["taks=exp05"], "'taks=exp05' is no filter; did you mean 'task'"),
        (["--dpi", "0"], "--dpi is 0, expected at least 1"),
    ):
        code, _, err = cdmer("plot", "scores", *words, "--results", results)
        assert code == 2
        assert said in err


def test_failures_that_the_filters_leave_out_are_not_drawn(results, tmp_path, cdmer):
    store = ResultsStore(results)
    for index, (task, method) in enumerate((("Exp.5", "SA"), ("Exp.11", "TCA"), ("Exp.6", "TCA"))):
        failure = {
            "task_label": task,
            "method_label": method,
            "error": "ValueError: no",
            "trace": "",
        }
        failure |= {"descriptor_label": "LBP-TOP(R3P8)", "corpus": "released"}
        store.save_failure(f"{index}".ljust(64, "a"), failure)
    out = tmp_path / "scores.svg"
    assert cdmer("plot", "scores", "method=svm", "--results", results, "--out", str(out))[0] == 0
    assert "failed" not in out.read_text(encoding="utf-8")


def test_nothing_is_said_to_be_drawn_if_it_is_not(results, cdmer):
    code, _, err = cdmer("plot", "parameters", "--results", results)
    assert code == 2
    assert "on Exp.5 was run with one setting" in err
    assert "is drawn" not in err


def figures(predictions):
    """Mean F1 of predictions on SMIC-NIR by scikit-learn, as a heat map shows it."""
    return f"{f1_score(labels('smic_nir'), predictions, average='macro'):.3f}".lstrip("0")


def texts(path):
    return [text.strip() for text in re.findall("<!--(.*?)-->", path.read_text(encoding="utf-8"))]


@pytest.fixture
def ruled(tmp_path):
    """Two settings: one nearly right, one wrong that has exactly the classes' proportions."""
    store, y = ResultsStore(tmp_path / "ruled"), labels("smic_nir")
    for task in (5, 11):
        for number, method in enumerate(("svm", "tca", "gfk")):
            right, balanced = np.r_[y[: -5 - number], [0] * (5 + number)], np.roll(y, 20 - number)
            # The source of Exp.11 has other proportions, to which the first setting is nearer.
            made = record(task, method, method.upper(), [right, balanced])
            about = {"y_source": y, "key": f"{task:02d}{method}".ljust(64, "0")}
            store.save(dataclasses.replace(made, **about))
    return store


def drawn(cdmer, store, tmp_path, *words):
    out = tmp_path / "drawn.svg"
    code, _, err = cdmer("plot", *words, "--results", str(store.folder), "--out", str(out))
    assert code == 0, err
    return texts(out)


def test_pictures_are_of_the_settings_that_the_rule_chooses(ruled, tmp_path, cdmer):
    by_rule = ["--selection", "class_balance"]
    chosen = {("tca", "exp05"), ("gfk", "exp11")}
    records = [made for made in ruled.records() if (made.method, made.task) in chosen]
    assert len(records) == 2
    for record_ in records:
        words = (f"method={record_.method}", f"task={record_.task}")
        right, balanced = record_.predictions
        assert figures(right) in drawn(cdmer, ruled, tmp_path, "scores", *words)
        assert figures(balanced) in drawn(cdmer, ruled, tmp_path, "scores", *words, *by_rule)
        for predictions, more in ((right, []), (balanced, by_rule)):
            shown = drawn(cdmer, ruled, tmp_path, "confusion", *words, *more)
            matrix = confusion_matrix(record_.y_target, predictions).ravel().astype(str)
            first = shown.index(matrix[0])
            assert [text for text in shown[first:] if text.isdigit()][:9] == matrix.tolist()
    # The later method has the fewer right in the first setting, and the more in the second.
    assert "GFK (3.00)" in drawn(cdmer, ruled, tmp_path, "ranks")
    assert "GFK (1.00)" in drawn(cdmer, ruled, tmp_path, "ranks", *by_rule)
    shown = " ".join(drawn(cdmer, ruled, tmp_path, "parameters", "method=tca", *by_rule))
    assert "chosen by class_balance" in shown


def test_the_baseline_beside_parameters_is_that_of_the_task_and_descriptor(
    ruled, tmp_path, cdmer, monkeypatch
):
    y, seen = labels("smic_nir"), []
    hog = {"descriptor": "hog_top_p8", "descriptor_label": "HOG-TOP(p=8)"}
    for number, (task, more) in enumerate(((5, {}), (11, {}), (5, hog))):
        wrong = [np.r_[(y[: 20 + number] + 1) % 3, y[20 + number :]]]
        about = {"date": "2026-02-01T00:00:00+00:00"}
        key = f"base{number}".ljust(64, "0")
        ruled.save(record(task, "svm", "Baseline", wrong, key=key, about=about, **more))

    def picture(record_, rule, score, width):
        seen.append((record_.task, round(score, 6)))
        return figure.Figure()

    monkeypatch.setattr("cdmer_bench.reporting.plot_cells.parameter_picture", picture)
    for task in ("exp05", "exp11"):
        drawn(cdmer, ruled, tmp_path, "parameters", "method=tca", f"task={task}")
    expected = [
        (task, round(f1_score(y, np.r_[(y[:n] + 1) % 3, y[n:]], average="macro"), 6))
        for task, n in (("exp05", 20), ("exp11", 21))
    ]
    assert seen == expected


@pytest.mark.parametrize("kind", ["scores", "confusion", "budget", "times"])
def test_cells_that_failed_are_named_in_the_picture(kind, ruled, tmp_path, cdmer):
    failure = {"task_label": "Exp.5", "method_label": "SA", "error": "ValueError: no reason"}
    failure |= {"descriptor_label": "LBP-TOP(R3P8)", "corpus": "released", "trace": ""}
    ruled.save_failure("a" * 64, failure)
    shown = " ".join(drawn(cdmer, ruled, tmp_path, kind, "task=exp05"))
    assert ("failed" if kind == "scores" else "No result: SA") in shown


@pytest.mark.parametrize("kind", ["budget", "ranks"])
def test_methods_are_compared_with_one_descriptor(kind, ruled, tmp_path, cdmer):
    before = drawn(cdmer, ruled, tmp_path, kind)
    hog = {"descriptor": "hog_top_p8", "descriptor_label": "HOG-TOP(p=8)"}
    for task in (5, 6):
        ruled.save(record(task, "sa", "SA", key=f"hog{task}".ljust(64, "0"), **hog))
    assert drawn(cdmer, ruled, tmp_path, kind) == before


def test_generated_data_mark_every_picture(tmp_path, cdmer):
    store, y = ResultsStore(tmp_path / "r"), labels("smic_nir")
    for task in (5, 11):
        for method in ("svm", "tca", "gfk"):
            made = record(task, method, method.upper(), [y, np.roll(y, 9)])
            key, weights = f"{task}{method}".ljust(64, "0"), {"weights": np.ones((2, 85)) / 85}
            store.save(dataclasses.replace(made, synthetic=True, key=key, extras=weights))
    for kind in ("scores", "ranks", "budget", "parameters", "confusion", "regions", "times"):
        shown = " ".join(drawn(cdmer, store, tmp_path, kind, "corpus=released"))
        assert "SYNTHETIC" in shown.upper(), kind


def test_regions_are_those_of_the_chosen_setting(ruled, tmp_path, cdmer, monkeypatch):
    seen = []

    def picture(weights, title, **more):
        seen.append((weights.tolist(), more["setting"]))
        return figure.Figure()

    monkeypatch.setattr("cdmer_bench.reporting.plot_cells.region_picture", picture)
    (made,) = (r for r in ruled.records() if (r.method, r.task) == ("tca", "exp11"))
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    ruled.save(dataclasses.replace(made, extras={"weights": weights}))
    drawn(cdmer, ruled, tmp_path, "regions")
    drawn(cdmer, ruled, tmp_path, "regions", "--selection", "class_balance")
    assert seen == [
        ([0.0, 1.0, 2.0], "k = 1, chosen by oracle"),
        ([3.0, 4.0, 5.0], "k = 2, chosen by class_balance"),
    ]


def test_width_and_dots_an_inch_are_those_asked_for(results, tmp_path, cdmer):
    import cv2

    for width, dpi in (("one", 100), ("two", 100), ("one", 200)):
        out = tmp_path / "times.png"
        words = ("--width", width, "--dpi", str(dpi), "--out", str(out))
        assert cdmer("plot", "times", "--results", results, *words)[0] == 0
        assert cv2.imread(str(out)).shape[1] == round({"one": 3.5, "two": 7.16}[width] * dpi)


def test_a_picture_of_one_descriptor_says_so_in_its_name(results, cdmer):
    words = ("descriptor=lbp_top_r3p8", "method=tca", "task=exp05", "--results", results)
    assert cdmer("plot", "scores", *words)[0] == 0
    assert Path(results, "scores-tca-exp05-lbp_top_r3p8.svg").is_file()
