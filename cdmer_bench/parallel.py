"""Parallel calls with one BLAS thread each, in the order they finish."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cdmer_bench.errors import UserError

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Progress:
    """What a progress bar can do; this one shows nothing."""

    def extend(self, steps: int, title: str, weight: float = 1.0) -> None:
        """Add steps of ``title`` to the total; ``weight`` is what one costs, for the time left."""

    def advance(self, steps: int, weight: float = 1.0) -> None:
        """Count steps as done."""

    def close(self) -> None:
        """End the bar."""


OpenBar = Callable[[str, int], Progress]  # called with a title and the number of steps


def no_bar(title: str, total: int) -> Progress:
    """Open a bar that shows nothing."""
    return Progress()


ATTEMPTS = 3  # times that calls whose worker process died are given to new workers


class WorkersDied(MemoryError):
    """Worker processes were killed again and again, mostly because the memory was full."""


@dataclass(frozen=True)
class Backend:
    """Where calls run."""

    name: str = "loky"  # ``loky`` (processes on this machine), ``sequential`` or ``dask``
    # number of processes; -1 is one for each core. A dask cluster has its own number
    n_jobs: int = -1
    address: str | None = None  # of the dask scheduler
    shared: Path | None = None  # folder that the workers of a dask cluster must see, if it exists

    def __post_init__(self) -> None:
        """Refuse no process at all."""
        if self.n_jobs == 0:
            raise UserError("n_jobs is 0, expected a number of processes, or -1 for one each core")

    def count_workers(self) -> int:
        """Return the number of processes on this machine, or of the cluster."""
        import joblib

        if self.name == "sequential":
            return 1
        if self.name == "dask":
            from cdmer_bench.dask_cluster import count_workers

            return count_workers(self.address)
        return max(1, joblib.cpu_count() + 1 + self.n_jobs) if self.n_jobs < 0 else self.n_jobs


_WATCH = 1.0  # seconds between two looks at whether the parent process is alive


def start_worker(
    parent: int,  # its process number; it may be gone before the worker can ask for it
) -> None:
    """Leave Ctrl-C to the parent process, and end when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_single_threaded(index: int, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a function under one BLAS thread: more are slower, and add in another order."""
    with _thread_pools(len(sys.modules)).limit(limits=1):
        return index, function(*arguments)


@lru_cache(maxsize=1)
def _thread_pools(n_modules: int) -> Any:
    """Return what limits threads; the libraries are looked for anew once modules were imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def run_parallel(
    calls: Iterable[Call],
    backend: Backend,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Iterator[tuple[int, Any]]:
    """Yield (index of the call, result) as calls finish; new workers take over from killed ones."""
    source, one_at_a_time = enumerate(calls), threading.Lock()
    drawn: dict[int, Call] = {}  # what has not ended yet

    def draw(again: list[tuple[int, Call]]) -> Iterator[Call]:
        for index, (function, arguments) in again:
            yield run_single_threaded, (index, function, arguments)
        while True:
            with one_at_a_time:  # a thread of joblib's may still draw for workers that died
                index, call = next(source, (-1, None))
                if call is None:
                    return
                drawn[index] = call
            yield run_single_threaded, (index, *call)

    deaths = 0
    while True:
        try:
            for index, result in _stream(draw(list(drawn.items())), backend):
                del drawn[index]
                yield index, result
            if not drawn:
                return
        except BrokenExecutor as death:
            deaths += 1
            if deaths == ATTEMPTS:
                raise WorkersDied(f"a worker process was killed {deaths} times") from death
            say("a worker process was killed (out of memory?); its batches are run again")


def _stream(calls: Iterator[Call], backend: Backend) -> Iterator[Any]:
    """Yield the results of calls as they come."""
    if backend.name == "dask":
        from cdmer_bench.dask_cluster import run_on_cluster

        yield from run_on_cluster(calls, backend.address, backend.shared)
        return
    if backend.count_workers() == 1:
        for function, arguments in calls:
            yield function(*arguments)
        return
    import joblib

    # Otherwise a worker looks for modules in the working folder first, where a queue.py or
    # random.py of the user's would stand in for Python's own. It gets this process's sys.path.
    os.environ["PYTHONSAFEPATH"] = "1"
    with joblib.parallel_config(
        "loky",
        n_jobs=backend.n_jobs,
        inner_max_num_threads=1,
        initializer=start_worker,
        initargs=(os.getpid(),),
    ):
        yield from joblib.Parallel(return_as="generator_unordered")(
            joblib.delayed(function)(*arguments) for function, arguments in calls
        )
