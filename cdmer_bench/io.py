"""Files: whole writing, checked reading, content hashes, locks, and texts and lists to be shown."""

import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cdmer_bench.errors import UserError

T = TypeVar("T")
K = TypeVar("K")

_TEMPORARY = ".writing-"  # begins the names of files that are being written


def content_key(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``content``: same content, same key."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return what JSON can hold in the place of a value of NumPy's, a tuple or a set."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple | set):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


def user_path(text: str | Path) -> Path:
    """Return a path that the user gave, with ``~`` as a home folder."""
    if "\0" in str(text):
        raise UserError(f"{str(text)!r} holds a zero byte, which no path may; write it anew")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(
            f"{text} begins with the home of a user that this machine does not know; "
            "write ~/ for your own"
        ) from None


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content; read again once anything about the file changed."""
    path.open("rb").close()  # where it cannot be read, the caller says so
    return files_hash([path])


def files_hash(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of files, remembered by their paths, sizes, times of change and inodes."""
    files = [Path(path) for path in paths]
    state = content_key([_state(path) for path in files])
    if state not in _hashes:
        each = [_hash_content(path) for path in files]
        whole = each[0] if len(each) == 1 else content_key(each)
        if _UNREADABLE in each:  # it may be readable the next time
            return whole
        _hashes[state] = whole
    return _hashes[state]


_hashes: dict[str, str] = {}
_UNREADABLE = "unreadable"  # in place of a hash
_MOST_HASHES = 20_000  # in the file; about 3 MB


def remember_hashes(folder: Path) -> None:
    """Take up the hashes of files that :func:`keep_hashes` left in a folder."""
    with suppress(OSError, ValueError, TypeError):  # none, or a damaged one: files are read again
        _hashes.update(json.loads((folder / "hashes.json").read_bytes()))


def keep_hashes(folder: Path) -> None:
    """Keep the hashes of files in a folder that exists, for later commands; if it cannot, go on."""
    kept = dict(list(_hashes.items())[-_MOST_HASHES:])
    data = json.dumps(kept).encode()
    path = folder / "hashes.json"
    with suppress(OSError, UserError):
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)


def _state(path: Path) -> list[str | int]:
    try:
        state = path.stat()
    except OSError:
        return [str(path)]
    times = state.st_mtime_ns, state.st_ctime_ns
    return [str(path.absolute()), state.st_size, *times, state.st_dev, state.st_ino]


def _hash_content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return _UNREADABLE


