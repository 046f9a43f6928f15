"""Classifiers of scikit-learn and adapted ones of skada as methods of the benchmark."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError, own_code
from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.batches import BatchResult
from cdmer_bench.methods.inputs import Setting, is_range, is_whole, parse_range

Array = NDArray[np.float64]
SOURCE, TARGET = 1, -2  # skada's sample_domain: sources are positive, targets negative


@dataclass
class SklearnMethod(Method):
    """A classifier of scikit-learn, trained on the source; the target is only predicted.

    Parameters
    ----------
    estimator : str
        Import path of a class, of a function that makes one, or of an estimator itself, such as
        a pipeline.
    options : dict
        Its parameters, the same for all settings. A grid may hold any parameter of it, nested
        ones as ``step__name``. ``random_state`` is 0 unless given.
    """

    estimator: str = "sklearn.linear_model.LogisticRegression"
    options: dict[str, Any] = field(default_factory=dict)

    label = "scikit-learn"

    def build(self, setting: Setting) -> Any:
        """Return the estimator with the parameters of a setting.

        Raises
        ------
        UserError
            If it cannot be imported, is no classifier or refuses a parameter.
        """
        from sklearn.base import ClusterMixin, RegressorMixin, clone

        chosen = {**self.options, **setting}
        module, _, name = str(self.estimator).rpartition(".")
        lost = f"estimator is {self.estimator!r}, which cannot be imported"
        cure = "give the path of a class, such as skada.JDOTClassifier (pip install skada)"
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(f"{lost} ({error}); {cure}") from None
        try:
            made = found() if callable(found) else clone(found)
            # Its numbers could pass for indices of classes.
            if isinstance(made, ClusterMixin | RegressorMixin):
                raise UserError(
                    f"the estimator {self.estimator} predicts no classes; give a classifier"
                )
            seeds = {n: 0 for n in made.get_params() if n.split("__")[-1] == "random_state"}
            known = made.get_params() | seeds
            # Such as 5.0 in a list, where scikit-learn wants whole numbers.
            whole = {n: int(v) for n, v in chosen.items() if _is_int(known.get(n)) and is_whole(v)}
            return made.set_params(**{**seeds, **chosen, **whole})
        except ImportError as error:  # of what the function itself imports
            raise UserError(f"{lost} ({error}); {cure}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"options and grid of the estimator {self.estimator} are {chosen}, which it "
                f"refuses: {error}"
            ) from None

    def check_values(self, setting: Setting) -> None:
        """Refuse a parameter that the estimator does not have."""
        own = {name: v for name, v in setting.items() if name not in ("estimator", "options")}
        with own_code(None, f"the estimator {self.estimator}"):  # the user's or a library's
            self.build(own)

    def _values(self, name: str, given: Any, shapes: tuple[int, int, int]) -> Sequence[Any]:
        """List the values of a parameter: a text may be one, and ``"1:2:9"`` is whole numbers."""
        if not isinstance(given, str):
            return super()._values(name, given, shapes)
        if not is_range(given):
            return [given]
        values = parse_range(given)
        return values if set(given.lower()) & {".", "e"} else [int(value) for value in values]

    def prepare(self, Xs: Array, ys: NDArray[np.intp], Xt: Array, Xq: Array) -> Prepared:
        """Pass the samples on; see :meth:`Method.prepare`."""
        return {"Xs": Xs, "ys": ys, "Xt": Xt, "Xq": Xq}

    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Fit and predict under every setting; what the estimator warns of is noted."""
        found, notes = [], []
        for setting in settings:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found.append(self._labels(self.build(setting), prepared))
            notes.append(sorted({str(w.message).partition("\n")[0] for w in caught}))
        result = BatchResult.closed_form(np.stack(found))
        for index, told in enumerate(notes):
            for text in told:
                result.add_note(index, text)
        result.note_single_classes()
        return result

    def _labels(self, estimator: Any, prepared: Prepared) -> NDArray[np.intp]:
        """Fit and predict; refuse an answer that is no class of the source."""
        try:
            predicted = np.asarray(self._predict(estimator, prepared))
        except ValueError as error:
            if type(error).__name__ != "InvalidParameterError":  # scikit-learn's own name for it
                raise
            raise UserError(f"the estimator {self.estimator} cannot be used: {error}") from None
        other = predicted[~np.isin(predicted, prepared["ys"])]
        if other.size:
            raise UserError(
                f"the estimator {self.estimator} predicted {other.flat[0]!s}, which is no class "
                "index; give a classifier"
            )
        return predicted.astype(np.intp)

    def _predict(self, estimator: Any, prepared: Prepared) -> ArrayLike:
        estimator.fit(np.array(prepared["Xs"]), np.array(prepared["ys"]))
        return estimator.predict(np.array(prepared["Xq"]))


@dataclass
class SkadaMethod(SklearnMethod):
    """An estimator or pipeline of skada, adapted to the target without its labels.

    Parameters
    ----------
    estimator, options
        As of :class:`SklearnMethod`.
    """

    estimator: str = "skada.JDOTClassifier"

    label = "skada"

    def _predict(self, estimator: Any, prepared: Prepared) -> ArrayLike:
        Xs, Xt, Xq = (np.array(prepared[name]) for name in ("Xs", "Xt", "Xq"))
        domain = np.r_[np.full(len(Xs), SOURCE), np.full(len(Xt), TARGET)]
        y = np.r_[prepared["ys"], np.full(len(Xt), -1)]  # -1: skada's label of what has none
        estimator.fit(np.concatenate([Xs, Xt]), y, sample_domain=domain)
        return estimator.predict(Xq, sample_domain=np.full(len(Xq), TARGET))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def short_coral() -> Any:
    """Make skada's CORAL on the principal components that hold 99 % of the variance.

    CORAL forms a matrix of features by features, which for 15,045 of them takes hours; there are
    no more components than samples.
    """
    from skada import CORALAdapter, make_da_pipeline
    from sklearn.decomposition import PCA
    from sklearn.svm import SVC

    return make_da_pipeline(PCA(n_components=0.99), CORALAdapter(), SVC(kernel="linear"))
