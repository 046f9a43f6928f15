"""Trees of frames and coding sheets as the databases have them, and ways to make them deviate.

A tree is a list of clips, each with its folders, its files' names and what they show, and a list of
sheets. The grey value of a picture tells its clip and its place in the recording, so that a wrong
clip, order or cut shows in the values. Layouts build a tree, deviations change it, `write` puts it
on disk; of the readers only what they read is taken.
"""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from cdmer_bench.databases.frames import FrameDatabase
from tests.databases.sheets import write_xlsx

CLASSES = {
    **dict.fromkeys(("anger", "contempt", "disgust", "sadness", "fear", "sad", "negative"), 0),
    **dict.fromkeys(("happiness", "happy", "positive"), 1),
    "surprise": 2,
}


def read_of(database):
    """Name, class and grey values of every clip that is read, as `Tree.expected` has them."""
    return [(c.name, c.label, c.frames()[:, 0, 0].tolist()) for c in database.clips()]


def findings_of(tree, tmp_path, **options):
    """The database of a tree, and its findings by their codes."""
    database = FrameDatabase(tree.database, root=str(tree.write(tmp_path)), **options)
    return database, {f.code: f for f in database.findings}


def grey_value(clip, number):
    return (37 * clip + 5 * number) % 200 + 20


@cache
def picture(suffix, value):
    image = np.full((6, 8), value, np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 100] if suffix.lower() == ".jpg" else []
    return cv2.imencode(suffix.lower(), image, quality)[1].tobytes()


@dataclass
class ClipFiles:
    """A folder of frames: its place, and which frame of the recording each number shows."""

    index: int
    subject: int
    name: str  # as the reader should call it
    emotion: str
    onset: int
    offset: int
    above: list  # folders from the root to the release's own
    subject_folder: str
    between: list
    folder: str
    file: str  # such as reg_img{}.jpg
    shows: dict  # number in the name -> number in the recording
    below: list = field(default_factory=list)
    again: bool = False  # another micro-expression of a recording already in the list

    @property
    def place(self):
        middle = [self.subject_folder] if self.subject_folder else []
        return Path(*self.above, *middle, *self.between, self.folder, *self.below)

    def expected(self):
        return [grey_value(self.index, n) for n in range(self.onset, self.offset + 1)]


@dataclass
class Sheet:
    path: str
    rows: list
    write: object = None  # function of a path and rows
    more: dict = field(default_factory=dict)  # further worksheets


@dataclass
class Tree:
    database: str
    clips: list
    sheets: list
    extra: dict = field(default_factory=dict)  # path -> bytes
    root: str = "data"

    def write(self, place):
        root = place / self.root
        for clip in self.clips:
            for number, shown in {} if clip.again else clip.shows.items():
                path = root / clip.place / clip.file.format(number)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(path.suffix, grey_value(clip.index, shown)))
        for sheet in self.sheets:
            path = root / sheet.path
            path.parent.mkdir(parents=True, exist_ok=True)
            (sheet.write or write_xlsx)(path, sheet.rows, **sheet.more)
        for name, content in self.extra.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root

    def expected(self):
        """Name, class and grey values of every clip of a class, in the order of the reader."""
        return [
            (c.name, CLASSES[c.emotion], c.expected()) for c in self.clips if c.emotion in CLASSES
        ]

    def change(self, **fields):
        """Set fields of every clip; a callable gets the clip."""
        self.clips = [
            replace(c, **{k: v(c) if callable(v) else v for k, v in fields.items()})
            for c in self.clips
        ]
        return self


# Layouts

EVENTS = [  # subject, clip, emotion, onset, offset
    (1, "EP02_01f", "happiness", 26, 36),
    (1, "EP03_02", "others", 31, 38),
    (1, "EP19_01", "surprise", 12, 20),
    (3, "EP01_2", "disgust", 9, 17),
    (7, "EP06_02_01", "sadness", 35, 48),
    (7, "EP06_02_02", "fear", 29, 36),
    (9, "EP09f", "surprise", 28, 36),
    (17, "EP01_06", "repression", 5, 12),
    (17, "EP05_02", "disgust", 21, 31),
]
CASME2_HEADINGS = [
    "Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units",
    "Estimated Emotion",
]  # fmt: skip


def casme2(above, file, first=None, last=None, suffix="", subject="sub{:02d}", restart=False):
    """CASME II; ``first`` and ``last`` say which frames of the recording are there."""
    clips = []
    for index, (number, name, emotion, onset, offset) in enumerate(EVENTS):
        start = onset if first is None else first
        stop = offset if last is None else offset + last + 3 * index
        shows = {n: n for n in range(start, stop + 1)}
        if restart:
            shows = dict(enumerate(shows, start=1))
        coded = (index, number, f"sub{number:02d}/{name}", emotion, onset, offset)
        folders = (list(above), subject.format(number), [], name + suffix)
        clips.append(ClipFiles(*coded, *folders, file, shows))
    rows = [
        [n, name, None, onset, onset + 2, offset, None, "L4+?", emotion]
        for n, name, emotion, onset, offset in EVENTS
    ]
    sheet = Sheet("CASME2-coding-20140508.xlsx", [list(CASME2_HEADINGS), *rows])
    return Tree("casme2", clips, [sheet])


