"""Parameter grids in the paper's own notation, with decimal-exact values."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from cdmer_bench.errors import UserError

Setting = dict[str, Any]

_LARGEST = Decimal("1e300")  # floats end at 1.8e308
_MOST_VALUES = 1_000_000  # the paper's longest range has 100


def parse_range(notation: str) -> list[float]:
    """Expand the paper's MATLAB-like notation into the values it means.

    ``'0.001:0.001:0.009, 0.01:0.01:0.09, 2'`` gives 0.001, 0.002, ..., 0.09, 2.0. A part is
    ``first:step:last`` (``last`` included), or one number. A part ``(...) x t1,t2`` is not
    needed by any grid of the paper but one; that one, [1:1:100] x t, is written out part by part.

    Parameters
    ----------
    notation
        Parts separated by commas.

    Returns
    -------
    list of float
        Every value, each the float nearest to its decimal, in the order written.

    Raises
    ------
    UserError
        If a part is neither a number nor ``first:step:last`` with a step that leads there.
    """
    values: list[float] = []
    for part in notation.split(","):
        try:
            numbers = [Decimal(text.strip()) for text in part.split(":")]
            if not all(number.is_finite() for number in numbers):
                numbers = []
        except InvalidOperation:
            numbers = []
        if len(numbers) == 1 and abs(numbers[0]) <= _LARGEST:
            values.append(float(numbers[0]))
        elif len(numbers) == 3 and all(abs(n) <= _LARGEST for n in numbers) and numbers[1] > 0:
            values.extend(_steps(part.strip(), *numbers))
        else:
            raise UserError(
                f"range part {part.strip()!r} is neither a number nor first:step:last "
                "with a positive step, such as '0.1:0.1:1'"
            )
    return values


def is_range(text: str) -> bool:
    """Whether :func:`parse_range` takes the text."""
    try:
        return bool(parse_range(text))
    except UserError:
        return False


def _steps(part: str, first: Decimal, step: Decimal, last: Decimal) -> list[float]:
    """List first, first + step, ... up to last."""
    if last < first:
        raise UserError(f"range {part!r} is empty: {last} lies below {first}")
    if last - first > step * _MOST_VALUES:
        raise UserError(f"range {part!r} has more than {_MOST_VALUES:,} values; take larger steps")
    return [float(first + step * i) for i in range(int((last - first) / step) + 1)]


def expand_grid(grid: Mapping[str, Sequence[Any]] | Sequence[Setting]) -> list[Setting]:
    """List every setting of a grid.

    Parameters
    ----------
    grid
        Either a mapping from a parameter's name to its values, whose product is taken with the
        last parameter running fastest, or the settings themselves.

    Returns
    -------
    list of dict
        One dict from parameter name to value for each setting.

    Raises
    ------
    UserError
        If it is neither.
    """
    if isinstance(grid, Mapping):
        return [
            dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
        ]
    settings = [grid] if isinstance(grid, str) or not isinstance(grid, Iterable) else list(grid)
    for setting in settings:
        if not isinstance(setting, Mapping):
            raise UserError(
                f"a grid holds {setting!r}; give a mapping from parameters to values, or a list of "
                "settings such as [{'k': 1}, {'k': 2}]"
            )
    return [dict(setting) for setting in settings]
