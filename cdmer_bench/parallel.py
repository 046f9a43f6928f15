"""Parallel calls with one BLAS thread each, in the order they finish."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Progress(Protocol):
    """What a progress bar can do."""

    def advance(self, steps: int) -> None:
        """Count steps as done."""

    def close(self) -> None:
        """End the bar."""


def run_single_threaded(index: int, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a function under one BLAS and OpenMP thread.

    With more threads small problems take up to fifty times as long, and sums are added in
    another order, so that results would depend on the machine.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return index, function(*arguments)


def count_workers(n_jobs: int) -> int:
    """Return the number of processes that ``n_jobs`` means; negative counts from the cores."""
    import joblib

    return max(1, joblib.cpu_count() + 1 + n_jobs) if n_jobs < 0 else n_jobs


def run_parallel(calls: Iterable[Call], n_jobs: int) -> Iterator[tuple[int, Any]]:
    """Yield (index of the call, result) as calls finish; with one worker in this process."""
    if count_workers(n_jobs) == 1:
        for index, (function, arguments) in enumerate(calls):
            yield run_single_threaded(index, function, arguments)
        return
    import joblib

    with joblib.parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        yield from joblib.Parallel(return_as="generator_unordered")(
            joblib.delayed(run_single_threaded)(index, function, arguments)
            for index, (function, arguments) in enumerate(calls)
        )
