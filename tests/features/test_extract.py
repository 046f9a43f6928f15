"""Extraction: same bytes for any number of processes, each clip read once, runs share a store."""

import multiprocessing
from typing import ClassVar

import numpy as np
import pytest

from cdmer_bench.descriptors import HOGTOP
from cdmer_bench.errors import UserError
from cdmer_bench.features.extract import Features
from cdmer_bench.features.store import FeatureStore
from cdmer_bench.parallel import Backend
from tests.damages import DAMAGES
from tests.features.tiny_clips import TinyClip, TinyClips, descriptor, preprocessing

BOTH = ["lbp", "hog"]


def make(folder, clips=None, log=""):
    database = TinyClips("tiny", given=clips or TinyClip.some(6, log))
    kinds = {"lbp": descriptor(), "hog": HOGTOP(bins=4, grids=(1,))}
    return Features({"tiny": database}, kinds, preprocessing(), FeatureStore(folder)), database


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.npz")}


def test_features_are_those_of_the_descriptor_in_the_order_of_the_clips(tmp_path):
    features, database = make(tmp_path)
    found = features.load("tiny", "lbp")
    for clip, row in zip(database.given, found.X, strict=True):
        np.testing.assert_array_equal(row, descriptor().extract(preprocessing()(clip.frames())))
    assert found.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.subject.tolist() == ["s0", "s0", "s1", "s1", "s2", "s2"]
    assert found.fingerprint == features.fingerprint("tiny", "lbp")


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    for name, backend in {
        "sequential": Backend("sequential"),
        "one": Backend("loky", 1),
        "two": Backend("loky", 2),
        "three": Backend("loky", 3),
    }.items():
        features, database = make(tmp_path / name)
        features.extract(database, BOTH, backend, None)
    whole = contents(tmp_path / "sequential")
    assert len(whole) == 2
    for name in ("one", "two", "three"):
        assert contents(tmp_path / name) == whole


def test_each_clip_is_read_once_for_all_descriptors_and_never_again(tmp_path):
    log = tmp_path / "log"
    features, database = make(tmp_path / "cache", log=log)
    features.extract(database, BOTH, Backend("sequential"), None)
    assert log.read_text().split() == [f"clip{i}" for i in range(6)]
    again, database = make(tmp_path / "cache", log=log)
    assert again.is_ready("tiny", "lbp")
    again.extract(database, BOTH, Backend("sequential"), None)
    again.load("tiny", "hog")
    assert len(log.read_text().split()) == 6


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_extracted_again_with_one_warning(tmp_path, damage):
    features, database = make(tmp_path)
    features.extract(database, BOTH, Backend("sequential"), None)
    whole = contents(tmp_path)
    path = features.store.path("tiny", features.fingerprint("tiny", "lbp"))
    path.write_bytes(DAMAGES[damage](whole[path.name]))
    fresh, _ = make(tmp_path)
    with pytest.warns(UserWarning, match="set aside") as warned:
        fresh.load("tiny", "lbp")
    assert len(warned) == 1
    assert contents(tmp_path) == whole


def test_a_damaged_clip_is_named_and_left_out_and_the_others_are_used(tmp_path):
    clips = TinyClip.some(4)
    clips[2].broken = True
    features, _ = make(tmp_path, clips)
    with pytest.warns(UserWarning, match="tiny: clip clip2 is left out: a frame is damaged"):
        features.extract(features.databases["tiny"], BOTH, Backend("loky", 2), None)
    with pytest.warns(UserWarning, match="1 clips with unreadable frames are left out"):
        found = features.load("tiny", "lbp")
    whole, _ = make(tmp_path / "whole", [clips[0], clips[1], clips[3]])
    np.testing.assert_array_equal(found.X, whole.load("tiny", "lbp").X)
    assert (found.y.tolist(), found.subject.tolist()) == ([0, 1, 0], ["s0", "s0", "s1"])


def test_a_database_without_a_readable_clip_is_refused_and_nothing_is_stored(tmp_path):
    clips = TinyClip.some(2)
    clips[0].broken = clips[1].broken = True
    features, database = make(tmp_path, clips)
    with (
        pytest.warns(UserWarning, match="is left out"),
        pytest.raises(UserError, match=r"no clip of tiny can be read \(first: a frame is damaged"),
    ):
        features.extract(database, BOTH, Backend("sequential"), None)
    assert contents(tmp_path) == {}


