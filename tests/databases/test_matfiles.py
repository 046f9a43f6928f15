import hashlib
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from scipy.stats import zscore

from cdmer_bench.databases import FeatureSet, FileFeatureDatabase
from cdmer_bench.databases.base import matched
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


def test_sparse_matrices_are_filled_up_and_odd_blocks_are_one_sentence(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    arrays = {"features": scipy.sparse.csc_matrix(X), "labels": [1, 2, 1, 2]}
    scipy.io.savemat(tmp_path / "sparse.mat", arrays)
    scipy.io.savemat(tmp_path / "whole.MAT", {"features": X, "labels": [1, 2, 1, 2]})

    def load(file, **options):
        options = {"classes": ("a", "b"), "files": {"d": file}, **options}
        return FileFeatureDatabase("my", root=str(tmp_path), **options).load("d")

    assert np.array_equal(load("sparse.mat").X, X)
    assert np.array_equal(load("whole.MAT").X, X)
    with pytest.raises(UserError, match="blocks is 5, expected a mapping"):
        load("whole.MAT", blocks=5)
    with pytest.raises(UserError, match=r"blocks\.n_blocks is 'three', expected a whole number"):
        load("whole.MAT", blocks={"n_blocks": "three"})
    with pytest.raises(UserError, match="first_label is 'one', expected the whole number"):
        load("whole.MAT", first_label="one")


NUMBERED = tuple("0123456789")


@pytest.mark.parametrize(
    ("classes", "labels", "options", "codes"),
    [
        (NUMBERED, [0, 3, 9], {"first_label": 0}, [0, 3, 9]),
        (NUMBERED, [1, 4, 10], {"first_label": 1}, [0, 3, 9]),
        (NUMBERED, [1, 4, 9], {"label_map": {i: str(i) for i in range(10)}}, [1, 4, 9]),
        (("1", "2", "3"), [3, 1, 2], {}, [2, 0, 1]),
        (("a", "b", "c"), [3, 1, 2], {}, [2, 0, 1]),
        (("10", "20"), [20, 10, 20], {}, [1, 0, 1]),
    ],
)
def test_labels_that_are_numbers_stand_for_one_class(tmp_path, classes, labels, options, codes):
    np.savez(tmp_path / "mine.npz", features=np.eye(3), labels=np.array(labels))
    options = {"first_label": None, "classes": classes, **options}
    assert small(tmp_path, **options).load("mine").y.tolist() == codes


@pytest.mark.parametrize(
    ("classes", "labels", "options", "message"),
    [
        (NUMBERED, range(10), {}, r"label '1', which could be the class of that name or, counted"),
        (("0", "1"), [0, 1, 1], {}, "set first_label to the number of the first class"),
        (("a", "b"), ["1", "a", "b"], {}, "'1' and 'a', which both stand for the class 'a'"),
        (NUMBERED, [0, 1, 2], {"first_label": 1}, "'0' and '1', which both stand for"),
        (("a", "b"), [-1, 1, 2], {}, "label '-1' in row 0"),
        (("a", "b"), [True, False, True], {}, "label 'True' in row 0"),
    ],
)
def test_a_label_that_could_mean_two_classes_is_asked_about(
    tmp_path, classes, labels, options, message
):
    labels = np.array(list(labels))
    np.savez(tmp_path / "mine.npz", features=np.eye(len(labels)), labels=labels)
    with pytest.raises(UserError, match=message):
        small(tmp_path, **{"first_label": None, "classes": classes, **options}).load("mine")


@pytest.mark.parametrize("first", [True, -1, "1", 1.0])
def test_first_label_is_a_whole_number(tmp_path, first):
    with pytest.raises(UserError, match=r"databases\.db\.first_label is .*, expected the whole"):
        small(tmp_path, first_label=first)


def csv_database(tmp_path, text, **options):
    (tmp_path / "mine.csv").write_text(text)
    options = {"classes": ("a", "b"), "labels": "label", "files": {"d": "mine.csv"}, **options}
    return FileFeatureDatabase("db", root=str(tmp_path), **options)


HEAD = "Unnamed: 0,row,label,subject,code,fold,text,f1,f2\n"
ROWS = "".join(
    f"{i},{i + 1},{'ab'[i % 2]},s{i // 2},{i % 2 + 5},{i % 3},x{i},{i * i},{i}.5\n"
    for i in range(6)
)


def test_every_other_column_takes_no_index_no_labels_no_subjects(tmp_path):
    found = csv_database(tmp_path, HEAD + ROWS, features="*", subjects="subject").load("d")
    assert found.names == ("f1", "f2")
    assert found.X.tolist() == [[i * i, i + 0.5] for i in range(6)]
    (told,) = found.findings
    assert told.severity == "note"
    assert told.text.startswith("2 columns are features, 5 are not")
    for column in ("Unnamed: 0", "row", "code", "fold", "text"):
        assert repr(column) in told.text


def test_a_subject_column_that_was_not_named_is_no_feature(tmp_path):
    text = "label,subject_id,f1\n" + "".join(f"{'ab'[i % 2]},{i % 3},{i**3}\n" for i in range(6))
    assert csv_database(tmp_path, text, features="*").load("d").names == ("f1",)


def test_a_list_names_the_columns(tmp_path):
    found = csv_database(tmp_path, HEAD + ROWS, features=["f2", "row"]).load("d")
    assert found.names == ("f2", "row")
    assert found.X[:, 1].tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UserError, match="has no column 'f9'"):
        csv_database(tmp_path, HEAD + ROWS, features=["f9"]).load("d")


