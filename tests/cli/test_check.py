"""`cdmer check` as a command; what the checks find is tested beside each contract."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.small_corpus import NEAREST


@pytest.fixture
def own_method(corpus):
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "checked_nearest.py").write_text(NEAREST)
    (corpus.folder / "my_conf" / "method" / "nearest.yaml").write_text(
        textwrap.dedent(
            """\
            # @package methods.nearest
            _target_: checked_nearest.Nearest
            label: Nearest
            grid: {power: [1.0, 2.0]}
            """
        )
    )
    return str(corpus.folder / "my_conf")


def test_the_command_checks_a_method_of_ones_own(own_method, cdmer):
    code, out, _ = cdmer("check", "method", "nearest", "--config-dir", own_method)
    assert code == 0
    assert out.startswith("method nearest\n  pass  class")
    assert "FAIL" not in out


def test_the_command_exits_with_1_where_a_check_fails(own_method, cdmer):
    # A grid of a parameter that the method has not.
    code, out, _ = cdmer(
        "check", "method", "nearest", "--config-dir", own_method, "+methods.nearest.grid.sharp=[1]"
    )
    assert code == 1
    assert "has no parameter 'sharp'" in out


CHOOSY = """\
from dataclasses import dataclass
from typing import Literal
from cdmer_bench.methods import SVM

@dataclass
class Choosy(SVM):
    solver: Literal["paper", "exact"] = "paper"
    level: float = 0.0

    def solve(self, prepared, settings):
        if self.solver == "exact" or any(s.get("level") == 2 for s in settings):
            raise ZeroDivisionError("broken on purpose")
        return super().solve(prepared, [{}] * len(settings))
"""


def test_a_method_is_checked_with_the_solver_and_the_grid_of_the_command(corpus, cdmer):
    corpus.add_method("choosy", CHOOSY, "{level: [0, 1]}")
    words = ("check", "method", "choosy", "--config-dir", str(corpus.folder / "my_conf"))
    code, out, _ = cdmer(*words)
    assert code == 0, out
    for more in ("solver=exact", "methods.choosy.grid.level=[1,2]"):
        code, out, _ = cdmer(*words, more)
        assert code == 1
        assert "broken on purpose" in out


def test_the_command_checks_a_database_of_features(own_method, cdmer):
    arguments = ["--config-dir", own_method, "corpus=small", "descriptor=given"]
    assert cdmer("check", "database", "red", *arguments)[0] == 0
    code, out, _ = cdmer("check", "database", "blue", *arguments)
    assert code == 2  # nothing failed, and nothing was checked
    assert out.count("blue.npz does not exist") == 1
    assert "FAIL" not in out
    assert "checks passed" not in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["method", "gkf"], "'gfk'"),
        (["descriptor", "given"], "descriptors.given"),
        (["database", "casme3"], "casme2"),
    ],
)
def test_unknown_names_exit_with_2(arguments, named, cdmer):
    code, _, err = cdmer("check", *arguments)
    assert code == 2
    assert named in err


DEFECTS = [
    ("np.argmax(scores, -1)", "np.argmax(scores, -1) * np.nan", "finite", "NaN"),
    (
        "def solve(self, prepared, settings):",
        "def solve(self, prepared, settings):\n        prepared['distances'] += 1.0",
        "scores",
        "solve writes into an array of prepare",
    ),
]


@pytest.mark.parametrize(("sound", "broken", "check", "said"), DEFECTS, ids=lambda d: str(d)[:12])
def test_the_command_names_each_defect_in_one_line(sound, broken, check, said, own_method, cdmer):
    folder = Path(own_method)
    name = f"checked_{abs(hash(broken))}"  # an imported module would be taken again
    body = NEAREST.replace(sound, broken)
    (folder / f"{name}.py").write_text(body)
    card = folder / "method" / "nearest.yaml"
    card.write_text(card.read_text().replace("checked_nearest", name))
    code, out, _ = cdmer("check", "method", "nearest", "--config-dir", own_method)
    assert code == (1 if check else 0), out
    assert "Traceback" not in out
    if check:
        lines = [line for line in out.splitlines() if line.split()[:1] == ["FAIL"]]
        assert any(check in line and said in line for line in lines), out


def test_the_command_checks_a_method_of_an_installed_package(own_method, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(Path(own_method) / "method", site / "nearest_package" / "conf" / "method")
    (site / "nearest_package" / "__init__.py").write_text("")
    (site / "nearest_package" / "conf" / "__init__.py").write_text("")
    (site / "checked_nearest.py").write_text(NEAREST)
    metadata = site / "nearest_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nearest-package\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[cdmer_bench.conf]\nnearest = nearest_package.conf\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "cdmer_bench.cli.main", "check", "method", "nearest"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), root])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("method nearest\n  pass  class")


UNUSABLE = {
    "syntax": ("def x(:\n", ["SyntaxError", "unusable_syntax.py, line 1"]),
    "import": ("\nraise OSError('no disk')\n", ["no disk", "unusable_import.py, line 2"]),
    "plain": (NEAREST.replace("@dataclass\n", ""), ["Nearest, which is no dataclass"]),
    "foreign": (NEAREST.replace("(Method)", ""), ["derive the class"]),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_class_that_cannot_be_used_is_named_in_one_sentence(kind, own_method, cdmer):
    body, said = UNUSABLE[kind]
    (Path(own_method) / f"unusable_{kind}.py").write_text(body)
    card = Path(own_method) / "method" / "nearest.yaml"
    card.write_text(card.read_text().replace("checked_nearest", f"unusable_{kind}"))
    for command in (("check", "method", "nearest"), ("run", "method=nearest", "task=exp05")):
        code, out, err = cdmer(*command, "--config-dir", own_method)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        for words in said:
            assert words.lower() in err.lower()


def test_a_result_of_another_kind_is_named_once(own_method, cdmer):
    broken = NEAREST.replace(
        "BatchResult.closed_form(np.argmax(scores, -1), np.array(scores))", "np.array(scores)"
    )
    (Path(own_method) / "checked_array.py").write_text(broken)
    card = Path(own_method) / "method" / "nearest.yaml"
    card.write_text(card.read_text().replace("checked_nearest", "checked_array"))
    code, out, _ = cdmer("check", "method", "nearest", "--config-dir", own_method)
    assert code == 1
    assert out.count("solve gave ndarray, expected a BatchResult") == 1
    assert "FAIL  determinism      the same as 'shapes'" in out
