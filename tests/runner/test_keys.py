"""Keys hold what was used: whatever a result depends on changes them, and nothing else does.

Each change is made on a small corpus of its own, and `cdmer run` tells by its plan whether the
cell is to be computed again. What is shown comes from the cards in use.
"""

import importlib
import re
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.config.schema import (
    DescriptorCard,
    MethodCard,
    PreprocessingCard,
    SelectionCard,
    TaskCard,
)
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.matfiles import FileFeatureDatabase
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

class Twin(Mine):
    pass
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


@pytest.fixture
def place(tmp_path, monkeypatch):
    made = Place(tmp_path)
    made.write("mine.py", METHOD)
    made.write("method/mine.yaml", METHOD_CARD)
    made.write("task/pair.yaml", TASK_CARD)
    made.write("means.py", DESCRIPTOR)
    made.write("descriptor/means.yaml", DESCRIPTOR_CARD)
    made.write("folders.py", READER)
    made.write("corpus/mine.yaml", FEATURES_CORPUS.replace("ROOT", str(tmp_path)))
    made.write("corpus/frames_of_mine.yaml", FRAMES_CORPUS.replace("ROOT", str(tmp_path)))
    for name, text in HELPERS.items():
        made.write(name, text)
    made.features("one", 1, 18)
    made.features("two", 2, 15)
    made.features("three", 4, 15)
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


def made(how, place) -> tuple[str, ...]:
    """Change what a row says: a function of the place, or words for the command, returned."""
    if isinstance(how, tuple):
        return how
    how(place)
    return ()


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
    "normalise of the card": edited(CARD, "files: {given: two.npz}",
                                    "files: {given: two.npz}, normalise: zscore"),
    "files of the card": edited(CARD, "{given: two.npz}", "{given: three.npz}"),
    # Which databases are source and target.
    "source of the task": edited("task/pair.yaml", "source: one", "source: three"),
    "target of the task": edited("task/pair.yaml", "target: two", "target: three"),
    "name of the corpus": edited(CARD, "name: mine", "name: another"),
    "name of a database": lambda place: (
        place.edit(CARD, "  one: ", "  uno: "),
        place.edit("task/pair.yaml", "source: one", "source: uno"),
    ),
    "content of the file": lambda place: place.features("two", 3, 15, **MORE),
    # The method, with every module of the user's that takes part.
    "class of the method": edited("method/mine.yaml", "mine.Mine", "mine.Twin"),
    "the grid that is run": ("grid=other",),
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
    words = made(DEPENDING[change], place)
    assert n_done(planned("features", "dry_run=true", *words)) == 0


def shown(place, cdmer) -> str:
    """Return the row of the method as `cdmer tables` prints it."""
    out = cdmer("tables", "own", "--results", str(place.folder / "r"))[1]
    return next(line for line in out.splitlines() if line.startswith("Mine "))


TAKEN_BACK = {
    "labels": lambda place: place.features("two", 2, 15, labels=np.arange(15)[::-1] % 3 + 1),
    "code": edited("mine.py", "argmax", "argmin"),
}


@pytest.mark.parametrize("change", TAKEN_BACK)
def test_a_change_that_is_taken_back_brings_the_first_result_back(place, planned, cdmer, change):
    kept = {path: path.read_bytes() for path in (place.folder / "two.npz", place.conf / "mine.py")}
    planned("features")
    first = shown(place, cdmer)
    TAKEN_BACK[change](place)
    planned("features")
    assert shown(place, cdmer) != first
    for path, data in kept.items():
        path.write_bytes(data)
    before = stored(place)
    planned("features")
    assert stored(place) == before
    assert shown(place, cdmer) == first
    files = {path: path.read_bytes() for path in (place.folder / "r").rglob("record.json")}
    planned("features")  # nothing is written where nothing stands in front
    assert {path: path.read_bytes() for path in files} == files


def test_a_failure_between_two_runs_of_the_same_code_is_over(place, planned, cdmer):
    planned("features")
    code = (place.conf / "mine.py").read_text()
    place.edit("mine.py", "scores = [", "raise ValueError('oh')\n        scores = [")
    with pytest.raises(AssertionError, match="oh"):
        planned("features")
    (place.conf / "mine.py").write_text(code)
    planned("features")
    out = cdmer("tables", "own", "--results", str(place.folder / "r"))[1]
    assert "oh" not in out


