"""Checks of what a user gives a method: values of parameters, a grid, samples and labels."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError, closest

Array = NDArray[np.float64]
Indices = NDArray[np.intp]  # of classes: 0 to n_classes - 1, in the sorted order of the labels
Setting = dict[str, Any]
Grid = Mapping[str, Any] | Sequence[Setting]

SOLVERS = ("paper", "exact")
_NUMBERS = int | float | np.integer | np.floating

_MOST_VALUES = 1_000_000  # of a range; the paper's longest has 100


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are not."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, perhaps as a float."""
    return is_number(value) and float(value).is_integer()


def require(holds: Any, name: str, value: Any, expected: str) -> None:
    """Refuse a value unless ``holds``, in one sentence."""
    if not holds:
        raise UserError(f"{name} is {value!r}, expected {expected}")


def choose(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return ``value`` if it is one of the choices of the option ``name``; refuse it otherwise."""
    require(value in choices, name, value, f"one of {', '.join(choices)}")
    return value


def check_solver(solver: Any, what: str = "solver", known: Sequence[str] = SOLVERS) -> None:
    """Refuse a solver (or another option, ``what``) that is not among those known."""
    if solver not in known:
        raise UserError(f"there is no {what} {solver!r}; {closest(solver, known)}")


def check_not_negative(**weights: float) -> None:
    """Refuse a negative weight of a term of the objective."""
    for name, value in weights.items():
        if value < 0:
            raise UserError(f"{name} is {value}, but a weight must be finite and at least 0")


def parse_range(notation: str) -> list[float]:
    """Expand the paper's MATLAB-like notation into the values it means.

    ``'0.001:0.001:0.009, 0.01:0.01:0.09, 2'`` gives 0.001, 0.002, ..., 0.09, 2.0. A part is
    ``first:step:last`` (``last`` included), or one number. The paper's one product, [1:1:100] x t
    of IW-SVM, is written out part by part.
    """
    values: list[float] = []
    for part in map(str.strip, notation.split(",")):
        try:
            numbers = [Decimal(text) for text in part.split(":")]
        except InvalidOperation:
            numbers = []
        # Floats end at 1.8e308.
        fits = all(n.is_finite() and abs(n) <= Decimal("1e300") for n in numbers)
        if fits and len(numbers) == 1:
            values.append(float(numbers[0]))
        elif fits and len(numbers) == 3 and numbers[1] > 0:
            first, step, last = numbers
            if last < first:
                raise UserError(f"range {part!r} is empty: {last} lies below {first}")
            if last - first > step * _MOST_VALUES:
                raise UserError(
                    f"range {part!r} has more than {_MOST_VALUES:,} values; take larger steps"
                )
            values += [float(first + step * i) for i in range(int((last - first) / step) + 1)]
        else:
            raise UserError(
                f"range part {part!r} is neither a number nor first:step:last "
                "with a positive step, such as '0.1:0.1:1'"
            )
    return values


def is_range(text: str) -> bool:
    """Whether :func:`parse_range` takes the text."""
    try:
        return bool(parse_range(text))
    except UserError:
        return False


def expand_grid(grid: Mapping[str, Sequence[Any]] | Sequence[Setting]) -> list[Setting]:
    """List the settings: the product of values, the last parameter fastest, or those given."""
    if isinstance(grid, Mapping):
        products = itertools.product(*grid.values())
        return [dict(zip(grid, values, strict=True)) for values in products]
    settings = [grid] if isinstance(grid, str) or not isinstance(grid, Iterable) else list(grid)
    for setting in settings:
        if not isinstance(setting, Mapping):
            raise UserError(
                f"a grid holds {setting!r}; give a mapping from parameters to values, or a list of "
                "settings such as [{'k': 1}, {'k': 2}]"
            )
    return [dict(setting) for setting in settings]


class Task(NamedTuple):
    """What a method learns from."""

    Xs: Array  # (n_source, n_features), or (n_source, n_blocks, block_dim) if blocks are needed
    ys: Indices  # (n_source,)
    Xt: Array  # (n_target, ...)
    classes: NDArray  # (n_classes,), the labels in sorted order; ``classes[ys]`` are those given
    # the source's columns where it is a DataFrame; samples of the target are matched by them
    names: tuple[str, ...] | None = None

    @property
    def shapes(self) -> tuple[int, int, int]:
        """The numbers of source samples, of target samples and of features."""
        return len(self.Xs), len(self.Xt), int(np.prod(self.Xs.shape[1:]))


def check_task(Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, needs_blocks: bool) -> Task:
    """Check the samples and labels of a task, and encode the labels by index."""
    names = _column_names(Xs)
    source = shape_samples(Xs, "Xs", needs_blocks)
    target = shape_samples(Xt, "Xt", needs_blocks, names)
    classes, codes = _encode(ys, len(source))
    if source.shape[1:] != target.shape[1:]:
        raise UserError(
            f"source samples have shape {source.shape[1:]} and target samples "
            f"{target.shape[1:]}; extract both with the same descriptor"
        )
    return Task(source, codes, target, classes, names)


def _column_names(X: Any) -> tuple[str, ...] | None:
    """Return the names of a DataFrame's columns; None where it numbers them, and for arrays."""
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(column, str) for column in columns):
        return None
    return tuple(columns)


