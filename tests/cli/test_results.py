"""Results of several machines in one folder, and the removal of superseded ones."""

import dataclasses
import hashlib
import json
import subprocess

import pytest

from cdmer_bench.results.store import ResultsStore, seal, unseal
from tests.reporting.records import record

BOTH = "task=red/green,green/red"
PIPES = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}


def run(cdmer, corpus, results, *more):
    """Run both tasks in this process; return the folder of the results."""
    folder = corpus.folder / results
    words = corpus.arguments(BOTH, "backend=sequential", f"results.dir={folder}", *more)
    assert cdmer("run", *words)[0] == 0
    return folder


def files(folder):
    """Return the bytes of every result, by the path inside the results folder."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.glob("cells/*/*/*/*.npz")}


def printed(cdmer, folder):
    code, out, _ = cdmer("tables", "all", "--format", "csv", "--results", str(folder))
    assert code == 0
    return out


@pytest.fixture
def alone(corpus, cdmer):
    """The results of one run of everything, one process."""
    return run(cdmer, corpus, "alone", "method=svm,gfk,sa")


def test_folders_of_two_machines_merge_into_the_results_of_one_run(corpus, cdmer, alone):
    run(cdmer, corpus, "a", "method=svm,gfk")
    run(cdmer, corpus, "b", "method=gfk,sa", "selection_inputs=source_cv")
    merged = corpus.folder / "merged"
    sources = [str(corpus.folder / name) for name in "ab"]
    code, _, err = cdmer("results", "merge", *sources, "--into", str(merged))
    assert code == 0
    assert "a: 4 cells added, 0 were there already\n" in err
    assert "b: 2 cells added, 2 were there already\n" in err
    held = files(merged)
    assert {path: held[path] for path in files(alone)} == files(alone)
    # GFK's cells came first from the folder that had no selection inputs.
    assert {p for p in held if p.name == "selection.npz"} == {
        p for p in files(corpus.folder / "b") if p.name == "selection.npz"
    }
    assert printed(cdmer, merged) == printed(cdmer, alone)
    assert (
        "0 cells added, 6 were" in cdmer("results", "merge", str(merged), "--into", str(merged))[2]
    )


def test_selection_inputs_of_several_folders_are_kept_together(corpus, cdmer):
    words = corpus.arguments("method=gfk", "task=red/green", "backend=sequential", "progress=false")
    inputs = {}
    for rule in ("source_cv", "reverse"):
        folder = corpus.folder / rule
        assert cdmer("run", *words, f"selection_inputs={rule}", f"results.dir={folder}")[0] == 0
        inputs |= ResultsStore(folder).records()[0].selection_inputs()
    sources = [str(corpus.folder / rule) for rule in ("source_cv", "reverse")]
    assert cdmer("results", "merge", *sources, "--into", "merged")[0] == 0
    (merged,) = ResultsStore("merged").records()
    held = merged.selection_inputs()
    assert set(held) == set(inputs)
    assert {"source_cv_predictions", "reverse_predictions"} < set(held)
    for name, array in inputs.items():
        assert (held[name] == array).all()
    code, out, _ = cdmer("tables", "--selection", "source_cv,reverse", "--results", "merged")
    assert code == 0
    assert "not recorded" not in out


def test_two_runs_that_write_to_one_folder_share_the_cells(corpus, cdmer, alone):
    shared = corpus.folder / "shared"
    words = corpus.arguments("method=svm,gfk,sa", BOTH, f"results.dir={shared}")
    command, environment = corpus.command("run", *words, "backend=sequential")
    both = [subprocess.Popen(command, env=environment, **PIPES) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert files(shared) == files(alone)
    assert printed(cdmer, shared) == printed(cdmer, alone)
    assert not list((shared / "unfinished").glob("*"))


def test_a_cell_with_other_predictions_is_named_and_left_as_it_is(corpus, cdmer, alone):
    mine, other = ResultsStore(corpus.folder / "mine"), ResultsStore(alone)
    changed = other.records()[0]
    predictions = changed.predictions.copy()
    predictions[0] = (predictions[0] + 1) % 3
    mine.save(dataclasses.replace(changed, predictions=predictions))
    code, _, err = cdmer("results", "merge", str(alone), "--into", str(mine.folder))
    assert code == 0
    assert "5 cells added, 1 were there already; of these 1 hold other predictions" in err
    assert f"({changed.method} {changed.task})" in err
    (kept,) = (record for record in mine.records() if record.key == changed.key)
    assert (kept.predictions == predictions).all()


def test_a_damaged_cell_and_a_failure_elsewhere_stop_no_merge(corpus, cdmer, alone):
    store = ResultsStore(alone)
    labels = dict.fromkeys(("task_label", "method_label", "descriptor_label", "corpus"), "x")
    failure = {**labels, "error": "no data", "trace": "", "user_error": True}
    store.save_failure("0" * 32, failure)
    damaged = sorted(alone.glob("cells/*/*/*/grid.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-20])
    (alone / "unfinished" / "half").mkdir(parents=True)
    merged = corpus.folder / "merged"
    with pytest.warns(UserWarning, match="set aside"):
        code, _, err = cdmer("results", "merge", str(alone), "--into", str(merged))
    assert code == 0
    assert "5 cells added, 0 were there already; 1 failed there" in err
    assert not list(merged.glob("unfinished/*"))
    assert len(ResultsStore(merged).records()) == 5


@pytest.fixture
def edited(tmp_path):
    """A folder with a cell from before an edit of its method, one after it, and two failures."""
    store = ResultsStore(tmp_path / "edited")
    for key, day, label in (("a", 1, "TCA"), ("b", 2, "TCA"), ("c", 3, "GFK")):
        method = label.lower()
        about = {"date": f"2026-01-0{day}T10:30:00+00:00"}
        store.save(record(5, method, label, key=key * 64, about=about))
    place = {"descriptor_label": "LBP-TOP(R3P8)", "corpus": "released", "error": "no"}
    for key, label in (("d", "TCA"), ("e", "SA")):
        store.save_failure(key * 64, {"task_label": "Exp.5", "method_label": label, **place})
    return store


def kept(store):
    failures = [path.stem[0] for path in store.folder.glob("failures/*.json")]
    return [r.key[0] for r in store.records()], failures


def test_prune_removes_what_is_superseded_and_says_how_much(edited, cdmer):
    folder = str(edited.folder)
    size = sum(f.stat().st_size for f in edited.folder.glob(f"cells/*/*/tca-{'a' * 32}/*"))
    code, _, err = cdmer("results", "prune", "--results", folder, "--dry-run")
    assert code == 0
    assert f"1 superseded cell and 0 of an older version ({size / 1e6:.1f} MB); 1 of the" in err
    assert "Exp.5, TCA, LBP-TOP(R3P8): of 2026-01-01 10:30" in err
    assert sorted(kept(edited)[0]) == ["a", "b", "c"]
    before = printed(cdmer, folder)
    assert cdmer("results", "prune", "--results", folder, "--yes")[0] == 0
    assert sorted(kept(edited)[0]) == ["b", "c"]
    assert kept(edited)[1] == ["e"]
    assert printed(cdmer, folder) == before
    assert "nothing to remove" in cdmer("results", "prune", "--results", folder)[2]


def test_superseded_results_are_not_listed(edited, cdmer):
    _, out, _ = cdmer("list", "runs", "--results", str(edited.folder))
    assert "b" * 12 in out
    assert "c" * 12 in out
    assert "a" * 12 not in out


def test_prune_asks_in_a_terminal_alone(edited, cdmer, monkeypatch):
    folder = str(edited.folder)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert "nothing was removed" in cdmer("results", "prune", "--results", folder)[2]
    assert len(edited.records()) == 3
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert cdmer("results", "prune", "--results", folder)[0] == 0
    assert len(edited.records()) == 2


def test_prune_of_no_results_folder_is_refused(tmp_path, cdmer):
    code, _, err = cdmer("results", "prune", "--results", str(tmp_path))
    assert code == 2
    assert "holds no cells" in err


def test_prune_removes_what_an_older_version_made(edited, cdmer):
    path = next(edited.folder.glob(f"cells/*/*/gfk-{'c' * 32}/record.json"))
    content = unseal(path.read_bytes())
    path.write_bytes(seal({**content, "format": content["format"] - 1}))
    folder = str(edited.folder)
    code, _, err = cdmer("results", "prune", "--results", folder)
    assert code == 0
    assert "1 superseded cell and 1 of an older version" in err
    assert kept(edited)[0] == ["b"]
    assert not path.parent.exists()


def test_prune_with_yes_asks_nothing(edited, cdmer, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail("it asked"))
    assert cdmer("results", "prune", "--results", str(edited.folder), "--yes")[0] == 0
    assert len(edited.records()) == 2


def test_a_cell_in_the_hands_of_another_process_is_left_alone(edited, cdmer, tmp_path):
    (superseded,) = (r for r in edited.records() if r.key[0] == "a")
    with edited.claim(superseded.key) as held:
        assert held
        code, _, err = cdmer("results", "prune", "--results", str(edited.folder))
        assert code == 0
        assert "removed; 1 are in the hands of another process" in err
        assert edited.folder_of(superseded).exists()
    target = ResultsStore(tmp_path / "target")
    with target.claim(superseded.key):
        _, _, err = cdmer("results", "merge", str(edited.folder), "--into", str(target.folder))
        assert "2 cells added, 0 were there already; 1 are in the hands of another process" in err
        assert sorted(kept(target)[0]) == ["b", "c"]
    _, _, err = cdmer("results", "merge", str(edited.folder), "--into", str(target.folder))
    assert "1 cells added, 2 were there already" in err


def test_a_file_is_verified_with_the_results_that_are_named(tmp_path, cdmer, monkeypatch):
    """Of one's own results those that are current count."""
    monkeypatch.chdir(tmp_path)
    store = ResultsStore("mine")
    for key, day, features in (("a", 2, "new"), ("b", 1, "old")):
        used = {"target": {"title": "SMIC-NIR", "features": features}}
        about = {"date": f"2026-01-0{day}T10:30:00+00:00"}
        store.save(record(5, key=key * 64, used=used, about=about))
    assert cdmer("results", "pack", "lab.zip", "--results", "mine")[0] == 0
    code, out, _ = cdmer("results", "verify", "lab.zip", "--results", "mine")
    assert code == 0
    assert "1 cells, 3 figures recomputed" in out
    assert "SMIC-NIR, LBP-TOP(R3P8): the same content as yours (new)" in out
    assert "none of your own here" in cdmer("results", "verify", "lab.zip")[1]
    # A packed figure that is wrong is told by the exit code.
    import zipfile

    with zipfile.ZipFile("lab.zip") as held:
        members = {name: held.read(name) for name in held.namelist()}
    cell = "cells/00000/record.json"
    members[cell] = members[cell].replace(b'"accuracy": ', b'"accuracy": 1')
    members["manifest.json"] = json.dumps(
        {
            "format": 1,
            "files": {
                name: hashlib.sha256(data).hexdigest()
                for name, data in members.items()
                if name != "manifest.json"
            },
        }
    ).encode()
    with zipfile.ZipFile("forged.zip", "w") as forged:
        for name, data in members.items():
            forged.writestr(name, data)
    code, out, _ = cdmer("results", "verify", "forged.zip", "--results", "mine")
    assert code == 1
    assert "3 of them differ" in out
