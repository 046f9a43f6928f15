"""What a run does where an earlier one left results, failures or features."""

import os

import numpy as np
import pytest

from tests.runner.own_cards import edited, n_done, stored, times, write_frames
from tests.small_corpus import NEAREST


def shown(place, cdmer) -> str:
    """Return the row of the method as `cdmer tables` prints it."""
    out = cdmer("tables", "own", "--results", str(place.folder / "r"))[1]
    return next(line for line in out.splitlines() if line.startswith("Mine "))


TAKEN_BACK = {
    "labels": lambda place: place.features("two", 2, 15, labels=np.arange(15)[::-1] % 3 + 1),
    "code": edited("mine.py", "argmax", "argmin"),
}


@pytest.mark.parametrize("change", TAKEN_BACK)
def test_a_change_that_is_taken_back_brings_the_first_result_back(place, planned, cdmer, change):
    kept = {path: path.read_bytes() for path in (place.folder / "two.npz", place.conf / "mine.py")}
    planned("features")
    first = shown(place, cdmer)
    TAKEN_BACK[change](place)
    planned("features")
    assert shown(place, cdmer) != first
    for path, data in kept.items():
        path.write_bytes(data)
    before = stored(place)
    planned("features")
    assert stored(place) == before
    assert shown(place, cdmer) == first
    files = {path: path.read_bytes() for path in (place.folder / "r").rglob("record.json")}
    planned("features")  # nothing is written where nothing stands in front
    assert {path: path.read_bytes() for path in files} == files


def test_an_edit_within_a_second_that_keeps_the_size_is_what_runs(
    place, planned, cdmer, monkeypatch
):
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    method = place.conf / "mine.py"
    os.utime(method, (1e9, 1e9))
    planned("features")
    first = shown(place, cdmer)
    edited("mine.py", "argmax", "argmin")(place)
    os.utime(method, (1e9, 1e9))
    planned("features")
    assert shown(place, cdmer) != first


def test_a_failure_between_two_runs_of_the_same_code_is_over(place, planned, cdmer):
    planned("features")
    code = (place.conf / "mine.py").read_text()
    place.edit("mine.py", "scores = [", "raise ValueError('oh')\n        scores = [")
    with pytest.raises(AssertionError, match="oh"):
        planned("features")
    (place.conf / "mine.py").write_text(code)
    planned("features")
    out = cdmer("tables", "own", "--results", str(place.folder / "r"))[1]
    assert "oh" not in out


def test_figures_of_before_and_after_a_change_are_told_apart(place, planned, cdmer):
    place.write("task/back.yaml", "# @package tasks.back\nsource: two\ntarget: one\n")
    planned("features", "task=pair,back")
    place.features("two", 3, 15)
    place.edit("mine.py", "argmax", "argmin")
    planned("features")
    out = " ".join(cdmer("tables", "own", "--results", str(place.folder / "r"))[1].split())
    for said in ("Two has other features (given features) in", "Mine has other code in"):
        assert f"{said} Mine (T → O) than in Mine (O → T), run last" in out
    planned("features", "task=pair,back")
    assert "run last" not in cdmer("tables", "own", "--results", str(place.folder / "r"))[1]


DEPENDS_ON_A_FILE = (
    NEAREST
    + """
from pathlib import Path

@dataclass
class Mine(Nearest):
    shift: float = 0.0

    def batches(self, settings):
        return [[index] for index in range(len(settings))]

    def solve(self, prepared, settings):
        said = Path("outside.txt").read_text()
        if said.startswith("fail") and settings[0]["power"] == 2.0:
            raise ValueError("not yet")
        return BatchResult.closed_form(np.full((1, len(prepared["distances"])), int(said[-1])))
"""
)


def test_force_takes_no_batch_that_an_earlier_run_left(place, planned):
    place.write("mine.py", DEPENDS_ON_A_FILE)
    outside = place.folder / "outside.txt"
    outside.write_text("fail 0")
    with pytest.raises(AssertionError, match="not yet"):
        planned("features")
    assert list((place.folder / "r").rglob("batch-*.npz"))
    outside.write_text("1")
    planned("features", "force=true")
    (grid,) = (place.folder / "r").rglob("grid.npz")
    assert (np.load(grid)["predictions"] == 1).all()


def test_force_extracts_and_solves_anew(place, planned):
    write_frames(place)
    planned("frames")
    cells = stored(place)
    features = times(place)
    assert n_done(planned("frames", "dry_run=true", "force=true")) == 0
    planned("frames", "force=true")
    assert {p: d for p, (d, _) in stored(place).items()} == {p: d for p, (d, _) in cells.items()}
    assert all(stored(place)[p][1] > time for p, (_, time) in cells.items())
    assert all(times(place)[p] > time for p, time in features.items())
