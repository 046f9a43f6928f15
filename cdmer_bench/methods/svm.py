"""The baseline: a linear support vector machine trained on the source, without adaptation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batch_result import BatchResult
from cdmer_bench.methods.grid import Setting
from cdmer_bench.methods.source_svm import Classified, batch_result
from cdmer_bench.solvers.kernels import linear_kernel
from cdmer_bench.solvers.libsvm import fit_gram


@dataclass
class SVM(Method):
    """Linear C-SVM, one against one, on the source samples as they are.

    For each pair of classes: min ||w||^2 / 2 + C sum_i xi_i subject to y_i (w'x_i + b) >= 1 - xi_i
    and xi >= 0, solved in the dual by LIBSVM (default tolerance 1e-3) on the Gram matrix of the
    source. The pairwise machines vote; a tie goes to the class that appears first in the source.

    Parameters
    ----------
    C : float
        Cost of the slack; the paper fixes 1 (section IV-A1).
    """

    C: float = 1.0

    label = "Baseline"
    paper_grid = {}  # noqa: RUF012

    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute the Gram matrix (n_source, n_source) and the block (n_query, n_source)."""
        return {"gram": linear_kernel(Xs, Xs), "block": linear_kernel(Xq, Xs), "ys": ys}

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Train and predict for each C."""
        classified = []
        for setting in settings:
            C = self.complete(setting)["C"]
            machine = fit_gram(prepared["gram"], prepared["ys"], C=C)
            classified.append(Classified(machine, machine.predict(prepared["block"])))
        return batch_result(classified)
