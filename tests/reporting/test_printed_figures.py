"""What the papers print beside our figures: theirs of the same place, and the difference."""

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.reporting import build_table, render, render_all
from cdmer_bench.reporting.published import LAYOUTS, Printed, later_paper
from cdmer_bench.results.scores import score_records
from tests.reporting.figures import BOTH, TYPE_I, cell, lines
from tests.reporting.records import record


def test_one_class_answers_print_as_in_table_vi():
    negative = np.zeros((1, 164), np.uint8)
    made = record(7, "svm", "Baseline", negative, descriptor_label="C3D-FC1 (Sports1M)")
    table = build_table("VI", [made], against_paper=True)
    shown = cell(table, "C3D-FC1 (Sports1M)", "Exp.7")
    assert shown.printed == Printed(0.1994, 42.68)
    assert "0.1994 / 42.68" in render(table, "md")
    assert "+0.0000 / +0" in render(table, "md")


def test_averages_of_the_paper_are_compared_only_over_the_same_rows():
    some = build_table("III", [record(t) for t in TYPE_I], whole=False, against_paper=True)
    assert cell(some, "TCA", "Average").printed == Printed(0.6238, 64.01)
    # In the long form an average has a difference in mean F1, but none in samples.
    (average,) = (x for x in lines(render(some, "csv")) if x["column"] == "Average")
    apart = float(average["mean_f1"]) - 0.6238
    assert float(average["difference_mean_f1"]) == pytest.approx(apart, abs=1e-9)
    assert average["difference_samples"] == ""
    records = [record(1, row.lower(), row) for row in LAYOUTS["III"].rows]
    full = build_table("III", records, against_paper=True)
    assert cell(full, "Average", "Exp.1").printed == Printed(0.8405, 84.12)
    partial = build_table("III", records[:3], whole=False, against_paper=True)
    assert cell(partial, "Average", "Exp.1").printed is None


def test_rows_of_later_papers_follow_as_they_are_printed():
    later = [later_paper(name) for name in ("tgsr2022", "madtn2021")]
    records = [record(t, label.lower(), label) for t in TYPE_I for label in ("TGSR", "TCA")]
    table = build_table("III", records, whole=False, later=later)
    assert [row.name for row in table.rows] == [
        "TCA",
        "TGSR",
        "Average",
        "TGSR [tgsr2022]",
        "MADTN [madtn2021]",
    ]
    # Figures from the text of the two papers.
    assert cell(table, "TGSR [tgsr2022]", "Exp.3").figure.parts == ("0.5847", "60.56")
    assert cell(table, "MADTN [madtn2021]", "Average").figure.parts == ("0.7678", "76.84")
    # A row of ours of the same name has the printed figures below it; TCA has none of theirs.
    assert cell(table, "TGSR", "Exp.1").printed == Printed(0.9150, 91.55)
    assert cell(table, "TCA", "Exp.1").printed is None
    # Neither are they best of a column nor part of an average.
    means = [cell(table, row, "Exp.1").figure.mean_f1 for row in ("TCA", "TGSR")]
    assert cell(table, "Average", "Exp.1").figure.mean_f1 == pytest.approx(np.mean(means))
    assert not any(c.best_f1 for row in table.rows[-2:] for c in row.cells)
    notes = " ".join(table.notes)
    assert "MADTN [madtn2021]: as printed in" in notes
    assert "deep network" in notes
    assert "https://arxiv.org/abs/2111.15361" in notes
    # Of Table V nothing is printed in them.
    assert build_table("V", records, whole=False, later=later).rows == ()


def test_printed_figures_beside_synthetic_ones_are_said_to_mean_nothing():
    made = record(5, corpus="synthetic", synthetic=True)
    beside = build_table("III", [made], against_paper=True)
    assert any("mean nothing" in note for note in beside.notes)
    assert not any("mean nothing" in note for note in build_table("III", [made]).notes)
    real = build_table("III", [record(5)], against_paper=True)
    assert not any("mean nothing" in note for note in real.notes)


def test_a_table_has_the_rows_that_a_later_paper_prints_in_it():
    cells = {
        ("III", "A method", "Exp.5"): Printed(0.5, 50.70),
        ("IV", "Another", "Exp.7"): Printed(0.4, 40.24),
        ("IV", "TKL", "Exp.7"): Printed(0.4582, 46.95),
    }
    later = [dataclasses.replace(later_paper("tgsr2022"), name="mine", cells=cells)]
    of_both = [build_table(n, [record(5)], whole=False, later=later) for n in ("III", "IV")]
    assert [row.name for row in of_both[0].rows][-1] == "A method [mine]"
    assert [row.name for row in of_both[1].rows] == ["Another [mine]"]
    assert "A method [mine]: as printed" in " ".join(of_both[0].notes)


