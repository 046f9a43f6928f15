"""Folders of frames on disk: the scan of a tree, and clips made of their files."""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Clip
from cdmer_bench.databases.coding_sheet import SHEET_SUFFIXES
from cdmer_bench.databases.image_files import frame_number, is_image, read_grey
from cdmer_bench.errors import DataMissing, UserError, nearest_neighbour
from cdmer_bench.io import content_key, files_hash

# `cdmer data synthesize` leaves this file beside the frames it writes.
SYNTHETIC_NOTICE = "SYNTHETIC.txt"
MAX_DEPTH = 12  # folders below the root; released trees need at most 8


@dataclass(frozen=True)
class ClipFolder:
    """A folder with images directly in it, or a folder with nothing below it."""

    path: Path  # absolute
    # names of the images, in no particular order; empty for a clip without frames
    files: tuple[str, ...]
    # names of the folders from the root's own to this one; no folder above the root counts
    parts: tuple[str, ...]

    @cached_property
    def frames(self) -> list[tuple[int, str]]:
        """Number and name of the numbered images, in order of the number."""
        numbered = ((frame_number(name), name) for name in self.files)
        return sorted((number, name) for number, name in numbered if number is not None)


@dataclass(frozen=True)
class FrameClip(Clip):
    """A clip whose frames are image files."""

    name: str
    subject: str
    label: int
    files: tuple[Path, ...]  # in time order
    emotion: str = ""  # the emotion in the database's own words
    # left, top, width and height of the face; None takes the whole picture
    box: tuple[int, int, int, int] | None = None

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """Hash of the frames' content and the box; remembered while the files stay as they are."""
        content = files_hash(self.files)
        return content if self.box is None else content_key([content, self.box])

    def frames(self) -> NDArray:
        """Read the frames, shape (T, height, width), uint8, or float64 for 16-bit files."""
        images = [read_grey(path) for path in self.files]
        for path, image in zip(self.files, images, strict=True):
            if image.shape != images[0].shape:
                raise UserError(
                    f"{path} is {image.shape[1]} x {image.shape[0]} pixels, but the clip's first "
                    f"frame {images[0].shape[1]} x {images[0].shape[0]}; restore the original file"
                )
        clip = np.stack(images)
        if self.box is None:
            return clip
        x, y, width, height = self.box
        if x + width > clip.shape[2] or y + height > clip.shape[1]:
            raise UserError(
                f"the box {x}, {y}, {width}, {height} of clip {self.name} leaves its frames of "
                f"{clip.shape[2]} x {clip.shape[1]} pixels; correct the clips table"
            )
        return clip[:, y : y + height, x : x + width]


def files_of(
    folder: Path,
    # such as ``img{n}.jpg``, where ``{n}`` is the number with or without leading zeros; '' takes
    # all images, by the last number in the name
    pattern: str,
) -> dict[int, list[str]]:
    """Return by number the names of a folder's images that have the form of a pattern."""
    before, _, after = pattern.partition("{n}")
    form = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}")
    numbered: dict[int, list[str]] = defaultdict(list)
    for name in sorted(os.listdir(folder)):
        if pattern:
            told = form.fullmatch(name)
            number = int(told[1]) if told else None
        else:
            number = frame_number(name) if is_image(name) else None
        if number is not None:
            numbered[number].append(name)
    return dict(sorted(numbered.items()))


def scan_tree(
    root: Path,
    # called with the OSError of each folder that may not be listed; such a folder is passed by
    unreadable: Callable[[OSError], object] | None = None,
) -> tuple[list[ClipFolder], list[tuple[Path, tuple[str, ...]]]]:
    """List the folders that could be clips, and all files of tables with their parts, below a root.

    Links to folders are followed; a folder that can be reached twice counts once.
    """
    if not root.is_dir():
        raise DataMissing(
            f"{root} is not a folder; {nearest_neighbour(root)}give the folder of the databases "
            "with corpus.root=DIR"
        )
    folders, sheets = [], []
    top = Path(os.path.abspath(root))
    visited: set[tuple[int, int]] = set()  # a link to a folder above would lead in a circle
    for place, subfolders, names in os.walk(top, onerror=unreadable, followlinks=True):
        state = os.stat(place)
        if (state.st_dev, state.st_ino) in visited:
            subfolders.clear()
            continue
        visited.add((state.st_dev, state.st_ino))
        parts = (top.name, *Path(place).relative_to(top).parts)
        subfolders[:] = sorted(
            name for name in subfolders
            if not name.startswith((".", "@")) and len(parts) <= MAX_DEPTH  # @eaDir: of a NAS
        )  # fmt: skip
        images = tuple(name for name in names if is_image(name))
        if images or not subfolders:
            folders.append(ClipFolder(Path(place), images, parts))
        sheets += [
            (Path(place) / name, (*parts, name))
            for name in names
            if name.lower().endswith(SHEET_SUFFIXES) and not name.startswith((".", "~$"))
        ]
    return sorted(folders, key=lambda folder: folder.path), sorted(sheets)


def is_synthetic(place: Path) -> bool:
    """Tell whether a notice of generated frames lies near: above, in, or two folders below."""
    if any((folder / SYNTHETIC_NOTICE).exists() for folder in (place, *place.resolve().parents)):
        return True
    return any(any(place.glob(f"{depth}{SYNTHETIC_NOTICE}")) for depth in ("*/", "*/*/"))
