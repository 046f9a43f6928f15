"""Imports point one way only; the command line and methods start fast."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import cdmer_bench

ROOT = Path(cdmer_bench.__file__).parent
BASE = {"errors"}
# Package or module -> what it may import from cdmer_bench, besides itself.
MAY_IMPORT = {
    "errors": set(),
    "io": BASE,
    "dask_cluster": BASE | {"io"},
    "parallel": BASE | {"dask_cluster"},
    "identity": set(),
    "compiled": BASE,
    "solvers": BASE | {"compiled"},
    "bridges": BASE | {"methods"},
    "methods": BASE | {"compiled", "io", "protocol", "solvers"},
    "preprocessing": BASE | {"compiled"},
    "descriptors": BASE | {"compiled", "databases", "io", "parallel", "preprocessing", "protocol"},
    "databases": BASE | {"io", "parallel", "preprocessing", "protocol"},
    "protocol": BASE,
    "extraction": BASE | {"io", "parallel", "databases", "descriptors", "preprocessing"},
    "features": BASE
    | {"extraction", "identity", "io", "parallel", "databases", "descriptors", "preprocessing"},
    "evaluation": BASE,
    "results": BASE | {"io", "evaluation", "protocol"},
    "runner": BASE
    | {"evaluation", "io", "parallel", "databases", "features", "identity"}
    | {"methods", "protocol", "results", "solvers"},
    "reporting": BASE | {"io", "parallel", "results", "evaluation", "protocol"},
    "config": BASE | {"databases", "descriptors", "methods", "preprocessing", "protocol"},
}
EVERYTHING = set(MAY_IMPORT) | {"cli", "conf"}


MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def imported_modules(path: Path) -> set[str]:
    """The modules of cdmer_bench that a file imports, wherever in the file and however.

    That is by a statement, inside a function too, or by a string given to ``import_module``; an
    f-string there counts as all modules below its beginning. What only a type checker imports
    (``TYPE_CHECKING``) is left out.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else str(node.module) for name in names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            text = node.args[0]
            if isinstance(text, ast.JoinedStr) and isinstance(text.values[0], ast.Constant):
                beginning = str(text.values[0].value)
                found |= {module for module in MODULES if module.startswith(beginning)}
            elif isinstance(text, ast.Constant):
                found.add(str(text.value))
    return {module for module in found if module in MODULES}


def imported_parts(path: Path) -> set[str]:
    """The first-level parts of cdmer_bench that a file imports."""
    return {module.split(".")[1] for module in imported_modules(path) if "." in module}


def without_cycles(needs: dict[str, set[str]]) -> list[str]:
    """Order names so that each comes after what it needs; fail if that is impossible."""
    order: list[str] = []
    left = dict(needs)
    while left:
        ready = [name for name in left if left[name].isdisjoint(left)]
        assert ready, f"a cycle among {sorted(left)}"
        order += ready
        for name in ready:
            del left[name]
    return order


def test_every_package_has_a_rule():
    parts = {p.stem for p in ROOT.glob("*.py")} | {
        p.parent.name for p in ROOT.glob("*/__init__.py")
    }
    assert parts - {"__init__", "__main__", "cli", "conf"} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_point_one_way(part):
    folder = ROOT / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{part}.py"]
    assert files
    for path in files:
        wrong = imported_parts(path) & EVERYTHING - MAY_IMPORT[part] - {part}
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_the_rules_have_no_cycle():
    without_cycles(MAY_IMPORT)


def test_no_module_needs_itself():
    # A package's __init__ offers what its modules hold, and is left out.
    needs = {m: imported_modules(p) - {m} for m, p in MODULES.items() if p.stem != "__init__"}
    without_cycles(needs)


@pytest.mark.parametrize(
    "line",
    [
        "import cdmer_bench.cli.run",
        "from cdmer_bench import cli",
        "from cdmer_bench.cli.run import main",
        "def late():\n    from cdmer_bench.cli import run",
        "import importlib\nimportlib.import_module('cdmer_bench.cli.run')",
        "name = 'run'\nimport_module(f'cdmer_bench.cli.{name}')",
    ],
)
def test_an_import_is_seen_however_it_is_written(tmp_path, line):
    (tmp_path / "module.py").write_text(line)
    assert imported_parts(tmp_path / "module.py") == {"cli"}


def test_every_folder_of_code_is_a_package_that_is_installed():
    folders = {path.parent for path in ROOT.rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)
    listed = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {".".join(folder.relative_to(ROOT.parent).parts) for folder in folders}
    assert packages | {"cdmer_bench.conf"} == set(listed["packages"])


def test_the_picture_in_the_documents_shows_the_rules():
    document = (ROOT.parent / "docs" / "architecture.md").read_text()
    drawn: dict[str, set[str]] = {}
    for user, used in re.findall(r"^    (\w+) --> (\w+)$", document, re.MULTILINE):
        drawn.setdefault(user, set()).add(used)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"conf"}

    def reached(name: str, rules: dict[str, set[str]]) -> set[str]:
        needs = rules.get(name, set()) & packages
        return needs.union(*(reached(need, rules) for need in needs))

    for package in packages - {"cli"}:
        assert drawn.get(package, set()) <= MAY_IMPORT[package], package
        assert reached(package, drawn) == reached(package, MAY_IMPORT), package
    assert reached("cli", drawn) == packages - {"cli"}
    # No arrow that follows from two others.
    for package, used in drawn.items():
        shortcuts = {u for u in used for other in used - {u} if u in reached(other, drawn)}
        assert not shortcuts, f"{package} --> {shortcuts}"


def test_the_table_in_the_documents_names_every_package_and_module():
    document = (ROOT.parent / "docs" / "architecture.md").read_text()
    for part in set(MAY_IMPORT) | {"cli"}:
        assert f"`{part}`" in document, part
