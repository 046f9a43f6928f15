"""Samples that are there more than once are counted, and the worst pair is the example."""

from types import SimpleNamespace

import numpy as np
import pytest

from cdmer_bench.databases.repeats import (
    repeated_clips,
    repeated_rows,
    repeats,
    shared_samples,
)


def test_each_repeat_is_paired_with_the_first_of_its_kind():
    assert repeats(dict(enumerate("abacab"))) == [(0, 2), (0, 4), (1, 5)]
    assert repeats({3: "x", 7: "y", 9: "x"}) == [(3, 9)]
    assert repeats({}) == []


@pytest.mark.parametrize(
    ("labels", "contrary", "one", "other"),
    [
        ([0, 1, 0, 0, 1], "", 0, 2),
        ([0, 1, 0, 0, 2], ", 1 under another label", 1, 4),
        ([1, 1, 0, 0, 2], ", 2 under another label", 0, 2),
    ],
)
def test_a_pair_of_two_labels_is_named_before_others(labels, contrary, one, other):
    marks = "abacb"
    clips = [SimpleNamespace(name=f"c{n}", label=label) for n, label in enumerate(labels)]
    (told,) = repeated_clips(clips, marks, "Mine")
    assert told.text == (
        f"2 of 5 clips have the frames of an earlier one{contrary} (such as c{other}, "
        f"those of c{one})"
    )
    (told,) = repeated_rows(np.array([[ord(mark)] for mark in marks]), np.array(labels), "f.csv")
    assert told.text.startswith(
        f"2 of 5 samples repeat an earlier one{contrary} (such as rows {one} and {other}, counted"
    )


def test_different_samples_are_no_finding():
    assert repeated_rows(np.eye(3), np.zeros(3), "f.csv") == []


def test_the_first_shared_sample_is_the_example():
    said = shared_samples("abab", "xbya", "Mine")
    assert said.startswith(
        "2 of 4 samples are in the source Mine too (such as its sample 1, there 1,"
    )
    assert shared_samples("abab", "xy", "Mine") == ""
