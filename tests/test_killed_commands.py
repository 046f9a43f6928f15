"""Commands other than ``run`` killed while they write: old or new, and nothing left over.

Each is killed by SIGKILL at one of its own writes, then given again.
"""

import subprocess

import pytest

from cdmer_bench.databases.fetch import RELEASED_FILES
from cdmer_bench.results.store import ResultsStore
from tests.results.test_store import make_record

# Ends the process at the given call of a function, after that many bytes for a write.
KILL = """
import os, signal
import {module} as module
real, left = module.{name}, {number}
def call(*arguments, **options):
    global left
    left -= 1
    if left < 0:
        {before}
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
module.{name} = call
"""


def killed(corpus, words, module, name, number, before="pass"):
    """Run a command that is killed at a call; whether it was."""
    statement = KILL.format(module=module, name=name, number=number, before=before)
    command, environment = corpus.command(*words, before=statement)
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def stored(corpus):
    store = ResultsStore(corpus.folder / "results")
    for number in range(3):
        store.save(make_record(method=f"m{number}", method_label=f"M{number}"))
    return corpus


WRITERS = {
    "report": ("report", "--results", "results", "--out", "out/report.html"),
    "tables": ("tables", "all", "--results", "results", "--out", "out/tables.csv"),
    "plot": ("plot", "confusion", "--results", "results", "--out", "out/picture.svg"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_old_file_stays_whole_until_the_new_one_is(stored, cdmer, name):
    folder = stored.folder / "out"
    assert cdmer(*WRITERS[name])[0] == 0
    before = tree(folder)
    assert killed(stored, WRITERS[name], "os", "fsync", 0)
    left = tree(folder)
    assert len(left) == 2
    assert before.items() <= left.items()
    assert cdmer(*WRITERS[name])[0] == 0
    assert tree(folder).keys() == before.keys()


def test_a_merge_killed_at_any_write_goes_on(stored, cdmer):
    merge = ("results", "merge", "results", "--into")
    assert cdmer(*merge, "whole")[0] == 0
    whole = tree(stored.folder / "whole")
    number = 0
    while killed(stored, (*merge, f"killed-{number}"), "os", "replace", number):
        into = stored.folder / f"killed-{number}"
        assert len(ResultsStore(into).records()) == number // 3  # two files and their folder
        assert cdmer(*merge, str(into))[0] == 0
        assert tree(into) == whole
        number += 1
    assert number == 9


def test_a_cell_in_the_hands_of_another_process_is_left_to_it(stored, cdmer):
    target = ResultsStore(stored.folder / "merged")
    with target.claim(make_record().key) as held:  # all three have this key
        assert held
        code, _, err = cdmer("results", "merge", "results", "--into", "merged")
    assert code == 0
    assert "0 cells added" in err
    assert "3 are in the hands of another process" in err
    code, _, err = cdmer("results", "merge", "results", "--into", "merged")
    assert "3 cells added" in err


def test_fetching_leaves_nothing_of_a_killed_copy(corpus, cdmer):
    (corpus.folder / "from").mkdir()
    for file in RELEASED_FILES:
        (corpus.folder / "from" / file.name).write_bytes(b"not the released file")
    fetch = ("data", "fetch", "released", "--from", "from", "--to", "to")
    half = "open(arguments[1], 'wb').write(b'half')"
    assert killed(corpus, fetch, "shutil", "copyfile", 1, half)
    assert [path.read_bytes() for path in (corpus.folder / "to").iterdir()] == [b"half"]
    assert cdmer(*fetch)[0] == 2
    assert tree(corpus.folder / "to") == {}


@pytest.mark.slow
def test_synthetic_clips_appear_as_a_whole(corpus, cdmer):
    words = ("data", "synthesize", "--databases", "smic_nir", "--n-jobs", "1", "--out")
    assert cdmer(*words, "whole")[0] == 0
    whole = tree(corpus.folder / "whole")
    for number in (0, 1, 30, 57):
        out = corpus.folder / f"killed-{number}"
        assert killed(corpus, (*words, out.name), "cv2", "imencode", number)
        seen = {name for name in tree(out) if "/.writing-" not in name}
        clips = {name.rpartition("/")[0] for name in seen if name.endswith(".png")}
        assert seen == {name for name in whole if name.rpartition("/")[0] in clips or name in seen}
        for name in seen:
            assert (out / name).read_bytes() == whole[name]
        assert cdmer(*words, str(out))[0] == 0
        assert tree(out) == whole
