import numpy as np
import pytest

from cdmer_bench.solvers import ialm
from cdmer_bench.solvers.ialm import PenaltySchedule, ResponseIALM, ialm_as_written


@pytest.mark.parametrize("mu", [0.0, 0.02, 0.7, 5.0])
@pytest.mark.parametrize("block", [1, 4, 256])
def test_blocks_give_the_iterates_of_the_undivided_loop(mu, block):
    rng = np.random.default_rng(2)
    A = rng.normal(size=(6, 10)) + 1
    # Responses of very different sizes meet the tolerance at very different steps.
    Y = (rng.normal(size=(6, 11)) * np.logspace(-6, 2, 11)).T
    expected, steps, converged = ialm_as_written(A.T, Y, mu, PenaltySchedule())
    found = ResponseIALM(A).solve(Y @ A, mu, block=block)
    assert (found.iterations, found.converged) == (steps, converged)
    np.testing.assert_allclose(found.coefficients, expected.T, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(("n_rows", "kept"), [(3, 1 << 30), (9, 0)])
def test_products_by_a_factor_give_the_iterates_of_the_loop(monkeypatch, n_rows, kept):
    # Few rows, and matrices of the steps that would take more memory than is to be used.
    monkeypatch.setattr(ialm, "KEPT", kept)
    rng = np.random.default_rng(5)
    A = rng.normal(size=(n_rows, 10)) + 1
    Y = rng.normal(size=(7, n_rows))
    expected, steps, converged = ialm_as_written(A.T, Y, 0.3, PenaltySchedule())
    loop = ResponseIALM(A)
    found = loop.solve(Y @ A, 0.3, block=3)
    assert loop._by_factor
    assert (found.iterations, found.converged) == (steps, converged)
    np.testing.assert_allclose(found.coefficients, expected.T, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("kappa_max", [1e-2, 1e3])
def test_a_schedule_that_ends_early_is_reported(kappa_max):
    schedule = PenaltySchedule(tolerance=1e-40, kappa_max=kappa_max, n_extra=3)
    rng = np.random.default_rng(3)
    A, Y = rng.normal(size=(5, 4)), rng.normal(size=(7, 5))
    found = ResponseIALM(A, schedule).solve(Y @ A, 0.3, block=2)
    expected, steps, converged = ialm_as_written(A.T, Y, 0.3, schedule)
    assert (found.iterations, found.converged) == (steps, converged)
    np.testing.assert_allclose(found.coefficients, expected.T, atol=1e-8)


def test_slow_growth_from_zero_comes_near_the_optimum():
    rng = np.random.default_rng(4)
    A = np.linalg.qr(rng.normal(size=(8, 5)))[0]
    B = rng.normal(size=(5, 3))
    schedule = PenaltySchedule(rho=1.01, start=0.0)
    found = ResponseIALM(A, schedule).solve(np.ascontiguousarray(B.T), 0.4).coefficients
    soft = np.sign(B) * np.maximum(np.abs(B) - 0.2, 0)
    np.testing.assert_allclose(found.T, soft, atol=1e-4)


def test_schedule_multiplies_as_the_loop_does():
    schedule = PenaltySchedule()
    kappa = 1e-3
    for value in schedule.kappas[:500]:
        assert value == kappa
        kappa = min(1.1 * kappa, 1e15)
    assert schedule.kappas[-1] == 1e15
