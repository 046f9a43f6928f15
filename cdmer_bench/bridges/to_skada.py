"""Methods of the benchmark as classifiers of scikit-learn, with skada's ``sample_domain``."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from cdmer_bench.errors import UserError, positive_integer
from cdmer_bench.methods.base import Method

try:
    from skada.base import DAEstimator
    from skada.utils import extract_source_indices
except ImportError:
    raise UserError(
        "cdmer_bench.bridges.to_skada needs skada; install it by pip install skada"
    ) from None


def _has_scores(classifier: "DomainClassifier") -> bool:
    """Whether there are probabilities; True before ``fit``, after which it is known."""
    fitted = getattr(classifier, "method_", None)
    return fitted is None or fitted.result_.scores is not None


class DomainClassifier(ClassifierMixin, DAEstimator):
    """A method of the benchmark where skada or scikit-learn expect a classifier.

    Parameters
    ----------
    method : Method
        Such as ``GFK(k=10)``; its parameters are reached as ``method__k``.
    n_blocks : int, optional
        For RSTR and TGSR, which select blocks: samples are taken as n_blocks blocks.

    Attributes
    ----------
    method_ : Method
        The fitted method.
    classes_ : ndarray
    """

    def __init__(self, method: Method, n_blocks: int | None = None) -> None:
        self.method = method
        self.n_blocks = n_blocks

    def fit(self, X: ArrayLike, y: ArrayLike, sample_domain: ArrayLike | None = None) -> Self:
        """Adapt from the source samples to the target samples.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        y : array, shape (n_samples,)
            Labels; those of target samples are not read.
        sample_domain : array of int, shape (n_samples,), optional
            Positive for source, negative for target samples, of any number of domains. Without
            it, as in skada, the samples with the label -1 are the target.
        """
        if not isinstance(self.method, Method):
            raise UserError(f"method is {self.method!r}, expected one such as GFK(k=10)")
        samples, labels = self._shape(X, fitting=True), column_or_1d(y, warn=True)
        check_consistent_length(samples, labels, sample_domain)
        if sample_domain is None:
            source = labels != -1
            if source.all():
                raise UserError(
                    "give sample_domain: positive for source, negative for target samples; or "
                    "label the target samples -1"
                )
        else:
            source = extract_source_indices(column_or_1d(sample_domain))
        if source.all() or not source.any():
            raise UserError("sample_domain names one domain only; it needs source and target")
        check_classification_targets(np.asarray(labels[source].tolist()))
        self.method_ = clone(self.method)
        self.method_.fit(samples[source], labels[source], samples[~source])
        self.classes_ = self.method_.classes_
        return self

    def predict(self, X: ArrayLike, sample_domain: Any = None, **_: Any) -> NDArray:
        """Predict labels, shape (n_samples,); samples are taken as coming from the target."""
        check_is_fitted(self, "method_")
        return self.method_.predict(self._shape(X))

    @available_if(_has_scores)
    def predict_proba(
        self, X: ArrayLike, sample_domain: Any = None, **_: Any
    ) -> NDArray[np.float64]:
        """Return the softmax of the decision values, shape (n_samples, n_classes).

        Only their order is the method's; as probabilities they are not calibrated. The attribute
        is absent where the method gives no decision values.
        """
        check_is_fitted(self, "method_")
        scores = self.method_.result_for(self._shape(X)).scores
        assert scores is not None
        return softmax(scores[0].astype(np.float64), axis=1)

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sample_domain: Any = None,
        **_: Any,
    ) -> float:
        """Return the accuracy on samples taken as coming from the target."""
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def _shape(self, X: ArrayLike, fitting: bool = False) -> NDArray[np.float64]:
        """Return samples as the method takes them, checked as scikit-learn's estimators do."""
        at_least = {"ensure_min_samples": 2} if fitting else {}
        samples = validate_data(self, X, reset=fitting, dtype=np.float64, allow_nd=True, **at_least)
        if self.n_blocks is None:
            return samples
        n_blocks = positive_integer("n_blocks", self.n_blocks)
        if samples[0].size % n_blocks:
            raise UserError(
                f"n_blocks is {n_blocks}, but samples have {samples[0].size} features; expected a "
                "number that divides them"
            )
        return samples.reshape(len(samples), n_blocks, -1)
