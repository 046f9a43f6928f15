import numpy as np
import pytest

from cdmer_bench.methods.base import BatchResult, join_batches


def batch(indices, scores=True):
    """Return a result that bears the indices of its settings everywhere."""
    indices = np.array(indices)
    rows = np.repeat(indices[:, None], 2, axis=1)
    return BatchResult(
        rows,
        rows[:, :, None] + np.zeros(3) if scores else None,
        indices % 2 == 0,
        10 * indices,
        {0: f"setting {indices[0]}"},
        {"weights": rows / 4},
    )


def test_joined_batches_are_in_the_order_of_the_grid():
    batches = [[3, 0], [4, 1], [2]]
    joined = join_batches(batches, [batch(s) for s in batches])
    order = np.arange(5)
    np.testing.assert_array_equal(joined.predictions, order[:, None] + [0, 0])
    np.testing.assert_array_equal(joined.scores[:, 1, 2], order)
    assert joined.converged.tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(joined.iterations, 10 * order)
    assert joined.notes == {3: "setting 3", 4: "setting 4", 2: "setting 2"}
    np.testing.assert_array_equal(joined.extras["weights"][:, 0], order / 4)


def test_scores_of_a_part_of_the_batches_are_no_scores():
    joined = join_batches([[0], [1]], [batch([0]), batch([1], scores=False)])
    assert joined.scores is None


def test_a_closed_form_converges_without_iterations():
    result = BatchResult.closed_form([[1, 0], [0, 0]])
    assert result.predictions.dtype == np.intp
    assert (result.converged.tolist(), result.iterations.tolist()) == ([True, True], [0, 0])


def test_notes_of_a_setting_are_gathered():
    result = BatchResult.closed_form([[1, 0]])
    result.add_note(0, "first")
    result.add_note(0, "second")
    assert result.notes == {0: "first; second"}


@pytest.mark.parametrize(("predicted", "noted"), [([2, 2], True), ([2], False), ([0, 2], False)])
def test_single_classes_are_noted_but_for_one_query(predicted, noted):
    result = BatchResult.closed_form([predicted])
    result.note_single_classes()
    assert bool(result.notes) == noted
