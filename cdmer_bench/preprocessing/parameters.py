"""Checks of parameters: the message says what was given and what was expected."""

import operator
from collections.abc import Sequence
from typing import Any

from cdmer_bench.errors import UserError


def positive_integer(name: str, value: Any) -> int:
    """Return ``value`` as an int of at least 1, or raise a UserError that names it."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise UserError(f"{name} is {value!r}, expected a whole number of at least 1")
    return number


def listed(name: str, values: Any, expected: str, length: int | None = None) -> tuple[Any, ...]:
    """Return a sequence as a tuple, not empty and of ``length`` items if that is given.

    Raises
    ------
    UserError
        For anything else, text included; it says what was ``expected``.
    """
    try:
        items = () if isinstance(values, str) else tuple(values)
    except TypeError:
        items = ()
    if not items or length not in (None, len(items)):
        raise UserError(f"{name} is {values!r}, expected {expected}")
    return items


def choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse an option that is not among ``allowed``, naming it and them."""
    # 8.0 and True are no ways to write 8 and 1.
    same_kind = [item for item in allowed if _kind(item) == _kind(value)]
    if value not in same_kind:
        raise UserError(f"{name} is {value!r}, expected one of {', '.join(map(repr, allowed))}")


def _kind(value: object) -> tuple[bool, bool]:
    return isinstance(value, bool), isinstance(value, float)
