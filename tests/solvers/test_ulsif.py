import tracemalloc

import numpy as np
import pytest

from cdmer_bench.solvers.kernels import squared_distances
from cdmer_bench.solvers.ulsif import DEFAULT_WIDTHS, fit_ratios, ratio_model
from tests.methods.oracles import arrays, case, random_task


def model(Xs, Xt, sigma):
    return ratio_model(squared_distances(Xt, Xs), squared_distances(Xt, Xt), sigma)


@pytest.mark.parametrize("letter", ["A", "B"])
def test_weights_are_those_of_the_published_code(letter):
    Xs, _, Xt = case(letter)
    oracle = {k[2:]: v for k, v in arrays("libsvm").items() if k.startswith(f"{letter}_ulsif")}
    for sigma, lam, expected in zip(
        oracle["ulsif_sig"], oracle["ulsif_lam"], oracle["ulsif_w"], strict=True
    ):
        np.testing.assert_allclose(model(Xs, Xt, sigma).weights(lam), expected, rtol=1e-12)


@pytest.mark.parametrize("letter", ["A", "B"])
def test_leave_one_out_chooses_as_the_published_code(letter):
    Xs, _, Xt = case(letter)
    oracle = {k[2:]: v for k, v in arrays("libsvm").items() if k.startswith(f"{letter}_ulsif")}
    squares = squared_distances(Xt, Xs), squared_distances(Xt, Xt)
    ratios, scores = fit_ratios(*squares, DEFAULT_WIDTHS, [1.0])
    chosen = scores[:, 0].argmin()
    assert DEFAULT_WIDTHS[chosen] == pytest.approx(float(oracle["ulsif_cv1_sigma"]), rel=1e-14)
    np.testing.assert_allclose(ratios[chosen, 0], oracle["ulsif_cv1_w"], rtol=1e-11)
    # The code searches lambda over the same list as the width.
    ratios, scores = fit_ratios(*squares, DEFAULT_WIDTHS, DEFAULT_WIDTHS)
    width, lam = np.unravel_index(scores.argmin(), scores.shape)
    assert DEFAULT_WIDTHS[width] == pytest.approx(float(oracle["ulsif_cv_sigma"]), rel=1e-14)
    assert DEFAULT_WIDTHS[lam] == pytest.approx(float(oracle["ulsif_cv_lambda"]))
    np.testing.assert_allclose(ratios[width, lam], oracle["ulsif_cv_w"], rtol=1e-10)


@pytest.mark.parametrize(("n_source", "n_target"), [(9, 6), (6, 9), (2, 2)])
def test_leave_one_out_score_is_that_of_leaving_one_out(n_source, n_target):
    Xs, _, Xt = random_task(0, n_source, n_target, 3, 2)
    fitted, lam, losses = model(Xs, Xt, 2.0), 0.3, []
    for i in range(min(n_source, n_target)):
        source = np.delete(fitted.on_source, i, axis=1)
        target = np.delete(fitted.on_target, i, axis=1)
        H = source @ source.T / (n_source - 1)
        alpha = np.linalg.solve(H + lam * np.eye(len(H)), target.mean(1))
        alpha = np.maximum(alpha, 0)
        w_source, w_target = fitted.on_source[:, i] @ alpha, fitted.on_target[:, i] @ alpha
        losses.append(w_source**2 / 2 - w_target)
    assert fitted.leave_one_out_scores([lam]) == pytest.approx([np.mean(losses)], rel=1e-10)


def test_large_lambda_only_scales_the_weights():
    Xs, _, Xt = random_task(1)
    fitted = model(Xs, Xt, 3.0)
    np.testing.assert_allclose(fitted.weights(1e9), fitted.weights(1e8) / 10, rtol=1e-6)


def test_weights_are_larger_where_the_target_is():
    Xs = np.linspace(-3, 3, 61)[:, None]
    Xt = np.linspace(0, 3, 31)[:, None]
    weights = model(Xs, Xt, 0.5).weights(0.01)
    assert (weights >= 0).all()
    # The ratio of the two uniform densities is 2 on [0, 3] and 0 on [-3, 0).
    assert weights[40:55].mean() == pytest.approx(2, abs=0.1)
    assert weights[:20].max() < 0.1


def test_rounding_leaves_no_negative_eigenvalue():
    # One Gaussian for all samples: H has rank 1, and eigh gives eigenvalues of about -1e-17.
    Xs, _, Xt = random_task(2)
    values = model(Xs, Xt, 1e6).values
    assert (values >= 0).all()
    assert values[-1] == pytest.approx(25)


def test_one_width_is_held_at_a_time():
    rng = np.random.default_rng(3)
    Xs, Xt = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    squares = squared_distances(Xt, Xs), squared_distances(Xt, Xt)
    tracemalloc.start()
    fit_ratios(*squares, DEFAULT_WIDTHS, [0.1, 1.0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * squares[0].nbytes  # 9 models alone would take 27 times these
