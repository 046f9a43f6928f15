"""Features and subjects in MATLAB files, old and new."""

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from cdmer_bench.errors import UserError
from tests.databases.small_files import small


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


@pytest.mark.parametrize("layout", ["samples_rows", "samples_columns"])
def test_square_matlab_matrices_need_the_layout(tmp_path, layout):
    X = np.arange(16.0).reshape(4, 4)
    scipy.io.savemat(tmp_path / "mine.mat", {"features": X, "labels": [0, 1, 2, 1]})
    files = {"mine": "mine.mat"}
    with pytest.raises(UserError, match="set layout to samples_rows or samples_columns"):
        small(tmp_path, files=files).load("mine")
    expected = X if layout == "samples_rows" else X.T
    assert np.array_equal(small(tmp_path, files=files, layout=layout).load("mine").X, expected)


def write_v73(path, **variables):
    """Write variables as MATLAB 7.3 does: (class, values) or a list of them for a cell array."""
    with h5py.File(path, "w") as file:
        for name, given in variables.items():
            if isinstance(given, list):
                cells = file.create_dataset(name, (1, len(given)), h5py.ref_dtype)
                for index, (kind, values) in enumerate(given):
                    inner = file.create_dataset(f"#refs#/{name}{index}", data=values)
                    inner.attrs["MATLAB_class"] = np.bytes_(kind)
                    cells[0, index] = inner.ref
                cells.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                kind, values = given
                file.create_dataset(name, data=values).attrs["MATLAB_class"] = np.bytes_(kind)


def test_v73_cells_are_decoded_by_their_own_class(tmp_path):
    subjects = [3, 13, 3, 115]
    write_v73(
        tmp_path / "mine.mat",
        features=("double", np.arange(12.0).reshape(4, 3).T),
        labels=("uint8", np.array([[0, 1, 2, 1]])),
        subjects=[("double", np.array([[float(s)]])) for s in subjects],
        names=[("char", np.array([[ord(c)] for c in f"s{s}"], np.uint16)) for s in subjects],
    )
    for variable, expected in (("subjects", "{}"), ("names", "s{}")):
        database = small(tmp_path, files={"d": "mine.mat"}, subjects=variable)
        assert database.load("d").subject.tolist() == [expected.format(s) for s in subjects]


@pytest.mark.parametrize("kind", ["string", "categorical", "table"])
def test_v73_objects_are_named_with_the_way_out(tmp_path, kind):
    write_v73(
        tmp_path / "mine.mat",
        features=("double", np.ones((3, 6))),
        labels=(kind, np.array([[0xDD000000, 2, 1, 1, 1, 1]], np.uint32)),
    )
    with pytest.raises(UserError, match=rf"'labels' is a MATLAB {kind}, .* in MATLAB, save"):
        small(tmp_path, files={"d": "mine.mat"}).load("d")


def test_v73_sparse_matrices_are_filled_up_and_structs_are_named(tmp_path):
    X = np.array([[0, 2.0, 0], [1, 0, 0], [0, 0, 3], [0, 0, 0]])
    packed = scipy.sparse.csc_array(X)
    with h5py.File(tmp_path / "mine.mat", "w") as file:
        group = file.create_group("features")
        group.attrs["MATLAB_sparse"] = np.uint64(4)
        group["data"], group["ir"], group["jc"] = packed.data, packed.indices, packed.indptr
        file["labels"] = np.array([[0, 1, 2, 1]])
        file.create_group("who").attrs["MATLAB_class"] = np.bytes_("struct")
    assert np.array_equal(small(tmp_path, files={"d": "mine.mat"}).load("d").X, X)
    with pytest.raises(UserError, match="'who' is a MATLAB struct"):
        small(tmp_path, files={"d": "mine.mat"}, subjects="who").load("d")


def test_v5_structs_and_cells_of_vectors_are_named(tmp_path):
    arrays = {"features": np.eye(4), "labels": [0, 1, 2, 1], "who": {"a": 1.0}}
    arrays["cells"] = np.array([np.ones(2), np.ones(3), np.ones(1), np.ones(1)], object)
    scipy.io.savemat(tmp_path / "mine.mat", arrays)
    for name, kind in (("who", "struct"), ("cells", "cell")):
        with pytest.raises(UserError, match=f"'{name}' is a MATLAB {kind}"):
            small(tmp_path, files={"d": "mine.mat"}, layout="samples_rows", subjects=name).load("d")
