"""What is known to be wrong in the printed tables is found, and nothing in sound ones."""

import csv
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.reporting.audit import as_json, as_text, audit, audit_later, find_matrix
from cdmer_bench.reporting.published import AVERAGE, LAYOUTS, Printed, later_paper, published


@pytest.fixture(scope="module")
def findings():
    return audit()


def places(findings, kind):
    return {(f.table, f.row, f.column) for f in findings if f.kind == kind}


def test_impossible_accuracies(findings):
    assert places(findings, "accuracy") == {
        ("IV", "GFK", "Exp.10"),
        ("IV", "DRLS", "Exp.11"),
        ("IV", "DRLS", "Exp.12"),
        ("VI", "HOG-TOP(p=4)", "Exp.12"),
    }


def test_impossible_mean_f1(findings):
    assert places(findings, "mean_f1") == {
        ("VI", "C3D-FC1 (Sports1M)", "Exp.8"),
        ("VII", "C3D-FC1 (Sports1M)", "Exp.8"),
    }
    assert "0.2397" in next(f for f in findings if f.kind == "mean_f1").evidence


def test_wrong_averages_with_what_explains_them(findings):
    found = {(f.table, f.row, f.column): f for f in findings if f.kind == "average"}
    assert "accuracy 68.07, but the mean is 69.740" in found["III", "IW-SVM", AVERAGE].statement
    hog = found["V", "HOG-TOP(p=4)", AVERAGE]
    assert "Exp.3 were not 0.6977 / 70.42 but 0.3990 / 46.48" in hog.evidence
    assert "0.1075 / 19.23" in found["VI", AVERAGE, "Exp.8"].evidence
    assert "same digits" in found["V", "HOG-TOP(p=8)", AVERAGE].evidence
    # To two decimals the mean would be 31.81, and the slip would look like rounding.
    assert "31.80, but the mean is 31.812" in found["VI", AVERAGE, "Exp.12"].statement
    assert len(found) == 10


def test_averages_found_are_those_of_exact_arithmetic(findings):
    units = {"mean_f1": Decimal("0.0001"), "accuracy": Decimal("0.01")}
    path = Path(__file__).parents[2] / "cdmer_bench/reporting/published.csv"
    with path.open() as file:
        lines = {(x["table"], x["row"], x["column"]): x for x in csv.DictReader(file)}
    wrong = set()
    for number, row, column in lines:
        if AVERAGE not in (row, column):
            continue
        parts = [
            x
            for (n, r, c), x in lines.items()
            if n == number and AVERAGE not in (r, c) and (c == column or r == row)
        ]
        for name, unit in units.items():
            mean = sum(Decimal(x[name]) for x in parts) / len(parts)
            if abs(mean - Decimal(lines[number, row, column][name])) > unit:
                wrong.add((number, row, column))
    assert places(findings, "average") == wrong


def test_constant_answers(findings):
    # Recounted by hand: of 24 C3D cells of Table VI, 22 answer one class; the others are
    # the misprint 0.2394 and the 0.1705 that would be right as 0.1075.
    shown = {
        f.row: len(f.numbers["cells"]) for f in findings if (f.kind, f.table) == ("constant", "VI")
    }
    assert shown == {
        "C3D-FC1 (Sports1M)": 5,
        "C3D-FC2 (Sports1M)": 6,
        "C3D-FC1 (UCF101)": 6,
        "C3D-FC2 (UCF101)": 5,
    }
    (alone,) = [f for f in findings if (f.kind, f.table) == ("constant", "VII")]
    assert alone.statement == "predicting one class for every clip gives 1 of its cells"


def test_duplicates_and_the_swapped_columns(findings):
    assert places(findings, "duplicate") == {
        ("III", "IW-SVM, DRLS", "Exp.5"),
        ("III, V", "GFK, HOG-TOP(p=4)", "Exp.3"),
    }
    swapped = next(f for f in findings if f.kind == "table_i")
    assert swapped.numbers == {"printed": 0, "corrected": 8}


