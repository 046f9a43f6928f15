"""Feature files of every format with one deviation each: read exactly, or refused by its name."""

import h5py
import numpy as np
import pytest
import scipy.io

from cdmer_bench.databases import FileFeatureDatabase
from cdmer_bench.databases.base import matched
from cdmer_bench.errors import UserError

N, D = 12, 5
CLASSES = ("calm", "happy", "sad")
FORMATS = ("comma.csv", "semicolon.csv", "tab.csv", "npz", "v5.mat", "compressed.mat", "v73.mat")
SEPARATORS = {"comma.csv": ",", "semicolon.csv": ";", "tab.csv": "\t"}


def whole():
    rng = np.random.default_rng(7)
    return {
        "features": rng.random((N, D)),
        "labels": np.arange(N) % 3 + 1,
        "subjects": np.array([f"s{i % 4}" for i in range(N)]),
    }


def write(path, kind, data, names=None):
    """Write the arrays as a file of a format."""
    if kind in SEPARATORS:
        names = names or [f"f{i}" for i in range(np.shape(data["features"])[1])]
        lines = [[*names, *(key for key in ("labels", "subjects") if key in data)]]
        for i in range(len(data["features"])):
            row = [*data["features"][i].tolist()]
            row += [data[key][i] for key in ("labels", "subjects") if key in data]
            lines.append(["" if value is None else str(value) for value in row])
        path.write_text("\n".join(SEPARATORS[kind].join(line) for line in lines) + "\n")
    elif kind == "npz":
        np.savez(path, **data)
    elif kind == "v73.mat":
        with h5py.File(path, "w") as file:
            for name, array in data.items():
                write_v73(file, name, np.asarray(array))
    else:
        arrays = {n: a.astype(object) if a.dtype.kind == "U" else a for n, a in data.items()}
        scipy.io.savemat(path, arrays, do_compression=kind == "compressed.mat")


def write_v73(file, name, array):
    if array.dtype.kind != "U":
        stored = file.create_dataset(name, data=np.atleast_2d(array).T)
        stored.attrs["MATLAB_class"] = np.bytes_("double")
        return
    cells = file.create_dataset(name, (1, len(array)), h5py.ref_dtype)
    cells.attrs["MATLAB_class"] = np.bytes_("cell")
    for index, text in enumerate(array):
        inner = file.create_dataset(f"#refs#/{name}{index}", data=[[ord(c)] for c in text])
        inner.attrs["MATLAB_class"] = np.bytes_("char")
        cells[0, index] = inner.ref


def change(key, place, value):
    def apply(data):
        array = data[key].astype(type(value)) if isinstance(value, float) else data[key].copy()
        array[place] = value
        return {**data, key: array}

    return apply


def put(**arrays):
    return lambda data: {**data, **{key: make(data[key]) for key, make in arrays.items()}}


def without(key):
    return lambda data: {name: array for name, array in data.items() if name != key}


