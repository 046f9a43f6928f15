"""Files from others: nothing in them is run, no path leaves its folder, no text becomes markup."""

import ast
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import cdmer_bench
from cdmer_bench.databases.feature_files import list_variables, read_variables
from cdmer_bench.errors import UserError
from cdmer_bench.files import read_arrays
from cdmer_bench.results.store import ResultsStore
from tests.results.test_store import make_record

ROOT = Path(cdmer_bench.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
# Where pickles are made and read again in the same run, or sent between processes of one run.
OWN_PICKLES = {"dask_cluster.py", "contract.py"}


class Bomb:
    """An object whose unpickling writes a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (Path.touch, (Path(self.mark),))


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_reads_anything_that_could_run_code(path):
    for name, call in calls(ast.parse(path.read_text())):
        options = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if name in ("np.load", "numpy.load"):
            assert options.get("allow_pickle") != "True"
        if name.endswith("torch.load"):
            assert options.get("weights_only") == "True"
        assert name not in ("eval", "exec", "compile", "joblib.load", "pd.read_pickle", "os.system")
        assert name not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load")
        if name in ("pickle.loads", "pickle.load", "cloudpickle.loads"):
            assert path.name in OWN_PICKLES
        if name in ("subprocess.run", "subprocess.Popen"):
            assert options.get("shell", "False") == "False"


def bomb_array(tmp_path):
    return np.array([Bomb(tmp_path / "exploded")], dtype=object)


def test_numpy_itself_would_run_the_bomb(tmp_path):
    np.savez(tmp_path / "bomb.npz", features=bomb_array(tmp_path))
    with np.load(tmp_path / "bomb.npz", allow_pickle=True) as arrays:
        arrays["features"]
    assert (tmp_path / "exploded").exists()


@pytest.mark.parametrize("read", [list_variables, lambda p: read_variables(p, ["features"])])
def test_pickles_in_feature_files_are_refused(tmp_path, read):
    path = tmp_path / "bomb.npz"
    np.savez(path, features=bomb_array(tmp_path), labels=np.arange(3))
    with pytest.raises(UserError, match="Python objects"):
        read(path)
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(UserError):
        read(path)
    assert not (tmp_path / "exploded").exists()


def test_pickles_in_stored_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "bomb.npz", X=bomb_array(tmp_path))
    np.save(tmp_path / "bomb.npy", bomb_array(tmp_path))
    (tmp_path / "raw").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    for name in ("bomb.npz", "bomb.npy", "raw"):
        with pytest.raises(ValueError):
            read_arrays(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_matlab_objects_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"features": {"a": 1.0}, "labels": np.arange(3)})
    with pytest.raises(UserError):
        read_variables(tmp_path / "a.mat", ["features"])


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir [exploded]", "!!python/name:os.system ''"]
)
def test_yaml_that_names_python_objects_is_refused(corpus, cdmer, tag):
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "method" / "bad.yaml").write_text(
        f"# @package methods.bad\n_target_: {tag}\n"
    )
    code, _, err = cdmer("run", *corpus.arguments("method=bad", "task=red/green"))
    assert code == 2
    assert "Traceback" not in err
    assert not (corpus.folder / "exploded").exists()


def test_a_target_in_results_or_data_is_never_imported(corpus, cdmer):
    """``explosive`` lies where Python finds it; only a configuration may name it."""
    mark = corpus.folder / "exploded"
    (corpus.folder / "explosive.py").write_text(f"open({str(mark)!r}, 'w')\nclass Method: pass\n")
    target = {"_target_": "explosive.Method"}
    X, y = np.load(corpus.folder / "red.npz").values()
    np.savez(corpus.folder / "red.npz", features=X, labels=y, _target_=np.array(target["_target_"]))
    arguments = corpus.arguments("method=svm", "task=red/green", "backend=sequential")
    assert cdmer("run", *arguments)[0] == 0
    store = ResultsStore(corpus.folder / "results")
    hostile = make_record(
        parameters=target, settings=[target] * 4, about=target | {"seconds": 1}, corpus="small"
    )
    store.save(hostile)
    assert len(store.records()) == 2
    for command in (
        ["run", *arguments],
        ["tables", "--results", "results"],
        ["stats", "--results", "results"],
        ["report", "--results", "results", "--out", "report.html"],
        ["list", "runs", "--results", "results"],
        ["results", "merge", "results", "--into", "merged"],
    ):
        _, _, err = cdmer(*command)
        assert "Traceback" not in err, command
    assert not mark.exists()


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
    folder = store.cell_folder(record.task, record.descriptor, record.method, record.key)
    (folder / "more.txt").symlink_to(tmp_path / "secret")
    cdmer("results", "merge", "hostile", "--into", "merged")
    assert {Path(p).name for p in tree(tmp_path / "merged") if "." in p} == {
        "record.json",
        "grid.npz",
    }


HOSTILE_TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    r"\input{/etc/passwd}",
    r"\write18{rm x} % & _ # $ ^ ~ { }",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_labels_become_text_in_every_format(tmp_path, text):
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.reporting import render_all, tables_for
    from cdmer_bench.reporting.html_report import build_report

    record = make_record(
        task=text,
        task_label=text,
        method=text,
        method_label=text,
        descriptor_label=text,
        corpus=text,
        classes=(text, "b", "c"),
        notes={0: text},
        settings=[{text: text}] * 4,
        about={"command": text, "host": text, "date": text, "seconds": 1.0},
        extras={},
        scores=None,
    )
    tables = tables_for([record], rule("oracle"))
    for page in (render_all(tables, "html"), build_report([record], pictures=False)):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    latex = render_all(tables, "tex")
    for command in (r"\input{", r"\write18{"):
        assert command not in latex


def test_hostile_json_is_set_aside(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    for content in ("[" * 100_000, '{"content": 1e999}', json.dumps({"content": {}, "sha256": 1})):
        store.save(record)
        folder = store.cell_folder(record.task, record.descriptor, record.method, record.key)
        (folder / "record.json").write_text(content)
        with pytest.warns(UserWarning, match="set aside"):
            assert store.load(folder) is None
