"""What a file would take in memory, checked before it is unpacked."""

import os
import zipfile
from pathlib import Path

from cdmer_bench.errors import UserError


def memory_limit() -> int:
    """Return the bytes that one file may take when unpacked: half of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def check_size(n_bytes: int, path: Path, limit: int | None = None) -> None:
    """Refuse a file that would fill the memory; a small one may unpack to a thousand times more.

    Parameters
    ----------
    n_bytes
        What the file says that it holds.
    path
        Names the file in the error.
    limit
        Bytes; None is :func:`memory_limit`.

    Raises
    ------
    UserError
        If it is more than ``limit``.
    """
    most = memory_limit() if limit is None else limit
    if n_bytes > most:
        raise UserError(
            f"{path} would take {n_bytes / 1e9:.3g} GB when unpacked, and at most "
            f"{most / 1e9:.3g} GB are allowed; check that it is the right file"
        )


def check_archive_size(archive: zipfile.ZipFile, path: Path, limit: int | None = None) -> None:
    """Refuse a zip archive (``.npz``, ``.xlsx``) whose members together would; see check_size."""
    check_size(sum(member.file_size for member in archive.infolist()), path, limit)
