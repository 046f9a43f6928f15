"""Which stored results a command shows, by the words of a run."""

import dataclasses

import pytest

from cdmer_bench.cli.stored import choose_results, split_words
from cdmer_bench.errors import UserError
from cdmer_bench.results.store import ResultsStore
from tests.reporting.records import record
from tests.small_corpus import RAISING


@pytest.fixture
def results(tmp_path):
    """Two methods on Exp.5 and Exp.11, three failures, and an older corpus of its own tasks."""
    store = ResultsStore(tmp_path / "results")
    for task in (5, 11):
        for method, label in (("svm", "Baseline"), ("tca", "TCA")):
            store.save(record(task, method, label, key=f"{method}{task}".ljust(64, "0")))
    about = {"date": "2025-01-01T00:00:00+00:00"}
    own = {"task": "a__b", "task_label": "a → b", "source": "a", "target": "b"}
    made = record(5, corpus="mine, seed 2", key="g" * 64, about=about)
    store.save(dataclasses.replace(made, **own))
    place = {"descriptor_label": "LBP-TOP(R3P8)", "corpus": "released", "error": "no"}
    for index, (task, method) in enumerate((("Exp.5", "SA"), ("Exp.11", "TCA"), ("Exp.6", "TCA"))):
        failure = {"task_label": task, "method_label": method, **place}
        store.save_failure(f"{index}".ljust(64, "a"), failure)
    return str(store.folder)


def places(records):
    return {(r.method, r.task) for r in records}


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"task": "exp05"}, {("svm", "exp05"), ("tca", "exp05")}),
        ({"task": "type2", "method": "Baseline"}, {("svm", "exp11")}),
        (
            {"task": "smic_vis/smic_nir,Exp.11", "method": "tca"},
            {("tca", "exp05"), ("tca", "exp11")},
        ),
        ({"task": "all", "method": "[tca]"}, {("tca", "exp05"), ("tca", "exp11")}),
    ],
)
def test_words_of_a_run_choose_results(results, filters, left):
    assert places(choose_results(results, None, filters)[0]) == left


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"task": "exp99"}, "task=exp99; did you mean"),
        ({"task": "exp05,exp99"}, "task=exp99"),
        ({"corpus": "mine", "task": "a/c"}, r"task=a/c; did you mean 'a/b'"),
        ({"corpus": "mined"}, "no results of the corpus 'mined'"),
    ],
)
def test_what_matches_nothing_is_named(results, filters, words):
    with pytest.raises(UserError, match=words):
        choose_results(results, None, filters)


def test_the_corpus_is_the_newest_that_has_what_is_wanted(results, capsys):
    assert {r.corpus for r in choose_results(results, None)[0]} == {"released"}
    own, _ = choose_results(results, None, wanted=lambda r: r.task == "a__b")
    assert {r.corpus for r in own} == {"mine, seed 2"}
    assert "showing corpus 'mine, seed 2'; there are results of 'released' too" in (
        capsys.readouterr().err
    )
    assert places(choose_results(results, "mine")[0]) == {("tca", "a__b")}


def test_a_corpus_in_the_words_outweighs_the_option_and_tells_its_own_failures(results):
    records, missing = choose_results(results, "released", {"corpus": "mine"})
    assert places(records) == {("tca", "a__b")}
    assert missing == []


def test_seeds_of_one_corpus_are_never_mixed(tmp_path):
    store = ResultsStore(tmp_path)
    for seed, day in ((0, 1), (1, 3), (2, 2)):
        about = {"date": f"2026-01-0{day}T00:00:00+00:00"}
        corpus, key = f"synthetic, seed {seed}", f"{seed}".ljust(64, "0")
        store.save(record(5, corpus=corpus, key=key, about=about))
    for asked, seed in ((None, 1), ("synthetic", 1), ("synthetic, seed 2", 2)):
        (found,) = choose_results(str(tmp_path), asked)[0]
        assert found.corpus == f"synthetic, seed {seed}"


def test_records_come_in_the_papers_order(tmp_path):
    store = ResultsStore(tmp_path)
    methods = {"svm": "Baseline", "tca": "TCA", "gfk": "GFK", "drls": "DRLS", "rstr": "RSTR"}
    for method, label in methods.items():
        for task in (5, 11):
            store.save(record(task, method, label, key=f"{method}{task}".ljust(64, "0")))
    records, _ = choose_results(str(tmp_path), None, {"task": "exp11"})
    assert [r.method for r in records] == list(methods)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, ["SA", "TCA"]),
        ({"corpus": "released"}, ["SA", "TCA"]),
        ({"method": "tca"}, ["TCA"]),
        ({"task": "exp05"}, ["SA"]),
        ({"method": "svm", "task": "exp05"}, []),
    ],
)
def test_failures_that_the_filters_leave_out_are_not_told(results, filters, kept):
    # TCA on Exp.11 has a result; on Exp.6 it has none.
    _, missing = choose_results(results, None, filters)
    assert [m.method_label for m in missing] == kept


def test_words_that_are_no_choice_are_refused():
    assert split_words("tables", ["3", "task=exp05", "3"], ("3", "4")) == (["3"], {"task": "exp05"})
    with pytest.raises(UserError, match=r"'taks=exp05' is no filter; did you mean 'task'"):
        split_words("tables", ["taks=exp05"], ("3",))
    with pytest.raises(UserError, match=r"'9' is not a choice for `cdmer tables`"):
        split_words("tables", ["9"], ("3",))


def test_a_method_that_only_failed_is_named_not_refused(results, cdmer):
    records, missing = choose_results(results, None, {"method": "tca,sa", "task": "exp05"})
    assert places(records) == {("tca", "exp05")}
    assert [m.method_label for m in missing] == ["SA"]
    for command in (("tables",), ("tables", "3"), ("stats",)):
        code, out, err = cdmer(*command, "method=svm,tca,sa", "--results", results)
        assert code == 0, err
        said = " ".join(out.split())
        assert ("No result: " if command == ("stats",) else "failed: no") in said
        assert "SA (" in said
    code, _, err = cdmer("tables", "method=sa", "--results", results)
    assert code == 2
    assert "no finished cell of method=sa, and 1 failed, the first of them SA on Exp.5: no" in err


def test_a_method_of_ones_own_that_failed_is_found_by_its_name(corpus, cdmer):
    corpus.add_method("raising", RAISING, "{k: [1]}")
    words = corpus.arguments("method=svm,raising", "task=red/green", "backend=sequential")
    assert cdmer("run", *words)[0] == 1
    folder = str(corpus.folder / "results")
    code, out, _ = cdmer("tables", "method=svm,raising", "task=red/green", "--results", folder)
    assert code == 0
    assert "Raising" in out
    assert "on purpose" in out
    code, out, _ = cdmer("tables", "method=svm", "task=red/green", "--results", folder)
    assert "Raising" not in out


def test_averages_over_tasks_that_nobody_asked_for_are_not_printed(results, cdmer):
    for words in (("task=exp05",), ("3", "task=exp05"), ("4", "task=exp11"), ()):
        code, out, _ = cdmer("tables", *words, "--results", results)
        assert code == 0
        assert "Average" not in out, words
    # A table that was asked for by its number is shown whole.
    assert "(1 of 6)" in cdmer("tables", "3", "--results", results)[1]
