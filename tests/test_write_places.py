"""Commands write into the results, the cache and the report, and nowhere else."""

import os
import subprocess
import sys


def everything(folder, without=()):
    """Every file under a folder with its content, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not any(path.is_relative_to(folder / name) for name in without)
    }


def test_a_run_and_a_report_write_nowhere_else(corpus):
    """HOME and TMPDIR are watched as well."""
    home, temporary = corpus.folder / "home", corpus.folder / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "CDMER_"))},
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = everything(corpus.folder)
    command = [sys.executable, "-m", "cdmer_bench.cli.main"]
    for arguments in (
        ["run", *corpus.arguments("method=svm,gfk", "task=red/green", "n_jobs=2")],
        ["report", "--results", "results", "--out", "report.html"],
    ):
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            cwd=corpus.folder,
            env=environment,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    ours = ("results", "cache", "report.html")
    # Matplotlib, which draws the report's pictures, keeps a list of the fonts that it found.
    fonts = ("home/.cache", "home/.config")
    after = everything(corpus.folder, without=(*ours, *fonts))
    assert after == before
    for folder in fonts:
        assert {path.name for path in (corpus.folder / folder).glob("*")} <= {"matplotlib"}
    assert (corpus.folder / "report.html").stat().st_size > 1000
    written = everything(corpus.folder / "results")
    assert {name.split("/")[0] for name in written} <= {"cells", "claims", "failures", "unfinished"}
    assert not [name for name in written if name.startswith(("unfinished/", "claims/"))]


def test_a_group_may_read_results_if_the_umask_lets_it(corpus, cdmer):
    before = os.umask(0o027)
    try:
        assert cdmer("run", *corpus.arguments("method=svm", "task=red/green"))[0] == 0
    finally:
        os.umask(before)
    for path in (corpus.folder / "results").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path
