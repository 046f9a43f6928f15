"""A disk that fills up and folders that may not be written: one sentence, and nothing is lost."""

import os
import subprocess

import pytest

from cdmer_bench.databases.fetch import RELEASED_FILES
from cdmer_bench.results.store import ResultsStore
from tests.damages import obeying_permissions
from tests.small_corpus import grids, write_clip_corpus


def run(corpus, *more, before=""):
    """Run in a process, after a statement that limits what that process may do."""
    arguments = corpus.arguments("task=red/green", "backend=sequential", "progress=false", *more)
    words, environment = corpus.command("run", *arguments, before=before)
    return subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)


def check_clear(code, said, *words):
    """Check that a command ended in one sentence with these words."""
    assert code in (1, 2), said
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert "Errno" not in said
    assert ".writing-" not in said


# A write beyond the limit fails as on a full disk, but that the error's number is EFBIG.
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))
"""


@pytest.mark.slow
def test_a_write_that_is_cut_short_leaves_earlier_results_intact(corpus):
    assert run(corpus, "method=svm").returncode == 0
    before = grids(corpus.folder / "results")
    done = run(corpus, "method=svm,gfk", before=FULL)
    check_clear(done.returncode, done.stderr, "cannot write")
    assert grids(corpus.folder / "results") == before
    assert not list(corpus.folder.rglob(".writing-*"))
    again = run(corpus, "method=svm,gfk")
    assert again.returncode == 0, again.stderr
    assert len(grids(corpus.folder / "results")) == 2


@pytest.fixture
def small_disk(tmp_path, request):
    """A file system of 64 KB in memory, or as asked; skips where this process may mount none."""
    size = getattr(request, "param", 64)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs more rights than this process has")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk, left: int) -> None:
    """Fill a disk up to some bytes."""
    free = os.statvfs(disk)
    (disk / "filling").write_bytes(bytes(free.f_bavail * free.f_frsize - left))


@pytest.mark.parametrize("small_disk", [128], indirect=True)  # two records fit
@pytest.mark.slow
def test_results_on_a_full_disk_are_one_sentence_and_earlier_ones_stay(corpus, small_disk):
    into = f"results.dir={small_disk / 'results'}"
    assert run(corpus, "method=svm", into).returncode == 0
    before = grids(small_disk / "results")
    fill(small_disk, 4096)
    done = run(corpus, "method=svm,gfk", into)
    check_clear(done.returncode, done.stderr, "disk is full")
    assert grids(small_disk / "results") == before
    assert len(ResultsStore(small_disk / "results").records()) == 1
    (small_disk / "filling").unlink()
    assert run(corpus, "method=svm,gfk", into).returncode == 0
    assert len(grids(small_disk / "results")) == 2
    assert not list(small_disk.rglob(".writing-*"))


@pytest.fixture
def written(corpus, cdmer):
    """A corpus with results, clips, and a folder with released files to fetch."""
    write_clip_corpus(corpus.folder)
    (corpus.folder / "downloads").mkdir()
    for file in RELEASED_FILES:
        (corpus.folder / "downloads" / file.name).write_bytes(bytes(200_000))
    arguments = corpus.arguments("method=svm", "task=red/green", "backend=sequential")
    assert cdmer("run", *arguments)[0] == 0
    return corpus


# By what they write: a command, and its arguments with PLACE for the folder to write in.
PLAIN = ("--results", "results", "--out")
CLIPS = ("corpus=noise", "descriptor=lbp_top_r1p4", "task=left/right", "cache.dir=PLACE/c")
WRITERS = {
    "results": ("run", "method=gfk", "results.dir=PLACE"),
    "features": ("run", "method=svm", *CLIPS),
    "selection inputs": ("run", "method=svm", "results.dir=PLACE", "selection_inputs=source_cv"),
    "report": ("report", *PLAIN, "PLACE/report.html"),
    "tables": ("tables", "all", *PLAIN, "PLACE/tables.csv"),
    "plot": ("plot", "scores", *PLAIN, "PLACE/scores.svg"),
    "merged results": ("results", "merge", "results", "--into", "PLACE"),
    "synthetic clips": (
        *("data", "synthesize", "--databases", "smic_nir", "--n-jobs", "1", "--out", "PLACE"),
    ),
    "released files": ("data", "fetch", "released", "--from", "downloads", "--to", "PLACE"),
}


def write_into(corpus, cdmer, what: str, place) -> tuple[int, str]:
    """Return the exit code and all that was said."""
    command, *more = (word.replace("PLACE", str(place)) for word in WRITERS[what])
    if command == "run":
        more = corpus.arguments("task=red/green", "backend=sequential", "progress=false", *more)
    code, out, err = cdmer(command, *more)
    return code, out + err


@pytest.mark.parametrize("what", WRITERS)
def test_whatever_is_written_to_a_full_disk_is_a_clear_error(written, cdmer, small_disk, what):
    before = grids(written.folder / "results")
    fill(small_disk, 0)
    check_clear(*write_into(written, cdmer, what, small_disk), "disk is full", str(small_disk))
    left = {path.name for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size}
    assert left == {"filling"}
    assert not list(small_disk.rglob(".writing-*"))
    assert grids(written.folder / "results") == before


@pytest.mark.parametrize("what", WRITERS)
def test_whatever_is_written_where_it_may_not_is_a_clear_error(written, cdmer, what):
    before = grids(written.folder / "results")
    place = written.folder / "place"
    place.mkdir(mode=0o555)
    with obeying_permissions():
        said = write_into(written, cdmer, what, place)
    check_clear(*said, "you may not write there", f"cannot write {place}")
    assert list(place.iterdir()) == []
    assert grids(written.folder / "results") == before


def test_results_that_may_no_longer_be_written_stay(written, cdmer):
    results = written.folder / "results"
    before = grids(results)
    protected = [results, *(p for p in results.rglob("*") if p.is_dir())]
    for path in protected:
        path.chmod(0o555)
    with obeying_permissions():
        said = write_into(written, cdmer, "results", results)
        arguments = written.arguments("method=svm", "task=red/green", "backend=sequential")
        finished, _, err = cdmer("run", *arguments)
        with pytest.warns(UserWarning, match="you may not write there"):
            renamed = cdmer("run", *arguments, "methods.svm.label=Renamed")
    for path in protected:
        path.chmod(0o755)
    check_clear(*said, f"cannot write {results}: you may not write there")
    assert finished == 0, err  # nothing is to do, so nothing is written
    assert renamed[0] == 0, renamed[2]
    assert "Renamed" in renamed[1]
    assert grids(results) == before


@pytest.mark.parametrize("name", ["record.json", "grid.npz"])
def test_results_that_may_not_be_read_are_a_clear_error_and_stay(written, cdmer, name):
    path = next((written.folder / "results").rglob(name))
    path.chmod(0)
    with obeying_permissions():
        code, out, err = cdmer("tables", "--results", "results")
    check_clear(code, out + err, "cannot be read by you")
    assert path.exists()
