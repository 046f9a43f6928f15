"""What the tests of random input share: how many inputs, damage to bytes, plain values."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FOLDER = Path()  # set for the session; a fixture cannot be given to a drawn test

QUICK, LONG = 60, 2200
QUIET = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


def both(strategy, test):
    """Return the quick and the long test of a property of one drawn input."""

    @settings(max_examples=QUICK, **QUIET)
    @given(strategy)
    def quick(drawn):
        test(drawn)

    @pytest.mark.slow
    @settings(max_examples=LONG, **QUIET)
    @given(strategy)
    def long(drawn):
        test(drawn)

    return quick, long


@st.composite
def damaged(draw, whole):
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        edit = draw(st.sampled_from(["flip", "set", "cut", "insert", "swap"]))
        if edit == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif edit == "set" and data:
            data[place] = draw(st.sampled_from([0, 1, 127, 128, 255, 10, 44]))
        elif edit == "cut":
            del data[place : place + draw(st.integers(1, 100))]
        elif edit == "insert":
            data[place:place] = draw(st.binary(max_size=9))
        elif data:
            data = data[place:] + data[:place]
    return bytes(data)


PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=6),
        st.sampled_from(["${range:'1:1:3'}", "${oc.env:HOME}", "???", "${nothing}", "!!int x"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
