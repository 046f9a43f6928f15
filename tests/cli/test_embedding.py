"""Samples in two dimensions, made again from what records say of their run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.cli.embedding import embed, embed_cells, embed_kernel
from cdmer_bench.cli.stored import choose_results
from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import rule
from cdmer_bench.methods import IWSVM, RSTR, STM, SVM, TCA
from tests.methods.test_adapted_kernels import adapted, task
from tests.small_corpus import draw_features, write_clip_corpus

ORACLE = rule("oracle")
STILL = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Still(Method):
    power: float = 2.0

    def prepare(self, Xs, ys, Xt, Xq):
        return {"distances": np.stack([np.abs(Xq - Xs[ys == c].mean(0)) for c in range(3)], 1)}

    def solve(self, prepared, settings):
        scores = [-(prepared["distances"] ** s["power"]).sum(-1) for s in settings]
        return BatchResult.closed_form(np.argmax(scores, -1), np.array(scores))
"""


@pytest.fixture
def results(corpus, cdmer):
    corpus.add_method("still", STILL, "{power: [1, 2]}")
    code, _, err = cdmer(
        "run", *corpus.arguments("method=tca,still", "task=red/green", "backend=sequential")
    )
    assert code == 0, err
    return str(corpus.folder / "results")


def test_samples_lie_where_the_methods_embedding_places_them(corpus, results):
    records = choose_results(results, None)[0]
    placed, left_out = embed_cells(records, ORACLE, str(corpus.folder / "my_conf"))
    assert left_out == []
    by_row = {record.row: (record, before, after) for record, before, after in placed}
    assert by_row["Still"][2] is None
    record, before, after = by_row["TCA"]
    sides = []
    for name in ("red", "green"):
        with np.load(corpus.folder / f"{name}.npz") as file:
            X = file["features"]
            sides.append((X.reshape(len(X), -1), file["labels"]))
    setting = record.settings[ORACLE.select(record)]
    expected = embed(TCA(), *sides[0], sides[1][0], setting)
    np.testing.assert_allclose(before, expected[0], atol=1e-9)
    np.testing.assert_allclose(after, expected[1], atol=1e-9)


def test_parameters_setting_and_features_are_those_of_each_record(corpus, cdmer):
    """Two descriptors of one task, and a parameter that the card in use no longer has."""
    card = corpus.folder / "my_conf" / "corpus" / "small.yaml"
    text = card.read_text()
    for name in ("red", "green"):
        text = text.replace(f"{{given: {name}.npz}}", f"{{given: {name}.npz, again: {name}_2.npz}}")
    card.write_text(text)
    corpus.write("red_2", *draw_features(5, 24))
    corpus.write("green_2", *draw_features(6, 18))
    (corpus.folder / "my_conf" / "descriptor").mkdir()
    again = corpus.folder / "my_conf" / "descriptor" / "again.yaml"
    again.write_text("# @package descriptors.again\nlabel: Again\n")
    words = ("method=tca", "methods.tca.parameters.mu=20", "methods.tca.grid.k=[2,3]")
    run = corpus.arguments(*words, "task=red/green", "descriptor=given,again")
    assert cdmer("run", *run)[0] == 0
    records = choose_results(str(corpus.folder / "results"), None)[0]
    fixed = rule("fixed", settings={"tca": {"k": 3}})
    placed, left_out = embed_cells(records, fixed, str(corpus.folder / "my_conf"))
    assert left_out == []
    found = {record.descriptor: (before, after) for record, before, after in placed}
    for descriptor, ending in (("given", ""), ("again", "_2")):
        sides = []
        for name in ("red", "green"):
            with np.load(corpus.folder / f"{name}{ending}.npz") as file:
                sides.append((file["features"].reshape(len(file["labels"]), -1), file["labels"]))
        expected = embed(TCA(mu=20.0), *sides[0], sides[1][0], {"k": 3})
        np.testing.assert_allclose(found[descriptor][0], expected[0], atol=1e-9)
        np.testing.assert_allclose(found[descriptor][1], expected[1], atol=1e-9)
    assert not np.allclose(expected[1], embed(TCA(), *sides[0], sides[1][0], {"k": 3})[1])