def test_figures_of_before_and_after_a_change_are_told_apart(place, planned, cdmer):
    place.write("task/back.yaml", "# @package tasks.back\nsource: two\ntarget: one\n")
    planned("features", "task=pair,back")
    place.features("two", 3, 15)
    place.edit("mine.py", "argmax", "argmin")
    planned("features")
    out = " ".join(cdmer("tables", "own", "--results", str(place.folder / "r"))[1].split())
    for said in ("Two has other features (given features) in", "Mine has other code in"):
        assert f"{said} Mine (T → O) than in Mine (O → T), run last" in out
    planned("features", "task=pair,back")
    assert "run last" not in cdmer("tables", "own", "--results", str(place.folder / "r"))[1]


def moved_files(place) -> None:
    (place.folder / "else").mkdir()
    for path in place.folder.glob("*.npz"):
        path.rename(place.folder / "else" / path.name)
    place.edit(CARD, f"root: {place.folder}", f"root: {place.folder / 'else'}")


INDEPENDENT = {
    "root of the files": moved_files,
    "label of the method": edited("method/mine.yaml", "label: Mine", "label: Renamed"),
    "title and citation": lambda place: (
        place.edit("method/mine.yaml", "title: My method", "title: Other"),
        place.edit("method/mine.yaml", "citation: me", "citation: you"),
    ),
    "comments in YAML": edited("method/mine.yaml", "label: Mine", "# a comment\nlabel: Mine"),
    "title of a database": edited(CARD, "title: One", "title: Renamed"),
    "letter of a database": edited(CARD, "letter: O", "letter: R"),
    "label of the task": edited("task/pair.yaml", "source: one", "label: Renamed\nsource: one"),
    "label of the features": ("descriptors.given.label=Renamed",),
    "title of the features": ("descriptors.given.title=other", "+descriptors.given.citation=you"),
    "title of the steps": ("preprocessing.title=other",),
    "counts that are expected": edited(CARD, "letter: O", "letter: O, counts: {low: 7}"),
    "data that are generated": edited(CARD, "synthetic: false", "synthetic: true"),
    "the rule with all it has": (
        "selection=snd",
        "selection.parameters.temperature=0.1",
        "selection.title=other",
        "selection.citation=you",
    ),
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
    words = made(INDEPENDENT[change], place)
    assert n_done(planned("features", "dry_run=true", *words)) == 1
    said = planned("features", *words)
    assert stored(place) == before
    if "Renamed" in "".join([*words, *(p.read_text() for p in place.conf.glob("*/*.yaml"))]):
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
    "crop": ("preprocessing.crop=face",),
    "class of the preprocessing": ("preprocessing._target_=steps.Steps",),
    "class of the descriptor": edited("descriptor/means.yaml", "means.Means", "means.Twin"),
}


@pytest.mark.parametrize("change", EXTRACTED)
def test_what_features_depend_on_has_them_extracted_again(place, planned, change):
    write_frames(place)
    planned("frames")
    assert n_done(planned("frames", "dry_run=true")) == 1
    words = made(EXTRACTED[change], place)
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


DEPENDS_ON_A_FILE = """\
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from cdmer_bench.methods import Method, BatchResult

@dataclass
class Mine(Method):
    power: float = 2.0
    shift: float = 0.0

    def prepare(self, Xs, ys, Xt, Xq):
        return {"Xq": Xq}

    def batches(self, settings):
        return [[index] for index in range(len(settings))]

    def solve(self, prepared, settings):
        said = Path("outside.txt").read_text()
        if said.startswith("fail") and settings[0]["power"] == 2.0:
            raise ValueError("not yet")
        return BatchResult.closed_form(np.full((1, len(prepared["Xq"])), int(said[-1])))
"""


def test_force_takes_no_batch_that_an_earlier_run_left(place, planned):
    place.write("mine.py", DEPENDS_ON_A_FILE)
    outside = place.folder / "outside.txt"
    outside.write_text("fail 0")
    with pytest.raises(AssertionError, match="not yet"):
        planned("features")
    assert list((place.folder / "r").rglob("batch-*.npz"))
    outside.write_text("1")
    planned("features", "force=true")
    (grid,) = (place.folder / "r").rglob("grid.npz")
    assert (np.load(grid)["predictions"] == 1).all()


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


