"""What pictures show: measures, curves over budgets, and blocks of the face."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import Rule, rule
from cdmer_bench.reporting.picture_data import (
    block_images,
    cells_of,
    curves,
    measured,
    number,
    overlay,
    shares,
)
from tests.reporting.records import record


def test_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(0, 3, (2, 60))
    f1, percent, *recalls = measured(confusion_matrix(true, predicted))
    assert f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    assert percent == pytest.approx(100 * accuracy_score(true, predicted))
    assert recalls == pytest.approx(100 * recall_score(true, predicted, average=None))
    assert np.isnan(measured(np.array([[3, 1], [0, 0]]))[3])


def test_a_value_is_written_as_in_the_grid():
    assert [number(v) for v in (10000.0, 0.1, 1 / 3, 3)] == ["10000", "0.1", "0.3333", "3"]


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


def test_budgets_of_a_cell_are_those_that_its_grid_holds():
    rng = np.random.default_rng(0)
    made = record(5, predictions=rng.integers(0, 3, (10, 71)))
    (cell,) = cells_of([made], [rule("oracle")])
    assert list(cell.budgets) == [1, 10]
    assert cell.budgets[10] == cell.choices["oracle"].mean_f1


def test_blocks_run_down_the_columns_of_the_face():
    images = block_images(np.arange(85))
    assert images[1].tolist() == [[1, 3], [2, 4]]
    assert images[2][3, 0] == 8
    assert images[3][0, 1] == 29
    assert [len(i) for i in block_images(np.arange(30))] == [1, 2, 3, 4]
    with pytest.raises(UserError, match="7 blocks"):
        block_images(np.arange(7))


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
