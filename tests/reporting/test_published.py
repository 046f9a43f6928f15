"""What the papers print, and their order of tasks, rows and descriptors."""

from pathlib import Path

from cdmer_bench.reporting.published import paper_order, published, sorted_as_paper
from tests.reporting.records import record


def test_published_figures_are_complete():
    counts = {}
    for number, _, _ in published():
        counts[number] = counts.get(number, 0) + 1
    # rows x (tasks + average) + tasks of the row of averages
    assert counts == {"III": 83, "IV": 83, "V": 118, "VI": 118, "VII": 18}
    path = Path(__file__).parents[2] / "cdmer_bench/reporting/published.csv"
    assert path.read_text().startswith("table,row,column,mean_f1,accuracy\n")


def test_order_of_the_paper_with_strangers_last():
    labels = ["Mine", "RSTR", "Exp.11", "TCA", "Baseline", "Exp.2", "TCA", "Yours"]
    assert paper_order(labels)[:3] == ["Baseline", "TCA", "RSTR"]
    assert paper_order(labels)[-2:] == ["Mine", "Yours"]
    assert paper_order(["Exp.11", "Exp.2", "A → B"]) == ["Exp.2", "Exp.11", "A → B"]
    made = [record(11, "rstr", "RSTR"), record(11), record(2, "x", "Mine"), record(2)]
    shown = [(r.task_label, r.method_label) for r in sorted_as_paper(made)]
    assert shown == [("Exp.2", "TCA"), ("Exp.2", "Mine"), ("Exp.11", "TCA"), ("Exp.11", "RSTR")]


def test_descriptors_stand_in_the_order_of_the_paper():
    made = [
        record(5, descriptor_label=label)
        for label in ("HIGO-TOP(p=4)", "LBP-TOP(R1P8)", "LBP-TOP(R3P8)")
    ]
    assert [r.descriptor_label for r in sorted_as_paper(made)] == [
        "LBP-TOP(R3P8)",
        "LBP-TOP(R1P8)",
        "HIGO-TOP(p=4)",
    ]
    assert paper_order(["TCA [b]", "SA", "TCA [a]"]) == ["TCA [b]", "TCA [a]", "SA"]
