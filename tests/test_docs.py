"""The worked examples of the documents, run as they are written; links that lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results/README.md"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"^# (my_conf/\S+)$", re.MULTILINE)


def write_files(document: Path, folder: Path) -> list[str]:
    """Write every block that names its file below ``folder``; return the shell commands."""
    commands = []
    for language, content in BLOCK.findall(document.read_text()):
        named = FILE_NAME.search(content)
        if language in ("python", "yaml") and named:
            path = folder / named.group(1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        elif language == "bash":
            commands += [line for line in content.splitlines() if line.startswith("cdmer ")]
    return commands


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    # A process of its own for each command, as the user's shell would start it.
    environment = {**os.environ, "CDMER_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    environment["COLUMNS"] = "120"  # pytest-xdist gives its workers 80
    python_path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return subprocess.run(
        [sys.executable, "-m", "cdmer_bench.cli.main", *shlex.split(command)[1:]],
        cwd=folder,
        env={**environment, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extending")
    return folder, write_files(ROOT / "docs" / "extending.md", folder)


def needs_synthetic_faces(command: str) -> bool:
    return command.startswith("cdmer run") and "corpus=toy" not in command


def test_every_worked_example_has_its_check_and_its_run(examples):
    folder, commands = examples
    assert len(list((folder / "my_conf").rglob("*.py"))) == 3
    assert len(list((folder / "my_conf").rglob("*.yaml"))) == 3
    assert sorted(c.split()[2] for c in commands if c.startswith("cdmer check")) == [
        "database",
        "descriptor",
        "method",
    ]


def test_the_checks_of_the_worked_examples_pass(examples):
    folder, commands = examples
    for command in commands:
        if command.startswith("cdmer check"):
            done = run(command, folder)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "FAIL" not in done.stdout


def test_the_database_and_the_descriptor_run_on_each_other(examples):
    folder, commands = examples
    chosen = [c for c in commands if c.startswith("cdmer run") and not needs_synthetic_faces(c)]
    assert len(chosen) == 2
    for command in chosen:
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
        assert "synthetic" in done.stdout.lower()
        assert re.search(r"\d\.\d{4} / \d", done.stdout)


@pytest.mark.slow
def test_the_method_runs_on_the_synthetic_databases(examples):
    folder, commands = examples
    for command in filter(needs_synthetic_faces, commands):
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
        assert "Nearest mean" in done.stdout


def test_the_method_of_the_readme_passes_its_check(tmp_path):
    write_files(ROOT / "README.md", tmp_path)
    done = run("cdmer check method nearest_mean --config-dir my_conf", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readmes_method_runs_beside_the_baseline(examples, tmp_path):
    # On the small clips of docs/extending.md, because 436 faces take a while.
    write_files(ROOT / "docs" / "extending.md", tmp_path)
    write_files(ROOT / "README.md", tmp_path)
    done = run(
        "cdmer run --config-dir my_conf method=svm,nearest_mean corpus=toy task=indoor/outdoor",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Nearest mean" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), f"{document.name} links to {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert heading in slugs, f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_files_that_documents_name_exist(document):
    places = ("cdmer_bench", "conf", "scripts", "tests")
    files = {f"/{f.relative_to(ROOT)}" for p in places for f in (ROOT / p).rglob("*.*")}
    for name in re.findall(r"`(?:cdmer_bench/)?([\w/]+\.(?:py|yaml))`", document.read_text()):
        foreign = name in ("setup.py", "queue.py", "random.py", "numpy.py")  # of other packages
        assert foreign or any(f.endswith(f"/{name}") for f in files), f"{document.name}: {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_documents_exist(document):
    from cdmer_bench.cli import COMMANDS

    used = set(re.findall(r"(?:`| {4}|^)(?:scripts/)?cdmer ([a-z]+)\b", document.read_text(), re.M))
    known = {name.split()[0] for name in COMMANDS}
    assert used <= known, f"{document.name} names {sorted(used - known)}"


@pytest.mark.slow
def test_the_quickstart_runs_as_written_and_prints_what_it_shows(tmp_path):
    """Figures are not compared: they may change with the version of a library."""
    document = ROOT / "docs" / "quickstart.md"
    printed = ""
    for command in write_files(document, tmp_path):
        done = run(command, tmp_path)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    lines = {re.sub(r"\d", "0", line.strip()) for line in printed.splitlines()}
    for language, shown in BLOCK.findall(document.read_text()):
        if language == "text":
            for line in shown.splitlines():
                assert re.sub(r"\d", "0", line.strip()) in lines
    for name in ("parameters-tca-exp05.svg", "report.html"):
        assert (tmp_path / "results" / name).exists()


def test_the_figures_of_the_readme_are_those_of_the_committed_table():
    committed = (ROOT / "results/reference/synthetic-seed0-table3.md").read_text().splitlines()
    shown = [line for line in (ROOT / "README.md").read_text().splitlines() if " / " in line]
    rows = [line for line in shown if re.match(r"\| \w+ \| .*\d\.\d{4}", line)]
    assert len(rows) == 5
    assert set(rows) <= set(committed)


def test_every_dependency_is_explained():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs" / "dependencies.md").read_text()
    for requirement in project["dependencies"]:
        assert f"| {re.split('[^a-z0-9-]', requirement)[0]} |" in text, requirement
    for extra, requirements in project["optional-dependencies"].items():
        row = re.search(rf"^\| `{extra}` \|.*$", text, re.MULTILINE)
        assert row, extra
        for requirement in requirements:
            assert re.split("[^a-z0-9-]", requirement)[0] in row.group(), requirement


def test_the_index_names_every_page_and_every_extra_that_users_install():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in set(project["optional-dependencies"]) - {"test", "dev", "bench"}:
        assert f"pip install '.[{extra}]'" in index
