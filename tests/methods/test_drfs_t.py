import numpy as np
import pytest
from sklearn.svm import SVC

from cdmer_bench.methods.drfs_t import DRFST
from tests.methods.oracles import (
    macro_f1_and_accuracy,
    random_task,
    regeneration_coefficients,
    released_task,
)


@pytest.mark.parametrize("solver", ["paper", "exact"])
def test_a_machine_of_the_regenerated_source_classifies_the_raw_target(solver):
    Xs, ys, Xt = random_task(12)
    order = np.argsort(ys, kind="stable")  # so that LibSVM's class order is the sorted one
    Xs, ys = Xs[order], ys[order]
    P, _, _ = regeneration_coefficients(Xt, Xs, 10.0, 0.3, solver)
    regenerated = (P @ (np.vstack([Xt, Xs]) @ Xs.T)).T
    expected = SVC(kernel="linear", C=1.0).fit(regenerated, ys).predict(Xt)
    found = DRFST(lam=10.0, mu=0.3, solver=solver).fit(Xs, ys, Xt).predict(Xt)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_printed_figure_of_vis_to_nir():
    # The setting at which the paper's grid has its best mean F1 among lambda = 1000 and 10.
    Xs, ys, Xt, yt = released_task("VN")
    method = DRFST(lam=1000.0, mu=0.2)
    assert macro_f1_and_accuracy(yt, method.fit(Xs, ys, Xt).predict(Xt)) == (0.7286, 73.24)
