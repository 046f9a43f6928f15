import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.solvers.active_set_lasso import active_set_lasso
from cdmer_bench.solvers.ialm import PenaltySchedule, ialm_as_written
from cdmer_bench.solvers.label_regression import LeastSquaresFactors, factorize, ialm


@pytest.fixture(autouse=True, scope="module", params=["0", "1"], ids=["compiled", "NumPy"])
def form(request):
    """Run every test with the compiled loops and without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDMER_NO_NUMBA", request.param)
        yield


def problem(seed, n=14, m=9, c=3, scale=3.0):
    rng = np.random.default_rng(seed)
    return scale * rng.normal(size=(n, m)), rng.integers(0, 2, size=(c, m)).astype(float)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    mu=st.floats(0, 30),
    m=st.integers(1, 14),
    rho=st.sampled_from([1.1, 1.6]),
    kappa0=st.sampled_from([1e-3, 0.5]),
    start=st.sampled_from([0.0, 1.0]),
)
def test_steps_and_results_are_those_of_the_published_loop(seed, mu, m, rho, kappa0, start):
    C, Y = problem(seed, m=m)
    schedule = PenaltySchedule(kappa0=kappa0, rho=rho, start=start)
    P, steps, converged = ialm_as_written(C, Y, mu, schedule)
    found = ialm(factorize(C[None], Y, 5e-4), np.array([mu]), schedule)
    np.testing.assert_allclose(found.P[0], P, atol=1e-6)
    assert abs(found.n_steps[0] - steps) <= 1
    assert found.converged[0] == converged


def test_rank_deficient_data():
    C, Y = problem(4, n=12, m=12)
    C[:, 6:] = C[:, :6] @ np.ones((6, 6))
    P, steps, _ = ialm_as_written(C, Y, 0.5, PenaltySchedule())
    found = ialm(factorize(C[None], Y, 5e-4), np.array([0.5]), PenaltySchedule())
    np.testing.assert_allclose(found.P[0], P, atol=1e-7)
    assert found.n_steps[0] == steps


def test_a_slow_schedule_from_zero_ends_at_the_optimum():
    C, Y = problem(1)
    found = ialm(factorize(C[None], Y, 5e-4), np.array([2.0]), PenaltySchedule(rho=1.01, start=0.0))
    for column, y in zip(found.P[0].T, Y, strict=True):
        np.testing.assert_allclose(column, active_set_lasso(C @ C.T, C @ y, 1.0).x, atol=1e-5)


def test_a_problem_gives_the_same_bits_alone_and_in_any_stack():
    data = [problem(seed)[0] for seed in range(7)]
    Y = problem(0)[1]
    mu = np.array([0.01, 5.0, 0.3, 40.0, 1.0, 0.0, 2.0])
    together = ialm(factorize(np.stack(data), Y, 5e-4), mu, PenaltySchedule())
    assert len(set(together.n_steps)) > 2
    for i, C in enumerate(data):
        alone = ialm(factorize(C[None], Y, 5e-4), mu[i : i + 1], PenaltySchedule())
        np.testing.assert_array_equal(alone.P[0], together.P[i])
        assert alone.n_steps[0] == together.n_steps[i]


def test_sharing_the_data_of_a_stack_changes_no_bit():
    C, Y = problem(2)
    mu = np.array([0.0, 0.2, 3.0, 60.0])
    factors = factorize(C[None], Y, 5e-4)
    shared = ialm(factors, mu, PenaltySchedule())
    copies = LeastSquaresFactors(*(np.repeat(part, 4, axis=0) for part in factors))
    np.testing.assert_array_equal(shared.P, ialm(copies, mu, PenaltySchedule()).P)


def test_a_schedule_that_ends_too_early_is_reported():
    C, Y = problem(3)
    schedule = PenaltySchedule(kappa_max=1e-2, n_extra=4)
    found = ialm(factorize(C[None], Y, 5e-4), np.array([0.5]), schedule)
    assert not found.converged[0]
    assert found.n_steps[0] == schedule.n_steps
    np.testing.assert_allclose(found.P[0], ialm_as_written(C, Y, 0.5, schedule)[0], atol=1e-8)


@pytest.mark.parametrize("mu", [1e4, 1e8])
def test_a_heavy_penalty_gives_zero(mu):
    C, Y = problem(6)
    found = ialm(factorize(C[None], Y, 5e-4), np.array([mu]), PenaltySchedule())
    assert not found.P.any()
    assert found.converged[0]


def test_steps_skipped_while_p_is_zero_leave_the_published_path_unchanged():
    C, Y = problem(7, n=20, m=12)
    for mu, start in [(1.5, 1.0), (4.0, 1.0), (15.0, 1.0), (4.0, 0.0), (1e6, 1.0)]:
        for kappa0 in (1e-3, 0.5, 3.0):
            schedule = PenaltySchedule(kappa0=kappa0, start=start)
            P, steps, _ = ialm_as_written(C, Y, mu, schedule)
            found = ialm(factorize(C[None], Y, 5e-4), np.array([mu]), schedule)
            assert found.n_steps[0] == steps
            np.testing.assert_allclose(found.P[0], P, atol=1e-11)


def test_zero_data_stop_where_the_published_loop_stops():
    C, Y = np.zeros((5, 3)), np.ones((2, 3))
    for mu, start in [(0.5, 1.0), (0.5, 0.0), (1e-4, 1.0)]:
        schedule = PenaltySchedule(start=start)
        P, steps, _ = ialm_as_written(C, Y, mu, schedule)
        found = ialm(factorize(C[None], Y, 5e-4), np.array([mu]), schedule)
        assert found.n_steps[0] == steps
        np.testing.assert_allclose(found.P[0], P, atol=1e-12)


def test_data_of_huge_scale_stay_stable():
    C, Y = problem(8, n=20, m=12)
    C[:, 6:] = C[:, :6]
    found = ialm(factorize(1e5 * C[None], Y, 5e-4), np.array([1.0]), PenaltySchedule())
    assert np.isfinite(found.P).all()
    best = np.linalg.lstsq(1e5 * C.T, Y.T, rcond=None)[0]
    fit, least = (np.sum((Y - P.T @ C * 1e5) ** 2) for P in (found.P[0], best))
    np.testing.assert_allclose(fit, least, rtol=1e-2)


@pytest.mark.parametrize("scale", [1e2, 1e6, 1e8])
def test_data_of_huge_scale_stop_where_the_loop_does_without_rounding(scale):
    # With orthonormal columns, each there twice, the system of a step has a closed form.
    U = np.linalg.qr(np.random.default_rng(9).normal(size=(20, 6)))[0]
    Y, schedule = problem(9, n=20, m=12)[1], PenaltySchedule()
    found = ialm(factorize(scale * np.hstack([U, U])[None], Y, 5e-4), np.ones(1), schedule)
    P, T, n_steps = np.ones((20, 3)), np.ones((20, 3)), 0
    for kappa in schedule.kappas:
        n_steps += 1
        right = (T + kappa * P) / 2
        inside = scale * (Y[:, :6] + Y[:, 6:]).T + U.T @ right
        Q = U @ inside / (2 * scale**2 + kappa / 2) + 2 / kappa * (right - U @ (U.T @ right))
        v = Q - T / kappa
        P = np.sign(v) * np.maximum(np.abs(v) - 1 / kappa, 0)
        if np.abs(P - Q).max() < schedule.tolerance:
            break
        T = T + kappa * (P - Q)
    assert found.n_steps[0] == n_steps
    np.testing.assert_allclose(found.P[0], P, atol=1e-12 * max(1e-3, np.abs(P).max()))


def test_the_compiled_loop_ends_where_the_other_does(monkeypatch):
    Y = problem(0)[1]
    factors = factorize(np.stack([problem(seed)[0] for seed in range(40)]), Y, 5e-4)
    mu = np.geomspace(0.001, 300, 40)
    found = {}
    for off in ("0", "1"):
        monkeypatch.setenv("CDMER_NO_NUMBA", off)
        found[off] = ialm(factors, mu, PenaltySchedule())
    np.testing.assert_allclose(found["0"].P, found["1"].P, atol=1e-9)
    np.testing.assert_array_equal(found["0"].n_steps, found["1"].n_steps)
    np.testing.assert_array_equal(found["0"].converged, found["1"].converged)
