"""The words of a run, and the methods and tasks that they stand for."""

import sys
from pathlib import Path

import pytest

from cdmer_bench.cli.hydra_app import compose_config
from cdmer_bench.cli.run import Session
from cdmer_bench.parallel import Backend


@pytest.fixture
def session(corpus, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))

    def make(*words):
        _, folder, *rest = corpus.arguments(*words)
        return Session(compose_config(folder, rest))

    return make


def test_words_of_a_run_reach_what_they_speak_of(corpus, session):
    folder = corpus.folder / "results"
    words = ("n_jobs=3", "backend=dask", "backend.address=tcp://here:1")
    assert session(*words).backend == Backend("dask", 3, "tcp://here:1", folder)
    assert session().backend == Backend("loky", -1, None, folder)
    assert session().store.folder == folder
    assert session("force=true").features.force
    assert not session().features.force
    assert session().features.store.folder == corpus.folder / "cache"


def test_solver_and_device_are_those_of_the_run_unless_the_card_says_otherwise(session):
    def method(*words):
        (cell,) = session("method=tsrg", "task=red/green", *words).cells()
        return cell.method

    assert (method().solver, method().device) == ("paper", "auto")
    assert method("solver=exact", "device=cpu").solver == "exact"
    assert method("solver=exact", "device=cpu").device == "cpu"
    own = ("methods.tsrg.parameters.solver=exact", "+methods.tsrg.parameters.device=cpu")
    assert (method(*own).solver, method(*own).device) == ("exact", "cpu")
    assert method(*own, "solver=paper").solver == "paper"
    assert method(*own, "device=cuda").device == "cpu"
    assert Path(method().cache) == session().features.store.folder


def test_a_method_without_solvers_takes_no_solver(session):
    cells = session("method=svm,tsrg", "task=red/green", "solver=exact").cells()
    assert [cell.method.parameters().get("solver") for cell in cells] == [None, "exact"]


def test_a_method_without_a_grid_of_that_name_runs_its_own_and_says_so(session):
    cells = session("method=svm,tsrg", "task=red/green", "grid=reduced").cells()
    assert [cell.grid_name for cell in cells] == ["paper", "reduced"]
    cells = session("method=tca,tsrg", "methods.tca.grid.k=[1]", "task=red/green", "grid=reduced")
    assert [cell.grid_name for cell in cells.cells()] == ["own", "reduced"]


def test_the_label_of_a_task_is_its_cards_or_made_of_letters(corpus, session):
    (corpus.folder / "my_conf" / "task").mkdir()
    (corpus.folder / "my_conf" / "task" / "mine.yaml").write_text(
        "# @package tasks.mine\nlabel: First\nsource: red\ntarget: green\n"
    )
    tasks = session("task=mine,green/red").tasks
    assert [(t.name, t.label, t.source, t.target) for t in tasks] == [
        ("mine", "First", "red", "green"),
        ("green__red", "G → R", "green", "red"),
    ]


def test_all_tasks_of_own_databases_are_all_their_ordered_pairs(session):
    pairs = {(t.source, t.target) for t in session("task=all").tasks}
    assert len(session("task=all").tasks) == len(pairs) == 6
    assert ("blue", "red") in pairs
    assert ("red", "blue") in pairs
