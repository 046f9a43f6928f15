import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.methods.tkl import TKL, extend_eigenvectors, minimise_ordered
from tests.methods.oracles import arrays, best, case, grid_predictions, random_task, thinned


def fitted(letter, kernel, zeta):
    """Return the kernel of all samples, the fitted eigenvalues and the objective at them."""
    Xs, ys, Xt = case(letter)
    phi = extend_eigenvectors(TKL().prepare(Xs, ys - 1, Xt, Xt), kernel)
    spectrum, _ = minimise_ordered(phi.Q, phi.r, zeta)
    samples = np.vstack([phi.source, phi.queries])
    objective = spectrum @ phi.Q @ spectrum / 2 + phi.r @ spectrum
    return (samples * spectrum) @ samples.T, spectrum, objective


@pytest.mark.parametrize(("letter", "kernel"), [("A", "rbf"), ("B", "linear"), ("B", "rbf")])
@pytest.mark.parametrize("zeta", [0.5, 1.0, 1.1, 2.0, 5.0])
def test_kernel_and_objective_are_those_of_the_public_code(letter, kernel, zeta):
    oracle, suffix = arrays("tkl"), f"{round(10 * zeta):02d}"
    gram, spectrum, objective = fitted(letter, kernel, zeta)
    expected = oracle[f"{letter}_tkl_{kernel}_gram_{suffix}"]
    exact = zeta <= 1.1 and oracle[f"{letter}_tkl_{kernel}_octave_ok_{suffix}"]
    error = np.abs(thinned(gram) - expected).max() / np.abs(expected).max()
    assert error <= (1e-8 if exact else 1e-4)
    eigenvalues = oracle[f"{letter}_tkl_{kernel}_lambda_opt_{suffix}"]
    np.testing.assert_allclose(spectrum, eigenvalues, rtol=0, atol=1e-8 * eigenvalues.max())
    assert objective == pytest.approx(
        float(oracle[f"{letter}_tkl_{kernel}_obj_opt_{suffix}"]), rel=1e-7
    )


def test_predictions_are_those_of_the_public_code():
    compared = 0
    for name, expected in arrays("tkl").items():
        if "_pred_" in name:
            letter, _, kernel, _, suffix = name.split("_")
            Xs, ys, Xt = case(letter)
            found = TKL(zeta=int(suffix) / 10, kernel=kernel).fit(Xs, ys, Xt).predict(Xt)
            np.testing.assert_array_equal(found, expected, err_msg=name)
            compared += 1
    assert compared == 16


def test_quadratic_is_the_distance_between_kernels():
    Xs, ys, Xt = random_task(2, 9, 16, 40)
    phi = extend_eigenvectors(TKL().prepare(Xs, ys, Xt, Xt))
    K = Xs @ Xs.T + 1e-6 * np.eye(9)
    for spectrum in np.random.default_rng(0).uniform(size=(3, len(phi.r))):
        direct = np.sum(((phi.source * spectrum) @ phi.source.T - K) ** 2)
        by_quadratic = spectrum @ phi.Q @ spectrum + 2 * phi.r @ spectrum + np.sum(K**2)
        assert by_quadratic == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize(("task", "printed"), [("VN", (0.7558, 76.06)), ("NV", (0.7579, 76.06))])
def test_paper_figures_and_every_prediction_on_the_released_features(task, printed):
    predicted, yt = grid_predictions(TKL(), task)
    assert len(predicted) == 50
    assert best(yt, predicted) == printed
    np.testing.assert_array_equal(predicted, arrays("released")[f"{task}_tkl_pred"])


def test_eigenvectors_that_do_not_exist_are_left_out_and_noted():
    Xs, ys, Xt = random_task(0, 20, 30, 5)
    assert (
        "rank 5, so 5 eigenvectors were used instead of 20"
        in (TKL().fit(Xs, ys, Xt).result_.notes[0])
    )
    Xs, ys, Xt = random_task(0, 20, 6, 50)
    assert "not more than the 10 eigenvectors to omit" in TKL().fit(Xs, ys, Xt).result_.notes[0]
    assert TKL(omitted=0).fit(Xs, ys, Xt).result_.notes == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"zeta": -0.1}, "zeta of TKL"), ({"kernel": "poly"}, "expected one of linear, rbf")],
)
def test_refuses_impossible_parameters(changes, message):
    Xs, ys, Xt = random_task(0)
    with pytest.raises(UserError, match=message):
        TKL(**changes).fit(Xs, ys, Xt)


def test_the_width_of_the_gaussian_knows_nothing_of_samples_that_are_predicted_later():
    Xs, ys, Xt = random_task(4, n_features=20)
    fitted = TKL(kernel="rbf").fit(Xs, ys, Xt)
    expected = fitted.result_.scores[0]
    far = np.vstack([Xt[:4], 100 * Xt[4:5]])
    np.testing.assert_allclose(fitted.result_for(far).scores[0][:4], expected[:4], atol=1e-6)


def test_a_spectrum_that_was_not_found_does_not_count_as_converged(monkeypatch):
    def ended(*_, **__):
        raise RuntimeError("too many iterations")

    monkeypatch.setattr("scipy.optimize.nnls", ended)
    result = TKL().fit(*random_task(0, 20, 30, 50)).result_
    assert not result.converged[0]
    assert "a solver of lower accuracy" in result.notes[0]
