"""Extraction: the same bytes for any number of processes, and what goes wrong is named."""

import dataclasses
import multiprocessing
import warnings
from typing import ClassVar

import numpy as np
import pytest

from cdmer_bench.descriptors import HOGTOP, Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features
from cdmer_bench.parallel import Backend
from cdmer_bench.preprocessing import Preprocessing
from tests.damages import DAMAGES
from tests.tiny_clips import BOTH, SEQUENTIAL, TinyClip, contents, descriptor, make, preprocessing


def test_features_are_those_of_the_descriptor_in_the_order_of_the_clips(tmp_path):
    features, database = make(tmp_path)
    found = features.load("tiny", "lbp")
    for clip, row in zip(database.given, found.X, strict=True):
        np.testing.assert_array_equal(row, descriptor().extract(preprocessing()(clip.frames())))
    assert found.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.subject.tolist() == ["s0", "s0", "s1", "s1", "s2", "s2"]


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    for name, backend in {
        "sequential": Backend("sequential"),
        "one": Backend("loky", 1),
        "three": Backend("loky", 3),
    }.items():
        features, database = make(tmp_path / name)
        features.extract(database, BOTH, backend, None)
    whole = contents(tmp_path / "sequential")
    assert len(whole) == 2
    for name in ("one", "three"):
        assert contents(tmp_path / name) == whole


def test_each_clip_is_read_once_for_all_descriptors_and_never_again(tmp_path):
    log = tmp_path / "log"
    features, database = make(tmp_path / "cache", log=log)
    features.extract(database, BOTH, SEQUENTIAL, None)
    assert log.read_text().split() == [f"clip{i}" for i in range(6)]
    again, database = make(tmp_path / "cache", log=log)
    assert again.is_ready("tiny", "lbp")
    again.extract(database, BOTH, SEQUENTIAL, None)
    again.load("tiny", "hog")
    assert len(log.read_text().split()) == 6


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_extracted_again_with_one_warning(tmp_path, damage):
    features, database = make(tmp_path)
    features.extract(database, BOTH, SEQUENTIAL, None)
    whole = contents(tmp_path)
    path = features.store.path("tiny", features.key("tiny", "lbp"))
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


@pytest.fixture
def bar():
    """A progress bar that keeps in ``seen`` what it is told."""

    class Bar:
        seen: ClassVar[list] = []

        def __init__(self, title, total):
            self.seen.append((title, total))

        def advance(self, steps):
            self.seen.append(steps)

        def close(self):
            self.seen.append("closed")

    return Bar


def test_progress_counts_every_clip(tmp_path, bar):
    features, database = make(tmp_path)
    features.extract(database, ["lbp"], SEQUENTIAL, bar)
    assert bar.seen == [("tiny", 6), *[1] * 6, "closed"]


class BatchedHOG(HOGTOP):
    """A descriptor that takes several clips at a time, like C3D."""

    in_batches = True
    batch_size = 2
    sizes: ClassVar[list[int]] = []

    def extract_batch(self, clips):
        self.sizes.append(len(clips))
        return super().extract_batch(clips)


def test_batches_give_what_single_clips_give_without_the_damaged_ones(tmp_path, bar, monkeypatch):
    monkeypatch.setattr(BatchedHOG, "sizes", [])
    clips = TinyClip.some(7)
    clips[2].broken = clips[3].broken = clips[4].broken = True  # a whole batch and half of one
    features, database = make(tmp_path, clips)
    features.descriptors["batched"] = BatchedHOG(bins=4, grids=(1,))
    with pytest.warns(UserWarning, match="tiny: clip clip[234] is left out") as warned:
        features.extract(database, ["batched"], SEQUENTIAL, bar)
    assert len(warned) == 3
    assert bar.seen == [("tiny", 7), *[1] * 7, "closed"]
    assert BatchedHOG.sizes == [2, 1, 1]
    whole, _ = make(tmp_path / "whole", [clips[i] for i in (0, 1, 5, 6)])
    with pytest.warns(UserWarning, match="3 clips with unreadable frames"):
        found = features.load("tiny", "batched")
    np.testing.assert_array_equal(found.X, whole.load("tiny", "hog").X)
    assert found.y.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("chosen", [BOTH, ["batched"]])
def test_a_database_without_a_readable_clip_is_refused_and_nothing_is_stored(tmp_path, chosen):
    clips = TinyClip.some(3)
    for clip in clips:
        clip.broken = True
    features, database = make(tmp_path, clips)
    features.descriptors["batched"] = BatchedHOG(bins=4, grids=(1,))
    with (
        pytest.warns(UserWarning, match="is left out"),
        pytest.raises(UserError, match=r"no clip of tiny can be read \(first: a frame is damaged"),
    ):
        features.extract(database, chosen, SEQUENTIAL, None)
    assert contents(tmp_path) == {}


