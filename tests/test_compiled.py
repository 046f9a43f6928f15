import os
import subprocess
import sys

import numpy as np
import pytest

from cdmer_bench.compiled import compiled_available

needs_numba = pytest.mark.skipif(not compiled_available(), reason="numba is not there")
PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import kernels_of_a_test
assert "numba" not in sys.modules
print(kernels_of_a_test.distance(3.0, 4.0))
"""
KERNELS = """
from cdmer_bench.compiled import kernel

@kernel
def square(x):
    return x * x

@kernel
def distance(x, y):
    return (square(x) + square(y)) ** 0.5
"""


def run(tmp_path, **environment):
    """Call a kernel that calls another one in a process of its own."""
    (tmp_path / "kernels_of_a_test.py").write_text(KERNELS)
    here = {name: value for name, value in os.environ.items() if name != "CDMER_KERNELS"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(folder=str(tmp_path))],
        env={**here, "HOME": str(tmp_path / "home"), **environment},
        capture_output=True,
        text=True,
    )
    return ended.returncode, ended.stdout.strip(), ended.stderr


@needs_numba
def test_a_kernel_is_compiled_once_and_then_read_from_the_cache_folder(tmp_path):
    folder = tmp_path / "cache"
    code, out, err = run(tmp_path, CDMER_CACHE=str(folder))
    assert (code, out) == (0, "5.0")
    assert err == f"compiling fast loops, some seconds, kept in {folder / 'kernels'}\n"
    assert list(folder.rglob("*.nbi"))
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.is_relative_to(folder) or path.suffix in (".py", ".pyc") for path in written), (
        written
    )
    assert run(tmp_path, CDMER_CACHE=str(folder)) == (0, "5.0", "")


WORKERS = """
import sys
sys.path.insert(0, {folder!r})
import kernels_of_a_test
from cdmer_bench.compiled import keep_kernels_in
from cdmer_bench.parallel import Backend, run_parallel

if __name__ == "__main__":
    keep_kernels_in({cache!r})
    calls = [(kernels_of_a_test.in_a_process, (float(n),)) for n in range(8)]
    found = dict(run_parallel(calls, Backend("loky", 2)))
    print([found[n] for n in range(8)])
"""
IN_A_PROCESS = """
import time

def in_a_process(x):
    time.sleep(0.5)  # so that both processes have their share
    return distance(x, 0.0)
"""


@needs_numba
def test_the_line_is_said_once_a_run_and_not_by_every_process(tmp_path):
    (tmp_path / "kernels_of_a_test.py").write_text(KERNELS + IN_A_PROCESS)
    cache = str(tmp_path / "cache")
    program = tmp_path / "program.py"
    program.write_text(WORKERS.format(folder=str(tmp_path), cache=cache))
    ended = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert ended.stdout == f"{[float(n) for n in range(8)]}\n", ended.stderr
    assert ended.stderr.count("compiling fast loops") == 1
    for kept in (tmp_path / "cache").rglob("*.nb?"):
        kept.unlink()
    again = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert again.stderr.count("compiling fast loops") == 1  # the next run says it, too


@needs_numba
def test_without_a_folder_to_write_a_kernel_is_compiled_in_memory(tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = run(tmp_path, CDMER_KERNELS=str(tmp_path / "file" / "kernels"))
    assert (code, out) == (0, "5.0")
    assert "not kept" in err
    assert not list(tmp_path.rglob("*.nbi"))


@needs_numba
def test_division_by_zero_gives_infinity_as_in_numpy():
    from cdmer_bench.compiled import kernel

    def quotient(x, y):
        return x / y

    assert kernel(quotient)(1.0, 0.0) == np.inf


def test_numba_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("CDMER_NO_NUMBA", "1")
    assert not compiled_available()
    monkeypatch.setenv("CDMER_NO_NUMBA", "0")
    monkeypatch.setattr("cdmer_bench.compiled.find_spec", lambda name: None)
    assert not compiled_available()


def test_the_folder_of_kernels_is_told_to_worker_processes(monkeypatch, tmp_path):
    from cdmer_bench.compiled import keep_kernels_in, kernels_folder

    monkeypatch.setenv("CDMER_KERNELS", "elsewhere")
    keep_kernels_in(tmp_path)
    assert kernels_folder() == tmp_path / "kernels"
    assert os.environ["CDMER_KERNELS"] == str(tmp_path / "kernels")
