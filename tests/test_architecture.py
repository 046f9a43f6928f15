"""Imports point one way only; the command line and methods start fast."""

import ast
from pathlib import Path

import pytest

import cdmer_bench

ROOT = Path(cdmer_bench.__file__).parent
BASE = {"errors"}
# Package or module -> what it may import from cdmer_bench, besides itself.
MAY_IMPORT = {
    "errors": set(),
    "files": BASE,
    "dask_cluster": BASE,
    "parallel": BASE | {"dask_cluster"},
    "contract": BASE,
    "solvers": BASE,
    "methods": BASE | {"contract", "solvers"},
    "preprocessing": BASE,
    "descriptors": BASE | {"contract", "preprocessing"},
    "databases": BASE | {"contract", "files", "parallel", "preprocessing"},
    "tasks": BASE,
    "features": BASE | {"files", "parallel", "databases", "descriptors", "preprocessing"},
    "finetuning": BASE | {"files", "parallel", "databases", "descriptors", "preprocessing"},
    "evaluation": BASE,
    "results": BASE | {"files", "evaluation"},
    "runner": BASE
    | {"evaluation", "files", "parallel", "databases", "features", "methods", "results", "tasks"},
    "reporting": BASE | {"files", "results", "evaluation", "tasks"},
    "config": BASE | {"databases", "descriptors", "methods", "preprocessing", "tasks"},
}
EVERYTHING = set(MAY_IMPORT) | {"cli", "conf"}


def imported_parts(path: Path) -> set[str]:
    """The first-level parts of cdmer_bench that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "cdmer_bench" and len(parts) > 1:
                found.add(parts[1])
    return found


def test_every_package_has_a_rule():
    parts = {p.stem for p in ROOT.glob("*.py")} | {
        p.parent.name for p in ROOT.glob("*/__init__.py")
    }
    assert parts - {"__init__", "cli", "conf"} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_point_one_way(part):
    folder = ROOT / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{part}.py"]
    assert files
    for path in files:
        wrong = imported_parts(path) & EVERYTHING - MAY_IMPORT[part] - {part}
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_the_rules_have_no_cycle():
    order = []
    left = dict(MAY_IMPORT)
    while left:
        ready = [part for part, needs in left.items() if needs <= set(order)]
        assert ready, f"a cycle among {sorted(left)}"
        order += ready
        for part in ready:
            del left[part]