def test_a_start_that_also_catches_bookkeeping_is_told(tmp_path):
    found = csv_database(tmp_path, HEAD + ROWS, features="f").load("d")
    assert found.names == ("fold", "f1", "f2")
    assert [f.severity for f in found.findings] == ["warning"]
    assert "'f' also takes the columns fold" in found.findings[0].text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,f1\na,1\nb,2,3\n", "not a readable CSV"),
        ("label,f1\na,1,2\nb,2,3\n", "not a readable CSV"),
        ("label,f1,f1\na,1,2\nb,2,3\n", "2 columns named 'f1'"),
        ("label,f1\na,1\nb,two\nb,3\n", r"column 'f1' is not numeric \('two' in line 3\)"),
        ("label,f1\na,1\nb,\n", "NaN or infinite values in 1 of 2 samples"),
    ],
)
def test_tables_that_are_not_whole_are_one_sentence(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        csv_database(tmp_path, text, features="*").load("d")


def test_blanks_around_the_names_of_columns_do_not_hide_features(tmp_path):
    text = "label, who, f1, f2,f3\na,x,1,2,3\nb,y,4,5,6\n"
    found = csv_database(tmp_path, text, features="f", subjects="who").load("d")
    assert found.names == ("f1", "f2", "f3")
    assert csv_database(tmp_path, text, features=[" f2"]).load("d").X.tolist() == [[2.0], [5.0]]


def test_columns_that_a_start_does_not_catch_are_told(tmp_path):
    text = "label,clip,f1,F2,g3\na,p,1,2,3\nb,q,4,5,7\n"
    found = csv_database(tmp_path, text, features="f").load("d")
    assert found.names == ("f1",)
    (told,) = found.findings
    assert told.severity == "note"
    assert told.text.startswith("1 columns are features, 2 are not ('F2': it does not begin with")
    assert "clip" not in told.text


def test_a_single_column_of_another_stem_is_told(tmp_path):
    text = "label,frame1,f1,f2,f3\n" + "".join(
        f"{c},{i},{i * i},1,{i}.5\n" for i, c in enumerate("abab")
    )
    (told,) = csv_database(tmp_path, text, features="f").load("d").findings
    assert "also takes the columns frame1" in told.text
    text = text.replace("frame1", "fa1").replace("f1", "fa2")
    assert csv_database(tmp_path, text, features="f").load("d").findings == ()


@pytest.mark.parametrize(
    ("text", "features", "message"),
    [
        ("label,f1\n", "f", "no row"),
        ("label,f1\n", "*", "no row"),
        ("label;f1;f2\na;0,5;1\nb;1,5;2\n", "*", r"'0,5' in line 2\); write decimal points"),
        ("label;f1;f2\na;0,5;1\nb;1,5;2\n", "f", r"'0,5' in line 2\); write decimal points"),
        ("label,f1\na,1\nb,2\n", ["label", "f1"], "lists 'label' which holds the labels"),
        ("label,f1\na,1\nb,2\n", ["f1", "f1"], "lists 'f1' more than once"),
        ("label,f1\na,1\nb,2,3\n", "f", "saw 3\\); save it in UTF-8"),
    ],
)
def test_columns_that_are_no_features_are_refused(tmp_path, text, features, message):
    with pytest.raises(UserError, match=message):
        csv_database(tmp_path, text, features=features).load("d")


def test_texts_that_look_like_missing_numbers_are_names(tmp_path):
    text = "label,who,f1\nNA,NA,1\nb,None,2\nNA,7,3\nb,8,4\n"
    options = {"features": "f", "subjects": "who", "classes": ("NA", "b")}
    found = csv_database(tmp_path, text, **options).load("d")
    assert found.y.tolist() == [0, 1, 0, 1]
    assert found.subject.tolist() == ["NA", "None", "7", "8"]
    assert found.findings == ()


def test_samples_without_a_subject_are_told(tmp_path):
    text = "label,who,f1\na,,1\nb,7,2\na,,3\nb,8,4\n"
    found = csv_database(tmp_path, text, features="f", subjects="who").load("d")
    assert found.subject.tolist() == ["", "7", "", "8"]
    (told,) = found.findings
    assert told.text.startswith("2 of 4 samples have no subject (such as row 0,")
    arrays = {"features": np.eye(3), "labels": [0, 1, 2], "who": [1.0, np.nan, 2.0]}
    np.savez(tmp_path / "mine.npz", **arrays)
    found = small(tmp_path, subjects="who").load("mine")
    assert found.subject.tolist() == ["1", "", "2"]
    assert [f.code for f in found.findings] == ["subjects-unknown"]


def test_numbers_beyond_float64_are_infinite(tmp_path):
    X = np.full((3, 2), np.longdouble(10) ** 400)
    np.savez(tmp_path / "mine.npz", features=X, labels=[0, 1, 2])
    with pytest.raises(UserError, match="NaN or infinite values in 3 of 3"):
        small(tmp_path).load("mine")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark(tmp_path, separator):
    database = csv_database(tmp_path, "", features="*")
    (tmp_path / "mine.csv").write_text((HEAD + ROWS).replace(",", separator), "utf-8-sig")
    assert database.load("d").names == ("f1", "f2")


def test_source_and_target_are_matched_by_name(tmp_path):
    X, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1])
    source = FeatureSet("one", X, y, None, ("a", "b"), names=("p", "q", "r"))
    turned = FeatureSet("two", X[:, ::-1], y, None, ("a", "b"), names=("r", "q", "p"))
    assert np.array_equal(matched(source, turned).X, X)
    assert matched(source, turned).names == source.names
    other = replace(turned, names=("r", "q", "s"))
    with pytest.raises(UserError, match="'p' is only in one"):
        matched(source, other)
    assert matched(source, replace(turned, names=None)).X is turned.X


