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
from tests.small_corpus import write_clip_corpus


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
