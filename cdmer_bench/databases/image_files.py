"""Frames stored as image files: their order by name, and reading them whole or not at all."""

import os
import re
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases import MOST_PIXELS
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing.frames import to_grey

SUFFIXES = (".jpg", ".jpeg", ".bmp", ".png", ".tif", ".tiff")
JPEG, PNG, BMP, TIFF = b"\xff\xd8", b"\x89PNG", b"BM", (b"II*\0", b"MM\0*")


def is_image(name: str) -> bool:
    """Tell whether a name is an image's; hidden files (``._img1.jpg`` of macOS) are not."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def _number_in(name: str) -> re.Match[str] | None:
    """Find the last whole number in a file's name, but not the mark of a copy, as in `img46 (1)`.

    Copies of one frame have one number, so that they are noticed.
    """
    stem = re.sub(r"\s*\(\d+\)$", "", name.rpartition(".")[0] or name)
    return next(reversed(list(re.finditer(r"\d+", stem))), None)


def frame_number(name: str) -> int | None:
    """Return the last whole number in a file's name, None if it has none.

    ``reg_img46.jpg`` is 46, ``006_05562.jpg`` 5562, ``reg_image001234.bmp`` 1234, and
    ``img46 (1).jpg`` 46 again.
    """
    found = _number_in(name)
    return int(found[0]) if found else None


def name_pattern(names: Sequence[str]) -> str:
    """Return what numbered names have in common, such as ``img{n}.jpg``; '' without one form."""
    forms = set()
    for name in names:
        found = _number_in(name)
        assert found is not None
        forms.add(f"{name[: found.start()]}{{n}}{name[found.end() :]}")
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
    # OpenCV turns TIFF by itself.
    return grey if content.startswith(TIFF) else _turn(grey, _orientation(content))


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


def orientation(path: Path) -> int:
    """Return a picture's EXIF orientation, 1 to 8; 1 is upright, or no mark."""
    try:
        return _orientation(path.read_bytes())
    except OSError:
        return 1


def _orientation(content: bytes) -> int:
    start = 0
    if not content.startswith(TIFF):
        sign = b"Exif\0\0" if content.startswith(JPEG) else b"eXIf"
        start = content.find(sign) + len(sign)
        if start < len(sign):
            return 1
    order: Literal["little", "big"] = "little" if content[start : start + 2] == b"II" else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(content[start + place : start + place + size], order)

    first = number(4, 4)  # of the directory: a count, then entries of 12 bytes
    for entry in range(first + 2, first + 2 + 12 * min(number(first, 2), 200), 12):
        if number(entry, 2) == 0x0112:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


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
        return not _has_end_of_jpeg(content)
    if content.startswith(PNG):
        place = 8  # chunks: length, name, content, checksum
        while content[place + 4 : place + 8] != b"IEND":
            if place >= len(content):
                return True
            place += 12 + int.from_bytes(content[place : place + 4], "big")
        return False
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


def _has_end_of_jpeg(content: bytes) -> bool:
    """Follow the segments of a JPEG to its end, past a preview that its header may hold."""
    place = 2
    # After a scan's header comes coded data, in which FF 00 and FF D0 to D7 are no markers.
    while marker := _MARKER.search(content, place):
        place = marker.end()
        if content[place - 1] == 0xD9:
            return True
        place += int.from_bytes(content[place : place + 2], "big")
    return False


_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd8]", re.S)