@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_label_outside_the_classes_is_no_class_of_its_own(wrong):
    with pytest.raises(UserError, match=r"sample 1 .* has the label"):
        FeatureSet("one", np.eye(3), np.array([0, wrong, 1]), None, ("a", "b"))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("none", [[3.0, 1.0], [0.0, 0.0], [1.0, 1.0]]),
        ("sum", [[0.75, 0.25], [0.0, 0.0], [0.5, 0.5]]),
        ("l2", [[3 / 10**0.5, 1 / 10**0.5], [0.0, 0.0], [2**-0.5, 2**-0.5]]),
    ],
)
def test_samples_are_normalised(tmp_path, steps, expected):
    X = np.array([[3.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    np.savez(tmp_path / "mine.npz", features=X, labels=np.array([0, 1, 2]))
    found = small(tmp_path, normalise=steps).load("mine")
    np.testing.assert_allclose(found.X, expected, rtol=1e-15)
    assert [f.text for f in found.findings] == (
        [] if steps == "none" else [f"features normalised in each database: {steps}"]
    )


def test_zscores_after_sums_as_the_office_features_have_them(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.random((20, 5))
    X[:, 4] = 0
    np.savez(tmp_path / "mine.npz", features=X, labels=np.arange(20) % 3)
    found = small(tmp_path, normalise=["sum", "zscore"]).load("mine")
    np.testing.assert_allclose(found.X[:, :4], zscore(X[:, :4] / X.sum(axis=1, keepdims=True)))
    assert (found.X[:, 4] == 0).all()
    with pytest.raises(UserError, match="normalise is 'l3', expected one of 'none'"):
        small(tmp_path, normalise="l3").load("mine")


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


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, 0, 2], r"1 of 4 samples repeat an earlier one \(such as rows 0 and 2"),
        ([0, 1, 1, 2], r"repeat an earlier one, 1 under another label \(such as rows 0 and 2"),
    ],
)
def test_repeated_samples_are_told(tmp_path, labels, words):
    X = np.arange(12.0).reshape(4, 3)
    X[2] = X[0]
    np.savez(tmp_path / "mine.npz", features=X, labels=np.array(labels))
    (told,) = small(tmp_path).load("mine").findings
    assert told.severity == "warning"
    assert re.search(words, told.text)


