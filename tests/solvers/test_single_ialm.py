import numpy as np
import pytest

from cdmer_bench.compiled import compiled_available
from cdmer_bench.errors import UserError
from cdmer_bench.solvers import single_ialm
from cdmer_bench.solvers.ialm import ResponseIALM, ialm_as_written
from cdmer_bench.solvers.single_ialm import (
    NumpyArrays,
    SingleIALM,
    TorchArrays,
    arrays_of,
    cut_step,
    plain_step,
)

MUS = [0.02, 0.7, 1.0, 2.0, 8.0]


@pytest.fixture(autouse=True)
def small_samples(monkeypatch):
    monkeypatch.setattr(single_ialm, "SAMPLE", 64)
    monkeypatch.setattr(single_ialm, "LARGEST_RESPONSES", 16)


def draw(m=9, n=14, d=400, seed=0):
    """Kernels of positive samples, as those of histograms: nearly parallel, of several sizes."""
    rng = np.random.default_rng(seed)
    design = rng.gamma(2.0, size=(m, n)) + 3 * rng.random((m, 1))
    responses = rng.gamma(0.5, size=(d, m)) * rng.gamma(0.5, size=(d, 1))
    return design, responses, rng.normal(size=(d, 5))


@pytest.mark.parametrize("shape", [(9, 14), (5, 16)])  # the second by two factors of N
def test_iterates_are_those_of_the_loop_as_written(shape):
    design, responses, _ = draw(*shape, d=40)
    correlations = responses @ design
    double = ResponseIALM(design)
    steps = [double.solve(correlations, mu).iterations for mu in MUS]
    found = SingleIALM(design, NumpyArrays())._run(correlations, MUS, steps)
    for mu, P, taken in zip(MUS, found, steps, strict=True):
        expected, n_steps, _ = ialm_as_written(design.T, responses, mu, double.schedule)
        assert taken == n_steps
        share = 1e-3 if mu >= 0.5 else 1e-2  # the smaller mu, the larger is rounding beside it
        np.testing.assert_allclose(P, expected.T, atol=share * np.abs(expected).max())
        assert (P != 0).any() == (expected != 0).any()


def test_above_the_start_responses_join_late_and_some_never(monkeypatch):
    design, responses, _ = draw(d=300)
    correlations = responses @ design
    loop = SingleIALM(design, NumpyArrays())
    runs = []
    run_of = single_ialm._Run

    def watched(*arguments):
        runs.append(run_of(*arguments))
        return runs[-1]

    monkeypatch.setattr(single_ialm, "_Run", watched)
    loop._run(correlations, [0.5, 2.0, 8.0], [200, 200, 200])
    counts = [run.count for run in runs]
    assert counts[0] == 300
    assert 300 > counts[1] > counts[2] > 0


def test_sums_differ_from_those_in_double_by_less_than_the_witnesses_say():
    design, responses, raw = draw()
    correlations = responses @ design
    found = SingleIALM(design, NumpyArrays()).solve(correlations, MUS, raw)
    for mu, sums in zip(MUS, found, strict=True):
        P, steps, converged = ResponseIALM(design).solve(correlations, mu)
        assert sums.converged == converged
        assert abs(sums.iterations - steps) <= 20
        errors = sums.errors
        assert len(errors) == single_ialm.GROUPS
        for ours, exact, place in ((sums.projected, P.T @ raw, 0), (sums.square, P.T @ P, 1)):
            said = max(np.abs(error[place]).max() for error in errors)
            assert np.abs(ours - exact).max() <= said + 1e-12
            assert said < (1e-3 if mu >= 0.5 else 1e-1) * np.abs(exact).max()


def step_arrays(seed):
    rng = np.random.default_rng(seed)
    moved, D, X = rng.normal(size=(3, 6, 11)).astype(np.float32)
    return moved, rng.normal(size=(9, 11)).astype(np.float32), rng.permutation(9)[:6], D, X


@pytest.mark.skipif(not compiled_available(), reason="numba is not there")
def test_the_compiled_step_gives_the_bits_of_the_plain_one():
    for mu in (0.0, 0.3, 2.0):
        moved, pull, rows, D, X = step_arrays(1)
        other, shadow = D.copy(), X.copy()
        plain_step(moved, pull, rows, D, X, [1.1, 1.3], mu)
        factors = (np.float32(1.1), np.float32(1.3), np.float32(mu))
        cut_step(moved, pull, rows, other, shadow, *factors)
        np.testing.assert_array_equal(D, other)
        np.testing.assert_array_equal(X, shadow)


def test_torch_gives_the_same_up_to_rounding():
    pytest.importorskip("torch").set_num_threads(1)
    design, responses, raw = draw()
    correlations = responses @ design
    ours, theirs = (
        SingleIALM(design, arrays).solve(correlations, MUS, raw)
        for arrays in (NumpyArrays(), TorchArrays("cpu"))
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.iterations == other.iterations
        scale = np.abs(mine.projected).max()
        np.testing.assert_allclose(other.projected, mine.projected, atol=1e-5 * scale)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    assert type(arrays_of("cpu")) is NumpyArrays
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert type(arrays_of("auto")) is NumpyArrays
    with pytest.raises(UserError, match="device=cuda needs a GPU"):
        arrays_of("cuda")


def test_few_responses_few_penalties_or_large_matrices_stay_in_double():
    assert SingleIALM.pays(15045, 37, (72, 142))
    assert not SingleIALM.pays(800, 37, (72, 142))
    assert not SingleIALM.pays(15045, 1, (72, 142))
    assert not SingleIALM.pays(15045, 37, (5001, 10000))
