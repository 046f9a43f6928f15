"""Pictures hold the numbers they claim to; that they look right was checked by eye."""

import re
import warnings
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation import grid_scores
from cdmer_bench.evaluation.selection import rule
from cdmer_bench.reporting import MissingCell, build_table
from cdmer_bench.reporting.analysis import CellComparison, Interval, compare_methods
from cdmer_bench.reporting.picture_data import block_images, overlay, shares
from cdmer_bench.reporting.plot_cells import (
    confusion_picture,
    embedding_picture,
    parameter_picture,
    region_picture,
)
from cdmer_bench.reporting.plot_scores import (
    budget_picture,
    rank_picture,
    score_map,
    time_picture,
)
from cdmer_bench.reporting.plot_style import AREA, WIDTHS, readable_on, save, style, to_bytes
from cdmer_bench.results.current import current
from tests.reporting.records import labels, record


@pytest.fixture(autouse=True)
def shared_style():
    with style():
        yield


def grid(names, values):
    """Make a record whose settings are the product of the values, each with its own score."""
    settings = [dict(zip(names, v, strict=True)) for v in values]
    y = labels("smic_nir")
    rng = np.random.default_rng(0)
    right = rng.random((len(settings), len(y))) < rng.random((len(settings), 1))
    return record(5, predictions=np.where(right, y, 0), settings=settings)


def compared(names, scores):
    """Methods over tasks, from an array of their mean F1."""
    interval = Interval((0.0, 1.0), (0.0, 100.0), False)
    cells = [
        CellComparison(f"task {i}", name, float(score), 50.0, interval)
        for i, line in enumerate(scores)
        for name, score in zip(names, line, strict=True)
    ]
    return compare_methods(cells)


def texts(figure):
    return [t.get_text() for t in figure.findobj(Text)]


def test_curve_shows_every_score():
    made = grid(["k"], [(k,) for k in (4, 1, 3, 2)])
    f1, _ = grid_scores(made.y_target, made.predictions, 3)
    line = parameter_picture(made).axes[0].lines[0]
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata() == pytest.approx(f1[[1, 3, 2, 0]])


def test_map_of_two_parameters_shows_every_score_in_its_place():
    made = grid(["lam", "mu"], [(a, b) for a in (0.1, 1.0) for b in (1, 2, 3)])
    f1, _ = grid_scores(made.y_target, made.predictions, 3)
    image = parameter_picture(made).axes[0].images[0].get_array()
    assert np.asarray(image) == pytest.approx(f1.reshape(2, 3))


def test_three_parameters_give_a_panel_for_each_value_of_the_smallest():
    made = grid(["a", "b", "c"], [(a, b, c) for a in range(3) for b in range(2) for c in range(4)])
    f1, _ = grid_scores(made.y_target, made.predictions, 3)
    panels = [axes for axes in parameter_picture(made).axes if axes.get_title()]
    assert [p.get_title() for p in panels] == ["b = 0", "b = 1"]
    assert np.asarray(panels[1].images[0].get_array()) == pytest.approx(f1.reshape(3, 2, 4)[:, 1])


def test_grid_of_one_setting_has_no_picture():
    with pytest.raises(UserError, match="run with one setting"):
        parameter_picture(record(5, predictions=np.zeros((1, 71))))


def test_four_parameters_give_the_best_and_the_median_over_the_others():
    names = ["a", "b", "c", "d"]
    made = grid(
        names, [(a, b, c, d) for a in (1, 2) for b in (1, 2, 3) for c in "xy" for d in (0, 1)]
    )
    f1, _ = grid_scores(made.y_target, made.predictions, 3)
    panels = [axes for axes in parameter_picture(made).axes if axes.get_visible()]
    assert [axes.get_xlabel() for axes in panels] == names
    by_b = f1.reshape(2, 3, 2, 2)
    best, middle, chosen = (line.get_ydata() for line in panels[1].lines)
    assert best == pytest.approx(by_b.max(axis=(0, 2, 3)))
    assert middle == pytest.approx(np.median(by_b.transpose(1, 0, 2, 3).reshape(3, -1), axis=1))
    assert chosen == [f1.max()]


