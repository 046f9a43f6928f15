"""The pictures of cells in the report: matrices, grids, blocks of the face and samples."""

import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from cdmer_bench.reporting.html_report import build_report
from tests.reporting.pages import best_prediction, embedded, records, rows_of, section, wrong_on
from tests.reporting.records import record


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
