"""Packed results: figures are recomputed, data compared, strangers' files refused."""

import dataclasses
import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from cdmer_bench.errors import UserError
from cdmer_bench.results.archive import beside, pack, read, verify
from cdmer_bench.results.current import current
from cdmer_bench.results.store import ResultsStore
from tests.damages import flip
from tests.results.test_store import make_record
from tests.small_corpus import draw_features

HASH = {"source": "aa" * 32, "target": "bb" * 32}


def record(**changes):
    used = {
        side: {"database": side, "title": side.title(), "features": HASH[side], "n_clips": 7,
               "n_expected": None, "class_counts": {}, "findings": {}}
        for side in HASH
    }  # fmt: skip
    about = {"command": "cdmer secret", "host": "mine", "versions": {"numpy": "1"},
             "corpus": {"root": "/private"}, "config_dir": "/private"}  # fmt: skip
    clips = np.array([f"clip{i}" for i in range(7)])
    return make_record(used=used, about=about, clips_target=clips, **changes)


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "out.zip"
    path.write_bytes(pack([record(), record(method="sa", key="cd" * 32)]))
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, **changed: bytes) -> None:
    """Put other members into an archive, and checksums that fit."""
    import hashlib

    held = {**members(path), **changed}
    held.pop("manifest.json")
    files = {name: hashlib.sha256(data).hexdigest() for name, data in held.items()}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": 1, "files": files}))
        for name, data in held.items():
            archive.writestr(name, data)


def test_it_holds_predictions_and_hashes_and_nothing_of_the_machine_or_the_data(packed):
    text = b"".join(members(packed).values())
    for private in (b"secret", b"/private", b"mine"):
        assert private not in text
    first, _ = read(packed)[0]
    whole = record()
    np.testing.assert_array_equal(first.predictions, whole.predictions)
    assert first.clips_target.tolist() == whole.clips_target.tolist()
    assert first.used == whole.used
    assert first.scores is None
    assert first.extras == {}
    assert pack([whole]) == pack([whole])


def test_its_figures_are_those_of_scikit_learn(packed):
    first, said = read(packed)[0]
    oracle = said["oracle"]
    predicted = first.predictions[oracle["setting"]]
    f1 = f1_score(first.y_target, predicted, average="macro")
    assert oracle["mean_f1"] == pytest.approx(f1, abs=1e-9)
    assert oracle["accuracy"] == pytest.approx(100 * accuracy_score(first.y_target, predicted))


def test_verify_recomputes_every_figure_and_compares_the_data(packed):
    lines, wrong = verify(packed, [record()])
    assert wrong == 0
    assert "2 cells" in lines[0]
    assert "all equal" in lines[0]
    assert sum("the same content as yours" in line for line in lines) == 2
    other = record()
    other.used["target"]["features"] = "cc" * 32
    lines, _ = verify(packed, [other])
    assert next(line for line in lines if "other content" in line).startswith("Target")
    assert "none of your own" in verify(packed, [])[0][-1]


@pytest.mark.parametrize(
    ("name", "value"), [("mean_f1", 0.9999), ("accuracy", 99.0), ("setting", 0), ("setting", 99)]
)
def test_verify_tells_a_figure_that_the_predictions_do_not_give(packed, name, value):
    cell = "cells/00000/record.json"
    content = json.loads(members(packed)[cell])
    assert content["figures"]["oracle"][name] != value
    content["figures"]["oracle"][name] = value
    rewrite(packed, **{cell: json.dumps(content).encode()})
    lines, wrong = verify(packed, [])
    assert wrong == 1
    assert "Exp.5 GFK LBP-TOP(R3P8), oracle" in lines[0]


def test_verify_chooses_again_by_every_rule_that_predictions_are_enough_for(packed):
    cell = "cells/00000/record.json"
    content = json.loads(members(packed)[cell])
    first, _ = read(packed)[0]
    # Proportions of the predicted classes against the source's, by hand.
    shares = [np.bincount(p, minlength=3) / len(p) for p in first.predictions]
    source = np.bincount(first.y_source, minlength=3) / len(first.y_source)
    nearest = int(np.argmin([np.abs(share - source).sum() for share in shares]))
    assert content["figures"]["class_balance"]["setting"] == nearest
    other = (nearest + 1) % 4
    predicted = first.predictions[other]
    told = {
        "setting": other,
        "mean_f1": round(f1_score(first.y_target, predicted, average="macro"), 10),
        "accuracy": round(100 * accuracy_score(first.y_target, predicted), 10),
    }
    content["figures"]["class_balance"] = told
    rewrite(packed, **{cell: json.dumps(content).encode()})
    lines, wrong = verify(packed, [])
    assert wrong == 1
    assert f"setting {other} is not the one that the rule class_balance chooses" in lines[0]


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


