"""The contract passes sound methods and names what is broken in others."""

import numpy as np
import pytest

from cdmer_bench.methods import GFK, SVM, TCA, TGSR, BatchResult
from cdmer_bench.methods.checks import MethodChecks
from tests.contracts import failures


@pytest.mark.parametrize("method", [SVM(), GFK(), TCA(), TGSR()], ids=lambda m: type(m).__name__)
def test_the_packages_own_methods_pass(method):
    assert failures(MethodChecks(method).checks()) == {}


def spoil(name, change):
    """A GFK whose result ``change`` alters: (predictions, prepared, settings) -> predictions."""

    class Spoilt(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            predictions = change(result.predictions.copy(), prepared, settings)
            return BatchResult.closed_form(predictions, result.scores)

    Spoilt.__name__ = name
    return Spoilt()


def test_a_setting_that_depends_on_its_company_is_caught():
    def change(predictions, prepared, settings):
        return (predictions + (len(settings) > 5)) % 2

    assert {"alone", "split"} <= failures(MethodChecks(spoil("Company", change)).checks()).keys()


def test_a_prediction_that_depends_on_the_position_is_caught():
    def change(predictions, prepared, settings):
        predictions[:, 0] = 0
        predictions[:, -1] = 1
        return predictions

    found = failures(MethodChecks(spoil("Position", change)).checks())
    assert {"target order", "queries"} <= found.keys()
    assert "predictions differ" in found["target order"]


def test_a_random_method_is_caught():
    rng = np.random.default_rng()

    def change(predictions, prepared, settings):
        return rng.integers(0, 2, predictions.shape)

    assert "determinism" in failures(MethodChecks(spoil("Random", change)).checks())


def test_writing_into_the_shared_arrays_is_caught():
    def change(predictions, prepared, settings):
        next(iter(prepared.values()))[...] = 0
        return predictions

    found = failures(MethodChecks(spoil("Writer", change)).checks())
    assert "read-only" in found["split"]


def test_scores_that_are_not_finite_are_caught():
    class Scoring(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            scores = np.full((*result.predictions.shape, 3), np.nan)
            return BatchResult.closed_form(result.predictions, scores)

    assert "NaN" in failures(MethodChecks(Scoring()).checks())["scores"]


def test_a_method_that_asks_for_target_labels_is_caught():
    class Peeking(GFK):
        def prepare(self, Xs, ys, Xt, Xq, yt=None):
            return super().prepare(Xs, ys, Xt, Xq)

    assert "yt" in failures(MethodChecks(Peeking()).checks())["no peeking"]


def test_batches_that_lose_a_setting_are_caught():
    class Losing(GFK):
        def batches(self, settings):
            return [list(range(len(settings) - 1))]

    assert "batches" in failures(MethodChecks(Losing()).checks())


def test_predictions_that_are_no_class_indices_are_caught():
    class Floating(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            return BatchResult.closed_form(result.predictions * np.nan, None)

    assert "some predictions are NaN" in failures(MethodChecks(Floating()).checks())["finite"]


def test_a_method_that_writes_into_the_samples_is_caught():
    class Scaling(GFK):
        def prepare(self, Xs, ys, Xt, Xq):
            Xt /= 2.0
            return super().prepare(Xs, ys, Xt, Xq)

    assert failures(MethodChecks(Scaling()).checks())["input kept"].startswith("it wrote into Xt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda K: K[:-1], "adapted_kernel has shape"),
        (lambda K: K * np.where(K[0, 1] == K, np.nan, 1), "NaN"),
        (lambda K: np.triu(K), "not symmetric"),
        (lambda K: -K, "has the eigenvalue -"),
    ],
    ids=["shape", "NaN", "triangle", "negative"],
)
def test_an_adapted_kernel_that_is_none_is_caught(change, said):
    class Spoilt(GFK):
        def adapted_kernel(self, prepared, setting):
            return change(super().adapted_kernel(prepared, setting))

    found = failures(MethodChecks(Spoilt()).checks())
    assert found.keys() == {"kernel", "pickle"}  # a class of a function cannot be pickled
    assert said in found["kernel"]


def test_a_version_that_is_no_whole_number_is_caught():
    class Dated(GFK):
        version = "2026"

    assert "version is '2026'" in failures(MethodChecks(Dated()).checks())["class"]


class Forgetful(GFK):
    """A method that comes out of a pickle with another parameter."""

    def __reduce__(self):
        return GFK, (3,)


def test_a_method_that_a_pickle_changes_is_caught():
    assert failures(MethodChecks(Forgetful()).checks()).keys() == {"pickle"}


def test_labels_that_the_source_has_not_are_caught():
    def change(predictions, prepared, settings):
        return predictions * 0 + 2

    class Third(SVM):
        def predict_grid(self, Xs, ys, Xt, grid=None):
            settings, predicted = super().predict_grid(Xs, ys, Xt, grid)
            return settings, np.full_like(
                predicted, 77
            ) if predicted.dtype.kind == "i" else predicted

    found = failures(MethodChecks(Third()).checks())
    assert "it predicts [77], which the source" in found["shapes"]
    # On tasks of two classes, one of which a third is no label.
    assert "two classes" in failures(MethodChecks(spoil("Third", change)).checks())


def test_a_method_that_reads_the_values_of_labels_is_caught():
    class Numeric(SVM):
        def predict_grid(self, Xs, ys, Xt, grid=None):
            settings, predicted = super().predict_grid(Xs, ys, Xt, grid)
            if np.asarray(ys).dtype.kind == "U":
                predicted = np.full_like(predicted, "a")
            return settings, predicted

    found = failures(MethodChecks(Numeric()).checks())
    assert found.keys() == {"label types", "pickle"}
    assert "predictions differ" in found["label types"]


def test_scores_of_another_shape_are_caught():
    class Scoring(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            return BatchResult.closed_form(result.predictions, result.scores[..., :2])

    found = failures(MethodChecks(Scoring()).checks())["scores"]
    assert "expected (12, 15, 3)" in found


def test_predictions_that_are_truth_values_are_caught():
    class Truth(SVM):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            result.predictions = result.predictions > 0
            return result

    assert "predictions are bool" in failures(MethodChecks(Truth()).checks())["finite"]


def test_the_grid_that_is_given_is_the_one_that_is_tried():
    assert failures(MethodChecks(GFK(), {"k": [1, 2]}).checks()) == {}
    assert (
        "has no parameter 'depth'" in failures(MethodChecks(GFK(), {"depth": [1]}).checks())["grid"]
    )