def test_list_names_every_finding_and_json_holds_it(findings):
    text = as_text(findings)
    assert all(f.statement in text and f.evidence in text for f in findings)
    assert json.loads(json.dumps(as_json(findings)))[0]["kind"] == "accuracy"


def test_sound_table_passes():
    # 40 of 71 right with per-class F1 that averages, the same in every task of VIS and NIR.
    figure = Printed(*(round(x, d) for x, d in ((0.5634, 4), (100 * 40 / 71, 2))))
    columns = [c for c in LAYOUTS["III"].columns if c in ("Exp.1", "Exp.3", "Exp.5", "Exp.6")]
    cells = {("III", "TCA", c): figure for c in columns}
    cells["III", "TCA", AVERAGE] = figure
    assert audit(cells) == []


def test_planted_slips_are_found():
    cells = dict(published())
    cells["III", "SA", "Exp.5"] = Printed(0.9, 71.83)
    cells["V", "Baseline", "Exp.6"] = Printed(0.6078, 62.0)
    before, after = audit(), audit(cells)
    new = {(f.kind, f.table, f.row, f.column) for f in after} - {
        (f.kind, f.table, f.row, f.column) for f in before
    }
    assert ("mean_f1", "III", "SA", "Exp.5") in new
    assert ("average", "III", "SA", AVERAGE) in new
    assert ("accuracy", "V", "Baseline", "Exp.6") in new
    assert ("contradiction", "III, V", "Baseline", "Exp.6") in new


def test_later_papers_copied_seven_cells_wrongly():
    audits = {name: audit_later(later_paper(name)) for name in ("tgsr2022", "madtn2021")}
    found = {
        name: {(f.table, f.row, f.column): f for f in findings if f.kind == "copy"}
        for name, findings in audits.items()
    }
    assert set(found["tgsr2022"]) == {
        ("III", "IW-SVM", AVERAGE),
        ("III", "TKL", "Exp.6"),
        ("IV", "TKL", "Exp.7"),
        ("IV", "TKL", AVERAGE),
    }
    assert set(found["madtn2021"]) == {
        ("III", "TKL", "Exp.4"),
        ("IV", "STM", "Exp.7"),
        ("IV", "STM", "Exp.9"),
    }
    finding = found["tgsr2022"]["IV", "TKL", "Exp.7"]
    assert finding.statement == "is copied as 0.4582 / 46.95"
    assert finding.evidence == "the benchmark prints 0.3829 / 44.51"


def test_the_average_and_the_grid_of_tgsr():
    found = {f.kind: f for f in audit_later(later_paper("tgsr2022")) if f.kind != "copy"}
    assert set(found) == {"average", "grid"}
    # By hand: the mean of .9150, .6226, .5847, .6272, .6984 and .8403 is .7147.
    assert "0.7141, but the mean is 0.71470" in found["average"].statement
    assert found["grid"].column == "Exp.3"
    assert "xi = 4000" in found["grid"].statement


def test_ten_accuracies_of_madtn_are_no_counts():
    found = places(audit_later(later_paper("madtn2021")), "accuracy")
    # 66.46 = 109/164 and 73.24 = 52/71 are.
    assert {column for _, _, column in found} == {
        f"Exp.{i}" for i in range(1, 13) if i not in (2, 11)
    }


@pytest.mark.parametrize(
    ("grid", "setting", "found"),
    [
        ("0.1, 1, 10", "k = 1", []),
        ("0.1, 1, 10", "k = 2", ["prints k = 2, which its grid does not hold"]),
        ("0.001:0.0002:0.01, 5", "k = 0.0022", []),
        ("1:1:9", "j = 1", ["prints j = 1, of which no grid is stated"]),
        ("1:1:9", "k = 1, j = 1", ["prints j = 1, of which no grid is stated"]),
    ],
)
def test_settings_are_looked_for_in_the_grid_that_a_paper_states(tmp_path, grid, setting, found):
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "mine.csv").write_text(
        f"# title: Mine\n# what: other features\n# source: a page\n# grid k: {grid}\n"
        f'table,row,column,mean_f1,accuracy,setting\nIII,Mine,Exp.5,0.5,50.70,"{setting}"\n'
    )
    assert [f.statement for f in audit_later(later_paper("mine", str(tmp_path)))] == found


