"""Commands write into the place that they were told, and nowhere else; the umask is obeyed.

Two things watch: the tree of a folder that holds the working folder, the home and the temporary
folder, before and after; and Python's audit events, which tell every file of any place that is
opened for writing, made, renamed or removed by this process.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.small_corpus import write_clip_corpus


def everything(folder, without=()):
    """Every file under a folder with its content, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not any(path.is_relative_to(folder / name) for name in without)
    }


# By event: how many of its arguments are paths.
CHANGES = {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2,
           "os.symlink": 2, "os.truncate": 1, "os.chmod": 1, "os.utime": 1,
           "shutil.rmtree": 1}  # fmt: skip


class Watch:
    """Notes each path that this process writes to; its hook cannot be removed, but turned off."""

    WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def __init__(self):
        self.on = False
        self.seen: set[Path] = set()
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if not self.on:
            return
        if event == "open" and isinstance(arguments[0], str | bytes):
            if isinstance(arguments[2], int) and arguments[2] & self.WRITING:
                self.note(arguments[0])
        elif event == "os.mkdir" and os.path.isdir(arguments[0]):
            return  # it is there already, so nothing is made
        elif event in ("os.remove", "os.rmdir") and arguments[1] != -1:
            return  # a part of shutil.rmtree, which has an event of its own
        else:
            for path in arguments[: CHANGES.get(event, 0)]:
                if isinstance(path, str | bytes | os.PathLike):
                    self.note(path)

    def note(self, path):
        found = Path(os.path.abspath(os.fsdecode(path)))
        if found != Path(os.devnull):
            self.seen.add(found)


WATCH = Watch()


