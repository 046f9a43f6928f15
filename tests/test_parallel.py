"""Parallel calls: in processes of their own, with one BLAS thread, whatever lies about."""

import os
import signal

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from cdmer_bench.parallel import Backend, run_parallel


def where(value):
    threads = {library["num_threads"] for library in threadpool_info()}
    return os.getpid(), value, threads


def refuse(value):
    raise ValueError(f"no {value}")


@pytest.mark.parametrize(("n_jobs", "expected"), [(-1, 4), (-2, 3), (-9, 1), (1, 1), (6, 6)])
def test_a_negative_number_of_jobs_leaves_cores_free(n_jobs, expected, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    assert Backend("loky", n_jobs).count_workers() == expected
    assert Backend("sequential", n_jobs).count_workers() == 1


@pytest.mark.parametrize(
    ("backend", "elsewhere"),
    [(Backend("sequential"), False), (Backend("loky", 1), False), (Backend("loky", 2), True)],
)
def test_calls_run_where_they_should_under_one_blas_thread(backend, elsewhere):
    np.ones((2, 2)) @ np.ones((2, 2))
    answers = dict(run_parallel([(where, (value,)) for value in range(6)], backend))
    assert [answers[index][1] for index in range(6)] == list(range(6))
    assert all((process != os.getpid()) is elsewhere for process, _, _ in answers.values())
    assert all(threads == {1} for _, _, threads in answers.values())


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_a_call_raises_is_raised_here(n_jobs):
    with pytest.raises(ValueError, match="no cake"):
        list(run_parallel([(refuse, ("cake",))], Backend("loky", n_jobs)))


def stop_itself(mark, value):
    """Kill the worker at the first call with 2, or at each if there is no mark."""
    if value == 2 and (mark is None or not mark.exists()):
        if mark:
            mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_a_killed_worker_costs_nothing_but_time(tmp_path):
    said = []
    calls = ((stop_itself, (tmp_path / "mark", value)) for value in range(12))
    answers = list(run_parallel(calls, Backend("loky", 2), said.append))
    assert sorted(answers) == [(value, value) for value in range(12)]
    (line,) = said
    assert "a worker process was killed" in line


def test_workers_that_are_killed_again_and_again_end_it():
    with pytest.raises(MemoryError, match="a worker process was killed 3 times"):
        list(run_parallel([(stop_itself, (None, 2))], Backend("loky", 2), lambda line: None))
