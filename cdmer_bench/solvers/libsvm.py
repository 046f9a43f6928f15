"""One-vs-one support vector machine on a Gram matrix, with LIBSVM's order of classes.

With more than two classes the pairwise machines vote, and votes tie (three classes: 1-1-1). LIBSVM
gives a tie to the class whose label *appears first* among the training samples; scikit-learn, which
wraps LIBSVM, sorts the labels first and so breaks ties differently. The paper's figures come from
LIBSVM, hence the classes are renumbered by first appearance here, and the order of the training
samples is part of the result.
"""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.solvers.low_rank_svm import train_soft_margin

# LIBSVM holds kernel values as 32-bit floats, which end at 2^128. Larger kernels are divided by a
# power of two and C is multiplied by it, which is the same problem to the last bit.
LARGEST_EXPONENT = 100
# LIBSVM 3 stops here too (svm.cpp, Solver::Solve); scikit-learn alone would go on for ever.
MAX_ITERATIONS = 10_000_000
# Iterations for a pair of classes after which the same problem is given to an interior point. With
# up to three pairs they are many, because the printed figures are of LIBSVM's solution, which is
# optimal to its tolerance of 1e-3 only; there it seldom takes more than half of them.
PATIENCE_OF_FEW, PATIENCE = 1_000_000, 5_000
# Duality gap over the objective up to which the interior point's solution counts.
RELATIVE_GAP = 1e-5


class Decision(NamedTuple):
    """Predicted class indices, and scores whose largest is theirs by a margin of at least 1/4."""

    predictions: NDArray[np.intp]  # (n_query,)
    scores: NDArray[np.float64]  # (n_query, n_classes)


