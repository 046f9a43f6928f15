"""Killed, interrupted and concurrent runs: finished strands stay, the table is the same."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

SLOW = """\
import os, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from cdmer_bench.methods import Method, StrandResult

@dataclass
class Slow(Method):
    step: float = 0.0
    pause: float = 0.03
    log: str = ""

    def prepare(self, Xs, ys, Xt, Xq):
        means = np.stack([Xs[ys == c].mean(axis=0) for c in range(ys.max() + 1)])
        return {"distances": np.abs(Xq[:, None] - means), "n": np.array(len(Xs))}

    def strands(self, settings):
        return [[i, i + 1] for i in range(0, len(settings), 2)]

    def solve(self, prepared, settings):
        with open(self.log, "a") as log:
            log.write(f"{prepared['n']} {settings[0]['step']} {os.getpid()}\\n")
        time.sleep(self.pause)
        scores = [-(prepared["distances"] ** (1 + s["step"])).sum(-1) for s in settings]
        return StrandResult.closed_form(np.argmax(scores, -1), np.array(scores))
"""
# Slow enough that a signal arrives before the run has ended, on a fast machine too.
SLOWLY = "methods.slow.parameters.pause=0.3"
N_STRANDS = 2 * 10  # two tasks, twenty settings each in pairs


@pytest.fixture
def slow(corpus):
    """A corpus with a method that logs each strand that it starts."""
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "slow.py").write_text(SLOW)
    (corpus.folder / "my_conf" / "method" / "slow.yaml").write_text(
        textwrap.dedent(
            f"""\
            # @package methods.slow
            _target_: slow.Slow
            label: Slow
            parameters: {{pause: 0.03, log: {corpus.folder / "strands.log"}}}
            grid: {{step: "0.1:0.1:2"}}
            """
        )
    )
    return corpus


def command(corpus, results: str, *more: str) -> list[str]:
    arguments = corpus.arguments("method=slow", "task=red/green,green/red", "n_jobs=2", *more)
    return [
        sys.executable,
        "-m",
        "cdmer_bench.cli.main",
        "run",
        *arguments,
        f"results.dir={corpus.folder / results}",
    ]


def heed_interrupts() -> None:
    """Undo what a background job of a shell inherits: that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(corpus, results: str, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        command(corpus, results, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def finish(corpus, results: str) -> str:
    done = subprocess.run(command(corpus, results), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "damaged" not in done.stderr
    return done.stdout


def stored_strands(folder: Path) -> set[tuple[str, str]]:
    return {(p.parent.name, p.name) for p in folder.glob("unfinished/*/strand-*.npz")}


def grids(folder: Path) -> dict[str, bytes]:
    return {p.parent.parent.parent.name: p.read_bytes() for p in folder.rglob("grid.npz")}


def count_kept(folder: Path) -> int:
    """Strands whose result is stored, in the record of their cell or still apart."""
    done = {p.parent.name.rpartition("-")[2] for p in folder.glob("cells/*/*/*/record.json")}
    return 10 * len(done) + sum(key not in done for key, _ in stored_strands(folder))


def wait_for_strands(process: subprocess.Popen, folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if count_kept(folder) >= count:
            return
        time.sleep(0.005)


def worker_of(parent: int) -> int | None:
    """A process that runs strands for ``parent``, from the log of strands."""
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


def check_one_kill(corpus, whom: str, after: int, results: str, whole: str) -> None:
    """Kill a run after some strands, restart it, and compare with an undisturbed one."""
    log = corpus.folder / "strands.log"
    log.write_text("")
    folder = corpus.folder / results
    process = start(corpus, results)
    wait_for_strands(process, folder, after)
    kill_some(process, whom)
    process.communicate(timeout=120)
    time.sleep(0.2)  # workers that outlive their runner end their strand
    kept = count_kept(folder)
    started_before = len(log.read_text().splitlines())
    assert finish(corpus, results) == whole
    started_after = len(log.read_text().splitlines()) - started_before
    assert started_after <= N_STRANDS - kept
    assert kept > 0 or after == 0
    assert grids(folder) == grids(corpus.folder / "whole")
    assert not list(folder.rglob("strand-*"))


@pytest.mark.parametrize("whom", ["group", "runner", "worker", "ctrl-c"])
def test_after_a_kill_the_rest_is_run_and_the_table_is_the_same(slow, whom):
    whole = finish(slow, "whole")
    check_one_kill(slow, whom, 5, "killed", whole)


@pytest.mark.slow
def test_fifty_kills_at_random_moments(slow):
    draw = random.Random(0)
    whole = finish(slow, "whole")
    for number in range(50):
        whom = draw.choice(["group", "runner", "worker"])
        check_one_kill(slow, whom, draw.randint(1, N_STRANDS - 2), f"killed-{number}", whole)


@pytest.mark.parametrize("n_runs", [2, 4])
def test_concurrent_runs_share_the_work_and_print_the_same_table(slow, n_runs):
    runs = [start(slow, "shared") for _ in range(n_runs)]
    outputs = [run.communicate(timeout=180) for run in runs]
    assert [run.returncode for run in runs] == [0] * n_runs, outputs
    assert len({out for out, _ in outputs}) == 1
    strands = (slow.folder / "strands.log").read_text().splitlines()
    assert len(strands) <= N_STRANDS + 10  # at most one cell twice
    finish(slow, "whole")
    assert grids(slow.folder / "shared") == grids(slow.folder / "whole")


def test_ctrl_c_says_that_the_work_is_kept_and_exits_with_130(slow):
    process = start(slow, "interrupted", SLOWLY)
    wait_for_strands(process, slow.folder / "interrupted", 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished work is kept" in err
    assert "Traceback" not in err


def test_a_damaged_strand_is_run_again_with_one_warning(slow):
    whole = finish(slow, "whole")
    process = start(slow, "killed", SLOWLY)
    wait_for_strands(process, slow.folder / "killed", 4)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    strand = next((slow.folder / "killed").glob("unfinished/*/strand-*.npz"))
    data = bytearray(strand.read_bytes())
    data[len(data) // 2] ^= 1
    strand.write_bytes(bytes(data))
    done = subprocess.run(
        command(slow, "killed", SLOWLY), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert done.stderr.count("was set aside") == 1
    assert done.stdout == whole
    with np.load(next((slow.folder / "killed").rglob("grid.npz"))) as arrays:
        assert len(arrays["predictions"]) == 20


def test_strands_of_a_cell_that_was_stored_just_before_the_kill_are_removed(slow):
    """A run killed between the record's rename and the removal of its strands leaves both."""
    whole = finish(slow, "whole")
    record = next((slow.folder / "whole").glob("cells/*/*/*"))
    left = slow.folder / "whole" / "unfinished" / record.name.rpartition("-")[2]
    left.mkdir(parents=True)
    (left / "strand-00000.npz").write_bytes(b"")
    assert finish(slow, "whole") == whole
    assert not left.exists()
