"""Errors whose message is meant for the user: one sentence with what was found, expected, to do."""

import difflib
import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class UserError(ValueError):
    """A mistake in the user's configuration, data or call; the command line exits with code 2."""


class DataMissing(UserError):
    """A database, feature file or weight file that is not on this machine."""


def as_sentence(error: Exception) -> tuple[str, int]:
    """Return what is said of an error of the user or the machine, and the exit code.

    Parameters
    ----------
    error
        A UserError (code 2), a MemoryError or an OSError (code 1).
    """
    if isinstance(error, UserError):
        return f"cdmer: {error}", 2
    if isinstance(error, MemoryError):
        return (
            f"cdmer: the memory is full ({str(error) or 'nothing is left'}); finished work is "
            "kept: close other programs or give n_jobs=1, and run the same command again"
        ), 1
    assert isinstance(error, OSError)
    where = f"{error.filename!s:.200}: " if error.filename else ""
    return (
        f"cdmer: {where}{error.strerror or error}; finished work is kept: mend that, and run the "
        "same command again"
    ), 1


def nearest(name: object, choices: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'tca'? ``, or nothing where no choice is near."""
    near = difflib.get_close_matches(str(name), sorted(choices), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""


def closest(name: object, choices: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'tca'?`` followed by all the choices.

    Parameters
    ----------
    name
        What the user wrote, perhaps no text at all.
    choices
        What would have been accepted.
    """
    names = sorted(choices)
    return f"{nearest(name, names)}choices: {', '.join(names)}"


def nearest_neighbour(path: Path) -> str:
    """Return a hint at a file or folder beside ``path`` whose name is near.

    Nothing where ``path`` itself is there, or no name is near.
    """
    if path.exists():
        return ""
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    return nearest(path.name, beside)


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
    if any(item is value for item in allowed):
        return
    # 8.0 and True are no ways to write 8 and 1.
    same_kind = [item for item in allowed if _kind(item) == _kind(value)]
    if value not in same_kind:
        raise UserError(f"{name} is {value!r}, expected one of {', '.join(map(repr, allowed))}")


def _kind(value: object) -> tuple[bool, bool]:
    return isinstance(value, bool), isinstance(value, float)