def test_an_average_without_its_tasks_is_no_finding(tmp_path):
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "mine.csv").write_text(
        "# title: Mine\n# what: other features\n# source: a page\n"
        "table,row,column,mean_f1,accuracy\nIII,Mine,Average,0.5,50.70\n"
    )
    assert audit_later(later_paper("mine", str(tmp_path))) == []


def test_a_paper_of_the_users_own_is_one_file(tmp_path):
    folder = tmp_path / "paper"
    folder.mkdir()
    head = "# title: Mine\n# what: the same features\n# source: https://example.org\n"
    cells = "table,row,column,mean_f1,accuracy,setting\nIII,Mine,Exp.5,0.5,50.70,k = 7\n"
    (folder / "mine.csv").write_text(head + "# grid k: 1:2:5, 8:1:9\n" + cells)
    paper = later_paper("mine", str(tmp_path))
    assert paper.own_rows == ["Mine"]
    assert [f.kind for f in audit_later(paper)] == ["grid"]
    for text, words in (
        (head + cells.replace("50.70", "150.70"), "cannot be read"),
        (cells, "does not say its title"),
        (head + cells.replace("Exp.5", "Exp.9"), "Table III, Exp.9"),
        (head + cells.replace("0.5,", "half,"), "cannot be read"),
        (head + cells.replace("0.5,", "5,"), "cannot be read"),
        (head + "a,b\n1,2\n", "cannot be read"),
        (head + cells.replace("k = 7", "k 7"), "line 5, cannot be read"),
        (head + cells.replace("k = 7", "k = poly"), "line 5, cannot be read"),
        (head + cells.replace(",50.70,k = 7", ""), "line 5, cannot be read"),
        (head + cells.replace("7\n", "7,8\n"), "line 5, cannot be read .*in quotes"),
        (head + cells.replace("Mine", ""), "no name of the row"),
        (head + cells + "III,Mine,Exp.5,0.6,50.70,k = 7\n", "two cells of Table III, Mine, Exp.5"),
        (head + "# grid k: a:b\n" + cells, "the grid of k as 'a:b'"),
        (head + "# grid k: 1:0:9\n" + cells, "the grid of k as '1:0:9'"),
    ):
        (folder / "mine.csv").write_text(text)
        with pytest.raises(UserError, match=words):
            later_paper("mine", str(tmp_path))
    (folder / "mine.csv").write_bytes((head + cells).replace("Mine", "M\xefne").encode("latin-1"))
    with pytest.raises(UserError, match="save it as CSV in UTF-8"):
        later_paper("mine", str(tmp_path))
    with pytest.raises(UserError, match="did you mean 'tgsr2022'"):
        later_paper("tgsr")


def paper_with(tmp_path, *lines):
    """A paper of the user's own with some printed cells."""
    head = "# title: Mine\n# what: the same features\n# source: https://example.org\n"
    head += "# grid k: 1:2:5, 8:1:9\n# grid m: 1:1:3\ntable,row,column,mean_f1,accuracy,setting\n"
    (tmp_path / "paper").mkdir(exist_ok=True)
    (tmp_path / "paper" / "mine.csv").write_text(head + "".join(f"{line}\n" for line in lines))
    return later_paper("mine", str(tmp_path))


def test_a_cell_copied_with_one_other_figure_is_found(tmp_path):
    # Printed are 0.5810 / 61.97 and 0.7004 / 71.83.
    lines = ("III,TCA,Exp.5,0.5810,61.96,", "III,SA,Exp.5,0.7005,71.83,", "V,Baseline,Exp.5,{},")
    same = published()["V", "Baseline", "Exp.5"]
    paper = paper_with(tmp_path, *lines[:2], lines[2].format(f"{same.mean_f1},{same.accuracy}"))
    assert places(audit_later(paper), "copy") == {("III", "TCA", "Exp.5"), ("III", "SA", "Exp.5")}


