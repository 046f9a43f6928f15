import numpy as np
import pytest

from cdmer_bench.solvers.bounded_sum_active_set import solve_active_set
from cdmer_bench.solvers.kernel_mean_matching import gaussian_of_squared_distances, match_means


def test_width_is_the_root_of_the_median_of_all_squared_distances():
    # Points 0, 1, 3 on a line: squares 0 0 0 1 1 4 4 9 9, median 1; of the cross pairs 4.
    source = np.array([[0.0, 1, 9], [1, 0, 4], [9, 4, 0]])
    np.testing.assert_allclose(gaussian_of_squared_distances(source), np.exp(-source))
    cross = np.array([[4.0], [1.0], [4.0]])
    matching = match_means(source, cross)
    np.testing.assert_allclose(matching.K - np.exp(-source), 1e-10 * np.eye(3), atol=1e-15)
    np.testing.assert_allclose(matching.kappa, 3 * np.exp(-cross[:, 0] / 2))


def test_the_program_bounds_the_mean_weight():
    problem = match_means(np.ones((16, 16)) - np.eye(16), np.ones((16, 2))).program()
    assert (problem.low, problem.high, problem.cap) == (4.0, 28.0, 2000.0)


def test_weights_of_a_shifted_target_move_towards_it():
    x, t = np.linspace(0, 1, 9)[:, None], np.linspace(0.6, 1, 5)[:, None]
    matching = match_means((x - x.T) ** 2, (x - t.T) ** 2)
    weights = solve_active_set(matching.program()).g
    assert weights @ x[:, 0] / weights.sum() == pytest.approx(0.8, abs=0.02)


def test_a_median_of_zero_is_the_limit_of_narrow_kernels():
    squares = np.array([[0.0, 0, 0, 2], [0, 0, 0, 2], [0, 0, 0, 2], [2, 2, 2, 0]])
    np.testing.assert_array_equal(gaussian_of_squared_distances(squares), squares == 0)


def test_distances_far_beyond_the_width_give_zero_without_overflow():
    squares = np.array([1e-300, 1e-300, 1e300])
    np.testing.assert_array_equal(gaussian_of_squared_distances(squares), [1, 1, 0])
