"""Commands write into the results, the cache and the report, and nowhere else."""

import os
import subprocess
import sys

import pytest


def everything(folder, without=()):
    """Every file under a folder with its content, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not any(path.is_relative_to(folder / name) for name in without)
    }


CLIPS = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.databases.base import Clip, ClipDatabase

@dataclass
class NoiseClip(Clip):
    name: str
    subject: str
    label: int
    fingerprint: str

    def frames(self):
        return np.random.default_rng(int(self.name)).integers(0, 256, (6, 20, 20)).astype(float)

@dataclass
class Noise(ClipDatabase):
    def clips(self):
        return [NoiseClip(str(i), f"s{i}", i % 3, f"noise {i}") for i in range(6)]
"""
CORPUS = """\
# @package corpus
name: noise
synthetic: true
reader: {_target_: noise.Noise}
databases:
  left: {classes: [a, b, c]}
  right: {classes: [a, b, c]}
"""


def watched_call(corpus, *arguments):
    """Run ``cdmer`` with HOME and TMPDIR in folders of the corpus, which are watched as well."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "CDMER_"))},
        "HOME": str(corpus.folder / "home"),
        "TMPDIR": str(corpus.folder / "temporary"),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cdmer_bench.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=corpus.folder,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def watched(corpus):
    (corpus.folder / "home").mkdir()
    (corpus.folder / "temporary").mkdir()
    (corpus.folder / "my_conf" / "noise.py").write_text(CLIPS)
    (corpus.folder / "my_conf" / "corpus" / "noise.yaml").write_text(CORPUS)
    return corpus


def test_a_run_and_a_report_write_nowhere_else(watched):
    before = everything(watched.folder)
    watched_call(watched, "run", *watched.arguments("method=svm,gfk", "task=red/green", "n_jobs=2"))
    watched_call(watched, "report", "--results", "results", "--out", "report.html")
    ours = ("results", "cache", "report.html")
    # Matplotlib, which draws the report's pictures, keeps a list of the fonts that it found.
    fonts = ("home/.cache", "home/.config")
    assert everything(watched.folder, without=(*ours, *fonts)) == before
    for folder in fonts:
        assert {path.name for path in (watched.folder / folder).glob("*")} <= {"matplotlib"}
    assert (watched.folder / "report.html").stat().st_size > 1000
    written = everything(watched.folder / "results")
    assert {name.split("/")[0] for name in written} <= {"cells", "claims", "failures", "unfinished"}
    assert not [name for name in written if name.startswith(("unfinished/", "claims/"))]


def test_extraction_writes_into_the_private_cache_and_nowhere_else(watched):
    before = everything(watched.folder)
    watched_call(
        watched,
        "extract",
        *("--config-dir", "my_conf", "corpus=noise", "task=left/right", "n_jobs=2"),
        *("results.dir=results", "cache.dir=cache"),
    )
    assert everything(watched.folder, without=("cache",)) == before
    written = sorted(name for name in everything(watched.folder / "cache") if "." in name)
    assert [name.rpartition("-")[0] for name in written] == ["features/left", "features/right"]
    assert (watched.folder / "cache").stat().st_mode & 0o777 == 0o700


def test_a_group_may_read_results_if_the_umask_lets_it(corpus, cdmer):
    before = os.umask(0o027)
    try:
        assert cdmer("run", *corpus.arguments("method=svm", "task=red/green"))[0] == 0
    finally:
        os.umask(before)
    for path in (corpus.folder / "results").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path
