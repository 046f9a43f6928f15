"""TSRG from A to B and DRFS-T from B to A solve the same regressions, and share them."""

import numpy as np
import pytest

from cdmer_bench.methods import DRFST, TSRG, regeneration
from cdmer_bench.methods.base import SHARED_WORK
from cdmer_bench.methods.regeneration import load_entry
from tests.methods.oracles import random_task
from tests.methods.test_regeneration import large_task

GRID = {"lam": [0.1, 1.0], "mu": [0.005, 0.05, 0.5, 3.0]}


def both(cache, task, first=TSRG, **more):
    """Run a method from A to B, and the other from B to A; return their results."""
    Xa, ya, Xb = task
    yb = np.arange(len(Xb)) % 3
    runs = [(TSRG, Xa, ya, Xb), (DRFST, Xb, yb, Xa)]
    found = {}
    for kind, Xs, ys, Xt in runs if first is TSRG else runs[::-1]:
        method = kind(cache=str(cache), **more)
        settings = method.settings(GRID, (len(Xs), len(Xt), Xs.shape[1]))
        prepared = method.prepare(Xs, ys, Xt, Xt)
        batches = [method.solve(prepared, settings[i : i + 4]) for i in (0, 4)]
        found[kind] = batches, sum(batch.reused for batch in batches)
    return found


def assert_same(found, expected):
    for kind in (TSRG, DRFST):
        for one, other in zip(found[kind][0], expected[kind][0], strict=True):
            np.testing.assert_array_equal(one.predictions, other.predictions)
            np.testing.assert_array_equal(one.scores, other.scores)
            np.testing.assert_array_equal(one.iterations, other.iterations)
            np.testing.assert_array_equal(one.converged, other.converged)
            assert one.notes == other.notes


@pytest.mark.parametrize(
    ("task", "solver"),
    [(large_task(), "paper"), (random_task(3), "paper"), (random_task(3), "exact")],
    ids=["float32", "float64", "exact"],
)
@pytest.mark.parametrize("first", [TSRG, DRFST])
def test_the_second_method_takes_what_the_first_found_bit_for_bit(tmp_path, task, solver, first):
    alone = both("", task, solver=solver)
    assert [alone[kind][1] for kind in (TSRG, DRFST)] == [0, 0]
    shared = both(tmp_path, task, first, solver=solver)
    assert_same(shared, alone)
    second = DRFST if first is TSRG else TSRG
    assert shared[first][1] == 0
    # A setting that only the second doubts in float32 is solved in float64 by it alone.
    assert shared[second][1] >= 6
    again = both(tmp_path, task, first, solver=solver)
    assert_same(again, alone)
    assert [again[kind][1] for kind in (TSRG, DRFST)] == [8, 8]


@pytest.mark.parametrize("kind", [TSRG, DRFST])
def test_witnesses_are_those_of_a_solution_of_ones_own(tmp_path, kind, monkeypatch):
    Xs, ys, Xt = large_task()
    seen = []
    judge = kind._is_certain

    def watched(self, prepared, found, *more):
        seen.append((found.products, found.errors))
        return judge(self, prepared, found, *more)

    monkeypatch.setattr(kind, "_is_certain", watched)
    settings = [{"lam": 1.0, "mu": mu} for mu in GRID["mu"]]
    for cache in ("", str(tmp_path), str(tmp_path)):
        method = kind(cache=cache)
        method.solve(method.prepare(Xs, ys, Xt, Xt), settings)
    own, kept, taken = seen[:4], seen[4:8], seen[8:]
    for one, *others in zip(own, kept, taken, strict=True):
        assert one[1].shape == (4, *one[0].shape)
        for other in others:
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


def test_other_samples_penalties_and_solvers_have_entries_of_their_own(tmp_path):
    def entries():
        return len(list((tmp_path / SHARED_WORK).glob("*.npz")))

    Xs, ys, Xt = random_task(3)
    cache = str(tmp_path)
    for count, (method, X) in enumerate(
        [
            (TSRG(cache=cache), Xs),
            (TSRG(cache=cache, lam=2.0), Xs),
            (TSRG(cache=cache, mu=0.2), Xs),
            (TSRG(cache=cache, solver="exact"), Xs),
            (TSRG(cache=cache), Xs + 1e-9),
            (DRFST(cache=cache), Xs),  # the target stays, so other regressions
        ],
        start=1,
    ):
        assert method.fit(X, ys, Xt).result_.reused == 0
        assert entries() == count
    assert TSRG(cache=cache, C=3.0).fit(Xs, ys, Xt).result_.reused == 1
    assert entries() == 6


