"""Tables: places, averages, gaps, best figures, all recomputed here from the predictions."""

import csv
import dataclasses
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.reporting import MissingCell, build_table, render, render_all, tables_for
from cdmer_bench.reporting.published import LAYOUTS, Printed, later_paper, published
from cdmer_bench.reporting.table import Figure, TableCell, TableRow, mark_best
from cdmer_bench.results.scores import score_records
from tests.reporting.records import labels, record

TYPE_I = range(1, 7)


def scores(y_true, prediction):
    """Mean F1 and accuracy by a plain reading of the paper's formula."""
    f1 = []
    for c in range(3):
        both = np.sum((y_true == c) & (prediction == c))
        total = np.sum(y_true == c) + np.sum(prediction == c)
        f1.append(2 * both / total if total else 0.0)
    return np.mean(f1), 100 * np.mean(y_true == prediction)


def cell(table, row, column):
    index = [label for label, _ in table.columns].index(column)
    return next(r for r in table.rows if r.name == row).cells[index]


def lines(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_cell_is_the_first_best_setting_with_its_own_accuracy():
    made = record(5)
    table = build_table("III", [made], whole=False)
    by_hand = [scores(made.y_target, p) for p in made.predictions]
    best = max(range(3), key=lambda i: by_hand[i][0])
    figure = cell(table, "TCA", "Exp.5").figure
    assert (figure.mean_f1, figure.accuracy) == pytest.approx(by_hand[best])
    assert figure.setting == f"k = {best + 1}"
    assert figure.n_settings == 3


def test_one_class_answers_print_as_in_table_vi():
    negative = np.zeros((1, 164), np.uint8)
    made = record(7, "svm", "Baseline", negative, descriptor_label="C3D-FC1 (Sports1M)")
    table = build_table("VI", [made], against_paper=True)
    shown = cell(table, "C3D-FC1 (Sports1M)", "Exp.7")
    assert shown.printed == Printed(0.1994, 42.68)
    assert "0.1994 / 42.68" in render(table, "md")
    assert "+0.0000 / +0" in render(table, "md")


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


def test_gaps_are_explained_in_the_caption():
    missing = [
        MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: singular matrix"),
        *(MissingCell(f"Exp.{t}", "SA", "LBP-TOP(R3P8)", "without data") for t in TYPE_I),
    ]
    table = build_table("III", [record(1), record(2)], missing=missing, whole=False)
    assert cell(table, "TCA", "Exp.3").reason == "failed: singular matrix"
    notes = " ".join(table.notes)
    assert "TCA (Exp.3): failed: singular matrix" in notes
    assert "SA (all tasks): without data" in notes
    assert "TCA (Exp.4 to Exp.6): not run" in notes


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


def test_default_of_a_searched_parameter_makes_no_row_of_its_own():
    records = [record(5, parameters={"k": k, "mu": 1.0}, key=str(k)) for k in (2, 9)]
    assert [r.name for r in build_table("III", records, whole=False).rows] == ["TCA"]


def test_of_two_equal_runs_the_later_is_shown():
    y = labels("smic_nir")
    early = record(5, about={"date": "2026-01-02"}, key="z")
    late = record(5, predictions=y[None], about={"date": "2026-01-03"}, key="a")
    for order in ([early, late], [late, early]):
        table = build_table("III", order, whole=False)
        assert cell(table, "TCA", "Exp.5").figure.mean_f1 == 1


def test_caption_says_corpus_rule_grid_and_synthetic():
    made = record(5, corpus="synthetic", synthetic=True, grid="reduced")
    for format in ("text", "md", "tex", "html"):
        text = " ".join(render(build_table("III", [made]), format).split())
        assert "SYNTHETIC DATA" in text
        assert "chosen with the target labels" in text
        assert "synthetic" in text
        assert "reduced" in text
        assert "TCA 3" in text


def test_unconverged_choice_is_named():
    made = record(5, converged=np.zeros(3, bool))
    notes = " ".join(build_table("III", [made]).notes)
    assert "An iteration limit ended the solver at the chosen setting: TCA Exp.5" in notes


def test_csv_is_the_long_form():
    records = [record(t) for t in TYPE_I]
    found = lines(render(build_table("III", records, whole=False), "csv"))
    assert list(found[0])[:8] == [
        "table",
        "row",
        "column",
        "mean_f1",
        "accuracy",
        "selection",
        "n_settings",
        "corpus",
    ]
    assert len(found) == 7
    first = scores(records[0].y_target, records[0].predictions[1])
    assert {name: found[0][name] for name in list(found[0])[:-1]} == {
        "table": "III",
        "row": "TCA",
        "column": "Exp.1",
        "mean_f1": f"{first[0]:.4f}",
        "accuracy": f"{first[1]:.2f}",
        "selection": "oracle",
        "n_settings": "3",
        "corpus": "released",
        "task": "exp01",
        "source": "smic_hs",
        "target": "smic_vis",
        "method": "tca",
        "descriptor": "lbp_top_r3p8",
        "setting": "k = 2",
        "reason": "",
    }


def test_the_long_form_has_a_line_for_a_cell_without_a_figure():
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: singular matrix")]
    made = [record(1), record(2, scores=None)]
    table = build_table("III", made, ["oracle", "entropy"], missing=missing, whole=False)
    found = {(x["column"], x["selection"]): x for x in lines(render(table, "csv"))}
    assert len(found) == 12
    failed = found["Exp.3", "oracle"]
    assert (failed["mean_f1"], failed["accuracy"], failed["n_settings"]) == ("", "", "")
    assert failed["reason"] == "failed: singular matrix"
    assert found["Exp.1", "entropy"]["reason"] == "entropy needs scores, not recorded"
    assert found["Exp.4", "oracle"]["reason"] == "not run"
    assert (found["Exp.4", "oracle"]["task"], found["Exp.4", "oracle"]["target"]) == (
        "exp04",
        "smic_hs",
    )
    # The same as JSON, with numbers and nulls.
    (first, *_), listed = json.loads(render(table, "json")), json.loads(render(table, "json"))
    assert list(first) == list(failed)
    assert len(listed) == 12
    assert f"{first['mean_f1']:.4f}" == found["Exp.1", "oracle"]["mean_f1"]
    assert {x["mean_f1"] for x in listed if x["selection"] == "entropy"} == {None}


def test_text_fits_the_terminal():
    records = [record(t) for t in TYPE_I]
    for width, against in ((100, False), (120, True)):
        text = render(build_table("III", records, against_paper=against), width=width)
        assert max(map(len, text.splitlines())) <= width
    table = build_table("III", records, whole=False)
    assert " / " in render(table, width=140).splitlines()[-2]
    assert " / " not in render(table, width=100).splitlines()[-2]


def test_text_of_a_hostile_label_stays_in_its_line():
    made = record(5, "x", "two\nlines \033[31m")
    body = render(build_table("III", [made], whole=False)).split("---\n")[-2]
    assert body.count("\n") == 1
    assert "\033" not in body


def test_html_and_markdown_escape_labels():
    made = record(5, "x", "<script>|&")
    table = build_table("III", [made], whole=False)
    assert "<script>" not in render(table, "html")
    assert "&lt;script&gt;|&amp;" in render(table, "html")
    assert "&lt;script&gt;\\|&amp;" in render(table, "md")


def test_latex_is_balanced_and_has_as_many_cells_in_every_row():
    records = [record(t, "x", r"50%_of{it} & $\alpha$ #1~^") for t in TYPE_I]
    table = build_table("III", [*records, record(1)], against_paper=True)
    text = render(table, "tex")
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [r for r in body.splitlines() if r.endswith(r"\\")]
    # Of the eleven methods that the paper has only TCA was run, with the paper's figures below it;
    # a method without any figure is in the notes alone.
    assert len(rows) == 4
    assert "DRFS-T" not in body
    assert "DRFS-T" in text[text.index(r"\begin{tablenotes}") : text.index(r"\end{tablenotes}")]
    caption = text[text.index(r"\caption") : text.index(r"\label")]
    assert all(note not in caption for note in ("Selection", "Settings tried", "Corpus"))
    assert {r.replace(r"\&", "").count("&") for r in rows} == {7}
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    assert r"50\%\_of\{it\} \& \$\textbackslash{}alpha\$ \#1\textasciitilde{}" in text


def test_selection_rules_stand_side_by_side():
    table = build_table("III", [record(5)], ["oracle", "class_balance", "entropy"], whole=False)
    assert [r.selection for r in table.rows] == ["oracle", "class_balance", "entropy"]
    assert cell(table, "TCA", "Exp.5").figure is not None
    assert table.rows[2].cells[4].reason == "entropy needs scores, not recorded"
    figures = [x["selection"] for x in lines(render(table, "csv")) if x["mean_f1"]]
    assert set(figures) == {"oracle", "class_balance"}


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


def test_published_figures_are_complete():
    counts = {}
    for number, _, _ in published():
        counts[number] = counts.get(number, 0) + 1
    # rows x (tasks + average) + tasks of the row of averages
    assert counts == {"III": 83, "IV": 83, "V": 118, "VI": 118, "VII": 18}
    path = Path(__file__).parents[2] / "cdmer_bench/reporting/published.csv"
    assert path.read_text().startswith("table,row,column,mean_f1,accuracy\n")


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
    assert cell(table, "TGSR [tgsr2022]", "Exp.3").parts == ("0.5847", "60.56")
    assert cell(table, "MADTN [madtn2021]", "Average").parts == ("0.7678", "76.84")
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


def test_only_columns_that_were_asked_for_and_averages_that_say_so():
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: no")]
    table = build_table("III", [record(1)], missing=missing, whole=False, only_asked=True)
    assert [c for c, _ in table.columns] == ["Exp.1", "Exp.3", "Average"]
    assert cell(table, "TCA", "Average").coverage == (1, 6)
    assert "(1 of 6)" in render(table)
    assert "Exp.2" not in " ".join(table.notes)


def test_printed_figures_beside_synthetic_ones_are_said_to_mean_nothing():
    made = record(5, corpus="synthetic", synthetic=True)
    beside = build_table("III", [made], against_paper=True)
    assert any("mean nothing" in note for note in beside.notes)
    assert not any("mean nothing" in note for note in build_table("III", [made]).notes)
    real = build_table("III", [record(5)], against_paper=True)
    assert not any("mean nothing" in note for note in real.notes)


def test_own_databases_have_their_titles_where_there_is_room_else_letters_and_a_key():
    own = {"task_label": "A → dslr", "source": "amazon", "target": "dslr"}
    scores = score_records([record(5, **own)])
    table = build_table("own", scores.assign(source_title="Amazon"))
    assert table.columns[0] == ("A → dslr", "Amazon → dslr")
    assert not [note for note in table.notes if note.startswith("Databases:")]
    long = "Amazon, pictures of its catalogue"
    table = build_table("own", scores.assign(source_title=long))
    assert table.columns[0] == ("A → dslr", "")
    assert f"Databases: A is {long}." in table.notes


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


def test_only_the_limit_of_the_chosen_setting_is_told():
    for chosen in (False, True):
        # The second of three settings is the best one of these records.
        converged = np.array([chosen, not chosen, chosen])
        notes = " ".join(build_table("III", [record(5, converged=converged)]).notes)
        assert ("An iteration limit" in notes) == chosen


def test_one_generated_database_marks_the_whole_table():
    mixed = [record(5, synthetic=True), record(6)]
    assert "[SYNTHETIC DATA]" in build_table("III", mixed).heading
    # And a table of that corpus without any figure.
    assert "[SYNTHETIC DATA]" in build_table("IV", mixed).heading
    assert "[SYNTHETIC DATA]" not in build_table("III", mixed[1:]).heading


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


BOTH = ["oracle", "class_balance"]


def test_a_row_says_its_rule_in_every_format_where_there_are_several():
    table = build_table("III", [record(5)], BOTH, whole=False)
    for format in ("text", "md", "tex", "html"):
        text = render(table, format).replace(r"\_", "_")
        assert "TCA (oracle)" in text
        assert "TCA (class_balance)" in text
        assert "(oracle)" not in render(build_table("III", [record(5)], whole=False), format)
    # A later paper's row beside one rule is no second rule.
    later = [later_paper("tgsr2022")]
    assert "(oracle)" not in render(build_table("III", [record(5)], whole=False, later=later))
    rows = render(build_table("III", [record(5)], BOTH, whole=False, later=later))
    assert "TGSR [tgsr2022] (" not in rows


def test_the_first_line_of_a_generated_table_says_so_in_every_format():
    made = record(5, corpus="synthetic", synthetic=True)
    table = build_table("III", [made], whole=False)
    for format in ("text", "md"):
        first = render(table, format).split("\n")[0].replace("\\", "")
        assert "Table III [SYNTHETIC DATA]: mean F1" in first
    caption = next(x for x in render(table, "tex").split("\n") if x.startswith(r"\caption"))
    assert caption.startswith(r"\caption{Synthetic data: mean F1")


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
    assert cell(table, "TCA", "Average").difference_parts == ("+0.3762", "+35.99")


def test_directions_stand_in_the_heads():
    table = build_table("III", [record(5)], whole=False, only_asked=True)
    assert "| Exp.5: V → N |" in render(table, "md")
    assert r"V $\rightarrow$ N" in render(table, "tex")


def test_a_table_without_printed_figures_does_not_take_the_columns_from_the_next():
    own = build_table("own", [record(5, task_label="A → B")])
    beside = build_table("III", [record(5)], whole=False, against_paper=True)
    listed = json.loads(render_all([own, beside], "json"))
    assert {x["paper_mean_f1"] for x in listed if x["column"] in ("A → B", "Exp.5")} == {
        None,
        0.5810,
    }


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


def test_networks_that_are_for_tests_have_no_row_of_the_paper():
    for mark in ("[random weights]", "[reduced network]"):
        label = f"C3D-FC1 (Sports1M) {mark}"
        made = [record(5, "svm", "Baseline", descriptor_label=label), record(5, "svm", "Baseline")]
        table = build_table("V", made, whole=False)
        assert [row.label for row in table.rows] == ["Baseline"]
        assert [t.number for t in tables_for(made)] == ["III"]


def test_deep_descriptors_that_were_not_run_are_told_which_weights_they_need():
    table = build_table("V", [record(5, "svm", "Baseline")])
    assert "docs/c3d.md" in cell(table, "C3D-FC1 (Sports1M)", "Exp.5").reason
    assert cell(table, "HOG-TOP(p=4)", "Exp.5").reason == "not run"


def test_averages_are_compared_under_each_of_several_rules():
    made = [record(1, row.lower(), row) for row in LAYOUTS["III"].rows]
    table = build_table("III", made, BOTH, against_paper=True)
    averages = [row for row in table.rows if row.label == "Average"]
    assert [row.cells[0].printed for row in averages] == [Printed(0.8405, 84.12)] * 2


def test_a_cell_without_a_figure_has_none_of_the_papers_beside_it():
    table = build_table("III", [record(5)], against_paper=True)
    assert cell(table, "TCA", "Exp.1").printed is None
    assert cell(table, "SA", "Exp.5").printed is None


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


def test_papers_without_a_cell_of_a_table_are_not_named_below_it():
    only_iii = later_paper("tgsr2022")
    cells = {place: p for place, p in only_iii.cells.items() if place[0] == "III"}
    later = [replace(only_iii, cells=cells)]
    assert any("tgsr2022" in n for n in build_table("III", [record(5)], later=later).notes)
    assert not any("tgsr2022" in n for n in build_table("IV", [record(7)], later=later).notes)


def test_rows_of_one_rule_are_taken_out_of_scores_of_several():
    scores = score_records([record(5, scores=np.zeros((3, 71, 3), np.float32))], BOTH)
    table = build_table("III", scores, "oracle", whole=False)
    assert [row.selection for row in table.rows] == ["oracle"]
    assert render(table) == render(build_table("III", [record(5)], whole=False))