def test_figures_of_the_benchmark_are_its_own_not_those_that_a_later_paper_copied():
    later = [later_paper("tgsr2022")]
    made = [record(6, "tkl", "TKL")]
    # The later paper copied 0.7580.
    table = build_table("III", made, whole=False, against_paper=True, later=later)
    assert cell(table, "TKL", "Exp.6").printed == Printed(0.7579, 76.06)
    table = build_table("III", made, whole=False, later=later)
    assert cell(table, "TKL", "Exp.6").printed is None


def test_the_papers_figures_and_what_is_apart_stand_below_under_their_names():
    # The paper's TCA on Exp.5 is 0.5810 / 61.97, 44 of 71 clips.
    made = record(5, predictions=np.zeros((1, 71)))
    table = build_table("III", [made], whole=False, against_paper=True)
    apart = f"{round(2 * 23 / 94 / 3, 4) - 0.5810:+.4f} / -21"
    paper, below = [x for x in render(table, width=200).split("\n") if x.startswith("  ")][-2:]
    assert paper.split() == ["paper", "0.5810", "/", "61.97"]
    assert below.split()[0] == "diff."
    assert apart in below
    assert f"<br>paper 0.5810 / 61.97<br>{apart}" in render(table, "md")
    first, second = [x for x in render(table, "tex").split("\n") if x.startswith(r"\quad")]
    assert first.startswith(r"\quad paper &")
    assert "0.5810 / 61.97" in first
    assert second.startswith(r"\quad difference &")
    assert apart.replace("-", "$-$") in second


def test_the_difference_of_an_average_is_ours_less_the_papers():
    right = [record(t, predictions=record(t).y_target[None]) for t in TYPE_I]
    table = build_table("III", right, whole=False, against_paper=True)
    # The paper's TCA is 0.6238 / 64.01 on average.
    assert cell(table, "TCA", "Average").below[1] == ("+0.3762", "+35.99")


def test_a_table_without_printed_figures_does_not_take_the_columns_from_the_next():
    own = build_table("own", [record(5, task_label="A → B")])
    beside = build_table("III", [record(5)], whole=False, against_paper=True)
    listed = json.loads(render_all([own, beside], "json"))
    assert {x["paper_mean_f1"] for x in listed if x["column"] in ("A → B", "Exp.5")} == {
        None,
        0.5810,
    }


def test_figures_of_another_descriptor_are_not_set_beside_printed_ones():
    other = {"descriptor_label": "LBP-TOP(R1P8)", "variant": "exact solver"}
    later = [later_paper("tgsr2022")]
    made = score_records([record(5, **other), record(5, "tgsr", "TGSR", **other)])
    table = build_table(
        "III", made, descriptor="LBP-TOP(R1P8)", whole=False, against_paper=True, later=later
    )
    names = [row.name for row in table.rows]
    assert names == ["TCA [exact solver]", "TGSR [exact solver]", "Average"]
    assert not any(c.printed for row in table.rows for c in row.cells)
    assert not any("printed in" in note for note in table.notes)
    names = {x["row"] for x in lines(render(table, "csv"))}
    assert "TCA [exact solver] [LBP-TOP(R1P8)]" in names


def test_averages_are_compared_under_each_of_several_rules():
    made = [record(1, row.lower(), row) for row in LAYOUTS["III"].rows]
    table = build_table("III", made, BOTH, against_paper=True)
    averages = [row for row in table.rows if row.label == "Average"]
    assert [row.cells[0].printed for row in averages] == [Printed(0.8405, 84.12)] * 2


def test_a_cell_without_a_figure_has_none_of_the_papers_beside_it():
    table = build_table("III", [record(5)], against_paper=True)
    assert cell(table, "TCA", "Exp.1").printed is None
    assert cell(table, "SA", "Exp.5").printed is None


def test_papers_without_a_cell_of_a_table_are_not_named_below_it():
    only_iii = later_paper("tgsr2022")
    cells = {place: p for place, p in only_iii.cells.items() if place[0] == "III"}
    later = [replace(only_iii, cells=cells)]
    assert any("tgsr2022" in n for n in build_table("III", [record(5)], later=later).notes)
    assert not any("tgsr2022" in n for n in build_table("IV", [record(7)], later=later).notes)
