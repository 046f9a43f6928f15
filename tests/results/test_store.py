import dataclasses
import json
import multiprocessing
import zipfile

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.io import pack_arrays
from cdmer_bench.results.current import superseded
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore, safe_name, seal
from tests.damages import DAMAGES, obeying_permissions


def make_record(**changes) -> CellRecord:
    rng = np.random.default_rng(0)
    predictions = rng.integers(0, 3, size=(4, 7)).astype(np.uint8)
    record = CellRecord(
        key="ab" * 32,
        task="exp05",
        task_label="Exp.5",
        source="smic_vis",
        target="smic_nir",
        method="gfk",
        method_label="GFK",
        descriptor="lbp_top_r3p8",
        descriptor_label="LBP-TOP(R3P8)",
        corpus="released",
        synthetic=False,
        grid="paper",
        solver="",
        classes=("negative", "positive", "surprise"),
        parameters={"C": 1.0, "k": 10},
        settings=[{"k": k} for k in range(1, 5)],
        predictions=predictions,
        y_target=rng.integers(0, 3, size=7).astype(np.uint8),
        y_source=rng.integers(0, 3, size=9).astype(np.uint8),
        subject_target=np.array(list("aabbccd")),
        scores=rng.normal(size=(4, 7, 3)).astype(np.float32),
        converged=np.array([True, True, False, True]),
        iterations=np.array([1, 2, 3, 4]),
        notes={2: "ended at the limit"},
        extras={"weights": rng.random((4, 5), dtype=np.float32)},
        about={"date": "2020-01-01T00:00:00+00:00"},
    )
    return dataclasses.replace(record, **changes)


def make_failure(error: str) -> dict[str, str]:
    labels = ("task_label", "method_label", "descriptor_label", "corpus")
    return {**dict.fromkeys(labels, "any"), "error": error}


def folder_of(store: ResultsStore, record: CellRecord):
    return store.folder_of(record)


def assert_same(left: CellRecord, right: CellRecord):
    for field in dataclasses.fields(CellRecord):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if field.name == "extras":
            assert a.keys() == b.keys()
            for name in a:
                np.testing.assert_array_equal(a[name], b[name])
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b, field.name


@pytest.mark.parametrize("changes", [{}, {"scores": None, "subject_target": None, "extras": {}}])
def test_a_record_comes_back_as_it_was(tmp_path, changes):
    store, record = ResultsStore(tmp_path), make_record(**changes)
    store.save(record)
    loaded = store.load(folder_of(store, record))
    assert loaded is not None
    assert_same(loaded, record)
    assert len(store.records()) == 1
    assert not store.unfinished(record.key).exists()


# A whole archive whose content is not what was stored with the record.
SWAPPED = pack_arrays({"predictions": np.zeros((1, 1), np.uint8)})
HARMS = {**DAMAGES, "of another cell": lambda data: SWAPPED}