def test_names_of_a_descriptor_and_of_steps_extract_nothing(place, planned):
    write_frames(place)
    planned("frames")
    before = {path: path.stat().st_mtime_ns for path in (place.folder / "c").rglob("*.npz")}
    card = "descriptor/means.yaml"
    for old, new in (("label: Means", "label: M"), ("Means of", "Rows of"), ("me\n", "you\n")):
        place.edit(card, old, new)
    assert n_done(planned("frames", "dry_run=true", "preprocessing.title=other")) == 1
    planned("frames", "preprocessing.title=other")
    assert {path: path.stat().st_mtime_ns for path in before} == before


# Cards of databases as they were released; what they say matters by what is then read.
SHEETS = "corpus.databases.casme2."
BASE = (f"{SHEETS}sheet=one.xlsx", f"{SHEETS}worksheet=Sheet")
READ_OTHERWISE = {
    "sheet": (f"{SHEETS}sheet=two.xlsx",),
    "worksheet": (f"{SHEETS}worksheet=Second",),
    "emotions": (SHEETS + "emotions={happiness: surprise, surprise: positive, disgust: negative}",),
    "release": (f"{SHEETS}release=raw",),
    "folder": (f"{SHEETS}folder=other",),
    "coding": (f"{SHEETS}coding=paper",),
}
READ_ALIKE = {
    "sheet": (f"{SHEETS}sheet=copy.xlsx",),
    "format": (f"+{SHEETS}format=casme2",),
    "release": (f"{SHEETS}release=cropped",),
    "root": ("corpus.root=moved",),
}


@pytest.fixture
def released(place, planned):
    """Run on a tree of CASME II with several sheets and releases, and one of SMIC."""
    pytest.importorskip("openpyxl")
    import shutil

    from cdmer_bench.databases.special_readers import RECODED_2019
    from tests.databases.trees import CASME2_HEADINGS, Sheet, casme2, smic

    tree = casme2(["Cropped"], "reg_img{}.jpg")
    rows = tree.sheets[0].rows
    # One that the sheet of 2019 codes otherwise than the paper's.
    number, name = sorted(RECODED_2019)[0]
    tree.clips[6].subject_folder, tree.clips[6].folder = f"sub{number}", name.upper()
    rows[7][:2] = [number, name.upper()]
    turned = [
        rows[0],
        *([*r[:-1], other[-1]] for r, other in zip(rows[1:], rows[:0:-1], strict=True)),
    ]
    tree.sheets = [
        Sheet("one.xlsx", rows, more={"Second": turned}),
        Sheet("copy.xlsx", rows, more={"Second": turned}),
        Sheet("two.xlsx", turned),
    ]
    tree.write(place.folder)
    raw = casme2(["CASME2-RAW"], "img{}.jpg").change(index=lambda c: c.index + 1)
    raw.sheets = []
    raw.write(place.folder)
    other = casme2(["other", "Cropped"], "reg_img{}.jpg").change(index=lambda c: c.index + 2)
    other.sheets = [Sheet("other/one.xlsx", [list(CASME2_HEADINGS), *rows[1:]])]
    other.write(place.folder)
    smic("VIS", ["VIS"], "reg_{:05d}.bmp").write(place.folder)
    shutil.copytree(place.folder / "data", place.folder / "moved")

    def call(*more):
        words = {word.lstrip("+").partition("=")[0]: word for word in (*BASE, *more)}
        corpus = ("corpus=frames", "corpus.root=data", "task=casme2/smic_vis")
        return planned("frames", *corpus, "data.errors=ignore", *words.values())

    call()
    return call


@pytest.mark.parametrize("change", READ_OTHERWISE)
def test_what_a_card_of_a_release_has_read_otherwise_changes_the_key(released, change):
    assert n_done(released("dry_run=true")) == 1
    assert n_done(released("dry_run=true", *READ_OTHERWISE[change])) == 0


@pytest.mark.parametrize("change", READ_ALIKE)
def test_what_a_card_of_a_release_has_read_alike_changes_nothing(released, change):
    assert n_done(released("dry_run=true", *READ_ALIKE[change])) == 1


