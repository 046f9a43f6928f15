import numpy as np

from cdmer_bench.methods.svm import Classified, batch_result, classify_linearly
from cdmer_bench.solvers.libsvm import VotingMachine


def test_notes_gather_remarks_and_the_machines_own():
    x = np.array([[-1.0], [1.0]])
    ys = np.array([0, 1])
    plain = classify_linearly(x, ys, x, 1.0)
    remarked = classify_linearly(x, ys, x, 1.0, ["k was reduced", ""])
    stopped = Classified(
        VotingMachine(ys, 2, None, None, converged=False, iterations=7, note="odd weights"),
        plain.decision,
        ["reduced"],
    )
    result = batch_result([plain, remarked, stopped])
    assert result.notes == {
        1: "k was reduced",
        2: "reduced; odd weights; LIBSVM stopped at its limit after 7 iterations",
    }
    assert result.converged.tolist() == [True, True, False]
    assert result.predictions.tolist() == [[0, 1]] * 3
    assert result.scores.shape == (3, 2, 2)
