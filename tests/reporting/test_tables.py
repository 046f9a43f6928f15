"""Tables: places, averages, gaps and best figures, recomputed here from the predictions."""

from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.reporting import MissingCell, build_table, render, render_all, tables_for
from cdmer_bench.reporting.published import LAYOUTS, Printed, published
from cdmer_bench.reporting.table import Figure, TableCell, TableRow, mark_best
from cdmer_bench.reporting.tables import in_no_table
from cdmer_bench.results.scores import score_records
from tests.reporting.figures import BOTH, TYPE_I, cell, lines, scores
from tests.reporting.records import labels, record


def test_cell_is_the_first_best_setting_with_its_own_accuracy():
    made = record(5)
    table = build_table("III", [made], whole=False)
    by_hand = [scores(made.y_target, p) for p in made.predictions]
    best = max(range(3), key=lambda i: by_hand[i][0])
    figure = cell(table, "TCA", "Exp.5").figure
    assert (figure.mean_f1, figure.accuracy) == pytest.approx(by_hand[best])
    assert figure.setting == f"k = {best + 1}"
    assert figure.n_settings == 3


def test_rows_and_columns_stand_in_the_order_of_the_paper():
    records = [record(t, "rstr", "RSTR") for t in TYPE_I] + [record(1, "svm", "Baseline")]
    table = build_table("III", records)
    assert [r.label for r in table.rows] == [*LAYOUTS["III"].rows]
    assert [c for c, _ in table.columns] == [*(f"Exp.{t}" for t in TYPE_I), "Average"]
    assert table.columns[0] == ("Exp.1", "H → V")
    printed_rows = [row for number, row, _ in published() if number == "III"]
    assert list(dict.fromkeys(printed_rows)) == [*(r.label for r in table.rows), "Average"]


def test_complete_row_is_averaged_and_incomplete_one_is_counted():
    records = [record(t) for t in TYPE_I] + [record(t, "sa", "SA") for t in (1, 2, 4, 5, 6)]
    table = build_table("III", records, whole=False)
    tca = [cell(table, "TCA", f"Exp.{t}").figure for t in TYPE_I]
    average = cell(table, "TCA", "Average").figure
    assert average.mean_f1 == pytest.approx(np.mean([f.mean_f1 for f in tca]))
    assert average.accuracy == pytest.approx(np.mean([f.accuracy for f in tca]))
    assert cell(table, "SA", "Average").figure is None
    text = render(table)
    assert text.count("(5 of 6)") == 1
    # The average of Exp.3 over the methods.
    assert cell(table, "Average", "Exp.3").figure is None
    assert "A column in which a row has no figure has no average." in table.notes
    averages = [x for x in lines(render(table, "csv")) if "Average" in (x["row"], x["column"])]
    assert ("SA", "Average") not in {(x["row"], x["column"]) for x in averages}
    assert ("Average", "Exp.3") not in {(x["row"], x["column"]) for x in averages}


def test_best_of_each_column_is_bold_and_ties_share():
    y = labels("smic_nir")
    good, bad = y[None], np.zeros((1, len(y)), np.uint8)
    records = [
        record(5, "tca", "TCA", good),
        record(5, "sa", "SA", good),
        record(5, "gfk", "GFK", bad),
    ]
    table = build_table("III", records, whole=False)
    flags = {r.label: r.cells[4].best_f1 and r.cells[4].best_accuracy for r in table.rows}
    assert flags == {"TCA": True, "SA": True, "GFK": False, "Average": False}
    assert "**1.0000** / **100.00**" in render(table, "md")
    assert r"\textbf{1.0000} / \textbf{100.00}" in render(table, "tex")
    assert "\033[1m1.0000" in render(table, bold=True)
    assert "\033" not in render(table)


