"""Superseded records are shown nowhere; variants have the same label everywhere."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.results.current import (
    current,
    current_failures,
    overtaken,
    settled_failures,
    superseded,
)
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import labels, record


def dated(day, **changes):
    """A record that ended on a day of January, with a key of its own."""
    changes = {"task": 5, **changes}
    changes["key"] = f"{day:02d}{changes.get('method', 'tca')}{changes['task']}".ljust(64, "0")
    return record(about={"date": f"2026-01-{day:02d}T00:00:00+00:00", "seconds": day}, **changes)


def days(records):
    return sorted(r.about["seconds"] for r in records)


@pytest.mark.parametrize("last_first", [False, True])
def test_of_the_same_cell_run_twice_the_later_is_current(last_first):
    old, new = dated(1), dated(2)
    records = [new, old] if last_first else [old, new]
    assert days(current(records)) == [2]
    assert days(superseded(records)) == [1]
    assert current(records)[0].row == "TCA"


def test_records_of_the_same_second_are_told_apart_by_its_parts():
    date = "2026-01-01T00:00:00{}+00:00"
    old, new = (
        record(key=key * 64, about={"date": date.format(part)})
        for key, part in (("b", ".250"), ("a", ".500"))
    )
    assert [r.key[0] for r in current([new, old])] == ["a"]


def test_variants_are_all_current_and_carry_what_differs():
    records = [
        dated(1, solver="exact"),
        dated(2, solver="paper"),
        dated(3, solver="paper"),
        dated(4, task=6, solver="paper"),
        dated(5, method="sa", label="SA"),
    ]
    shown = current(records)
    assert [(r.task, r.row) for r in shown] == [
        ("exp05", "TCA [exact solver]"),
        ("exp05", "TCA [paper solver]"),
        ("exp06", "TCA [paper solver]"),
        ("exp05", "SA"),
    ]
    assert days(superseded(records)) == [2]
    # Of a part of them the labels stay.
    assert [r.row for r in current(shown[:1])] == ["TCA [exact solver]"]


def test_a_parameter_or_a_grid_of_another_value_is_a_variant():
    records = [
        dated(1),
        dated(2, parameters={"k": 2, "mu": 2.0}),
        dated(3, grid="reduced"),
    ]
    assert [r.row for r in current(records)] == [
        "TCA [paper grid, mu = 1.0]",
        "TCA [paper grid, mu = 2.0]",
        "TCA [reduced grid, mu = 1.0]",
    ]


def test_a_record_of_a_class_with_other_parameters_is_older_code():
    old, new = dated(1), dated(2, parameters={"k": 2, "mu": 1.0, "alpha": 3})
    assert days(current([old, new])) == [2]
    assert days(current([dated(3), new])) == [3]
    # On a task that was not run again the old record stays, under the same label.
    both = current([old, new, dated(1, task=6)])
    assert [(r.task, r.row) for r in both] == [("exp05", "TCA"), ("exp06", "TCA")]


def test_corpora_descriptors_and_methods_do_not_supersede_each_other():
    records = [
        dated(1),
        dated(2, corpus="frames"),
        dated(3, descriptor="hog", descriptor_label="HOG-TOP(p=4)"),
        dated(4, method="sa", label="SA"),
        dated(5, task=6),
    ]
    assert days(current(records)) == [1, 2, 3, 4, 5]
    assert {r.variant for r in current(records)} == {""}


def test_two_methods_or_descriptors_of_one_label_are_told_apart_by_their_names():
    records = [dated(1), dated(2, method="my_tca")]
    assert [r.row for r in current(records)] == [
        "TCA [tca, lbp_top_r3p8]",
        "TCA [my_tca, lbp_top_r3p8]",
    ]
    records = [dated(1), dated(2, descriptor="my_lbp_top")]
    assert [r.row for r in current(records)] == ["TCA [tca, lbp_top_r3p8]", "TCA [tca, my_lbp_top]"]


def test_another_default_of_a_parameter_that_was_searched_is_no_variant():
    # Both search k, so that what the class has by default took part in neither.
    assert days(current([dated(1), dated(2, parameters={"k": 3, "mu": 1.0})])) == [2]
    fixed = [{"mu": 1.0}]
    old, new = (
        dated(
            day,
            parameters={"k": k, "mu": 9.0},
            settings=fixed,
            predictions=labels("smic_nir")[None],
        )
        for day, k in ((1, 2), (2, 3))
    )
    assert [r.row for r in current([old, new])] == ["TCA [k = 2]", "TCA [k = 3]"]


def test_a_strangers_record_supersedes_none_of_ones_own():
    own, other = dated(1), dated(2)
    shown = current([own, replace(other, variant="lab")])
    assert [(r.row, r.about["seconds"]) for r in shown] == [("TCA", 1), ("TCA [lab]", 2)]


def used(features):
    return {"source": {"features": "s" * 64}, "target": {"features": features, "title": "T"}}


def test_records_of_other_features_than_the_newest_say_so():
    old, new = dated(1, used=used("a")), dated(2, task=6, used=used("b"))
    elsewhere = dated(3, used=used("c"), corpus="frames")
    # Exp.5 and Exp.6 go between the same two databases.
    swapped = {"source": new.used["target"], "target": new.used["source"]}
    new = dated(2, task=6, used=swapped)
    shown = current([old, new, elsewhere])
    assert [r.differs for r in shown] == [
        ("T has other features (LBP-TOP(R3P8)) in TCA (Exp.5) than in TCA (Exp.6), run last: run "
         "all of them again",), (), (),
    ]  # fmt: skip
    # Of a part of them the words stay.
    assert current(shown[:1])[0].differs == shown[0].differs


@pytest.mark.parametrize(
    ("what", "one", "two"),
    [
        ("mu", {"parameters": {"k": 2, "mu": 1.0}}, {"parameters": {"k": 2, "mu": 2.0}}),
        ("code", {"code": "a"}, {"code": "b"}),
        ("grid", {"method": {"grid": {"k": [1]}}}, {"method": {"grid": {"k": [2]}}}),
        (
            "grid",
            {"grid": "reduced", "method": {"grids": {"reduced": {"k": [1]}}}},
            {"grid": "reduced", "method": {"grids": {"reduced": {"k": [2]}}}},
        ),
        ("", {"method": {"grid": {"k": [1]}}, "code": "a"}, {}),
    ],
)
def test_a_row_of_two_codes_grids_or_parameters_says_so(what, one, two):
    def one_of(day, task, change):
        made = dated(
            day, task=task, **{k: v for k, v in change.items() if k in ("parameters", "grid")}
        )
        return replace(made, about={**made.about, **change})

    told = [r.differs for r in current([one_of(1, 5, one), one_of(2, 6, two)])]
    assert told[1] == ()
    assert [f"another {what} in" in s or f"other {what} in" in s for s in told[0]] == [True] * (
        what != ""
    )


def test_the_parameters_of_the_newest_record_decide_however_often_it_was_run():
    new_names = {"k": 2, "mu": 1.0, "alpha": 3}
    again = [dated(1), dated(2, parameters=new_names), dated(3)]
    assert days(current(again)) == [3]


def test_a_record_that_was_asked_for_again_is_current(tmp_path):
    store = ResultsStore(tmp_path)
    old, new = dated(1), dated(2)
    other = dated(3, solver="exact")  # a variant, which stands beside both
    for made in (old, new, other):
        store.save(made)
    assert overtaken(store, [old, new, other]) == [True, False, False]
    asked = replace(old, about={**old.about, "asked": "2026-01-05T00:00:00+00:00"})
    store.save_content(asked)
    assert days(current(store)) == [1, 3]
    assert overtaken(store, [asked, new, other]) == [False, True, False]
    failure(store, "a" * 64, 6)
    assert overtaken(store, [asked]) == [True]
    assert overtaken(store, []) == []


def test_a_record_of_a_class_that_has_since_had_other_parameters_is_overtaken(tmp_path):
    store = ResultsStore(tmp_path)
    old, new = dated(1), dated(2, parameters={"k": 2, "mu": 1.0, "alpha": 3})
    for made in (old, new):
        store.save(made)
    assert overtaken(store, [old, new]) == [True, False]
    asked = replace(old, about={**old.about, "asked": "2026-01-05T00:00:00+00:00"})
    store.save_content(asked)
    assert days(current(store)) == [1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([5, 6]),
            st.sampled_from(["paper", "exact"]),
            st.sampled_from([1.0, 2.0]),
            st.integers(1, 28),
        ),
        max_size=12,
    )
)
def test_every_place_of_a_table_has_one_current_record_and_it_is_the_newest(made):
    predictions = np.zeros((1, 71), np.uint8)
    records = []
    for index, (task, solver, mu, day) in enumerate(made):
        key, date = f"{index:064d}", f"2026-01-{day:02d}T00:00:00+00:00"
        about, parameters = {"date": date}, {"k": 2, "mu": mu}
        records.append(
            record(
                task,
                predictions=predictions,
                key=key,
                solver=solver,
                parameters=parameters,
                about=about,
            )
        )
    shown = current(records)
    places = [(r.task, r.row) for r in shown]
    assert len(set(places)) == len(places)
    assert len(shown) + len(superseded(records)) == len(records)
    newest = {}
    for r in sorted(records, key=lambda r: (r.about["date"], r.key)):
        newest[r.task, r.solver, r.parameters["mu"]] = r.key
    assert sorted(r.key for r in shown) == sorted(newest.values())


def failure(store, key, day, **changes):
    content = {
        "task_label": "Exp.5",
        "method_label": "TCA",
        "descriptor_label": "LBP-TOP(R3P8)",
        "corpus": "released",
        "error": f"on day {day}",
        "date": f"2026-01-{day:02d}T00:00:00.000+00:00",
        **changes,
    }
    store.save_failure(key, content)


def told(store):
    return [f["error"] for f in current_failures(store, current(store))]


def test_a_failure_stands_until_its_cell_has_a_result_or_fails_again(tmp_path):
    store = ResultsStore(tmp_path)
    failure(store, "b" * 64, 1)
    failure(store, "a" * 64, 2)
    failure(store, "c" * 64, 3, task_label="Exp.6")
    assert sorted(told(store)) == ["on day 2", "on day 3"]
    assert [p.stem[0] for p in settled_failures(store)] == ["b"]
    store.save(dated(4))
    assert told(store) == ["on day 3"]
    assert sorted(p.stem[0] for p in settled_failures(store)) == ["a", "b"]


@pytest.mark.parametrize(
    "other",
    [
        {"corpus": "frames"},
        {"task_label": "Exp.7"},
        {"method_label": "SA"},
        {"descriptor_label": "HOG-TOP(p=4)"},
    ],
)
def test_a_failure_is_settled_by_no_cell_of_another_name(tmp_path, other):
    store = ResultsStore(tmp_path)
    store.save(dated(4))
    failure(store, "a" * 64, 1, **other)
    assert told(store) == ["on day 1"]
    failure(store, "b" * 64, 2)
    assert told(store) == ["on day 1"]
    assert [p.stem[0] for p in settled_failures(store)] == ["b"]


def test_a_failure_is_settled_by_the_newest_variant_of_its_cell(tmp_path):
    store = ResultsStore(tmp_path)
    for day, solver in ((2, "exact"), (5, "paper")):
        store.save(replace(dated(day, solver=solver), key=solver.ljust(64, "0")))
    failure(store, "a" * 64, 3)
    assert told(store) == []
    failure(store, "c" * 64, 5, date=dated(5).about["date"])
    assert told(store) == []
    failure(store, "b" * 64, 6)
    assert told(store) == ["on day 6"]


def test_a_failure_after_a_result_is_told_beside_its_figure(tmp_path):
    from cdmer_bench.cli.stored import choose_results
    from cdmer_bench.reporting import build_table
    from cdmer_bench.results import load_scores

    store = ResultsStore(tmp_path)
    store.save(dated(4))
    failure(store, "a" * 64, 5)
    (found,) = current_failures(store, current(store))
    assert found["earlier"]
    assert settled_failures(store) == []
    records, missing = choose_results(str(tmp_path), None)
    table = build_table("III", records, missing=missing)
    (row,) = (row for row in table.rows if row.label == "TCA")
    assert row.cells[4].figure is not None
    assert "Of an earlier run than the last, which failed: on day 5: TCA Exp.5." in table.notes
    # In the scores table the cell stands once, with its figure.
    assert load_scores(tmp_path)["status"].tolist() == ["done"]


@pytest.fixture
def edited(tmp_path):
    """Results on all six tasks of TYPE-I, and of the first two also those before an edit."""
    store = ResultsStore(tmp_path / "results")
    for task in range(1, 7):
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            store.save(dated(9, task=task, method=method, label=label))
    for task in (1, 2):
        wrong = [(labels(dated(1, task=task).target) + 1) % 3]
        store.save(dated(1, task=task, predictions=wrong))
    return store


def test_every_picture_and_table_shows_the_current_records_alone(edited):
    from cdmer_bench.cli.stored import choose_results
    from cdmer_bench.reporting import build_table

    records = choose_results(str(edited.folder), None)[0]
    assert days(records) == [9] * 12
    table = build_table("III", edited.records(), whole=False)
    assert [row.name for row in table.rows][:2] == ["Baseline", "TCA"]
    assert table.rows[1].cells[0].figure.mean_f1 > 0.5


def test_pictures_have_one_panel_and_one_dot_for_each_cell(edited):
    pytest.importorskip("matplotlib")
    from cdmer_bench.cli.stored import choose_results
    from cdmer_bench.reporting.plot_cells import confusion_picture
    from cdmer_bench.reporting.plot_scores import time_picture

    records = choose_results(str(edited.folder), None)[0]
    figure = confusion_picture([r for r in records if r.task == "exp01"])
    rows = [axes.get_ylabel() for axes in figure.axes if axes.images]
    assert sorted(rows) == ["Baseline", "TCA"]
    # A row of twelve and more: a matrix for each task, all of them new.
    figure = confusion_picture([*records, dated(9, task=1, method="sa", label="SA")])
    right = {
        sum(int(axes.texts[i * 4].get_text()) for i in range(3))
        for axes in figure.axes
        if len(axes.texts) == 9
    }
    assert min(right) > 0
    figure = time_picture(records)
    dots = [len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert dots == [6, 6]
