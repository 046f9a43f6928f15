"""What TSRG and DRFS-T share in a run: the same results, told in the record, none under force."""

import numpy as np
import pytest

from cdmer_bench.methods import regeneration
from cdmer_bench.methods.base import SHARED_WORK
from cdmer_bench.results.store import ResultsStore
from tests.small_corpus import draw_features, grids

GRID = (
    "++methods.tsrg.grid={lam: [0.1, 1], mu: [0.05, 0.5, 3]}",
    "++methods.drfs_t.grid={lam: [0.1, 1], mu: [0.05, 0.5, 3]}",
)
TASKS = "task=red/green,green/red"


def run(corpus, cdmer, folder, *more, tasks=TASKS):
    """Run both methods; return the arrays of all cells, and what was taken from the cache."""
    words = (tasks, "method=tsrg,drfs_t", "progress=false", *GRID, *more)
    results = corpus.folder / folder
    code, out, err = cdmer("run", *corpus.arguments(*words), f"results.dir={results}")
    assert code == 0, err
    records = ResultsStore(results).records()
    taken = {(r.method, r.source): r.about.get("settings_from_cache", 0) for r in records}
    return grids(results), taken, out


def test_a_run_solves_each_regression_once_and_gives_the_same_results(corpus, cdmer):
    for number, (method, grid) in enumerate(zip(("tsrg", "drfs_t"), GRID, strict=True)):
        words = (TASKS, f"method={method}", grid, "progress=false", "backend=sequential")
        apart = (f"results.dir={corpus.folder}/alone", f"cache.dir={corpus.folder}/cache{number}")
        assert cdmer("run", *corpus.arguments(*words), *apart)[0] == 0
    alone = grids(corpus.folder / "alone")
    assert len(alone) == 4
    found, taken, _ = run(corpus, cdmer, "shared", "backend=sequential")
    assert found == alone
    assert taken == {
        ("tsrg", "red"): 0,
        ("tsrg", "green"): 0,
        ("drfs_t", "green"): 6,
        ("drfs_t", "red"): 6,
    }
    parallel, _, _ = run(corpus, cdmer, "parallel", "n_jobs=2", f"cache.dir={corpus.folder}/p")
    assert parallel == alone


def test_force_solves_anew_once_a_run(corpus, cdmer):
    first, _, _ = run(corpus, cdmer, "results", "backend=sequential")
    entries = {
        path: path.stat().st_ino for path in (corpus.folder / "cache" / SHARED_WORK).iterdir()
    }
    assert len(entries) == 4  # two directions, two lambda
    again, taken, _ = run(corpus, cdmer, "results", "backend=sequential", "force=true")
    assert again == first
    assert sorted(taken.values()) == [0, 0, 6, 6]
    anew = {path: path.stat().st_ino for path in (corpus.folder / "cache" / SHARED_WORK).iterdir()}
    assert anew.keys() == entries.keys()
    code, _, _ = cdmer("run", *corpus.arguments("method=svm", "task=red/green", "force=true"))
    assert code == 0
    assert len(list((corpus.folder / "cache" / SHARED_WORK).iterdir())) == 4


def test_a_methods_seconds_are_those_that_it_takes_on_its_own(corpus, cdmer, monkeypatch):
    find = regeneration.load_entry

    def find_slow(path):
        entry = find(path)
        return entry and {**entry, "seconds": np.array(300.0)}

    monkeypatch.setattr(regeneration, "load_entry", find_slow)
    run(corpus, cdmer, "results", "backend=sequential")
    about = {r.method: r.about for r in ResultsStore(corpus.folder / "results").records()}
    assert 600 < about["drfs_t"]["seconds"] < 700  # two lambda
    assert about["tsrg"]["seconds"] < 100
    assert about["drfs_t"]["wall_seconds"] < 100


def plan(corpus, cdmer, *more):
    words = (TASKS, "backend=sequential", "dry_run=true", *more)
    code, out, err = cdmer("run", *corpus.arguments(*words))
    assert code == 0, err
    return out


def test_the_plan_counts_each_regression_once(corpus, cdmer):
    both = plan(corpus, cdmer, "method=tsrg,drfs_t", *GRID)
    tsrg, drfs_t = (
        next(line for line in both.splitlines() if line.startswith(name) and "about" in line)
        for name in ("TSRG", "DRFS-T")
    )
    assert "from the cache" not in tsrg
    assert "with regressions from the cache" in drfs_t
    alone = plan(corpus, cdmer, "method=drfs_t", GRID[1])
    assert "from the cache" not in alone
    run(corpus, cdmer, "results", "backend=sequential")
    # Regressions that an earlier run left are known to another results folder by no plan.
    done = plan(corpus, cdmer, "method=tsrg,drfs_t", *GRID)
    assert "12 settings" not in done


def test_the_plan_knows_regressions_of_the_same_solver_settings_and_direction_alone(corpus, cdmer):
    words = ("method=tsrg", GRID[0], "task=red/green", "solver=exact", "backend=sequential")
    assert cdmer("run", *corpus.arguments(*words, "progress=false"))[0] == 0

    def taken(*more, tasks="task=green/red"):
        words = corpus.arguments("method=drfs_t", tasks, "dry_run=true", *more)
        return "with regressions from the cache" in cdmer("run", *words)[1]

    assert taken(GRID[1], "solver=exact")
    assert not taken(GRID[1], "solver=paper")
    assert not taken("++methods.drfs_t.grid={lam: [0.1, 1], mu: [0.05, 0.5]}", "solver=exact")
    assert not taken(GRID[1], "solver=exact", tasks="task=red/green")
    assert not taken(GRID[1], "solver=exact", "force=true")
    # The same names, but other samples.
    corpus.write("green", *draw_features(7, 18))
    assert not taken(GRID[1], "solver=exact")


def test_a_cell_that_took_its_regressions_gives_no_rate(corpus, cdmer):
    run(corpus, cdmer, "results", "backend=sequential")
    text = plan(corpus, cdmer, "method=drfs_t", "++methods.drfs_t.grid={lam: [0.1, 1], mu: [9]}")
    assert "by the shipped rate" in text
    words = ("method=drfs_t", "methods.drfs_t.parameters.C=2", GRID[1])
    assert "regressions from the cache" in plan(corpus, cdmer, *words)


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_the_device_is_a_key_of_the_run_and_in_no_key_of_a_result(corpus, cdmer, device):
    first, _, _ = run(corpus, cdmer, "results", "backend=sequential")
    again, _, _ = run(corpus, cdmer, "results", "backend=sequential", f"device={device}")
    assert again == first


def test_an_unknown_device_is_refused(corpus, cdmer):
    code, _, err = cdmer("run", *corpus.arguments("method=svm", "device=gpu"))
    assert code == 2
    assert "device is 'gpu'" in err
