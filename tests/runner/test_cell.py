"""A cell: what its key, its settings and its marks are made from, and what refuses it."""

import numpy as np
import pytest

from cdmer_bench.methods import SA
from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import CLIP_CORPUS, CLIPS, draw_features


def run(corpus, cdmer, *more):
    words = corpus.arguments("backend=sequential", "progress=false", *more)
    code, _, err = cdmer("run", *words)
    assert code == 0, err
    return ResultsStore(corpus.folder / "results").records()


CARD = "my_conf/corpus/small.yaml"


def edit(corpus, name, old, new):
    path = corpus.folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


SHAPED = """\
from dataclasses import dataclass
from cdmer_bench.methods import SVM

@dataclass
class Shaped(SVM):
    def settings(self, grid, shapes):
        return [{"C": float(shape)} for shape in shapes]
"""


def test_each_cell_has_the_settings_of_its_own_method_grid_and_sizes(corpus, cdmer):
    corpus.write("blue", *draw_features(3, 9))
    corpus.add_method("shaped", SHAPED, "{C: [1.0]}")
    words = ("method=gfk,sa,tca,shaped", "methods.tca.grid.k=[2,5]", "task=red/green,blue/red")
    records = run(corpus, cdmer, *words)  # GFK and SA have one grid, in which k is all
    searched = {(r.method, r.source): [next(iter(s.values())) for s in r.settings] for r in records}
    assert searched == {
        ("gfk", "red"): list(range(1, 18)),
        ("gfk", "blue"): list(range(1, 9)),
        ("sa", "red"): list(range(1, 24)),
        ("sa", "blue"): list(range(1, 24)),
        ("tca", "red"): [2, 5],
        ("tca", "blue"): [2, 5],
        ("shaped", "red"): [24.0, 18.0, 30.0],
        ("shaped", "blue"): [9.0, 24.0, 30.0],
    }


def test_cells_that_differ_by_a_name_alone_have_keys_of_their_own(corpus, cdmer):
    """Failures and unfinished batches are found by the key, so that no name may be left out."""
    entry = "files: {given: red.npz}"
    edit(corpus, CARD, entry, "files: {given: red.npz, again: red.npz}")
    edit(corpus, CARD, "green.npz", "green.npz, again: green.npz")
    # Another database of the same content.
    corpus.write("blue", *draw_features(1, 24))
    for name, card in (("given", "descriptor"), ("svm", "method")):
        (corpus.folder / "my_conf" / card).mkdir(exist_ok=True)
        target = "_target_: cdmer_bench.methods.svm.SVM\n" if card == "method" else ""
        (corpus.folder / "my_conf" / card / "again.yaml").write_text(
            f"# @package {card}s.again\n{target}label: Again {name}\n"
        )
    (corpus.folder / "my_conf" / "task").mkdir()
    (corpus.folder / "my_conf" / "task" / "again.yaml").write_text(
        "# @package tasks.again\nsource: red\ntarget: green\n"
    )
    records = run(
        corpus, cdmer, "method=svm,again", "descriptor=given,again", "task=red/green,again"
    )
    assert len(records) == 8
    records = run(corpus, cdmer, "method=svm", "task=blue/green")
    assert len({r.key for r in records}) == len(records) == 9
    # A task of the same name between other databases.
    edit(corpus, "my_conf/task/again.yaml", "source: red", "source: blue")
    records = run(corpus, cdmer, "method=svm", "task=again")
    assert len({r.key for r in records}) == len(records) == 10
    assert {r.used["source"]["features"] for r in records} == {
        records[0].used["source"]["features"]
    }


def test_a_module_that_makes_a_method_is_in_the_key(corpus, cdmer):
    code = "from cdmer_bench.methods import SVM\n\ndef Made(C: float = 1.0):\n    return SVM(C=C)\n"
    corpus.add_method("made", code, "{}")
    words = corpus.arguments("method=made", "task=red/green", "backend=sequential")
    assert cdmer("run", *words)[0] == 0
    assert "1 done" in cdmer("run", *words, "dry_run=true")[1]
    edit(corpus, "my_conf/made.py", "SVM(C=C)", "SVM(C=2 * C)")
    assert "0 done, 1 to do" in cdmer("run", *words, "dry_run=true")[1]


def test_a_raised_version_of_a_method_is_in_the_key(corpus, cdmer, monkeypatch):
    run(corpus, cdmer, "method=svm,sa", "task=red/green")
    words = corpus.arguments("method=svm,sa", "task=red/green", "dry_run=true")
    assert "2 done, 0 to do" in cdmer("run", *words)[1]
    monkeypatch.setattr(SA, "version", SA.version + 1)
    assert "1 done, 1 to do" in cdmer("run", *words)[1]


