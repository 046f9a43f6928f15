"""Features of whole databases: labels, samples that repeat, and what is refused."""

import dataclasses

import numpy as np
import pytest

from cdmer_bench.databases import FileFeatureDatabase
from cdmer_bench.databases.base import FeatureDatabase, FeatureSet
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features, FeatureStore
from tests.tiny_clips import TinyClip, TinyClips, make, preprocessing


def test_labels_and_subjects_are_those_of_the_database_in_use(tmp_path):
    features, _ = make(tmp_path)
    before, described = features.load("tiny", "lbp"), features.facts("tiny", "lbp")
    assert described.sha256 == before.sha256
    assert described.shape == before.X.shape
    clips = TinyClip.some(6)
    clips[1] = dataclasses.replace(clips[1], label=2, subject="else")
    again, _ = make(tmp_path, clips)
    after = again.load("tiny", "lbp")
    np.testing.assert_array_equal(after.X, before.X)
    assert after.y.tolist() == [0, 2, 2, 0, 1, 2]
    assert after.subject.tolist()[1] == "else"
    assert again.facts("tiny", "lbp").sha256 == after.sha256 != before.sha256


class Careless(TinyClips):
    def clips(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": 3}, "has the label 3, expected the index of one of the classes"),
        ({"label": "0"}, "has the label '0', expected"),
        ({"label": True}, "has the label True, expected"),
        (None, "tiny lists no clip"),
        ("raises", "listing the clips of tiny raised ZeroDivisionError"),
    ],
)
def test_clips_that_no_run_can_use_are_refused(tmp_path, change, said):
    clips = TinyClip.some(3)
    if isinstance(change, dict):
        clips[1] = dataclasses.replace(clips[1], **change)
    features, _ = make(tmp_path, clips)
    if change is None:
        features.databases["tiny"].given = []
    if change == "raises":
        features.databases["tiny"] = Careless("tiny")
    with pytest.raises(UserError, match=said):
        features.key("tiny", "lbp")


def test_a_fingerprint_must_be_a_text(tmp_path):
    class Unmarked(TinyClip):
        fingerprint = None

    features, _ = make(tmp_path, [Unmarked("clip0", "s", 0, 0)])
    with pytest.raises(UserError, match="has the fingerprint None, expected a text"):
        features.key("tiny", "lbp")


def test_clips_of_the_same_frames_are_told(tmp_path):
    clips = [*TinyClip.some(4), TinyClip("again", "s9", 2, 1)]
    features, _ = make(tmp_path, clips)
    (told,) = features.account("tiny", "lbp").findings
    assert (told.code, told.severity) == ("clips-repeated", "warning")
    assert told.text == (
        "1 of 5 clips have the frames of an earlier one, 1 under another label (such as again, "
        "those of clip1)"
    )


def test_samples_of_the_target_that_are_in_the_source_are_told(tmp_path):
    features, _ = make(tmp_path)
    features.databases["other"] = TinyClips(
        "other", given=[TinyClip("x", "s", 0, 9), TinyClip("y", "s", 0, 4)]
    )
    said = features.shared("tiny", "other", "lbp")
    assert said.startswith("1 of 2 samples are in the source tiny too (such as its sample 1, there")
    assert features.shared("other", "tiny", "lbp").startswith("1 of 6 samples")
    features.databases["other"].given.pop()
    fresh = Features(features.databases, features.descriptors, preprocessing(), features.store)
    assert fresh.shared("tiny", "other", "lbp") == ""


def test_samples_of_files_are_compared_whole_where_their_beginnings_are_alike(tmp_path):
    X = np.random.default_rng(0).random((4, 300))
    alike = np.where(np.arange(300) < 299, X[[1, 2]], 7)
    found = {}
    for name, rows in {"one": X, "two": alike, "three": X[[3, 2]]}.items():
        np.savez(tmp_path / f"{name}.npz", features=rows, labels=np.arange(len(rows)) % 2)
        options = {"root": str(tmp_path), "files": {"d": f"{name}.npz"}, "first_label": 0}
        found[name] = FileFeatureDatabase(name, classes=("a", "b"), **options)
    features = Features(found, {}, preprocessing(), FeatureStore(tmp_path / "cache"))
    assert features.shared("one", "two", "d") == ""
    said = features.shared("one", "three", "d")
    assert said.startswith(
        "2 of 2 samples are in the source one too (such as its sample 0, there 3"
    )


def test_shared_samples_are_found_by_the_names_of_their_features(tmp_path):
    rows, found = np.random.default_rng(0).random((3, 2)).tolist(), {}
    for name, order in {"one": (0, 1), "two": (1, 0), "other": (0, 1)}.items():
        head = ",".join("pq"[i] if name != "other" else "qp"[i] for i in order)
        lines = [f"a,{row[order[0]]},{row[order[1]]}" for row in rows]
        (tmp_path / f"{name}.csv").write_text(f"labels,{head}\n" + "\n".join(lines) + "\n")
        options = {"root": str(tmp_path), "files": {"d": f"{name}.csv"}, "features": "*"}
        found[name] = FileFeatureDatabase(name, classes=("a", "b"), **options)
    features = Features(found, {}, preprocessing(), FeatureStore(tmp_path / "cache"))
    assert features.shared("one", "two", "d").startswith("3 of 3 samples are in the source")
    assert features.shared("one", "other", "d") == ""


@dataclasses.dataclass
class OwnFiles(FeatureDatabase):
    gives: object = None

    def load(self, descriptor):
        return self.gives() if callable(self.gives) else self.gives


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ((np.eye(3), np.arange(3)), "load of mine gave tuple, expected a FeatureSet"),
        (lambda: 1 / 0, "loading the features of mine raised ZeroDivisionError"),
        (lambda: FeatureSet("mine", np.eye(3), np.arange(2)), "X has 3 samples, but y 2"),
        (
            lambda: FeatureSet("mine", np.eye(3), np.arange(3), np.array(["a"])),
            "X has 3 samples, but subject 1",
        ),
    ],
)
def test_what_a_database_of_features_gives_wrongly_is_said(tmp_path, gives, said):
    features = Features(
        {"mine": OwnFiles("mine", gives=gives)}, {}, preprocessing(), FeatureStore(tmp_path)
    )
    with pytest.raises(UserError, match=said):
        features.load("mine", "d")
