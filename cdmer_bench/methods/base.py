"""What every adaptation method is: a checked task, and batches of settings.

A method is evaluated over a whole grid at once. What no parameter changes (Gram matrices,
eigendecompositions) is computed once per task by :meth:`Method.prepare`; settings that share
more than that form a *batch*, the unit of parallel work, solved by :meth:`Method.solve`. Both
leave the method object as it is; only :meth:`Method.fit` keeps what it learned.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from types import MethodType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError, closest
from cdmer_bench.methods.batches import BatchResult, group_by, join_batches
from cdmer_bench.methods.inputs import (
    Array,
    Grid,
    Indices,
    Setting,
    Task,
    check_task,
    expand_grid,
    is_number,
    is_range,
    parse_range,
    shape_samples,
)
from cdmer_bench.protocol import card

Prepared = dict[str, np.ndarray]

SHARED_WORK = "regressions"  # folder of the cache that holds what methods solve for each other


def batches_of(method: "Method", settings: Sequence[Setting]) -> list[list[int]]:
    """Return a method's batches; refused unless each setting is in one of them."""
    batches = [list(batch) for batch in method.batches(settings)]
    given = sorted(i for batch in batches for i in batch)
    if given != list(range(len(settings))):
        raise UserError(
            f"{type(method).__name__}: batches of {len(settings)} settings hold the indices "
            f"{given}, expected each of 0 to {len(settings) - 1} once"
        )
    return [batch for batch in batches if batch]


def _fault(value: Any, default: Any) -> str:
    """Say what is wrong with a parameter's value; nothing if it may stand for the default."""
    if is_number(default):
        if not is_number(value):
            return ", but every value must be a number"
        return "" if math.isfinite(value) else "; every value must be finite"
    if isinstance(default, str) and not (is_number(value) or isinstance(value, str)):
        return "; every value must be text or a number"
    return ""


class _PaperGrid:
    """The grid in the card of the package's own method, read when it is asked for."""

    def __get__(self, instance: Any, owner: type) -> Mapping[str, Any]:
        for kind in owner.__mro__:
            package, _, module = kind.__module__.rpartition(".")
            if package == "cdmer_bench.methods":
                with suppress(FileNotFoundError):  # a base class has no card
                    return dict(card("method", module).get("grid") or {})
        return {}


