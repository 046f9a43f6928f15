"""Hydra's submitit launcher: each job of a multirun in a process of its own, or a SLURM job."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.small_corpus import NEAREST, grids

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
pytestmark = pytest.mark.slow


def slurm_answers():
    """Return whether this machine belongs to a SLURM cluster whose controller answers."""
    return (
        bool(shutil.which("sbatch"))
        and not subprocess.run(["sinfo"], capture_output=True).returncode
    )


LAUNCHERS = [
    "submitit_local",
    pytest.param(
        "submitit_slurm",
        marks=pytest.mark.skipif(not slurm_answers(), reason="no SLURM cluster answers here"),
    ),
]

METHOD = (
    NEAREST
    + """
import os
from cdmer_bench.errors import UserError

@dataclass
class Mine(Nearest):
    parent: int = 0

    def prepare(self, *data):
        if self.parent == os.getppid():
            raise UserError("the job runs in the process that was started")
        return super().prepare(*data)
"""
)


@pytest.fixture
def mine(corpus):
    corpus.add_method("mine", METHOD, '{power: "0.5:0.5:2"}', parent=os.getpid())
    return corpus


def submit(corpus, launcher, *more):
    # Another module of the same name, which must not be taken for the user's in any process.
    other = corpus.folder / "other"
    other.mkdir()
    (other / "mine.py").write_text("raise ImportError('the wrong module')\n")
    launching = ["-m", f"hydra/launcher={launcher}", "hydra.launcher.timeout_min=5"]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "cdmer_bench.cli.main",
            "run",
            *launching,
            "n_jobs=1",
            *corpus.arguments("task=red/green", *more),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(other), *filter(None, sys.path)])},
    )


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_submitted_jobs_store_the_bytes_of_one_process(mine, launcher):
    done = submit(mine, launcher, "method=svm,mine")
    assert done.returncode == 0, done.stderr
    assert "the launched jobs have ended" in done.stderr
    arguments = mine.arguments("method=svm,mine", "task=red/green", "backend=sequential")
    # In a process of its own: other tests have loaded another module ``mine`` into this one.
    words, environment = mine.command("run", *arguments, f"results.dir={mine.folder / 'plain'}")
    # Below a shell, because the method refuses to run right below this process.
    shell = ["sh", "-c", '"$@"; exit $?', "sh", *words]
    plain = subprocess.run(shell, capture_output=True, text=True, env=environment)
    assert plain.returncode == 0, plain.stderr
    assert len(grids(mine.folder / "results")) == 2
    assert grids(mine.folder / "results") == grids(mine.folder / "plain")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_submitted_job_that_fails_gives_its_exit_code(mine, launcher):
    done = submit(mine, launcher, "method=gfk", "methods.gfk.grid.k=[1],[1000]")
    assert done.returncode == 2, done.stderr
    assert "a launched job failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(grids(mine.folder / "results")) == 1
