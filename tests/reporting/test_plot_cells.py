"""Pictures of single cells hold their numbers: grids, matrices, blocks and samples."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from sklearn.metrics import confusion_matrix

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation import grid_scores
from cdmer_bench.evaluation.selection import rule
from cdmer_bench.reporting.plot_cells import (
    confusion_picture,
    embedding_picture,
    parameter_picture,
    region_picture,
)
from cdmer_bench.results.current import current
from tests.reporting.pictures import flat, grid, texts
from tests.reporting.records import labels, record

pytestmark = pytest.mark.usefixtures("shared_style")


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


def test_categories_are_drawn_too():
    made = grid(["kernel"], [("linear",), ("rbf",)])
    figure = parameter_picture(made)
    assert {"linear", "rbf"} <= set(texts(figure))
    # Nothing lies between two kernels.
    assert figure.axes[0].lines[0].get_linestyle() == "None"


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
    shown = flat(figure)
    assert "No setting is marked: entropy needs scores" in shown


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


def test_confusion_counts():
    made = record(5)
    shown = [t.split("\n") for t in texts(confusion_picture([made])) if "\n" in t and "%" in t]
    best = made.predictions[grid_scores(made.y_target, made.predictions, 3)[0].argmax()]
    counts = confusion_matrix(made.y_target, best)
    assert [int(count) for count, _ in shown] == counts.ravel().tolist()
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    assert [share for _, share in shown] == [f"{s:.0f} %" for s in shares.ravel()]


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


def test_region_picture_says_how_many_blocks_are_kept():
    weights = np.zeros(85)
    weights[[0, 2, 84]] = 1.0
    shown = texts(region_picture(weights, "RSTR"))
    for g, n in ((1, 1), (2, 1), (4, 0), (8, 1)):
        share = {0: 0, 1: 33}[n]
        assert f"{g} x {g}\n{n} of {g * g} kept\n{share} % of weight" in shown
    assert region_picture(np.zeros(85), "nothing kept")


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
    shown = flat(figure)
    assert "look as before adaptation: Baseline. Not drawn: Mine." in shown
    assert "SYNTHETIC" not in shown
    synthetic = embedding_picture([placed(record(5, synthetic=True))])
    assert "SYNTHETIC DATA" in texts(synthetic)


def test_filled_markers_are_the_targets_and_the_rule_is_named():
    made = record(7)
    points = np.random.default_rng(0).normal(size=(130 + 164, 2))
    figure = embedding_picture([(made, points, None)], rule="entropy")
    groups = figure.axes[0].collections
    sizes = [len(g.get_offsets()) for g in groups]
    assert sizes == [73, 32, 25, 70, 51, 43]
    assert [len(g.get_facecolor()) > 0 for g in groups] == [False] * 3 + [True] * 3
    assert "Settings chosen by entropy." in flat(figure)
