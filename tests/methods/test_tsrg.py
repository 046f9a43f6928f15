import numpy as np
import pytest
from sklearn.svm import SVC

from cdmer_bench.methods.tsrg import TSRG
from tests.methods.oracles import (
    macro_f1_and_accuracy,
    random_task,
    regeneration_coefficients,
    released_task,
)


@pytest.mark.parametrize("solver", ["paper", "exact"])
def test_a_machine_of_the_raw_source_classifies_the_regenerated_target(solver):
    Xs, ys, Xt = random_task(11)
    order = np.argsort(ys, kind="stable")  # so that LibSVM's class order is the sorted one
    Xs, ys = Xs[order], ys[order]
    P, _, _ = regeneration_coefficients(Xs, Xt, 10.0, 0.3, solver)
    regenerated = (P @ (np.vstack([Xs, Xt]) @ Xt.T)).T
    expected = SVC(kernel="linear", C=1.0).fit(Xs, ys).predict(regenerated)
    found = TSRG(lam=10.0, mu=0.3, solver=solver).fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_printed_figure_of_nir_to_vis():
    # The setting at which the paper's grid has its best mean F1 among lambda = 1000.
    Xs, ys, Xt, yt = released_task("NV")
    method = TSRG(lam=1000.0, mu=0.1)
    assert macro_f1_and_accuracy(yt, method.fit(Xs, ys, Xt).predict(Xt)) == (0.8116, 81.69)
