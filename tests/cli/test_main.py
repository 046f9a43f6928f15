import errno
import subprocess
import sys

import pytest

from cdmer_bench.cli import COMMANDS


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


@pytest.mark.parametrize(
    "words",
    [
        ("tables", "--results", "~nobody-of-that-name/x"),
        ("data", "fetch", "released", "--from", "~nobody-of-that-name/x", "--to", "to"),
        ("run", "results.dir='~nobody-of-that-name/x'"),
        ("run", "cache.dir='~nobody-of-that-name/x'"),
        ("run", "results.dir='a\0b'"),
        ("tables", "--results", "a\0b"),
        ("tables", "--results", "a" * 5000),
        ("run", f"results.dir={'a' * 5000}"),
    ],
    ids=range(8),
)
def test_what_cannot_be_a_path_is_one_sentence(tmp_path, monkeypatch, cdmer, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = cdmer(*words)
    assert code in (1, 2)
    assert out == ""
    *databases, _ = err.splitlines()  # what a run uses is told before it writes
    assert all(" clips, " in line for line in databases)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 9 GiB"), "the memory is full (Unable to allocate 9 GiB)"),
        (MemoryError(), "the memory is full (nothing is left)"),
        (OSError(errno.EIO, "Input/output error", "/disk/a"), "/disk/a: Input/output error"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
)
@pytest.mark.parametrize("command", ["run", "tables"])
def test_what_the_machine_lacks_is_one_sentence(monkeypatch, cdmer, command, error, said):
    def lacking(*_):
        raise error

    monkeypatch.setattr("cdmer_bench.results.store.ResultsStore.__init__", lacking)
    code, _, err = cdmer(command)
    assert code == 1
    assert err.startswith(f"cdmer: {said}")
    assert "finished work is kept" in err
    assert len(err.splitlines()) == 1


def test_the_package_is_the_command():
    command = [sys.executable, "-m", "cdmer_bench", "--version"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith("cdmer-bench ")


def test_warnings_are_sentences_without_the_line_of_code():
    program = (
        "import warnings, cdmer_bench.cli.main as main\n"
        "main.call = lambda *_: warnings.warn('one clip is short', stacklevel=1) or 0\n"
        "main.main(['doctor'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stderr == "cdmer: warning: one clip is short\n"


@pytest.mark.parametrize("words", ["run --info", "run --cfg job", "list methods", "run --help"])
def test_a_reader_that_leaves_early_is_no_error(words):
    line = f"{sys.executable} -m cdmer_bench {words} | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_plan_imports_nothing_that_it_does_not_need(corpus):
    before = (
        "import atexit, sys; atexit.register(lambda: print(*(m for m in sys.modules if m in "
        "('torch', 'matplotlib', 'numba', 'pandas', 'sklearn', 'cv2', 'skimage', 'tqdm', "
        "'scipy.optimize', 'scipy.sparse', 'scipy.stats'))))"
    )
    words, environment = corpus.command(
        "run", *corpus.arguments("method=all", "task=red/green", "dry_run=true"), before=before
    )
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    *plan, imported = done.stdout.splitlines()
    assert plan[-1].startswith("11 cells: 0 done, 11 to do")
    assert imported == ""
