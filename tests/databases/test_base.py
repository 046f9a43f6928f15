"""What a set of features is, and how those of two databases are matched."""

from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.databases import FeatureSet
from cdmer_bench.databases.base import matched
from cdmer_bench.errors import UserError


@pytest.mark.parametrize("order", [[2, 1, 0], [1, 2, 0]])
def test_the_features_of_the_target_are_put_where_the_sources_of_the_same_name_are(order):
    X, y, names = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1]), np.array(["p", "q", "r"])
    source = FeatureSet("one", X, y, None, ("a", "b"), names=tuple(names))
    turned = FeatureSet("two", X[:, order], y, None, ("a", "b"), names=tuple(names[order]))
    assert np.array_equal(matched(source, turned).X, X)
    assert matched(source, turned).names == source.names
    assert matched(source, replace(turned, names=None)).X is turned.X


def test_features_of_other_names_are_not_matched():
    source = FeatureSet(
        "one", np.eye(3), np.array([0, 1, 0]), None, ("a", "b"), names=("p", "q", "r")
    )
    with pytest.raises(UserError, match="'p' is only in one"):
        matched(source, replace(source, names=("r", "q", "s")))
    with pytest.raises(UserError, match="'s' is only in two"):
        matched(
            replace(source, names=("t", "u", "v")),
            replace(source, database="two", names=("s", "u", "v")),
        )


@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_label_outside_the_classes_is_no_class_of_its_own(wrong):
    with pytest.raises(UserError, match=r"sample 1 .* has the label"):
        FeatureSet("one", np.eye(3), np.array([0, wrong, 1]), None, ("a", "b"))


def test_a_result_depends_on_subjects_names_and_the_order_of_classes_and_samples():
    X, y = np.eye(3), np.array([0, 1, 1])
    made = FeatureSet("one", X, y, np.array(["s", "t", "t"]), ("b", "a"), names=("p", "q", "r"))
    others = (
        replace(made, subject=np.array(["s", "t", "u"])),
        replace(made, names=("p", "r", "q")),
        replace(made, classes=("a", "b")),
        replace(made, y=np.array([1, 0, 1])),
        replace(made, X=2 * X),
    )
    assert len({one.sha256 for one in (made, *others)}) == 6
    # The name of the database, its file and what was noticed of it change no result.
    same = replace(made, database="two", fingerprint="x", findings=(), clips=("a", "b", "c"))
    assert same.sha256 == made.sha256
