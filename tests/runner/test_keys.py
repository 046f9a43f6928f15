"""Keys hold what was used: whatever a result depends on changes them, and nothing else does.

Each change is made on a small corpus of its own, and `cdmer run` tells by its plan whether the
cell is to be computed again. What is shown comes from the cards in use.
"""

from dataclasses import fields

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
from tests.runner.own_cards import HELPERS, edited, made, n_done, stored
from tests.runner.test_keys_of_databases import READ_ALIKE, READ_OTHERWISE
from tests.runner.test_keys_of_features import EXTRACTED
from tests.small_corpus import draw_features

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


@pytest.fixture
def ran(place, planned):
    """What `planned` does after a run on files with more than is read of them."""
    place.features("two", 2, 15, **MORE)
    place.features("one", 1, 18, whom=np.array([f"x{i // 2}" for i in range(18)]))
    planned("features")
    return planned


def test_the_same_words_find_the_cell(ran):
    assert n_done(ran("features", "dry_run=true")) == 1


@pytest.mark.parametrize("change", DEPENDING)
def test_what_a_cell_depends_on_changes_its_key(place, ran, change):
    if change in SAME_WIDTH:
        place.edit(CARD, "blocks: {n_blocks: 5}", "blocks: null")
    words = made(DEPENDING[change], place)
    assert n_done(ran("features", "dry_run=true", *words)) == 0


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


def test_words_of_the_command_that_change_no_result_compute_nothing(place, planned):
    planned("features")
    before = stored(place)
    for words in WITHOUT_EDIT:
        planned("features", *words)
    assert stored(place) == before


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
