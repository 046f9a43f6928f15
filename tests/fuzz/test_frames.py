"""Random image folders and coding sheets.

A clean result or a UserError, never anything else. The fast suite draws a few hundred inputs, the
slow one (``-m slow``) more than ten thousand.
"""

import contextlib
import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import openpyxl
from hypothesis import strategies as st

from cdmer_bench.databases.coding_sheet import read_coding_sheets
from cdmer_bench.databases.frame_checks import check_frames
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.errors import UserError
from tests.fuzz import drawing
from tests.fuzz.drawing import both, damaged


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
    root = drawing.FOLDER / "images"
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
        path = drawing.FOLDER / f"sheet{suffix}"
        path.write_bytes(data)
        try:
            rows = read_coding_sheets(path)[0].rows
        except UserError:
            continue
        for row in rows:
            assert row.clip
            assert row.subject
            assert row.onset is None or row.onset >= 0


test_random_coding_sheets, test_more_random_coding_sheets = both(
    st.one_of(SHEETS, damaged(WORKBOOK)), check_sheet
)
