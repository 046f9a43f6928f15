"""Errors whose message is meant for the user, and checks that give one or none.

A message is one sentence: what was found, what was expected, what to do.
"""

import difflib
import json
import operator
import os
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


class UserError(ValueError):
    """A mistake in the user's configuration, data or call; the command line exits with code 2."""


class DataMissing(UserError):
    """A database, feature file or weight file that is not on this machine."""


def as_sentence(error: Exception) -> tuple[str, int]:
    """Return the sentence for a UserError, MemoryError or OSError, and the exit code."""
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
    """Return a hint such as ``did you mean 'tca'? ``, or '' where no choice is near."""
    near = difflib.get_close_matches(str(name), sorted(choices), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""


def closest(name: object, choices: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'tca'?`` followed by all the choices."""
    names = sorted(choices)
    return f"{nearest(name, names)}choices: {', '.join(names)}"


def nearest_neighbour(path: Path) -> str:
    """Return a hint at a file or folder of a near name, if ``path`` itself is not there."""
    try:
        return "" if path.exists() else nearest(path.name, os.listdir(path.parent))
    except OSError:
        return ""


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
    """Return a sequence as a tuple, not empty and of ``length`` items if that is given."""
    try:
        items = () if isinstance(values, str) else tuple(values)
    except TypeError:
        items = ()
    if not items or length not in (None, len(items)):
        raise UserError(f"{name} is {values!r}, expected {expected}")
    return items


def choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse an option that is not among ``allowed``, naming it and them."""

    def kind(item: object) -> tuple[bool, bool]:
        return isinstance(item, bool), isinstance(item, float)

    # 8.0 == 8 and True == 1 in Python, but they are other values here.
    if not any(item is value or (item == value and kind(item) == kind(value)) for item in allowed):
        raise UserError(f"{name} is {value!r}, expected one of {', '.join(map(repr, allowed))}")


# For a type hint: the types that a value of YAML may have, and the words for them in an error.
_PLAIN: dict[Any, tuple[Any, str]] = {
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    str: (str, "text"),
    bool: (bool, "true or false"),
    NoneType: (NoneType, "null"),
    Path: (str, "a path"),
}


def check_type(value: Any, hint: Any, key: str) -> None:
    """Refuse a value that a type hint does not allow; a hint that is not known allows all."""
    if not fits(value, hint):
        words = _words(hint)
        quote = "; put it in quotes" if "text" in words and not isinstance(value, str) else ""
        raise UserError(f"{key} is {found_text(value)}, expected {words}{quote}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a type hint allows a value; a dict of hints allows keys with its names alone."""
    if isinstance(hint, dict):
        return isinstance(value, dict) and all(
            name in hint and fits(item, hint[name]) for name, item in value.items()
        )
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin in _PLAIN:
        right = isinstance(value, _PLAIN[origin][0])
        return right and (origin is bool or not isinstance(value, bool))
    if _is(origin, Mapping):
        of = inner or (Any, Any)
        return isinstance(value, Mapping) and all(
            fits(name, of[0]) and fits(item, of[1]) for name, item in value.items()
        )
    if _is(origin, Sequence):
        return isinstance(value, list | tuple) and all(fits(v, (*inner, Any)[0]) for v in value)
    return True


def _is(origin: Any, kind: type) -> bool:
    return isinstance(origin, type) and issubclass(origin, kind)


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in inner)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in _PLAIN:
        return _PLAIN[origin][1]
    if _is(origin, Mapping):
        return "keys with values"
    if _is(origin, Sequence):
        of = _PLAIN.get(inner[0]) if inner else None
        return f"a list with {of[1]} in each place" if of else "a list"
    return getattr(origin, "__name__", str(origin))


def found_text(value: Any) -> str:
    """Return a value as it would be written in YAML, for messages."""
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


@dataclass(frozen=True)
class Check:
    """One thing that a contribution must keep because the package relies on it."""

    name: str
    promise: str  # the sentence that is true if the check passes
    # returns None, or a sentence that says what is wrong. An exception is a failure too
    find: Callable[[], str | None]

    def run(self) -> str | None:
        """Return what is wrong, or None; a RuntimeWarning (overflow, division by zero) is."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                return self.find()
        except DataMissing:
            raise
        except UserError as error:
            return str(error)
        except Exception as error:
            return f"it raised {type(error).__name__}: {str(error).partition(chr(10))[0]}"


def is_ours(part: Any) -> bool:
    """Whether an object's class, or a class itself, is this package's rather than a user's own."""
    kind = part if isinstance(part, type) else type(part)
    return kind.__module__.partition(".")[0] == "cdmer_bench"


@contextmanager
def own_code(part: Any, what: str) -> Iterator[None]:
    """Say what code of the user's own was to do when it went wrong; pass on what ours raises."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if is_ours(part):
            raise
        raise UserError(f"{what} raised {raised(error)}; correct it there") from error


def raised(error: BaseException) -> str:
    """Return an exception in one line, with the place in the code where it was raised."""
    if isinstance(error, SyntaxError):
        text, file, line = error.msg, error.filename, error.lineno
    else:
        places = traceback.extract_tb(error.__traceback__)
        # The user's own line, rather than the one of a library that it called.
        own = [place for place in places if "site-packages" not in place.filename] or places
        text, file, line = str(error), *((own[-1].filename, own[-1].lineno) if own else ("", 0))
    said, where = " ".join(text.split())[:300], f" ({file}, line {line})" if file else ""
    return f"{type(error).__name__}{f': {said}' if said else ''}{where}"