def test_every_column_of_maps_has_its_scale_below():
    made = grid(["a", "b", "c"], [(a, b, c) for a in range(5) for b in range(6) for c in range(7)])
    panels = parameter_picture(made).axes[:6]
    assert [axes.get_visible() for axes in panels] == [True] * 5 + [False]
    labelled = [axes.xaxis.get_tick_params()["labelbottom"] for axes in panels[:5]]
    assert labelled == [False, False, True, True, True]
    assert [axes.get_xlabel() for axes in panels[:5]] == ["", "", "c", "c", "c"]


def test_many_values_of_three_parameters_are_not_that_many_maps():
    made = grid(
        ["a", "b", "c"], [(a, b, c) for a in range(13) for b in range(13) for c in range(13)]
    )
    assert len(parameter_picture(made).axes) == 3


def test_confusion_of_many_cells_is_arranged_by_method_and_task():
    records = [
        record(t, m, label) for t in range(1, 8) for m, label in (("tca", "TCA"), ("sa", "SA"))
    ]
    figure = confusion_picture(records[:-1])
    panels = np.array(figure.axes[:-1]).reshape(2, 7)
    assert figure.axes[-1].get_ylabel() == "share of the true class"
    assert [axes.get_title() for axes in panels[0]] == [f"Exp.{t}" for t in range(1, 8)]
    # Below each task's lowest matrix stand the classes, also where the last row has none.
    letters = [[t.get_text() for t in axes.get_xticklabels()] for axes in panels.flat]
    assert [bool(text) for text in letters] == [False] * 6 + [True] * 7 + [False]
    assert letters[6] == ["neg", "pos", "sur"]
    assert [row[0].get_ylabel() for row in panels] == ["TCA", "SA"]
    for axes, made in zip(panels[1, :6], records[1::2], strict=False):
        counts = [int(t.get_text()) for t in axes.texts]
        best = made.predictions[grid_scores(made.y_target, made.predictions, 3)[0].argmax()]
        assert counts == [
            np.sum((made.y_target == t) & (best == p)) for t in range(3) for p in range(3)
        ]
    assert [t.get_text() for t in panels[1, 6].texts] == ["no\nresult"]


def test_same_method_twice_on_a_task_has_two_rows():
    made = [record(t, key=f"{t}{s}", solver=s) for t in range(1, 8) for s in ("paper", "exact")]
    figure = confusion_picture(current(made))
    rows = [axes.get_ylabel() for axes in figure.axes[:-1] if axes.get_ylabel()]
    assert rows == ["TCA [paper\nsolver]", "TCA [exact\nsolver]"]


def test_methods_whose_names_begin_alike_keep_rows_of_their_own():
    names = [f"A very long name of a method, {n}" for n in ("first", "second", "third")]
    made = [record(t, n, n, key=f"{t}{n}") for t in range(1, 7) for n in names]
    figure = confusion_picture(made)
    rows = [axes.yaxis.label for axes in figure.axes[:-1] if axes.get_ylabel()]
    assert len(rows) == 3
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in rows]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_no_text_leaves_the_picture_or_meets_the_mark(tmp_path):
    label = "a method with a name that is far too long for any legend"
    records = [
        record(t, m, n, corpus="s", synthetic=True)
        for t in (5, 6)
        for m, n in (("tca", "TCA"), ("x", label))
    ]
    ranked = compared(["A", label, "B", "C", "D"], np.random.default_rng(0).random((7, 5)))
    ranked = replace(ranked, left_out=(label,))
    weights = np.arange(85.0)
    for draw in (
        lambda: parameter_picture(records[1]),
        lambda: confusion_picture(records),
        lambda: score_map(build_table("III", records, whole=False)),
        lambda: budget_picture(records),
        lambda: time_picture(records),
        lambda: rank_picture(ranked, True),
        lambda: region_picture(weights, label, synthetic=True, setting="lam = 1000, mu = 4.4"),
    ):
        figure = draw()
        figure.savefig(tmp_path / "a.png")
        shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
        # Numbers may be ticks outside the axes, which are not drawn; the title has the mark's line.
        words = [t for t in shown if re.search("[a-zA-Z]{2}", t.get_text())]
        boxes = {t: t.get_window_extent() for t in words if t.get_text()[0] != "\n"}
        for text, box in boxes.items():
            assert box.x0 > -2, text
            assert box.x1 < figure.bbox.x1 + 2, text
            assert box.y0 > -2, text
            assert box.y1 < figure.bbox.y1 + 2, text
        (mark,) = [t for t in shown if t.get_text() == "SYNTHETIC DATA"]
        assert not any(boxes[mark].overlaps(b) for t, b in boxes.items() if t is not mark)


