"""Frames stored as image files: finding them, their order, and reading them whole or not at all."""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases import MOST_PIXELS
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing.frames import to_grey

SUFFIXES = (".jpg", ".jpeg", ".bmp", ".png", ".tif", ".tiff")


def frame_number(name: str) -> int | None:
    """Return the last whole number in a file's name, None if it has none.

    ``reg_img46.jpg`` is 46, ``006_05562.jpg`` 5562, ``reg_image001234.bmp`` 1234. The mark of a
    copy is no number: ``img46 (1).jpg`` is 46 again.
    """
    stem = re.sub(r"\s*\(\d+\)$", "", name.rsplit(".", 1)[0])
    digits = re.findall(r"\d+", stem)
    return int(digits[-1]) if digits else None


def is_image(name: str) -> bool:
    """Tell whether a name is an image's; hidden files (``._img1.jpg`` of macOS) are not."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def read_grey(path: Path) -> NDArray:
    """Read an image as grey values from 0 to 255.

    Colour is converted as ``0.2989 R + 0.5870 G + 0.1140 B`` and rounded; an alpha channel is
    dropped; 16-bit values are divided by 257 and stay unrounded.

    Returns
    -------
    ndarray of uint8 or float64, shape (height, width)

    Raises
    ------
    UserError
        If the file is empty, cut short, damaged or no image. Decoders fill what is missing of a
        cut file with grey and return it, so the file's end is checked before; of damage inside
        a JPEG they only warn, so a warning counts as damage.
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
    return _to_grey(image, path)


def _with_warnings_of_decoder(decode: Callable[[], NDArray | None]) -> tuple[NDArray | None, str]:
    """Return what ``decode`` returns, and what the C library behind it wrote to standard error.

    libjpeg and libpng have no other way to say through OpenCV that a picture is damaged.
    """
    with tempfile.TemporaryFile() as written:
        standard_error = os.dup(2)
        try:
            os.dup2(written.fileno(), 2)
            image = decode()
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
        written.seek(0)
        return image, written.read().decode(errors="replace").strip()


def _to_grey(image: NDArray, path: Path) -> NDArray:
    if image.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path} holds {image.dtype} values, expected 8 or 16 bits a channel")
    # OpenCV's channels are blue, green, red (and opacity); two channels are grey and opacity.
    coloured = image.ndim == 3 and image.shape[2] >= 3
    grey = to_grey(image[:, :, 2::-1] if coloured else image.reshape(*image.shape[:2], -1)[:, :, 0])
    return grey / 257.0 if image.dtype == np.uint16 else grey  # 65535 becomes 255


def _is_cut_short(content: bytes) -> bool:
    if content.startswith(b"\xff\xd8"):  # JPEG ends with the marker FF D9; cameras may pad it
        return b"\xff\xd9" not in content[-4096:]
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-4096:]
    if content.startswith(b"BM"):  # bytes 2 to 5 of a bitmap are the file's length
        return len(content) < int.from_bytes(content[2:6], "little")
    return False
