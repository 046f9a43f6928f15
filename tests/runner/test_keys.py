"""Keys hold what was used: whatever a result depends on changes them, and nothing else does.

Each change is made on a small corpus of its own, and `cdmer run` tells by its plan whether the
cell is to be computed again. What is shown comes from the cards in use.
"""

import importlib
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tests.small_corpus import draw_features

METHOD = """\
from dataclasses import dataclass
import numpy as np
import helper
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Mine(Method):
    power: float = 2.0
    shift: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        means = np.stack([Xs[ys == c].mean(axis=0) for c in range(ys.max() + 1)])
        return {"distances": np.abs(Xq[:, None] - means) + self.shift}

    def solve(self, prepared, settings):
        from package.late import sign
        scores = [
            sign() * helper.scale() * (prepared["distances"] ** s.get("power", 2.0)).sum(-1)
            for s in settings
        ]
        return BatchResult.closed_form(np.argmax(scores, -1), np.array(scores))
"""
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
from cdmer_bench.databases.clip_folders import FrameClip
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
        words = [f"corpus={corpus}", f"descriptor={descriptor}", "method=mine", "task=one/two"]
        places = [f"results.dir={self.folder / 'r'}", f"cache.dir={self.folder / 'c'}"]
        return ["--config-dir", str(self.conf), *words, *places, "progress=false", *more]


@pytest.fixture
def place(tmp_path, monkeypatch):
    made = Place(tmp_path)
    made.write("mine.py", METHOD)
    made.write("method/mine.yaml", METHOD_CARD)
    made.write("means.py", DESCRIPTOR)
    made.write("descriptor/means.yaml", DESCRIPTOR_CARD)
    made.write("folders.py", READER)
    made.write("corpus/mine.yaml", FEATURES_CORPUS.replace("ROOT", str(tmp_path)))
    made.write("corpus/frames_of_mine.yaml", FRAMES_CORPUS.replace("ROOT", str(tmp_path)))
    for name, text in HELPERS.items():
        made.write(name, text)
    made.features("one", 1, 18)
    made.features("two", 2, 15)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def planned(place, cdmer):
    """Run or plan as a new process would, in which no module of the user's is imported yet."""

    def call(kind: str, *more: str) -> str:
        for name, module in list(sys.modules.items()):
            if "my_conf" in str(getattr(module, "__file__", "")):
                del sys.modules[name]
        importlib.invalidate_caches()
        code, out, err = cdmer("run", *place.arguments(kind, "backend=sequential", *more))
        assert code == 0, err
        return out + err

    return call


def n_done(said: str) -> int:
    (found,) = re.findall(r"1 cell: (\d) done", said)
    return int(found)


def edited(name, old, new):
    return lambda place: place.edit(name, old, new)