HOSTILE = {
    "a file elsewhere": {"../../evil": b""},
    "a file of another name": {"cells/00000/extra.py": b"x"},
    "an absolute path": {"/etc/passwd": b""},
    "a pickle": {"cells/00000/grid.npz": pickle.dumps(Bomb())},
    "a pickle in an array": {
        "cells/00000/grid.npz": npz(predictions=np.array([Bomb()], dtype=object))
    },
    "no arrays": {"cells/00000/grid.npz": npz(key=np.array("x"))},
    "no JSON": {"cells/00000/record.json": b"[" * 100_000},
    "no record": {"cells/00000/record.json": b"[]"},
    "half a cell": {"cells/00002/record.json": b"{}"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_refused(packed, what, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rewrite(packed, **HOSTILE[what])
    with pytest.raises(UserError, match="is refused"):
        read(packed)
    assert {path.name for path in tmp_path.iterdir()} == {"out.zip"}


@pytest.mark.parametrize(
    "change",
    [
        {"key": "../../x"}, {"classes": ["one"]}, {"settings": [1, 2, 3, 4]}, {"about": 3},
        {"settings": []}, {"method_label": 3}, {"format": 99},
        {"figures": {"oracle": 3}}, {"figures": ["oracle"]}, {"figures": {"orakel": {}}},
        {"figures": {}}, {"figures": {"oracle": {"setting": "0"}}},
        {"used": {"source": 3}}, {"used": {"other": {}}}, {"used": {"source": {"title": []}}},
        {"used": {"source": {"class_counts": {"a": "b"}}}},
        {"used": {"source": {"remarks": [3]}}}, {"about": {"seconds": "long"}},
        {"about": {"host": "mine"}}, {"classes": ["a", "b", 3]}, {"synthetic": "no"},
        {"notes": {"99": "text"}}, {"notes": {"0": 3}}, {"settings": [[], [], [], []]},
        {"variant": "mine"}, {"differs": [3]}, {"errors_ignored": 0}, {"parameters": []},
        {"used": {"target": {"findings": {"error": "none"}}}},
    ],
    ids=str,
)  # fmt: skip
def test_cells_that_no_run_stores_are_refused(packed, change):
    cell = "cells/00000/record.json"
    content = {**json.loads(members(packed)[cell]), **change}
    rewrite(packed, **{cell: json.dumps(content).encode()})
    with pytest.raises(UserError, match="is refused"):
        read(packed)


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": np.zeros((4, 7, 3))}, {"extra_weights": np.zeros(4)},
        {"y_target": np.full(7, -1)}, {"clips_target": np.array(["one"])},
        {"clips_target": np.zeros(7)}, {"subject_target": np.array([["a"] * 7])},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_arrays_that_no_cell_packs_are_refused(packed, changed):
    cell = "cells/00000/grid.npz"
    held = dict(np.load(io.BytesIO(members(packed)[cell])))
    rewrite(packed, **{cell: npz(**{**held, **changed})})
    with pytest.raises(UserError, match="is refused"):
        read(packed)


def test_many_cells_together_stay_within_the_memory(packed, monkeypatch):
    cells = members(packed)
    large = npz(
        **{**np.load(io.BytesIO(cells["cells/00000/grid.npz"])), "key": np.array("a" * 500)}
    )
    n_bytes = sum(info.file_size for info in zipfile.ZipFile(io.BytesIO(large)).infolist())
    rewrite(packed, **{f"cells/{i:05d}/grid.npz": large for i in range(30)})
    # Packed, all members fit; unpacked, any of them does, but not all.
    monkeypatch.setattr("cdmer_bench.io.memory_limit", lambda: 29 * n_bytes)
    with pytest.raises(UserError, match="when unpacked"):
        read(packed)


def test_a_damaged_or_huge_archive_is_refused(packed, monkeypatch):
    whole = packed.read_bytes()
    expected = [(r.content(), said) for r, said in read(packed)]
    for data in (b"", whole[: len(whole) // 2], b"no archive"):
        packed.write_bytes(data)
        with pytest.raises(UserError, match="is refused"):
            read(packed)
    for position in np.random.default_rng(0).choice(len(whole), 60, replace=False):
        packed.write_bytes(whole[:position] + flip(whole[position : position + 1])
                           + whole[position + 1 :])  # fmt: skip
        try:
            found = [(r.content(), said) for r, said in read(packed)]
        except UserError:
            continue
        assert found == expected  # a time or the like
    packed.write_bytes(whole)
    monkeypatch.setattr("cdmer_bench.io.memory_limit", lambda: 100)
    with pytest.raises(UserError, match="when unpacked"):
        read(packed)


def test_rows_of_other_data_are_told(packed):
    mine = record()
    assert [row.differs for row in beside(str(packed), [mine])] == [(), ()]
    used = {**mine.used, "target": {**mine.used["target"], "features": "ee" * 32}}
    other = dataclasses.replace(mine, used=used)
    rows = beside(str(packed), [other])
    told = f"Target has other features (LBP-TOP(R3P8)) in {packed} than in your results"
    assert [row.differs for row in rows] == [(told,), (told,)]
    # Rows that nobody here can run again are not said to be older.
    assert [r.differs for r in current([other, *rows])] == [(), (told,), (told,)]
    assert [row.differs for row in beside(str(packed), [])] == [(), ()]


def test_no_control_character_of_a_stranger_is_shown(packed):
    cell = "cells/00000/record.json"
    content = {**json.loads(members(packed)[cell]), "method_label": "a\x1b[2Jb"}
    rewrite(packed, **{cell: json.dumps(content).encode()})
    assert read(packed)[0][0].method_label == "a[2Jb"
    hidden = {"notes": {"0": "a\x1b[2Jb"}, "settings": [{"k\x1b": "\x07"}] * 4}
    rewrite(packed, **{cell: json.dumps({**content, **hidden}).encode()})
    assert "\\u00" not in json.dumps(read(packed)[0][0].content())


def test_the_commands(corpus, cdmer):
    run = corpus.arguments("method=svm,sa", "task=red/green", "backend=sequential")
    assert cdmer("run", *run)[0] == 0
    results = ("--results", str(corpus.folder / "results"))
    code, _, err = cdmer("results", "pack", "lab.zip", *results)
    assert code == 0, err
    assert "2 cells" in err
    code, out, err = cdmer("results", "verify", "lab.zip", *results)
    assert code == 0, err
    assert "all equal" in out
    assert out.count("the same content as yours") == 2
    code, out, err = cdmer("tables", "own", *results, "--with", "lab.zip")
    assert code == 0, err
    assert "SA [lab]" in out, out
    figures = [line.split()[-2:] for line in out.splitlines() if line.startswith("SA")]
    assert figures[0] == figures[1]
    # Words that choose results choose among the others' too.
    _, out, _ = cdmer("tables", "own", "method=svm,sa", "task=all", *results, "--with", "lab.zip")
    assert {"SA [lab]", "Baseline [lab]"} <= {" ".join(row.split()[:2]) for row in out.splitlines()}
    _, out, _ = cdmer("tables", "own", "method=svm", *results, "--with", "lab.zip")
    assert "Baseline [lab]" in out
    assert "SA" not in out
    code, _, err = cdmer("results", "verify", "nothing.zip", *results)
    assert code == 2
    assert "is not there" in err


def test_what_a_run_remarks_of_its_data_is_packed_and_read(corpus, cdmer):
    X, y = draw_features(1, 24)
    corpus.write("red", X, y)
    corpus.write("green", X[:12], y[:12])  # clips of the source
    run = corpus.arguments("method=svm", "task=red/green", "backend=sequential")
    assert cdmer("run", *run)[0] == 0
    results = corpus.folder / "results"
    assert cdmer("results", "pack", "lab.zip", "--results", str(results))[0] == 0
    (mine,), ((packed, _),) = current(ResultsStore(results)), read(Path("lab.zip"))
    assert mine.used["target"]["shared"]
    assert packed.used == mine.used


def test_packed_cells_of_another_corpus_are_named(packed, tmp_path, cdmer):
    ResultsStore(tmp_path / "results").save(make_record(corpus="elsewhere"))
    words = "--results", str(tmp_path / "results"), "--with", str(packed)
    code, out, err = cdmer("tables", "3", *words)
    assert code == 0, err
    assert "2 cells of the corpus" in err
    assert "left out, not of 'elsewhere'" in err
    assert "[out]" not in out


def test_the_commands_of_the_page_run_as_written(corpus, cdmer, monkeypatch):
    monkeypatch.chdir(corpus.folder)
    assert cdmer("run", *corpus.arguments("method=svm", "task=red/green"))[0] == 0
    page = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text()
    commands = re.findall(r"^cdmer (.*)$", page, re.MULTILINE)
    assert [command.split()[-1] for command in commands] == ["lab.zip"] * 3
    for command in commands:
        code, _, err = cdmer(*command.split())
        assert code == 0, err
