"""Random and mutated input: a clean result or a UserError, never anything else.

The fast suite draws a few hundred inputs, the slow one (``-m slow``) more than ten thousand.
"""

import contextlib
import io
import shutil
import struct
import warnings
from pathlib import Path

import cv2
import h5py
import numpy as np
import openpyxl
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdmer_bench.config.schema import MethodCard
from cdmer_bench.databases.checks import check_frames
from cdmer_bench.databases.coding_sheet import read_coding_sheet
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.matfiles import FileFeatureDatabase
from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import NotRecorded, rule
from cdmer_bench.files import pack_arrays
from cdmer_bench.methods.grid import expand_grid, parse_range
from cdmer_bench.reporting import render_all, tables_for
from cdmer_bench.reporting.html_report import build_report
from cdmer_bench.results.serialize import arrays_of, content_of, seal, unseal
from cdmer_bench.results.store import ResultsStore
from tests.results.test_store import make_record

QUICK, LONG = 60, 2200
QUIET = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


def both(strategy, test):
    """Return the quick and the long test of a property of one drawn input."""

    @settings(max_examples=QUICK, **QUIET)
    @given(strategy)
    def quick(drawn):
        test(drawn)

    @pytest.mark.slow
    @settings(max_examples=LONG, **QUIET)
    @given(strategy)
    def long(drawn):
        test(drawn)

    return quick, long


NUMBERS = st.one_of(
    st.integers(-50, 200).map(str),
    st.decimals(-5, 20, places=3).map(str),
    st.sampled_from(["1e400", "-1e-400", "nan", "inf", "", " ", "1_0", "٣", "0x1", "1e9", "a"]),
)
PARTS = st.lists(NUMBERS, min_size=1, max_size=4).map(":".join)
NOTATIONS = st.one_of(st.lists(PARTS, max_size=5).map(",".join), st.text(max_size=30))


def check_notation(notation):
    try:
        values = parse_range(notation)
    except UserError:
        return
    assert values
    assert np.isfinite(values).all()
    assert len(expand_grid({"a": values[:50], "b": [1, 2]})) == 2 * len(values[:50])


test_random_notation, test_more_random_notation = both(NOTATIONS, check_notation)


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


@st.composite
def damaged(draw, whole):
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        edit = draw(st.sampled_from(["flip", "set", "cut", "insert", "swap"]))
        if edit == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif edit == "set" and data:
            data[place] = draw(st.sampled_from([0, 1, 127, 128, 255, 10, 44]))
        elif edit == "cut":
            del data[place : place + draw(st.integers(1, 100))]
        elif edit == "insert":
            data[place:place] = draw(st.binary(max_size=9))
        elif data:
            data = data[place:] + data[:place]
    return bytes(data)


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory):
    global FOLDER
    FOLDER = tmp_path_factory.mktemp("fuzz")


