"""Batches on a dask cluster of separate processes: same bytes, deaths survived, clear errors."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from cdmer_bench import dask_cluster
from cdmer_bench.dask_cluster import check_cluster, connect
from cdmer_bench.errors import UserError
from cdmer_bench.parallel import Backend, run_parallel
from tests.small_corpus import NEAREST, grids

pytest.importorskip("distributed")

METHOD = (
    NEAREST
    + """
import os, signal, time

@dataclass
class Deadly(Nearest):
    step: float = 0.0
    once: str = ""
    log: str = ""
    gate: str = ""

    def batches(self, settings):
        return [[i] for i in range(len(settings))]

    def solve(self, prepared, settings):
        if settings[0]["step"] == 0.5 and self.once and os.path.exists(self.once):
            os.unlink(self.once)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.log:
            with open(self.log, "a") as log:
                log.write(f"{settings[0]['step']}\\n")
        while self.gate and settings[0]["step"] > 0.5 and not os.path.exists(self.gate):
            time.sleep(0.05)
        return super().solve(prepared, [{"power": 1 + s["step"]} for s in settings])
"""
)


def start(folder, name, *command):
    """Start a dask process that writes to a log, with this checkout importable."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with open(folder / f"{name}.log", "w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def wait_for(condition, what):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within a minute")


