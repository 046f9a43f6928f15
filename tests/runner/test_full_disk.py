"""A disk that fills up, a folder that may not be written, damaged strands and failures."""

import ctypes
import os
import subprocess
import sys
import textwrap

import pytest

from cdmer_bench.results.store import ResultsStore
from tests.features.test_store import DAMAGES
from tests.results.test_store import make_record


def grids(folder):
    return {path.parent.name: path.read_bytes() for path in folder.rglob("grid.npz")}


def run(corpus, *more, before="", **options):
    """Run the command in a process, after a statement that limits what that process may do."""
    statement = f"{before}\nimport sys\nfrom cdmer_bench.cli.main import main\nsys.exit(main())"
    arguments = corpus.arguments("task=red/green", "backend=sequential", "progress=false", *more)
    return subprocess.run(
        [sys.executable, "-c", statement, "run", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        **options,
    )


def check_clear(done, words):
    assert done.returncode in (1, 2), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


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
    check_clear(done, "cannot write")
    assert grids(corpus.folder / "results") == before
    assert not list(corpus.folder.rglob(".writing-*"))
    again = run(corpus, "method=svm,gfk")
    assert again.returncode == 0, again.stderr
    assert len(grids(corpus.folder / "results")) == 2


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB in memory; skips where this process may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs more rights than this process has")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_and_earlier_results_stay(corpus, small_disk):
    into = f"results.dir={small_disk / 'results'}"
    assert run(corpus, "method=svm", into).returncode == 0
    before = grids(small_disk)
    free = os.statvfs(small_disk)
    (small_disk / "filling").write_bytes(bytes(free.f_bavail * free.f_frsize - 4096))
    check_clear(run(corpus, "method=svm,gfk", into), "disk is full")
    assert grids(small_disk) == before


def obey_permissions() -> None:
    """Give up the right of root to write anywhere; called between fork and exec."""
    drop_from_bounding_set, may_override_permissions = 24, 1  # linux/prctl.h, linux/capability.h
    ctypes.CDLL(None).prctl(drop_from_bounding_set, may_override_permissions, 0, 0, 0)


def test_a_folder_that_may_not_be_written_is_one_sentence(corpus):
    assert run(corpus, "method=svm").returncode == 0
    before = grids(corpus.folder / "results")
    protected = [p for p in (corpus.folder / "results").rglob("*") if p.is_dir()]
    protected.append(corpus.folder / "results")
    try:
        for path in protected:
            path.chmod(0o555)
        done = run(corpus, "method=svm,gfk", preexec_fn=obey_permissions)
    finally:
        for path in protected:
            path.chmod(0o755)
    check_clear(done, "you may not write there")
    assert grids(corpus.folder / "results") == before


FAILING = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, StrandResult

@dataclass
class Failing(Method):
    step: float = 0.0
    until: str = ""

    def prepare(self, Xs, ys, Xt, Xq):
        return {"n": np.array(len(Xq))}

    def strands(self, settings):
        return [[i] for i in range(len(settings))]

    def solve(self, prepared, settings):
        import os
        with open(self.until + ".log", "a") as log:
            log.write(f"{settings[0]['step']}\\n")
        if settings[0]["step"] == 3 and not os.path.exists(self.until):
            raise ZeroDivisionError("not yet")
        return StrandResult.closed_form(np.zeros((1, int(prepared["n"])), int))
"""


@pytest.fixture
def failing(corpus):
    """A method of three strands, whose last fails until a file is there."""
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "failing.py").write_text(FAILING)
    (corpus.folder / "my_conf" / "method" / "failing.yaml").write_text(
        textwrap.dedent(
            f"""\
            # @package methods.failing
            _target_: failing.Failing
            label: Failing
            parameters: {{until: {corpus.folder / "until"}}}
            grid: {{step: "1:1:3"}}
            """
        )
    )
    return corpus


@pytest.mark.filterwarnings("ignore:.*set aside")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_strand_or_failure_is_set_aside_with_one_warning_each(failing, cdmer, damage):
    arguments = failing.arguments("method=failing", "task=red/green", "backend=sequential")
    assert cdmer("run", *arguments)[0] == 1
    results = failing.folder / "results"
    (strand, _) = sorted(results.rglob("strand-*.npz"))
    (failure,) = results.glob("failures/*.json")
    for path in (strand, failure):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    (failing.folder / "until").touch()
    with pytest.warns(UserWarning, match="set aside") as warned:
        code, _, err = cdmer("run", *arguments)
    assert code == 0, err
    named = [str(warning.message).split(" is damaged")[0] for warning in warned]
    assert sorted(named) == sorted([str(strand), str(failure)])
    # The first run solved all three; the second the damaged one and the one that had failed.
    assert (failing.folder / "until.log").read_text().split() == ["1.0", "2.0", "3.0", "1.0", "3.0"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_listing_failures_leaves_damaged_ones_out(tmp_path, damage):
    store, record = ResultsStore(tmp_path), make_record()
    store.save_failure(record.key, {"error": "no"})
    store.save_failure("cd" * 32, {"error": "neither"})
    path = tmp_path / "failures" / f"{record.key}.json"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        assert store.failures() == [{"error": "neither"}]
    assert len(warned) == 1
    assert len(store.failures()) == 1
