"""Bringing the authors' released features to this machine, and checking what arrived."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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

REPOSITORY = "jiangxingxun/Seeking_Salient_Facial_Region"
COMMIT = "0ceef18ea3f5cb7a4cb0dac049b6250ffe075a01"
FOLDER = "data/3class"
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
    blob: str  # git's id of the content: SHA-1 of ``blob <length>``, a zero byte, and the content
    sha256: str | None = None  # none where no copy was at hand to measure

    @property
    def address(self) -> str:
        """Where the file can be downloaded from."""
        return f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/{FOLDER}/{self.name}"


@dataclass(frozen=True)
class FetchResult:
    """What became of one file."""

    database: str
    name: str
    status: str  # only a verified file is in the destination because of this call
    message: str  # one sentence for the user

    @property
    def usable(self) -> bool:
        """Whether the destination holds the right file."""
        return self.status == "verified"


RELEASED_FILES = (
    ReleasedFile(
        "casme2",
        released_file("casme2", "lbp_top_r3p8"),
        "871c42b4eedc9857b1e533144400a67ad77fafb4",
        "632a656ccba4990cf83acb57bcaa6d92b410279848cfafe8f3191c473f98f3fa",
    ),
    ReleasedFile(
        "smic_hs",
        released_file("smic_hs", "lbp_top_r3p8"),
        "600e2166c33f0fb56248d1d775bbba1e6e9d1189",
    ),
    ReleasedFile(
        "smic_vis",
        released_file("smic_vis", "lbp_top_r3p8"),
        "4dd7765f1fbfa3c20d3d8d76ec9abab3a7fe9085",
        "a3fc2efd6cffda6f81ae3d189675a5177671f9103a4a992db9ef133eb02ceef1",
    ),
    ReleasedFile(
        "smic_nir",
        released_file("smic_nir", "lbp_top_r3p8"),
        "5a5b0adabf5b0df4a8dad4b41eb9da5ca9e84eb3",
        "77c4d6c0badeb47ffcb044215c123c2a8f6ba8d9b93514d3cee7eed43278bf2b",
    ),
)


def git_blob_id(path: str | Path) -> str:
    """Return the id that git gives to a file's content, 40 hexadecimal digits."""
    digest = hashlib.sha1(b"blob %d\0" % os.path.getsize(path), usedforsecurity=False)
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def verify_released(path: Path, expected: ReleasedFile) -> str | None:
    """Return None if a file is the released one, else one sentence that says how it differs."""
    blob = git_blob_id(path)
    if blob != expected.blob:
        return f"{path} has the git blob id {blob}, expected {expected.blob}; fetch it again"
    sha256 = file_hash(path)
    if expected.sha256 not in (None, sha256):
        return f"{path} has the SHA-256 {sha256}, expected {expected.sha256}; fetch it again"
    return None


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
        result = _fetch(file, folder, origin)
        say(f"{result.status}: {result.message}")
        results.append(result)
    return results


def _fetch(file: ReleasedFile, folder: Path, origin: Path | None) -> FetchResult:
    place = folder / file.name
    if place.is_file() and verify_released(place, file) is None:
        return FetchResult(file.database, file.name, "verified", f"{place} is in place")
    if origin is not None and not (origin / file.name).is_file():
        return _left(
            file, place, "missing", f"{file.name} is not in {origin}; the other files are usable"
        )
    with clear_errors(folder):
        handle, temporary = open_temporary(folder)
    arrived = Path(temporary)
    try:
        if origin is None:
            _download(file.address, arrived)
        else:
            shutil.copyfile(origin / file.name, arrived)
        difference = verify_released(arrived, file)
        if difference is not None:
            came_from = file.address if origin is None else str(origin / file.name)
            return _left(file, place, "wrong checksum", difference.replace(temporary, came_from))
        os.chmod(arrived, file_mode())
        os.replace(arrived, place)
    except OSError as error:  # what requests raises is one, too
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            with clear_errors(place):
                raise
        where = file.address if origin is None else origin / file.name
        return _left(
            file,
            place,
            "failed",
            f"{where} could not be read ({error}); with the file already on disk, "
            "use 'cdmer data fetch released --from DIR'",
        )
    finally:
        arrived.unlink(missing_ok=True)
        os.close(handle)
    return FetchResult(file.database, file.name, "verified", f"{place} was put in place")


def _left(file: ReleasedFile, place: Path, status: str, message: str) -> FetchResult:
    """Report a file that was not brought; one in the destination that is wrong is named too."""
    if place.is_file():
        message += f" ({place} is there, but is not the released file)"
    return FetchResult(file.database, file.name, status, message)


def _download(address: str, path: Path) -> None:
    import pooch

    pooch.HTTPDownloader(timeout=TIMEOUT)(address, str(path), None)
