"""Bringing the authors' released features to this machine, and checking what arrived."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdmer_bench.databases.base import table
from cdmer_bench.databases.released import released_file
from cdmer_bench.errors import UserError
from cdmer_bench.io import (
    clear_errors,
    file_hash,
    file_mode,
    open_temporary,
    remove_leftovers,
    user_path,
)

ADDRESS = (
    "https://raw.githubusercontent.com/jiangxingxun/Seeking_Salient_Facial_Region/"
    "0ceef18ea3f5cb7a4cb0dac049b6250ffe075a01/data/3class/"
)
TIMEOUT = 60.0  # seconds without an answer
LICENCE_WARNING = (
    "The repository of these files states no licence: use them for checking research results "
    "only, and do not redistribute them."
)


@dataclass(frozen=True)
class ReleasedFile:
    """What is known of a released file."""

    database: str
    name: str
    blob: str  # git's id of the content
    sha256: str | None = None


@dataclass(frozen=True)
class FetchResult:
    """The outcome for one file."""

    name: str
    status: str  # verified, missing, wrong checksum or failed
    message: str  # one sentence for the user

    @property
    def usable(self) -> bool:
        """Whether the destination holds the right file."""
        return self.status == "verified"


RELEASED_FILES = tuple(
    ReleasedFile(database, released_file(database, "lbp_top_r3p8"), *hashes)
    for database, hashes in table("released_files").items()
)


def git_blob_id(path: str | Path) -> str:
    """Return the id that git gives to a file's content, 40 hexadecimal digits."""
    begun = hashlib.sha1(b"blob %d\0" % os.path.getsize(path), usedforsecurity=False)
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: begun).hexdigest()


def fetch_released(
    destination: str | Path,
    source: str | Path | None = None,
    files: tuple[ReleasedFile, ...] = RELEASED_FILES,
    say: Callable[[str], None] = print,
) -> list[FetchResult]:
    """Copy or download the released features into a folder, verifying each file.

    A file that is in the destination already and right is left alone. What cannot be had is
    reported and the rest stays usable. Nothing wrong is ever put in the destination: a file
    arrives under a temporary name, is verified, and is then renamed.

    Parameters
    ----------
    destination : path
        Made if it does not exist.
    source : path, optional
        Folder that has the files already; None downloads them.
    files : tuple of ReleasedFile
    say : callable
        Receives the licence warning and one line a file.

    Returns
    -------
    list of FetchResult
        One for each file, in order.

    Raises
    ------
    UserError
        If ``source`` is no folder or the destination cannot be written.
    """
    folder = user_path(destination)
    origin = None if source is None else user_path(source)
    if origin is not None and not origin.is_dir():
        raise UserError(
            f"{origin} is not a folder; give the one that holds the released .mat files"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be made ({error.strerror}); choose another folder"
        ) from None
    remove_leftovers(folder)
    say(LICENCE_WARNING)
    results = []
    for file in files:
        place = folder / file.name
        status, message = _fetch(file, place, origin)
        if status != "verified" and place.is_file():
            message += f" ({place} is there, but is not the released file)"
        say(f"{status}: {message}")
        results.append(FetchResult(file.name, status, message))
    return results


def _fetch(file: ReleasedFile, place: Path, origin: Path | None) -> tuple[str, str]:
    """Bring a file to its place; return the outcome, and a sentence on it."""
    if place.is_file() and not _difference(place, file):
        return "verified", f"{place} is in place"
    if origin is not None and not (origin / file.name).is_file():
        return "missing", f"{file.name} is not in {origin}; the other files are usable"
    where = ADDRESS + file.name if origin is None else str(origin / file.name)
    with clear_errors(place.parent):
        handle, temporary = open_temporary(place.parent)
    try:
        if origin is None:
            import pooch

            pooch.HTTPDownloader(timeout=TIMEOUT)(where, temporary, None)
        else:
            shutil.copyfile(where, temporary)
        if difference := _difference(Path(temporary), file):
            return "wrong checksum", f"{where} has the {difference}; fetch it again"
        os.chmod(temporary, file_mode())
        os.replace(temporary, place)
    except OSError as error:  # what requests raises is one, too
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            with clear_errors(place):
                raise
        return "failed", (
            f"{where} could not be read ({error}); with the file already on disk, "
            "use 'cdmer data fetch released --from DIR'"
        )
    finally:
        Path(temporary).unlink(missing_ok=True)
        os.close(handle)
    return "verified", f"{place} was put in place"


def _difference(path: Path, expected: ReleasedFile) -> str:
    """Say how a file differs from the released one; empty if it does not."""
    blob, sha256 = git_blob_id(path), file_hash(path)
    if blob != expected.blob:
        return f"git blob id {blob}, expected {expected.blob}"
    right = expected.sha256 in (None, sha256)
    return "" if right else f"SHA-256 {sha256}, expected {expected.sha256}"