def stop(processes):
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start_cluster(folder, processes):
    """Start a scheduler and two workers of one thread, each a process with a nanny."""
    folder.mkdir(exist_ok=True)
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    processes.append(start(folder, "scheduler", "dask_scheduler", "--port", "0", *local))

    def address():
        found = re.search(r"Scheduler at:\s+(tcp://\S+)", (folder / "scheduler.log").read_text())
        return found and found.group(1)

    found = wait_for(address, "scheduler")
    two = ("--nworkers", "2", "--nthreads", "1")
    processes.append(start(folder, "workers", "dask_worker", found, *two, *local))
    with connect(found) as client:
        wait_for(lambda: len(client.nthreads()) == 2, "two workers")
    return found


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler that all tests share."""
    processes = []
    try:
        yield start_cluster(tmp_path_factory.mktemp("dask"), processes)
    finally:
        stop(processes)


@pytest.fixture
def deadly(corpus):
    """A corpus with a method that kills the worker it runs in, while a file is there."""
    once = str(corpus.folder / "once")
    corpus.add_method("deadly", METHOD, '{step: "0.1:0.1:1"}', once=once, log="", gate="")
    return corpus


def test_a_killed_worker_leaves_the_bytes_of_one_process(deadly, cdmer, scheduler):
    common = ("method=deadly,svm,tca", "task=red/green", "progress=false")
    once = deadly.folder / "once"
    once.touch()
    on_dask = deadly.folder / "on_dask"
    code, out, err = cdmer(
        "run",
        *deadly.arguments(
            *common,
            f"results.dir={on_dask}",
            "backend=dask",
            f"backend.address={scheduler}",
        ),
    )
    assert code == 0, err
    assert not once.exists()  # a worker was killed
    code, plain, _ = cdmer("run", *deadly.arguments(*common, "backend=sequential"))
    assert code == 0
    assert out == plain
    assert len(grids(on_dask)) == 3
    assert grids(on_dask) == grids(deadly.folder / "results")
    assert not list(on_dask.rglob(".writing-*"))


def test_a_scheduler_that_dies_costs_only_the_batches_in_flight(deadly, cdmer, tmp_path):
    gate, log = tmp_path / "gate", tmp_path / "log"
    common = deadly.arguments(
        "method=deadly",
        "task=red/green",
        "progress=false",
        f"methods.deadly.parameters.gate={gate}",
        f"methods.deadly.parameters.log={log}",
    )
    command = (sys.executable, "-m", "cdmer_bench.cli.main", "run")
    batches = deadly.folder / "results"
    processes = []
    try:
        address = start_cluster(tmp_path / "cluster", processes)
        running = subprocess.Popen(
            [*command, *common, "backend=dask", f"backend.address={address}"],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,
        )
        processes.append(running)
        wait_for(lambda: running.poll() or len(list(batches.rglob("batch-*.npz"))) >= 5, "batches")
        os.killpg(processes[0].pid, signal.SIGKILL)
        err = running.communicate(timeout=300)[1]
    finally:
        stop(processes)
    assert running.returncode == 2, err
    assert [line.startswith("cdmer:") for line in err.splitlines()] == [False, False, True], err
    assert f"dask scheduler at {address} was lost; finished work is kept" in err
    assert not grids(batches)
    log.unlink()
    gate.touch()
    code, *_ = cdmer("run", *common, "backend=sequential")
    assert code == 0
    assert sorted(log.read_text().split()) == ["0.6", "0.7", "0.8", "0.9", "1.0"]
    code, *_ = cdmer("run", *common, "backend=sequential", f"results.dir={tmp_path / 'plain'}")
    assert code == 0
    assert grids(batches) == grids(tmp_path / "plain")


def read_process() -> int:
    return os.getpid()


def blas_threads() -> list[int]:
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_info

    return [library["num_threads"] for library in threadpool_info()]


def test_calls_run_in_other_processes_under_one_blas_thread(scheduler):
    backend = Backend("dask", address=scheduler)
    answers = dict(run_parallel([(read_process, ())] * 8 + [(blas_threads, ())], backend))
    assert sorted(answers) == list(range(9))
    assert os.getpid() not in [answers[i] for i in range(8)]
    assert set(answers[8]) == {1}
    assert backend.count_workers() == 2


def test_a_call_that_fails_raises_here(scheduler):
    with pytest.raises(ValueError, match="invalid literal"):
        list(run_parallel([(int, ("x",))], Backend("dask", address=scheduler)))


def test_an_edited_module_is_not_taken_from_the_workers_memory(scheduler, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    backend = Backend("dask", address=scheduler)
    for answer in (1, 22):
        (tmp_path / "edited.py").write_text(f"def answer():\n    return {answer}\n")
        monkeypatch.delitem(sys.modules, "edited", raising=False)
        sys.path_importer_cache.clear()
        import edited

        assert dict(run_parallel([(edited.answer, ())] * 4, backend)) == dict.fromkeys(
            range(4), answer
        )


def read_helper():
    from edited_helper import ANSWER

    return ANSWER


def test_what_a_worker_imports_itself_is_that_of_the_run(scheduler, tmp_path, monkeypatch):
    backend = Backend("dask", address=scheduler)
    for folder, answer in (("one", 1), ("one", 2), ("two", 3)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "edited_helper.py").write_text(f"ANSWER = {answer}{' ' * answer}\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(tmp_path / folder))
            answers = dict(run_parallel([(read_helper, ())] * 4, backend))
        assert answers == dict.fromkeys(range(4), answer)


class _Answers:
    """A client of a cluster whose hosts have what the test says."""

    def __init__(self, scheduler=None, worker=None, threads=1):
        self.given = {"scheduler": scheduler or {}, "worker": worker or {}}
        self.threads = threads

    def nthreads(self):
        return {"tcp://10.0.0.2:1": self.threads}

    def _answer(self, role, probe):
        answer = probe()
        return {**answer, "host": f"host-of-{role}"} | {
            "versions": {**answer["versions"], **self.given[role]}
        }

    def run_on_scheduler(self, probe):
        return self._answer("scheduler", probe)

    def run(self, probe):
        return {"tcp://10.0.0.2:1": self._answer("worker", probe)}


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (_Answers(scheduler={"cdmer-bench": ""}), ["scheduler on host-of-scheduler", "no cdmer"]),
        (_Answers(worker={"scipy": ""}), ["worker at tcp://10.0.0.2:1 on host-of-worker", "scipy"]),
        (_Answers(worker={"numpy": "1.0"}), ["numpy 1.0", "expected numpy"]),
        (_Answers(worker={"python": "3.9.1"}), ["python 3.9.1"]),
        (_Answers(threads=4), ["4 threads", "--nthreads 1"]),
    ],
)
def test_what_a_host_lacks_is_said(client, words):
    with pytest.raises(UserError) as error:
        check_cluster(client, None)
    for word in words:
        assert word in str(error.value)
    check_cluster(_Answers(), None)


def test_a_folder_that_workers_do_not_see_is_named(tmp_path, monkeypatch):
    client = _Answers()
    check_cluster(client, tmp_path)
    monkeypatch.setattr(
        client,
        "_answer",
        lambda *_: {"host": "far", "versions": {}, "unseen": [f"{tmp_path}/.probe"]},
    )
    with pytest.raises(UserError, match=f"does not see the folder {tmp_path}"):
        check_cluster(client, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", [None, "tcp://127.0.0.1:9", "nonsense://x", "nonsense"])
def test_no_scheduler_is_one_sentence(address, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_ANSWER", 1.0)
    with pytest.raises(UserError, match=r"backend\.address"):
        list(run_parallel([(read_process, ())], Backend("dask", address=address)))
