"""Whole writing, checked reading, content hashes, locks, texts that are fit to be shown."""

import errno
import fcntl
import os
import subprocess
import sys

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.io import (
    content_key,
    file_hash,
    files_hash,
    lock,
    one_line,
    read_arrays,
    remove_leftovers,
    visible,
    write_atomically,
)

# Sets a terminal's title, clears its screen, reads backwards, and cannot be encoded.
HOSTILE = "a\x1b]0;owned\x07b\x1b[2J\u202ec\x9b31m\ud800d"
CONTROLS = "\x1b\x07\x9b\u202e\ud800"


def test_control_characters_are_dropped_and_others_kept():
    assert visible(HOSTILE) == "a]0;ownedb[2Jc31md"
    assert visible("R → λ\n\tü\u00a0é 表情") == "R → λ\n\tü\u00a0é 表情"
    assert one_line(" a\n b\x1b ") == "a b"


def test_no_control_character_of_a_message_is_printed(tmp_path, cdmer):
    code, _, err = cdmer("tables", "--results", str(tmp_path / HOSTILE[:-2]))
    assert code == 2
    assert "owned" in err
    assert not set(CONTROLS) & set(err)


def test_equal_content_has_an_equal_key():
    assert content_key({"a": 1, "b": [1.5, None]}) == content_key({"b": (1.5, None), "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key(np.float64(0.1)) == content_key(0.1)


def test_a_file_replaced_by_one_of_its_size_and_time_has_another_hash(tmp_path):
    """As archives restore files: only the time of the change of the entry tells."""
    path = tmp_path / "frame.png"
    path.write_bytes(b"first")
    before, state = file_hash(path), path.stat()
    path.write_bytes(b"other")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file_hash(path) != before


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path):
    path = tmp_path / "folder" / "a.lock"
    code = (
        "import sys, time; from pathlib import Path; from cdmer_bench.io import lock\n"
        f"with lock(Path({str(path)!r})) as held: print(held, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    with lock(path) as held:
        assert not held
    process.kill()
    process.wait()
    with lock(path) as held:
        assert held


def test_a_file_system_without_locks_is_one_sentence(tmp_path, monkeypatch):
    def flock(handle, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match=r"cannot be locked .*results\.dir"), lock(tmp_path / "a"):
        pass
    write_atomically(tmp_path / "b", b"writing alone needs none")
    assert (tmp_path / "b").exists()


def test_only_leftovers_that_nobody_writes_are_removed(tmp_path):
    from cdmer_bench.io import open_temporary

    handle, name = open_temporary(tmp_path)
    (tmp_path / ".writing-left").write_bytes(b"of a process that was killed")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [os.path.basename(name)]
    os.close(handle)
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(10**6))
    monkeypatch.setattr("cdmer_bench.io.memory_limit", lambda: 10**6)
    with pytest.raises(UserError, match=r"would take 0\.008 GB when unpacked"):
        read_arrays(tmp_path / "bomb.npz")


def test_the_hash_of_a_file_that_could_not_be_read_is_not_remembered(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"a")
    with monkeypatch.context() as patch:
        patch.setattr("cdmer_bench.io._hash_content", lambda path: "unreadable")
        assert files_hash([path]) == "unreadable"
    assert files_hash([path]) == file_hash(path) != "unreadable"