def test_categories_are_drawn_too():
    made = grid(["kernel"], [("linear",), ("rbf",)])
    figure = parameter_picture(made)
    assert {"linear", "rbf"} <= set(texts(figure))
    # Nothing lies between two kernels.
    assert figure.axes[0].lines[0].get_linestyle() == "None"


def test_score_map_holds_the_table_and_leaves_gaps():
    table = build_table("III", [record(1), record(5)], whole=False)
    values = np.asarray(score_map(table).axes[0].images[0].get_array().filled(np.nan))
    figures = [c.figure.mean_f1 if c.figure else np.nan for c in table.rows[0].cells]
    assert values[0] == pytest.approx(figures, nan_ok=True)
    assert score_map(build_table("III", []))


def test_confusion_counts():
    made = record(5)
    shown = [t.split("\n") for t in texts(confusion_picture([made])) if "\n" in t and "%" in t]
    best = made.predictions[grid_scores(made.y_target, made.predictions, 3)[0].argmax()]
    counts = confusion_matrix(made.y_target, best)
    assert [int(count) for count, _ in shown] == counts.ravel().tolist()
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    assert [share for _, share in shown] == [f"{s:.0f} %" for s in shares.ravel()]


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
    shown = " ".join(" ".join(texts(figure)).split())
    assert "Dotted: over fewer tasks, not to be compared" in shown
    assert "No result: GFK (Exp.5); SA (Exp.6)." in shown
    assert "Dotted" not in " ".join(texts(budget_picture([record(5), record(6)])))


def test_budget_needs_a_grid_and_says_its_sizes():
    with pytest.raises(UserError, match="every method was run with one setting"):
        budget_picture([record(5, predictions=np.zeros((1, 71)))])
    larger = record(6, predictions=np.zeros((1200, 71)))
    legend = budget_picture([record(5), larger]).axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["TCA (3 to 1,200)"]


def test_cells_that_failed_everywhere_are_named():
    failed = MissingCell("Exp.5", "Mine", "LBP-TOP(R3P8)", "failed: no memory")
    for draw in (budget_picture, time_picture, confusion_picture):
        shown = " ".join(" ".join(texts(draw([record(5)], missing=[failed]))).split())
        assert "Dotted" not in shown
        assert "No result: Mine (all tasks)." in shown
    own = score_map(build_table("III", [record(5)], missing=[failed], whole=False))
    assert "failed: no memory" in " ".join(" ".join(texts(own)).split())


def luminance(colour):
    parts = np.array(colour[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_numbers_on_areas_can_be_read():
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    for value in np.linspace(0, 1, 201):
        pair = luminance(colormaps[AREA](value)), luminance(to_rgb(readable_on(value)))
        assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5


def test_letters_that_the_font_lacks_are_told_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        to_bytes(partial(parameter_picture, record(5, "x", "\u6700\u8fd1 mean")))
    (told,) = [str(warning.message) for warning in caught]
    assert "lacks \u6700\u8fd1; boxes stand for these characters" in told


def test_ticks_are_plain_numbers():
    made = grid(["lam"], [(10.0**i,) for i in range(-3, 3)])
    figure = parameter_picture(made)
    to_bytes(lambda: figure)
    assert {"0.001", "0.1", "100"} <= set(texts(figure))
    assert not any("$" in text for text in texts(figure))
    # Within a decade, where there may be no power of ten to label.
    close = [record(5, about={"seconds": s}, key=str(s)) for s in (2.0, 5.5)]
    figure = time_picture(close)
    to_bytes(lambda: figure)
    assert {"3", "4"} <= set(texts(figure))
    quick = [record(5, about={"seconds": s}, key=str(s)) for s in (0.2, 0.55)]
    figure = time_picture(quick)
    to_bytes(lambda: figure)
    assert {"0.3", "0.4"} <= set(texts(figure))
    assert not any("$" in text for text in texts(figure))


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


def test_rank_picture_names_every_method_and_joins_equals():
    scores = np.array([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1], [0.8, 0.9, 0.1], [0.9, 0.8, 0.1]] * 5)
    figure = rank_picture(compared("ABC", scores))
    assert {" A (1.25) ", " B (1.75) ", " C (3.00) "} <= set(texts(figure))
    assert not any("more than all ranks" in text for text in texts(figure))
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 3.5]
    assert [np.round(b.get_xdata(), 2).tolist() for b in bars] == [[1.21, 1.79]]


