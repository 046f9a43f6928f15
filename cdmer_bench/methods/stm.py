"""The selective transfer machine (Chu, De la Torre and Cohn, CVPR 2013 and TPAMI 39(3), 2017)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cdmer_bench.errors import UserError, closest
from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batches import BatchResult
from cdmer_bench.methods.inputs import SOLVERS, Array, Indices, Setting, require
from cdmer_bench.solvers.bounded_sum_qp import (
    BoundedSumQP,
    QPSolution,
    solve_active_set,
    solve_interior_point,
)
from cdmer_bench.solvers.kernels import linear_kernel, squared_distances
from cdmer_bench.solvers.squared_hinge import Machine, train_least_squares_steps, train_to_optimum

QP_SOLVERS = {"interior-point": solve_interior_point, "active-set": solve_active_set}
# Least fall of the objective, relative to its first value, with which the alternation goes on.
DECREASE = 1e-4
CAP = 2000.0  # of a sample's weight
JITTER = 1e-10  # on the diagonal of K: equal samples share a weight
REMARKS = {
    "increase": "the alternation stopped at an increase of its objective",
    "constant": "the machine is constant",
    "alternations": "the alternation reached its limit",
    "weights": "the quadratic program of the weights did not reach its tolerance",
    "machine": "the machine's iteration ended at its limit or beyond float64",
}
# What does not make a setting count as not converged.
HARMLESS = {"increase", "constant"}


@dataclass
class STM(Method):
    r"""Selective transfer machine: source weights that match means and suit a linear machine.

    For each class against the rest, with signs y (n_source), source samples x_i, weights g
    (n_source) and losses xi_i = max(0, 1 - y_i (w'x_i + b))^2::

        min over w, b, g   1/(2C) |w|^2 + 1/2 g'xi + lam (1/2 g'Kg - kappa'g)
        subject to         0 <= g <= 2000,  |1'g - n_source| <= n_source eps,
                           eps = (sqrt(n_source) - 1) / sqrt(n_source)

    K (n_source x n_source) is a Gaussian kernel, kappa_i = n_source/n_target times the sum over
    target samples t of the kernel of x_i and t. Starting from xi = 0, alternate

    (a) g from 1/2 g'Kg + (xi / (2 lam) - kappa)'g under the constraints, and
    (b) w, b from 1/(2C) |w|^2 + 1/2 g'xi, a machine with weighted squared hinge loss,

    until the logged objective falls by less than 1e-4 of its first value. A sample is given the
    class with the largest w'x + b.

    Parameters
    ----------
    lam : float
        The paper's λ, weight of the mean matching, > 0.
    C : float
        Cost, > 0; "its penalized coefficient is set as C = 1".
    solver : {'paper', 'exact'}
        Step (b): the unconverged steps of the public code, from which the printed results come,
        or the optimum. ``'exact'`` also solves (a) by ``'active-set'``, whatever ``qp`` says.
    qp : {'interior-point', 'active-set'}
        Step (a): an interior point to a relative duality gap of 1e-8, clipped at 0, or the
        optimum to rounding.
    max_alternations : int
        The loop ends after one more than this many alternations.

    Notes
    -----
    The paper gives C and the grid of λ only; the rest is that of the public code of STM's first
    author, as docs/protocol.md tells:

    - the Gaussian is exp(-d^2/s), s the *square root* of the median of all d^2, zeros of the
      diagonal included, separately for source-source and source-target distances;
    - the logged objective weighs the mean matching by lam/n_source^2 where step (a) weighs it by
      lam: two functions, so nothing falls monotonically, and the loop also stops at an *increase*
      (noted with the setting);
    - step (b) ends above its optimum, in some settings far above, at a point that depends on the
      rules of :func:`~cdmer_bench.solvers.squared_hinge.train_least_squares_steps`; at most
      20 min(n_source, n_features) of its iterations are made.

    The alternation amplifies differences in g of 1e-8 into other predictions.
    """

    lam: float = 1.0
    C: float = 1.0
    solver: str = "paper"
    qp: str = "interior-point"
    max_alternations: int = 1000

    label = "STM"

    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
        """Compute the mean matching, and the Gram matrices of source and of queries with it."""
        K, kappa = matching_kernels(squared_distances(Xs, Xs), squared_distances(Xs, Xt))
        return {
            "K": K,
            "kappa": kappa,
            "gram": linear_kernel(Xs, Xs),
            "queries": linear_kernel(Xq, Xs),
            "ys": ys,
            "n_features": np.array(Xs.shape[1]),
        }

    def check_values(self, setting: Setting) -> None:
        """Refuse values outside their range; see :meth:`Method.check_values`."""
        super().check_values(setting)
        chosen = self.complete(setting)
        for name in ("lam", "C"):
            require(chosen[name] > 0, f"{name} of STM", chosen[name], "a positive number")
        most = chosen["max_alternations"]
        require(most >= 1, "max_alternations of STM", most, "at least 1")
        for name, known in (("solver", SOLVERS), ("qp", QP_SOLVERS)):
            if chosen[name] not in known:
                raise UserError(
                    f"{name} of STM is {chosen[name]!r}; {closest(chosen[name], known)}"
                )

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Alternate for each setting and class; step (a) for xi = 0 is solved once."""
        ys, starts = prepared["ys"], {}
        scores, runs = [], []
        for setting in settings:
            chosen = self.complete(setting)
            qp = "active-set" if chosen["solver"] == "exact" else chosen["qp"]
            if qp not in starts:
                starts[qp] = QP_SOLVERS[qp](mean_matching(prepared["K"], prepared["kappa"]))
            ended = [
                alternate(
                    prepared, QP_SOLVERS[qp], starts[qp], np.where(ys == c, 1.0, -1.0), chosen
                )
                for c in np.unique(ys)
            ]
            runs.append(ended)
            outputs = [prepared["queries"] @ run.machine.a + run.machine.b for run in ended]
            scores.append(np.stack(outputs, axis=1))
        alternations = np.array([[len(run.objectives) for run in ended] for ended in runs])
        converged = np.array([all(run.remarks <= HARMLESS for run in ended) for ended in runs])
        result = BatchResult.from_scores(np.stack(scores), converged, alternations.max(axis=1))
        for index, ended in enumerate(runs):
            for remark, text in REMARKS.items():
                classes = [str(c) for c, run in enumerate(ended) if remark in run.remarks]
                if classes:
                    result.add_note(index, f"{text} (class index {', '.join(classes)})")
        result.extras["alternations"] = alternations
        result.extras["last_iterations"] = np.array(
            [[run.machine.iterations for run in ended] for ended in runs]
        )
        return result


def gaussian_of_squared_distances(squares: Array) -> Array:
    """Return exp(-d^2 / s), s the square root of the median of all d^2 given; its limit for 0."""
    width = np.sqrt(np.median(squares))
    if width == 0:
        return (squares == 0).astype(np.float64)
    # exp(-800) is 0 in float64; the limit avoids an overflow of the quotient.
    return np.exp(-np.minimum(squares, 800 * width) / width)


def matching_kernels(source_squares: Array, cross_squares: Array) -> tuple[Array, Array]:
    """Return K (n, n) and kappa (n,) for squared distances (n, n) and (n, m).

    Each kernel has the width of its own distances.
    """
    n, m = cross_squares.shape
    K = gaussian_of_squared_distances(source_squares)
    K.flat[:: n + 1] += JITTER
    return K, n / m * gaussian_of_squared_distances(cross_squares).sum(axis=1)


def mean_matching(K: Array, kappa: Array, penalty: Array | float = 0.0) -> BoundedSumQP:
    r"""Return step (a): weights that bring the source's mean in a feature space to the target's.

    Kernel mean matching of J. Huang, A. Gretton, K. M. Borgwardt, B. Schölkopf and A. J. Smola,
    Correcting sample selection bias by unlabeled data, NIPS 2006, with a penalty of the losses:

    .. math:: \min_g \tfrac12 g'Kg + (\text{penalty} - \kappa)'g \quad\text{subject to}\quad
              0 \le g \le 2000,\; |1'g - n| \le n\epsilon,\; \epsilon = (\sqrt n - 1) / \sqrt n
    """
    n = len(kappa)
    epsilon = (np.sqrt(n) - 1) / np.sqrt(n)
    return BoundedSumQP(K, penalty - kappa, n * (1 - epsilon), n * (1 + epsilon), CAP)


class Alternation(NamedTuple):
    """How the alternation of one class ended."""

    gamma: Array  # (n_source,), weights of the source samples
    machine: Machine
    objectives: list[float]  # the logged one after each alternation
    remarks: set[str]  # keys of REMARKS


def alternate(
    prepared: Prepared,
    solve_qp: Callable[[BoundedSumQP], QPSolution],
    start: QPSolution,  # step (a) for xi = 0, which depends on neither λ nor the class
    y: Array,  # (n_source,), 1 for the class, -1 for the rest
    chosen: Setting,
) -> Alternation:
    """Alternate steps (a) and (b) for one class."""
    K, kappa, gram = prepared["K"], prepared["kappa"], prepared["gram"]
    lam, ridge = chosen["lam"], 1 / chosen["C"]
    limit = 20 * min(len(y), int(prepared["n_features"]))
    weighted, xi, fall = start, np.zeros(len(y)), np.inf
    objectives: list[float] = []
    while fall >= DECREASE and len(objectives) <= chosen["max_alternations"]:
        if objectives:
            weighted = solve_qp(mean_matching(K, kappa, xi / (2 * lam)))
        if chosen["solver"] == "exact":
            machine = train_to_optimum(gram, y, weighted.g, ridge)
        else:
            machine = train_least_squares_steps(gram, y, weighted.g, ridge, limit)
        xi = machine.squared_hinges(gram, y)
        regular = machine.a @ gram @ machine.a / (2 * chosen["C"]) + xi @ weighted.g / 2
        matched = mean_matching(K, kappa).objective(weighted.g)
        objectives.append(float(regular + lam / len(y) ** 2 * matched))
        if len(objectives) > 1:
            tiny = np.finfo(float).tiny
            fall = (objectives[-2] - objectives[-1]) / max(abs(objectives[0]), tiny)
    happened = {
        "increase": fall < 0,
        "constant": not machine.a.any(),
        "alternations": fall >= DECREASE,
        "weights": not weighted.converged,
        "machine": not (machine.converged and np.isfinite(fall)),
    }
    return Alternation(weighted.g, machine, objectives, {key for key in happened if happened[key]})
