"""The results folder: one folder for each finished cell, one file for each finished batch."""

import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.io import (
    clear_errors,
    content_key,
    intact,
    lock,
    pack_arrays,
    read_arrays,
    remove,
    user_path,
    write_atomically,
)
from cdmer_bench.results.record import (
    SELECTION_INPUTS,
    CellRecord,
    OtherFormat,
    record_of,
)

_FILES = ("record.json", "grid.npz")
_CURE = "set results.dir to another"
CLAIM_WAIT = 0.5  # seconds between two looks at a cell that another run has claimed

T = TypeVar("T")


def safe_name(text: str) -> str:
    """Return ``text`` as the name of one folder: no separator, no leading dot."""
    return re.sub(r"[^A-Za-z0-9_+-]", "_", text)[:80] or "_"


class ResultsStore:
    """Finished cells, finished batches of unfinished cells, and failures.

    ``cells/<task>/<descriptor>/<method>-<key>/`` holds ``record.json``, ``grid.npz`` and, where a
    run recorded what further selection rules need, ``selection.npz``;
    ``unfinished/<key>/`` what a cell in progress has so far; ``failures/<key>.json`` why a cell
    failed last time. Folders of several machines can be merged by copying ``cells``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder).absolute()

    def check_writable(self) -> None:
        """Raise a UserError if nothing can be stored here."""
        with clear_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()

    def cell_folder(self, task: str, descriptor: str, method: str, key: str) -> Path:
        """Return where a cell's record lies."""
        names = safe_name(task), safe_name(descriptor), f"{safe_name(method)}-{key[:32]}"
        return self.folder.joinpath("cells", *names)

    def folder_of(self, record: CellRecord) -> Path:
        """Return where a record lies, or will lie."""
        return self.cell_folder(record.task, record.descriptor, record.method, record.key)

    def load(self, folder: Path) -> CellRecord | None:
        """Load a cell; None if it is not there, or was damaged and has been set aside."""
        try:
            record = intact(folder, lambda: self._whole(folder), _CURE)
        except OtherFormat as other:
            if not other.is_newer:
                raise
            raise UserError(
                f"{folder / 'record.json'} {other}; update cdmer-bench, or name another results "
                "folder"
            ) from None
        if record is not None:
            path = folder / "selection.npz"
            inputs = intact(path, lambda: record.checked_inputs(read_arrays(path)), _CURE)
            record.extras.update(inputs or {})
        return record

    def _whole(self, folder: Path) -> CellRecord:
        try:
            content = unseal((folder / "record.json").read_bytes())
            record = record_of(content, read_arrays(folder / "grid.npz"))
        except (FileNotFoundError, NotADirectoryError):
            missing = [name for name in _FILES if not (folder / name).exists()]
            if not missing:
                return self._whole(folder)  # it was being replaced at that moment
            if folder.is_dir():
                raise ValueError(f"{missing[0]} is missing") from None
            raise
        if folder.name != self.folder_of(record).name:
            raise ValueError("it holds the record of another cell")
        return record

    def save_content(self, record: CellRecord) -> None:
        """Store anew what a record says beside its arrays, which stay as they are."""
        folder = self.folder_of(record)
        write_atomically(folder / "record.json", seal(record.content()))

    def save_selection_inputs(self, record: CellRecord) -> None:
        """Store the selection inputs among ``extras`` beside the record, which stays as it is."""
        folder = self.folder_of(record)
        write_atomically(folder / "selection.npz", pack_arrays(record.selection_inputs()))

    def save(self, record: CellRecord) -> None:
        """Store a finished cell as a whole: its folder appears only when complete."""
        folder = self.folder_of(record)
        building = self.unfinished(record.key) / "building"
        with clear_errors(self.folder):
            remove(building)
            write_atomically(building / "grid.npz", pack_arrays(record.arrays()))
            write_atomically(building / "record.json", seal(record.content()))
            if set(SELECTION_INPUTS) & set(record.extras):
                packed = pack_arrays(record.selection_inputs())
                write_atomically(building / "selection.npz", packed)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                # Moved as a whole, so that no reader and no killed run sees a part of it.
                replaced = self.unfinished(record.key) / "replaced"
                remove(replaced)
                os.replace(folder, replaced)
            os.replace(building, folder)
        self._failure_path(record.key).unlink(missing_ok=True)
        self.forget_unfinished(record.key)

    def records(self) -> list[CellRecord]:
        """Load every finished cell, in the order of their paths; warn once of older versions'."""
        return self._records()[0]

    def older(self) -> list[Path]:
        """Return the folders of cells that an older version of this package made."""
        return self._records()[1]

    def _records(self) -> tuple[list[CellRecord], list[Path]]:
        records, older, elsewhere = [], [], []
        for folder in sorted(self.folder.glob("cells/*/*/*-*")):
            if ".damaged-" in folder.name or not folder.is_dir():
                continue
            try:
                record = self.load(folder)
            except OtherFormat:
                older.append(folder)
                continue
            if record is None:
                continue
            if folder != (own := self.folder_of(record)):
                elsewhere.append((folder, own))
                if own.is_dir():  # a copy beside it
                    continue
            records.append(record)
        if elsewhere:
            folder, own = elsewhere[0]
            warnings.warn(
                f"{self.folder}: {len(elsewhere)} cells were copied or moved out of their places "
                f"(first: {folder.relative_to(self.folder)}, whose place is "
                f"{own.relative_to(self.folder)}); those that are in their places too are left "
                "out: move the others back, where runs find them, and remove the copies",
                stacklevel=3,
            )
        if older:
            warnings.warn(
                f"{self.folder}: {len(older)} cells of an older version of cdmer-bench are left "
                "out, because their keys do not hold all that a result depends on; the same "
                "commands compute them anew, and `cdmer results prune` removes the old ones",
                stacklevel=3,
            )
        return records, older

    def unfinished(self, key: str) -> Path:
        """Return the folder of what a cell in progress has so far."""
        return self.folder / "unfinished" / key[:32]

    def batch_path(self, key: str, part: int | str, batch: int) -> Path:
        """Return where the result of a finished batch of a part lies."""
        return self.unfinished(key) / f"batch-{part}-{batch:05d}.npz"

    def load_batch(
        self, key: str, part: int | str, batch: int, unpack: Callable[[dict[str, np.ndarray]], T]
    ) -> T | None:
        """Load a finished batch; None if it is not there, or was damaged and is set aside."""
        path = self.batch_path(key, part, batch)
        return intact(path, lambda: unpack(read_arrays(path)), _CURE)

    def forget_unfinished(self, key: str) -> None:
        """Remove what is left of a cell in progress."""
        remove(self.unfinished(key))

    def has_leftovers(self, key: str) -> bool:
        """Whether there are batches or a claim of a cell, left by a run that was killed."""
        return self.unfinished(key).exists() or self._claim_path(key).exists()

    def save_failure(self, key: str, failure: dict[str, Any]) -> None:
        """Record why a cell failed; it is run again the next time."""
        write_atomically(self._failure_path(key), seal(failure))

    def failure(self, key: str) -> dict[str, Any] | None:
        """Return why the cell failed last time, or None."""
        path = self._failure_path(key)
        return intact(path, lambda: unseal(path.read_bytes()), _CURE)

    def failures(self) -> list[dict[str, Any]]:
        """Return every recorded failure."""
        found = [self.failure(path.stem) for path in sorted(self.folder.glob("failures/*.json"))]
        return [failure for failure in found if failure is not None]

    def _failure_path(self, key: str) -> Path:
        return self.folder / "failures" / f"{key}.json"

    def _claim_path(self, key: str) -> Path:
        return self.folder / "claims" / f"{key[:32]}.lock"

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Claim a cell by a lock, which ends with the process; yields False if another has it."""
        path = self._claim_path(key)
        with lock(path) as held:
            yield held
            if held:
                path.unlink(missing_ok=True)


def seal(content: dict[str, Any]) -> bytes:
    """Return a JSON file that holds ``content`` and the SHA-256 of its canonical JSON."""
    sealed = {"content": content, "sha256": content_key(content)}
    return (json.dumps(sealed, indent=1, sort_keys=True) + "\n").encode()


def unseal(data: bytes) -> dict[str, Any]:
    """Undo :func:`seal`."""
    try:
        sealed = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(sealed, dict) or not isinstance(sealed.get("content"), dict):
        raise ValueError("it holds no record")
    content: dict[str, Any] = sealed["content"]
    if content_key(content) != sealed.get("sha256"):
        raise ValueError("its checksum does not fit its content")
    return content