class PairMachine(NamedTuple):
    """The machine of one pair of classes, trained apart; positive is the first of them."""

    members: NDArray[np.intp]  # its training samples
    coefficients: NDArray[np.float64]  # of these
    bias: float
    converged: bool

    def decide(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
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

    def predict(self, block: NDArray[np.float64]) -> Decision:
        """Predict from the kernel (n_query, n_train) of the queries with the training samples.

        The score of a class is its number of votes, plus c / (4 (1 + |c|)) where c sums its
        signed pairwise decision values, plus 3/4 if it is the predicted one. A class that was
        not seen in training scores -1.
        """
        _require_finite(block, "the kernel between target and source samples")
        n_query = len(block)
        scores = np.full((n_query, self.n_classes), -1.0)
        if self.machine is None:
            winners = np.zeros(n_query, np.intp)
            votes, confidence = np.zeros((n_query, 1)), np.zeros((n_query, 1))
        else:
            votes, confidence = _count_votes(self.pairwise(block), len(self.classes))
            winners = votes.argmax(1)
        rows = np.arange(n_query)
        scores[:, self.classes] = votes + confidence / (4 * (1 + np.abs(confidence)))
        scores[rows, self.classes[winners]] += 0.75
        return Decision(self.classes[winners], scores)

    def pairwise(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
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
    gram: NDArray[np.float64],  # (n_train, n_train)
    ys: NDArray[np.intp],  # (n_train,), 0 to n_classes - 1
    *,
    C: float = 1.0,
    weights: NDArray[np.float64] | None = None,  # (n_train,), the v_i >= 0; by default 1
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
    width = int(ys.max()) + 1
    kept, note = None, ""
    if weights is not None:
        _require_finite(weights, "the sample weights")
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        kept = np.flatnonzero(C * weights > 0)
        note = _missing_note(ys, kept)
        if len(kept) == 0:
            return VotingMachine(ys[:1], width, kept, None, note=note)
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
    n_pairs = len(classes) * (len(classes) - 1) // 2
    patience = PATIENCE_OF_FEW if n_pairs <= 3 else PATIENCE
    machine = _train(gram, codes, C, weights, patience)
    costs = np.full(len(ys), C) if weights is None else C * weights
    pairs = {
        int(pair): _train_apart(gram, codes, costs, int(pair))
        for pair in np.flatnonzero(machine.n_iter_ >= patience)
    }
    if pairs:
        note = "; ".join(filter(None, [note, _apart_note(pairs, n_pairs, patience)]))
    return VotingMachine(
        classes=classes,
        n_classes=width,
        kept=kept,
        machine=machine,
        converged=all(pair.converged for pair in pairs.values()),
        iterations=int(np.sum(machine.n_iter_)),
        note=note,
        exponent=exponent,
        pairs=pairs,
    )


def _train(
    gram: NDArray[np.float64],
    codes: NDArray[np.intp],
    C: float,
    weights: NDArray[np.float64] | None,
    max_iterations: int,
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
    gram: NDArray[np.float64], codes: NDArray[np.intp], costs: NDArray[np.float64], pair: int
) -> PairMachine:
    """Train the machine of one pair by the interior point, else by LIBSVM up to its own limit."""
    first, second = list(itertools.combinations(range(codes.max() + 1), 2))[pair]
    members = np.flatnonzero((codes == first) | (codes == second))
    block, y = gram[np.ix_(members, members)], np.where(codes[members] == first, 1.0, -1.0)
    found = train_soft_margin(block, y, costs[members])
    if found.gap <= RELATIVE_GAP:
        return PairMachine(members, found.coefficients, found.bias, True)
    machine = _train(block, y.astype(np.intp), 1.0, costs[members], MAX_ITERATIONS)
    coefficients = np.zeros(len(members))
    coefficients[machine.support_] = machine.dual_coef_[0]
    return PairMachine(
        members, coefficients, float(machine.intercept_[0]), machine.fit_status_ == 0
    )


def _apart_note(pairs: Mapping[int, PairMachine], n_pairs: int, patience: int) -> str:
    """Say which machines were trained in another way, and what to do about those that failed."""
    stopped = sum(not pair.converged for pair in pairs.values())
    if stopped:
        return (
            f"LIBSVM stopped at its limit for {stopped} of {n_pairs} pairs of classes, which no "
            "plane parts; divide the features by a constant, or lower C"
        )
    return (
        f"{len(pairs)} of {n_pairs} pairs of classes were solved by an interior point, as LIBSVM "
        f"was not done after {patience:,} iterations"
    )


def first_appearance(ys: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the classes by first appearance and the codes such that ``classes[codes]`` is ys."""
    values, first, inverse = np.unique(ys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return values[order].astype(np.intp), np.argsort(order)[inverse].astype(np.intp)


def _count_votes(
    pairwise: NDArray[np.float64], n_seen: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return votes and summed decision values, both (n_query, n_seen), of the pairs (a < b)."""
    votes = np.zeros((len(pairwise), n_seen))
    confidence = np.zeros((len(pairwise), n_seen))
    pair = 0
    for a in range(n_seen):
        for b in range(a + 1, n_seen):
            decision = pairwise[:, pair]
            # A decision of exactly 0 is a vote for the second class, as in LIBSVM.
            votes[:, a] += decision > 0
            votes[:, b] += ~(decision > 0)
            confidence[:, a] += decision
            confidence[:, b] -= decision
            pair += 1
    return votes, confidence


def _missing_note(ys: NDArray[np.intp], kept: NDArray[np.intp]) -> str:
    """Say which classes the weights removed."""
    if len(kept) == 0:
        return "all sample weights are zero, so every sample is given the first sample's class"
    missing = np.setdiff1d(ys, ys[kept])
    if len(missing) == 0:
        return ""
    names = ", ".join(str(c) for c in missing)
    return f"the weights of all samples of class index {names} are zero; it is never predicted"


def _require_finite(array: NDArray[np.float64], what: str) -> None:
    if not np.isfinite(array).all():
        raise UserError(
            f"{what} holds NaN or infinite values; rescale the features, or choose a setting "
            "that keeps the kernel within the range of float64"
        )