def check_feature_file(drawn):
    kind, data = drawn
    path = FOLDER / f"file.{kind.rpartition('.')[2]}"
    path.write_bytes(data)
    features = "f" if kind == "csv" else "features"
    database = FileFeatureDatabase(
        "db", root=str(FOLDER), files={"given": path.name}, features=features, first_label=0
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
        (FOLDER / "file.mat").write_bytes(data)
        database = FileFeatureDatabase("db", root=str(FOLDER), files={"given": "file.mat"})
        with pytest.raises(UserError, match=r"file\.mat"):
            database.load("given")


def picture(suffix):
    values = np.random.default_rng(0).integers(0, 255, (6, 8), np.uint8)
    return cv2.imencode(suffix, values)[1].tobytes()


PICTURES = {suffix: picture(suffix) for suffix in (".jpg", ".png", ".bmp")}
FOLDERS = st.sampled_from(
    ["HS/s1/micro/negative/s1_ne_01", "VIS/s11/micro/positive/s11_po_01", "NIR/s20/s20_sur_02",
     "s1_ne_01", "sub01/EP02_01f", "sub01", "sub26/EP18_50", "non_micro/s1", "", "ü/\n"]
)  # fmt: skip
STEMS = st.one_of(
    st.sampled_from(
        ["reg_image000001", "image000002", "reg_00001", "00002", "reg_img46", "img047"]
    ),
    st.text("0123456789ab_-. ²", min_size=1, max_size=8),
)


@st.composite
def image_trees(draw):
    """Paths with their bytes, or None for a link to the root, in the places of real releases."""
    tree = {}
    for _ in range(draw(st.integers(0, 6))):
        suffix = draw(st.sampled_from(sorted(PICTURES)))
        path = f"{draw(FOLDERS)}/{draw(STEMS)}{suffix}"
        whole = draw(st.booleans())
        tree[path] = PICTURES[suffix] if whole else draw(damaged(PICTURES[suffix]))
    if draw(st.booleans()):
        tree["CASME2-coding.csv"] = draw(SHEETS)
    if draw(st.integers(0, 4)) == 0:
        tree[f"{draw(FOLDERS)}/link"] = None
    return tree


def check_image_folder(tree):
    root = FOLDER / "images"
    shutil.rmtree(root, ignore_errors=True)
    for name, data in tree.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.unlink(missing_ok=True)
            path.symlink_to(root, target_is_directory=True)
        elif not path.is_dir():
            path.write_bytes(data)
    databases = [
        FrameDatabase(name, root=str(root), classes=("negative", "positive", "surprise"))
        for name in ("casme2", "smic_hs", "smic_vis", "smic_nir")
    ]
    with contextlib.suppress(UserError):
        assert isinstance(check_frames(str(root), databases, True).text(), str)
    for database in databases:
        try:
            clips = database.clips()
        except UserError:
            continue
        for clip in clips:
            assert Path(clip.name).name
            try:
                frames = np.asarray(clip.frames())
            except UserError:
                continue
            assert frames.ndim == 3
            assert np.isfinite(frames).all()


CELLS = st.one_of(
    st.sampled_from(["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"]),
    st.sampled_from(["Estimated Emotion", "happiness", "1", "sub01", "EP02_01f", "46", "46.0"]),
    st.sampled_from(["/", "", "-5", "1e5", "٣", "²"]),
    st.text(max_size=8),
)
SHEETS = st.one_of(
    st.lists(st.lists(CELLS, max_size=8), max_size=6).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode(errors="replace")
    ),
    st.lists(st.lists(CELLS, min_size=6, max_size=6), max_size=6).map(
        lambda rows: (
            "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Estimated Emotion\n"
            + "\n".join(",".join(row) for row in rows)
        ).encode(errors="replace")
    ),
    st.binary(max_size=200),
)


test_random_image_folders, test_more_random_image_folders = both(image_trees(), check_image_folder)


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (
        ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion"],
        [1, "EP02_01f", 46, 59, 86, "happiness"],
        [26, "EP18_50", 3, "/", 20, "surprise"],
    ):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


WORKBOOK = workbook()


def check_sheet(data):
    for suffix in (".csv", ".xlsx") if data[:2] == b"PK" or len(data) % 20 == 0 else (".csv",):
        path = FOLDER / f"sheet{suffix}"
        path.write_bytes(data)
        try:
            rows = read_coding_sheet(path)
        except UserError:
            continue
        for row in rows:
            assert row.clip
            assert row.subject
            assert row.onset is None or row.onset >= 0


test_random_coding_sheets, test_more_random_coding_sheets = both(
    st.one_of(SHEETS, damaged(WORKBOOK)), check_sheet
)


def stored_record() -> tuple[bytes, bytes]:
    record = make_record()
    return seal(content_of(record)), pack_arrays(arrays_of(record))


PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=6),
        st.sampled_from(["${range:'1:1:3'}", "${oc.env:HOME}", "???", "${nothing}", "!!int x"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
RECORD, GRID = stored_record()
NAMES = st.sampled_from(sorted(unseal(RECORD)))


STRANGE = [
    np.zeros(0), np.array("x"), np.array(3), np.full((4, 7), 200, np.uint8), np.full(4, np.nan),
    np.zeros((4, 7), np.uint8), np.full((4, 7, 3), np.nan, np.float32),
]  # fmt: skip


@st.composite
def stored_cells(draw):
    """The two files of a cell: damaged, or sealed anew around content that is another."""
    if draw(st.booleans()):
        return draw(damaged(RECORD)), draw(damaged(GRID))
    content, arrays = unseal(RECORD), arrays_of(make_record())
    for _ in range(draw(st.integers(0, 2))):
        content[draw(NAMES)] = draw(PLAIN)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(arrays)))
        arrays[name] = draw(st.sampled_from([arrays[n] for n in sorted(arrays)] + STRANGE))
    if draw(st.integers(0, 9)) == 0:
        del arrays[draw(st.sampled_from(sorted(arrays)))]
    return seal(content), pack_arrays(arrays)


