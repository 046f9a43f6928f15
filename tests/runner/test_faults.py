"""Killed, interrupted and concurrent runs: finished batches stay, the table is the same."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.io import read_arrays
from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import NEAREST, grids

SLOW = (
    NEAREST
    + """
import os, time

@dataclass
class Slow(Nearest):
    step: float = 0.0
    pause: float = 0.03
    log: str = ""

    def prepare(self, Xs, ys, Xt, Xq):
        return {**super().prepare(Xs, ys, Xt, Xq), "n": np.array(len(Xs))}

    def batches(self, settings):
        return [[i, i + 1] for i in range(0, len(settings), 2)]

    def solve(self, prepared, settings):
        with open(self.log, "a") as log:
            log.write(f"{prepared['n']} {settings[0]['step']} {os.getpid()}\\n")
        time.sleep(self.pause)
        return super().solve(prepared, [{"power": 1 + s["step"]} for s in settings])
"""
)
# Slow enough that a signal arrives before the run has ended, on a fast machine too.
SLOWLY = "methods.slow.parameters.pause=0.3"
among_slow = partial(pytest.param, marks=pytest.mark.slow)
N_BATCHES = 2 * 10  # two tasks, twenty settings each in pairs
Batch = tuple[int, float]  # number of source samples, which tells the tasks apart; first step


@pytest.fixture
def slow(corpus):
    """A corpus with a method that logs each batch that it starts."""
    corpus.add_method("slow", SLOW, '{step: "0.1:0.1:2"}', pause=0.03, log=corpus.folder / "log")
    return corpus


def heed_interrupts() -> None:
    """Undo what a background job of a shell inherits: that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(corpus, results: str, *more: str) -> subprocess.Popen:
    arguments = corpus.arguments("method=slow", "task=red/green,green/red", "n_jobs=2", *more)
    words, environment = corpus.command("run", *arguments, f"results.dir={corpus.folder / results}")
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def finish(corpus, results: str, *more: str, n_set_aside: int = 0) -> str:
    """Run to the end; return the table."""
    process = start(corpus, results, *more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert err.count("was set aside") == n_set_aside, err
    return out


def started(corpus) -> list[Batch]:
    """Every batch that was started, in order."""
    log = corpus.folder / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(line.split()[0]), float(line.split()[1])) for line in lines]


def listed(folder: Path, pattern: str) -> list[Path]:
    """Find files while a run removes some."""
    while True:
        try:
            return list(folder.glob(pattern))
        except FileNotFoundError:
            continue


def kept(folder: Path) -> set[Batch]:
    """Batches whose result is stored: in the record of their cell, or whole in a file apart."""
    found = set()
    for path in listed(folder, "cells/*/*/*/record.json"):
        n_source = len(read_arrays(path.with_name("grid.npz"))["y_source"])
        found |= {(n_source, round(0.1 + 0.2 * batch, 1)) for batch in range(10)}
    for path in listed(folder, "unfinished/*/batch-*.npz"):
        try:
            n_source = int(np.load(path.parent / "shared-0" / "n.npy"))
            first = int(read_arrays(path)["indices"][0])
        except FileNotFoundError:
            continue  # the cell was just put together, and is told by its record
        found.add((n_source, round(0.1 + 0.1 * first, 1)))
    return found