def test_cropped_clips_are_found_again(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    words = ("corpus=noise", "descriptor=hog_top_p4", "method=tca", "task=left/right")
    run = corpus.arguments(*words, "preprocessing.crop=face", "backend=sequential")
    assert cdmer("run", *run, "methods.tca.grid.k=[2]")[0] == 0
    records = choose_results(str(corpus.folder / "results"), None)[0]
    placed, left_out = embed_cells(records, ORACLE, str(corpus.folder / "my_conf"))
    assert left_out == []
    assert len(placed) == 1


def test_a_method_that_writes_into_its_samples_leaves_those_of_the_others():
    class Clearing(TCA):
        def prepare(self, Xs, ys, Xt, Xq):
            Xs[:], Xt[:] = Xs + 1, Xt * 2
            return super().prepare(Xs, ys, Xt, Xq)

    (Xs, ys), (Xt, _) = draw_features(1, 24), draw_features(2, 18)
    before = embed(TCA(), Xs, ys, Xt, {"k": 2})
    embed(Clearing(), Xs, ys, Xt, {"k": 2})
    np.testing.assert_array_equal(embed(TCA(), Xs, ys, Xt, {"k": 2}), before)


def test_what_cannot_be_drawn_is_named_and_the_others_are_drawn(corpus, results, cdmer):
    pytest.importorskip("matplotlib")
    out = corpus.folder / "embedding.svg"
    words = ["plot", "embedding", "--results", results, "--out", str(out)]
    # Without the folder that holds its code, a method of the user's is unknown.
    (corpus.folder / "my_conf" / "still.py").write_text("raise RuntimeError('broken')")
    import sys

    sys.modules.pop("still", None)
    assert cdmer(*words)[0] == 0
    drawn = out.read_text(encoding="utf-8")
    assert "Still is not drawn: method._target_ is" in " ".join(drawn.split())
    assert "after TCA" in drawn


def test_features_that_changed_are_not_those_of_the_results(corpus, results, cdmer):
    corpus.write("green", *draw_features(9, 24))
    config = str(corpus.folder / "my_conf")
    code, _, err = cdmer("plot", "embedding", "--results", results, "--config-dir", config)
    assert code == 2
    assert "the features of green are no longer those of the results; run it again" in err


def test_a_card_in_a_record_calls_nothing_that_is_no_class_of_its_kind(results, tmp_path):
    (record,) = [r for r in choose_results(results, None)[0] if r.row == "TCA"]
    marker = tmp_path / "called"
    for about in (
        {"method": {"_target_": "os.system", "parameters": {"command": f"touch {marker}"}}},
        {"method": {"_target_": "pathlib.Path", "parameters": {}}},
        {"corpus": {**record.about["corpus"], "reader": {"_target_": "os.system"}}},
    ):
        asked = replace(record, about={**record.about, **about})
        placed, (sentence,) = embed_cells([asked], ORACLE)
        assert placed == []
        assert "which is no class of a" in sentence
    assert not marker.exists()
    old = replace(record, about={})
    assert "an older version made this record" in embed_cells([old], ORACLE)[1][0]


def test_report_shows_them_or_says_why_not(corpus, results, cdmer):
    config = str(corpus.folder / "my_conf")
    assert cdmer("report", "--results", results, "--config-dir", config)[0] == 0
    page = Path(results, "report.html").read_text(encoding="utf-8")
    figure = page[page.index('<figure class="scatters">') :]
    panels = figure[: figure.index("</figure>")].split("<svg viewBox")[1:]
    sizes = [len(np.load(corpus.folder / f"{n}.npz")["labels"]) for n in ("red", "green")]
    for panel in panels:
        assert panel.count("<circle") == sum(sizes)
        assert panel.count(" target") == sizes[1]
    assert len(panels) == 2
    corpus.write("green", *draw_features(9, 24))
    assert cdmer("report", "--results", results, "--config-dir", config)[0] == 0
    page = Path(results, "report.html").read_text(encoding="utf-8")
    assert "no longer those of the results" in page
    assert '<figure class="scatters">' not in page
    assert json.loads(page.split('id="data">')[1].split("</script>")[0])["cells"]


@pytest.mark.parametrize("method", [SVM(), IWSVM(), STM()], ids=lambda method: method.label)
def test_methods_that_weigh_samples_move_none(method):
    Xs, ys, Xt = task(method)
    before, after = embed(method, Xs, ys, Xt, {})
    assert after is None
    assert before.shape == (37, 2)


def test_before_is_pca_of_the_features_and_after_that_of_the_kernel():
    Xs, ys, Xt = task(RSTR())
    before, after = embed(RSTR(), Xs, ys, Xt, {"mu": 0.2})
    X = np.concatenate([Xs, Xt]).reshape(37, -1)
    u, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    assert np.abs(before) == pytest.approx(np.abs(u[:, :2] * s[:2]))
    np.testing.assert_array_equal(after, embed_kernel(adapted(RSTR(), {"mu": 0.2})))
    _, again = embed(RSTR(), Xs, np.array(["a", "b", "c"])[ys], Xt, {"mu": 0.2})
    np.testing.assert_array_equal(again, after)


def test_axes_point_to_their_largest_coordinate():
    X = np.random.default_rng(0).normal(size=(20, 5)) * [5, 3, 1, 1, 1]
    plane = embed_kernel(X @ X.T)
    assert (plane.max(axis=0) == np.abs(plane).max(axis=0)).all()


def test_a_kernel_of_rank_one_and_bad_shapes():
    assert embed_kernel(np.ones((3, 3))) == pytest.approx(np.zeros((3, 2)), abs=1e-7)
    with pytest.raises(UserError, match="not square"):
        embed_kernel(np.ones((3, 2)))


def test_a_setting_that_the_method_does_not_have_is_refused():
    Xs, ys, Xt = task(TCA())
    for setting, words in (({"depth": 1}, "no parameter 'depth'"), ({"k": 99}, "k runs from 1")):
        with pytest.raises(UserError, match=words):
            embed(TCA(), Xs, ys, Xt, setting)
