"""Extraction and its store: keys hold what is used, same bytes for any number of processes."""

import dataclasses
import multiprocessing
import os
import stat
import warnings
from typing import ClassVar

import numpy as np
import pytest

from cdmer_bench.databases import FileFeatureDatabase
from cdmer_bench.databases.base import FeatureDatabase, FeatureSet
from cdmer_bench.databases.synthetic.database import SyntheticDatabase
from cdmer_bench.descriptors import HIGOTOP, HOGTOP, LBPSIP, LBPTOP, LPQTOP, Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features, FeatureStore
from cdmer_bench.parallel import Backend
from cdmer_bench.preprocessing import Preprocessing
from tests.damages import DAMAGES
from tests.tiny_clips import TinyClip, TinyClips, descriptor, preprocessing

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
    assert steps == [7, *[1] * 7, "closed"]
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


def key(clips=None, described=None, prepared=None, **database):
    found = TinyClips("tiny", given=clips or TinyClip.some(3), **database)
    return FeatureStore("unused").key(found, described or descriptor(), prepared or preprocessing())


def changed(**changes):
    """Three clips, the second with something changed."""
    clips = TinyClip.some(3)
    clips[1] = dataclasses.replace(clips[1], **changes)
    return clips


@pytest.mark.parametrize(
    "same",
    [
        {"title": "another title", "letter": "X"},
        {"clips": changed(name="renamed")},
        {"clips": changed(subject="another")},
        {"clips": changed(label=2)},
        {"classes": ("positive", "negative", "surprise")},
    ],
    ids=str,
)
def test_what_no_value_depends_on_leaves_the_key(same):
    assert key(**same) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"described": LBPTOP(R=2, P=4, grids=(1, 2))},
        {"described": LBPTOP(R=1, P=8, grids=(1, 2))},
        {"described": LBPTOP(R=1, P=4, grids=(1,))},
        {"prepared": Preprocessing(n_frames=7, shape=(16, 16))},
        {"prepared": Preprocessing(n_frames=6, shape=(16, 17))},
        {"prepared": Preprocessing(n_frames=6, shape=(16, 16), round="uint8")},
        {"clips": TinyClip.some(4)},
        {"clips": TinyClip.some(3)[::-1]},
        {"clips": changed(seed=99)},
    ],
    ids=str,
)
def test_whatever_changes_the_features_changes_the_key(other):
    assert key(**other) != key()


@pytest.mark.parametrize("kind", [LBPTOP, Preprocessing, TinyClips])
def test_a_raised_version_changes_the_key(kind, monkeypatch):
    before = key()
    monkeypatch.setattr(kind, "version", getattr(kind, "version", 1) + 1, raising=False)
    assert key() != before


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        (LBPTOP, "e748d568cb23b7a3"),
        (LBPSIP, "5c092c014bf69471"),
        (LPQTOP, "ef017a3461b5431a"),
        (HOGTOP, "331c8c215b111aab"),
        (HIGOTOP, "505fe1c9584d2001"),
    ],
)
def test_keys_stay_while_the_numbers_do(kind, begins):
    # Another key has every user extract again: change it together with the numbers only.
    made = FeatureStore("unused").key(SyntheticDatabase("smic_nir"), kind(), Preprocessing())
    assert made.startswith(begins)


def stored(tmp_path):
    store, X = FeatureStore(tmp_path / "cache"), np.random.default_rng(0).random((4, 5, 3, 15))
    store.save("tiny", KEY, X, np.arange(4))
    return store, X