CARD = "corpus/mine.yaml"
DEPENDING = {
    # (a) Each field of a database's card that says how its file is read.
    "features of the card": edited(CARD, "files: {given: two.npz}",
                                   "files: {given: two.npz}, features: others"),
    "labels of the card": edited(CARD, "files: {given: two.npz}",
                                 "files: {given: two.npz}, labels: turned"),
    "label_map of the card": edited(CARD, "files: {given: two.npz}, first_label: 1",
                                    "files: {given: two.npz}, "
                                    "label_map: {1: mid, 2: low, 3: high}"),
    "first_label of the card": edited(
        CARD, "files: {given: two.npz}, first_label: 1",
        "files: {given: {path: two.npz, labels: from_zero}}, first_label: 0, layout: samples_rows"),
    "classes of the cards": edited(CARD, "[low, mid, high]", "[low, high, mid]"),
    "subjects of the card": edited(CARD, "subjects: who", "subjects: whom"),
    "blocks of the cards": edited(CARD, "n_blocks: 5", "n_blocks: 6"),
    "layout of the card": edited(CARD, "files: {given: two.npz}",
                                 "files: {given: two.npz}, features: square, "
                                 "layout: samples_columns, labels: of_square"),
    "name of the corpus": edited(CARD, "name: mine", "name: another"),
    "content of the file": lambda place: place.features("two", 3, 15, **MORE),
    # The method, with every module of the user's that takes part.
    "parameters of the method": edited("method/mine.yaml", "shift: 0.0", "shift: 0.5"),
    "grid of the method": edited("method/mine.yaml", "[1.0, 2.0]", "[1.0, 2.0, 3.0]"),
    "module of the method": edited("mine.py", "argmax", "argmin"),
    "version of the method": edited("mine.py", "    power: float = 2.0",
                                    "    version = 2\n    power: float = 2.0"),
    **{f"module {name}": (lambda place, name=name: place.write(name, HELPERS[name] + "\n# x\n"))
       for name in ("helper.py", "further.py", "package/__init__.py", "package/beside.py",
                    "package/late.py")},
}  # fmt: skip
square = np.random.default_rng(0).random((15, 15))
MORE = {
    "others": draw_features(5, 15)[0].reshape(15, -1),
    "turned": np.arange(15)[::-1] % 3 + 1,
    "from_zero": (np.arange(15) + 1) % 3,
    "square": square,
    "of_square": np.arange(15) % 3 + 1,
}
SAME_WIDTH = {"layout of the card"}  # whose source must have its width


@pytest.mark.parametrize("change", DEPENDING)
def test_what_a_cell_depends_on_changes_its_key(place, planned, change):
    place.features("two", 2, 15, **MORE)
    place.features("one", 1, 18, whom=np.array([f"x{i // 2}" for i in range(18)]))
    planned("features")
    assert n_done(planned("features", "dry_run=true")) == 1
    if change in SAME_WIDTH:
        place.edit(CARD, "blocks: {n_blocks: 5}", "blocks: null")
    DEPENDING[change](place)
    assert n_done(planned("features", "dry_run=true")) == 0


INDEPENDENT = {
    "label of the method": edited("method/mine.yaml", "label: Mine", "label: Renamed"),
    "title and citation": lambda place: (
        place.edit("method/mine.yaml", "title: My method", "title: Other"),
        place.edit("method/mine.yaml", "citation: me", "citation: you"),
    ),
    "comments in YAML": edited("method/mine.yaml", "label: Mine", "# a comment\nlabel: Mine"),
    "title of a database": edited(CARD, "title: One", "title: Renamed"),
    "letter of a database": edited(CARD, "letter: O", "letter: R"),
    "title of the corpus": edited(CARD, "title: My corpus", "title: Renamed"),
    "the grid written otherwise": edited("method/mine.yaml", "[1.0, 2.0]", '"1:1:2"'),
    "another grid of the card": edited("method/mine.yaml", "[1, 3]", "[1, 4]"),
    "a module that nothing imports": lambda place: place.write("unrelated.py", "nothing = 2\n"),
    "an array that is not read": lambda place: place.features("one", 1, 18, unread=np.zeros(3)),
}
WITHOUT_EDIT = (("n_jobs=2", "backend=loky"), ("progress=true",), ("plane=false",),
                ("selection=entropy",), ("against=paper",))  # fmt: skip


@pytest.mark.parametrize("change", INDEPENDENT)
def test_what_no_result_depends_on_computes_nothing_and_is_shown(place, planned, cdmer, change):
    planned("features")
    before = stored(place)
    INDEPENDENT[change](place)
    assert n_done(planned("features", "dry_run=true")) == 1
    said = planned("features")
    assert stored(place) == before
    if "Renamed" in "".join(p.read_text() for p in place.conf.glob("*/*.yaml")):
        shown = said + cdmer("tables", "own", "--results", str(place.folder / "r"))[1]
        records = next((place.folder / "r").rglob("record.json")).read_text()
        assert ("Renamed" in records) or ("R → T" in shown)