def extract_many_times(folder, start, answers):
    features, database = make(folder)
    start.wait(30)
    try:
        features.extract(database, BOTH, SEQUENTIAL, None)
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
    features.extract(database, BOTH, SEQUENTIAL, None)
    assert found == [[features.load("tiny", name).X.sum() for name in BOTH]] * 4
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert not list((tmp_path / "shared").rglob(".writing-*"))


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """The log of an extraction into ``cache`` that was killed at its fifth clip."""
    monkeypatch.setattr("cdmer_bench.extraction._KEEP_EVERY", -1.0)
    features, database = make(tmp_path / "cache", log=tmp_path / "log")
    database.given[4].kills = True
    with pytest.raises(KeyboardInterrupt):
        features.extract(database, BOTH, SEQUENTIAL, None)
    return tmp_path / "log"


def test_what_a_killed_extraction_had_finished_is_taken_up(tmp_path, killed):
    assert not list((tmp_path / "cache" / "features").glob("*.npz"))
    again, database = make(tmp_path / "cache", log=killed)
    again.extract(database, BOTH, SEQUENTIAL, None)
    assert killed.read_text().split() == [f"clip{i}" for i in (0, 1, 2, 3, 4, 4, 5)]
    whole, database = make(tmp_path / "whole")
    whole.extract(database, BOTH, SEQUENTIAL, None)
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")
    assert not list((tmp_path / "cache" / "features" / "unfinished").iterdir())


def test_force_takes_nothing_of_a_killed_extraction(tmp_path, killed):
    again, database = make(tmp_path / "cache", log=killed)
    again.force = True
    again.extract(database, BOTH, SEQUENTIAL, None)
    assert killed.read_text().split() == [f"clip{i}" for i in (0, 1, 2, 3, 4, *range(6))]


def test_force_extracts_anew_once(tmp_path):
    log = tmp_path / "log"
    features, database = make(tmp_path / "cache", log=log)
    features.extract(database, BOTH, SEQUENTIAL, None)
    forced = Features(
        {"tiny": database}, features.descriptors, preprocessing(), features.store, force=True
    )
    assert not forced.is_ready("tiny", "lbp")
    assert forced.facts("tiny", "lbp") is None
    forced.extract(database, BOTH, SEQUENTIAL, None)
    assert forced.is_ready("tiny", "lbp")
    forced.load("tiny", "lbp")
    assert len(log.read_text().split()) == 12


class Doubtful(Preprocessing):
    """Warns of every clip, as cropping does where it finds no face."""

    def __call__(self, frames):
        warnings.warn("no face was found", stacklevel=2)
        return super().__call__(frames)


@pytest.mark.parametrize("backend", [Backend("sequential"), Backend("loky", 2)])
def test_warnings_of_workers_are_given_here_with_the_clips_name(tmp_path, backend):
    features, database = make(tmp_path)
    features.preprocessing = Doubtful(**vars(preprocessing()))
    with pytest.warns(UserWarning, match="no face") as warned:
        features.extract(database, ["lbp"], backend, None)
    told = sorted(str(w.message) for w in warned if "no face" in str(w.message))
    assert told == [f"clip {clip.name}: no face was found" for clip in database.given]


@dataclasses.dataclass
class Own(Descriptor):
    """A descriptor of a user's own that does ``how``."""

    how: str = "well"

    label = "Own"

    def extract(self, frames):
        values = frames.mean(axis=(1, 2))[None, None]
        if self.how == "writes":
            frames *= 0
        if self.how == "raises":
            raise KeyError("x")
        if self.how == "leaves":
            raise SystemExit(3)
        return {
            "none": None,
            "number": 3.0,
            "texts": values.astype(str),
            "complex": values * 1j,
            "empty": values[:0],
            "ragged": [[1], [1, 2]],
            "nan": values * np.nan,
            "single": values.astype(np.float32),
            "shapes": values[..., : 1 + (values.sum() > 760)],
        }.get(self.how, values)


@dataclasses.dataclass
class OwnBatched(Own):
    in_batches = True
    batch_size = 4


def own_features(tmp_path, own, clips=None):
    features, database = make(tmp_path, clips)
    features.descriptors["own"] = own
    return features, database