def array_hash(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and values."""
    whole = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{whole.dtype.str} {whole.shape}".encode())
    digest.update(whole.data if whole.size else b"")
    return digest.hexdigest()


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn a failed write into one sentence that names the folder and the way out."""
    try:
        yield
    except OSError as error:
        reasons = {
            # NumPy gives no number when less was written than asked for.
            None: "it was not written whole, as when the disk is full; free some space",
            errno.ENOSPC: "the disk is full; free some space",
            errno.EDQUOT: "your disk quota is used up; free some space",
            errno.EACCES: "you may not write there; choose another folder",
            errno.EPERM: "you may not write there; choose another folder",
            errno.EROFS: "it is read-only; choose another folder",
            errno.ENOTDIR: "a part of the path is a file; choose another folder",
            errno.EEXIST: "a file of that name is in the way; choose another folder",
            errno.ELOOP: "a link is in the way; remove it, or choose another folder",
        }
        reason = reasons.get(error.errno, f"{error.strerror}; choose another folder")
        raise UserError(
            f"cannot write {path}: {reason} (results.dir=... for results, "
            "cache.dir=... for features); what was already stored is intact"
        ) from None


def write_atomically(path: Path, data: bytes, tidy: bool = True) -> None:
    """Write a file as a whole or not at all; remove what killed processes left beside it."""
    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = open_temporary(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(temporary, file_mode())
                os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    if tidy:
        remove_leftovers(path.parent)


def open_temporary(folder: Path) -> tuple[int, str]:
    """Make a file that is locked while it is open; later :func:`remove_leftovers` may remove it."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(temporary):
            return handle, temporary
        os.close(handle)  # taken for a leftover before it was locked


def remove_leftovers(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote into a folder."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
            finally:
                os.close(handle)


@contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a file while the block runs; yields False if another process has it."""
    from filelock import FileLock, Timeout

    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path, blocking=wait, fallback_to_soft=False)
    try:
        held.acquire()
    except Timeout:
        yield False
        return
    except PermissionError as error:
        with clear_errors(path):
            raise error
    except OSError as error:
        raise UserError(
            f"{path} cannot be locked ({error.strerror}), which keeps runs from disturbing each "
            "other; choose a folder on a file system with locks (results.dir=... for results, "
            "cache.dir=... for features)"
        ) from None
    try:
        yield True
    finally:
        held.release()


def remove(path: Path) -> None:
    """Remove a folder with everything in it, or a link itself; what cannot be removed stays."""
    if path.is_symlink():
        with suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def file_mode() -> int:
    """Return the mode of a new file under the umask; that of temporary files is always 0600."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def pack_arrays(arrays: Mapping[str, np.ndarray], compressed: bool = True) -> bytes:
    """Return an ``.npz`` archive whose bytes depend on the arrays alone (no time stamps)."""
    buffer, kind = io.BytesIO(), zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(info, member.getvalue(), kind, compresslevel=1)
    return buffer.getvalue()


def read_arrays(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file, all by default; the archive's checksums are verified."""
    if path.is_dir():
        raise ValueError(f"{path.name} is a folder")
    with path.open("rb") as file:
        data = file if names else io.BytesIO(file.read())
        try:
            with np.load(data, allow_pickle=False) as archive:
                check_archive_size(archive.zip, path)
                return {name: archive[name] for name in names or archive.files}
        except UserError:
            raise
        except Exception as error:  # zipfile, zlib and numpy each raise their own kinds
            raise ValueError(f"{type(error).__name__}: {error}") from None


def intact(path: Path, read: Callable[[], T], cure: str) -> T | None:
    """Return what ``read`` finds; None if nothing is there, or it was damaged and is set aside."""
    try:
        return read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise UserError(f"{path} cannot be read by you; {cure}") from None
    except UserError:
        raise
    except KeyError as error:
        set_aside(path, f"it holds no {error.args[0]}")
    except (ValueError, TypeError, AttributeError, IsADirectoryError) as error:
        set_aside(path, str(error))
    return None


def read_entry(path: Path, key: str, cure: str, *names: str) -> dict[str, np.ndarray] | None:
    """Return arrays of a file that names its key, as :func:`intact`; all by default."""

    def read() -> dict[str, np.ndarray]:
        arrays = read_arrays(path, *names)
        if str(arrays["key"]) != key:
            raise ValueError("its key is another one, so it is another entry")
        return arrays

    return intact(path, read, cure)


def set_aside(path: Path, reason: str) -> None:
    """Rename what is damaged, so that it is computed again, or pass it over; warn of it once."""
    for number in range(1000):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            break
    try:
        os.replace(path, aside)
    except FileNotFoundError:
        return  # another process was faster
    except OSError as error:
        outcome = f"it could not be set aside ({error.strerror}) and is passed over"
    else:
        outcome = f"it was set aside as {aside.name} and is computed again"
    warnings.warn(f"{path} is damaged ({reason}); {outcome}", stacklevel=2)


def memory_limit() -> int:
    """Return the bytes that one file may take when unpacked: half of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def check_size(
    n_bytes: int,  # what the file says that it holds
    path: Path,  # names the file in the error
    limit: int | None = None,  # bytes; None is :func:`memory_limit`
) -> None:
    """Refuse a file that would fill the memory; a small one may unpack to a thousand times more."""
    most = memory_limit() if limit is None else limit
    if n_bytes > most:
        raise UserError(
            f"{path} would take {n_bytes / 1e9:.3g} GB when unpacked, and at most "
            f"{most / 1e9:.3g} GB are allowed; check that it is the right file"
        )


def check_archive_size(archive: zipfile.ZipFile, path: Path, limit: int | None = None) -> None:
    """Refuse a zip archive (``.npz``, ``.xlsx``) whose members together would; see check_size."""
    check_size(sum(member.file_size for member in archive.infolist()), path, limit)


def check_quotes(text: str, separator: str, path: Path) -> None:
    """Refuse a CSV text with a quotation mark that is not closed: its rows would run together."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for _ in rows:
            pass
    except csv.Error as error:
        raise UserError(
            f"{path} has a quotation mark that is not closed, so that rows run together (found up "
            f"to line {rows.line_num}: {error}); close or remove it"
        ) from None


# Control characters, invisible formatting such as a change of direction, and halves of characters
# that no encoding can write.
_HIDDEN = ("Cc", "Cf", "Cs")


def visible(text: str) -> str:
    """Drop control characters other than line breaks and tabs: none from a file is printed."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)


def one_line(text: str) -> str:
    """Drop line breaks and control characters, which a label of the user's own may hold."""
    return visible(" ".join(text.split()))


def gathered(pairs: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    """Return the values of each key, keys and values in the order given."""
    found: dict[K, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
