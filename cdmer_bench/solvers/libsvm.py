"""One-vs-one support vector machine on a Gram matrix, with LIBSVM's order of classes.

With more than two classes the pairwise machines vote, and votes tie (three classes: 1-1-1). LIBSVM
gives a tie to the class whose label *appears first* among the training samples; scikit-learn, which
wraps LIBSVM, sorts the labels first and so breaks ties differently. The paper's figures come from
LIBSVM, hence the classes are renumbered by first appearance here, and the order of the training
samples is part of the result.
"""

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError

# LIBSVM holds kernel values as 32-bit floats, which end at 2^128. Larger kernels are divided by a
# power of two and C is multiplied by it, which is the same problem to the last bit.
LARGEST_EXPONENT = 100
# LIBSVM 3 stops here too (svm.cpp, Solver::Solve); scikit-learn alone would go on for ever.
MAX_ITERATIONS = 10_000_000


class Decision(NamedTuple):
    """Predicted class indices, and scores whose largest is theirs by a margin of at least 1/4."""

    predictions: NDArray[np.intp]  # (n_query,)
    scores: NDArray[np.float64]  # (n_query, n_classes)


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
            import sklearn

            block = block if self.kept is None else block[:, self.kept]
            block = np.ldexp(block, -self.exponent) if self.exponent else block
            with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
                pairwise = self.machine.decision_function(block)
            if len(self.classes) == 2:
                # scikit-learn turns the sign in the binary case: positive is the second class.
                pairwise = -pairwise[:, None]
            votes, confidence = _count_votes(pairwise, len(self.classes))
            winners = votes.argmax(1)
        rows = np.arange(n_query)
        scores[:, self.classes] = votes + confidence / (4 * (1 + np.abs(confidence)))
        scores[rows, self.classes[winners]] += 0.75
        return Decision(self.classes[winners], scores)


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
    # Importing scikit-learn takes a second, and a plan of what will run solves nothing.
    import sklearn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import SVC

    machine = SVC(C=C, kernel="precomputed", max_iter=MAX_ITERATIONS, decision_function_shape="ovo")
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
    converged = machine.fit_status_ == 0
    return VotingMachine(
        classes, width, kept, machine, converged, int(np.sum(machine.n_iter_)), note, exponent
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
