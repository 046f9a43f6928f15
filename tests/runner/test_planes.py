"""The plane of a cell is recorded once, beside it, and never at its cost."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cdmer_bench.methods import GFK
from cdmer_bench.methods.embedding import embed
from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import draw_features

TASK = "task=red/green"

ODD = """\
from dataclasses import dataclass
from cdmer_bench.methods import SVM

@dataclass
class Odd(SVM):
    def adapted_kernel(self, prepared, setting):
        return prepared["no such array"]
"""


def run(corpus, cdmer, *more):
    code, out, err = cdmer("run", *corpus.arguments(TASK, *more))
    assert code == 0, err
    return out + err


def stored(corpus):
    store = ResultsStore(corpus.folder / "results")
    return store, store.records()


def test_a_run_records_the_plane_of_the_setting_that_the_oracle_chooses(corpus, cdmer):
    run(corpus, cdmer, "method=gfk,svm")
    store, records = stored(corpus)
    gfk, svm = records
    plane = store.load_plane(gfk)
    f1 = [f1_score(gfk.y_target, row, average="macro") for row in gfk.predictions]
    assert (plane.rule, plane.setting) == ("oracle", int(np.argmax(f1)))
    (Xs, ys), (Xt, _) = draw_features(1, 24), draw_features(2, 18)
    expected = embed(GFK(), Xs, ys, Xt, gfk.settings[plane.setting])
    np.testing.assert_array_equal(plane.before, expected.before)
    np.testing.assert_array_equal(plane.after, expected.after)
    assert store.load_plane(svm).after is None


def test_it_is_the_same_from_worker_processes_and_is_not_made_twice(corpus, cdmer):
    run(corpus, cdmer, "method=gfk")
    store, (record,) = stored(corpus)
    path = store.plane_path(record)
    alone, made = path.read_bytes(), path.stat().st_mtime_ns
    run(corpus, cdmer, "method=gfk")
    assert path.stat().st_mtime_ns == made
    path.unlink()
    assert not run(corpus, cdmer, "method=gfk", "plane=false").count("plane")
    assert not path.exists()
    grid = (path.parent / "grid.npz").stat().st_mtime_ns
    run(corpus, cdmer, "method=gfk", "backend=loky", "n_jobs=2")
    assert path.read_bytes() == alone
    assert (path.parent / "grid.npz").stat().st_mtime_ns == grid


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "of another cell", "flipped"])
def test_a_damaged_plane_is_set_aside_and_made_again(corpus, cdmer, damage):
    run(corpus, cdmer, "method=gfk,sa")
    store, (gfk, sa) = stored(corpus)
    path = store.plane_path(gfk)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "truncated": whole[:-30],
            "empty": b"",
            "foreign": b"GIF89a",
            "of another cell": store.plane_path(sa).read_bytes(),
            "flipped": whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :],
        }[damage]
    )
    with pytest.warns(UserWarning, match=r"plane\.npz.*set aside") as warned:
        assert store.load_plane(gfk) is None
    assert len(warned) == 1
    assert len(store.records()) == 2
    run(corpus, cdmer, "method=gfk,sa")
    assert path.read_bytes() == whole


def test_a_method_that_cannot_be_placed_keeps_its_result(corpus, cdmer):
    corpus.add_method("odd", ODD, "{}")
    said = run(corpus, cdmer, "method=odd")
    assert "source and target could not be placed in the plane: KeyError" in said
    store, (record,) = stored(corpus)
    assert store.load_plane(record) is None


def test_plot_draws_it_or_says_how_to_record_it(corpus, cdmer):
    pytest.importorskip("matplotlib")
    results = ["--results", str(corpus.folder / "results")]
    run(corpus, cdmer, "method=gfk", "plane=false")
    code, _, err = cdmer("plot", "plane", *results)
    assert code == 2
    assert "beside GFK on R → G no plane is stored; the same `cdmer run` again" in err
    run(corpus, cdmer, "method=gfk")
    assert cdmer("plot", "plane", "method=gfk", *results)[0] == 0
    assert "after GFK" in (corpus.folder / "results" / "plane.svg").read_text()
    assert cdmer("report", *results)[0] == 0
    page = (corpus.folder / "results" / "report.html").read_text()
    assert "source and target before adaptation and after it" in page


def test_merging_brings_the_plane(corpus, cdmer):
    run(corpus, cdmer, "method=gfk")
    store, (record,) = stored(corpus)
    merged = ResultsStore(corpus.folder / "merged")
    assert cdmer("results", "merge", str(store.folder), "--into", str(merged.folder))[0] == 0
    assert merged.plane_path(record).read_bytes() == store.plane_path(record).read_bytes()