def test_two_methods_have_ranks_without_a_critical_difference():
    figure = rank_picture(compared("AB", np.array([[0.9, 0.8], [0.7, 0.8], [0.9, 0.6]])))
    shown = " ".join(" ".join(texts(figure)).split())
    assert "A (1.33)" in shown
    assert "B (1.67)" in shown
    assert "The critical difference needs three methods." in shown
    assert "Friedman" not in shown


def test_critical_difference_that_is_longer_than_the_ranks_says_so():
    figure = rank_picture(compared("ABC", np.array([[3, 2, 1], [3, 1, 2]])))
    assert any("critical difference 2.34 (5 %),\n  more than all ranks" in t for t in texts(figure))


def test_blocks_run_down_the_columns_of_the_face():
    images = block_images(np.arange(85))
    assert images[1].tolist() == [[1, 3], [2, 4]]
    assert images[2][3, 0] == 8
    assert images[3][0, 1] == 29
    assert [len(i) for i in block_images(np.arange(30))] == [1, 2, 3, 4]
    with pytest.raises(UserError, match="7 blocks"):
        block_images(np.arange(7))


def test_region_picture_says_how_many_blocks_are_kept():
    weights = np.zeros(85)
    weights[[0, 2, 84]] = 1.0
    shown = texts(region_picture(weights, "RSTR"))
    for g, n in ((1, 1), (2, 1), (4, 0), (8, 1)):
        share = {0: 0, 1: 33}[n]
        assert f"{g} x {g}\n{n} of {g * g} kept\n{share} % of weight" in shown
    assert region_picture(np.zeros(85), "nothing kept")


def test_synthetic_pictures_say_so():
    made = record(5, corpus="synthetic", synthetic=True)
    for figure in (
        parameter_picture(made),
        confusion_picture([made]),
        score_map(build_table("III", [made])),
        budget_picture([made]),
        time_picture([made]),
        region_picture(np.ones(85), "x", synthetic=True),
    ):
        assert "SYNTHETIC DATA" in texts(figure)


def test_same_picture_same_bytes_and_dollars_are_text(tmp_path):
    made = record(5, "x", "cost $1_a$ {")
    draw = partial(parameter_picture, made)
    assert to_bytes(draw) == to_bytes(draw)
    assert save(draw, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match=r"ends in '\.bmp'"):
        save(draw, tmp_path / "a.bmp")


@pytest.mark.parametrize("format", ["svg", "png"])
def test_picture_is_drawn_once(monkeypatch, format):
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, *a: drawn.append(self) or draw(self, *a))
    to_bytes(partial(parameter_picture, record(5)), format)
    assert len(drawn) == 1


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


def test_baseline_is_a_line_in_pictures_of_parameters():
    curve = parameter_picture(grid(["k"], [(k,) for k in (1, 2, 3)]), baseline=0.4)
    level = [line.get_ydata() for line in curve.axes[0].lines if len(set(line.get_ydata())) == 1]
    assert [0.4, 0.4] in [list(y) for y in level]
    made = grid(["a", "b"], [(a, b) for a in (1, 2) for b in (1, 2, 3)])
    f1, _ = grid_scores(made.y_target, made.predictions, 3)
    figure = parameter_picture(made, baseline=float(f1.mean()))
    assert any(list(line.get_ydata()) == [f1.mean()] * 2 for line in figure.axes[-1].lines)


def test_a_rule_without_its_input_leaves_the_picture_and_is_named():
    made = grid(["k"], [(k,) for k in (1, 2, 3)])
    figure = parameter_picture(made, rule("entropy"))
    assert len(figure.axes[0].lines) == 1
    shown = " ".join(" ".join(texts(figure)).split())
    assert "No setting is marked: entropy needs scores" in shown