SMIC_EVENTS = [  # subject, token, index, onset, offset
    (1, "ne", 1, 108, 114),
    (1, "ne", 2, 50, 55),
    (1, "po", 2, 99998, 100004),
    (1, "sur", 1, 20, 27),
    (12, "ne", 9, 40, 45),
    (12, "ne", 10, 30, 37),
    (12, "po", 3, 61, 66),
]
WORDS = {"ne": "negative", "po": "positive", "sur": "surprise"}


def smic(camera, above, file, extended=0, subject="s{}", clip="s{}_{}_{:02d}", sheet=True):
    clips, rows = [], [["Subject", "Filename", "FirstF", "OnsetF", "OffsetF", "Emotion"]]
    for index, (number, token, count, onset, offset) in enumerate(SMIC_EVENTS):
        shows = {n: n for n in range(onset - extended, offset + extended + 1)}
        micro = [] if extended else ["micro", WORDS[token]]
        called = f"s{number}/s{number}_{token}_{count:02d}"
        coded = (index, number, called, WORDS[token], onset, offset)
        folders = (list(above), subject.format(number), micro, clip.format(number, token, count))
        clips.append(ClipFiles(*coded, *folders, file, shows))
        name = f"s{number:02d}_{token}_{count:02d}"
        rows.append([f"s{number}", name, onset - extended, onset, offset, WORDS[token]])
    sheets = [Sheet(f"SMIC-{camera}-E_annotation_2019.xlsx", rows)] if extended and sheet else []
    # SMIC_EVENTS stand in the order of the reader: by subject, class and count.
    return Tree(f"smic_{camera.lower()}", clips, sheets)


def coded(database, above, subject, folder, file, below=(), whole=0, events=(), sheet=""):
    """Any other database: events are (subject, recording, emotion, onset, offset)."""
    clips, seen = [], {}
    for index, (number, name, emotion, onset, offset) in enumerate(events):
        again = (number, name) in seen
        where = seen.setdefault((number, name), index)
        mine = [e for e in events if e[:2] == (number, name)]
        first = 1 if whole else onset
        last = max(e[4] for e in mine) + whole if whole else offset
        called = f"sub{number:02d}/{name}" + (f"@{onset}" if again else "")
        shows = {n: n for n in range(first, last + 1)}
        said = (where if whole else index, number, called, emotion, onset, offset)
        folders = (list(above), subject.format(number), [], folder.format(number, name, onset))
        clips.append(ClipFiles(*said, *folders, file, shows, list(below), again and bool(whole)))
    headings = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Emotion"]
    rows = [[n, c, a, a + 1, z, "4", e] for n, c, e, a, z in events]
    return Tree(database, clips, [Sheet(sheet, [headings, *rows])])


SAMM_EVENTS = [
    (6, "006_1_2", "anger", 100, 108),
    (6, "006_1_3", "other", 30, 37),
    (11, "011_1_1", "happiness", 95, 104),
    (12, "012_3_1", "surprise", 41, 48),
]
CASME_EVENTS = [
    (1, "EP01_5", "disgust", 60, 68),
    (1, "EP02_1", "tense", 33, 40),
    (7, "EP03_4", "contempt", 10, 19),
    (8, "EP12_8", "surprise", 25, 31),
]
CASME3_EVENTS = [
    (1, "a", "sad", 12, 20),
    (1, "a", "happy", 37, 43),
    (10, "b", "surprise", 21, 31),
    (11, "c", "others", 5, 9),
]
MMEW_EVENTS = [
    (1, "S01-01-001", "disgust", 1, 9),
    (1, "S01-02-001", "surprise", 1, 12),
    (2, "S02-01-001", "others", 1, 7),
    (2, "S02-05-002", "happiness", 1, 6),
]


def samm():
    tree = coded(
        "samm",
        ["SAMM"],
        "{:03d}",
        "{1}",
        "x_{:05d}.jpg",
        events=SAMM_EVENTS,
        sheet="SAMM_Micro_FACS_Codes_v2.xlsx",
    )
    tree.sheets[0].rows = [["Version 2"] + [None] * 6] * 13 + tree.sheets[0].rows
    return tree.change(file=lambda c: f"{c.subject:03d}_{{:05d}}.jpg")


