"""Frames stored as image files: finding them, their order, and reading them whole or not at all."""

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases import MOST_PIXELS
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing.frames import to_grey

SUFFIXES = (".jpg", ".jpeg", ".bmp", ".png", ".tif", ".tiff")


_COPY = re.compile(r"\s*\(\d+\)$")  # the mark of a copy is no number: `img46 (1).jpg`


def frame_number(name: str) -> int | None:
    """Return the last whole number in a file's name, None if it has none.

    ``reg_img46.jpg`` is 46, ``006_05562.jpg`` 5562, ``reg_image001234.bmp`` 1234, and
    ``img46 (1).jpg`` 46 again.
    """
    digits = re.findall(r"\d+", _COPY.sub("", name.rpartition(".")[0] or name))
    return int(digits[-1]) if digits else None


def name_pattern(names: Sequence[str]) -> str:
    """Return what names have in common, such as ``img{n}.jpg``; '' if they have no one form."""
    forms = set()
    for name in names:
        stem = _COPY.sub("", name.rpartition(".")[0] or name)
        digits = list(re.finditer(r"\d+", stem))[-1]
        forms.add((name[: digits.start()], name[digits.end() :]))
    prefix, suffix = forms.pop()
    return f"{prefix}{{n}}{suffix}" if not forms else ""


def is_image(name: str) -> bool:
    """Tell whether a name is an image's; hidden files (``._img1.jpg`` of macOS) are not."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def read_grey(path: Path) -> NDArray:
    """Read an image as grey values from 0 to 255.

    Colour is converted as ``0.2989 R + 0.5870 G + 0.1140 B`` and rounded; an alpha channel is
    dropped; 16-bit values are divided by 257 and stay unrounded. A picture is turned as the
    camera's mark (EXIF orientation) says, in JPEG, PNG and TIFF alike.
    """
    import cv2

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

    def decode() -> NDArray | None:
        try:
            return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None

    image, warning = _with_warnings_of_decoder(decode)
    if image is None:
        raise UserError(
            f"{path} is not a readable image, or one of more than {MOST_PIXELS / 1e6:.0f} million "
            "pixels; copy it again"
        )
    if "JPEG" in warning:
        raise UserError(f"{path} is damaged ({warning.splitlines()[0]}); copy it again")
    grey = _to_grey(image, path)
    # OpenCV turns TIFF by itself.
    return grey if _is_tiff(content) else _turn(grey, _orientation(content))


def orientation(path: Path) -> int:
    """Return the mark of a picture that a camera took turned, 1 to 8; 1 is upright or no mark."""
    try:
        return _orientation(path.read_bytes())
    except OSError:
        return 1


def _is_tiff(content: bytes) -> bool:
    return content[:4] in (b"II*\0", b"MM\0*")


def _orientation(content: bytes) -> int:
    start = 0
    if not _is_tiff(content):
        mark = content.find(b"Exif\0\0" if content.startswith(b"\xff\xd8") else b"eXIf")
        if mark < 0:
            return 1
        start = mark + (6 if content.startswith(b"\xff\xd8") else 4)
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


def _with_warnings_of_decoder(decode: Callable[[], NDArray | None]) -> tuple[NDArray | None, str]:
    """Return what ``decode`` returns, and what the C library behind it wrote to standard error.

    libjpeg and libpng have no other way to say through OpenCV that a picture is damaged.
    """
    written = _catcher(os.getpid())
    standard_error = os.dup(2)
    try:
        os.dup2(written, 2)
        image = decode()
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
    """Return the open file of a process that takes what decoders say."""
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _to_grey(image: NDArray, path: Path) -> NDArray:
    if image.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path} holds {image.dtype} values, expected 8 or 16 bits a channel")
    # OpenCV's channels are blue, green, red (and opacity); two channels are grey and opacity.
    coloured = image.ndim == 3 and image.shape[2] >= 3
    grey = to_grey(image[:, :, 2::-1] if coloured else image.reshape(*image.shape[:2], -1)[:, :, 0])
    return grey / 257.0 if image.dtype == np.uint16 else grey  # 65535 becomes 255


def _is_cut_short(content: bytes) -> bool:
    """Tell whether a file ends before its picture does; what follows the picture is no harm."""
    if content.startswith(b"\xff\xd8"):
        return not _has_end_of_jpeg(content)
    if content.startswith(b"\x89PNG"):
        place = 8  # chunks: length, name, content, checksum
        while content[place + 4 : place + 8] != b"IEND":
            if place >= len(content):
                return True
            place += 12 + int.from_bytes(content[place : place + 4], "big")
        return False
    if content.startswith(b"BM"):
        if len(content) < 34:
            return True
        offset, width, height, bits, packing = (
            int.from_bytes(content[place : place + size], "little", signed=True)
            for place, size in ((10, 4), (18, 4), (22, 4), (28, 2), (30, 4))
        )
        row = (width * bits + 31) // 32 * 4  # bytes, padded to four
        return packing in (0, 3) and len(content) < offset + row * abs(height)
    return False


def _has_end_of_jpeg(content: bytes) -> bool:
    """Follow the segments of a JPEG to its end, past a preview that its header may hold."""
    place = 2
    while True:
        # After a scan's header comes coded data, in which FF 00 and FF D0 to D7 are no markers.
        marker = _MARKER.search(content, place)
        if marker is None:
            return False
        place = marker.end()
        if content[place - 1] == 0xD9:
            return True
        place += int.from_bytes(content[place : place + 2], "big")


_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd8]", re.S)