@pytest.mark.parametrize(
    ("setting", "outside"),
    [
        ("k = 1, m = 3", ""),
        ("k = 5, m = 1", ""),
        ("k = 9", ""),
        ("k = 8", ""),
        ("k = -1", "k = -1"),
        ("k = 7", "k = 7"),
        ("k = 10", "k = 10"),
        ("k = 5, m = 4", "m = 4"),
    ],
)
def test_a_printed_setting_is_in_its_grid_from_the_first_to_the_last_value(
    tmp_path, setting, outside
):
    paper = paper_with(tmp_path, f'III,Mine,Exp.5,0.5,50.70,"{setting}"')
    found = [f.statement for f in audit_later(paper) if f.kind == "grid"]
    assert found == ([f"prints {outside}, which its grid does not hold"] if outside else [])


def test_one_class_for_every_clip_is_found_in_a_later_paper_by_both_figures(tmp_path):
    # 70 of 164 clips of SMIC (HS) are negative: F1 2 * 70 / (164 + 70), a third of it the mean.
    paper = paper_with(
        tmp_path, "IV,Mine,Exp.7,0.1994,42.68,", f"IV,Other,Exp.7,0.1994,{100 * 71 / 164:.2f},"
    )
    assert [(f.row, f.evidence) for f in audit_later(paper) if f.kind == "constant"] == [
        ("Mine", "Exp.7 negative")
    ]


def test_the_evidence_holds_the_numbers_that_it_is_of(findings):
    found = {(f.kind, f.table, f.row, f.column): f for f in findings}
    # 56.15 % of 130 clips are 73.
    assert found["mean_f1", "VI", "C3D-FC1 (Sports1M)", "Exp.8"].numbers == {
        "class_counts": [73, 32, 25],
        "right": [73],
    }
    printed = published()["IV", "DRLS", "Exp.11"].accuracy
    near = found["accuracy", "IV", "DRLS", "Exp.11"].numbers["nearest"]
    rest = set(range(72)) - set(near)
    assert max(abs(100 * k / 71 - printed) for k in near) < min(
        abs(100 * k / 71 - printed) for k in rest
    )


def test_a_slip_is_explained_by_the_figures_of_its_own_table_alone():
    columns = [c for c in LAYOUTS["III"].columns if c in ("Exp.1", "Exp.3", "Exp.5", "Exp.6")]
    cells = {("III", "TCA", c): Printed(0.5634, 56.34) for c in columns}
    # As if 45 of 71 were right in one of the four: 0.5634 + 0.0704 / 4.
    cells["III", "TCA", AVERAGE] = Printed(0.5810, 58.10)
    for number, row, explained in (("V", "Baseline", False), ("III", "SA", True)):
        (found,) = audit(cells | {(number, row, "Exp.3"): Printed(0.6338, 63.38)})
        assert ("Exp.3 were not 0.5634 / 56.34 but 0.6338 / 63.38" in found.evidence) == explained


def test_a_matrix_is_one_that_predictions_can_have():
    assert find_matrix(1.0, 6, (2, 2, 2)) == ((2, 2, 2), (2, 2, 2))
    assert find_matrix(0.9999, 6, (2, 2, 2)) is None
    # Of one sample each, one is missed and taken for another: F1 of 0, 2/3 and 1. That it were
    # taken for its own class would leave the two others at 1.
    assert find_matrix(0.5556, 2, (1, 1, 1)) is not None
    assert find_matrix(0.6667, 2, (1, 1, 1)) is None


def test_the_rows_of_the_page_on_extending_are_read_as_written(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
    (rows,) = re.findall(r"```\n(# title:.*?)```", page, re.DOTALL)
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "mine.csv").write_text(rows)
    paper = later_paper("mine", str(tmp_path))
    assert paper.own_rows == ["A Method"]
    # 50 of 71 are 70.42 %, and k = 20 stands in the grid 10, 20, ..., 200.
    assert audit_later(paper) == []
