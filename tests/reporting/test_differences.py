"""Differences from the paper, in mean F1 and in samples."""

from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.reporting import build_table, differences, summarize
from cdmer_bench.reporting.published import (
    AVERAGE,
    LAYOUTS,
    Printed,
)
from cdmer_bench.reporting.table import Figure, TableCell
from tests.reporting.records import labels, record


def test_difference_counts_samples_from_the_nearest_count():
    # 49.83 is no count of 71; the nearest is 35 (49.30), and 36 is 50.70.
    figure = Figure(0.5, 100 * 36 / 71, n_target=71)
    printed = Printed(0.4885, 49.83)
    assert TableCell(figure, printed=printed).difference == (0.0115, 1)
    assert TableCell(Figure(0.5, 50.0), printed=printed).difference == (0.0115, None)


def test_summary_counts_every_figure():
    negative = np.zeros((1, 164), np.uint8)
    names = {"descriptor_label": "C3D-FC1 (Sports1M)"}
    equal = record(7, "svm", "Baseline", negative, **names)
    # Exp.8 prints 0.2394 where one class answered for every clip gives 0.2397.
    near = record(8, "svm", "Baseline", np.zeros((1, 130), np.uint8), **names)
    tables = [build_table("VI", [equal, near], against_paper=True)]
    text = summarize(tables)
    assert "3 of 4 figures equal to every digit" in text
    assert "2 of 2 accuracies within one sample" in text
    assert "largest difference +0.0003 in mean F1 (C3D-FC1 (Sports1M), Exp.8)" in text
    assert [d.column for d in differences(tables)] == ["Exp.8", "Exp.7"]
    assert differences(tables)[0].mean_f1 == pytest.approx(0.0003)


@pytest.mark.parametrize(("right", "near"), [(43, 1), (44, 1), (45, 1), (46, 0), (42, 0)])
def test_within_one_sample_is_one(right, near):
    # The paper's TCA on Exp.5: 61.97 is 44 of 71.
    y = labels("smic_nir")
    predicted = np.where(np.arange(71) < right, y, (y + 1) % 3)
    table = build_table("III", [record(5, predictions=predicted[None])], against_paper=True)
    assert f"{near} of 1 accuracies within one sample" in summarize([table])


def test_largest_differences_are_of_either_sign_and_each_of_its_own_cell():
    # The paper's TCA on Exp.5 is 0.5810 / 61.97, 44 of 71; its SA is 0.7004 / 71.83, 51 of 71.
    y = labels("smic_nir")
    all_right = record(5, predictions=y[None])
    # 28 clips of one class right: far less in mean F1, but 23 samples against TCA's 27.
    one_class = record(5, "sa", "SA", np.ones((1, 71)))
    text = summarize([build_table("III", [all_right, one_class], against_paper=True)])
    assert (
        f"largest difference {round(2 * 28 / 99 / 3, 4) - 0.7004:+.4f} in mean F1 (SA, Exp.5)"
        in text
    )
    assert text.endswith("and +27 samples (TCA, Exp.5).")


def test_averages_are_no_cells_to_compare():
    rows = LAYOUTS["III"].rows
    made = [record(5, name.lower(), name) for name in rows]
    table = build_table("III", made, against_paper=True)
    (average,) = [row for row in table.rows if row.label == AVERAGE]
    assert any(cell.printed for cell in average.cells)
    assert {d.row for d in differences([table])} == set(rows)
    assert f"of {2 * len(rows)} figures" in summarize([table])


def test_a_cell_of_two_tables_counts_once():
    records = [record(1, "svm", "Baseline")]
    tables = [build_table(n, records, against_paper=True) for n in ("III", "V", "VII")]
    assert "of 2 figures" in summarize(tables)


def test_each_rule_has_a_line_of_its_own():
    y = labels("smic_nir")
    right = np.stack([np.where(np.arange(71) < 44, y, (y + 1) % 3), np.zeros(71)])
    made = record(5, predictions=right, scores=np.zeros((2, 71, 3), np.float32))
    made.scores[1, :, 0] = 9  # the most certain
    tables = [build_table("III", [made], ["entropy", "oracle"], against_paper=True)]
    entropy, oracle = summarize(tables).splitlines()
    # 23 negative clips of 71, where the paper's TCA has 44 right.
    assert entropy.startswith("entropy: 0 of 2 figures equal")
    assert "-21 samples (TCA, Exp.5)" in entropy
    assert oracle.startswith("oracle: 1 of 2 figures equal to every digit, 1 of 1 accuracies")
    one = [build_table("III", [made], "oracle", against_paper=True)]
    assert summarize(one) == oracle.removeprefix("oracle: ")


def test_nothing_to_compare_and_synthetic_are_said():
    assert summarize([build_table("III", [])]) == "No figure to compare with the paper."
    made = record(1, corpus="synthetic", synthetic=True)
    assert "SYNTHETIC" in summarize([build_table("III", [made], against_paper=True)])


def test_averages_of_a_row_are_no_cells_to_compare_either():
    table = build_table("III", [record(t) for t in range(1, 7)], whole=False, against_paper=True)
    assert table.rows[0].cells[-1].printed == Printed(0.6238, 64.01)
    assert {d.column for d in differences([table])} == {f"Exp.{t}" for t in range(1, 7)}


def test_differences_of_either_sign_are_listed_by_their_size():
    # The paper's TCA on Exp.5 is 0.5810, its SA 0.7004: far above, and a little less far below.
    better = record(5, predictions=labels("smic_nir")[None])
    worse = record(5, "sa", "SA", np.zeros((1, 71)))
    table = build_table("III", [better, worse], whole=False, against_paper=True)
    found = [d.mean_f1 for d in differences([table])]
    assert found == pytest.approx([round(2 * 23 / 94 / 3, 4) - 0.7004, 1 - 0.5810])


def test_accuracies_are_compared_as_they_are_printed():
    # 49.83 is no count of 71; the nearest, 35, is 49.30: no sample apart, and not equal.
    figure, printed = Figure(0.5, 100 * 35 / 71, n_target=71), Printed(0.5, 49.83)
    table = build_table("III", [record(5)], whole=False, against_paper=True)
    cell = TableCell(figure, printed=printed)
    row = replace(table.rows[0], cells=(cell, *table.rows[0].cells[1:4], *table.rows[0].cells[5:]))
    table = replace(table, columns=table.columns[:4] + table.columns[5:], rows=(row,))
    assert summarize([table]).startswith("1 of 2 figures equal to every digit, 1 of 1 accuracies")


def test_one_generated_table_marks_the_summary():
    tables = [
        build_table("III", [record(1)], against_paper=True),
        build_table("IV", [record(7, synthetic=True)], against_paper=True),
    ]
    assert "SYNTHETIC" in summarize(tables)
