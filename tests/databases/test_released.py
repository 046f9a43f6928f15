import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from cdmer_bench.databases import ReleasedDatabase, load_released, to_released_layout
from cdmer_bench.errors import DataMissing, UserError

NAME = "CrossCorpus_LBPTOP_R3P4_SMIC_VIS_112by112.mat"
LABELS = np.array([1, 1, 2, 3, 3])


def write_v73(path, variables):
    """Write as MATLAB does: a 512-byte header, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            file[name] = np.asarray(values, dtype=float).T
            file[name].attrs["MATLAB_class"] = np.bytes_(b"double")
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def histograms(width=3825, seed=0):
    return np.random.default_rng(seed).random((len(LABELS), width))


def variables(features=None, labels=LABELS):
    features = histograms() if features is None else features
    return {"SMIC_VIS_micro_feature": features, "SMIC_VIS_micro_label": labels[:, np.newaxis]}


def test_v73_file_gives_blocks_labels_and_name(tmp_path):
    features = histograms()
    write_v73(tmp_path / NAME, variables(features))
    loaded = load_released(tmp_path / NAME)
    assert loaded.database == "smic_vis"
    assert loaded.X.shape == (5, 85, 3, 15)
    assert np.array_equal(to_released_layout(loaded.X), features)
    assert loaded.y.tolist() == [0, 0, 1, 2, 2]
    assert loaded.classes == ("negative", "positive", "surprise")
    assert loaded.subject is None
    assert loaded.fingerprint == hashlib.sha256((tmp_path / NAME).read_bytes()).hexdigest()


def test_older_v5_file_of_smic_hs_is_recognised(tmp_path):
    path = tmp_path / "SMIC_HS_Corpus_LBPTOP.mat"
    features = histograms(15045)
    scipy.io.savemat(path, {"SMIC_micro_feature": features, "SMIC_micro_label": LABELS})
    loaded = load_released(path)
    assert loaded.database == "smic_hs"
    assert loaded.X.shape == (5, 85, 3, 59)
    assert np.array_equal(to_released_layout(loaded.X), features)


@pytest.mark.parametrize(
    ("descriptor", "token", "shape"),
    [
        ("lbp_top_r1p4", "LBPTOP_R1P4", (85, 3, 15)),
        ("lbp_top_r1p8", "LBPTOP_R1P8", (85, 3, 59)),
        ("lbp_top_r3p4", "LBPTOP_R3P4", (85, 3, 15)),
        ("lbp_top_r3p8", "LBPTOP_R3P8", (85, 3, 59)),
        ("lbp_sip_r1", "LBPSIP_R1", (85, 20)),
        ("lbp_sip_r3", "LBPSIP_R3", (85, 20)),
        ("lpq_top_decorr01", "LPQTOP_Cor01", (85, 3, 256)),
        ("lpq_top_decorr0", "LPQTOP_Cor0", (85, 3, 256)),
        ("hog_top_p4", "HOGTOP_P4", (85, 3, 4)),
        ("hog_top_p8", "HOGTOP_P8", (85, 3, 8)),
        ("higo_top_p4", "HIGOTOP_P4", (85, 3, 4)),
        ("higo_top_p8", "HIGOTOP_P8", (85, 3, 8)),
    ],
)
def test_database_finds_the_file_of_each_descriptor(tmp_path, descriptor, token, shape):
    features = histograms(int(np.prod(shape)))
    write_v73(tmp_path / f"CrossCorpus_{token}_SMIC_VIS_112by112.mat", variables(features))
    database = ReleasedDatabase("smic_vis", root=str(tmp_path))
    loaded = database.load(descriptor)
    assert loaded.X.shape[1:] == shape
    assert np.array_equal(to_released_layout(loaded.X), features)


def test_classes_in_another_order_are_followed_by_name(tmp_path):
    write_v73(tmp_path / NAME, variables())
    classes = ("surprise", "negative", "positive")
    database = ReleasedDatabase("smic_vis", classes=classes, root=str(tmp_path))
    assert [classes[i] for i in database.load("lbp_top_r3p4").y] == [
        "negative", "negative", "positive", "surprise", "surprise",
    ]  # fmt: skip


def test_absent_file_says_how_to_get_it(tmp_path):
    database = ReleasedDatabase("casme2", root=str(tmp_path))
    expected = "CrossCorpus_LBPTOP_R3P8_CASME2_112by112.mat does not exist; run 'cdmer data fetch"
    with pytest.raises(DataMissing, match=expected):
        database.load("lbp_top_r3p8")
    with pytest.raises(DataMissing, match="did you mean 'lbp_top_r3p8'"):
        database.load("lbp_top_r3p88")


@pytest.mark.parametrize("length", [0, 100, 600, 5000, -1])
def test_truncated_file_is_one_sentence(tmp_path, length):
    write_v73(tmp_path / NAME, variables())
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[:length])
    with pytest.raises(UserError, match=r"SMIC_VIS_112by112\.mat .*(empty|truncated|damaged)"):
        load_released(tmp_path / NAME)


@pytest.mark.parametrize("length", [60, 200, 3000])
def test_truncated_v5_file_is_one_sentence(tmp_path, length):
    scipy.io.savemat(tmp_path / NAME, variables())
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:length])
    with pytest.raises(UserError, match=r"SMIC_VIS_112by112\.mat"):
        load_released(tmp_path / NAME)


def test_wrong_variable_names_are_listed(tmp_path):
    write_v73(tmp_path / NAME, {"fts": histograms(), "labels": LABELS[:, np.newaxis]})
    with pytest.raises(UserError, match=r"fts \(5, 3825\), labels \(5, 1\), expected one <DB>_"):
        load_released(tmp_path / NAME)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted(tmp_path, value):
    features = histograms()
    features[3, 7] = value
    write_v73(tmp_path / NAME, variables(features))
    with pytest.raises(UserError, match=r"micro_feature holds NaN .* 1 of 5 samples \(rows 3,"):
        load_released(tmp_path / NAME)


@pytest.mark.parametrize("label", [0, 4, 1.5])
def test_label_outside_the_classes_is_named(tmp_path, label):
    labels = LABELS.astype(float)
    labels[2] = label
    write_v73(tmp_path / NAME, variables(labels=labels))
    with pytest.raises(UserError, match=rf"micro_label holds the label '{label}' in row 2"):
        load_released(tmp_path / NAME)


def test_unequal_numbers_of_labels_and_rows_are_named(tmp_path):
    write_v73(tmp_path / NAME, variables(labels=LABELS[:4]))
    with pytest.raises(UserError, match=r"shape \(5, 3825\) and SMIC_VIS_micro_label 4 labels"):
        load_released(tmp_path / NAME)


def test_width_against_the_file_name_is_named(tmp_path):
    write_v73(tmp_path / NAME, variables(histograms(1700)))
    with pytest.raises(UserError, match="1700 values, expected 3825 for LBPTOP_R3P4"):
        load_released(tmp_path / NAME)
    write_v73(tmp_path / "mine.mat", variables(histograms(800)))
    with pytest.raises(UserError, match="800 values, expected one of 1020, 1700"):
        load_released(tmp_path / "mine.mat")


@pytest.mark.parametrize("name", ["VIS", "NIR"])
def test_the_authors_files_have_the_counts_and_histograms_of_the_specification(
    released_folder, name
):
    path = released_folder / f"CrossCorpus_LBPTOP_R3P8_SMIC_{name}_112by112.mat"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in CDMER_RELEASED")
    loaded = load_released(path)
    assert loaded.X.shape == (71, 85, 3, 59)
    # Corrected Table I; runs of equal labels follow the subjects s11, s12, s13, ... of SMIC.
    assert np.bincount(loaded.y).tolist() == [23, 28, 20]
    assert loaded.y[:7].tolist() == [0, 0, 0, 1, 1, 1, 2]
    # Codes live on 106 x 106 x 10 voxels; a 4 x 4 grid cuts 27, 27, 27, 25 along both sides, row
    # index fastest, so each block times its voxels is whole only in the right place.
    sides = [27, 27, 27, 25]
    for column in range(4):
        for row in range(4):
            counts = loaded.X[:, 5 + 4 * column + row] * (sides[column] * sides[row] * 10)
            assert np.abs(counts - counts.round()).max() < 1e-9
    with h5py.File(path) as file:
        stored = file[f"SMIC_{name}_micro_feature"][()].T
    assert np.array_equal(to_released_layout(loaded.X), stored)


def test_files_of_no_known_descriptor_are_named(tmp_path):
    for token in ("HOGTOP_P8", "LBPTOP_R2P8", "LBPSIP_R3"):
        (tmp_path / f"CrossCorpus_{token}_SMIC_VIS_112by112.mat").touch()
    (tmp_path / "CrossCorpus_NEW_X_SMIC_NIR_112by112.mat").touch()
    found = ReleasedDatabase("smic_vis", root=str(tmp_path)).account().findings
    assert [Path(f.where).name for f in found] == ["CrossCorpus_LBPTOP_R2P8_SMIC_VIS_112by112.mat"]
    assert found[0].severity == "warning"


def test_a_file_of_smic_hs_under_any_name_is_known_by_its_variable(tmp_path):
    arrays = {"SMIC_micro_feature": histograms(), "SMIC_micro_label": LABELS}
    scipy.io.savemat(tmp_path / "mine.mat", arrays)
    assert load_released(tmp_path / "mine.mat").database == "smic_hs"


def test_a_database_may_have_another_name_than_its_files(tmp_path):
    write_v73(tmp_path / NAME, variables())
    database = ReleasedDatabase("my_vis", root=str(tmp_path), released_name="SMIC_VIS")
    loaded = database.load("lbp_top_r3p4")
    assert (loaded.database, loaded.X.shape) == ("my_vis", (5, 85, 3, 15))
    assert database.held() == ["lbp_top_r3p4"]


def test_other_classes_than_those_of_the_files_are_refused():
    with pytest.raises(UserError, match="released features have negative, positive, surprise"):
        ReleasedDatabase("smic_vis", classes=("negative", "positive"))