KEY = "ab" * 32


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o000])
def test_the_folder_is_private_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        store, _ = stored(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.path("tiny", KEY).stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_set_aside_with_one_warning(tmp_path, damage):
    store, X = stored(tmp_path)
    path = store.path("tiny", KEY)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        assert store.load("tiny", KEY) is None
    assert len(warned) == 1
    assert str(path) in str(warned[0].message)
    assert store.load("tiny", KEY) is None
    store.save("tiny", KEY, X, np.arange(4))
    assert store.load("tiny", KEY) is not None


def test_every_single_flipped_bit_in_the_archive_is_harmless(tmp_path):
    """A bit flip gives the stored arrays or a set-aside file, never other numbers."""
    store, X = stored(tmp_path)
    path = store.path("tiny", KEY)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.choice(len(whole) * 8, size=150, replace=False):
        data = bytearray(whole)
        data[position // 8] ^= 1 << (position % 8)
        path.write_bytes(bytes(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            loaded = store.load("tiny", KEY)
        if loaded is not None:
            np.testing.assert_array_equal(loaded["X"], X)
            np.testing.assert_array_equal(loaded["used"], np.arange(4))


def test_the_features_of_another_key_are_not_taken(tmp_path):
    store, _ = stored(tmp_path)
    other = "f" * 64
    os.replace(store.path("tiny", KEY), store.path("tiny", other))
    with pytest.warns(UserWarning, match="key is another"):
        assert store.load("tiny", other) is None


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache\.dir"):
        FeatureStore(tmp_path / "file").save("tiny", KEY, np.zeros((1, 1)), np.arange(1))


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


def test_what_a_killed_extraction_had_finished_is_taken_up(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setattr("cdmer_bench.features._KEEP_EVERY", -1.0)
    features, database = make(tmp_path / "cache", log=log)
    database.given[4].kills = True
    with pytest.raises(KeyboardInterrupt):
        features.extract(database, BOTH, Backend("sequential"), None)
    assert not contents(tmp_path / "cache" / "features" / "tiny")
    again, database = make(tmp_path / "cache", log=log)
    again.extract(database, BOTH, Backend("sequential"), None)
    assert log.read_text().split() == [f"clip{i}" for i in (0, 1, 2, 3, 4, 4, 5)]
    whole, database = make(tmp_path / "whole")
    whole.extract(database, BOTH, Backend("sequential"), None)
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")
    assert not list((tmp_path / "cache" / "features" / "unfinished").iterdir())


def test_force_takes_nothing_of_a_killed_extraction(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setattr("cdmer_bench.features._KEEP_EVERY", -1.0)
    features, database = make(tmp_path / "cache", log=log)
    database.given[4].kills = True
    with pytest.raises(KeyboardInterrupt):
        features.extract(database, BOTH, Backend("sequential"), None)
    again, database = make(tmp_path / "cache", log=log)
    parts = {"tiny": database}, again.descriptors, preprocessing(), again.store
    Features(*parts, force=True).extract(database, BOTH, Backend("sequential"), None)
    assert log.read_text().split() == [f"clip{i}" for i in (0, 1, 2, 3, 4, *range(6))]


def test_force_extracts_anew_once(tmp_path):
    log = tmp_path / "log"
    features, database = make(tmp_path / "cache", log=log)
    features.extract(database, BOTH, Backend("sequential"), None)
    forced = Features(
        {"tiny": database}, features.descriptors, preprocessing(), features.store, force=True
    )
    assert not forced.is_ready("tiny", "lbp")
    assert forced.facts("tiny", "lbp") is None
    forced.extract(database, BOTH, Backend("sequential"), None)
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


def test_cropping_changes_the_key():
    plain = key(prepared=Preprocessing())
    assert key(prepared=Preprocessing(crop="none")) == plain
    assert key(prepared=Preprocessing(crop="face")) != plain


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
    with pytest.raises(UserError) as caught:
        features.extract(database, ["own"], Backend("sequential"), None)
    # Of several at once NumPy says the same in its own words.
    if kind is Own or how not in ("number", "ragged", "shapes"):
        assert said in str(caught.value)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("kind", [Own, OwnBatched])
def test_what_a_descriptor_writes_into_a_clip_reaches_no_other(tmp_path, kind):
    features, database = own_features(tmp_path, kind("writes"))
    features.extract(database, ["own", "hog"], Backend("sequential"), None)
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
        features.extract(database, ["lbp"], Backend("sequential"), None)
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
        features.extract(database, ["lbp"], Backend("sequential"), None)


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


def test_a_clip_that_can_be_read_again_is_taken_up(tmp_path):
    clips = TinyClip.some(4)
    clips[2].broken = True
    features, database = make(tmp_path, clips)
    with pytest.warns(UserWarning, match="clip2 is left out"):
        features.extract(database, ["lbp"], Backend("sequential"), None)
    with pytest.warns(UserWarning, match="1 clips with unreadable"):
        assert len(features.load("tiny", "lbp").y) == 3
    still, _ = make(tmp_path, clips)
    assert len(still.facts("tiny", "lbp").y) == 3
    clips[2].broken = False
    fresh, database = make(tmp_path, clips)
    assert fresh.facts("tiny", "lbp") is None
    assert not fresh.is_ready("tiny", "lbp")
    fresh.extract(database, ["lbp"], Backend("sequential"), None)
    assert len(fresh.facts("tiny", "lbp").y) == len(fresh.load("tiny", "lbp").y) == 4


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


@dataclasses.dataclass
class OwnFiles(FeatureDatabase):
    gives: object = None

    def load(self, descriptor):
        return self.gives() if callable(self.gives) else self.gives

    def fingerprint(self, descriptor):
        return "mine"


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
