"""What may happen to a stored file, for tests of what is then done about it."""

import ctypes
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def flip(data: bytes) -> bytes:
    """Change one bit in the middle; an empty file has none, and gets a byte instead.

    Of an archive in the middle of its largest member: some bits of headers mean nothing.
    """
    if not data:
        return b"\x10"
    middle = len(data) // 2
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            largest = max(archive.infolist(), key=lambda member: member.compress_size)
        header = largest.header_offset + 30 + len(largest.filename)
        middle = header + largest.compress_size // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped bit": flip,
    "truncated": lambda data: data[: len(data) // 3],
    "empty": lambda data: b"",
    "foreign": lambda data: b"\x89PNG, a picture of something else",
}


MAY_OVERRIDE = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH in linux/capability.h


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """Give up the right of root to read and write anywhere."""
    library = ctypes.CDLL(None, use_errno=True)
    version_3, this_process = 0x20080522, 0
    header = (ctypes.c_uint32 * 2)(version_3, this_process)
    before, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    for sets in (before, less):
        assert library.capget(header, sets) == 0
    less[0] &= ~MAY_OVERRIDE  # of the effective ones; those permitted stay, to come back
    assert library.capset(header, less) == 0
    try:
        yield
    finally:
        assert library.capset(header, before) == 0