class on_default_instance:
    """Let a method be called on the class too: ``TCA.predict_grid`` means ``TCA().predict_grid``.

    That reads better where the grid sets every parameter.
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
        The grid that is taken where none is given: parameter to values, or to a string in the
        paper's notation (see :func:`parse_range`), or to ``'all'`` for a dimension that runs
        over all possible values. Of the package's own methods it is the paper's, which stands in
        the card ``conf/method/NAME.yaml`` and nowhere else.
    needs_blocks : bool
        Whether samples must keep their blocks, as (n, n_blocks, ...).
    of_a_task : tuple of str
        Parameters that :meth:`prepare` reads, which no grid may vary.
    batch_by : tuple of str
        Parameters whose values must be equal for settings to share work in a batch.
    largest_batch : int or None
        Most settings of a batch; None for no limit.
    version : int
        Raised whenever the numbers that the method gives change; part of every result's key.
    outside : tuple of str
        Fields that no result depends on, such as where it computes: in no key, and in no grid.
    """

    label: ClassVar[str] = ""
    paper_grid: ClassVar[Any] = _PaperGrid()
    needs_blocks: ClassVar[bool] = False
    of_a_task: ClassVar[tuple[str, ...]] = ()
    batch_by: ClassVar[tuple[str, ...]] = ()
    largest_batch: ClassVar[int | None] = 25
    version: ClassVar[int] = 1
    outside: ClassVar[tuple[str, ...]] = ()
    classes_: NDArray
    result_: BatchResult

    def __init_subclass__(cls) -> None:
        """Refuse the name that ``batches`` had until 0.1, which nothing would call."""
        super().__init_subclass__()
        if "strands" in cls.__dict__:
            raise UserError(
                f"{cls.__name__} defines strands, which is called batches since 0.2; rename it"
            )

    @abstractmethod
    def prepare(self, Xs: Array, ys: Indices, Xt: Array, Xq: Array) -> Prepared:
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
            Passed to :meth:`solve` as it is, perhaps in another process, perhaps read-only. It
            must hold all that :meth:`solve` needs to know of the task.
        """

    @abstractmethod
    def solve(self, prepared: Prepared, settings: Sequence[Setting]) -> BatchResult:
        """Evaluate the settings of one batch; each one's result is the same in any batch."""

    def check_samples(self, X: ArrayLike, name: str = "X") -> Array:
        """Return samples as :meth:`prepare` gets them; asked before a run, with one of zeros.

        Parameters
        ----------
        X : array, shape (n, n_features) or (n, n_blocks, ...)
        name : str
            What they are, for messages.

        Raises
        ------
        UserError
            If the method cannot use samples of that shape.
        """
        return shape_samples(X, name, self.needs_blocks)

    def adapted_kernel(self, prepared: Prepared, setting: Setting) -> Array | None:
        """Return the inner products of the samples as the adaptation leaves them.

        It is what :func:`cdmer_bench.cli.embedding.embed_kernel` places samples by, to show
        what a method does to them. No result depends on it.

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

    def batches(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Group the indices of settings that share work, by ``batch_by`` and ``largest_batch``."""
        full = [self.complete(setting) for setting in settings]
        groups = group_by(full, lambda setting: tuple(setting[name] for name in self.batch_by))
        size = self.largest_batch or len(full)
        return [group[i : i + size] for group in groups for i in range(0, len(group), size)]

    def shared_work(self, source: str, target: str) -> list[str] | None:
        """Name what is solved between two databases, if another method solves the same."""
        return None

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
        if isinstance(chosen, Mapping):
            chosen = {name: self._values(name, given, shapes) for name, given in chosen.items()}
        settings = expand_grid(chosen)
        for setting in settings:
            self.check_values(setting)
        if not settings:
            raise UserError(f"the grid of {type(self).__name__} holds no setting; give one value")
        return settings

    def _values(self, name: str, given: Any, shapes: tuple[int, int, int]) -> Sequence[Any]:
        """List the values that a grid gives for one parameter."""
        if isinstance(given, str):
            if isinstance(self._defaults().get(name), str) and not is_range(given):
                return [given]
            return self.all_values(name, *shapes) if given == "all" else parse_range(given)
        if isinstance(given, np.ndarray):
            return list(given.ravel())
        return list(given) if isinstance(given, Sequence) else [given]

    def check_values(self, setting: Setting) -> None:
        """Refuse a parameter that the method does not have, or a value of a wrong type or range.

        A subclass adds the ranges of its own parameters; ``complete(setting)`` holds all values.

        Raises
        ------
        UserError
            Naming the parameter and what it holds.
        """
        defaults, method = self._defaults(), type(self).__name__
        for name in self.outside:
            if name in setting:
                raise UserError(
                    f"{name!r} of {method} is the same for all settings, but the grid holds it; "
                    "give it to the method instead"
                )
            if not isinstance(getattr(self, name), type(defaults[name])):
                raise UserError(
                    f"{name!r} of {method} holds {getattr(self, name)!r}, which is of a wrong type"
                )
        for name, value in self.complete(setting).items():
            self._check_name(name)
            if fault := _fault(value, defaults[name]):
                raise UserError(f"{name!r} of {method} holds {value!r}{fault}")
        for name in self.of_a_task:
            if setting.get(name, getattr(self, name)) != getattr(self, name):
                raise UserError(
                    f"the grid of {method} varies {name!r}, which holds for a whole task: make one "
                    f"{method}({name}=...) for each value"
                )

    def _check_name(self, name: str) -> None:
        known = self._defaults()
        if name not in known:
            raise UserError(
                f"{type(self).__name__} has no parameter {name!r}; {closest(name, known)}"
            )

    @classmethod
    @cache
    def _defaults(cls) -> dict[str, Any]:
        return {f.name: f.default for f in dataclasses.fields(cls)}  # type: ignore[arg-type]

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that results depend on, and their values."""
        return {n: getattr(self, n) for n in self._defaults() if n not in self.outside}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all fields: what ``sklearn.base.clone`` copies."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters, as scikit-learn's estimators do; what was fitted stays."""
        for name, value in parameters.items():
            self._check_name(name)
            setattr(self, name, value)
        return self

    def complete(self, setting: Setting) -> Setting:
        """Return every parameter's value under a setting: the setting's own, else the object's."""
        return {**self.parameters(), **setting}

    def fit(self, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike) -> Self:
        """Adapt from labelled source samples to unlabelled target samples.

        Parameters
        ----------
        Xs : array, shape (n_source, n_features) or (n_source, n_blocks, ...)
        ys : array, shape (n_source,)
            Labels, of any sortable type.
        Xt : array, shape (n_target, ...) with the trailing shape of ``Xs``
            If both are DataFrames, their columns are matched by name.

        Returns
        -------
        Method
            The method itself.

        Raises
        ------
        UserError
            If shapes disagree, values are not finite, or there are fewer than two classes.
        """
        task = check_task(Xs, ys, Xt, self.needs_blocks)
        self.settings([{}], task.shapes)
        prepared = self.prepare(task.Xs, task.ys, task.Xt, task.Xt)
        result = join_batches([[0]], [self._learn(prepared)])
        self._task, self.classes_, self.result_ = task, task.classes, result
        return self

    def _learn(self, prepared: Prepared) -> BatchResult:
        """Solve for the object's own parameters; where :meth:`fit` keeps more, overridden."""
        return self.solve(prepared, [{}])

    def predict(self, X: ArrayLike) -> NDArray:
        """Predict the labels of samples from the target domain, shape (n_samples,)."""
        result = self.result_for(X)
        return self.classes_[result.predictions[0]]

    def result_for(self, X: ArrayLike) -> BatchResult:
        """Return the class indices and decision values of samples from the target domain."""
        if not hasattr(self, "_task"):
            raise UserError(f"{type(self).__name__}: call fit(Xs, ys, Xt) before predict")
        queries = shape_samples(X, "X", self.needs_blocks, self._task.names)
        Xt = self._task.Xt
        if queries.shape[1:] != Xt.shape[1:]:
            raise UserError(
                f"X has samples of shape {queries.shape[1:]}, but fit had {Xt.shape[1:]}"
            )
        same = queries.shape == Xt.shape and np.array_equal(queries, Xt)
        return self.result_ if same else self._evaluate(self._task, queries, [{}])

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
        task = check_task(Xs, ys, Xt, self.needs_blocks)
        settings = self.settings(grid, task.shapes)
        return settings, task.classes[self._evaluate(task, task.Xt, settings).predictions]

    def _evaluate(self, task: "Task", queries: Array, settings: list[Setting]) -> BatchResult:
        prepared = self.prepare(task.Xs, task.ys, task.Xt, queries)
        batches = batches_of(self, settings)
        results = [self.solve(prepared, [settings[i] for i in batch]) for batch in batches]
        return join_batches(batches, results)
