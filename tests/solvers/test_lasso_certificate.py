import numpy as np
import pytest

from cdmer_bench.solvers.lasso_certificate import certify


def test_gap_vanishes_at_the_optimum_and_bounds_the_excess_elsewhere():
    # One variable, A = 2, y = 3: the optimum of (3 - 2p)^2 + mu |p| at mu = 4 is p = 1, value 5.
    design, response = np.array([[2.0]]), np.array([[3.0]])
    best = certify(design, response, np.array([[1.0]]), 4.0)
    assert best.objective[0] == pytest.approx(5.0)
    assert best.gap[0] == pytest.approx(0.0, abs=1e-14)
    for p in (-1.0, 0.0, 0.5, 2.0):
        found = certify(design, response, np.array([[p]]), 4.0)
        assert found.objective[0] == pytest.approx((3 - 2 * p) ** 2 + 4 * abs(p))
        assert found.gap[0] >= found.objective[0] - 5.0 - 1e-12