@pytest.fixture
def watched(corpus, monkeypatch):
    """A corpus of features and one of clips, with the home and the temporary folder inside."""
    for name in ("home", "temporary"):
        (corpus.folder / name).mkdir()
    for name in list(os.environ):
        if name.startswith(("XDG_", "CDMER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(corpus.folder / "home"))
    monkeypatch.setenv("TMPDIR", str(corpus.folder / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(corpus.folder / "temporary"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write_clip_corpus(corpus.folder)
    return corpus


CONFIGURED = ("--config-dir", "my_conf", "results.dir=results", "cache.dir=cache")
FEATURES = (*CONFIGURED, "corpus=small", "descriptor=given", "task=red/green")
CLIPS = (*CONFIGURED, "corpus=noise", "descriptor=lbp_top_r1p4", "task=left/right")
HERE = ("n_jobs=1", "backend=sequential", "progress=false")
RESULTS = ("--results", "results")
# What is run, and the only places where it may write, if any.
COMMANDS = {
    "run": (("run", "method=svm,gfk", *FEATURES, *HERE), {"results"}),
    "run of clips": (("run", "method=svm", *CLIPS, *HERE), {"results", "cache"}),
    "selection inputs": (
        ("run", "method=svm", "selection_inputs=true", *FEATURES, *HERE),
        {"results"},
    ),
    "dry run": (("run", "method=gfk", "dry_run=true", *FEATURES), set()),
    "extract": (("extract", *CLIPS, *HERE), {"cache"}),
    "tables": (("tables", "all", *RESULTS), set()),
    "tables in a file": (("tables", "all", *RESULTS, "--out", "new/tables.csv"), {"new"}),
    "report": (("report", *RESULTS), {"results/report.html"}),
    "report elsewhere": (("report", *RESULTS, "--out", "new/report.html"), {"new"}),
    "plot": (("plot", "scores", *RESULTS), {"results/scores-svm-red__green.svg"}),
    "plot elsewhere": (("plot", "scores", *RESULTS, "--out", "new/scores.png"), {"new"}),
    "stats": (("stats", *RESULTS), set()),
    "audit": (("audit",), set()),
    "doctor": (("doctor",), set()),
    "list runs": (("list", "runs", *RESULTS), set()),
    "list methods": (("list", "methods", "--config-dir", "my_conf"), set()),
    "merge": (("results", "merge", "results", "--into", "merged"), {"merged"}),
    "check": (("check", "method", "svm"), set()),
    "data check": (("data", "check", "corpus=frames", "corpus.root=my_conf"), set()),
    "fetch": (("data", "fetch", "released", "--from", "my_conf", "--to", "fetched"), {"fetched"}),
    "completion": (("completion", "bash"), set()),
}
# Those that end with a sentence here: no frames, no released file.
FINDING_NOTHING = ("data check", "fetch")
# Matplotlib keeps a list of the fonts that it found.
FONTS = ("home/.cache/matplotlib", "home/.config/matplotlib")


@pytest.mark.parametrize(
    ("name", "mask"),
    [(name, mask) for name in COMMANDS for mask in (0o077, 0o002)[: 1 + bool(COMMANDS[name][1])]],
)
def test_a_command_writes_in_its_place_only_and_obeys_the_umask(watched, cdmer, name, mask):
    folder, (words, places) = watched.folder, COMMANDS[name]
    assert cdmer("run", "method=svm", *FEATURES, *HERE)[0] == 0
    before = everything(folder)
    mask_before = os.umask(mask)
    WATCH.seen, WATCH.on = set(), True
    try:
        code, _, err = cdmer(*words)
    finally:
        WATCH.on = False
        os.umask(mask_before)
    assert code == (2 if name in FINDING_NOTHING else 0), err
    allowed = {folder / place for place in places} | {folder / fonts for fonts in FONTS}
    # A file appears in its folder under another name, and is then renamed.
    parents = {path.parent for path in allowed if path.suffix}
    for path in WATCH.seen:
        # The folders above a place are made where they are missing.
        inside = any(path.is_relative_to(p) or p.is_relative_to(path) for p in allowed)
        assert inside or (path.parent in parents and path.name.startswith(".writing-")), path
    after = everything(folder)
    new = {p for p in after if p not in before or after[p] != before[p]}
    assert not set(before) - set(after)
    for path in map(folder.joinpath, sorted(new)):
        if path.is_relative_to(folder / "home"):
            continue
        assert any(path.is_relative_to(place) for place in allowed), path
        mode = path.stat().st_mode & 0o777
        if path == folder / "cache":
            assert mode == 0o700
        else:
            assert mode == (0o777 if path.is_dir() else 0o666) & ~mask, path
    if places - {"fetched"}:
        assert new
        assert WATCH.seen


def test_the_watch_notices_a_write(tmp_path):
    WATCH.seen, WATCH.on = set(), True
    (tmp_path / "a").write_text("")
    os.mkdir(tmp_path / "b")
    (tmp_path / "a").read_text()
    os.rename(tmp_path / "a", tmp_path / "c")
    WATCH.on = False
    assert WATCH.seen == {tmp_path / "a", tmp_path / "b", tmp_path / "c"}


def watched_call(corpus, *arguments):
    """Run ``cdmer`` in a process of its own, with workers."""
    words, environment = corpus.command(*arguments, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_run_with_workers_writes_nowhere_else(watched):
    before = everything(watched.folder)
    watched_call(watched, "run", "method=svm,gfk", *CLIPS, "n_jobs=2")
    assert everything(watched.folder, without=("results", "cache")) == before
    written = everything(watched.folder / "results")
    assert {name.split("/")[0] for name in written} <= {"cells", "claims", "failures", "unfinished"}
    assert not [name for name in written if name.startswith(("unfinished/", "claims/"))]
    cached = everything(watched.folder / "cache")
    assert {name.split("/")[0] for name in cached} <= {"features", "hashes.json", "kernels"}
    features = sorted(name for name in cached if name.endswith(".npz"))
    assert [name.rpartition("-")[0] for name in features] == ["features/left", "features/right"]
    assert (watched.folder / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o077, 0o002], ids=["umask 077", "umask 002"])
def test_synthetic_clips_are_written_where_they_are_asked_for(watched, mask):
    before = everything(watched.folder)
    mask_before = os.umask(mask)
    try:
        watched_call(watched, "data", "synthesize", "--databases", "smic_nir", "--out", "clips")
        watched_call(watched, "data", "synthesize", "--databases", "smic_nir", "--out", "clips")
    finally:
        os.umask(mask_before)
    assert everything(watched.folder, without=("clips",)) == before
    for path in (watched.folder / "clips").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o777 if path.is_dir() else 0o666) & ~mask, path
