"""Frames as image files: their order by name, reading them whole or not at all, folders, clips."""

import errno
import io
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases import MOST_PIXELS
from cdmer_bench.databases.base import Clip
from cdmer_bench.databases.coding_sheet import SHEET_SUFFIXES
from cdmer_bench.errors import DataMissing, UserError, nearest_neighbour
from cdmer_bench.io import content_key, files_hash
from cdmer_bench.preprocessing.frames import to_grey

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".bmp", ".png", ".tif", ".tiff", ".gif", ".webp",
    ".pgm", ".ppm",
)  # fmt: skip
JPEG, PNG, BMP, GIF, WEBP = b"\xff\xd8", b"\x89PNG", b"BM", b"GIF8", b"RIFF"
TIFF = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"  # the latter two of files beyond 4 GB
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
ORIENTATION = 0x0112  # the EXIF entry of the mark
# `cdmer data synthesize` leaves this file beside the frames it writes.
SYNTHETIC_NOTICE = "SYNTHETIC.txt"


def is_image(name: str) -> bool:
    """Tell whether a name is an image's; hidden files (``._img1.jpg`` of macOS) are not."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def _number_in(name: str) -> re.Match[str] | None:
    """Find the last whole number in a file's name, but no mark of a copy, as in `img46 (1)`."""
    stem = re.sub(r"\s*\(\d+\)$", "", name.rpartition(".")[0] or name)
    return next(reversed(list(re.finditer(r"\d+", stem))), None)


def frame_number(name: str) -> int | None:
    """Return the last whole number in a file's name, such as 5562 in ``006_05562.jpg``, or None."""
    found = _number_in(name)
    return int(found[0]) if found else None


def name_pattern(names: Sequence[str]) -> str:
    """Return what numbered names have in common, such as ``img{n}.jpg``; '' without one form."""
    numbers = ((name, found) for name in names if (found := _number_in(name)))
    forms = {f"{name[: found.start()]}{{n}}{name[found.end() :]}" for name, found in numbers}
    return forms.pop() if len(forms) == 1 else ""


def read_grey(path: Path) -> NDArray:
    """Read an image as grey values from 0 to 255.

    Colour is converted as ``0.2989 R + 0.5870 G + 0.1140 B`` and rounded; an alpha channel is
    dropped; 16-bit values are divided by 257 and stay unrounded. A picture is turned as the
    camera's mark (EXIF orientation) says, in JPEG, PNG and TIFF alike.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); check its permissions, or copy it again"
        ) from None
    if not content:
        raise UserError(f"{path} is empty (0 bytes); copy it again from the original database")
    if _is_cut_short(content):
        raise UserError(f"{path} is cut short ({len(content)} bytes); copy it again")
    if (n := _count_pictures(content)) > 1:
        raise UserError(
            f"{path} holds {n} pictures, expected one; write each frame into its own file"
        )
    image, warning = _decode(content)
    if image is None:
        raise UserError(
            f"{path} is not a readable image, or one of more than {MOST_PIXELS / 1e6:.0f} million "
            "pixels; copy it again"
        )
    if "JPEG" in warning:
        raise UserError(f"{path} is damaged ({warning.splitlines()[0]}); copy it again")
    if image.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path} holds {image.dtype} values, expected 8 or 16 bits a channel")
    # OpenCV's channels are blue, green, red (and opacity); two channels are grey and opacity.
    coloured = image.ndim == 3 and image.shape[2] >= 3
    grey = to_grey(image[:, :, 2::-1] if coloured else image.reshape(*image.shape[:2], -1)[:, :, 0])
    if image.dtype == np.uint16:
        grey = grey / 257.0  # 65535 becomes 255
    if content.startswith(TIFF) or not _may_be_turned(content):  # OpenCV turns TIFF by itself
        return grey
    return _turn(grey, _look(content)[0])


def _decode(content: bytes) -> tuple[NDArray | None, str]:
    """Return an image, if it is one, and what the libraries behind OpenCV wrote on standard error.

    libjpeg and libpng have no other way to say that a picture is damaged.
    """
    import cv2

    written = _catcher(os.getpid())
    standard_error = os.dup(2)
    image: NDArray | None = None
    try:
        os.dup2(written, 2)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pass
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
    size = os.lseek(written, 0, os.SEEK_CUR)
    if not size:
        return image, ""
    text = os.pread(written, size, 0).decode(errors="replace").strip()
    os.lseek(written, 0, os.SEEK_SET)
    os.ftruncate(written, 0)
    return image, text


@lru_cache(maxsize=1)
def _catcher(process: int) -> int:
    """Return the open file of a process that catches the messages of decoders."""
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def mark_and_size(path: Path) -> tuple[int, tuple[int, int] | None]:
    """Return a picture's EXIF orientation (1 is upright), and its width and height, if known."""
    try:
        return _look(path.read_bytes())
    except OSError:
        return 1, None