def stored(place) -> dict:
    paths = (place.folder / "r").rglob("grid.npz")
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_words_of_the_command_that_change_no_result_compute_nothing(place, planned):
    planned("features")
    before = stored(place)
    for words in WITHOUT_EDIT:
        planned("features", *words)
    assert stored(place) == before


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


def replaced_frame(place) -> None:
    """Another picture of the same name, size and time, as an archive restores it."""
    import os

    import cv2

    path = next((place.folder / "two").rglob("2.png"))
    before, length = path.stat(), len(path.read_bytes())
    rng = np.random.default_rng(1)
    while True:
        image = rng.integers(0, 255, (20, 20), dtype=np.uint8)
        data = cv2.imencode(".png", image)[1].tobytes()
        if len(data) <= length:
            break
    path.write_bytes(data + bytes(length - len(data)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (length, before.st_mtime_ns)


EXTRACTED = {
    "module of the descriptor": edited("means.py", "part.std()", "part.max()"),
    "module that the descriptor imports": edited("described.py", "1.0", "2.0"),
    "version of the descriptor": edited(
        "means.py", "    rows: int", "    version = 2\n    rows: int"
    ),
    "parameters of the descriptor": edited("descriptor/means.yaml", "rows: 2", "rows: 3"),
    "module that the reader imports": edited("reading.py", "sorted(paths)", "sorted(paths)[::-1]"),
    "content of a frame": replaced_frame,
    "preprocessing": ("preprocessing.parameters.n_frames=5",),
    "size of frames": ("preprocessing.parameters.shape=[30,30]",),
    "rounding": ("preprocessing.parameters.round=uint8",),
}


@pytest.mark.parametrize("change", EXTRACTED)
def test_what_features_depend_on_has_them_extracted_again(place, planned, change):
    write_frames(place)
    planned("frames")
    assert n_done(planned("frames", "dry_run=true")) == 1
    how = EXTRACTED[change]
    words = how if isinstance(how, tuple) else ()
    if not words:
        how(place)
    plan = planned("frames", "dry_run=true", *words)
    assert n_done(plan) == 0
    assert "features of" in plan
    X = {path.name: path.read_bytes() for path in (place.folder / "c").rglob("*.npz")}
    planned("frames", *words)
    assert len(list((place.folder / "c").rglob("features/*.npz"))) > len(X)


def test_labels_of_clips_change_the_cell_but_not_the_features(place, planned):
    write_frames(place)
    planned("frames")
    before = {path: path.stat().st_mtime_ns for path in (place.folder / "c").rglob("*.npz")}
    plan = planned("frames", "dry_run=true", "+corpus.databases.two.turned=true")
    assert n_done(plan) == 0
    planned("frames", "+corpus.databases.two.turned=true")
    after = {path: path.stat().st_mtime_ns for path in (place.folder / "c").rglob("*.npz")}
    assert after == before


def test_frames_that_were_moved_are_the_same(place, planned):
    write_frames(place)
    planned("frames")
    for name in ("one", "two"):
        (place.folder / "else").mkdir(exist_ok=True)
        (place.folder / name).rename(place.folder / "else" / name)
    moved = f"corpus.reader.root={place.folder / 'else'}"
    assert n_done(planned("frames", "dry_run=true", moved)) == 1


def test_force_extracts_and_solves_anew(place, planned):
    write_frames(place)
    planned("frames")
    cells = stored(place)
    features = {p: p.stat().st_mtime_ns for p in (place.folder / "c").rglob("features/*.npz")}
    assert n_done(planned("frames", "dry_run=true", "force=true")) == 0
    planned("frames", "force=true")
    assert {p: d for p, (d, _) in stored(place).items()} == {p: d for p, (d, _) in cells.items()}
    assert all(stored(place)[p][1] > time for p, (_, time) in cells.items())
    assert all(p.stat().st_mtime_ns > time for p, time in features.items())