def test_a_record_is_renewed_with_the_cards_in_use(corpus, cdmer):
    (before,) = run(corpus, cdmer, "method=svm", "task=red/green")
    (corpus.folder / "moved").mkdir()
    for name in ("red", "green"):
        (corpus.folder / f"{name}.npz").rename(corpus.folder / "moved" / f"{name}.npz")
    edit(corpus, CARD, f"root: {corpus.folder}", f"root: {corpus.folder / 'moved'}")
    edit(corpus, CARD, "title: Red", "title: Crimson")
    (after,) = run(corpus, cdmer, "method=svm", "task=red/green")
    assert after.key == before.key
    assert after.about["date"] == before.about["date"]
    assert after.about["corpus"]["reader"]["root"] == str(corpus.folder / "moved")
    assert [after.used[side]["title"] for side in ("source", "target")] == ["Crimson", "Green"]


@pytest.mark.parametrize("classes", ["[low, high, mid]", "[low, mid, top]"])
def test_databases_are_compared_by_the_names_of_their_classes(corpus, cdmer, classes):
    text = (corpus.folder / CARD).read_text()
    red, rest = text.split("  green:")
    (corpus.folder / CARD).write_text(
        f"{red}  green:{rest.replace('[low, mid, high]', classes, 1)}"
    )
    words = corpus.arguments("method=svm", "task=red/green", "backend=sequential")
    code, _, err = cdmer("run", *words)
    assert code == 2
    names = classes.strip("[]")
    assert f"red has the classes low, mid, high, but green has {names}; give both the same" in err


def test_a_class_that_only_the_target_has_is_refused_and_one_that_only_the_source_has_is_not(
    corpus, cdmer
):
    X, y = draw_features(1, 24)
    corpus.write("red", X[y != 1], y[y != 1])
    words = corpus.arguments("method=svm", "backend=sequential")
    code, _, err = cdmer("run", *words, "task=red/green")
    assert code == 2
    assert "the source red has no clip of the class 'mid' that the target green holds" in err
    code, _, err = cdmer("run", *words, "task=green/red")
    assert code == 0
    assert "the target Red has no clip of the class mid" in err
    # Of the source it is told as well where it has a single clip.
    kept = np.r_[np.flatnonzero(y != 1), np.flatnonzero(y == 1)[:1]]
    corpus.write("red", X[kept], y[kept])
    code, _, err = cdmer("run", *words, "task=red/green")
    assert code == 0
    assert "the source Red has one clip of the class mid" in err


@pytest.mark.parametrize(("wrong", "marked"), [("", False), ("left", True), ("right", True)])
def test_errors_were_ignored_only_where_a_side_has_some(corpus, cdmer, wrong, marked):
    conf, name = corpus.folder / "my_conf", f"wrong_{wrong or 'nowhere'}"
    (conf / f"{name}.py").write_text(
        CLIPS + "\n    def account(self, descriptor=None):\n"
        "        from dataclasses import replace\n"
        "        from cdmer_bench.databases.base import Finding\n"
        f"        kind = 'error' if self.name == {wrong!r} else 'warning'\n"
        "        found = Finding(kind, 'a frame is upside down', 's1/0')\n"
        "        return replace(super().account(descriptor), findings=[found])\n"
    )
    (conf / "corpus" / f"{name}.yaml").write_text(CLIP_CORPUS.replace("noise", name))
    words = (f"corpus={name}", "descriptor=hog_top_p4", "method=svm", "task=left/right")
    (record,) = run(corpus, cdmer, *words, "data.errors=ignore")
    assert record.errors_ignored is marked
    kinds = {"left": "warning", "right": "warning", wrong: "error"}
    for side in ("source", "target"):
        findings = record.used[side]["findings"]
        assert findings[kinds[record.used[side]["database"]]] == 1
        assert sum(findings.values()) == 1
        assert record.used[side]["remarks"] == []  # those are of features of files


def test_what_was_done_to_features_of_files_is_kept_by_side(corpus, cdmer):
    words = ("method=svm", "task=red/green", "+corpus.databases.red.normalise=zscore")
    (record,) = run(corpus, cdmer, *words)
    (remark,) = record.used["source"]["remarks"]
    assert "zscore" in remark
    assert record.used["target"]["remarks"] == []


def test_one_generated_database_marks_the_cell(corpus, cdmer):
    corpus.write("blue", *draw_features(3, 18))
    words = ("method=svm", "task=red/green,green/red,green/blue")
    records = run(corpus, cdmer, *words, "+corpus.databases.red.synthetic=true")
    marked = {(r.source, r.target): r.synthetic for r in records}
    assert marked == {("red", "green"): True, ("green", "red"): True, ("green", "blue"): False}
