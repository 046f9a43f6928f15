"""What every adaptation method is: a prepared task, strands of settings, predictions.

A method is evaluated over a whole grid at once. What no parameter changes (Gram matrices,
eigendecompositions) is computed once per task by :meth:`Method.prepare`; settings that share
more than that form a *strand*, the unit of parallel work, solved by :meth:`Method.solve`.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError, closest
from cdmer_bench.methods.grid import Setting, expand_grid, parse_range
from cdmer_bench.methods.samples import check_task, shape_samples
from cdmer_bench.methods.strand_result import StrandResult, join_strands

Grid = Mapping[str, Any] | Sequence[Setting]
Prepared = dict[str, np.ndarray]


class on_default_instance:
    """Let a method of a class be called on the class too, which then means ``Class()``.

    ``TCA.predict_grid(...)`` reads better than ``TCA().predict_grid(...)`` where the grid sets
    every parameter.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        return MethodType(self.function, owner() if instance is None else instance)


class Method(ABC):
    """Base of the adaptation methods.

    A subclass is a dataclass whose fields are the method's parameters. It sets the class
    attributes below and writes :meth:`prepare` and :meth:`solve`.

    Attributes
    ----------
    label : str
        The name in the paper's tables.
    paper_grid : mapping from str to str or sequence
        The paper's grid: parameter to values, or to a string in the paper's notation
        (see :func:`~cdmer_bench.methods.grid.parse_range`), or to ``'all'`` for a dimension
        that runs over all possible values.
    needs_blocks : bool
        Whether samples must keep their blocks, as (n, n_blocks, ...).
    version : int
        Raised whenever the numbers that the method gives change; part of every result's key.
    """

    label: ClassVar[str] = ""
    paper_grid: ClassVar[Mapping[str, Any]] = {}
    needs_blocks: ClassVar[bool] = False
    version: ClassVar[int] = 1
    classes_: NDArray
    result_: StrandResult

    @abstractmethod
    def prepare(
        self,
        Xs: NDArray[np.float64],
        ys: NDArray[np.intp],
        Xt: NDArray[np.float64],
        Xq: NDArray[np.float64],
    ) -> Prepared:
        """Compute what all settings share.

        Parameters
        ----------
        Xs : ndarray, shape (n_source, n_features) or (n_source, n_blocks, block_dim)
            Source samples; with blocks only if ``needs_blocks``.
        ys : ndarray of int, shape (n_source,)
            Class index of each source sample, 0 to n_classes - 1.
        Xt : ndarray, shape (n_target, ...)
            Target samples, to adapt to.
        Xq : ndarray, shape (n_query, ...)
            Samples to predict, taken as coming from the target domain; often ``Xt`` itself
            (``Xq is Xt``), and never used for adapting.

        Returns
        -------
        dict from str to ndarray
            Passed to :meth:`solve` as it is, perhaps in another process, perhaps read-only.
        """

    @abstractmethod
    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> StrandResult:
        """Evaluate the settings of one strand; each one's result is the same in any strand."""

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> NDArray[np.float64] | None:
        """Return the inner products of the samples as the adaptation leaves them.

        It is what :func:`cdmer_bench.methods.plane.kernel_plane` places samples by, to show what
        a method does to them. No result depends on it.

        Parameters
        ----------
        prepared : dict
            Of ``prepare(Xs, ys, Xt, Xt)``: the queries are the target.
        setting : dict

        Returns
        -------
        ndarray, shape (n_source + n_target, n_source + n_target), or None
            Source samples first; positive semidefinite. None, as here, for a method that weighs
            samples or leaves them as they are.
        """
        return None

    def strands(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Group the indices of settings that share work; by default runs of 25."""
        return [
            list(range(start, min(start + 25, len(settings))))
            for start in range(0, len(settings), 25)
        ]

    def all_values(self, parameter: str, n_source: int, n_target: int, n_features: int) -> list:
        """Return what ``'all'`` stands for in the grid of ``parameter``."""
        raise UserError(
            f"grid {parameter!r} of {type(self).__name__}: 'all' has no meaning for this "
            "parameter; list its values or give a range such as '0.1:0.1:1'"
        )

    def settings(self, grid: Grid | None, shapes: tuple[int, int, int]) -> list[Setting]:
        """List the settings of ``grid`` (None: the paper's) for (n_source, n_target, n_features).

        Raises
        ------
        UserError
            For a parameter that the method does not have, or a value of a wrong type.
        """
        chosen = self.paper_grid if grid is None else grid
        if not isinstance(chosen, Mapping):
            settings = expand_grid(chosen)
        else:
            values: dict[str, Sequence[Any]] = {}
            for name, given in chosen.items():
                if isinstance(given, str) and given == "all":
                    values[name] = self.all_values(name, *shapes)
                elif isinstance(given, str):
                    values[name] = parse_range(given)
                elif isinstance(given, Sequence | np.ndarray):
                    values[name] = list(given)
                else:
                    values[name] = [given]
            settings = expand_grid(values)
        for setting in settings:
            self.check_values(setting)
        if not settings:
            raise UserError(f"the grid of {type(self).__name__} holds no setting; give one value")
        return settings

    def check_values(self, setting: Setting) -> None:
        """Refuse a parameter that the method does not have, or a value of a wrong type.

        Raises
        ------
        UserError
            Naming the parameter and what it holds.
        """
        known = {f.name: f.default for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        for name, value in setting.items():
            if name not in known:
                raise UserError(
                    f"{type(self).__name__} has no parameter {name!r}; {closest(name, known)}"
                )
            default = known[name]
            number = isinstance(default, int | float) and not isinstance(default, bool)
            if number and (
                isinstance(value, bool) or not isinstance(value, int | float | np.number)
            ):
                raise UserError(
                    f"{name!r} of {type(self).__name__} holds {value!r}, "
                    "but every value must be a number"
                )
            if number and not np.isfinite(value):
                raise UserError(
                    f"{name!r} of {type(self).__name__} holds {value!r}; every value must be finite"
                )

    def parameters(self) -> dict[str, Any]:
        """Return the method's parameters and their values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    def fit(self, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike) -> Self:
        """Adapt from labelled source samples to unlabelled target samples.

        Parameters
        ----------
        Xs : array, shape (n_source, n_features) or (n_source, n_blocks, ...)
        ys : array, shape (n_source,)
            Labels, of any sortable type.
        Xt : array, shape (n_target, ...) with the trailing shape of ``Xs``

        Returns
        -------
        Method
            The method itself.

        Raises
        ------
        UserError
            If shapes disagree, values are not finite, or there are fewer than two classes.
        """
        self._task = check_task(self, Xs, ys, Xt)
        self.result_ = self._evaluate(self._task[2], [{}])
        return self

    def predict(self, X: ArrayLike) -> NDArray:
        """Predict the labels of samples from the target domain, shape (n_samples,)."""
        if not hasattr(self, "_task"):
            raise UserError(f"{type(self).__name__}: call fit(Xs, ys, Xt) before predict")
        queries = shape_samples(self, X, "X")
        Xt = self._task[2]
        if queries.shape[1:] != Xt.shape[1:]:
            raise UserError(
                f"X has samples of shape {queries.shape[1:]}, but fit had {Xt.shape[1:]}"
            )
        same = queries.shape == Xt.shape and np.array_equal(queries, Xt)
        result = self.result_ if same else self._evaluate(queries, [{}])
        return self.classes_[result.predictions[0]]

    @on_default_instance
    def predict_grid(
        self, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, grid: Grid | None = None
    ) -> tuple[list[Setting], NDArray]:
        """Predict the target under every setting of a grid.

        Parameters
        ----------
        Xs, ys, Xt
            As for :meth:`fit`.
        grid
            Mapping from a parameter to its values (their product is taken, the last parameter
            fastest), or a list of settings; None is the paper's grid. A parameter that the
            grid leaves out keeps this object's value.

        Returns
        -------
        settings : list of dict
            In the grid's order.
        predictions : ndarray, shape (n_settings, n_target)
            Labels.
        """
        self._task = check_task(self, Xs, ys, Xt)
        Xs_, _, Xt_ = self._task
        n_features = int(np.prod(Xs_.shape[1:]))
        settings = self.settings(grid, (len(Xs_), len(Xt_), n_features))
        result = self._evaluate(Xt_, settings)
        return settings, self.classes_[result.predictions]

    def _evaluate(self, queries: NDArray[np.float64], settings: list[Setting]) -> StrandResult:
        Xs, ys, Xt = self._task
        prepared = self.prepare(Xs, ys, Xt, Xt if queries is Xt else queries)
        strands = self.strands(settings)
        results = [self.solve(prepared, [settings[i] for i in strand]) for strand in strands]
        return join_strands(strands, results)
