"""What a record says of its cell: the grid that was run, and marks that must not get lost."""

import cdmer_bench.conf as conf
import pytest
from omegaconf import OmegaConf

from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import write_clip_corpus


def run(corpus, cdmer, *more):
    words = corpus.arguments("backend=sequential", "progress=false", *more)
    code, out, err = cdmer("run", *words)
    assert code == 0, err
    return out + err, ResultsStore(corpus.folder / "results").records()


def card(name):
    from pathlib import Path

    return OmegaConf.load(Path(conf.__path__[0]) / "method" / f"{name}.yaml")


@pytest.mark.parametrize(
    ("words", "name", "settings"),
    [
        ((), "paper", [{"k": k} for k in range(1, 18)]),
        (("methods.gfk.grid.k=[2,3]",), "own", [{"k": 2}, {"k": 3}]),
        (("grid=few", "+methods.gfk.grids.few={k: [4]}"), "few", [{"k": 4}]),
    ],
)
def test_the_grid_that_is_named_is_the_grid_that_was_run(corpus, cdmer, words, name, settings):
    _, (record,) = run(corpus, cdmer, "method=gfk", "task=red/green", *words)
    assert record.grid == name
    assert record.settings == settings
    assert record.predictions.shape == (len(settings), 18)
    _, out, _ = cdmer("tables", "own", "--results", str(corpus.folder / "results"))
    assert str(len(settings)) in out.partition("Settings tried:")[2].partition("\n")[0]


def test_the_reduced_grid_is_that_of_the_card(corpus, cdmer):
    _, (record,) = run(
        corpus, cdmer, "method=tsrg", "task=red/green", "grid=reduced", "solver=exact"
    )
    from cdmer_bench.methods import TSRG

    expected = TSRG().settings(OmegaConf.to_container(card("tsrg").grids.reduced), (24, 18, 30))
    assert record.grid == "reduced"
    assert record.settings == expected
    assert len(expected) < len(TSRG().settings(None, (24, 18, 30)))


def test_the_mark_of_generated_data_and_the_seed_reach_every_output(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    words = ("corpus=noise", "descriptor=lbp_top_r1p4", "method=svm", "task=left/right")
    said, (record,) = run(corpus, cdmer, *words, "+corpus.seed=3")
    assert record.synthetic
    assert record.corpus == "noise, seed 3"
    assert "SYNTHETIC" in said.upper()
    results = ("--results", str(corpus.folder / "results"))
    for command in (("tables", "all"), ("tables", "all", "--format", "csv"), ("export",)):
        _, out, _ = cdmer(*command, *results)
        assert "noise, seed 3" in out
    _, records = run(corpus, cdmer, *words, "+corpus.seed=4")
    assert {r.corpus for r in records} == {"noise, seed 3", "noise, seed 4"}


def test_a_limit_that_ended_a_setting_is_kept(corpus, cdmer):
    code = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Limited(Method):
    level: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        return {"n": np.array(len(Xq))}

    def batches(self, settings):
        return [[2, 0], [1]]

    def solve(self, prepared, settings):
        n = int(prepared["n"])
        result = BatchResult.closed_form(np.tile(np.arange(n) % 3, (len(settings), 1)))
        for i, setting in enumerate(settings):
            result.converged[i] = setting["level"] != 2
            result.iterations[i] = 10 * setting["level"]
            result.add_note(i, f"level {setting['level']}")
        return result
"""
    corpus.add_method("limited", code, "{level: [1, 2, 3]}")
    _, (record,) = run(corpus, cdmer, "method=limited", "task=red/green")
    assert record.converged.tolist() == [True, False, True]
    assert record.iterations.tolist() == [10, 20, 30]
    assert record.notes == {0: "level 1", 1: "level 2", 2: "level 3"}
