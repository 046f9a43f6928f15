"""Pictures over many cells hold their numbers: score maps, budgets, times and ranks."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation import grid_scores
from cdmer_bench.reporting import MissingCell, build_table
from cdmer_bench.reporting.plot_scores import (
    budget_picture,
    rank_picture,
    score_map,
    time_picture,
)
from cdmer_bench.reporting.plot_style import to_bytes
from cdmer_bench.results.current import current
from tests.reporting.pictures import compared, flat, texts
from tests.reporting.records import record

pytestmark = pytest.mark.usefixtures("shared_style")


def test_score_map_holds_the_table_and_leaves_gaps():
    table = build_table("III", [record(1), record(5)], whole=False)
    values = np.asarray(score_map(table).axes[0].images[0].get_array().filled(np.nan))
    figures = [c.figure.mean_f1 if c.figure else np.nan for c in table.rows[0].cells]
    assert values[0] == pytest.approx(figures, nan_ok=True)
    assert score_map(build_table("III", []))


@pytest.mark.parametrize("methods", [["a"], ["a", "b", "c"], list("abcdefghi")])
def test_bar_of_a_score_map_shows_its_colours_however_few_the_rows(methods):
    figure = score_map(build_table("III", [record(5, m, m.upper()) for m in methods], whole=False))
    to_bytes(lambda: figure)
    bar = figure.axes[-1].get_window_extent()
    assert bar.width / figure.dpi > 0.09


def test_score_map_has_a_scale_for_each_table_an_average_and_frames_the_best():
    made = [record(t, m, m.upper()) for t in (1, 5, 7, 9) for m in ("tca", "sa")]
    tables = [build_table(number, made, whole=False) for number in ("III", "IV")]
    figure = score_map(*tables)
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in maps] == ["Table III", "Table IV"]
    for axes, table in zip(maps, tables, strict=True):
        (image,) = axes.images
        values = np.array(
            [[c.figure.mean_f1 if c.figure else np.nan for c in r.cells] for r in table.rows[:2]]
        )
        assert image.get_clim() == (np.nanmin(values), np.nanmax(values))
        framed = {round(p.get_x() + 0.46): round(p.get_y() + 0.44) for p in axes.patches}
        columns = np.flatnonzero(np.isfinite(values).any(axis=0))
        assert framed == {c: np.nanargmax(values[:, c]) for c in columns}
        assert axes.get_xticklabels()[-1].get_text() == "Average"


def test_a_score_map_names_rules_rows_and_reasons_of_all_tables():
    failed = MissingCell("Exp.6", "TCA", "LBP-TOP(R3P8)", "failed: no memory")
    first = build_table("III", [record(5, variant="a")], whole=False, missing=[failed])
    scores = np.zeros((3, 164, 3), np.float32)
    second = build_table("IV", [record(7, scores=scores)], "entropy", whole=False)
    figure = score_map(first, second)
    shown = flat(figure)
    assert "Settings chosen by: oracle, entropy." in shown
    assert "failed: no memory" in shown
    assert "not run" in shown


def test_names_of_variants_stand_beside_a_score_map():
    made = current([record(5, solver=s, key=s) for s in ("paper", "exact")])
    figure = score_map(build_table("III", made, whole=False))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "TCA [exact solver]",
        "TCA [paper solver]",
    ]


def test_budget_ends_at_the_best_and_averages_tasks():
    records = [record(5), record(6)]
    line = budget_picture(records).axes[0].lines[0]
    best = [grid_scores(r.y_target, r.predictions, 3)[0].max() for r in records]
    assert line.get_ydata()[-1] == pytest.approx(np.mean(best))
    assert line.get_xdata().tolist() == [1, 2, 3]


def test_budget_names_a_method_that_lacks_tasks():
    records = [record(5), record(6), record(5, "sa", "SA")]
    shown = [t.get_text() for t in budget_picture(records).axes[0].get_legend().get_texts()]
    assert shown == ["TCA (3)", "SA (3), 1 of 2 tasks"]


def test_budget_over_fewer_tasks_is_not_drawn_like_the_others():
    figure = budget_picture([record(5), record(6), record(5, "sa", "SA"), record(6, "gfk", "GFK")])
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", ":", ":"]
    shown = flat(figure)
    assert "Dotted: over fewer tasks, not to be compared" in shown
    assert "No result: GFK (Exp.5); SA (Exp.6)." in shown
    assert "Dotted" not in " ".join(texts(budget_picture([record(5), record(6)])))


def test_budget_needs_a_grid_and_says_its_sizes():
    with pytest.raises(UserError, match="every method was run with one setting"):
        budget_picture([record(5, predictions=np.zeros((1, 71)))])
    larger = record(6, predictions=np.zeros((1200, 71)))
    legend = budget_picture([record(5), larger]).axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["TCA (3 to 1,200)"]


def test_a_method_with_one_setting_is_a_level_line_in_the_budget():
    one = record(5, "svm", "Baseline", predictions=np.zeros((1, 71)))
    level, curve = budget_picture([one, record(5)]).axes[0].lines
    f1, _ = grid_scores(one.y_target, one.predictions, 3)
    assert level.get_xdata().tolist() == [1, 3]
    assert level.get_ydata() == pytest.approx([f1[0], f1[0]])
    assert not level.get_clip_on()
    assert curve.get_ydata()[-1] > f1[0]


def test_a_curve_goes_to_the_largest_grid_of_its_method():
    larger = record(6, predictions=np.zeros((40, 71)))
    line = budget_picture([record(5), larger]).axes[0].lines[0]
    assert line.get_xdata()[-1] == 40


def test_times_are_drawn_by_method():
    records = [record(5, about={"seconds": s}, key=str(s)) for s in (1.0, 4.0)]
    axes, one = time_picture([*records, record(5, "sa", "SA", about={})]).axes
    dots, middle = axes.lines
    assert dots.get_xdata().tolist() == [1.0, 4.0]
    assert middle.get_xdata().tolist() == [2.5, 2.5]
    # Each grid has three settings.
    assert one.lines[0].get_xdata() == pytest.approx([1 / 3, 4 / 3])
    assert one.get_xlabel() == "seconds of computing for one setting"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["TCA"]


def test_the_bar_of_times_is_the_median_and_the_machines_are_those_of_what_was_timed():
    times = (1.0, 2.0, 9.0)
    made = [
        record(t, about={"seconds": s, "machine": "lion"})
        for t, s in zip((1, 2, 5), times, strict=True)
    ]
    made.append(record(1, "sa", "SA", about={"machine": "tiger"}))
    figure = time_picture(made)
    assert figure.axes[0].lines[1].get_xdata() == pytest.approx([2.0, 2.0])
    shown = flat(figure)
    assert "Measured on lion." in shown
    # A cell without a time is no dot, so its task is missing; no other method says it.
    two = [record(t, about={"seconds": 1.0}) for t in (1, 2)]
    two += [record(t, "sa", "SA", about={"seconds": 1.0} if t == 1 else {}) for t in (1, 2)]
    assert "No result: SA (Exp.2)." in flat(time_picture(two))


def test_rank_picture_names_every_method_and_joins_equals():
    scores = np.array([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1], [0.8, 0.9, 0.1], [0.9, 0.8, 0.1]] * 5)
    figure = rank_picture(compared("ABC", scores))
    assert {" A (1.25) ", " B (1.75) ", " C (3.00) "} <= set(texts(figure))
    assert not any("more than all ranks" in text for text in texts(figure))
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 3.5]
    assert [np.round(b.get_xdata(), 2).tolist() for b in bars] == [[1.21, 1.79]]


def test_two_methods_have_ranks_without_a_critical_difference():
    figure = rank_picture(compared("AB", np.array([[0.9, 0.8], [0.7, 0.8], [0.9, 0.6]])))
    shown = flat(figure)
    assert "A (1.33)" in shown
    assert "B (1.67)" in shown
    assert "The critical difference needs three methods." in shown
    assert "Friedman" not in shown


def test_many_ranks_in_one_column_are_numbered_with_room_between():
    names, scores = "ABCDEFGHIJKL", np.random.default_rng(0).random((9, 12))
    narrow, wide = (rank_picture(compared(names, scores), width=w) for w in (3.5, 7.16))
    assert "12" in texts(wide)
    assert "11" in texts(narrow)
    assert "12" not in texts(narrow)


def test_critical_difference_that_is_longer_than_the_ranks_says_so():
    figure = rank_picture(compared("ABC", np.array([[3, 2, 1], [3, 1, 2]])))
    assert any("critical difference 2.34 (5 %),\n  more than all ranks" in t for t in texts(figure))


def test_the_best_method_stands_first_at_the_left_of_the_ranks():
    scores = np.array([[0.1, 0.8, 0.9]] * 4)
    figure = rank_picture(compared("ABC", scores))
    sides = {
        t.get_text().strip(): (t.get_ha(), t.get_position()[1])
        for t in figure.axes[0].texts
        if "(" in t.get_text() and "critical" not in t.get_text()
    }
    # The better half leads to the left, the best shortest.
    assert sides["C (1.00)"][0] == sides["B (2.00)"][0] == "right"
    assert sides["A (3.00)"][0] == "left"
    assert sides["C (1.00)"][1] > sides["B (2.00)"][1]