SAME = None
NAMED = ("0", "1", "2")
# What is changed, options of the description, and what must come out: SAME, or words of the error.
DEVIATIONS = {
    "whole": (lambda data: data, {}, SAME),
    "labels are names": (put(labels=lambda y: np.array(CLASSES)[y - 1]), {}, SAME),
    "labels are floats": (put(labels=lambda y: y.astype(float)), {}, SAME),
    "labels from 0": (put(labels=lambda y: y - 1), {"first_label": 0}, SAME),
    "labels from 0, not told": (put(labels=lambda y: y - 1), {}, "label '0' in row 0"),
    "labels of a map": (
        put(labels=lambda y: y * 10), {"label_map": {10: "calm", 20: "happy", 30: "sad"}}, SAME,
    ),
    "classes are numbers": (
        put(labels=lambda y: y - 1), {"classes": NAMED}, "could be the class of that name",
    ),
    "classes are numbers, told": (
        put(labels=lambda y: y - 1), {"classes": NAMED, "first_label": 0}, SAME,
    ),
    "a negative label": (change("labels", 4, -1), {}, "label '-1' in row 4"),
    "a label too high": (change("labels", 4, 9), {}, "label '9' in row 4"),
    "a label of a half": (change("labels", 4, 1.5), {}, "label '1.5' in row 4"),
    "a name and a number": (
        put(labels=lambda y: np.array(["calm", *map(str, y[1:])])), {}, "both stand for the class",
    ),
    "one label for many": (put(labels=lambda y: y[:0]), {}, "labels"),
    "features of 8 bits": (put(features=lambda X: (X * 255).astype(np.uint8)), {}, SAME),
    "a missing value": (change("features", (3, 2), np.nan), {}, "NaN or infinite values in 1 of"),
    "an infinite value": (change("features", (3, 2), np.inf), {}, "NaN or infinite values in 1 of"),
    "an empty column": (change("features", (slice(None), 1), np.nan), {}, "NaN or infinite"),
    "no such features": (lambda data: data, {"features": "nothing"}, "nothing"),
    "no such labels": (without("labels"), {}, "labels"),
    "no such subjects": (without("subjects"), {}, "subjects"),
    "normalised": (lambda data: data, {"normalise": "l2"}, "normalised"),
    "blocks that do not divide": (lambda data: data, {"blocks": {"n_blocks": 2}}, "divide into 2"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("deviation", DEVIATIONS)
def test_a_file_is_read_as_it_is_or_refused_by_name(tmp_path, kind, deviation):
    edit, options, expected = DEVIATIONS[deviation]
    if deviation == "one label for many" and kind in SEPARATORS:
        pytest.skip("a table has a label in each row")
    data, path = edit(whole()), tmp_path / f"file.{kind.rpartition('.')[2]}"
    write(path, kind, data)
    described = {"features": "f", "labels": "labels", "subjects": "subjects", "classes": CLASSES}
    described |= {"features": "f" if kind in SEPARATORS else "features"} | options
    database = FileFeatureDatabase("db", root=str(tmp_path), files={"d": path.name}, **described)
    if expected not in (SAME, "normalised"):
        with pytest.raises(UserError, match=expected) as refused:
            database.load("d")
        assert path.name in str(refused.value)
        return
    found = database.load("d")
    X = np.asarray(data["features"], float)
    if expected == "normalised":
        X = X / np.sqrt((X**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.X, X, rtol=1e-15)
    assert found.y.tolist() == (np.arange(N) % 3).tolist()
    assert found.subject.tolist() == whole()["subjects"].tolist()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_refused(tmp_path, kind, part):
    path = tmp_path / f"file.{kind.rpartition('.')[2]}"
    write(path, kind, whole())
    data = path.read_bytes()
    cut = data[: int(part * len(data))]
    if kind in SEPARATORS:  # a table cut after a whole line cannot be told from a shorter one
        cut = cut[: cut.rfind(SEPARATORS[kind].encode()) + 1]
    path.write_bytes(cut)
    features = "f" if kind in SEPARATORS else "features"
    database = FileFeatureDatabase(
        "db", root=str(tmp_path), files={"d": path.name}, features=features, classes=CLASSES
    )
    with pytest.raises(UserError, match=path.name):
        database.load("d")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("suffix", ["csv", "npz", "mat"])
def test_a_file_of_another_format_is_refused(tmp_path, kind, suffix):
    if kind.endswith(suffix):
        pytest.skip("that is its format")
    path = tmp_path / f"file.{suffix}"
    written = tmp_path / f"real.{kind.rpartition('.')[2]}"
    write(written, kind, whole())
    written.rename(path)
    database = FileFeatureDatabase("db", root=str(tmp_path), files={"d": path.name})
    with pytest.raises(UserError, match=path.name):
        database.load("d")


@pytest.mark.parametrize("kind", sorted(SEPARATORS))
@pytest.mark.parametrize("features", ["f", "*"])
def test_reordered_columns_give_the_same_features(tmp_path, kind, features):
    data, names = whole(), [f"f{i}" for i in range(D)]
    write(tmp_path / "one.csv", kind, data, names)
    write(tmp_path / "two.csv", kind, {**data, "features": data["features"][:, ::-1]}, names[::-1])
    one, two = (
        FileFeatureDatabase(
            name, root=str(tmp_path), files={"d": f"{name}.csv"}, features=features,
            subjects="subjects", classes=CLASSES,
        ).load("d")
        for name in ("one", "two")
    )  # fmt: skip
    assert not np.array_equal(one.X, two.X)
    assert np.array_equal(matched(one, two).X, one.X)


@pytest.mark.parametrize("kind", ["v5.mat", "compressed.mat", "v73.mat"])
def test_samples_in_columns_of_a_matlab_file(tmp_path, kind):
    data = whole()
    write(tmp_path / "file.mat", kind, {**data, "features": data["features"].T})
    database = FileFeatureDatabase("db", root=str(tmp_path), files={"d": "file.mat"})
    assert np.array_equal(database.load("d").X, data["features"])