def test_a_method_with_one_setting_is_a_level_line_in_the_budget():
    one = record(5, "svm", "Baseline", predictions=np.zeros((1, 71)))
    level, curve = budget_picture([one, record(5)]).axes[0].lines
    f1, _ = grid_scores(one.y_target, one.predictions, 3)
    assert level.get_xdata().tolist() == [1, 3]
    assert level.get_ydata() == pytest.approx([f1[0], f1[0]])
    assert not level.get_clip_on()
    assert curve.get_ydata()[-1] > f1[0]


@pytest.mark.parametrize(("width", "inches"), [("one", 3.5), ("two", 7.16)])
def test_pictures_are_as_wide_as_columns_of_a_paper(width, inches, tmp_path):
    from PIL import Image

    made = [record(t, m, m.upper()) for t in (5, 6) for m in ("tca", "sa")]
    for draw in (
        partial(budget_picture, made),
        partial(time_picture, made),
        partial(confusion_picture, made),
        partial(parameter_picture, made[0]),
        partial(score_map, build_table("III", made, whole=False)),
        partial(region_picture, np.ones(85), "x"),
    ):
        path = save(partial(draw, width=WIDTHS[width]), tmp_path / "a.png", dpi=100)
        assert Image.open(path).size[0] == round(100 * inches)


def test_embedding_draws_every_sample_once_in_each_panel_in_the_order_given():
    def placed(cell, moves=True):
        points = np.random.default_rng(0).normal(size=(142, 2))
        return cell, points, points[::-1] if moves else None

    drawn = [
        placed(record(5, "svm", "Baseline"), moves=False),
        placed(record(5, "tca", "TCA")),
        placed(record(5, "rstr", "RSTR")),
    ]
    figure = embedding_picture(drawn, left_out=["Not drawn: Mine."])
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["before adaptation", "after TCA", "after RSTR"]
    for axes in panels:
        offsets = np.concatenate([group.get_offsets() for group in axes.collections])
        assert len(np.unique(offsets, axis=0)) == len(offsets) == 142
    cell, before, _ = drawn[0]
    groups = panels[0].collections
    np.testing.assert_array_equal(groups[0].get_offsets(), before[:71][cell.y_source == 0])
    np.testing.assert_array_equal(groups[5].get_offsets(), before[71:][cell.y_target == 2])
    shown = " ".join(" ".join(texts(figure)).split())
    assert "look as before adaptation: Baseline. Not drawn: Mine." in shown
    assert "SYNTHETIC" not in shown
    synthetic = embedding_picture([placed(record(5, synthetic=True))])
    assert "SYNTHETIC DATA" in texts(synthetic)


