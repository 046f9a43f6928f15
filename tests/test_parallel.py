"""A call beside the others: in a process of its own, and the same without one."""

import os
import signal

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from cdmer_bench.parallel import start_beside


def where(value):
    threads = {library["num_threads"] for library in threadpool_info()}
    return os.getpid(), value, threads


def die_unless_in(process):
    if os.getpid() != process:
        os.kill(os.getpid(), signal.SIGKILL)
    return "made here"


def refuse(value):
    raise ValueError(f"no {value}")


@pytest.mark.parametrize(("cores", "elsewhere"), [(1, False), (2, True)])
def test_call_beside_has_a_process_of_its_own_where_there_is_a_second_core(
    monkeypatch, cores, elsewhere
):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    np.ones((2, 2)) @ np.ones((2, 2))
    process, value, threads = start_beside(where, 3)()
    assert (process != os.getpid()) is elsewhere
    assert value == 3
    assert threads == {1}


def test_call_whose_process_is_killed_is_made_here(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    assert start_beside(die_unless_in, os.getpid())() == "made here"


@pytest.mark.parametrize("cores", [1, 2])
def test_error_of_a_call_beside_is_raised_where_its_result_is_asked_for(monkeypatch, cores):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    result = start_beside(refuse, "cake")
    with pytest.raises(ValueError, match="no cake"):
        result()