def test_figures_that_print_alike_share_the_best():
    rows = [
        TableRow(label, (TableCell(Figure(f1, percent)),))
        for label, f1, percent in (
            ("A", 0.70004, 70.424),
            ("B", 0.69996, 70.416),
            ("C", 0.6998, 70.3),
        )
    ]
    # One row alone is the best of nothing.
    mark_best(rows[:1])
    assert (rows[0].cells[0].best_f1, rows[0].cells[0].best_accuracy) == (False, False)
    mark_best(rows)
    assert [row.cells[0].best_f1 for row in rows] == [True, True, False]
    assert [row.cells[0].best_accuracy for row in rows] == [True, True, False]


def test_descriptors_fill_tables_v_and_vi_with_the_baseline_as_first_row():
    hog = {"descriptor": "hog_top_p8", "descriptor_label": "HOG-TOP(p=8)"}
    records = [record(t, "svm", "Baseline", **k) for t in (1, 7) for k in (hog, {})]
    tables = tables_for(records)
    assert [t.number for t in tables] == ["V", "VI"]
    assert [r.label for r in tables[0].rows] == ["Baseline", "HOG-TOP(p=8)", "Average"]


def test_table_vii_takes_methods_and_deep_descriptors():
    tuned = {"descriptor_label": "C3D-FC1 (Finetune)"}
    records = [record(8, "svm", "Baseline"), record(8), record(8, "svm", "Baseline", **tuned)]
    table = build_table("VII", records, whole=False, against_paper=True)
    assert [r.label for r in table.rows] == ["Baseline", "TCA", "C3D-FC1 (Finetune)"]
    assert [c for c, _ in table.columns] == ["Exp.1", "Exp.3", "Exp.8"]
    assert cell(table, "TCA", "Exp.8").printed == Printed(0.4870, 53.08)


def test_other_descriptor_of_a_method_gets_a_table_and_rows_of_its_own_name():
    other = {"descriptor_label": "LBP-TOP(R1P8)", "key": "other"}
    tables = tables_for([record(1), record(1, **other)])
    assert [(t.number, t.descriptor) for t in tables] == [
        ("III", "LBP-TOP(R3P8)"),
        ("III", "LBP-TOP(R1P8)"),
    ]
    rows = {x["row"] for x in lines(render_all(tables, "csv"))}
    assert rows == {"TCA", "TCA [LBP-TOP(R1P8)]"}


def test_own_tasks_and_methods_have_the_same_layout():
    own = {"task_label": "Amazon → DSLR", "classes": tuple("abcdefghij")}
    records = [record(5, "mine", "Mine"), record(5, "mine", "Mine", **own), record(5, **own)]
    tables = tables_for(records)
    assert [t.number for t in tables] == ["III", "own"]
    assert [c for c, _ in tables[1].columns] == ["Amazon → DSLR", "Average"]
    assert {r.label for r in tables[1].rows} == {"TCA", "Mine", "Average"}
    assert "" not in render(tables[1]).rstrip("\n").split("\n")
    assert cell(tables[0], "Mine", "Exp.5").figure is not None


def test_runs_that_differ_in_solver_or_parameter_become_rows_that_say_so():
    records = [
        record(5, solver="paper", key="a"),
        record(5, solver="exact", key="b"),
        record(6, solver="paper", key="c"),
    ]
    rows = [r.name for r in build_table("III", records, whole=False).rows]
    assert rows == ["TCA [exact solver]", "TCA [paper solver]", "Average"]
    records = [record(5, parameters={"C": c}, key=str(c)) for c in (1.0, 10.0)]
    assert "TCA [C = 10.0]" in render(build_table("III", records, whole=False))


def test_selection_rules_stand_side_by_side():
    table = build_table("III", [record(5)], ["oracle", "class_balance", "entropy"], whole=False)
    assert [r.selection for r in table.rows] == ["oracle", "class_balance", "entropy"]
    assert cell(table, "TCA", "Exp.5").figure is not None
    assert table.rows[2].cells[4].reason == "entropy needs scores, not recorded"
    figures = [x["selection"] for x in lines(render(table, "csv")) if x["mean_f1"]]
    assert set(figures) == {"oracle", "class_balance"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: build_table("IX", []), "no table 'IX'"),
        (lambda: build_table("III", [], "orakel"), "did you mean 'oracle'"),
        (lambda: build_table("III", [record(1), record(2, corpus="other")]), "other, released"),
        (lambda: render(build_table("III", []), "pdf"), "no table format 'pdf'"),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(UserError, match=words):
        call()


