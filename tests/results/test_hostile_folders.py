"""Results folders of others: no name, key or link in them leads out, nothing strange is used."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.results.store import ResultsStore
from tests.results.test_store import make_failure, make_record


def tree(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.mark.parametrize("name", ["../../x", "/abs", "..", "a/../../../b"])
def test_merging_a_hostile_folder_stays_inside(tmp_path, cdmer, monkeypatch, name):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    record = make_record(task=name, descriptor=name, method=name, source=name, target=name)
    ResultsStore("hostile").save(record)
    code, _, err = cdmer("results", "merge", "hostile", "--into", "merged")
    assert code == 0, err
    assert set(os.listdir(tmp_path)) == {"work"}
    assert set(os.listdir(tmp_path / "work")) == {"hostile", "merged"}
    (merged,) = ResultsStore("merged").records()
    assert merged.task == name


@pytest.mark.parametrize("key", ["../" * 8 + "x", "/abs", "..", "ab/" * 11])
def test_a_key_that_is_a_path_is_refused(tmp_path, cdmer, monkeypatch, key):
    """The key is part of folder names, so it must be what keys are: hexadecimal digits."""
    from cdmer_bench.results.serialize import arrays_of, content_of, seal

    monkeypatch.chdir(tmp_path)
    record = make_record(key=key)
    folder = tmp_path / "hostile" / "cells" / "t" / "d" / f"gfk-{key[:32].replace('/', '_')}"
    folder.mkdir(parents=True)
    np.savez(folder / "grid.npz", **arrays_of(record))
    (folder / "record.json").write_bytes(seal(content_of(record)))
    with pytest.warns(UserWarning, match="set aside"):
        code, _, err = cdmer("results", "merge", "hostile", "--into", "merged")
    assert code == 0, err
    assert "0 cells added" in err
    assert set(os.listdir(tmp_path)) == {"hostile", "merged"}
    with pytest.raises(UserError, match="key"):
        ResultsStore("merged").save(record)


def test_links_in_a_merged_folder_are_copied_as_content(tmp_path, cdmer, monkeypatch):
    """A link to a file elsewhere brings no foreign file into the results."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("secret")
    store, record = ResultsStore("hostile"), make_record()
    store.save(record)
    folder = store.folder_of(record)
    (folder / "more.txt").symlink_to(tmp_path / "secret")
    cdmer("results", "merge", "hostile", "--into", "merged")
    assert {Path(p).name for p in tree(tmp_path / "merged") if "." in p} == {
        "record.json",
        "grid.npz",
    }


@pytest.mark.parametrize(
    "place", ["cells", "cells/exp05", "cells/exp05/lbp_top_r3p8", "unfinished", "failures"]
)
def test_a_link_in_a_results_folder_leads_nowhere(tmp_path, cdmer, corpus, place):
    """Neither is anything read through it, nor is a file written, moved or removed there."""
    elsewhere = ResultsStore(corpus.folder / "elsewhere")
    record = make_record()
    elsewhere.save(record)
    elsewhere.save_failure("cd" * 32, make_failure("no"))
    (elsewhere.folder / "unfinished").mkdir(exist_ok=True)
    before = tree(elsewhere.folder)
    for action in ("merge from", "merge into", "run"):
        downloaded = corpus.folder / action
        (downloaded / place).parent.mkdir(parents=True)
        (downloaded / place).symlink_to(elsewhere.folder / place)
        (downloaded / "cells").mkdir(exist_ok=True)
        if action == "run":
            into = f"results.dir={downloaded}"
            code, _, err = cdmer("run", *corpus.arguments("method=svm", "task=red/green", into))
            written = False
        else:
            sources = (
                (downloaded, "merged") if action == "merge from" else ("elsewhere", downloaded)
            )
            code, _, err = cdmer("results", "merge", str(sources[0]), "--into", str(sources[1]))
            written = action == "merge from" and not place.startswith("cells")
        assert "Traceback" not in err
        assert (code == 0) == written, (action, err)
        if code:
            assert "leads out of the results folder" in err
    assert tree(elsewhere.folder) == before


@pytest.mark.parametrize("name", ["", "record.json", "grid.npz", "selection.npz"])
def test_a_cell_that_is_a_link_is_set_aside(tmp_path, name):
    store, record = ResultsStore(tmp_path / "results"), make_record()
    store.save(record)
    path = store.folder_of(record) / name
    outside = tmp_path / "outside"
    if path.exists():
        path.rename(outside)
    path.symlink_to(outside)
    before = tree(tmp_path / "outside")
    with pytest.warns(UserWarning, match="is a link"):
        assert store.records() == []
    assert tree(tmp_path / "outside") == before
    store.save(record)
    assert len(store.records()) == 1


@pytest.mark.parametrize("name", ["shared", "building", "replaced", "batch-00000.npz"])
def test_a_link_among_unfinished_files_leads_nowhere(corpus, cdmer, name):
    """Whoever knows the configuration knows the cell's key, and so where a run will write."""
    arguments = corpus.arguments("method=svm", "task=red/green", "backend=sequential")
    assert cdmer("run", *arguments)[0] == 0
    store = ResultsStore(corpus.folder / "results")
    (record,) = store.records()
    outside = corpus.folder / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    store.unfinished(record.key).mkdir(parents=True)
    (store.unfinished(record.key) / name).symlink_to(outside)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        code, _, err = cdmer("run", *arguments, "force=true")
    assert code == 0, err
    assert tree(outside) == {"mine.txt"}
    assert len(store.records()) == 1
    assert list((store.folder / "unfinished").iterdir()) == []


def test_a_claim_that_is_a_link_is_not_followed(corpus, cdmer):
    store, record = ResultsStore(corpus.folder / "results"), make_record()
    (store.folder / "claims").mkdir(parents=True)
    (store.folder / "claims" / f"{record.key[:32]}.lock").symlink_to(corpus.folder / "made")
    with pytest.raises(UserError, match="a link is in the way"), store.claim(record.key):
        pass
    assert not (corpus.folder / "made").exists()


STRANGE_INPUTS = {
    "source_cv_predictions": [np.full((4, 9), 3, np.uint8), np.zeros((4, 9), int)],
    "reverse_predictions": [np.full((4, 9), np.nan)],
    "source_folds": [np.full(9, -1)],
    "density_ratio": [np.full(9, np.nan), np.full(9, -1.0), np.array(list("abcdefghi"))],
}


@pytest.mark.parametrize(
    ("name", "array"), [(n, a) for n, arrays in STRANGE_INPUTS.items() for a in arrays]
)
def test_selection_inputs_that_no_run_records_are_set_aside(tmp_path, name, array):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    record.extras[name] = array
    store.save_selection_inputs(record)
    with pytest.warns(UserWarning, match=f"{name} holds .*set aside"):
        (loaded,) = store.records()
    assert name not in loaded.extras


def test_hostile_json_is_set_aside(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    for content in ("[" * 100_000, '{"content": 1e999}', json.dumps({"content": {}, "sha256": 1})):
        store.save(record)
        folder = store.folder_of(record)
        (folder / "record.json").write_text(content)
        with pytest.warns(UserWarning, match="set aside"):
            assert store.load(folder) is None
