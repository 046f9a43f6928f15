"""The tables of the report: their figures, the cells that they name, and what stands beside."""

import re

from sklearn.metrics import f1_score

from cdmer_bench.reporting.html_report import build_report
from cdmer_bench.results.current import current
from tests.reporting.pages import best_prediction, embedded, records, rows_of, section, wrong_on
from tests.reporting.records import record


def test_figures_of_tables_come_from_the_cells_that_they_name(page):
    data = embedded(page)["cells"]
    text = section(page, "tables")
    found = re.findall(r'data-cells="(\d+)"[^>]*>(?:<b>)?([\d.]+)', text)
    assert len(found) == 9
    by_key = {(r.method_label, r.task_label): r for r in records()}
    for number, shown in found:
        made = by_key[data[int(number)]["row"], data[int(number)]["task"]]
        f1 = f1_score(made.y_target, best_prediction(made), average="macro")
        assert shown == f"{f1:.4f}"


def test_descriptors_and_variants_have_their_own_cells():
    made = [
        record(5, "svm", "Baseline"),
        record(5, "svm", "Baseline", key="h", descriptor_label="HOG-TOP(p=4)"),
        record(5, key="a", parameters={"k": 2, "mu": 1.0}),
        record(5, key="b", parameters={"k": 2, "mu": 5.0}),
    ]
    page = build_report(current(made))
    data, text = embedded(page)["cells"], section(page, "tables")
    for row, descriptor, name in (
        ("Baseline", "HOG-TOP(p=4)", "HOG-TOP(p=4)"),
        ("TCA [mu = 1.0]", "LBP-TOP(R3P8)", "TCA [mu = 1.0]"),
        ("TCA [mu = 5.0]", "LBP-TOP(R3P8)", "TCA [mu = 5.0]"),
    ):
        numbers = re.findall(
            rf'data-row="{re.escape(name)}"><th[^>]*>[^<]*</th>.*?data-cells="(\d+)"', text, re.S
        )
        assert numbers
        for number in numbers:
            assert (data[int(number)]["row"], data[int(number)]["descriptor"]) == (row, descriptor)
    # In the table of descriptors the Baseline is that of the paper's descriptor.
    descriptors = text[text.index("Table V:") :]
    (number,) = re.findall(r'data-row="Baseline">.*?data-cells="(\d+)"', descriptors, re.DOTALL)[:1]
    assert data[int(number)]["descriptor"] == "LBP-TOP(R3P8)"


def test_methods_of_table_vii_name_their_cells():
    tuned = {"key": "tuned", "descriptor_label": "C3D-FC1 (Finetune)"}
    page = build_report(
        [record(8, "svm", "Baseline"), record(8), record(8, "svm", "Baseline", **tuned)]
    )
    text = section(page, "tables")
    last = text[text.index("Table VII:") :]
    (number,) = re.findall(r'data-row="TCA">.*?data-cells="(\d+)"', last, re.DOTALL)[:1]
    assert embedded(page)["cells"][int(number)]["row"] == "TCA"


def test_gaps_are_listed_and_escaped(page):
    assert "<i>singular" not in page
    assert "failed: &lt;i&gt;singular&lt;/i&gt;" in page
    assert "(3 of 6)" in page
    assert "Not run with any method: Exp.4, Exp.6 to Exp.12." in section(page, "errors")


def test_columns_of_words_stand_left_and_those_of_numbers_are_sorted_as_numbers(page):
    start = page.index("<figcaption>Where every figure comes from")
    heads = re.findall(r'<th scope="col"([^>]*)>([^<]*)</th>', page[start:])
    assert [name for kind, name in heads if kind] == ["Descriptor", "Setting", "Key"]
    apart = re.findall(r'data-sort="(-?\d+)">(\d+) : (\d+)<', page)
    assert apart
    assert all(int(number) == int(this) - int(other) for number, this, other in apart)


def test_a_note_of_one_table_does_not_stand_above_all():
    made = [record(1, solver="exact"), record(7)]
    text = section(build_report(made), "tables")
    note = "Solver run until it converged: TCA."
    assert text.count(note) == 1
    assert text.index("Table III") < text.index(note) < text.index("Table IV")
    assert text.index("Corpus: released.") < text.index("Table III")


def test_of_two_methods_side_by_side_the_better_one_on_a_task_lies_on_its_side():
    made = [wrong_on(t, n, m) for t in (1, 5) for m, n in (("Baseline", 30), ("TCA", 5))]
    text = section(build_report(made), "tables")
    chart = text[text.index('id="pair"') :]
    assert "mean F1 of Baseline</text>" in chart
    # 350 x 350, with 50 and 14 beside the axes, 12 above and 42 below; both axes are the same.
    for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart):
        across, up = (float(x) - 50) / (336 - 50), (308 - float(y)) / (308 - 12)
        assert up > across


def test_the_papers_figures_and_the_differences_stand_in_the_tables():
    made = wrong_on(5, 27, "TCA")  # 44 of 71, as the paper's TCA, which has a mean F1 of 0.5810
    f1 = f1_score(made.y_target, made.predictions[0], average="macro")
    text = section(build_report([made]), "tables")
    assert "<small>paper 0.5810 / 61.97</small>" in text
    assert f'<small class="apart">{round(f1, 4) - 0.5810:+.4f}, +0 clips</small>' in text
    row = rows_of(text, "<figcaption>Largest differences first")["TCA, Exp.5"]
    assert row[:3] == ["III", f"{f1:.4f} / 61.97", "0.5810 / 61.97"]


def test_variants_of_the_baseline_have_their_cells_in_tables_of_descriptors():
    made = [
        record(5, "svm", "Baseline", key=f"{d}{c}", descriptor_label=d, parameters={"C": c})
        for d in ("LBP-TOP(R3P8)", "HOG-TOP(p=4)")
        for c in (1.0, 10.0)
    ]
    page = build_report(current(made))
    data, text = embedded(page)["cells"], section(page, "tables")
    rows = re.findall(r'data-row="(HOG[^"]*)"><th.*?data-cells="(\d+)"', text, re.DOTALL)
    assert {name for name, _ in rows} == {f"HOG-TOP(p=4) [C = {c}]" for c in (1.0, 10.0)}
    for name, number in rows:
        cell = data[int(number)]
        assert cell["descriptor"] == "HOG-TOP(p=4)"
        assert name.partition(" [")[2] == cell["row"].partition(" [")[2]


def test_averages_of_a_row_name_the_cells_behind_them():
    page = build_report([record(t) for t in range(1, 7)])
    numbers = re.findall(r'data-cells="(\d+(?: \d+)+)"', section(page, "tables"))
    data = embedded(page)["cells"]
    assert [{data[int(i)]["task"] for i in n.split()} for n in numbers] == [
        {f"Exp.{t}" for t in range(1, 7)}
    ]
