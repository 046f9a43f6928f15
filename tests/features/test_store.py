"""The store of features: keys that change with what matters, damage noticed, private folder."""

import dataclasses
import os
import stat
import warnings

import numpy as np
import pytest

from cdmer_bench.descriptors import HIGOTOP, HOGTOP, LBPSIP, LBPTOP, LPQTOP
from cdmer_bench.errors import UserError
from cdmer_bench.features.store import FeatureStore
from cdmer_bench.preprocessing import Preprocessing
from tests.damages import DAMAGES
from tests.features.tiny_clips import TinyClip, TinyClips, descriptor, features, preprocessing


def key(clips=None, described=None, prepared=None, **database):
    found = TinyClips("tiny", given=clips or TinyClip.some(3), **database)
    return FeatureStore("unused").key(found, described or descriptor(), prepared or preprocessing())


def changed(**changes):
    """Three clips, the second with something changed."""
    clips = TinyClip.some(3)
    clips[1] = dataclasses.replace(clips[1], **changes)
    return clips


def test_the_same_content_has_the_same_key():
    assert key() == key()
    assert key(title="another title", letter="X") == key()


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
        {"clips": changed(name="renamed")},
        {"clips": changed(subject="another")},
        {"clips": changed(label=2)},
        {"classes": ("positive", "negative", "surprise")},
    ],
    ids=str,
)
def test_whatever_changes_the_features_changes_the_key(other):
    assert key(**other) != key()


def test_a_raised_version_changes_the_key(monkeypatch):
    before = key()
    monkeypatch.setattr(LBPTOP, "version", LBPTOP.version + 1)
    assert key() != before


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        (LBPTOP, "f41451e84dcb18e8"),
        (LBPSIP, "61e24825b7cd0120"),
        (LPQTOP, "d0bf730239125f4d"),
        (HOGTOP, "408c04b7e468e800"),
        (HIGOTOP, "7687b77e969a4b63"),
    ],
)
def test_keys_stay_while_the_numbers_do(kind, begins):
    # Another key has every user extract again: change it together with the numbers only.
    assert key(described=kind(), prepared=Preprocessing()).startswith(begins)


def stored(tmp_path):
    store, found = FeatureStore(tmp_path / "cache"), features()
    store.save(found)
    return store, found, TinyClips("tiny", given=[])


def test_features_come_back_as_they_were(tmp_path):
    store, found, database = stored(tmp_path)
    loaded = store.load(database, found.fingerprint)
    np.testing.assert_array_equal(loaded.X, found.X)
    np.testing.assert_array_equal(loaded.y, found.y)
    np.testing.assert_array_equal(loaded.subject, found.subject)
    assert store.load(database, "0" * 64) is None


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o000])
def test_the_folder_is_private_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        store, found, _ = stored(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    file = store.path("tiny", found.fingerprint)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_set_aside_with_one_warning(tmp_path, damage):
    store, found, database = stored(tmp_path)
    path = store.path("tiny", found.fingerprint)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        assert store.load(database, found.fingerprint) is None
    assert len(warned) == 1
    assert str(path) in str(warned[0].message)
    assert store.load(database, found.fingerprint) is None
    store.save(found)
    assert store.load(database, found.fingerprint) is not None


def test_every_single_flipped_bit_in_the_archive_is_harmless(tmp_path):
    """A bit flip gives the stored arrays or a set-aside file, never other numbers."""
    store, found, database = stored(tmp_path)
    path = store.path("tiny", found.fingerprint)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.choice(len(whole) * 8, size=150, replace=False):
        data = bytearray(whole)
        data[position // 8] ^= 1 << (position % 8)
        path.write_bytes(bytes(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            loaded = store.load(database, found.fingerprint)
        if loaded is not None:
            np.testing.assert_array_equal(loaded.X, found.X)
            np.testing.assert_array_equal(loaded.y, found.y)
            np.testing.assert_array_equal(loaded.subject, found.subject)


def test_the_features_of_another_key_are_not_taken(tmp_path):
    store, found, database = stored(tmp_path)
    other = "f" * 64
    os.replace(store.path("tiny", found.fingerprint), store.path("tiny", other))
    with pytest.warns(UserWarning, match="key is another"):
        assert store.load(database, other) is None


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache\.dir"):
        FeatureStore(tmp_path / "file").save(features())