@pytest.mark.parametrize("kind", [Own, OwnBatched])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("none", "gave None, expected numbers"),
        ("number", "gave 3.0, expected numbers"),
        ("texts", "values of shape (1, 1, 6), expected numbers"),
        ("complex", "gave complex128 values of shape"),
        ("empty", "values of shape (0, 1, 6)"),
        ("ragged", "expected numbers"),
        ("nan", "gave NaN or infinite values"),
        ("raises", "raised KeyError: 'x'"),
        ("leaves", "raised SystemExit: 3"),
        ("shapes", "every clip needs the same"),
    ],
)
def test_what_a_descriptor_of_ones_own_does_wrong_is_said_and_not_stored(tmp_path, kind, how, said):
    features, database = own_features(tmp_path, kind(how))
    problem = str(features.extract(database, ["own"], SEQUENTIAL, None)["own"])
    # Of several at once NumPy says the same in its own words.
    if kind is Own or how not in ("number", "ragged", "shapes"):
        assert said in problem
    if how == "nan":
        whose = "clip clip0: " if kind is Own else "clips clip0 to clip3: "
        assert problem.startswith(f"{whose}Own {said}")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("how", ["raises", "shapes"])
def test_a_descriptor_that_fails_costs_the_others_no_reading_and_no_result(tmp_path, how):
    log = tmp_path / "log"
    features, database = make(tmp_path / "cache", log=log)
    features.descriptors["own"] = Own(how)
    problems = features.extract(database, ["lbp", "own", "hog"], SEQUENTIAL, None)
    assert list(problems) == ["own"]
    assert log.read_text().split() == [f"clip{i}" for i in range(6)]
    plain, _ = make(tmp_path / "plain")
    for name in BOTH:
        np.testing.assert_array_equal(features.load("tiny", name).X, plain.load("tiny", name).X)
    assert len(log.read_text().split()) == 6


@pytest.mark.parametrize("kind", [Own, OwnBatched])
def test_what_a_descriptor_writes_into_a_clip_reaches_no_other(tmp_path, kind):
    features, database = own_features(tmp_path, kind("writes"))
    features.extract(database, ["own", "hog"], SEQUENTIAL, None)
    plain, _ = make(tmp_path / "plain")
    np.testing.assert_array_equal(features.load("tiny", "hog").X, plain.load("tiny", "hog").X)


def test_features_of_single_precision_have_one_hash_wherever_it_is_taken(tmp_path):
    features, _ = own_features(tmp_path, Own("single"))
    loaded = features.load("tiny", "own")
    fresh, _ = own_features(tmp_path, Own("single"))
    assert loaded.X.dtype == np.float64
    assert fresh.facts("tiny", "own").sha256 == loaded.sha256


@dataclasses.dataclass
class Raising(TinyClip):
    """A clip whose reader raises what a library of pictures does."""

    def frames(self):
        raise (OSError("cannot identify image file") if self.label else SystemExit(3))


def test_a_clip_whose_reader_raises_anything_is_left_out_by_name(tmp_path):
    clips = TinyClip.some(4)
    clips[1] = Raising("clip1", "s0", 1, 1)
    features, database = make(tmp_path, clips)
    clips[3] = Raising("clip3", "s1", 0, 3)
    with (
        pytest.warns(UserWarning, match="clip1 is left out: its frames.. raised OSError: cannot"),
        pytest.warns(UserWarning, match="clip3 is left out: its frames.. raised SystemExit: 3"),
    ):
        features.extract(database, ["lbp"], SEQUENTIAL, None)
    with pytest.warns(UserWarning, match="2 clips with unreadable frames"):
        assert features.load("tiny", "lbp").y.tolist() == [0, 2]
    facts = features.facts("tiny", "lbp")
    used = features.used("tiny", "lbp", facts)
    assert (used["n_clips"], used["n_expected"]) == (2, 4)


@dataclasses.dataclass
class OwnSteps(Preprocessing):
    def __call__(self, frames):
        raise KeyError("step")


def test_steps_of_ones_own_that_raise_are_said(tmp_path):
    features, database = make(tmp_path)
    features.preprocessing = OwnSteps()
    with (
        pytest.warns(UserWarning, match="is left out"),
        pytest.raises(UserError, match=r"no clip of tiny can be read .*OwnSteps raised KeyError"),
    ):
        features.extract(database, ["lbp"], SEQUENTIAL, None)


def test_a_clip_that_can_be_read_again_is_taken_up(tmp_path):
    clips = TinyClip.some(4)
    clips[2].broken = True
    features, database = make(tmp_path, clips)
    with pytest.warns(UserWarning, match="clip2 is left out"):
        features.extract(database, ["lbp"], SEQUENTIAL, None)
    with pytest.warns(UserWarning, match="1 clips with unreadable"):
        assert len(features.load("tiny", "lbp").y) == 3
    still, _ = make(tmp_path, clips)
    assert len(still.facts("tiny", "lbp").y) == 3
    clips[2].broken = False
    fresh, database = make(tmp_path, clips)
    assert fresh.facts("tiny", "lbp") is None
    assert not fresh.is_ready("tiny", "lbp")
    fresh.extract(database, ["lbp"], SEQUENTIAL, None)
    assert len(fresh.facts("tiny", "lbp").y) == len(fresh.load("tiny", "lbp").y) == 4
