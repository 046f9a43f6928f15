"""The plan of a run: what it counts, and how rates grow with samples and features."""

import csv
import re
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cdmer_bench.methods import GFK, SVM
from cdmer_bench.runner import forecast
from cdmer_bench.runner.forecast import (
    COLUMNS,
    Rate,
    calibrate,
    duration,
    known_rates,
    rate_of,
    shipped_rates,
)
from tests.results.test_store import make_record
from tests.small_corpus import RAISING, draw_features, write_clip_corpus


def plan(corpus, cdmer, *more):
    words = corpus.arguments("backend=sequential", "dry_run=true", *more)
    code, out, err = cdmer("run", *words)
    assert code == 0, err
    return out


def test_preparation_and_settings_grow_by_their_powers():
    rate = Rate(100, 1000, 2.0, 0.5, (2.0, 1.0), (3.0, 0.5))
    assert rate.seconds(100, 1000, 10) == pytest.approx(2 + 5)
    assert rate.seconds(200, 1000, 10) == pytest.approx(4 * 2 + 8 * 5)
    assert rate.seconds(100, 4000, 10) == pytest.approx(4 * 2 + 2 * 5)
    assert rate.seconds(100, 1000, 10, n_fits=3) == pytest.approx(3 * 2 + 5)


def test_every_method_of_the_paper_and_every_descriptor_has_a_rate():
    text = files("cdmer_bench.runner").joinpath("rates.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    known = {row["what"] for row in rows}
    assert {"svm", "iw_svm", "tca", "gfk", "sa", "stm", "tkl", "tsrg", "drfs_t", "drls", "rstr",
            "LBPTOP", "LBPSIP", "LPQTOP", "HOGTOP", "HIGOTOP"} <= known  # fmt: skip
    assert all(float(row["solve"]) > 0 and float(row["machine"]) > 0 for row in rows)


def test_a_slower_machine_has_slower_rates(monkeypatch):
    once = shipped_rates()["tca", ""].solve
    speed = calibrate()
    for factor in (1.0, 3.0):
        shipped_rates.cache_clear()
        monkeypatch.setattr("cdmer_bench.runner.forecast.calibrate", lambda f=factor: f * speed)
        found = shipped_rates()["tca", ""].solve
        if factor == 1.0:
            base = found
    shipped_rates.cache_clear()
    assert found == pytest.approx(3 * base)
    assert once > 0


def test_a_methods_own_cells_take_the_place_of_the_shipped_rate():
    about = {"seconds": 8.0, "n_features": 30}
    record = make_record(method="gfk", about=about)
    rate = rate_of(GFK(), "gfk", known_rates([record]))
    assert rate.origin == "this folder's rate"
    assert rate.seconds(16, 30, 4) == pytest.approx(8.0)
    assert rate_of(SVM(), "my_name", known_rates([record])).origin == "the shipped rate"
    older = make_record(method="gfk", about={"seconds": 1.0})
    assert rate_of(GFK(), "gfk", known_rates([older])).origin == "the shipped rate"


def test_the_shipped_rates_are_those_of_the_file_on_a_machine_of_its_speed(monkeypatch):
    text = files("cdmer_bench.runner").joinpath("rates.csv").read_text()
    monkeypatch.setattr("cdmer_bench.runner.forecast.calibrate", lambda: 0.01)
    shipped_rates.cache_clear()
    rates = shipped_rates()
    shipped_rates.cache_clear()
    for row in csv.DictReader(text.splitlines()):
        rate, number = (
            rates[row["what"], row["solver"]],
            {n: float(row[n] or 0) for n in COLUMNS[2:]},
        )
        slower = 0.01 / number["machine"]
        assert rate.prepare == pytest.approx(slower * number["prepare"])
        assert rate.solve == pytest.approx(slower * number["solve"])
        assert rate.prepare_powers == (number["prepare_n"], number["prepare_d"])
        assert rate.solve_powers == (number["solve_n"], number["solve_d"])
        assert (rate.n, rate.n_features) == (number["n"] or 1, number["n_features"] or 1)


def test_of_a_methods_own_cells_the_largest_tells_the_rate_by_solver(monkeypatch):
    shipped = {("tsrg", "exact"): Rate(50, 100, 1.0, 1.0, solve_powers=(3.0, 0.5))}
    monkeypatch.setattr("cdmer_bench.runner.forecast.shipped_rates", lambda: shipped)

    def made(n, seconds, solver="exact", **about):
        y = np.zeros(n, np.uint8)
        about = {"seconds": seconds, "n_features": 30, **about}
        return make_record(method="tsrg", solver=solver, y_target=y, about=about)

    small, large, other = made(7, 80.0), made(11, 8.0), made(99, 800.0, "paper")
    taken = made(200, 0.1, settings_from_cache=4)
    for records in ([small, large, other, taken], [taken, other, large, small]):
        rates = known_rates(records)
        # Nine source clips and eleven of the target; four settings in eight seconds.
        rate = rates["tsrg", "exact"]
        assert rate.seconds(20, 30, 1) == pytest.approx(2.0)
        assert rate.seconds(40, 120, 1) == pytest.approx(2.0 * 2**3 * 2)
        assert rates["tsrg", "paper"].seconds(9 + 99, 30, 4) == pytest.approx(800.0)


# Seconds of GFK and of a descriptor that make each part of a plan a number of its own.
GFK_RATE = Rate(21, 15, 2.0, 0.7, (2.0, 1.0), (1.0, 0.5))
RATES = {("gfk", ""): GFK_RATE, ("HOGTOP", "HOG-TOP(p=4)"): Rate(1, 1, 0.0, 3.0)}


@pytest.fixture
def rated(corpus, monkeypatch):
    monkeypatch.setattr("cdmer_bench.runner.forecast.shipped_rates", lambda: RATES)
    return corpus


def told(pattern, out):
    (found,) = re.findall(rf"{pattern}, about (\d+) s of one core", out)
    return int(found)


def test_the_plan_holds_the_seconds_of_its_parts_and_their_sum(rated, cdmer):
    # 42 clips of 30 features in place of 21 of 15: 2 * 2^2 * 2, and 0.7 * 2 * sqrt(2) a setting.
    prepared, solved = 16.0, 1.4 * 2**0.5
    out = plan(rated, cdmer, "method=gfk", "task=red/green")
    assert told("GFK, .*: 17 settings on 1 task", out) == round(prepared + 17 * solved)
    out = plan(rated, cdmer, "method=gfk", "task=red/green", "methods.gfk.grid.k=[1,2,3]")
    alone = prepared + 3 * solved
    assert told("GFK, .*: 3 settings on 1 task", out) == round(alone)
    assert f"together about {alone:.0f} s on 1 core" in out
    words = ("method=gfk,svm", "task=red/green", "methods.gfk.grid.k=[1,2,3]")
    inputs = "selection_inputs=[source_cv,reverse]"
    out = plan(rated, cdmer, *words, inputs, "backend=loky", "n_jobs=2")
    assert "no measured rate for Baseline" in out
    # Five folds, each of a fifth of the source less; one preparation for the way back.
    fold = 2.0 * (38 / 21) ** 2 * 2 + 3 * 0.7 * (38 / 21) * 2**0.5
    validated = 5 * fold + 1.5 * prepared + 3 * solved
    seconds, unit = re.findall(r"selection inputs of 1 cell, about (\d+) (s|min)", out)[0]
    assert float(seconds) == pytest.approx(validated / {"s": 1, "min": 60}[unit], abs=0.51)
    total = (alone + validated) / 2
    assert f"together about {total:.0f} s on 2 cores" in out


def test_the_plan_takes_the_rate_of_the_solver_and_a_tenth_for_regressions_in_the_cache(
    corpus, cdmer, monkeypatch
):
    rates = {
        (name, solver): Rate(42, 30, 10.0, each)
        for name in ("tsrg", "drfs_t")
        for solver, each in (("paper", 5.0), ("exact", 2.0))
    }
    monkeypatch.setattr("cdmer_bench.runner.forecast.shipped_rates", lambda: rates)
    grid = "grid={lam: [0.1, 1], mu: [0.5, 3]}"
    words = ("method=tsrg,drfs_t", f"++methods.tsrg.{grid}", f"++methods.drfs_t.{grid}")
    for solver, each in (("paper", 5.0), ("exact", 2.0)):
        # DRFS-T from green to red has the regressions of TSRG from red to green.
        out = plan(corpus, cdmer, *words, f"solver={solver}", "task=red/green,green/red")
        assert told("TSRG, .*: 8 settings on 2 tasks", out) == 2 * (10 + 4 * each)
        assert told("DRFS-T, .*: 8 settings on 2 tasks", out) == round(2 * (10 + 4 * each / 10))
        assert "regressions from the cache" in out


def test_the_plan_counts_a_cell_that_failed_as_one_to_do(rated, cdmer, monkeypatch):
    rated.add_method("raising", RAISING, "{k: [1, 2, 3]}")
    rates = {**RATES, ("raising", ""): GFK_RATE}
    words = ("method=raising", "task=red/green")
    assert cdmer("run", *rated.arguments(*words, "backend=sequential"))[0] == 1
    monkeypatch.setattr("cdmer_bench.runner.forecast.shipped_rates", lambda: rates)
    out = plan(rated, cdmer, *words)
    assert "1 failed" in out
    assert told("Raising, .*: 3 settings on 1 task", out) == round(16 + 3 * 1.4 * 2**0.5)


def test_the_plan_counts_reading_and_each_descriptor_of_clips(rated, cdmer):
    write_clip_corpus(rated.folder)
    path = rated.folder / "my_conf" / "noise.py"
    busy = "import time\n        end = time.thread_time() + 0.1\n"
    busy += "        while time.thread_time() < end:\n            pass\n        return"
    path.write_text(path.read_text().replace("return np.random", f"{busy} np.random"))
    words = ("corpus=noise", "method=gfk", "task=left/right")
    out = plan(rated, cdmer, *words, "descriptor=hog_top_p4")
    # Twelve clips, of which each takes a tenth of a second to read and three to describe.
    assert told("features of 12 clips", out) == pytest.approx(12 * 3.1, abs=1)
    assert "GFK, HOG-TOP(p=4): 5 settings on 1 task" in out
    # Their width is taken as the paper's.
    seconds = 2 * (12 / 21) ** 2 * (15_045 / 15) + 5 * 0.7 * (12 / 21) * (15_045 / 15) ** 0.5
    assert f"together about {(12 * 3.1 + seconds) / 60:.0f} min on 1 core" in out
    assert round(seconds / 60) != round((12 * 3.1 + seconds) / 60)
    out = plan(rated, cdmer, *words, "descriptor=hog_top_p4,hog_top_p8")
    assert told("features of 24 clips", out) == pytest.approx(12 * 3.1, abs=1)
    assert "no measured rate for HOG-TOP(p=8)" in out


def test_a_settings_weight_is_what_it_costs_and_the_mean_without_a_rate(rated, cdmer, monkeypatch):
    seen = {}

    def watched(cells, spread):
        seen.update({cell.method_name: cell.weight for cell in cells})

    monkeypatch.setattr("cdmer_bench.cli.run.run_cells", watched)
    monkeypatch.setattr("cdmer_bench.cli.run.report", lambda cells, records: 0)
    words = rated.arguments("method=gfk,svm", "task=red/green", "progress=false")
    assert cdmer("run", *words)[0] == 0
    assert seen["gfk"] == pytest.approx((16 + 17 * 1.4 * 2**0.5) / 17)
    assert seen["svm"] == seen["gfk"]


def test_features_to_extract_are_counted_once_for_all_cells(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    words = ("corpus=noise", "descriptor=lbp_top_r1p4,hog_top_p4", "method=svm,sa")
    out = plan(corpus, cdmer, *words, "task=left/right,right/left")
    assert "features of 24 clips, about" in out  # two databases of six, two descriptors
    assert "together about" in out


def test_reading_is_timed_on_three_clips_of_few_databases(monkeypatch):
    clock, read = [0.0], []

    def read_clip(clip, preprocessing):
        subject, seconds = clip
        clock[0] += seconds + (0.2 if subject not in read else 0.0)
        read.append(subject)

    monkeypatch.setattr(forecast, "read_clip", read_clip)
    monkeypatch.setattr(forecast.time, "thread_time", lambda: clock[0])
    features = SimpleNamespace(preprocessing=None)
    small, large, larger = [("a", 9.0)] * 2, [("b", 0.1)] * 20, [("c", 0.01)] * 40
    seconds = 40 * 0.23 / 3 + 20 * 0.5 / 3  # and the small one like these
    found = forecast._reading([small, [], large, larger], features)
    assert found == pytest.approx(seconds * 62 / 60)
    assert read == ["c"] * 3 + ["b"] * 3
    assert forecast._reading([[("d", 0.05)]], features) == pytest.approx(0.25)


def test_selection_inputs_are_counted_for_cells_to_do_and_done(corpus, cdmer):
    words = ("method=gfk", "task=red/green")
    assert "selection inputs" not in plan(corpus, cdmer, *words)
    inputs = "selection_inputs=[source_cv,reverse]"
    assert "selection inputs of 1 cell, about" in plan(corpus, cdmer, *words, inputs)
    run = corpus.arguments("backend=sequential", *words)
    assert cdmer("run", *run)[0] == 0
    out = plan(corpus, cdmer, *words, inputs)
    assert "selection inputs of 1 cell, about" in out
    assert "1 done cell lacks its selection inputs" in out
    assert cdmer("run", *run, inputs)[0] == 0
    assert "selection inputs of" not in plan(corpus, cdmer, *words, inputs)


@pytest.mark.parametrize("method", ["tgsr", "rstr_authors"])
def test_a_method_that_cannot_group_the_blocks_is_refused_and_not_counted(corpus, cdmer, method):
    for seed, name in enumerate(("red", "green")):
        X, y = draw_features(seed, 24)
        corpus.write(name, X[:, :3], y)  # no grids of 1, 2, 4, ... have three blocks
    out = plan(corpus, cdmer, f"method={method}", "task=red/green")
    assert "refused: groups=authors_chunks needs the blocks of the grids" in out
    assert "setting" not in out
    out = plan(corpus, cdmer, "method=tgsr,rstr", "task=red/green")
    assert "RSTR, given features: 3,000 settings" in out


def test_a_cell_that_was_refused_is_tried_again_and_not_counted(corpus, cdmer):
    code = """\
from dataclasses import dataclass
from cdmer_bench.errors import UserError
from cdmer_bench.methods import SVM

@dataclass
class Choosy(SVM):
    def prepare(self, Xs, ys, Xt, Xq):
        raise UserError("unfit")
"""
    corpus.add_method("choosy", code, "{C: [1, 2]}")
    words = "method=svm,choosy", "task=red/green"
    assert "together about" in plan(corpus, cdmer, *words)
    assert cdmer("run", *corpus.arguments("backend=sequential", *words))[0] == 1
    out = plan(corpus, cdmer, *words)
    assert "to do: refused last time: unfit" in out
    assert "together about" not in out
    assert "no measured rate" not in out


def test_the_time_told_of_a_run_is_within_a_factor_of_two(corpus, cdmer):
    """By the rate of another task of the same folder; the time is processor time."""
    code = """\
import time
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Busy(Method):
    level: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        return {"n": np.array(len(Xq))}

    def solve(self, prepared, settings):
        end = time.process_time() + 0.15 * len(settings)
        while time.process_time() < end:
            pass
        n = int(prepared["n"])
        return BatchResult.closed_form(np.zeros((len(settings), n), int))
"""
    corpus.add_method("busy", code, "{level: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}")
    words = corpus.arguments("backend=sequential", "method=busy", "task=red/green")
    assert cdmer("run", *words)[0] == 0
    out = plan(corpus, cdmer, "method=busy", "task=green/red")
    (told,) = re.findall(r"about (\d+) s of one core \(by this folder's rate\)", out)
    assert 0.5 <= float(told) / 1.5 <= 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (40, "40 s"), (720, "12 min"), (12600, "3.5 h")]
)
def test_durations_are_rounded(seconds, text):
    assert duration(seconds) == text
    assert np.isfinite(calibrate())


def test_the_speed_of_this_machine_is_that_of_one_thread(monkeypatch):
    # Where other programs have the cores, a second thread of BLAS waits, and the clock runs.
    seen = []
    solve = np.linalg.eigh

    def watched(matrix):
        seen.append({pool["num_threads"] for pool in threadpool_info()})
        return solve(matrix)

    monkeypatch.setattr(np.linalg, "eigh", watched)
    with threadpool_limits(2):
        calibrate()
    assert seen
    assert all(threads == {1} for threads in seen)
