"""The built wheel, installed into an empty environment, run from another folder."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(out), str(ROOT)],
        capture_output=True,
        text=True,
    )
    if done.returncode and "setuptools" in done.stderr and "ersion" in done.stderr:
        pytest.skip("pip cannot fetch the build requirements here")
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_configuration_file_and_asset(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"cdmer_bench/conf/{path.relative_to(ROOT / 'conf').as_posix()}" in packed
    for path in (ROOT / "cdmer_bench").rglob("*"):
        if path.is_file() and path.suffix not in (".pyc",):
            assert path.relative_to(ROOT).as_posix() in packed
    assert max(zipfile.ZipFile(wheel).infolist(), key=lambda i: i.file_size).file_size < 500_000


def test_the_wheel_runs_from_another_folder(wheel, tmp_path, corpus):
    environment = tmp_path / "empty"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
         "--no-index", str(wheel)],
        check=True,
    )  # fmt: skip
    # Its dependencies come from the environment that runs the tests; the checkout does not.
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(numpy.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    show = "import cdmer_bench as a, cdmer_bench.conf as b; print(a.__file__, b.__file__)"
    where = subprocess.run(
        [python, "-c", show], capture_output=True, text=True, env=env, cwd=tmp_path, check=True
    ).stdout.split()
    assert all(str(environment) in path for path in where)
    done = subprocess.run(
        [environment / "bin" / "cdmer", "run", *corpus.arguments("method=sa", "task=red/green")],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "R → G" in done.stdout
