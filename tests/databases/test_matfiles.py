import hashlib

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from cdmer_bench.databases import FileFeatureDatabase
from cdmer_bench.errors import DataMissing, UserError

TEN = tuple(f"object{i}" for i in range(10))


def office(tmp_path, **options):
    """Four domains of a ten-class benchmark with 800 features, as object recognition has."""
    rng = np.random.default_rng(1)
    made = {}
    for name, n_samples in {"amazon": 40, "webcam": 30, "dslr": 20, "caltech": 50}.items():
        X, y = rng.random((n_samples, 800)), np.arange(n_samples) % 10 + 1
        scipy.io.savemat(tmp_path / f"{name}.mat", {"fts": X, "labels": y[:, np.newaxis]})
        database = FileFeatureDatabase(
            name, classes=TEN, root=str(tmp_path), files={"surf": f"{name}.mat"}, features="fts",
            **options,
        )  # fmt: skip
        made[name] = (database, X, y - 1)
    return made


def test_four_domains_of_ten_classes_and_800_features(tmp_path):
    for name, (database, X, y) in office(tmp_path).items():
        loaded = database.load("surf")
        assert np.array_equal(loaded.X, X)
        assert np.array_equal(loaded.y, y)
        assert loaded.classes == TEN
        digest = hashlib.sha256((tmp_path / f"{name}.mat").read_bytes()).hexdigest()
        assert loaded.fingerprint == database.fingerprint("surf") == digest


def save_npz(path, **arrays):
    base = {"features": np.arange(12.0).reshape(4, 3), "labels": np.array([0, 1, 2, 1])}
    np.savez(path, **{**base, **arrays})


def small(tmp_path, **options):
    options = {"first_label": 0, "files": {"mine": "mine.npz"}, **options}
    return FileFeatureDatabase("db", root=str(tmp_path), **options)


def test_npz_with_subjects(tmp_path):
    save_npz(tmp_path / "mine.npz", subject=np.array(["a", "a", "b", "c"]))
    loaded = small(tmp_path, subjects="subject").load("mine")
    assert loaded.y.tolist() == [0, 1, 2, 1]
    assert loaded.subject.tolist() == ["a", "a", "b", "c"]
    assert np.array_equal(loaded.X, np.arange(12.0).reshape(4, 3))


