"""One-vs-one support vector machine on a Gram matrix, with LIBSVM's order of classes.

With more than two classes the pairwise machines vote, and votes tie (three classes: 1-1-1). LIBSVM
gives a tie to the class whose label *appears first* among the training samples; scikit-learn, which
wraps LIBSVM, sorts the labels first and so breaks ties differently. The paper's figures come from
LIBSVM, hence the classes are renumbered by first appearance here, and the order of the training
samples is part of the result. Pairs of classes that LIBSVM does not finish go to an interior point.
"""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular

from cdmer_bench.errors import UserError

Array = NDArray[np.float64]

# LIBSVM holds kernel values as 32-bit floats, which end at 2^128. Larger kernels are divided by a
# power of two and C is multiplied by it, which is the same problem to the last bit.
LARGEST_EXPONENT = 100
# LIBSVM 3 stops here too (svm.cpp, Solver::Solve); scikit-learn alone would go on for ever.
MAX_ITERATIONS = 10_000_000
# Iterations for a pair of classes after which the same problem is given to an interior point. With
# up to three pairs they are many, because the printed figures are of LIBSVM's solution, which is
# optimal to its tolerance of 1e-3 only; there it seldom takes more than half of them.
PATIENCE_OF_FEW, PATIENCE = 1_000_000, 5_000
# Of the interior point: duality gap over the objective up to which its solution counts, and at
# which its loop stops; the most steps of it.
RELATIVE_GAP, TOLERANCE, MOST_STEPS = 1e-5, 1e-7, 60


class Decision(NamedTuple):
    """Predicted class indices, and scores whose largest is theirs by a margin of at least 1/4."""

    predictions: NDArray[np.intp]  # (n_query,)
    scores: Array  # (n_query, n_classes)


class PairMachine(NamedTuple):
    """The machine of one pair of classes, trained apart; positive is the first of them."""

    members: NDArray[np.intp]  # its training samples
    coefficients: Array  # of these
    bias: float
    converged: bool

    def decide(self, block: Array) -> Array:
        """Return the decision values of the queries of a block (n_query, n_train)."""
        return block[:, self.members] @ self.coefficients + self.bias


@dataclass(frozen=True)
class VotingMachine:
    """A fitted one-vs-one machine; made by :func:`fit_gram`."""

    classes: NDArray[np.intp]  # class indices seen in training, by first appearance
    n_classes: int  # of the problem, seen in training or not
    kept: NDArray[np.intp] | None  # training samples of positive weight; None: all
    machine: Any  # sklearn.svm.SVC; None if fewer than two classes were seen
    converged: bool = True  # False if LIBSVM stopped at its limit of iterations
    iterations: int = 0  # of LIBSVM, summed over the pairs of classes
    note: str = ""  # what the user should know about the fit
    exponent: int = 0  # the machine's kernel is the given one over 2^exponent
    # In the place of the machine's own.
    pairs: Mapping[int, PairMachine] = field(default_factory=dict)

    def predict(self, block: Array) -> Decision:
        """Predict from the kernel (n_query, n_train) of the queries with the training samples.

        The score of a class is its number of votes, plus c / (4 (1 + |c|)) where c sums its
        signed pairwise decision values, plus 3/4 if it is the predicted one. A class that was
        not seen in training scores -1.
        """
        _require_finite(block, "the kernel between target and source samples")
        n_query, n_seen = len(block), max(1, len(self.classes))
        votes, confidence = np.zeros((n_query, n_seen)), np.zeros((n_query, n_seen))
        pairs = itertools.combinations(range(n_seen), 2)
        for decision, (a, b) in zip(self.pairwise(block).T, pairs, strict=True):
            # A decision of exactly 0 is a vote for the second class, as in LIBSVM.
            votes[:, a] += decision > 0
            votes[:, b] += ~(decision > 0)
            confidence[:, a] += decision
            confidence[:, b] -= decision
        winners = votes.argmax(1)
        scores = np.full((n_query, self.n_classes), -1.0)
        scores[:, self.classes] = votes + confidence / (4 * (1 + np.abs(confidence)))
        scores[np.arange(n_query), self.classes[winners]] += 0.75
        return Decision(self.classes[winners], scores)

    def pairwise(self, block: Array) -> Array:
        """Return the decision values of the pairs of classes, shape (n_query, n_pairs)."""
        if self.machine is None:
            return np.ones((len(block), 0))
        import sklearn

        block = block if self.kept is None else block[:, self.kept]
        block = np.ldexp(block, -self.exponent) if self.exponent else block
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            values = self.machine.decision_function(block)
        if len(self.classes) == 2:
            # scikit-learn turns the sign in the binary case: positive is the second class.
            values = -values[:, None]
        for pair, machine in self.pairs.items():
            values[:, pair] = machine.decide(block)
        return values


