"""What a run stores of a cell: each side's own, every batch's, and what is left to do."""

import re

import numpy as np
import pytest

from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import CLIP_CORPUS, CLIPS, draw_features

# Pauses of processor time in the preparation and in each batch, and a batch that may fail.
PARTLY = """\
import time
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

def busy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

@dataclass
class Partly(Method):
    level: float = 0.0
    broken: float = -1.0
    pause: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        busy(3 * self.pause)
        return {"n": np.array(len(Xq))}

    def batches(self, settings):
        return [[i] for i in range(len(settings))]

    def solve(self, prepared, settings):
        (setting,) = settings
        busy(self.pause)
        if setting["level"] == self.broken:
            raise ZeroDivisionError("broken on purpose")
        result = BatchResult.closed_form(np.zeros((1, int(prepared["n"])), int))
        result.add_note(0, "all of class index 0")
        return result
"""


@pytest.fixture
def partly(corpus):
    corpus.add_method("partly", PARTLY, "{level: [1, 2, 3]}", pause=0.0, broken=-1.0)
    return corpus


def call(corpus, cdmer, *more):
    words = corpus.arguments("backend=sequential", "progress=false", "task=red/green", *more)
    return cdmer("run", *words)


def stored(corpus):
    return ResultsStore(corpus.folder / "results")


def test_labels_subjects_and_names_are_those_of_each_side(corpus, cdmer):
    clips = '{"left": range(9), "right": range(100, 106)}[self.name]'
    conf = corpus.folder / "my_conf"
    (conf / "uneven.py").write_text(CLIPS.replace("range(6)", clips))
    (conf / "corpus" / "uneven.yaml").write_text(CLIP_CORPUS.replace("noise", "uneven"))
    words = ("corpus=uneven", "descriptor=hog_top_p4", "method=svm", "task=left/right")
    code, _, err = call(corpus, cdmer, *words)
    assert code == 0, err
    (record,) = stored(corpus).records()
    assert record.y_source.tolist() == [0, 1, 2] * 3
    assert record.y_target.tolist() == [1, 2, 0] * 2
    assert record.subject_target.tolist() == [f"s{i}" for i in range(100, 106)]
    assert record.clips_target.tolist() == [str(i) for i in range(100, 106)]
    assert record.scores.shape == (1, 6, 3)
    sides = [(record.used[s]["database"], record.used[s]["n_clips"]) for s in ("source", "target")]
    assert sides == [("left", 9), ("right", 6)]


def test_notes_name_the_classes_of_the_source(partly, cdmer):
    for name, seed, kept in (("red", 1, (1, 2)), ("green", 2, (2,))):
        X, y = draw_features(seed, 18)
        partly.write(name, X[np.isin(y, kept)], y[np.isin(y, kept)])
    assert call(partly, cdmer, "method=partly")[0] == 0
    (record,) = stored(partly).records()
    assert record.notes == dict.fromkeys(range(3), "all of class mid")
    assert (record.predictions == 1).all()


def test_a_record_tells_what_the_run_was(partly, cdmer):
    assert call(partly, cdmer, "method=partly", "methods.partly.parameters.pause=0.1")[0] == 0
    (record,) = stored(partly).records()
    # Three pauses in the preparation, and one in each of three batches.
    assert 0.6 <= record.about["seconds"] < 0.9
    assert record.about["wall_seconds"] >= record.about["seconds"] - 0.1
    assert record.about["n_features"] == 30
    assert record.about["command"].split()[:2] == ["cdmer", "run"]
    assert "method=partly" in record.about["command"]
    # Results of one second are told apart by its parts.
    assert re.search(r"T\d\d:\d\d:\d\d\.\d{3}\+00:00$", record.about["date"])
    assert record.parameters["pause"] == 0.1


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_one_failed_batch_fails_the_cell_and_the_others_are_taken_up(partly, cdmer, broken):
    words = ("method=partly", f"methods.partly.parameters.broken={broken}")
    code, _, err = call(partly, cdmer, *words)
    assert code == 1
    assert "failed: R → G Partly given features: ZeroDivisionError: broken on purpose" in err
    assert stored(partly).records() == []
    (failure,) = stored(partly).failures()
    assert (failure["source"], failure["target"]) == ("red", "green")
    assert (failure["corpus"], failure["user_error"]) == ("small", False)
    assert len(list((partly.folder / "results" / "unfinished").rglob("batch-*.npz"))) == 2