def clips_table(folder: Path) -> list[dict]:
    return [
        {"database": path.parent.name, "clip": path.name, "subject": path.name[:2],
         "label": ["low", "mid", "high"][i % 3], "folder": str(path), "first": 0, "last": 3,
         "pattern": "{n}.png"}
        for database in ("one", "two")
        for i, path in enumerate(sorted((folder / database).iterdir()))
    ]  # fmt: skip


def every(**values):
    return lambda rows: [row | values for row in rows]


def only_first(**values):
    return lambda rows: [rows[0] | values, *rows[1:]]


TABLE_OTHERWISE = {
    "label": only_first(label="high"),
    "subject": only_first(subject="other"),
    "clip": lambda rows: rows[1:],
    "first": every(first=1),
    "last": every(last=2),
    "folder": lambda rows: [rows[0] | {"folder": rows[3]["folder"]}, *rows[1:]],
    "box": every(x=0, y=0, width=10, height=10),
}
TABLE_ALIKE = {
    "a free column": every(remark="seen"),
    "its name": lambda rows: rows,
    "the same frames by another pattern": every(pattern="", first="", last=""),
}


@pytest.fixture
def tabled(place, planned):
    """Run on the frames by a clips table, whose rows a function may change first."""
    import pandas as pd

    write_frames(place)

    def call(*more, change=lambda rows: rows, name="clips.csv"):
        rows = change(clips_table(place.folder))
        pd.DataFrame(rows).to_csv(place.folder / name, index=False)
        table = f"corpus.table={place.folder / name}"
        return planned("frames", "corpus=clips", table, *more)

    call()
    return call


@pytest.mark.parametrize("change", [*TABLE_OTHERWISE, *TABLE_ALIKE])
def test_what_a_clips_table_says_changes_the_key_and_what_it_says_beside_does_not(tabled, change):
    changes = TABLE_OTHERWISE | TABLE_ALIKE
    said = tabled("dry_run=true", change=changes[change], name="another.csv")
    assert n_done(said) == (change in TABLE_ALIKE)


def test_classes_of_a_clips_table_change_the_key(tabled):
    assert n_done(tabled("dry_run=true", "corpus.classes=[high,low,mid]")) == 1  # by name
    assert n_done(tabled("dry_run=true", "corpus.classes=[low,mid,high]")) == 0


WITH_RULE = "the rule with all it has"
# By the fields of each kind of card, the row above that changes it.
FIELDS = {
    MethodCard: {
        "_target_": "class of the method", "label": "label of the method",
        "title": "title and citation", "citation": "title and citation",
        "parameters": "parameters of the method", "grid": "grid of the method",
        "grids": "the grid that is run",
    },
    DescriptorCard: {
        "_target_": "class of the descriptor", "label": "label of the features",
        "title": "title of the features", "citation": "title of the features",
        "parameters": "parameters of the descriptor",
    },
    PreprocessingCard: {
        "_target_": "class of the preprocessing", "title": "title of the steps", "crop": "crop",
        "parameters": "rounding",
    },
    TaskCard: {f: f"{f} of the task" for f in ("label", "source", "target")},
    SelectionCard: dict.fromkeys(("name", "title", "citation", "parameters"), WITH_RULE),
    FileFeatureDatabase: {
        "name": "name of a database", "title": "title of a database",
        "letter": "letter of a database", "classes": "classes of the cards",
        "synthetic": "data that are generated", "counts": "counts that are expected",
        "root": "root of the files", "files": "files of the card",
        "features": "features of the card", "labels": "labels of the card",
        "subjects": "subjects of the card", "first_label": "first_label of the card",
        "label_map": "label_map of the card", "layout": "layout of the card",
        "blocks": "blocks of the cards", "normalise": "normalise of the card",
    },
    FrameDatabase: {f: f for f in (*READ_OTHERWISE, *READ_ALIKE)},
}  # fmt: skip


@pytest.mark.parametrize("kind", FIELDS)
def test_each_field_of_each_kind_of_card_has_a_row(kind):
    rows = {*DEPENDING, *INDEPENDENT, *EXTRACTED, *READ_OTHERWISE, *READ_ALIKE}
    assert set(FIELDS[kind].values()) <= rows
    known = FIELDS[kind] | (FIELDS[FileFeatureDatabase] if kind is FrameDatabase else {})
    assert {f.name for f in fields(kind) if f.init} <= set(known)