def test_no_record_gives_tables_without_figures():
    assert tables_for([]) == []
    for format in ("text", "md", "csv", "tex", "html"):
        assert render(build_table("III", []), format)
        assert render(build_table("III", [], whole=False), format)


def test_only_columns_that_were_asked_for_and_averages_that_say_so():
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: no")]
    table = build_table("III", [record(1)], missing=missing, whole=False, only_asked=True)
    assert [c for c, _ in table.columns] == ["Exp.1", "Exp.3", "Average"]
    assert cell(table, "TCA", "Average").coverage == (1, 6)
    assert "(1 of 6)" in render(table)
    assert "Exp.2" not in " ".join(table.notes)


def test_the_best_of_a_column_is_marked_for_each_rule():
    """Under a second rule the best is the best under it, though the first rule's is higher."""
    # From CASME II (73/32/25) to HS: the oracle takes what is right, class balance what has the
    # proportions of the source.
    y, balanced = labels("smic_hs"), np.repeat([0, 1, 2], (92, 40, 32))
    grids = {"TCA": np.stack([y, balanced]), "SA": np.stack([y, np.roll(balanced, 60)])}
    records = [record(7, label.lower(), label, grid) for label, grid in grids.items()]
    table = build_table("IV", records, ["oracle", "class_balance"], whole=False)
    cells = {(r.label, r.selection): r.cells[0] for r in table.rows if r.label != "Average"}
    by_hand = {label: scores(y, grid[1])[0] for label, grid in grids.items()}
    assert by_hand["SA"] < by_hand["TCA"] < 1
    for label in grids:
        assert cells[label, "class_balance"].figure.mean_f1 == pytest.approx(by_hand[label])
    assert {place: cell.best_f1 for place, cell in cells.items()} == {
        ("TCA", "oracle"): True,
        ("SA", "oracle"): True,
        ("TCA", "class_balance"): True,
        ("SA", "class_balance"): False,
    }


def test_one_generated_database_marks_the_whole_table():
    mixed = [record(5, synthetic=True), record(6)]
    assert "[SYNTHETIC DATA]" in build_table("III", mixed).heading
    # And a table of that corpus without any figure.
    assert "[SYNTHETIC DATA]" in build_table("IV", mixed).heading
    assert "[SYNTHETIC DATA]" not in build_table("III", mixed[1:]).heading


def test_rows_of_two_rules_are_averaged_each_by_itself():
    y = labels("smic_hs")
    balanced = np.repeat([0, 1, 2], (92, 40, 32))
    made = [
        record(7, name.lower(), name, np.stack([y, np.roll(balanced, shift)]))
        for name, shift in (("TCA", 0), ("SA", 60))
    ]
    table = build_table("IV", made, BOTH, whole=False)
    for rule in BOTH:
        mine = [r.cells[0].figure.mean_f1 for r in table.rows if r.selection == rule]
        assert mine[2] == pytest.approx(np.mean(mine[:2]))
    assert mine[2] < 1


def test_an_average_is_best_of_nothing_though_all_are_equal():
    y = labels("smic_nir")[None]
    table = build_table("III", [record(5, m, m, y) for m in ("TCA", "SA")], whole=False)
    best = [(r.cells[4].best_f1, r.cells[4].best_accuracy) for r in table.rows]
    assert best == [(True, True), (True, True), (False, False)]


