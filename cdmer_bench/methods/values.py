"""What parameters may hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cdmer_bench.errors import UserError


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, perhaps as a float."""
    return is_number(value) and float(value).is_integer()


def choose(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return ``value`` if it is one of the choices of the option ``name``; refuse it otherwise."""
    if value not in choices:
        raise UserError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
    return value
