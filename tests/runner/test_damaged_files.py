"""Every kind of file that a run stores, damaged in every way: set aside, warned of once, made anew.

The kinds: extracted features, records and their arrays, selection inputs, batches of unfinished
cells, failures; and what is never read as it was left: arrays that a cell's batches share,
claims, reports and tables. Checkpoints and tuned networks stand in ``tests/descriptors/c3d``.
"""

import warnings

import numpy as np
import pytest

from cdmer_bench.io import pack_arrays, read_arrays
from tests.damages import DAMAGES
from tests.small_corpus import Corpus, write_clip_corpus

FAILING = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Failing(Method):
    step: float = 0.0
    until: str = ""

    def prepare(self, Xs, ys, Xt, Xq):
        return {"n": np.array(len(Xq)), "large": np.ones(200_000)}

    def batches(self, settings):
        return [[i] for i in range(len(settings))]

    def solve(self, prepared, settings):
        import os
        with open(self.until + ".log", "a") as log:
            log.write(f"{settings[0]['step']}\\n")
        if settings[0]["step"] == 3 and not os.path.exists(self.until):
            os._exit(9) if os.path.exists(self.until + ".exit") else 1 / 0
        zeros = np.zeros((1, int(prepared["n"] + prepared["large"][0] - 1)), int)
        return BatchResult.closed_form(zeros)
