"""Cards, classes and data of a user's own, to be changed one at a time."""

import re
import textwrap
from pathlib import Path

import numpy as np

from tests.small_corpus import NEAREST, draw_features

METHOD = (
    NEAREST
    + """
import helper

@dataclass
class Mine(Nearest):
    shift: float = 0.0

    def prepare(self, *data):
        return {"distances": super().prepare(*data)["distances"] + self.shift}

    def solve(self, prepared, settings):
        from package.late import sign
        turned = sign() * helper.scale()
        return super().solve({"distances": -turned * prepared["distances"]}, settings)

class Twin(Mine):
    pass
"""
)

METHOD_CARD = """\
# @package methods.mine
_target_: mine.Mine
label: Mine
title: My method
citation: me
parameters: {shift: 0.0}
grid: {power: [1.0, 2.0]}
grids: {other: {power: [1, 3]}}
"""

TASK_CARD = """\
# @package tasks.pair
source: one
target: two
"""

DESCRIPTOR = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.descriptors import Descriptor
from described import factor

@dataclass
class Means(Descriptor):
    rows: int = 2

    @property
    def label(self):
        return "Means"

    def extract(self, frames):
        parts = np.array_split(np.asarray(frames), self.rows, axis=1)
        return factor() * np.array([[[part.mean(), part.std()]] for part in parts])

class Twin(Means):
    pass
"""

DESCRIPTOR_CARD = """\
# @package descriptors.means
_target_: means.Means
label: Means
title: Means of rows
citation: me
parameters: {rows: 2}
"""

READER = """\
from dataclasses import dataclass, field
from pathlib import Path
import numpy as np
from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.databases.image_files import FrameClip
from reading import order

@dataclass
class Folders(ClipDatabase):
    root: str = field(default=".", kw_only=True)
    turned: bool = field(default=False, kw_only=True)

    def clips(self):
        folders = order([p for p in Path(self.root, self.name).iterdir()])
        return [
            FrameClip(p.name, p.name[:2], (2 - i % 3) if self.turned else i % 3,
                      sorted(p.glob("*.png")))
            for i, p in enumerate(folders)
        ]
"""

HELPERS = {
    "helper.py": "from further import unit\n\ndef scale():\n    return -1.0 * unit()\n",
    "further.py": "def unit():\n    return 1.0\n",
    "package/__init__.py": "from . import beside\n",
    "package/beside.py": "NUMBER = 1\n",
    "package/late.py": "from .beside import NUMBER\n\ndef sign():\n    return NUMBER\n",
    "described.py": "def factor():\n    return 1.0\n",
    "reading.py": "def order(paths):\n    return sorted(paths)\n",
    "unrelated.py": "nothing = 1\n",
    "steps.py": (
        "from cdmer_bench.preprocessing import Preprocessing\n\nclass Steps(Preprocessing):\n"
        "    pass\n"
    ),
}

FEATURES_CORPUS = """\
# @package corpus
name: mine
title: My corpus
synthetic: false
reader: {_target_: cdmer_bench.databases.matfiles.FileFeatureDatabase, root: ROOT}
databases:
  one: {title: One, letter: O, classes: [low, mid, high], files: {given: one.npz}, first_label: 1,
        blocks: {n_blocks: 5}, subjects: who}
  two: {title: Two, letter: T, classes: [low, mid, high], files: {given: two.npz}, first_label: 1,
        blocks: {n_blocks: 5}}
  three: {title: Three, letter: D, classes: [low, mid, high], files: {given: three.npz},
          first_label: 1, blocks: {n_blocks: 5}}
"""

FRAMES_CORPUS = """\
# @package corpus
name: frames_of_mine
synthetic: false
reader: {_target_: folders.Folders, root: ROOT}
databases:
  one: {title: One, letter: O, classes: [low, mid, high]}
  two: {title: Two, letter: T, classes: [low, mid, high]}
"""


class Place:
    """A folder with cards, classes and data of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf = folder, folder / "my_conf"

    def write(self, name: str, text: str) -> None:
        path = self.conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.conf / name).read_text()
        assert old in text, (name, old)
        (self.conf / name).write_text(text.replace(old, new))

    def features(self, name: str, seed: int, n: int, **more) -> None:
        X, y = draw_features(seed, n)
        who = np.array([f"s{i // 3}" for i in range(n)])
        arrays = {"features": X.reshape(n, -1), "labels": y + 1, "who": who} | more
        np.savez(self.folder / f"{name}.npz", **arrays)

    def arguments(self, kind: str, *more: str) -> list[str]:
        corpus, descriptor = {
            "features": ("mine", "given"), "frames": ("frames_of_mine", "means"),
        }[kind]  # fmt: skip
        words = [f"corpus={corpus}", f"descriptor={descriptor}", "method=mine", "task=pair"]
        places = [f"results.dir={self.folder / 'r'}", f"cache.dir={self.folder / 'c'}"]
        return ["--config-dir", str(self.conf), *words, *places, "progress=false", *more]


def write_place(folder: Path) -> Place:
    """Write cards, classes and data of three databases into a folder."""
    made = Place(folder)
    made.write("mine.py", METHOD)
    made.write("method/mine.yaml", METHOD_CARD)
    made.write("task/pair.yaml", TASK_CARD)
    made.write("means.py", DESCRIPTOR)
    made.write("descriptor/means.yaml", DESCRIPTOR_CARD)
    made.write("folders.py", READER)
    made.write("corpus/mine.yaml", FEATURES_CORPUS.replace("ROOT", str(folder)))
    made.write("corpus/frames_of_mine.yaml", FRAMES_CORPUS.replace("ROOT", str(folder)))
    for name, text in HELPERS.items():
        made.write(name, text)
    made.features("one", 1, 18)
    made.features("two", 2, 15)
    made.features("three", 4, 15)
    return made


def n_done(said: str) -> int:
    (found,) = re.findall(r"1 cell: (\d) done", said)
    return int(found)


def edited(name, old, new):
    return lambda place: place.edit(name, old, new)


def made(how, place) -> tuple[str, ...]:
    """Change what a row says: a function of the place, or words for the command, returned."""
    if isinstance(how, tuple):
        return how
    how(place)
    return ()


def stored(place) -> dict:
    paths = (place.folder / "r").rglob("grid.npz")
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def times(place) -> dict:
    """When each file of features was written."""
    return {path: path.stat().st_mtime_ns for path in (place.folder / "c").rglob("*.npz")}


def write_frames(place) -> None:
    import cv2

    rng = np.random.default_rng(0)
    for database, n in (("one", 9), ("two", 6)):
        for clip in range(n):
            folder = place.folder / database / f"s{clip // 3}_{clip}"
            folder.mkdir(parents=True)
            for number in range(4):
                image = rng.integers(0, 255, (20, 20), dtype=np.uint8)
                cv2.imwrite(str(folder / f"{number}.png"), image)
