import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.compiled import compiled_available
from cdmer_bench.solvers import lasso_sums
from cdmer_bench.solvers.active_set_lasso import CarefulLasso, active_set_lasso
from cdmer_bench.solvers.lasso_paths import certify, lasso_paths
from cdmer_bench.solvers.lasso_sums import sum_lassos

FORMS = [
    pytest.param(
        "0",
        marks=pytest.mark.skipif(not compiled_available(), reason="numba is not there"),
        id="compiled",
    ),
    pytest.param("1", id="numpy"),
]


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    """Run a test with the compiled walk and with the NumPy walk."""
    monkeypatch.setenv("CDMER_NO_NUMBA", request.param)


def draw(seed, m=9, n=14, d=40, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)) + offset, rng.normal(size=(d, m)), rng.normal(size=(d, 5))


def as_stored(design, responses, mus, raw):
    """Add up solutions that are held whole."""
    P = np.zeros((len(mus), len(responses), design.shape[1]))
    for part in lasso_paths(design.T @ design, responses @ design, mus):
        P[:, part.rows] = part.coefficients
    bounds = [certify(design, responses, p, mu) for p, mu in zip(P, mus, strict=True)]
    return (
        np.einsum("qrn,rm->qnm", P, raw),
        P.transpose(0, 2, 1) @ P,
        np.array([bound.objective.sum() for bound in bounds]),
    )


@settings(max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 20),
    st.sampled_from([0.0, 1.0, 30.0]),
    st.booleans(),
)
@pytest.mark.parametrize("no_numba", FORMS)
def test_sums_are_those_of_stored_solutions(no_numba, seed, m, n, offset, repeat):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDMER_NO_NUMBA", no_numba)
        design, responses, raw = draw(seed, m, n, 11, offset)
        if repeat:
            design = np.hstack([design, design[:, : n // 2], np.zeros((m, 1))])
        largest = 2 * np.abs(responses @ design).max()
        mus = largest * np.array([1e-2, 1.1, 0.3, 1e-4])
        found = sum_lassos(design, responses, mus, raw)
    projected, square, objective = as_stored(design, responses, mus, raw)
    np.testing.assert_allclose(found.objective, objective, rtol=1e-6)
    assert (found.gap <= 1e-6 * found.objective).all()
    if not repeat:  # otherwise the solutions are not unique
        tolerance = 1e-4 * np.abs(projected).max() + 1e-300
        np.testing.assert_allclose(found.projected, projected, atol=tolerance)
        np.testing.assert_allclose(found.square, square, atol=1e-4 * np.abs(square).max())


@pytest.mark.skipif(not compiled_available(), reason="numba is not there")
def test_neither_threads_nor_the_company_of_penalties_nor_their_order_change_a_bit(monkeypatch):
    monkeypatch.setattr(lasso_sums, "CHUNK", 7)
    design, responses, raw = draw(1)
    mus = [0.3, 1.0, 0.01, 0.1]
    found = []
    for threads, order in [(1, [0, 1, 2, 3]), (3, [0, 1, 2, 3]), (2, [3, 2, 1, 0]), (1, [2, 0])]:
        monkeypatch.setattr(lasso_sums, "_threads", lambda threads=threads: threads)
        sums = sum_lassos(design, responses, [mus[i] for i in order], raw)
        found.append(
            {
                i: [a[k] for a in (sums.projected, sums.square, sums.gap)]
                for k, i in enumerate(order)
            }
        )
    for other in found[1:]:
        for i, arrays in other.items():
            for mine, theirs in zip(found[0][i], arrays, strict=True):
                np.testing.assert_array_equal(mine, theirs)


def test_responses_end_in_zeros_where_they_are_short(form):
    design, responses, raw = draw(3)
    padded = np.hstack([responses[:, :-2], np.zeros((len(responses), 2))])
    short, whole = (sum_lassos(design, y, [0.1], raw) for y in (responses[:, :-2], padded))
    np.testing.assert_allclose(short.square, whole.square, rtol=1e-9)
    np.testing.assert_allclose(short.objective, whole.objective, rtol=1e-9)


# Features whose lassos float64 solves badly from the square of the design.
SCALES = {
    "pixels": lambda X: np.clip(128 + 40 * X, 0, 255).round(),
    "far from zero": lambda X: X + 100,
    "large": lambda X: 255 * X,
    "huge": lambda X: 1e5 * X,
    "scales": lambda X: X * np.logspace(-2, 2, X.shape[1]),
    "tiny": lambda X: 1e-4 * X,
    "low rank": lambda X: X[:, :4] @ np.random.default_rng(1).normal(size=(4, X.shape[1])),
}


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("n_features", [10, 200])
def test_every_setting_is_certified_on_features_of_any_scale(name, n_features, form):
    X = np.random.default_rng(0).normal(size=(50, n_features))
    X[40:45] = X[:5]  # clips that are there twice
    X = SCALES[name](X)
    kernel = X[:30] @ X.T
    k = kernel[:, :30].mean(1) - kernel[:, 30:].mean(1)
    design = np.vstack([kernel, X[:30].mean(0) @ X.T - X[30:].mean(0) @ X.T])
    assert k.shape == (30,)
    responses = np.hstack([X[:30].T, np.zeros((n_features, 1))])[:12]
    mus = [10.0, 1.0, 0.1, 0.01, 0.001]
    found = sum_lassos(design, responses, mus, responses)
    assert (found.gap <= 1e-6 * found.objective).all(), found.gap / found.objective
    # Each alone as well, which the careful method then solves from zero.
    for mu in mus:
        alone = sum_lassos(design, responses, [mu], responses)
        assert alone.gap <= 1e-6 * alone.objective
    every = sum_lassos(design, responses, mus, np.eye(len(responses))).projected
    for mu, P, objective in zip(mus, every.transpose(0, 2, 1), found.objective, strict=True):
        own = ((responses - P @ design.T) ** 2).sum() + mu * np.abs(P).sum()
        np.testing.assert_allclose(own, objective, rtol=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 10), st.integers(1, 16), st.floats(1e-3, 1.2))
def test_the_careful_method_finds_the_optimum_of_the_plain_one(seed, m, n, fraction):
    design, responses, _ = draw(seed, m, n, 3)
    design = np.hstack([design, design[:, : n // 3], np.zeros((m, 1))])
    careful = CarefulLasso(design)
    rng = np.random.default_rng(seed)
    for y in responses:
        mu = fraction * 2 * np.abs(y @ design).max()
        plain = active_set_lasso(design.T @ design, y @ design, mu / 2).x
        expected = np.sum((y - design @ plain) ** 2) + mu * np.abs(plain).sum()
        found = careful.solve(y, mu, rng.normal(size=design.shape[1]))
        own = np.sum((y - design @ found.p) ** 2) + mu * np.abs(found.p).sum()
        np.testing.assert_allclose([own, found.objective], expected, rtol=1e-7)
        assert found.gap <= 1e-6 * expected


@pytest.mark.parametrize("levels", [3, 256])
def test_counts_and_grey_levels_are_certified_where_the_optimum_nearly_fits(levels):
    """There the gap does not fall at every step of the careful search, but the objective does."""
    X = np.random.default_rng(0).integers(0, levels, (160, 400)).astype(float)
    kernel = X @ X.T
    k = kernel[:, :90].mean(1) - kernel[:, 90:].mean(1)
    design = np.vstack([kernel[:, :90].T, np.sqrt(0.001) * k])
    sums = sum_lassos(design, X[:90].T, [0.1, 0.005], X[:90].T)
    assert (sums.gap <= 1e-6 * sums.objective).all(), sums.gap / sums.objective