def fit_gram(
    gram: Array,  # (n_train, n_train)
    ys: NDArray[np.intp],  # (n_train,), 0 to n_classes - 1
    C: float = 1.0,
    weights: Array | None = None,  # (n_train,), the v_i >= 0; by default 1
) -> VotingMachine:
    """Train a C-SVM for each pair of classes on a precomputed kernel (``svm-train -t 4``).

    For classes a and b: minimise ||w||^2 / 2 + sum_i C v_i xi_i subject to
    y_i (w'x_i + b) >= 1 - xi_i, xi >= 0, over the samples of a (y = 1) and of b (y = -1).
    Samples of weight 0 are left out; if that leaves fewer than two classes, the answer is constant.
    """
    if not (np.isfinite(C) and C > 0):
        raise UserError(f"the cost C of the support vector machine is {C!r}, expected C > 0")
    _require_finite(gram, "the kernel of the source samples")
    gram = np.ascontiguousarray(gram)  # LIBSVM reads the memory itself
    width, kept, note = int(ys.max()) + 1, None, ""
    if weights is not None:
        _require_finite(weights, "the sample weights")
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        kept = np.flatnonzero(C * weights > 0)
        if len(kept) == 0:
            note = "all sample weights are zero, so every sample is given the first sample's class"
            return VotingMachine(ys[:1], width, kept, None, note=note)
        missing = ", ".join(map(str, np.setdiff1d(ys, ys[kept])))
        if missing:
            note = (
                f"the weights of all samples of class index {missing} are zero; it is never "
                "predicted"
            )
        if len(kept) == len(ys):
            kept = None
        else:
            gram, ys, weights = gram[np.ix_(kept, kept)], ys[kept], weights[kept]
    classes, codes = first_appearance(ys)
    if len(classes) < 2:
        return VotingMachine(classes, width, kept, None, note=note)
    exponent = int(np.frexp(np.abs(gram).max())[1])
    exponent = exponent if exponent > LARGEST_EXPONENT else 0
    gram, C = np.ldexp(gram, -exponent) if exponent else gram, float(np.ldexp(C, exponent))
    all_pairs = list(itertools.combinations(range(len(classes)), 2))
    patience = PATIENCE_OF_FEW if len(all_pairs) <= 3 else PATIENCE
    machine = _train(gram, codes, C, weights, patience)
    costs = np.full(len(ys), C) if weights is None else C * weights
    pairs = {
        int(pair): _train_apart(gram, codes, costs, all_pairs[pair])
        for pair in np.flatnonzero(machine.n_iter_ >= patience)
    }
    stopped = sum(not pair.converged for pair in pairs.values())
    if pairs:
        said = (
            f"{len(pairs)} of {len(all_pairs)} pairs of classes were solved by an interior point, "
            f"as LIBSVM was not done after {patience:,} iterations"
        )
        if stopped:
            said = (
                f"LIBSVM stopped at its limit for {stopped} of {len(all_pairs)} pairs of classes, "
                "which no hyperplane separates; divide the features by a constant, or lower C"
            )
        note = f"{note}; {said}" if note else said
    iterations = int(np.sum(machine.n_iter_))
    return VotingMachine(
        classes, width, kept, machine, not stopped, iterations, note, exponent, pairs
    )