@pytest.mark.parametrize("file", ["record.json", "grid.npz"])
@pytest.mark.parametrize("harm", HARMS)
def test_damage_is_noticed_set_aside_and_warned_of_once(tmp_path, file, harm):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    path = folder_of(store, record) / file
    path.write_bytes(HARMS[harm](path.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        assert store.load(folder_of(store, record)) is None
    assert len(warned) == 1
    assert store.load(folder_of(store, record)) is None  # and now it is simply not there
    store.save(record)
    assert store.load(folder_of(store, record)) is not None
    assert len(list(tmp_path.rglob("*.damaged-*"))) == 1


def test_a_record_in_the_place_of_another_is_not_taken(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    other = store.cell_folder("exp05", "lbp_top_r3p8", "gfk", "cd" * 32)
    folder_of(store, record).rename(other)
    with pytest.warns(UserWarning, match="another cell"):
        assert store.load(other) is None


def test_a_pickle_inside_the_archive_is_never_run(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    path = folder_of(store, record) / "grid.npz"
    bomb = tmp_path / "bomb.npz"
    np.savez(bomb, predictions=np.array([{"a": 1}], dtype=object))
    path.write_bytes(bomb.read_bytes())
    with pytest.warns(UserWarning, match="set aside"):
        assert store.load(path.parent) is None


def test_the_archive_has_the_same_bytes_every_time(tmp_path):
    arrays = {"a": np.arange(5.0), "b": np.array("text")}
    assert pack_arrays(arrays) == pack_arrays(arrays)
    (tmp_path / "x.npz").write_bytes(pack_arrays(arrays))
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", ".hidden", "x" * 500, "naïve name"])
def test_no_name_leaves_the_results_folder(tmp_path, name):
    store = ResultsStore(tmp_path)
    folder = store.cell_folder(name, name, name, "ab" * 32)
    assert folder.resolve().is_relative_to(tmp_path.resolve() / "cells")
    assert len(folder.relative_to(tmp_path / "cells").parts) == 3
    assert "/" not in safe_name(name)


def hold_claim(folder, key, ready, release):
    with ResultsStore(folder).claim(key) as held:
        ready.put(held)
        release.wait(20)


def test_a_cell_is_claimed_by_one_run_and_freed_when_that_dies(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Queue(), context.Event()
    process = context.Process(target=hold_claim, args=(tmp_path, "ab" * 32, ready, release))
    process.start()
    assert ready.get(timeout=20) is True
    with ResultsStore(tmp_path).claim("ab" * 32) as held:
        assert held is False
    process.kill()
    process.join()
    with ResultsStore(tmp_path).claim("ab" * 32) as held:
        assert held is True


def test_failures_are_kept_until_the_cell_succeeds(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    store.save_failure(record.key, make_failure("no"))
    assert store.failure(record.key) == make_failure("no")
    store.save(record)
    assert store.failure(record.key) is None


def test_records_are_json_and_arrays_that_other_tools_read(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    content = json.loads((folder_of(store, record) / "record.json").read_text())["content"]
    assert content["settings"] == record.settings
    with np.load(folder_of(store, record) / "grid.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["predictions"], record.predictions)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another folder"):
        ResultsStore(tmp_path / "file").check_writable()


def test_a_record_of_a_newer_version_stays_and_is_named(tmp_path, cdmer):
    """It is whole, so it must not be renamed as if it were damaged."""
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    path = folder_of(store, record) / "record.json"
    newer = seal({**record.content(), "format": 3, "of the future": 1})
    path.write_bytes(newer)
    code, _, err = cdmer("tables", "--results", str(tmp_path))
    assert code == 2
    assert f"{path} was written by a newer version of cdmer-bench (format 3, expected 2)" in err
    assert path.read_bytes() == newer


def test_damage_in_a_folder_that_may_only_be_read_is_warned_of_and_passed_over(tmp_path, cdmer):
    store = ResultsStore(tmp_path / "results")
    for number in range(2):
        store.save(make_record(method=f"m{number}"))
    path = folder_of(store, make_record(method="m0"))
    (path / "grid.npz").write_bytes(b"")
    path.parent.chmod(0o555)
    try:
        with obeying_permissions(), pytest.warns(UserWarning, match="passed over") as warned:
            code, out, err = cdmer("tables", "--results", str(store.folder))
    finally:
        path.parent.chmod(0o755)
    assert code == 0, err
    assert "GFK" in out
    assert len({str(w.message) for w in warned}) == 1
    assert path.exists()


def test_cells_of_an_older_version_are_named_and_never_mixed_in(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    old = make_record(key="cd" * 32)
    store.save(old)
    path = store.folder_of(old) / "record.json"
    content = {k: v for k, v in old.content().items() if k not in ("used", "errors_ignored")}
    path.write_bytes(seal({**content, "format": 1}))
    with pytest.warns(UserWarning, match="1 cells of an older version .* are left out"):
        (found,) = store.records()
    assert found.key == record.key
    with pytest.warns(UserWarning, match="older version"):
        assert store.older() == [store.folder_of(old)]
    assert path.exists()  # it is whole, so it is not renamed as if it were damaged


def test_what_a_record_says_beside_its_arrays_can_be_renewed(tmp_path):
    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    arrays = (store.folder_of(record) / "grid.npz").read_bytes()
    store.save_content(dataclasses.replace(record, method_label="Another"))
    (found,) = store.records()
    assert_same(found, dataclasses.replace(record, method_label="Another"))
    assert (store.folder_of(record) / "grid.npz").read_bytes() == arrays


def test_a_cell_that_was_copied_by_hand_counts_once_and_one_that_was_moved_is_told(tmp_path):
    import shutil

    store, record = ResultsStore(tmp_path), make_record()
    store.save(record)
    own = folder_of(store, record)
    copy = own.parents[1].with_name("exp05 backup") / own.parent.name / own.name
    shutil.copytree(own, copy)
    said = r"1 cells were copied or moved .*exp05 backup.* whose place is cells/exp05/"
    with pytest.warns(UserWarning, match=said):
        assert len(store.records()) == 1
    with pytest.warns(UserWarning, match=said):
        assert superseded(store) == []  # so that pruning removes neither
    shutil.rmtree(own)
    with pytest.warns(UserWarning, match=said):
        assert len(store.records()) == 1
