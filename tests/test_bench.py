"""The benchmarks compare what they say, and their goals and generated sections are right."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(autouse=True)
def scripts_on_path(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Applying `local_binary_pattern`")
def test_every_peer_and_loop_computes_the_descriptor_it_is_compared_with():
    import bench_descriptors

    rng = np.random.default_rng(3)
    clip = rng.normal(128, 40, bench_descriptors.SHAPE)
    small = rng.normal(128, 40, bench_descriptors.SMALL)
    contests = bench_descriptors.contests()
    assert len(contests) == 12
    for contest in contests:
        bench_descriptors.check(contest, clip, small)


def test_a_peer_or_loop_of_another_descriptor_is_refused():
    import bench_descriptors

    rng = np.random.default_rng(3)
    clip = rng.normal(128, 40, (8, 32, 32))
    small = rng.normal(128, 40, bench_descriptors.SMALL)
    found = {contest.name: contest for contest in bench_descriptors.contests()}
    higo, hog = found["HIGO-TOP(p=4)"], found["HOG-TOP(p=4)"]
    bench_descriptors.check(higo, clip, small)
    for part in ("peer", "loop"):
        wrong = replace(higo, **{part: getattr(hog, part)})
        with pytest.raises(SystemExit, match=f"the {part}'s result differs"):
            bench_descriptors.check(wrong, clip, small)


@pytest.mark.parametrize(
    ("ratio", "goal", "met"),
    [(6, ">= 5", "yes"), (4, ">= 5", "no"), (1, "<= 1", "yes"), (2.5, "<= 2", "no"), (9, "", "")],
)
def test_goals(ratio, goal, met):
    from bench_rows import Row

    assert Row("s", "n", "plain", "a", ratio, goal).met == met


def test_rows_survive_the_csv(tmp_path):
    from bench_rows import above, faster, read_csv, write_csv

    rows = [
        faster("s", "n", "peer", "a, b", 2.0, 8.0, goal=">= 5"),
        above("s", "m", "floor", "c", 3.0, 2.0, timed="3 of 9"),
    ]
    write_csv(rows, tmp_path / "rows.csv")
    assert read_csv(tmp_path / "rows.csv") == rows
    assert [row.ratio for row in rows] == [4.0, 1.5]


def test_only_the_named_section_is_replaced(tmp_path):
    from generated import replace_section

    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- end of x -->\nb <!-- y -->\n<!-- end of y -->\n")
    replace_section(page, "x", "new")
    replace_section(page, "x", "newer")
    assert page.read_text() == (
        "a\n<!-- x -->\n\nnewer\n\n<!-- end of x -->\nb <!-- y -->\n<!-- end of y -->\n"
    )
    with pytest.raises(SystemExit, match="lacks"):
        replace_section(page, "z", "new")


def test_the_page_begins_with_what_was_measured_and_names_what_was_not():
    from bench_commands import SUMMARY, limit, summary

    rows = [limit("RSTR", "", 300.0, 600.0), limit("TSRG and DRFS-T, paper", "", 17640.0, 21600.0)]
    head, *lines = summary(rows)
    assert len(lines) == len(SUMMARY) == 6
    found = {line[0]: line[1:] for line in lines}
    assert head == ["what", "0.1.0", "now", "limit"]
    assert found[SUMMARY["RSTR"][0]] == ["18 min by its plan", "5 min", "10 min"]
    assert found[SUMMARY["TSRG and DRFS-T, paper"][0]][1:] == ["4.9 h", "6 h"]
    assert found[SUMMARY["start, dry run"][0]] == ["6.7 s", "not run", ""]


def test_growth_is_extrapolated_by_its_power():
    from growth import expected

    done = [{"size": n, "seconds": n**3 / 1e6, "peak": 1.0} for n in (100, 300)]
    assert expected(done, 1000, "seconds") == pytest.approx(1000.0)
    assert expected(done, 1000, "peak") == pytest.approx(1.0)
