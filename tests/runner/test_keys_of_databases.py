"""Keys hold what the cards of released databases and clips tables have read."""

from pathlib import Path

import pytest

from tests.runner.own_cards import n_done, write_frames

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
    "nothing": (),
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

    from cdmer_bench.databases.frames import RECODED_2019
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
