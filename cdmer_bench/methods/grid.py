"""Parameter grids in the paper's own notation, with decimal-exact values."""

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from cdmer_bench.errors import UserError

Setting = dict[str, Any]


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
        except InvalidOperation:
            numbers = []
        if len(numbers) == 1 and numbers[0].is_finite():
            values.append(float(numbers[0]))
        elif len(numbers) == 3 and all(n.is_finite() for n in numbers) and numbers[1] > 0:
            first, step, last = numbers
            if last < first:
                raise UserError(f"range {part.strip()!r} is empty: {last} lies below {first}")
            values.extend(float(first + step * i) for i in range(int((last - first) / step) + 1))
        else:
            raise UserError(
                f"range part {part.strip()!r} is neither a number nor first:step:last "
                "with a positive step, such as '0.1:0.1:1'"
            )
    return values


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
    """
    if isinstance(grid, Mapping):
        return [
            dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
        ]
    return [dict(setting) for setting in grid]
