"""Features in files: labels, blocks, steps of normalisation, and what is refused."""

import hashlib
import re

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from scipy.stats import zscore

from cdmer_bench.databases import FileFeatureDatabase
from cdmer_bench.errors import DataMissing, UserError
from tests.databases.small_files import save_npz, small

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
        assert loaded.fingerprint == digest


def test_npz_with_subjects(tmp_path):
    save_npz(tmp_path / "mine.npz", subject=np.array(["a", "a", "b", "c"]))
    loaded = small(tmp_path, subjects="subject").load("mine")
    assert loaded.y.tolist() == [0, 1, 2, 1]
    assert loaded.subject.tolist() == ["a", "a", "b", "c"]
    assert np.array_equal(loaded.X, np.arange(12.0).reshape(4, 3))


def test_label_map_and_own_variables_of_one_file(tmp_path):
    save_npz(tmp_path / "mine.npz", emotion=np.array([7.0, 9.0, 7.0, 7.0]))
    database = FileFeatureDatabase(
        "db", classes=("calm", "angry"), root=str(tmp_path),
        files={"mine": {"path": "mine.npz", "labels": "emotion"}},
        label_map={7: "angry", 9: "calm"},
    )  # fmt: skip
    assert database.load("mine").y.tolist() == [1, 0, 1, 1]


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


def test_numbers_beyond_float64_are_infinite(tmp_path):
    X = np.full((3, 2), np.longdouble(10) ** 400)
    np.savez(tmp_path / "mine.npz", features=X, labels=[0, 1, 2])
    with pytest.raises(UserError, match="NaN or infinite values in 3 of 3"):
        small(tmp_path).load("mine")


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


def test_of_repeated_samples_those_that_contradict_are_counted_apart(tmp_path):
    X = np.arange(15.0).reshape(5, 3)
    X[2], X[3], X[4] = X[0], X[0], X[1]
    np.savez(tmp_path / "mine.npz", features=X, labels=np.array([0, 1, 0, 2, 1]))
    (told,) = small(tmp_path).load("mine").findings
    assert "3 of 5 samples repeat an earlier one, 1 under another label" in told.text
    assert "rows 0 and 3" in told.text


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


def test_the_account_has_the_findings_and_the_classes_in_their_order(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    X[2] = X[0]
    save_npz(tmp_path / "mine.npz", features=X, labels=np.array([0, 1, 0, 0]))
    account = small(tmp_path, classes=("z", "a")).account("mine")
    assert list(account.class_counts.items()) == [("z", 3), ("a", 1)]
    assert [f.code for f in account.findings] == ["repeated-samples"]


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1.0, 1e200, 1e308])
@pytest.mark.parametrize("steps", ["sum", "l2", "zscore"])
def test_normalisation_does_not_depend_on_the_size_of_the_features(tmp_path, steps, size):
    X = np.random.default_rng(0).random((6, 4))
    X[:, 3] = 0.1  # a constant, whose deviation rounding makes 1e-17
    found = []
    for scale in (1.0, size):
        save_npz(tmp_path / "mine.npz", features=X * scale, labels=np.arange(6) % 3)
        found.append(small(tmp_path, normalise=steps).load("mine").X)
    np.testing.assert_allclose(*found, rtol=1e-12)
    if steps == "zscore":
        assert (found[0][:, 3] == 0).all()
        assert np.array_equal(found[0][:, :3], (X - X.mean(0))[:, :3] / X.std(0)[:3])


def test_a_matrix_of_subjects_is_refused(tmp_path):
    save_npz(tmp_path / "mine.npz", who=np.array([["a", "b"], ["c", "d"]]))
    with pytest.raises(UserError, match=r"who has shape \(2, 2\), expected one subject a sample"):
        small(tmp_path, subjects="who").load("mine")
    save_npz(tmp_path / "mine.npz", who=np.array([[7.0], [8], [7], [9]], dtype=np.longdouble))
    assert small(tmp_path, subjects="who").load("mine").subject.tolist() == ["7", "8", "7", "9"]