def test_what_a_column_holds_tells_row_numbers_and_codes(tmp_path):
    """By their content: a running number, and other codes of labels or subjects."""
    rows = [
        f"{'ab'[i % 2]},s{i // 2},{i + 11},{i % 2 + 5},{7 * (i // 2)},{min(i, 3)},{i * i}"
        for i in range(6)
    ]
    text = "label,subject,n,c,s,part,f1\n" + "\n".join(rows) + "\n"
    found = csv_database(tmp_path, text, features="*", subjects="subject").load("d")
    # Four values within the two labels are no code of theirs.
    assert found.names == ("part", "f1")
    told = found.findings[0].text
    for said in ("'n': row numbers", "'c': another code of label", "'s': another code of subject"):
        assert said in told
    finer = "label,part,f1\na,1,1\na,2,4\nb,3,9\nb,3,2\nb,4,5\n"
    assert csv_database(tmp_path, finer, features="*").load("d").names == ("part", "f1")


def test_of_repeated_samples_those_that_contradict_are_counted_apart(tmp_path):
    X = np.arange(15.0).reshape(5, 3)
    X[2], X[3], X[4] = X[0], X[0], X[1]
    np.savez(tmp_path / "mine.npz", features=X, labels=np.array([0, 1, 0, 2, 1]))
    (told,) = small(tmp_path).load("mine").findings
    assert "3 of 5 samples repeat an earlier one, 1 under another label" in told.text
    assert "rows 0 and 3" in told.text


def test_most_columns_of_other_names_are_no_finding(tmp_path):
    text = "label,fa,fb,f1\na,1,2,3\nb,3,5,5\na,4,9,1\n"
    assert not csv_database(tmp_path, text, features="f").load("d").findings


def test_samples_of_any_file_may_stand_in_columns_if_that_is_said(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    save_npz(tmp_path / "mine.npz", features=X.T)
    assert np.array_equal(small(tmp_path, layout="samples_columns").load("mine").X, X)


def test_blocks_of_two_planes(tmp_path):
    X = np.arange(4 * 20.0).reshape(4, 20)
    save_npz(tmp_path / "mine.npz", features=X)
    cut = {"layout": "released", "grids": [1, 2], "n_planes": 2}
    found = small(tmp_path, blocks=cut).load("mine").X
    assert found.shape == (4, 5, 2, 2)
    assert found[0, 1:, 0].ravel().tolist() == list(range(4, 12))


def test_the_features_of_the_target_are_put_where_the_sources_are():
    X, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1])
    source = FeatureSet("one", X, y, None, ("a", "b"), names=("p", "q", "r"))
    turned = FeatureSet("two", X[:, [1, 2, 0]], y, None, ("a", "b"), names=("q", "r", "p"))
    assert np.array_equal(matched(source, turned).X, X)
    with pytest.raises(UserError, match="'s' is only in two"):
        matched(replace(source, names=("t", "u", "v")), replace(turned, names=("s", "u", "v")))


def test_the_account_has_the_findings_and_the_classes_in_their_order(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    X[2] = X[0]
    save_npz(tmp_path / "mine.npz", features=X, labels=np.array([0, 1, 0, 0]))
    account = small(tmp_path, classes=("z", "a")).account("mine")
    assert list(account.class_counts.items()) == [("z", 3), ("a", 1)]
    assert [f.code for f in account.findings] == ["repeated-samples"]


def test_a_result_depends_on_subjects_names_and_the_order_of_classes_and_samples():
    X, y = np.eye(3), np.array([0, 1, 1])
    made = FeatureSet("one", X, y, np.array(["s", "t", "t"]), ("b", "a"), names=("p", "q", "r"))
    others = (
        replace(made, subject=np.array(["s", "t", "u"])),
        replace(made, names=("p", "r", "q")),
        replace(made, classes=("a", "b")),
        replace(made, y=np.array([1, 0, 1])),
        replace(made, X=2 * X),
    )
    assert len({one.sha256 for one in (made, *others)}) == 6
    # The name of the database, its file and what was noticed of it change no result.
    same = replace(made, database="two", fingerprint="x", findings=(), clips=("a", "b", "c"))
    assert same.sha256 == made.sha256