"""
EVERYWHERE = pytest.mark.parametrize("damage", DAMAGES)


@pytest.fixture
def run(corpus, cdmer):
    """Run; return the table and the paths that were said to be damaged."""

    def call(*more: str, code: int = 0):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            arguments = corpus.arguments("backend=sequential", "progress=false", *more)
            ended, out, err = cdmer("run", *arguments)
        assert ended == code, err
        texts = [str(warning.message) for warning in warned]
        assert all("set aside as" in text for text in texts if "damaged" in text)
        return out, [text.split(" is damaged")[0] for text in texts if "damaged" in text]

    return call


def harm(folder, pattern: str, damage: str) -> tuple[str, bytes]:
    """Damage the first file of a pattern; return its path and what it held."""
    path = sorted(folder.rglob(pattern))[0]
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    return path, whole


@EVERYWHERE
@pytest.mark.parametrize("name", ["record.json", "grid.npz"])
def test_a_record(corpus, run, name, damage):
    table, _ = run("method=svm,gfk", "task=red/green")
    path, whole = harm(corpus.folder, name, damage)
    again, damaged = run("method=svm,gfk", "task=red/green")
    assert damaged == [str(path.parent)]
    assert again == table
    if name == "grid.npz":
        assert path.read_bytes() == whole
    assert len(list(path.parents[1].glob("*.damaged-0"))) == 1
    assert run("method=svm,gfk", "task=red/green") == (table, [])


@EVERYWHERE
def test_selection_inputs(corpus, run, damage):
    wanted = ("method=svm", "task=red/green", "selection_inputs=[source_cv,reverse]")
    table, _ = run(*wanted)
    path, whole = harm(corpus.folder, "selection.npz", damage)
    assert run(*wanted) == (table, [str(path)])
    assert path.read_bytes() == whole
    assert run(*wanted) == (table, [])


@EVERYWHERE
def test_extracted_features(corpus, run, damage):
    write_clip_corpus(corpus.folder)
    wanted = ("corpus=noise", "descriptor=lbp_top_r1p4", "method=svm", "task=left/right")
    table, _ = run(*wanted)
    path, whole = harm(corpus.folder / "cache", "left-*.npz", damage)
    assert run(*wanted, "results.dir=second") == (table, [str(path)])
    assert path.read_bytes() == whole
    assert run(*wanted, "results.dir=third") == (table, [])
    harm(corpus.folder / "cache", "left-*.npz", damage)
    assert run(*wanted, "force=true") == (table, [])  # extracted anew, not read
    assert path.read_bytes() == whole


@pytest.fixture
def failing(corpus):
    """A method of three batches, whose last fails until a file is there."""
    corpus.add_method("failing", FAILING, '{step: "1:1:3"}', until=corpus.folder / "until")
    return corpus


def leave_unfinished(failing: Corpus) -> None:
    """Run in a process that ends in the third batch, and so cannot tidy up."""
    import subprocess

    (failing.folder / "until.exit").touch()
    arguments = failing.arguments("method=failing", "task=red/green", "backend=sequential")
    words, environment = failing.command("run", *arguments)
    assert subprocess.run(words, env=environment, capture_output=True, timeout=60).returncode == 9
    (failing.folder / "until").touch()


@EVERYWHERE
def test_a_batch_and_a_failure(failing, run, damage):
    run("method=failing", "task=red/green", code=1)
    batch, _ = harm(failing.folder, "batch-*.npz", damage)
    failure, _ = harm(failing.folder, "failures/*.json", damage)
    (failing.folder / "until").touch()
    _, damaged = run("method=failing", "task=red/green")
    assert sorted(damaged) == sorted([str(batch), str(failure)])
    # The first run solved all three; the second the damaged one and the one that had failed.
    steps = (failing.folder / "until.log").read_text().split()
    assert steps == ["1.0", "2.0", "3.0", "1.0", "3.0"]


# A whole archive, but not what this version stores.
OTHER_BATCHES = {
    "other settings": lambda a: {**a, "indices": a["indices"] + 1},
    "no notes": lambda a: {n: array for n, array in a.items() if n != "note_texts"},
    "no number": lambda a: {**a, "seconds": np.array("long")},
}


@pytest.mark.parametrize("other", OTHER_BATCHES)
def test_a_whole_file_that_is_no_batch_of_the_cell(failing, run, other):
    run("method=failing", "task=red/green", code=1)
    path = sorted(failing.folder.rglob("batch-*.npz"))[0]
    path.write_bytes(pack_arrays(OTHER_BATCHES[other](read_arrays(path))))
    (failing.folder / "until").touch()
    _, damaged = run("method=failing", "task=red/green")
    assert damaged == [str(path)]
    steps = (failing.folder / "until.log").read_text().split()
    assert steps == ["1.0", "2.0", "3.0", "1.0", "3.0"]


@EVERYWHERE
def test_what_a_killed_run_left_is_not_read_but_made_anew(failing, run, damage):
    """Shared arrays and claims: no warning, as nothing in them is ever taken up."""
    leave_unfinished(failing)
    for pattern in ("shared-0/n.npy", "shared-0/large.npy", "claims/*.lock"):
        harm(failing.folder / "results", pattern, damage)
    shared = next((failing.folder / "results").rglob("shared-0"))
    (shared / "stranger.npy").write_bytes(DAMAGES[damage](b"not an array at all"))
    table, damaged = run("method=failing", "task=red/green")
    assert damaged == []
    assert (failing.folder / "until.log").read_text().split() == ["1.0", "2.0", "3.0", "3.0"]
    assert run("method=failing", "task=red/green", "results.dir=elsewhere")[0] == table
    left = {path.name for path in (failing.folder / "results").rglob("*") if path.is_file()}
    assert left == {"record.json", "grid.npz"}


@pytest.mark.parametrize(
    ("name", "damage"),
    [("report.html", "truncated"), *(("table.csv", damage) for damage in DAMAGES)],
)
def test_reports_and_tables_are_written_anew(corpus, run, cdmer, name, damage):
    run("method=svm", "task=red/green")
    command = ("tables", "all") if name == "table.csv" else ("report",)
    words = (*command, "--results", str(corpus.folder / "results"), "--out", name)
    assert cdmer(*words)[0] == 0
    path, whole = harm(corpus.folder, name, damage)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cdmer(*words)[0] == 0
    assert path.read_bytes() == whole


def test_a_folder_in_the_place_of_each_file_is_a_clear_end(corpus, cdmer):
    """Nothing of ours makes one; it is no reason for a traceback."""
    arguments = corpus.arguments("backend=sequential", "method=svm", "task=red/green")
    assert cdmer("run", *arguments)[0] == 0
    for name in ("grid.npz", "record.json"):
        (path,) = (corpus.folder / "results").glob(f"cells/*/*/svm-{'?' * 32}/{name}")
        path.unlink()
        path.mkdir()
        with pytest.warns(UserWarning, match="set aside"):
            code, _, err = cdmer("run", *arguments)
        assert code == 0, err


@EVERYWHERE
def test_listing_failures_leaves_damaged_ones_out(tmp_path, damage):
    from cdmer_bench.results.store import ResultsStore
    from tests.results.test_store import make_failure

    store = ResultsStore(tmp_path)
    store.save_failure("ab" * 32, make_failure("no"))
    store.save_failure("cd" * 32, make_failure("neither"))
    path, _ = harm(tmp_path, "failures/ab*.json", damage)
    with pytest.warns(UserWarning, match="set aside") as warned:
        assert store.failures() == [make_failure("neither")]
    assert [str(w.message).split(" is damaged")[0] for w in warned] == [str(path)]
    assert len(store.failures()) == 1
