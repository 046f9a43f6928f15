"""Frames of the synthetic corpus, written in each known layout, come back as the same clips."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from cdmer_bench.databases.frame_checks import check_frames
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.synthetic.database import SyntheticDatabase
from cdmer_bench.databases.synthetic.export import export_database

CHOSEN = {"casme2": (0, 3, 40), "smic_hs": (0, 4, 6), "smic_vis": (0, 4, 6), "smic_nir": (0, 6)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A few clips of each database, as `cdmer data synthesize` writes them."""
    root = tmp_path_factory.mktemp("exported")
    clips = {}
    for name, positions in CHOSEN.items():
        everything = SyntheticDatabase(name).clips()
        clips[name] = [everything[position] for position in positions]
        for clip in clips[name]:
            clip.frames = cache(clip.frames)  # rendered once, to be written and to be compared
        part = SimpleNamespace(name=name, clips=lambda name=name: clips[name])
        export_database(part, root, format="bmp")
    frames = {name: [clip.frames() for clip in chosen] for name, chosen in clips.items()}
    return root, clips, frames


def assert_read_back(exported, name, root):
    _, clips, frames = exported
    read = FrameDatabase(name, root=str(root))
    assert read.synthetic
    back = read.clips()
    assert [(c.name, c.subject, c.label) for c in back] == [
        (c.name, c.subject, c.label) for c in clips[name]
    ]
    for clip, expected in zip(back, frames[name], strict=True):
        assert np.array_equal(clip.frames(), expected)
    assert not [f for f in read.findings if f.severity in ("error", "warning")]


@pytest.mark.parametrize("name", list(CHOSEN))
def test_the_tree_as_it_is_written(exported, name):
    assert_read_back(exported, name, exported[0])


def copy_frames(source, target, rename):
    """Copy images below ``source``; ``rename`` gives the new path from folders and number."""
    for path in sorted(source.rglob("*.bmp")):
        number = int("".join(c for c in path.stem if c.isdigit()))
        place = target / rename(path.relative_to(source).parts, number)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("base", "subject", "file"),
    [
        ("CASME2_RAW_selected/CASME2_RAW_selected", "sub{:02d}", "img{}.bmp"),
        ("CASME2-RAW", "sub{}", "img{}.bmp"),
        ("CASME2_preprocessed_Li Xiaobai/Cropped", "sub{:02d}", "reg_img{}.bmp"),
        ("Cropped-updated/Cropped", "sub{}", "reg_img{:05d}.bmp"),
    ],
)
def test_casme2_rearranged(exported, tmp_path, base, subject, file):
    casme2 = exported[0] / "CASME2"
    copy_frames(
        casme2 / "Cropped",
        tmp_path / base,
        lambda parts, n: f"{subject.format(int(parts[0][3:]))}/{parts[1]}/{file.format(n)}",
    )
    for name in ("CASME2-coding-20140508.xlsx", "SYNTHETIC.txt"):
        (tmp_path / name).write_bytes((casme2 / name).read_bytes())
    assert_read_back(exported, "casme2", tmp_path)


@pytest.mark.parametrize(
    ("camera", "base", "subject", "file"),
    [
        ("HS", "SMIC_all_raw/HS", "s{}", "image{:06d}.bmp"),
        ("HS", "SMIC_all_cropped/HS", "s{:02d}", "reg_image{:08d}.bmp"),
        ("VIS", "SMIC_all_raw/VIS", "s{}", "{:05d}.bmp"),
        ("NIR", "SMIC_all/SMIC_all/NIR", "s{:02d}", "reg_{:05d}.bmp"),
    ],
)
def test_smic_rearranged(exported, tmp_path, camera, base, subject, file):
    def rename(parts, number):
        folder = subject.format(int(parts[0][1:]))
        clip = parts[3].replace(parts[0], folder)
        return f"{folder}/micro/{parts[2]}/{clip}/{file.format(number)}"

    source = exported[0] / "SMIC" / "SMIC_all_cropped"
    copy_frames(source / camera, tmp_path / base, rename)
    (tmp_path / "SYNTHETIC.txt").write_bytes((source / "SYNTHETIC.txt").read_bytes())
    assert_read_back(exported, f"smic_{camera.lower()}", tmp_path)


def test_smic_e_rearranged(exported, tmp_path, sheet_writer):
    base = tmp_path / "SMIC-E_raw image" / "HS_long" / "SMIC-HS-E"
    source = exported[0] / "SMIC" / "SMIC_all_cropped"
    copy_frames(
        source / "HS",
        base,
        lambda parts, n: f"s{int(parts[0][1:]):02d}/{parts[3]}/image{n:06d}.bmp",
    )
    rows = [["Subject", "Filename", "FirstF", "OnsetF", "OffsetF", "Emotion"]]
    for clip in exported[1]["smic_hs"]:
        name = clip.name.split("/")[1]
        rows.append([clip.subject, name, clip.onset, clip.onset, clip.offset, "x"])
        folder = base / f"s{int(clip.subject[1:]):02d}" / name
        for number in (clip.onset - 1, clip.offset + 1):
            first = folder / f"image{clip.onset:06d}.bmp"
            (folder / f"image{number:06d}.bmp").write_bytes(first.read_bytes())
    sheet_writer(base.parent / "SMIC-HS-E_annotation.xlsx", rows)
    back = FrameDatabase("smic_hs", root=str(tmp_path)).clips()
    assert [c.name for c in back] == [c.name for c in exported[1]["smic_hs"]]
    for clip, expected in zip(back, exported[2]["smic_hs"], strict=True):
        assert np.array_equal(clip.frames(), expected)


def test_the_check_says_that_the_frames_are_synthetic(exported):
    lines = check_frames(exported[0], read_images=False).interpretation
    assert sum("these frames are synthetic" in line for line in lines) == 4