def casme():
    return coded(
        "casme",
        ["CASME", "Cropped"],
        "sub{:02d}",
        "{1}",
        "reg_EP-{}.jpg",
        events=CASME_EVENTS,
        sheet="CASME/casme.xlsx",
    )


def casme3_recordings():
    return coded(
        "casme3",
        ["part_A", "data"],
        "spNO.{}",
        "{1}",
        "{}.jpg",
        ["color"],
        9,
        events=CASME3_EVENTS,
        sheet="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    )


def casme3_clips():
    return coded(
        "casme3",
        ["Part_A_ME_clip", "frame"],
        "",
        "spNO.{0}_{1}_{2}",
        "{}.jpg",
        events=CASME3_EVENTS,
        sheet="annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    )


def casme_squared(above, folder, whole, file="img{}.jpg"):
    events = [
        (15, "0101", "disgust", 15, 25),
        (15, "0101", "disgust", 41, 50),
        (16, "0404", "happiness", 13, 19),
    ]
    names = {(15, 15): "disgust1_1", (15, 41): "disgust1_2", (16, 13): "happy4_1"}
    tree = coded("casme_squared", above, "s{}", folder, file, (), whole, events, "code_final.xlsx")
    if not whole:
        tree.change(folder=lambda c: names[c.subject, c.onset])
    tree.sheets[0].rows = [
        [n - 14, names[n, a], a, a + 2, z, "4", e, "micro-expression", e]
        for n, _, e, a, z in events
    ] + [[1, "disgust1_3", 1, 2, 3, "4", "disgust", "macro-expression", "disgust"]]
    tree.sheets[0].more = {
        "Sheet2": [["a", "s15", 1], ["b", "s16", 2]],
        "Sheet3": [["0101", "disgust1"], [404, "happy4"]],
    }
    return tree


def mmew():
    return coded(
        "mmew",
        ["Micro_Expression"],
        "",
        "{1}",
        "{}.jpg",
        events=MMEW_EVENTS,
        sheet="MMEW_Micro_Exp.xlsx",
    ).change(between=lambda c: [c.emotion])


def four_dme():
    events = [
        (1, "S01_clip_a", "negative", 40, 49),
        (2, "S02_clip_b", "positive", 11, 18),
        (3, "S03_clip_c", "surprise", 71, 80),
    ]
    tree = coded(
        "four_dme",
        ["gray_micro_crop"],
        "S{:02d}",
        "{1}",
        "Frame_{:09d}.jpg",
        events=events,
        sheet="4DME_Labelling_Micro_release v1.xlsx",
    )
    marks = ["Positive", "Negative", "Surprise", "Repression", "Others"]
    tree.sheets[0].rows = [["sub_ID", "fold_name", "Onset", "Apex", "Offset", *marks]] + [
        [n, name, a, a + 1, z, *(int(m.lower() == e) for m in marks)] for n, name, e, a, z in events
    ]
    return tree


LAYOUTS = {
    "casme2-cropped": lambda: casme2(["Cropped"], "reg_img{}.jpg"),
    "casme2-preprocessed": lambda: casme2(
        ["CASME2_preprocessed_Li Xiaobai", "Cropped"], "reg_img{}.jpg"
    ),
    "casme2-selected": lambda: casme2(["CASME2_RAW_selected", "CASME2_RAW_selected"], "img{}.jpg"),
    "casme2-raw": lambda: casme2(["CASME2-RAW"], "img{}.jpg", 1, 7),
    "casme2-openface": lambda: casme2(
        ["OpenFace"], "frame_det_00_{:06d}.bmp", suffix="_aligned", restart=True
    ),
    "smic-hs-cropped": lambda: smic("HS", ["SMIC_all_cropped", "HS"], "reg_image{:06d}.bmp"),
    "smic-vis-cropped": lambda: smic("VIS", ["SMIC_all_cropped", "VIS"], "reg_{:05d}.bmp"),
    "smic-nir-raw": lambda: smic("NIR", ["SMIC_all_raw", "NIR"], "{:05d}.bmp"),
    "smic-hs-e": lambda: smic(
        "HS", ["SMIC-E_raw image", "HS_long", "SMIC-HS-E"], "image{:06d}.jpg", 12, "s{:02d}"
    ),
    "smic-vis-e-crop": lambda: smic("VIS", ["SMIC_E_VIS_crop"], "reg_{:05d}.bmp", 9, "s{:02d}"),
    "samm": samm,
    "casme": casme,
    "casme3-recordings": casme3_recordings,
    "casme3-clips": casme3_clips,
    "casme_squared-rawpic": lambda: casme_squared(["rawpic"], "{0}_{1}disgustingteeth", 12),
    "casme_squared-selected": lambda: casme_squared(["selectedpic_micro"], "", 0),
    "mmew": mmew,
    "4dme": four_dme,
}