def _look(content: bytes) -> tuple[int, tuple[int, int] | None]:
    from PIL import Image

    mark, size = 1, None
    # Pillow raises errors of many kinds for what is no picture.
    with suppress(Exception), Image.open(io.BytesIO(content)) as picture:
        size = picture.size
        if _may_be_turned(content):
            mark = picture.getexif().get(ORIENTATION, 1)
    return mark if mark in range(1, 9) else 1, size


def _count_pictures(content: bytes) -> int:
    """Return how many pictures of one size a file holds: of pages of TIFF, of an animation."""
    from PIL import Image

    n, is_moving = 1, content.startswith(PNG) and b"acTL" in content[:200]
    if is_moving or content.startswith((*TIFF, GIF, WEBP)):
        with suppress(Exception), Image.open(io.BytesIO(content)) as picture:
            size = picture.size
            for page in range(1, getattr(picture, "n_frames", 1)):
                picture.seek(page)
                n += picture.size == size
    return n


def _may_be_turned(content: bytes) -> bool:
    return content.startswith(TIFF) or b"Exif\0\0" in content or b"eXIf" in content


def _turn(image: NDArray, mark: int) -> NDArray:
    if mark >= 5:
        image = np.swapaxes(image, 0, 1)
    if mark in (3, 4, 7, 8):
        image = image[::-1]
    if mark in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _is_cut_short(content: bytes) -> bool:
    """Tell whether a file ends before its picture does; bytes after the picture are allowed."""
    if content.startswith(JPEG):
        # The picture's own scan comes after that of a preview in its header.
        return content.rfind(_JPEG_END) <= content.rfind(_JPEG_SCAN) and not _loads(content)
    if content.startswith(PNG):
        return b"IEND" not in content
    if not content.startswith(BMP):
        return False
    if len(content) < 34:
        return True
    offset, width, height, bits, packing = (
        int.from_bytes(content[place : place + size], "little", signed=True)
        for place, size in ((10, 4), (18, 4), (22, 4), (28, 2), (30, 4))
    )
    row = (width * bits + 31) // 32 * 4  # bytes, padded to four
    return packing in (0, 3) and len(content) < offset + row * abs(height)


def _loads(content: bytes) -> bool:
    """Whether Pillow, which refuses pictures without their end, takes a file."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except Exception:  # of many kinds
        return False
    return True


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
    # called with the OSError of each folder that may not be listed and of each link to nothing
    unreadable: Callable[[OSError], object] | None = None,
) -> tuple[list[ClipFolder], list[tuple[Path, tuple[str, ...]]]]:
    """List folders that could be clips, and all files of tables with their parts, below a root."""
    if not root.is_dir():
        raise DataMissing(
            f"{root} is not a folder; {nearest_neighbour(root)}give the folder of the databases "
            "with corpus.root=DIR"
        )
    folders, sheets = [], []
    top = Path(os.path.abspath(root))
    visited = set()  # links are followed; one to a folder above would lead in a circle
    for place, subfolders, names in os.walk(top, onerror=unreadable, followlinks=True):
        if os.path.realpath(place) in visited:
            subfolders.clear()
            continue
        visited.add(os.path.realpath(place))
        parts = (top.name, *Path(place).relative_to(top).parts)
        # A clip that a link names again is known by its own folder's name, which comes first.
        subfolders.sort(key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        subfolders[:] = (name for name in subfolders if not name.startswith((".", "@")))  # @eaDir
        images = tuple(name for name in names if is_image(name))
        for path in (os.path.join(place, name) for name in names if not is_image(name)):
            if unreadable and os.path.islink(path) and not os.path.exists(path):
                unreadable(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path))
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
