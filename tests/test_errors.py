"""Checks of parameters: what was given and what was expected."""

import re

import numpy as np
import pytest

from cdmer_bench.errors import (
    Check,
    UserError,
    choice,
    is_ours,
    listed,
    own_code,
    positive_integer,
    raised,
)


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(7)])
def test_whole_numbers_become_ints(value):
    number = positive_integer("R", value)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", None, True, [3], np.nan])
def test_anything_else_is_named(value):
    with pytest.raises(UserError, match=r"^R is .*, expected a whole number of at least 1$"):
        positive_integer("R", value)


@pytest.mark.parametrize("values", [[1, 2], (1, 2), range(1, 3), np.array([1, 2])])
def test_any_sequence_is_a_list(values):
    assert listed("grids", values, "a list") == (1, 2)
    assert listed("grids", values, "a list", length=2) == (1, 2)


@pytest.mark.parametrize("values", [None, 4, 1.5, "12", [], np.int64(3), np.array(3)])
def test_what_is_no_list_is_named(values):
    with pytest.raises(UserError, match=r"^grids is .*, expected a list of two$"):
        listed("grids", values, "a list of two")


def test_a_list_of_another_length_is_named():
    with pytest.raises(UserError, match=r"^shape is \[1, 2, 3\], expected a pair$"):
        listed("shape", [1, 2, 3], "a pair", length=2)


def test_a_choice_is_one_of_the_allowed():
    choice("bins", 4, (4, 8))
    choice("bins", np.int64(8), (4, 8))
    choice("signed", True, (True, False))


@pytest.mark.parametrize(
    ("value", "allowed"), [(8.0, (4, 8)), (True, (1, 2)), (1, (True, False)), ("floor", ("round",))]
)
def test_another_value_or_kind_is_named(value, allowed):
    listing = re.escape(", ".join(map(repr, allowed)))
    with pytest.raises(UserError, match=rf"^cut is {value!r}, expected one of {listing}$"):
        choice("cut", value, allowed)


def test_a_runtime_warning_fails_a_check():
    wrong = Check("division", "it divides", lambda: str(np.log(np.zeros(1)))).run()
    assert "RuntimeWarning" in wrong


class Mine:
    """Code of a user's own."""


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), OSError("gone"), ValueError()])
def test_what_code_of_ones_own_raises_is_one_sentence_with_its_place(error):
    with pytest.raises(UserError) as caught, own_code(Mine(), "reading A"):
        raise error
    said = str(caught.value)
    assert said.startswith(f"reading A raised {type(error).__name__}")
    assert said.endswith("; correct it there")
    assert re.search(r"test_errors\.py, line \d+", said)


def test_refusals_full_memory_and_errors_of_this_package_are_passed_on():
    assert not is_ours(Mine)
    assert is_ours(UserError("a"))
    for part, error in ((Mine(), UserError("a")), (Mine(), MemoryError()), (UserError, KeyError())):
        with pytest.raises(type(error)) as caught, own_code(part, "reading A"):
            raise error
        assert caught.value is error


def test_the_place_is_the_users_line_and_the_words_stay_in_one():
    with pytest.raises(ValueError, match="shape") as caught:
        np.stack([np.zeros(2), np.zeros(3)])
    assert "test_errors.py" in raised(caught.value)
    assert raised(ValueError("a\nb")) == "ValueError: a b"
