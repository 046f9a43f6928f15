"""Scripts that start at once in a fresh checkout make one environment, one after the other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Stands for Python: makes a folder with itself as a virtual environment, and logs each
# installation's begin and end instead of installing.
PYTHON = """\
#!/bin/bash
case "$*" in
    "-m venv"*) folder=${@: -1}; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
    "-m pip --version") ;;
    "-m pip install"*)
        echo "begin ${@: -1}" >>"$LOG"; sleep 0.4; echo "end ${@: -1}" >>"$LOG"; exit $BROKEN ;;
    *) exec %s "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("environment.sh", "wait_for_turn.py"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = tmp_path / "python"
    python.write_text(PYTHON % sys.executable)
    python.chmod(0o755)
    return tmp_path


def start(checkout, extras, broken=0):
    environment = {k: v for k, v in os.environ.items() if k != "CDMER_VENV"}
    environment |= {"PYTHON": str(checkout / "python"), "LOG": str(checkout / "log")}
    return subprocess.Popen(
        ["bash", "-uc", f'. scripts/environment.sh; make_environment "{extras}"'],
        cwd=checkout,
        env=environment | {"BROKEN": str(broken)},
        stderr=subprocess.PIPE,
        text=True,
    )


def installations(checkout):
    lines = (checkout / "log").read_text().split("\n")[:-1]
    assert [line.split()[0] for line in lines] == ["begin", "end"] * (len(lines) // 2)
    return [line.split()[1] for line in lines[::2]]


def test_scripts_started_at_once_install_one_after_the_other_and_once(checkout):
    runs = [start(checkout, extras) for extras in ("plots frames", "test", "plots frames")]
    said = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    installed = installations(checkout)
    assert installed[0] == str(checkout)
    assert installed[1:] == ["/dev/stdin"] * 2
    assert sum("waiting" in text for text in said) == 2
    again = start(checkout, "test")
    assert again.communicate(timeout=60)[1] == ""
    assert len(installations(checkout)) == 3


def test_a_failed_installation_is_tried_again(checkout):
    run = start(checkout, "test", broken=1)
    assert "installation failed" in run.communicate(timeout=60)[1]
    assert run.returncode == 1
    run = start(checkout, "test")
    run.communicate(timeout=60)
    assert run.returncode == 0


def test_a_changed_pyproject_installs_again(checkout):
    start(checkout, "test").communicate(timeout=60)
    with open(checkout / "pyproject.toml", "a") as file:
        file.write("# changed\n")
    start(checkout, "test").communicate(timeout=60)
    assert len(installations(checkout)) == 4
