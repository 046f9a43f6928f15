"""Damaged and foreign feature files.

A clean result or a UserError, never anything else. The fast suite draws a few hundred inputs, the
slow one (``-m slow``) more than ten thousand.
"""

import io
import struct
import warnings

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import strategies as st

from cdmer_bench.databases.matfiles import FileFeatureDatabase
from cdmer_bench.errors import UserError
from tests.fuzz import drawing
from tests.fuzz.drawing import both, damaged


def feature_bytes(kind: str) -> bytes:
    rng = np.random.default_rng(0)
    arrays = {"features": rng.random((6, 4)), "labels": np.arange(6) % 3}
    buffer = io.BytesIO()
    if kind == "npz":
        np.savez_compressed(buffer, **arrays)
    elif kind == "csv":
        table = np.column_stack([arrays["labels"], arrays["features"]])
        np.savetxt(buffer, table, "%g", ",", header="labels,f1,f2,f3,f4", comments="")
    elif kind == "hdf5.mat":
        with h5py.File(buffer, "w") as file:
            for name, array in arrays.items():
                file[name] = array.T
    else:
        scipy.io.savemat(buffer, arrays, do_compression=kind == "compressed.mat")
    return buffer.getvalue()


WHOLE = {kind: feature_bytes(kind) for kind in ("npz", "mat", "compressed.mat", "hdf5.mat", "csv")}


@st.composite
def damaged_files(draw):
    """A file's kind and its bytes after a few edits, or bytes of no kind at all."""
    kind = draw(st.sampled_from(sorted(WHOLE)))
    return kind, draw(damaged(WHOLE[kind]))


def check_feature_file(drawn):
    kind, data = drawn
    path = drawing.FOLDER / f"file.{kind.rpartition('.')[2]}"
    path.write_bytes(data)
    features = "f" if kind == "csv" else "features"
    database = FileFeatureDatabase(
        "db", root=str(drawing.FOLDER), files={"given": path.name}, features=features, first_label=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            found = database.load("given")
        except UserError:
            return
    assert len(found.X) == len(found.y)
    assert np.isfinite(found.X).all()
    assert set(found.y) <= {0, 1, 2}


test_damaged_feature_files, test_more_damaged_feature_files = both(
    damaged_files(), check_feature_file
)


def test_a_number_type_that_would_end_the_process_is_refused():
    """SciPy looks the type up without a bound."""
    data = bytearray(WHOLE["mat"])
    place = data.index(struct.pack("<II", 9, 6 * 4 * 8))  # the element of features, doubles
    for kind in (0, 8, 14, 15, 200, 30_000):
        data[place : place + 4] = struct.pack("<I", kind)
        (drawing.FOLDER / "file.mat").write_bytes(data)
        database = FileFeatureDatabase("db", root=str(drawing.FOLDER), files={"given": "file.mat"})
        with pytest.raises(UserError, match=r"file\.mat"):
            database.load("given")