def _train(
    gram: Array, codes: NDArray[np.intp], C: float, weights: Array | None, max_iterations: int
) -> Any:
    """Return LIBSVM's machines as an SVC, each trained for at most so many iterations."""
    # Importing scikit-learn takes a second, and a plan of what will run solves nothing.
    import sklearn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import SVC

    machine = SVC(C=C, kernel="precomputed", max_iter=max_iterations, decision_function_shape="ovo")
    with (
        warnings.catch_warnings(),
        sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported by `converged` instead
        try:
            machine.fit(gram, codes, sample_weight=weights)
        except ValueError as error:
            raise UserError(
                f"LIBSVM could not train with C = {C:.3g} on kernel values up to "
                f"{np.abs(gram).max():.3g} ({error}); scale the features to values near 1"
            ) from None
    return machine


def _train_apart(
    gram: Array, codes: NDArray[np.intp], costs: Array, pair: tuple[int, int]
) -> PairMachine:
    """Train the machine of one pair by the interior point, else by LIBSVM up to its own limit."""
    members = np.flatnonzero(np.isin(codes, pair))
    block, y = gram[np.ix_(members, members)], np.where(codes[members] == pair[0], 1.0, -1.0)
    found = train_soft_margin(block, y, costs[members])
    if found.gap <= RELATIVE_GAP:
        return PairMachine(members, found.least, found.bias, True)
    machine = _train(block, y.astype(np.intp), 1.0, costs[members], MAX_ITERATIONS)
    coefficients = np.zeros(len(members))
    coefficients[machine.support_] = machine.dual_coef_[0]
    bias, converged = float(machine.intercept_[0]), machine.fit_status_ == 0
    return PairMachine(members, coefficients, bias, converged)


def first_appearance(ys: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the classes by first appearance and the codes such that ``classes[codes]`` is ys."""
    values, first, inverse = np.unique(ys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return values[order].astype(np.intp), np.argsort(order)[inverse].astype(np.intp)


def _require_finite(array: Array, what: str) -> None:
    if not np.isfinite(array).all():
        raise UserError(
            f"{what} holds NaN or infinite values; rescale the features, or choose a setting "
            "that keeps the kernel within the range of float64"
        )


class SoftMargin(NamedTuple):
    """A machine f(x) = sum_i coefficients_i x_i'x + bias, with its certificate."""

    coefficients: Array  # (n,), alpha y
    bias: float
    gap: float  # duality gap over the objective; infinite if y'alpha is not 0
    least: Array  # (n,), coefficients that give the same w; the smallest where alpha loses digits


def train_soft_margin(gram: Array, y: Array, C: Array) -> SoftMargin:
    r"""Train the machine of two classes by an interior point, and return the best point met.

    .. math:: \min_\alpha \tfrac12 \alpha' Q \alpha - 1'\alpha \quad\text{subject to}\quad
              y'\alpha = 0,\; 0 \le \alpha_i \le C_i, \qquad
              Q = \mathrm{diag}(y) Z Z' \mathrm{diag}(y)

    with the Gram matrix Z Z' of n samples Z (n x r) of rank r, signs y (n) and costs C (n): the
    problem that LIBSVM solves by pairs of coordinates, which hardly move where C is large for the
    size of the samples and no hyperplane separates the classes. A step of the interior point costs
    O(n r^2), and about 20 suffice (M. C. Ferris and T. S. Munson, Interior-point methods for
    massive support vector machines, SIAM J. Optimization 13(3), 2002; predictor and corrector
    after Mehrotra).
    """
    triangle, pivots, rank, _ = lapack.dpstrf(gram, lower=1)
    Z = np.empty((len(gram), rank))
    Z[pivots - 1] = np.tril(triangle)[:, :rank]
    # For samples of length 1 the numbers below are comparable: alpha and C are scaled instead.
    size = float(np.mean(np.sum(Z * Z, axis=1))) or 1.0
    U, C = y[:, None] * Z / np.sqrt(size), C * size
    alpha, w, bias, gap = _interior_point(U, y, C, np.minimum(C / 2, 1.0), 1.0)
    coefficients = alpha * y / size
    if gap <= RELATIVE_GAP:
        return SoftMargin(coefficients, bias, gap, coefficients)
    # Where C is large even for samples of length 1, the middle of the box is a nearer start, and
    # w loses its digits in the sum over alpha: it is kept apart.
    gradient = U @ (U.T @ C / 2) - 1
    again = _interior_point(U, y, C, C / 2, float(np.mean(np.abs(gradient))), keeps_w=True)
    if not again[-1] < gap:
        return SoftMargin(coefficients, bias, gap, coefficients)
    alpha, w, bias, gap = again
    Q, R = np.linalg.qr(Z)
    least = Q @ solve_triangular(R, w / np.sqrt(size), trans="T")
    return SoftMargin(alpha * y / size, bias, gap, least)


def _interior_point(
    U: Array, y: Array, C: Array, alpha: Array, least: float, keeps_w: bool = False
) -> tuple[Array, Array, float, float]:
    """Return alpha, w, the bias and the gap of the best point met from alpha on.

    Multipliers are at least ``least``; w is U'alpha, or moved along with alpha.
    """
    w, bias = U.T @ alpha, 0.0
    gradient = U @ w - 1
    lower = np.maximum(gradient, 0) + least  # multipliers of 0 <= alpha
    upper = lower - gradient  # and of alpha <= C
    best = np.zeros(len(y)), w, 0.0, np.inf
    for _ in range(MOST_STEPS):
        gap = _relative_gap(U, y, C, alpha, w, bias)
        if gap < best[-1]:
            best = alpha, w, bias, gap
        if gap <= TOLERANCE:
            break
        with np.errstate(all="ignore"):
            step = _predict_and_correct(U, y, C, alpha, w, bias, lower, upper)
        if step is None:
            break
        alpha, moved, bias, lower, upper = step
        w = moved if keeps_w else U.T @ alpha
    return best


@np.errstate(over="ignore", invalid="ignore")  # no gap is known then
def _relative_gap(U: Array, y: Array, C: Array, alpha: Array, w: Array, bias: float) -> float:
    """Return the duality gap over the primal objective."""
    primal = w @ w / 2 + C @ np.maximum(0, 1 - (U @ w + bias * y))
    of_alpha = U.T @ alpha
    dual = alpha.sum() - of_alpha @ of_alpha / 2
    if abs(y @ alpha) > 1e-6 * (1 + alpha.sum()) or not np.isfinite(primal - dual):
        return np.inf
    return float(abs(primal - dual) / primal)


def _predict_and_correct(
    U: Array, y: Array, C: Array, alpha: Array, w: Array, bias: float, lower: Array, upper: Array
) -> tuple[Array, Array, float, Array, Array] | None:
    """Return alpha, w, the bias and the multipliers after a step; None where numbers fail."""
    room, r = C - alpha, U.shape[1]
    hinge, apart = 1 - (U @ w + bias * y), U.T @ alpha - w
    # With the multipliers eliminated, and then alpha, which changes by D (...), there remain r + 1
    # equations for the changes of w and of the bias.
    D, columns = 1 / (lower / alpha + upper / room), np.column_stack([U, y])
    matrix = columns.T @ (D[:, None] * columns)
    matrix.flat[: r * (r + 1) : r + 2] += 1
    scale = 1 / np.sqrt(np.diag(matrix))
    factor, failed = lapack.dpotrf(matrix * scale * scale[:, None], lower=1)
    if failed:
        return None

    def newton(at_lower: Array, at_upper: Array) -> tuple[Array, Array, Array, Array]:
        """Return the changes that lead alpha lower and room upper to the values given."""
        right = hinge + at_lower / alpha - at_upper / room
        known = columns.T @ (D * right)
        known[:r] += apart
        known[r] += y @ alpha
        change = scale * lapack.dpotrs(factor, scale * known, lower=1)[0]
        da = D * (right - columns @ change)
        dlower = (at_lower - lower * da) / alpha - lower
        return da, change, dlower, (at_upper + upper * da) / room - upper

    def longest(da: Array, dlower: Array, dupper: Array) -> float:
        at = np.concatenate([alpha, room, lower, upper])
        by = np.concatenate([da, -da, dlower, dupper])
        return float(np.min(-at[by < 0] / by[by < 0], initial=1.0))

    mean = (lower @ alpha + upper @ room) / (2 * len(y))
    da, _, dlower, dupper = newton(np.zeros(len(y)), np.zeros(len(y)))
    length = longest(da, dlower, dupper)
    predicted = (lower + length * dlower) @ (alpha + length * da)
    predicted += (upper + length * dupper) @ (room - length * da)
    centre = (predicted / (2 * len(y)) / mean) ** 3 * mean
    da, change, dlower, dupper = newton(centre - dlower * da, centre + dupper * da)
    # 0.995 of the way to the boundary is the usual distance to keep.
    length = 0.995 * longest(da, dlower, dupper)
    moved = (
        alpha + length * da,
        w + length * change[:r],
        bias + length * float(change[r]),
        lower + length * dlower,
        upper + length * dupper,
    )
    return moved if length > 1e-10 and all(np.isfinite(part).all() for part in moved) else None
