"""The store of extracted features: keys hold what is used, and damage is set aside."""

import dataclasses
import os
import stat
import warnings

import numpy as np
import pytest

from cdmer_bench.databases.synthetic.database import SyntheticDatabase
from cdmer_bench.descriptors import HIGOTOP, HOGTOP, LBPSIP, LBPTOP, LPQTOP
from cdmer_bench.errors import UserError
from cdmer_bench.features import FeatureStore
from cdmer_bench.preprocessing import Preprocessing
from tests.damages import DAMAGES
from tests.tiny_clips import TinyClip, TinyClips, descriptor, preprocessing


def key(clips=None, described=None, prepared=None, **database):
    found = TinyClips("tiny", given=clips or TinyClip.some(3), **database)
    parts = described or descriptor(), prepared or preprocessing()
    return FeatureStore("unused").key(found, *parts, [c.fingerprint for c in found.clips()])


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
    database = SyntheticDatabase("smic_nir")
    frames = [clip.fingerprint for clip in database.clips()]
    made = FeatureStore("unused").key(database, kind(), Preprocessing(), frames)
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


def test_cropping_changes_the_key():
    plain = key(prepared=Preprocessing())
    assert key(prepared=Preprocessing(crop="none")) == plain
    assert key(prepared=Preprocessing(crop="face")) != plain