def test_the_best_accuracy_may_be_another_rows_than_the_best_mean_f1():
    rows = [
        TableRow(label, (TableCell(Figure(f1, percent)),))
        for label, f1, percent in (("A", 0.7, 60.0), ("B", 0.6, 70.0))
    ]
    marked = [row.cells[0] for row in mark_best(rows)]
    assert [(c.best_f1, c.best_accuracy) for c in marked] == [(True, False), (False, True)]
    table = replace(build_table("III", []), columns=(("Exp.1", ""),), rows=tuple(mark_best(rows)))
    page = " ".join(render(table, "html").split())
    assert '<b>0.7000</b> <span class="second">60.00</span>' in page
    assert '0.6000 <span class="second"><b>70.00</b></span>' in page


def test_networks_that_are_for_tests_have_no_row_of_the_paper():
    for mark in ("[random weights]", "[reduced network]"):
        label = f"C3D-FC1 (Sports1M) {mark}"
        made = [record(5, "svm", "Baseline", descriptor_label=label), record(5, "svm", "Baseline")]
        table = build_table("V", made, whole=False)
        assert [row.label for row in table.rows] == ["Baseline"]
        assert [t.number for t in tables_for(made)] == ["III"]
        assert in_no_table(made).endswith(f"{label}; see cdmer export")
    assert in_no_table(made[1:]) == ""


def test_deep_descriptors_that_were_not_run_are_told_which_weights_they_need():
    table = build_table("V", [record(5, "svm", "Baseline")])
    assert "docs/c3d.md" in cell(table, "C3D-FC1 (Sports1M)", "Exp.5").reason
    assert cell(table, "HOG-TOP(p=4)", "Exp.5").reason == "not run"


def test_methods_are_no_rows_of_a_table_of_descriptors():
    made = [record(1, "svm", "Baseline"), record(1), record(1, "mine", "Mine")]
    hog = record(1, "svm", "Baseline", descriptor_label="HOG-TOP(p=4)")
    table = build_table("V", [*made, hog], whole=False)
    assert [row.label for row in table.rows] == ["Baseline", "HOG-TOP(p=4)", "Average"]


def test_what_failed_on_tasks_of_another_table_makes_no_row():
    failed = [MissingCell("Exp.9", "SA", "LBP-TOP(R3P8)", "failed: no")]
    table = build_table("III", [record(1)], missing=failed, whole=False)
    assert [row.label for row in table.rows] == ["TCA"]
    assert [t.number for t in tables_for([record(1)], missing=failed)] == ["III", "IV"]


def test_what_failed_in_a_frame_of_scores_is_said_in_its_cell():
    scores = score_records([record(1), record(2)])
    lost = scores["task_label"] == "Exp.2"
    scores.loc[lost, ["status", "reason"]] = "failed", "failed: no"
    (row,) = build_table("III", scores, whole=False).rows
    assert [cell.reason for cell in row.cells[:2]] == ["", "failed: no"]


def test_methods_of_the_paper_keep_its_order_in_a_table_of_own_tasks():
    names = ("SA", "Mine", "TCA", "GFK")
    made = [record(5, name.lower(), name, task_label="A → B") for name in names]
    table = build_table("own", made)
    assert [row.label for row in table.rows][:4] == ["TCA", "GFK", "SA", "Mine"]


def test_each_corpus_has_its_own_tables():
    made = [record(5, corpus="one"), record(5, "sa", "SA", corpus="two", synthetic=True)]
    found = tables_for(made)
    assert [(t.corpus, t.synthetic) for t in found] == [("one", False), ("two", True)]
    assert [[row.label for row in t.rows if row.label != "Average"] for t in found] == [
        ["TCA"],
        ["SA"],
    ]


def test_tables_of_tasks_that_nothing_was_run_on_are_not_there():
    made = [record(1, "svm", "Baseline", descriptor_label="HOG-TOP(p=4)")]
    assert [t.number for t in tables_for(made, whole=True)] == ["V"]


def test_rows_of_one_rule_are_taken_out_of_scores_of_several():
    scores = score_records([record(5, scores=np.zeros((3, 71, 3), np.float32))], BOTH)
    table = build_table("III", scores, "oracle", whole=False)
    assert [row.selection for row in table.rows] == ["oracle"]
    assert render(table) == render(build_table("III", [record(5)], whole=False))
