import subprocess
import sys

import pytest

from cdmer_bench.cli.commands import COMMANDS


def test_help_lists_every_command(cdmer):
    code, out, _ = cdmer("--help")
    assert code == 0
    for name in COMMANDS:
        assert f"  {name} " in out


def test_an_unknown_command_names_the_closest(cdmer):
    code, _, err = cdmer("rnu")
    assert code == 2
    assert "'rnu' is not a command" in err
    assert "did you mean 'run'" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", [name for name in COMMANDS if COMMANDS[name].words])
def test_the_words_of_a_command_are_those_that_it_takes(cdmer, name):
    code, _, err = cdmer(name, "nonsense", *(["x", "--into", "y"] if name == "results" else []))
    assert code == 2
    for word in COMMANDS[name].words:
        assert word in err.splitlines()[-1]


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from cdmer_bench.cli.main import main; main(['--help']); "
        "print(*(m for m in sys.modules if m.partition('.')[0] in "
        "('numpy', 'hydra', 'sklearn', 'scipy', 'pandas', 'cv2', 'joblib')))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1].strip() == ""


def test_version_is_that_of_the_metadata(cdmer):
    from importlib.metadata import version

    code, out, _ = cdmer("--version")
    assert (code, out) == (0, f"cdmer-bench {version('cdmer-bench')}\n")