def test_v73_matrix_with_samples_in_columns_and_cell_strings(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    with h5py.File(tmp_path / "mine.mat", "w") as file:
        file["features"] = X  # HDF5 reverses the axes, so MATLAB sees 3 x 4: samples in columns
        file["labels"] = np.array([[1.0, 2, 3, 2]])
        cells = file.create_dataset("subjects", (1, 4), h5py.ref_dtype)
        for i, text in enumerate(["s01", "s02", "s02", "s03"]):
            item = file.create_dataset(f"cell/{i}", data=np.array([[ord(c)] for c in text], "u2"))
            item.attrs["MATLAB_class"] = np.bytes_(b"char")
            cells[0, i] = item.ref
        cells.attrs["MATLAB_class"] = np.bytes_(b"cell")
    database = small(tmp_path, files={"mine": "mine.mat"}, first_label=1, subjects="subjects")
    loaded = database.load("mine")
    assert np.array_equal(loaded.X, X)
    assert loaded.subject.tolist() == ["s01", "s02", "s02", "s03"]


def test_v5_cell_strings_and_numbered_subjects(tmp_path):
    arrays = {"features": np.ones((2, 3)), "labels": [1, 2], "number": [7.0, 12.0]}
    arrays["cells"] = np.array(["s1", "s2"], dtype=object)
    scipy.io.savemat(tmp_path / "mine.mat", arrays)
    for variable, expected in {"cells": ["s1", "s2"], "number": ["7", "12"]}.items():
        database = small(tmp_path, files={"mine": "mine.mat"}, first_label=1, subjects=variable)
        assert database.load("mine").subject.tolist() == expected


def test_csv_table(tmp_path):
    (tmp_path / "mine.csv").write_text("who,f1,f2,label\na,1,2,negative\nb,3,4,surprise\n")
    database = small(
        tmp_path, files={"mine": "mine.csv"}, features="f", labels="label", subjects="who"
    )
    loaded = database.load("mine")
    assert loaded.X.tolist() == [[1, 2], [3, 4]]
    assert loaded.y.tolist() == [0, 2]
    assert loaded.subject.tolist() == ["a", "b"]


def test_label_map_and_own_variables_of_one_file(tmp_path):
    save_npz(tmp_path / "mine.npz", emotion=np.array([7.0, 9.0, 7.0, 7.0]))
    database = FileFeatureDatabase(
        "db", classes=("calm", "angry"), root=str(tmp_path),
        files={"mine": {"path": "mine.npz", "labels": "emotion"}},
        label_map={7: "angry", 9: "calm"},
    )  # fmt: skip
    assert database.load("mine").y.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("layout", ["samples_rows", "samples_columns"])
def test_square_matlab_matrices_need_the_layout(tmp_path, layout):
    X = np.arange(16.0).reshape(4, 4)
    scipy.io.savemat(tmp_path / "mine.mat", {"features": X, "labels": [0, 1, 2, 1]})
    files = {"mine": "mine.mat"}
    with pytest.raises(UserError, match="set layout to samples_rows or samples_columns"):
        small(tmp_path, files=files).load("mine")
    expected = X if layout == "samples_rows" else X.T
    assert np.array_equal(small(tmp_path, files=files, layout=layout).load("mine").X, expected)


def test_blocks_of_either_order(tmp_path):
    X = np.arange(4 * 30.0).reshape(4, 30)
    save_npz(tmp_path / "mine.npz", features=X)
    major = small(tmp_path, blocks={"n_blocks": 5, "layout": "block_major"}).load("mine").X
    assert np.array_equal(major, X.reshape(4, 5, 6))
    cut = {"layout": "released", "grids": [1, 2], "n_planes": 3}
    released = small(tmp_path, blocks=cut).load("mine").X
    assert released.shape == (4, 5, 3, 2)
    # Grid 1 fills values 0 to 5; then the first plane of the four blocks of grid 2, values 6 to 13.
    assert released[0, 1:, 0].ravel().tolist() == list(range(6, 14))


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({}, {"features": "fts"}, r"mine\.npz has no variable 'fts'; it has: features \(4, 3\)"),
        ({"labels": np.array([0, 1, 2])}, {}, r"shape \(4, 3\), but there are 3 labels"),
        ({"labels": np.array([0, 1, 2, 3])}, {}, "label '3' in row 3"),
        ({"labels": np.eye(4)}, {}, r"labels has shape \(4, 4\), expected one label a sample"),
        ({"features": np.full((4, 3), np.nan)}, {}, "NaN or infinite values in 4 of 4"),
        ({"features": np.ones((4, 3), complex)}, {}, "complex128 values, expected real"),
        ({"features": np.array([["a"] * 3] * 4)}, {}, "expected real numbers"),
        ({"features": np.ones((4, 0))}, {}, "is empty"),
        ({"labels": np.array([0, {}, 2, 1], object)}, {}, "Python objects, which are refused"),
        ({}, {"blocks": {"n_blocks": 2}}, "do not divide into 2 blocks"),
        ({}, {"blocks": {"blocks": 2}}, "unknown key 'blocks'"),
        ({}, {"subjects": "labels", "layout": "rows"}, "layout is 'rows'"),
        ({"who": np.array(["a"])}, {"subjects": "who"}, "names 1 subjects for 4 samples"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, arrays, options, message):
    save_npz(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UserError, match=message):
        small(tmp_path, **options).load("mine")


def test_absent_and_damaged_files(tmp_path):
    with pytest.raises(DataMissing, match=r"mine\.npz does not exist; correct databases\.db"):
        small(tmp_path).load("mine")
    with pytest.raises(DataMissing, match="no file for the descriptor 'surf'"):
        small(tmp_path).load("surf")
    save_npz(tmp_path / "mine.npz")
    content = (tmp_path / "mine.npz").read_bytes()
    for length in (0, 10, 200, len(content) - 30):
        (tmp_path / "mine.npz").write_bytes(content[:length])
        with pytest.raises(UserError, match=r"mine\.npz"):
            small(tmp_path).load("mine")
    flipped = bytearray(content)
    flipped[200] ^= 1
    (tmp_path / "mine.npz").write_bytes(flipped)
    with pytest.raises(UserError, match="damaged"):
        small(tmp_path).load("mine")
    (tmp_path / "mine.pkl").write_bytes(b"x")
    with pytest.raises(UserError, match=r"\.pkl', expected one of \.mat"):
        small(tmp_path, files={"mine": "mine.pkl"}).load("mine")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": {}}, "names no files"),
        ({"classes": ("a",)}, "at least two different"),
        ({"label_map": {1: "calm"}}, "names the class 'calm'"),
    ],
)
def test_contradicting_descriptions(tmp_path, options, message):
    save_npz(tmp_path / "mine.npz")
    with pytest.raises(UserError, match=message):
        small(tmp_path, **options).load("mine")


def test_sparse_matrices_and_odd_blocks_are_one_sentence(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    arrays = {"features": scipy.sparse.csc_matrix(X), "labels": [1, 2, 1, 2]}
    scipy.io.savemat(tmp_path / "sparse.mat", arrays)
    scipy.io.savemat(tmp_path / "whole.MAT", {"features": X, "labels": [1, 2, 1, 2]})

    def load(file, **options):
        options = {"classes": ("a", "b"), "files": {"d": file}, **options}
        return FileFeatureDatabase("my", root=str(tmp_path), **options).load("d")

    with pytest.raises(UserError, match=r"'features' is sparse; save it as full\(features\)"):
        load("sparse.mat")
    assert np.array_equal(load("whole.MAT").X, X)
    with pytest.raises(UserError, match="blocks is 5, expected a mapping"):
        load("whole.MAT", blocks=5)
    with pytest.raises(UserError, match="expected whole numbers for n_blocks"):
        load("whole.MAT", blocks={"n_blocks": "three"})
    with pytest.raises(UserError, match="first_label is 'one', expected the whole number"):
        load("whole.MAT", first_label="one")
