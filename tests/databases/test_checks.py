"""Checks pass sound databases and name what is broken in others, or there more than once."""

from types import SimpleNamespace

import numpy as np
import pytest

from cdmer_bench.databases.base import ClipDatabase, FeatureDatabase, FeatureSet
from cdmer_bench.databases.checks import (
    alike,
    database_checks,
    repeated_clips,
    repeated_rows,
    repeats,
    shared_samples,
    subject_form,
    wrong_codes,
)
from cdmer_bench.errors import UserError
from tests.contracts import failures


class BrokenClips(ClipDatabase):
    """Clips that change their order and their frames."""

    def clips(self):
        rng = np.random.default_rng()

        class Clip:
            def __init__(self, number):
                self.name, self.subject, self.label = f"c{rng.random()}", "", 5
                self.fingerprint = str(rng.random())

            def frames(self):
                return rng.normal(size=(3, 4, 4)) * 1000

        return [Clip(number) for number in range(3)]


def test_a_broken_database_is_caught():
    found = failures(database_checks(BrokenClips("broken"), []))
    assert {"order", "names", "labels", "fingerprints", "pickle", "frames", "same frames"} == set(
        found
    )


def test_codes_of_classes():
    assert wrong_codes(np.array([0, 1, 1]), ("a", "b")) is None
    assert "'b'" in wrong_codes(np.array([0, 0]), ("a", "b"))
    assert "label 2" in wrong_codes(np.array([0, 1, 2]), ("a", "b"))


class Spots:
    """A clip of one grey level; ``lost`` has no file."""

    def __init__(self, name, level, lost=False):
        self.name, self.subject, self.label = name, "s1", level % 3
        self.level, self.lost, self.fingerprint = level, lost, f"spot {name}"

    def frames(self):
        if self.lost:
            raise FileNotFoundError(f"{self.name}.png")
        return np.full((3, 4, 4), self.level, np.uint8)


class Listed(ClipDatabase):
    """Clips handed over."""

    def clips(self):
        return self.listed


def test_lost_and_repeated_clips_are_caught():
    database = Listed("listed")
    database.listed = [Spots(f"c{n}", n) for n in range(6)]
    assert failures(database_checks(database, [])) == {}
    database.listed[4] = Spots("c4", 4, lost=True)
    database.listed[5] = Spots("copy", 2)
    found = failures(database_checks(database, []))
    assert found["readable"] == "1 of 6 clips cannot be read, such as c4 (c4.png)"
    assert found["no duplicates"] == "the clips c2 and copy have the same frames"
    database.listed[5].fingerprint = database.listed[2].fingerprint
    assert "fingerprint" in failures(database_checks(database, []))["no duplicates"]


class Loaded(FeatureDatabase):
    """Features handed over."""

    def load(self, descriptor):
        return self.held_features.pop(0) if len(self.held_features) > 1 else self.held_features[0]


def features(**changes):
    X, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 2, 1])
    return FeatureSet(**{"database": "d", "X": X, "y": y, **changes})


@pytest.mark.parametrize(
    ("held", "broken"),
    [
        ([features()], {}),
        ([features(X=np.full((4, 3), np.inf))], {"load"}),
        ([features(X=np.ones((4, 3), np.float32))], {"load"}),
        ([features(y=np.array([0, 1, 1, 1]))], {"labels"}),
        ([features(subject=np.arange(4))], {"subjects"}),
        ([features(), features(X=np.ones((4, 3)))], {"same features"}),
        ([features(), features(y=np.array([1, 1, 2, 0]))], {"same features"}),
    ],
)
def test_broken_features_are_caught(held, broken):
    database = Loaded("d")
    database.held_features = list(held)
    assert set(failures(database_checks(database, ["given"]))) == set(broken)


class Forgetful(Spots):
    """A clip that comes out of a pickle with another name."""

    def __reduce__(self):
        return Spots, ("else", self.level)


class Dark(Spots):
    """A clip of levels below black."""

    def frames(self):
        return np.full((3, 4, 4), -1.0)


@pytest.mark.parametrize(
    ("place", "kind", "check"),
    [(0, Forgetful, "pickle"), (0, Dark, "frames"), (3, Dark, "frames"), (5, Dark, "frames")],
)
def test_one_clip_of_another_kind_is_caught(place, kind, check):
    database = Listed("listed")
    database.listed = [Spots(f"c{n}", n) for n in range(6)]
    database.listed[place] = kind("other", place)
    assert set(failures(database_checks(database, []))) == {check}


def test_two_classes_of_one_name_are_caught():
    database = Listed("listed", classes=("a", "a", "b"))
    database.listed = [Spots(f"c{n}", n) for n in range(6)]
    assert set(failures(database_checks(database, []))) == {"classes"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"X": np.ones((3, 3))}, "X has 3 samples, but y 4"),
        ({"subject": np.array(["a", "b"])}, "X has 4 samples, but subject 2"),
    ],
)
def test_features_of_unlike_lengths_are_refused_when_they_are_made(changes, said):
    with pytest.raises(UserError, match=said):
        features(**changes)


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


def test_subjects_that_differ_in_capitals_or_leading_zeros_are_alike():
    texts = ["s1", "S01", "s1", "s10", "", "", "p1.1", "p1.10", "p1.01"]
    assert list(alike(texts, subject_form)) == [("S01", "s1")]
    assert list(alike(["Lab", "lab", "lab", "laboratory"])) == [("Lab", "lab")]
