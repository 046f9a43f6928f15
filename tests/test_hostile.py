"""Files from others: nothing in them is run, no path leaves its folder, no text becomes markup."""

import ast
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import cdmer_bench
from cdmer_bench.databases.feature_files import list_variables, read_variables
from cdmer_bench.databases.fetch import RELEASED_FILES
from cdmer_bench.errors import UserError
from cdmer_bench.io import read_arrays
from cdmer_bench.results.store import ResultsStore
from tests.results.test_store import make_record

ROOT = Path(cdmer_bench.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
# Where pickles are made and read again in the same run, or sent between processes of one run.
OWN_PICKLES = {"dask_cluster.py", "checks.py", "contract.py"}


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
        assert name not in ("yaml.unsafe_load", "yaml.full_load")
        if name == "yaml.load":
            assert options.get("Loader") == "loader"
            assert 'loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)' in path.read_text()
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


def test_no_source_unpacks_archives_into_folders():
    """Fetching takes single files of known names; there is no archive whose paths could escape."""
    for path in SOURCES:
        for name, _ in calls(ast.parse(path.read_text())):
            assert not name.endswith((".extractall", ".extract_member", "unpack_archive")), path
        assert "tarfile" not in path.read_text(), path
    for file in RELEASED_FILES:
        assert Path(file.name).name == file.name


SHADOWS = ("h5py", "pandas", "cv2", "skimage", "matplotlib", "torch", "distributed", "openpyxl",
           "queue", "random", "signal", "numpy", "socket", "logging", "joblib")  # fmt: skip


def test_files_of_the_working_folder_stand_in_for_no_library(corpus):
    """One may well stand in a folder of downloaded data or results; its code must not run."""
    mark = corpus.folder / "exploded"
    bomb = f"open({str(mark)!r}, 'a').write(__name__ + ' ')\n"
    for name in SHADOWS:
        (corpus.folder / f"{name}.py").write_text(bomb)
    (corpus.folder / "hydra_plugins" / "bad").mkdir(parents=True)
    for name in ("hydra_plugins/bad/__init__.py", "hydra_plugins/bad.py", "sitecustomize.py"):
        (corpus.folder / name).write_text(bomb)
    (corpus.folder / "matplotlibrc").write_text("backend: module://torch\ntext.usetex: True\n")
    scipy.io.savemat(corpus.folder / "x.mat", {"a": np.ones(3)})
    for command in (
        ["run", *corpus.arguments("method=svm,gfk", "task=red/green", "n_jobs=2")],
        ["plot", "scores", "--results", "results", "--out", "scores.svg"],
    ):
        words, environment = corpus.command(*command)
        # -P: as the installed command, which does not put the working folder first itself.
        done = subprocess.run(
            [words[0], "-P", *words[1:]], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, (command, done.stderr)
        assert not mark.exists(), (command, mark.read_text())


def test_cards_among_the_data_are_not_read(corpus, cdmer):
    """Only --config-dir names a folder of cards; one below corpus.root is a folder like others."""
    (corpus.folder / "method").mkdir()
    (corpus.folder / "conf" / "method").mkdir(parents=True)
    mark = corpus.folder / "exploded"
    (corpus.folder / "explosive.py").write_text(f"open({str(mark)!r}, 'w')\nclass Method: pass\n")
    for folder in ("method", "conf/method"):
        card = "# @package methods.{0}\n_target_: explosive.Method\nlabel: x\n"
        for name in ("svm", "evil"):
            (corpus.folder / folder / f"{name}.yaml").write_text(card.format(name))
    arguments = ("task=red/green", "backend=sequential")
    assert cdmer("run", *corpus.arguments("method=svm", *arguments))[0] == 0
    code, _, err = cdmer("run", *corpus.arguments("method=evil", *arguments))
    assert code == 2
    assert "'evil' is not a method" in err
    assert not mark.exists()


@pytest.fixture
def torch_bomb(tmp_path):
    """Bytes of torch files that would touch a file when read without care."""
    torch = pytest.importorskip("torch", reason="C3D needs torch")
    made = {}
    for name, zipped in (("zip", True), ("legacy", False)):
        content = {"key": "k", "format": "x", "state_dict": {"a": Bomb(tmp_path / "exploded")}}
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
        made[name] = (tmp_path / name).read_bytes()
    torch.load(tmp_path / "zip", weights_only=False)
    assert (tmp_path / "exploded").exists()  # so the test would notice
    (tmp_path / "exploded").unlink()
    return {**made, "pickle": pickle.dumps(Bomb(tmp_path / "exploded"))}


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_code_in_weights_and_checkpoints_is_never_run(tmp_path, torch_bomb, kind):
    from cdmer_bench.descriptors.c3d import load_mean
    from cdmer_bench.descriptors.c3d.training import load_tensors
    from cdmer_bench.descriptors.c3d.weights import load_weights

    path = tmp_path / "weights.pth"
    path.write_bytes(torch_bomb[kind])
    with pytest.raises(UserError, match=r"weights\.pth"):
        load_weights(path, "sports1m")
    with pytest.warns(UserWarning, match="set aside"):
        assert load_tensors(path, "k") is None
    (tmp_path / "mean.npy").write_bytes(torch_bomb["pickle"])
    with pytest.raises(UserError, match=r"mean\.npy"):
        load_mean(str(tmp_path / "mean.npy"))
    np.save(tmp_path / "mean.npy", bomb_array(tmp_path))
    with pytest.raises(UserError, match=r"mean\.npy"):
        load_mean(str(tmp_path / "mean.npy"))
    assert not (tmp_path / "exploded").exists()


def test_pickles_in_every_store_are_refused(tmp_path):
    """In the cache of features, in records, batches, selection inputs and shared arrays."""
    from cdmer_bench.features import FeatureStore
    from cdmer_bench.runner.solve import read_shared

    np.savez(tmp_path / "bomb.npz", X=bomb_array(tmp_path), key=bomb_array(tmp_path))
    bomb = (tmp_path / "bomb.npz").read_bytes()
    cache, key = FeatureStore(tmp_path / "cache"), "ab" * 32
    cache.save("tiny", key, np.zeros((2, 3)), np.arange(2))
    cache.path("tiny", key).write_bytes(bomb)
    store, record = ResultsStore(tmp_path / "results"), make_record()
    store.save(record)
    cell = store.folder_of(record)
    (cell / "selection.npz").write_bytes(bomb)
    with pytest.warns(UserWarning, match="npz is damaged"):
        assert cache.load("tiny", key) is None
    with pytest.warns(UserWarning, match="selection.npz is damaged"):
        assert store.load(cell) is not None
    (cell / "grid.npz").write_bytes(bomb)
    with pytest.warns(UserWarning, match="gfk-.* is damaged"):
        assert store.load(cell) is None
    store.batch_path(record.key, 0, 0).parent.mkdir(parents=True)
    store.batch_path(record.key, 0, 0).write_bytes(bomb)
    with pytest.warns(UserWarning, match="batch-0-00000.npz is damaged"):
        assert store.load_batch(record.key, 0, 0, dict) is None
    shared = store.unfinished(record.key) / "shared"
    shared.mkdir()
    np.save(shared / "gram.npy", bomb_array(tmp_path))
    with pytest.raises(ValueError, match="pickle"):
        read_shared(shared)
    assert not (tmp_path / "exploded").exists()


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
    for page in (render_all(tables, "html"), build_report([record])):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    latex = render_all(tables, "tex")
    for command in (r"\input{", r"\write18{"):
        assert command not in latex