@pytest.mark.parametrize("kind", [TSRG, DRFST])
def test_samples_held_out_of_a_fold_keep_nothing(tmp_path, kind):
    Xs, ys, Xt = random_task(3)
    method = kind(cache=str(tmp_path))
    held_out = method.prepare(Xs[5:], ys[5:], Xt, Xs[:5])
    method.solve(held_out, [{}])
    assert not (tmp_path / SHARED_WORK).exists()


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_entry_is_made_again_with_a_warning(tmp_path, damage):
    Xs, ys, Xt = random_task(3)
    alone = TSRG().fit(Xs, ys, Xt).result_
    TSRG(cache=str(tmp_path)).fit(Xs, ys, Xt)
    (path,) = (tmp_path / SHARED_WORK).glob("*.npz")
    whole, entry = path.read_bytes(), load_entry(path)
    flipped = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
    path.write_bytes(flipped if damage is None else damage)
    with pytest.warns(UserWarning, match="is damaged"):
        found = TSRG(cache=str(tmp_path)).fit(Xs, ys, Xt).result_
    np.testing.assert_array_equal(found.scores, alone.scores)
    assert found.reused == 0
    again = load_entry(path)
    assert again.keys() == entry.keys()
    for name in entry.keys() - {"seconds"}:
        np.testing.assert_array_equal(again[name], entry[name])
    assert TSRG(cache=str(tmp_path)).fit(Xs, ys, Xt).result_.reused == 1


def test_an_entry_under_a_wrong_name_is_damaged(tmp_path):
    Xs, ys, Xt = random_task(3)
    for lam in (1.0, 2.0):
        TSRG(cache=str(tmp_path), lam=lam).fit(Xs, ys, Xt)
    first, second = sorted((tmp_path / SHARED_WORK).glob("*.npz"))
    second.write_bytes(first.read_bytes())
    alone = [TSRG(lam=lam).fit(Xs, ys, Xt).result_ for lam in (1.0, 2.0)]
    with pytest.warns(UserWarning, match="it is another entry"):
        found = [TSRG(cache=str(tmp_path), lam=lam).fit(Xs, ys, Xt).result_ for lam in (1.0, 2.0)]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_folder_that_cannot_be_made_costs_nothing_but_time(tmp_path):
    Xs, ys, Xt = random_task(3)
    (tmp_path / "file").write_text("")
    found = TSRG(cache=str(tmp_path / "file")).fit(Xs, ys, Xt).result_
    np.testing.assert_array_equal(found.scores, TSRG().fit(Xs, ys, Xt).result_.scores)
    assert found.reused == 0


def test_entries_are_private(tmp_path):
    TSRG(cache=str(tmp_path)).fit(*random_task(3))
    assert (tmp_path / SHARED_WORK).stat().st_mode & 0o077 == 0


def test_other_target_samples_and_features_of_the_same_kernel_have_entries_of_their_own(
    tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.integers(-3, 4, (12, 6)).astype(float), rng.integers(-3, 4, (9, 6)).astype(float)
    ys, turned = np.arange(12) % 3, [5, 3, 1, 0, 2, 4]
    for count, (source, target) in enumerate(
        [(Xs, Xt), (Xs, Xt + 1), (Xs[:, turned], Xt[:, turned])], start=1
    ):
        assert TSRG(cache=str(tmp_path)).fit(source, ys, target).result_.reused == 0
        assert len(list((tmp_path / SHARED_WORK).glob("*.npz"))) == count
    assert TSRG(cache=str(tmp_path)).fit(Xs, ys, Xt).result_.reused == 1
    # What another version of the numbers left is not taken.
    monkeypatch.setattr(regeneration, "FORMAT", regeneration.FORMAT + 1)
    assert TSRG(cache=str(tmp_path)).fit(Xs, ys, Xt).result_.reused == 0


def test_what_two_methods_share_is_named_alike_one_way_round():
    assert TSRG().shared_work("a", "b") == DRFST().shared_work("b", "a")
    assert TSRG().shared_work("a", "b") != TSRG().shared_work("b", "a")
