"""What features depend on has them extracted again, and nothing else has."""

import numpy as np
import pytest

from tests.runner.own_cards import edited, made, n_done, times, write_frames


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


def test_the_same_words_find_the_features(place, planned):
    write_frames(place)
    planned("frames")
    before = times(place)
    assert n_done(planned("frames", "dry_run=true")) == 1
    planned("frames")
    assert times(place) == before


@pytest.mark.parametrize("change", EXTRACTED)
def test_what_features_depend_on_has_them_extracted_again(place, planned, change):
    write_frames(place)
    planned("frames")
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
    before = times(place)
    plan = planned("frames", "dry_run=true", "+corpus.databases.two.turned=true")
    assert n_done(plan) == 0
    planned("frames", "+corpus.databases.two.turned=true")
    assert times(place) == before


def test_frames_that_were_moved_are_the_same(place, planned):
    write_frames(place)
    planned("frames")
    for name in ("one", "two"):
        (place.folder / "else").mkdir(exist_ok=True)
        (place.folder / name).rename(place.folder / "else" / name)
    moved = f"corpus.reader.root={place.folder / 'else'}"
    assert n_done(planned("frames", "dry_run=true", moved)) == 1


def test_names_of_a_descriptor_and_of_steps_extract_nothing(place, planned):
    write_frames(place)
    planned("frames")
    before = times(place)
    card = "descriptor/means.yaml"
    for old, new in (("label: Means", "label: M"), ("Means of", "Rows of"), ("me\n", "you\n")):
        place.edit(card, old, new)
    assert n_done(planned("frames", "dry_run=true", "preprocessing.title=other")) == 1
    planned("frames", "preprocessing.title=other")
    assert times(place) == before