def shape_samples(
    X: ArrayLike, name: str, needs_blocks: bool, columns: Sequence[str] | None = None
) -> Array:
    """Return ``X`` as float64, (n_samples, n_features) or (n_samples, n_blocks, block_dim).

    A DataFrame is put into the order of ``columns``, the names of the source's.
    """
    own = _column_names(X)
    if own is not None and columns is not None and own != tuple(columns):
        differing = sorted(set(own) ^ set(columns))
        if differing or len(own) != len(columns):
            raise UserError(
                f"{name} has other columns than Xs ({differing[0] if differing else own[0]!r} is "
                "not in both once); give both the same columns"
            )
        X = X[list(columns)]  # type: ignore[call-overload, index]
    _refuse_masked(X, name)
    try:
        given = np.asarray(X)
        if given.dtype.kind in "cmM":
            raise TypeError(f"its values are {given.dtype}")
        array = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} is not an array of numbers: {error}") from None
    if array.ndim < 2:
        raise UserError(
            f"{name} has shape {array.shape}, expected (n_samples, n_features) "
            "or (n_samples, n_blocks, ...)"
        )
    if array.size == 0:
        raise UserError(f"{name} has shape {array.shape}, so no sample or no feature; pass some")
    if not np.isfinite(array).all():
        raise UserError(f"{name} holds NaN or infinite values; remove or repair those samples")
    if not needs_blocks:
        return array.reshape(len(array), -1)
    if array.ndim < 3:
        raise UserError(
            f"the method selects facial blocks, but {name} has shape {array.shape}; pass samples "
            "as (n_samples, n_blocks, block_dim), for example X.reshape(n, 85, -1) for "
            "block-major features of the grids 1, 2, 4, 8; in a card of feature files the key "
            "blocks says it, such as blocks: {n_blocks: 85, layout: block_major}"
        )
    return array.reshape(len(array), array.shape[1], -1)


def _refuse_masked(values: Any, name: str) -> None:
    if np.ma.is_masked(values):
        raise UserError(f"{name} has masked values; remove those samples or fill them in")


def _encode(ys: ArrayLike, n_source: int) -> tuple[NDArray, Indices]:
    """Return the classes in sorted order and the index of each sample's."""
    _refuse_masked(ys, "ys")
    try:
        labels = np.asarray(ys)
        classes, codes = np.unique(labels, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"ys holds labels that cannot be sorted ({error}); give one number or text for each "
            "source sample"
        ) from None
    if labels.shape != (n_source,):
        raise UserError(
            f"ys has shape {labels.shape}, expected one label for each of the "
            f"{n_source} source samples"
        )
    if any(label != label for label in classes):  # NaN, or a date that is none
        raise UserError("ys holds NaN; give every source sample a label")
    if len(classes) < 2:
        raise UserError(f"the source has {len(classes)} class(es), expected at least two")
    return classes, codes.astype(np.intp)