def wait_for_batches(process: subprocess.Popen, folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if len(listed(folder, "unfinished/*/batch-*")) + 10 * len(grids(folder)) >= count:
            return
        time.sleep(0.005)


def worker_of(parent: int) -> int | None:
    """A process that runs batches for ``parent``."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == parent and b"loky" in words and b"resource_tracker" not in words:
                return int(entry.name)
    return None


def kill_some(process: subprocess.Popen, whom: str) -> None:
    if whom == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif whom == "runner":
        process.kill()
    elif whom == "worker":
        worker = worker_of(process.pid)
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
    elif whom == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)


def read_everything(folder: Path) -> None:
    """Read every entry of the store that a reader would see; none may be damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ResultsStore(folder).records()
    for batch in listed(folder, "unfinished/*/batch-*.npz"):
        read_arrays(batch)


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def check_one_kill(corpus, whom: str, after: int, results: str, whole: str) -> None:
    """Kill a run after some batches, restart it, and compare with an undisturbed one."""
    folder = corpus.folder / results
    process = start(corpus, results)
    wait_for_batches(process, folder, after)
    stored, n_started = kept(folder), len(started(corpus))
    kill_some(process, whom)
    process.communicate(timeout=300)
    time.sleep(0.2)  # workers that outlive their runner end their batch
    if whom != "worker":  # whose run goes on by itself
        stored, n_started = kept(folder), len(started(corpus))
    read_everything(folder)
    assert finish(corpus, results) == whole
    assert not stored & set(started(corpus)[n_started:])
    assert stored or after == 0
    assert grids(folder) == grids(corpus.folder / "whole")
    assert files(folder) == files(corpus.folder / "whole")


@pytest.mark.parametrize("whom", ["group", "worker", among_slow("runner"), among_slow("ctrl-c")])
def test_after_a_kill_the_rest_is_run_and_the_table_is_the_same(slow, whom):
    whole = finish(slow, "whole")
    check_one_kill(slow, whom, 5, "killed", whole)


@pytest.mark.parametrize(("parent", "ended"), [("os.getppid()", 0), ("os.getpid()", 1)])
def test_worker_that_starts_after_its_runner_was_killed_ends(parent, ended):
    # The second number stands for that of a runner which is no longer the parent.
    code = (
        "import os, time; from cdmer_bench.parallel import start_worker; "
        f"start_worker({parent}); time.sleep(3)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == ended


@pytest.mark.slow
def test_fifty_kills_at_random_moments(slow):
    draw = random.Random(0)
    whole = finish(slow, "whole")
    for number in range(50):
        whom = draw.choice(["group", "runner", "worker"])
        check_one_kill(slow, whom, draw.randint(1, N_BATCHES - 2), f"killed-{number}", whole)


@pytest.mark.slow
def test_thirty_kills_at_any_moment_of_a_run(slow):
    """Not when some batches are stored, but after any time, while records are stored too."""
    draw = random.Random(1)
    quick = "methods.slow.parameters.pause=0"
    start_of = time.monotonic()
    whole = finish(slow, "whole", quick)
    length = time.monotonic() - start_of
    for number in range(30):
        folder = slow.folder / f"killed-{number}"
        process = start(slow, folder.name, quick)
        time.sleep(length * draw.uniform(0.5, 1.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        stored, n_started = kept(folder), len(started(slow))
        read_everything(folder)
        assert finish(slow, folder.name, quick) == whole
        assert not stored & set(started(slow)[n_started:])
        assert files(folder) == files(slow.folder / "whole")


def read_until(stop: threading.Event, folder: Path, seen: list) -> None:
    """Read the records again and again, as other commands do while runs go on."""
    while not stop.is_set():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                seen.append(len(ResultsStore(folder).records()))
        except Exception as error:
            seen.append(error)
            return
        time.sleep(0.01)


@pytest.mark.parametrize("n_runs", [among_slow(2), 4])
def test_concurrent_runs_share_the_work_and_print_the_same_table(slow, n_runs):
    stop, seen = threading.Event(), []
    reader = threading.Thread(target=read_until, args=(stop, slow.folder / "shared", seen))
    reader.start()
    try:
        runs = [start(slow, "shared") for _ in range(n_runs)]
        outputs = [run.communicate(timeout=180) for run in runs]
    finally:
        stop.set()
        reader.join()
    assert [run.returncode for run in runs] == [0] * n_runs, outputs
    assert not [err for _, err in outputs if "set aside" in err]
    assert len({out for out, _ in outputs}) == 1
    assert len(started(slow)) <= N_BATCHES + 10  # at most one cell twice
    finish(slow, "whole")
    assert grids(slow.folder / "shared") == grids(slow.folder / "whole")
    assert files(slow.folder / "shared") == files(slow.folder / "whole")
    assert set(seen) <= {0, 1, 2}


def test_a_cell_that_is_run_again_by_force_is_always_there_to_readers(slow):
    """Its folder is moved away as a whole, so that a reader never finds a part of it."""
    quick = "methods.slow.parameters.pause=0"
    finish(slow, "again", quick)
    before = grids(slow.folder / "again")
    stop, seen = threading.Event(), []
    reader = threading.Thread(target=read_until, args=(stop, slow.folder / "again", seen))
    reader.start()
    try:
        finish(slow, "again", quick, "force=true")
    finally:
        stop.set()
        reader.join()
    assert set(seen) <= {1, 2}
    assert grids(slow.folder / "again") == before
    assert not [name for name in files(slow.folder / "again") if "cells/" not in name]


def test_ctrl_c_says_that_the_work_is_kept_and_exits_with_130(slow):
    process = start(slow, "interrupted", SLOWLY)
    wait_for_batches(process, slow.folder / "interrupted", 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished work is kept" in err
    assert "Traceback" not in err


def test_batches_and_a_claim_of_a_cell_that_was_stored_just_before_the_kill_are_removed(slow):
    """A run killed between the record's rename and what follows leaves them."""
    whole = finish(slow, "whole")
    before = files(slow.folder / "whole")
    key = next((slow.folder / "whole").glob("cells/*/*/*")).name.rpartition("-")[2]
    for left in (f"unfinished/{key}/batch-0-00000.npz", f"claims/{key}.lock"):
        (slow.folder / "whole" / left).parent.mkdir(parents=True, exist_ok=True)
        (slow.folder / "whole" / left).write_bytes(b"")
    assert finish(slow, "whole") == whole
    assert files(slow.folder / "whole") == before