def test_grids_laid_over_one_another_sum_the_weights_that_cover_a_place():
    weights = np.random.default_rng(3).random(85)
    images = block_images(weights)
    both = overlay(images)
    assert both.shape == (8, 8)
    for row, column in ((0, 0), (3, 6), (7, 7)):
        expected = sum(g[row * len(g) // 8, column * len(g) // 8] for g in images)
        assert both[row, column] == pytest.approx(expected)
    total = weights.sum()
    parts = [weights[:1], weights[1:5], weights[5:21], weights[21:]]
    assert shares(images) == pytest.approx([p.sum() / total for p in parts])
    assert shares(block_images(np.zeros(85))) == [0.0] * 4
    assert overlay(block_images(np.ones(30))).shape == (12, 12)


def flat(figure):
    return " ".join(" ".join(texts(figure)).split())


def test_a_confusion_matrix_is_drawn_with_true_classes_downwards():
    """Not turned round: 20 of the 23 negative clips as positive, 5 of the positive as negative."""
    y = labels("smic_nir")
    predicted = y.copy()
    predicted[:20], predicted[23:28] = 1, 0
    (axes, *_) = confusion_picture([record(5, predictions=predicted[None])]).axes
    counts = confusion_matrix(y, predicted)
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(shares)
    for text in axes.texts:
        column, row = text.get_position()
        assert text.get_text().split("\n")[0] == str(counts[row, column])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["negative", "positive", "surprise"]
    assert axes.figure._supylabel.get_text() == "true class, across: predicted class"


def test_one_generated_cell_marks_every_picture_of_several():
    mixed = [record(5, synthetic=True, corpus="s"), record(6, corpus="s")]
    tables = [build_table("III", mixed[1:]), build_table("III", mixed[:1])]
    for figure in (
        confusion_picture(mixed),
        budget_picture(mixed),
        time_picture(mixed),
        score_map(*tables),
    ):
        assert "SYNTHETIC DATA" in texts(figure)


def test_confusion_pictures_name_their_rule_and_what_it_leaves_out():
    scores = np.zeros((3, 71, 3), np.float32)
    made = [record(5, scores=scores), record(6, "sa", "SA")]
    shown = flat(confusion_picture(made, rule("entropy")))
    assert f"Selection: {rule('entropy').label}." in shown
    assert "SA, Exp.6: entropy needs scores, not recorded." in shown


def test_descriptors_have_rows_of_their_own_in_a_confusion_picture():
    made = [record(5), record(5, descriptor_label="HOG-TOP(p=4)")]
    rows = [a.get_ylabel() for a in confusion_picture(made).axes[:-1] if a.get_ylabel()]
    assert rows == ["TCA\nLBP-TOP(R3P8)", "TCA\nHOG-TOP(p=4)"]


def test_the_setting_of_the_rule_is_marked_at_its_own_score():
    made = grid(["k"], [(1,), (2,), (3,)])
    f1, _ = grid_scores(made.y_target, made.predictions, 3)
    worst = int(f1.argmin())
    chosen = rule("fixed", settings={"tca": made.settings[worst]})
    figure = parameter_picture(made, chosen)
    mark = figure.axes[0].lines[-1]
    assert (mark.get_xdata()[()], mark.get_ydata()[()]) == (worst + 1, pytest.approx(f1[worst]))
    assert f"Marked: chosen by fixed, {f1[worst]:.4f}." in flat(figure)
    # In a map: the second value of what goes up, the third of what goes across.
    made = grid(["a", "b"], [(a, b) for a in (1, 2) for b in (1, 2, 3)])
    chosen = rule("fixed", settings={"tca": {"a": 2, "b": 3}})
    (mark,) = parameter_picture(made, chosen).axes[0].lines
    assert (*mark.get_xdata(), *mark.get_ydata()) == (2, 1)


def test_numbers_of_a_parameter_stand_in_their_order():
    values = (0.5, 2, 10, 100)
    line = parameter_picture(grid(["C"], [(v,) for v in values[::-1]])).axes[0].lines[0]
    assert line.get_xdata().tolist() == list(values)


def test_blocks_are_drawn_with_the_brow_above_and_the_setting_named():
    weights = np.zeros(85)
    weights[1] = 1.0  # of 2 x 2 the upper left
    figure = region_picture(weights, "RSTR", setting="lam = 10")
    panel = next(a for a in figure.axes if a.get_title().startswith("2 x 2"))
    (image,) = panel.images
    assert np.asarray(image.get_array()).tolist() == [[1, 0], [0, 0]]
    # The row 0 of the image is at the top, whose y is 0, and y falls upwards.
    assert image.get_extent() == [0, 1, 1, 0] or tuple(image.get_extent()) == (0, 1, 1, 0)
    assert panel.get_ylim()[0] > panel.get_ylim()[1]
    assert "Setting: lam = 10." in flat(figure)


def test_filled_markers_are_the_targets_and_the_rule_is_named():
    made = record(7)
    points = np.random.default_rng(0).normal(size=(130 + 164, 2))
    figure = embedding_picture([(made, points, None)], rule="entropy")
    groups = figure.axes[0].collections
    sizes = [len(g.get_offsets()) for g in groups]
    assert sizes == [73, 32, 25, 70, 51, 43]
    assert [len(g.get_facecolor()) > 0 for g in groups] == [False] * 3 + [True] * 3
    assert "Settings chosen by entropy." in flat(figure)


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


def test_a_curve_goes_to_the_largest_grid_of_its_method():
    larger = record(6, predictions=np.zeros((40, 71)))
    line = budget_picture([record(5), larger]).axes[0].lines[0]
    assert line.get_xdata()[-1] == 40