def test_a_failed_cell_is_run_again_and_its_failure_then_forgotten(partly, cdmer):
    path = partly.folder / "sometimes"
    text = PARTLY.replace(
        'setting["level"] == self.broken', f"__import__('os').path.exists({str(path)!r})"
    )
    partly.add_method("sometimes", text.replace("Partly", "Sometimes"), "{level: [1, 2, 3]}")
    path.write_text("")
    assert call(partly, cdmer, "method=sometimes")[0] == 1
    path.unlink()
    code, _, err = call(partly, cdmer, "method=sometimes")
    assert code == 0, err
    assert stored(partly).failures() == []
    assert len(stored(partly).records()) == 1


def test_what_a_kill_left_of_a_stored_cell_is_removed(partly, cdmer):
    assert call(partly, cdmer, "method=partly")[0] == 0
    (record,) = stored(partly).records()
    left = stored(partly).batch_path(record.key, 0, 1)
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert call(partly, cdmer, "method=partly")[0] == 0
    assert not left.parent.exists()


def test_the_bar_counts_every_setting_by_what_it_costs(partly, cdmer, monkeypatch):
    seen = {"total": 0.0, "done": 0.0, "steps": 0, "weights": set()}

    class Bar:
        def __init__(self, title, total):
            assert total == 0

        def extend(self, steps, title, weight=1.0):
            seen["total"] += steps * weight
            seen["steps"] += steps
            seen["weights"].add(weight)

        def advance(self, steps, weight=1.0):
            seen["done"] += steps * weight

        def close(self):
            seen["closed"] = True

    def weigh(cells, *_):
        for cell in cells:
            cell.weight = {"partly": 5.0, "svm": 2.0}[cell.method_name]

    monkeypatch.setattr("cdmer_bench.cli.run.ProgressBar", Bar)
    monkeypatch.setattr("cdmer_bench.cli.run.weigh_settings", weigh)
    words = partly.arguments("backend=sequential", "task=red/green", "method=partly,svm")
    assert cdmer("run", *words)[0] == 0
    assert seen == {"total": 17.0, "done": 17.0, "steps": 4, "weights": {5.0, 2.0}, "closed": True}
    # The bar is not opened where it is not wanted.
    seen.clear()
    assert cdmer("run", *words, "progress=false", "force=true")[0] == 0
    assert seen == {}


def test_columns_of_another_order_are_matched_by_their_names(corpus, cdmer):
    import pandas as pd

    rng, made = np.random.default_rng(0), {}
    for name, seed, n in (("red", 1, 24), ("green", 2, 18)):
        X, y = draw_features(seed, n)
        made[name] = pd.DataFrame(X.reshape(n, -1), columns=[f"f{i}" for i in range(30)])
        made[name].insert(0, "labels", y)
        made[name].to_csv(corpus.folder / f"{name}.csv", index=False)
    card = corpus.folder / "my_conf" / "corpus" / "small.yaml"
    card.write_text(
        card.read_text().replace(".npz", ".csv").replace("{title", "{features: f, title")
    )
    words = ("method=gfk", "methods.gfk.grid.k=[3]", "selection_inputs=importance_weighted")
    assert call(corpus, cdmer, *words)[0] == 0
    (expected,) = stored(corpus).records()
    turned = made["green"][["labels", *rng.permutation(made["green"].columns[1:])]]
    turned.to_csv(corpus.folder / "green.csv", index=False)
    assert call(corpus, cdmer, *words, "results.dir=turned")[0] == 0
    (found,) = ResultsStore("turned").records()
    assert found.key != expected.key
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    assert set(found.extras) == {"source_cv_predictions", "density_ratio"}
    for name in found.extras:
        np.testing.assert_allclose(found.extras[name], expected.extras[name], rtol=1e-9)
