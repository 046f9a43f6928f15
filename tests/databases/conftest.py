"""Trees of frames as the licensed databases have them, built from plain grey pictures.

The pixel value of a frame tells its clip and its place in time, so that a wrong order or a wrong
cut shows in the values.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest

EARLY_HEADINGS = [
    "Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units",
    "Estimated Emotion",
]  # fmt: skip


@pytest.fixture(scope="session")
def released_folder():
    """The authors' released features, which are never part of the repository."""
    default = Path(__file__).parents[2].parent / "shared" / "data" / "released_features"
    folder = Path(os.environ.get("CDMER_RELEASED", default))
    if not folder.is_dir():
        pytest.skip(f"the released features are not in {folder}; set CDMER_RELEASED to run this")
    return folder


def grey_value(clip, number):
    return (37 * clip + 5 * number) % 200 + 20


def write_picture(path, value, size=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full(size, value, np.uint8)
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])


@dataclass
class Event:
    """One clip: subject 3, name EP02_01f, emotion, onset and offset."""

    subject: int
    name: str
    emotion: str
    onset: int
    offset: int
    apex: object = None

    def expected(self, index):
        """Grey values from onset to offset."""
        return [grey_value(index, n) for n in range(self.onset, self.offset + 1)]


@dataclass
class TreeBuilder:
    root: Path
    events: list = field(default_factory=list)

    def casme2(self, folder="Cropped", subject="sub{:02d}", file="reg_img{}.jpg", beyond=0):
        """Write CASME II frames; ``beyond`` frames more before onset and after offset."""
        for index, event in enumerate(self.events):
            place = self.root / folder / subject.format(event.subject) / event.name
            for number in range(event.onset - beyond, event.offset + beyond + 1):
                write_picture(place / file.format(number), grey_value(index, number))
        return self

    def smic(self, folder, subject="s{}", file="reg_image{:06d}.bmp", clip="s{}_{}_{:02d}"):
        """Write SMIC frames in the folders of SMIC_all; event names are (token, index)."""
        for index, event in enumerate(self.events):
            token, count = event.name
            name = clip.format(event.subject, token, count)
            place = self.root / folder / subject.format(event.subject)
            for number in range(event.onset, event.offset + 1):
                picture = place / "micro" / event.emotion / name / file.format(number)
                write_picture(picture, grey_value(index, number))
                other = clip.format(event.subject, token, count + 50)
                write_picture(place / "non_micro" / other / file.format(number), 1)
        return self

    def smic_extended(self, camera="HS", beyond=2):
        """Write SMIC-E: long clips without class folders, and the annotation sheet."""
        base = self.root / "SMIC-E_raw image" / f"{camera}_long" / f"SMIC-{camera}-E"
        rows = []
        for index, event in enumerate(self.events):
            token, count = event.name
            name = f"s{event.subject}_{token}_{count:02d}"
            for number in range(event.onset - beyond, event.offset + beyond + 1):
                place = base / f"s{event.subject:02d}" / name
                write_picture(place / f"image{number:06d}.jpg", grey_value(index, number))
            padded = f"s{event.subject:02d}_{token}_{count:02d}"
            rows.append([f"s{event.subject}", padded, event.onset - beyond, event.onset,
                         event.offset, event.emotion])  # fmt: skip
        rows += [[None] * 6, ["Note: frame numbers count from the first frame"] + [None] * 5]
        onset = "OnsetF NIR" if camera == "NIR" else "OnsetF"
        headings = ["Subject", "Filename", "FirstF", onset, "OffsetF", "Emotion"]
        sheet = base.parent / f"SMIC-{camera}-E_annotation_2019.xlsx"
        write_sheet(sheet, [headings, *rows])
        return self

    def sheet(self, name="CASME2-coding-20140508.xlsx", objective=False):
        """Write the coding sheet of CASME II."""
        headings = EARLY_HEADINGS + (["Objective Classes"] if objective else [])
        rows = [
            [e.subject, e.name, None, e.onset, e.apex or (e.onset + 1), e.offset, None, "L4+?",
             e.emotion] + ([1] if objective else [])
            for e in self.events
        ]  # fmt: skip
        write_sheet(self.root / name, [headings, *rows])
        return self


def write_sheet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("Sheet2")
    book.save(path)


@pytest.fixture
def casme2_tree(tmp_path):
    """A few clips with the names that break strict patterns."""
    events = [
        Event(1, "EP02_01f", "happiness", 46, 52),
        Event(1, "EP03_02", "others", 131, 134),
        Event(3, "EP01_2", "disgust", 9, 12),
        Event(7, "EP06_02_01", "sadness", 95, 104),
        Event(7, "EP06_02_02", "fear", 99, 101),
        Event(9, "EP09f", "surprise", 998, 1003, "/"),
        Event(9, "EP02_02f", "happiness", 5, 8, "/"),
        Event(17, "EP01_06", "repression", 5, 8),
    ]
    return TreeBuilder(tmp_path, events)


@pytest.fixture
def smic_tree(tmp_path):
    events = [
        Event(1, ("ne", 1), "negative", 8, 12),
        Event(1, ("po", 2), "positive", 99998, 100003),
        Event(1, ("sur", 1), "surprise", 20, 22),
        Event(12, ("ne", 10), "negative", 30, 33),
        Event(12, ("ne", 9), "negative", 40, 43),
    ]
    return TreeBuilder(tmp_path, events)


@pytest.fixture
def event():
    return Event


@pytest.fixture
def sheet_writer():
    return write_sheet


@pytest.fixture
def picture_writer():
    return write_picture


@pytest.fixture(scope="session")
def tree_builder():
    return TreeBuilder
