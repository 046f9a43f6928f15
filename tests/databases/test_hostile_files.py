"""Files of data that lead elsewhere or unpack to more than the memory: one sentence, early."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from itertools import pairwise

import h5py
import numpy as np
import openpyxl
import pytest

from cdmer_bench import io as whole_io
from cdmer_bench.databases.coding_sheet import read_coding_sheets
from cdmer_bench.databases.matfiles import FileFeatureDatabase
from cdmer_bench.errors import UserError

LABELS = np.arange(6) % 3
LIMIT = 2**20  # bytes; stands for the machine's memory


@pytest.fixture
def load(tmp_path):
    """Load the features of a file in the test's folder."""

    def call(name: str, **described):
        database = FileFeatureDatabase(
            "db", root=str(tmp_path), files={"given": name}, first_label=0, **described
        )
        return database.load("given")

    return call


def test_a_link_that_leads_to_itself_is_one_sentence(tmp_path, load):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["features"] = h5py.SoftLink("/features")
        file["labels"] = LABELS
    with pytest.raises(UserError, match=r"a\.mat is damaged"):
        load("a.mat")


def test_hdf5_within_the_file_is_followed(tmp_path, load):
    """Cells of names are references; a group may hold itself."""
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["features"] = np.arange(24.0).reshape(4, 6)
        file["labels"] = LABELS
        file["loop"] = file["/"]
        names = file.create_dataset("subjects", (6,), h5py.ref_dtype)
        for index in range(6):
            file[f"names/{index}"] = np.array([ord("s"), ord("0") + index], np.uint16)
            names[index] = file[f"names/{index}"].ref
        names.attrs["MATLAB_class"] = np.bytes_("cell")
    found = load("a.mat", subjects="subjects")
    assert found.subject.tolist() == [f"s{i}" for i in range(6)]


def header_alone(path):
    """Numbers that are never stored: the fill value stands for them."""
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (6, 64 * LIMIT), "f8", chunks=(6, 1000))
        file["labels"] = LABELS


def compressed_matrix(path):
    """A matrix of zeros in an element that unpacks to 512 MB; whole, but for its size."""
    n = 2**29 // 48 * 48
    tags = struct.pack("<IIIIII", 6, 8, 6, 0, 5, 8)
    start = tags + struct.pack("<iiII8sII", 6, n // 48, 1, 8, b"features", 9, n)
    packing = zlib.compressobj(1)
    packed = packing.compress(struct.pack("<II", 14, len(start) + n) + start)
    packed += b"".join(packing.compress(bytes(n // 48)) for _ in range(48)) + packing.flush()
    labels = tags + struct.pack("<iiII8sII", 6, 1, 1, 6, b"labels", 9, 48)
    labels += LABELS.astype(float).tobytes()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x100, b"IM")
    plain = struct.pack("<II", 14, len(labels)) + labels
    path.write_bytes(head + plain + struct.pack("<II", 15, len(packed)) + packed)


def compressed_archive(path):
    np.savez_compressed(path.with_suffix(".npz"), features=np.zeros((6, 8 * LIMIT)), labels=LABELS)
    path.with_suffix(".npz").rename(path)


BOMBS = {
    "header.mat": header_alone,
    "compressed.mat": compressed_matrix,
    "compressed.npz": compressed_archive,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_fill_the_memory_is_refused_before_it_is_unpacked(
    tmp_path, load, monkeypatch, name
):
    BOMBS[name](tmp_path / name)
    monkeypatch.setattr(whole_io, "memory_limit", lambda: LIMIT)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=f"{name}(:| would take)"):
            load(name)
        # SciPy unpacks pieces of 128 KB on its way to the next variable.
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


def test_the_limit_is_half_of_the_memory(tmp_path, load):
    compressed_archive(tmp_path / "a.npz")
    assert len(load("a.npz").X) == 6
    assert 2**28 < whole_io.memory_limit() < 2**44


HEADINGS = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion"]


@pytest.fixture
def sheet(tmp_path):
    """Write a coding sheet of one clip whose XML is changed; read it."""
    book = openpyxl.Workbook()
    book.active.append(HEADINGS)
    book.active.append([1, "EP02", 1, 2, 3, "happiness"])
    buffer = io.BytesIO()
    book.save(buffer)

    def call(change):
        path = tmp_path / "sheet.xlsx"
        with (
            zipfile.ZipFile(buffer) as plain,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as changed,
        ):
            for name in plain.namelist():
                data = plain.read(name)
                changed.writestr(name, change(data) if name.endswith("sheet1.xml") else data)
        return read_coding_sheets(path)[0].rows

    return call


def test_rows_are_not_filled_up_to_the_width_that_a_sheet_says(sheet):
    remarks = b"<row><c><v>1</v></c></row>" * 700
    (clip,) = sheet(
        lambda data: data.replace(b"A1:F2", b"A1:XFD1048576").replace(
            b"</sheetData>", remarks + b"</sheetData>"
        )
    )
    assert clip.clip == "EP02"


def far(data):
    row = data[data.index(b'<row r="2"') : data.index(b"</sheetData>")]
    return data.replace(row, row.replace(b'r="2"', b'r="104800"').replace(b'2"', b'104800"'))


def test_a_row_far_below_costs_no_cells(sheet):
    (clip,) = sheet(far)
    assert (clip.clip, clip.row) == ("EP02", 104800)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"<sheetData>", b"<sheetData>" + b" " * 2**27),
    ],
    ids=["much white"],
)
def test_a_workbook_that_would_fill_the_memory_is_refused(sheet, change):
    with pytest.raises(UserError, match=r"sheet\.xlsx would take"):
        sheet(change)


@pytest.mark.parametrize("entity", ["file", "laughs"])
def test_entities_of_a_workbook_are_not_expanded(tmp_path, sheet, entity):
    (tmp_path / "secret").write_text("SECRET")
    names = "abcdefghij"
    laughs = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    declared = {
        "file": f'<!ENTITY j SYSTEM "file://{tmp_path / "secret"}">',
        "laughs": f'<!ENTITY a "aaaaaaaaaa">{laughs}',
    }[entity]

    def change(data):
        start = data.index(b"<worksheet")
        text = f"<!DOCTYPE worksheet [{declared}]>".encode()
        return data[:start] + text + data[start:].replace(b"EP02", b"&j;")

    try:
        clips = sheet(change)
    except UserError:
        return
    assert all("SECRET" not in clip.clip and len(clip.clip) < 1000 for clip in clips)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path):
    """In a process of its own, because OpenCV takes the limit when it is loaded."""
    side = 6000

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = zlib.compress(bytes((1 + side) * side), 1)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )
    code = "from cdmer_bench.databases.image_files import read_grey\nfrom pathlib import Path\n"
    code += f"print(read_grey(Path({str(tmp_path / 'a.png')!r})).shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "more than 34 million pixels" in done.stderr, done.stdout