def check_stored_cell(drawn):
    """A damaged cell is set aside; one that is taken up serves tables, rules and the report."""
    folder = FOLDER / "results"
    shutil.rmtree(folder, ignore_errors=True)
    store, record = ResultsStore(folder), make_record()
    store.save(record)
    cell = store.folder_of(record)
    for name, data in zip(("record.json", "grid.npz"), drawn, strict=True):
        (cell / name).write_bytes(data)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = store.records()
        except UserError:  # of a newer version
            assert isinstance(unseal(drawn[0])["format"], int)
            return
    if not found:
        assert len(warned) == 1
        return
    assert not warned
    for name in ("oracle", "entropy"):
        chosen = rule(name)
        with contextlib.suppress(UserError, NotRecorded):
            for format in ("text", "csv", "tex", "html"):
                assert render_all(tables_for(found, chosen), format)
    with contextlib.suppress(UserError):
        assert build_report(found, pictures=False)


test_damaged_cells, test_more_damaged_cells = both(stored_cells(), check_stored_cell)

CARDS = st.fixed_dictionaries(
    {},
    optional={
        "methods": st.dictionaries(
            st.sampled_from(["svm", "tca"]),
            st.fixed_dictionaries(
                {"_target_": st.sampled_from(["cdmer_bench.methods.svm.SVM", "os.nothing", "x"])},
                optional={"label": PLAIN, "grid": PLAIN, "parameters": PLAIN, "grids": PLAIN},
            ),
        ),
        "corpus": PLAIN,
        "tasks": PLAIN,
        "n_jobs": PLAIN,
        "solver": PLAIN,
        "backend": PLAIN,
        "results": PLAIN,
        "unknown": PLAIN,
    },
)


def check_card(content):
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from cdmer_bench.config import resolvers
    from cdmer_bench.config.build import build_databases, build_method
    from cdmer_bench.config.schema import RunConfig, validate

    resolvers.register()
    try:
        # As Hydra composes it: YAML is parsed into a DictConfig before the package sees it.
        given_config = OmegaConf.create(content)
    except OmegaConfBaseException:
        return
    try:
        config = validate(given_config)
        assert isinstance(config, RunConfig)
        for name, card in config.methods.items():
            assert isinstance(card, MethodCard)
            build_method(name, card, config.solver)
        build_databases(config.corpus)
    except UserError:
        return


test_random_configurations, test_more_random_configurations = both(CARDS, check_card)


def check_yaml(text):
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from cdmer_bench.cli.config_errors import explain_yaml

    try:
        content = OmegaConf.load(io.StringIO(text))
    except YAMLError as error:
        said = explain_yaml(error)
    except (OmegaConfBaseException, OSError, AssertionError):
        return
    else:
        said = ""
    if said:
        assert "is not plain YAML" in said
        return
    plain = OmegaConf.to_container(content) if content is not None else {}
    if isinstance(plain, dict) and all(isinstance(key, str) for key in plain):
        check_card(plain)


YAML_TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["methods:", "  svm:", "corpus: ", "- ", "{", "}", "[", ": ", "\n", "&a ",
                         "*a", "!!python/name:os.system", "\t", "'", '"', "|", "n_jobs: 2\n"]),
        st.text(max_size=4),
    ),
    max_size=12,
).map("".join)  # fmt: skip
test_random_yaml, test_more_random_yaml = both(YAML_TEXTS, check_yaml)


@pytest.mark.parametrize("notation", ["0:1e-9:1", "0:1:1e250", "1e400", "1:1:1e999999", "nan:1:2"])
def test_a_range_that_would_fill_the_memory_or_no_float_is_refused(notation):
    with pytest.raises(UserError, match="range"):
        parse_range(notation)