def test_progress_counts_every_clip(tmp_path):
    seen = []

    class Bar:
        def __init__(self, title, total):
            seen.append((title, total))

        def advance(self, steps):
            seen.append(steps)

        def close(self):
            seen.append("closed")

    features, database = make(tmp_path)
    features.extract(database, ["lbp"], Backend("sequential"), Bar)
    assert seen == [("tiny", 6), *[1] * 6, "closed"]


class BatchedHOG(HOGTOP):
    """A descriptor that takes several clips at a time, like C3D."""

    in_batches = True
    batch_size = 2
    sizes: ClassVar[list[int]] = []

    def extract_batch(self, clips):
        self.sizes.append(len(clips))
        return super().extract_batch(clips)


class NoNumbers(HOGTOP):
    def extract(self, frames):
        return np.full_like(super().extract(frames), np.nan)


class NoNumbersBatched(NoNumbers, BatchedHOG):
    pass


def test_batches_give_what_single_clips_give_without_the_damaged_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(BatchedHOG, "sizes", [])
    clips = TinyClip.some(7)
    clips[2].broken = clips[3].broken = clips[4].broken = True  # a whole batch and half of one
    features, database = make(tmp_path, clips)
    features.descriptors["batched"] = BatchedHOG(bins=4, grids=(1,))
    steps = []

    class Bar:
        def __init__(self, title, total):
            steps.append(total)

        def advance(self, n):
            steps.append(n)

        def close(self):
            steps.append("closed")

    with pytest.warns(UserWarning, match="tiny: clip clip[234] is left out") as warned:
        features.extract(database, ["batched"], Backend("sequential"), Bar)
    assert len(warned) == 3
    assert steps == [7, 2, 2, 2, 1, "closed"]
    assert BatchedHOG.sizes == [2, 1, 1]
    whole, _ = make(tmp_path / "whole", [clips[i] for i in (0, 1, 5, 6)])
    with pytest.warns(UserWarning, match="3 clips with unreadable frames"):
        found = features.load("tiny", "batched")
    np.testing.assert_array_equal(found.X, whole.load("tiny", "hog").X)
    assert found.y.tolist() == [0, 1, 2, 0]


def test_batches_without_a_readable_clip_are_refused(tmp_path):
    clips = TinyClip.some(3)
    for clip in clips:
        clip.broken = True
    features, database = make(tmp_path, clips)
    features.descriptors["batched"] = BatchedHOG(bins=4, grids=(1,))
    with (
        pytest.warns(UserWarning, match="is left out"),
        pytest.raises(UserError, match="no clip of tiny can be read"),
    ):
        features.extract(database, ["batched"], Backend("sequential"), None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (NoNumbers, r"^clip clip0: HOG-TOP\(p=4\) gave NaN"),
        (NoNumbersBatched, r"^clips clip0 to clip1: HOG-TOP\(p=4\) gave NaN"),
    ],
)
def test_values_that_are_no_numbers_are_never_stored(tmp_path, kind, words):
    features, database = make(tmp_path)
    features.descriptors["wrong"] = kind(bins=4, grids=(1,))
    with pytest.raises(UserError, match=words):
        features.extract(database, ["wrong"], Backend("sequential"), None)
    assert contents(tmp_path) == {}


def extract_many_times(folder, start, answers):
    features, database = make(folder)
    start.wait(30)
    try:
        features.extract(database, BOTH, Backend("sequential"), None)
        answers.put([features.load("tiny", name).X.sum() for name in BOTH])
    except Exception as error:
        answers.put(repr(error))


def test_four_runs_that_extract_at_once_agree(tmp_path):
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    runs = [
        context.Process(target=extract_many_times, args=(tmp_path / "shared", start, answers))
        for _ in range(4)
    ]
    for run in runs:
        run.start()
    start.set()
    found = [answers.get(timeout=60) for _ in runs]
    for run in runs:
        run.join(30)
    features, database = make(tmp_path / "alone")
    features.extract(database, BOTH, Backend("sequential"), None)
    assert found == [[features.load("tiny", name).X.sum() for name in BOTH]] * 4
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert not list((tmp_path / "shared").rglob(".writing-*"))
