"""Source and target in the plane: every sample is drawn, and what the picture must say."""

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.reporting.plot_plane import first_task, plane_picture
from cdmer_bench.reporting.plot_style import to_bytes
from cdmer_bench.results.plane import Plane
from tests.reporting.records import record

pytest.importorskip("matplotlib")


def placed(cell, moves=True):
    points = np.random.default_rng(0).normal(size=(len(cell.y_source) + len(cell.y_target), 2))
    return cell, Plane(1, "oracle", points, points[::-1] if moves else None)


def drawn():
    return [
        placed(record(5, "rstr", "RSTR")),
        placed(record(5, "svm", "Baseline"), moves=False),
        placed(record(5, "tca", "TCA")),
    ]


def test_every_sample_is_drawn_once_in_each_panel_in_the_papers_order():
    figure = plane_picture(drawn())
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["before adaptation", "after TCA", "after RSTR"]
    for axes in panels:
        offsets = np.concatenate([group.get_offsets() for group in axes.collections])
        assert len(offsets) == 71 + 71
        assert len(np.unique(offsets, axis=0)) == len(offsets)
    before = panels[0].collections
    cell, plane = drawn()[0]
    np.testing.assert_array_equal(before[0].get_offsets(), plane.before[:71][cell.y_source == 0])
    np.testing.assert_array_equal(before[5].get_offsets(), plane.before[71:][cell.y_target == 2])


def test_the_picture_says_what_was_chosen_what_stays_and_what_is_synthetic():
    svg = to_bytes(lambda: plane_picture(drawn())).decode()
    assert "chosen by oracle" in svg
    assert "As before adaptation, because no sample is moved: Baseline." in svg
    assert "SYNTHETIC" not in svg
    synthetic = [placed(record(5, synthetic=True))]
    assert "SYNTHETIC DATA" in to_bytes(lambda: plane_picture(synthetic)).decode()


def test_cells_of_several_tasks_are_refused():
    with pytest.raises(UserError, match="one task with one descriptor"):
        plane_picture([placed(record(5)), placed(record(6))])


def test_of_records_the_first_task_is_taken_once_for_each_method():
    first, again, other = record(5, key="a"), record(5, key="b"), record(6)
    assert first_task([first, other, again]) == [first]
