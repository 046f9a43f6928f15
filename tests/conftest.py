"""What several tests share: a small corpus of feature files, and the command run in place."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.small_corpus import Corpus, draw_features

# The same examples on every machine, however slow it is just then.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """Three databases, ``red``, ``green`` and ``blue``; blue's file is missing."""
    (tmp_path / "my_conf" / "corpus").mkdir(parents=True)
    entry = (
        "{title: %s, letter: %s, classes: [low, mid, high], files: {given: %s.npz}, first_label: 0}"
    )
    lines = "\n".join(
        f"  {name}: " + entry % (name.title(), name[0].upper(), name)
        for name in ("red", "green", "blue")
    )
    (tmp_path / "my_conf" / "corpus" / "small.yaml").write_text(
        textwrap.dedent(
            f"""\
            # @package corpus
            name: small
            synthetic: false
            reader:
              _target_: cdmer_bench.databases.matfiles.FileFeatureDatabase
              root: {tmp_path}
            databases:
            """
        )
        + lines
        + "\n"
    )
    made = Corpus(tmp_path)
    made.write("red", *draw_features(1, 24))
    made.write("green", *draw_features(2, 18))
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def cdmer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable]:
    """Run ``cdmer`` in this process; returns (exit code, standard output, standard error)."""
    from cdmer_bench.cli.main import main

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.path", list(sys.path))  # a run adds the user's folders
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["cdmer", *arguments])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        try:
            code = main(list(arguments))
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call
    # Another test may have a module of the same name.
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
