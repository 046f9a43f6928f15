"""Features of whole databases: from files, or extracted clip by clip and kept in a store."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import (
    Account,
    Clip,
    ClipDatabase,
    DamagedClip,
    Database,
    FeatureDatabase,
    FeatureSet,
    content_hash,
    intact_clips,
)
from cdmer_bench.databases.checks import (
    read_clip,
    repeated_clips,
    shared_samples,
    usable_clips,
    usable_fingerprints,
)
from cdmer_bench.databases.clips import CROPPING_CODES
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError, own_code
from cdmer_bench.extraction import Described, describe, stacked
from cdmer_bench.identity import code_hash, identity
from cdmer_bench.io import (
    array_hash,
    clear_errors,
    content_key,
    keep_hashes,
    pack_arrays,
    read_entry,
    remember_hashes,
    remove,
    user_path,
    write_atomically,
)
from cdmer_bench.parallel import Backend, OpenBar, no_bar
from cdmer_bench.preprocessing import Preprocessing

_GLANCE = 256  # features by which most samples can be told apart

Side = tuple[str, str]  # the names of a database and of a descriptor


class Facts(NamedTuple):
    """What is known of features without loading their values."""

    sha256: str  # as of the :class:`~cdmer_bench.databases.base.FeatureSet`
    shape: tuple[int, ...]  # of ``X``
    y: NDArray[np.intp]  # (n_clips,)
    classes: tuple[str, ...]


class FeatureStore:
    """Extracted features, one checked file a key; private, as they derive from licensed clips."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder)
        remember_hashes(self.folder)

    def key(
        self,
        database: ClipDatabase,
        descriptor: Descriptor,
        preprocessing: Preprocessing,
        frames: Sequence[str],  # the clips' fingerprints
    ) -> str:
        """Return the hash of all that the values depend on: code, parameters and frames."""
        reader = type(database)
        key = content_key(
            {
                "descriptor": identity(descriptor),
                "preprocessing": identity(preprocessing),
                "reader": [getattr(reader, "version", 1), code_hash([reader.__module__])],
                "clips": frames,
            }
        )
        if self.folder.is_dir():
            keep_hashes(self.folder)
        return key

    def path(self, database: str, key: str) -> Path:
        """Return where the features of a key lie."""
        return self.folder / "features" / f"{database}-{key[:32]}.npz"

    def save(self, database: str, key: str, X: NDArray[np.float64], used: NDArray[np.intp]) -> None:
        """Store the values of the clips with the indices ``used``."""
        self.make_private()
        arrays = {"X": X, "used": used, "shape": np.array(X.shape)}
        texts = {"key": np.array(key), "sha256": np.array(array_hash(X))}
        write_atomically(self.path(database, key), pack_arrays({**arrays, **texts}))

    def make_private(self) -> None:
        """Make the folder, for its owner only."""
        with clear_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.stat(self.folder).st_uid == os.getuid():
                os.chmod(self.folder, 0o700)

    def load(self, database: str, key: str, *names: str) -> dict[str, NDArray] | None:
        """Load arrays (all by default); None if there are none, or were damaged and set aside."""
        cure = "set cache.dir to a folder of your own"
        return read_entry(self.path(database, key), key, cure, *names)


class Features:
    """The features of a corpus: from files, from the store, or extracted on demand."""

    def __init__(
        self,
        databases: Mapping[str, Database],
        descriptors: Mapping[str, Descriptor],
        preprocessing: Preprocessing,
        store: FeatureStore,
        force: bool = False,
    ) -> None:
        self.databases, self.descriptors = databases, dict(descriptors)
        self.preprocessing, self.store, self.force = preprocessing, store, force
        self._loaded: dict[tuple[str, str], FeatureSet] = {}
        self._facts: dict[str, Facts] = {}  # by the key in the store
        self._extracted: set[tuple[str, str]] = set()
        self._partial: set[str] = set()  # keys of features that lack clips which can be read
        for method in ("key", "clips", "fingerprints", "shared", "_marks", "_account"):
            setattr(self, method, cache(getattr(self, method)))  # asked for by many cells

    def key(self, database: str, descriptor: str) -> str:
        """Return the key under which the features of a database of clips are stored."""
        kind, frames = self.descriptors[descriptor], self.fingerprints(database)
        return self.store.key(self.of_clips(database), kind, self.preprocessing, frames)

    def of_clips(self, database: str) -> ClipDatabase:
        """Return a database that holds clips."""
        found = self.databases[database]
        assert isinstance(found, ClipDatabase)
        return found

    def clips(self, database: str) -> list[Clip]:
        """Return the clips of a database in its order, known to be usable."""
        return usable_clips(self.of_clips(database))

    def fingerprints(self, database: str) -> list[str]:
        """Return the fingerprint of each clip of a database."""
        return usable_fingerprints(self.clips(database), self.databases[database])

    def shared(self, source: str, target: str, descriptor: str) -> str:
        """Say how many samples of the target are in the source too; empty if none is."""
        title, both = self.databases[source].title or source, (source, target)
        of_files = all(isinstance(self.databases[name], FeatureDatabase) for name in both)
        by_name = of_files and all(self.load(name, descriptor).names for name in both)
        said = ""
        for most in (_GLANCE, None):  # whole samples only where beginnings are shared
            here, there = (self._marks(name, descriptor, most, by_name) for name in both)
            said = shared_samples(here, there, title)
            if not said:
                break
        return said

    def _marks(
        self,
        database: str,
        descriptor: str,
        most: int | None,
        by_name: bool,  # whether features are told by their names, in whatever order they stand
    ) -> Sequence[int | str]:
        """Return what tells samples apart: of files, hashes of at most so many features of each."""
        if isinstance(self.databases[database], ClipDatabase):
            return self.fingerprints(database)
        loaded = self.load(database, descriptor)
        X, names = loaded.X.reshape(len(loaded.X), -1), loaded.names
        chosen = np.argsort(names)[:most] if by_name and names else slice(most)
        return [hash(row.tobytes()) for row in np.ascontiguousarray(X[:, chosen])]

    def is_ready(self, database: str, descriptor: str) -> bool:
        """Whether :meth:`load` needs no extraction."""
        if isinstance(self.databases[database], FeatureDatabase):
            self.load(database, descriptor)
            return True
        key = self.key(database, descriptor)
        is_new = (database, descriptor) in self._extracted
        if (self.force or key in self._partial) and not is_new:
            return False
        return self.store.path(database, key).exists()

    def facts(self, database: str, descriptor: str) -> Facts | None:
        """Return what is known of features; None where they are still to be extracted."""
        if not self.is_ready(database, descriptor):
            return None
        if (loaded := self._loaded.get((database, descriptor))) is not None:
            return Facts(loaded.sha256, loaded.X.shape, loaded.y, loaded.classes)
        key = self.key(database, descriptor)
        if key not in self._facts:
            stored = self.store.load(database, key, "key", "sha256", "shape", "used")
            if stored is None:
                return None
            if (database, descriptor) not in self._extracted and self._lacks(database, stored):
                self._partial.add(key)
                return None
            y, subject, _ = self._described(database, stored["used"])
            classes = self.databases[database].classes
            sha256 = content_hash(str(stored["sha256"]), y, subject, classes)
            self._facts[key] = Facts(sha256, tuple(stored["shape"].tolist()), y, classes)
        return self._facts[key]

    def _lacks(self, database: str, stored: Mapping[str, NDArray]) -> bool:
        """Whether clips that were left out can be read by now: a disk may have been away."""
        used = set(stored["used"].tolist())
        left_out = [clip for place, clip in enumerate(self.clips(database)) if place not in used]
        read = (read_clip(clip, self.preprocessing) for clip in left_out)
        return any(not isinstance(found, DamagedClip) for found in read)

    def account(self, database: str, descriptor: str) -> Account:
        """Return what is used of a database and what was noticed about it; read once."""
        of_files = isinstance(self.databases[database], FeatureDatabase)
        return self._account(database, descriptor if of_files else None)

    def _account(self, database: str, descriptor: str | None) -> Account:
        found = self.databases[database]
        with own_code(found, f"reading {found.title or database}"):
            account = found.account(descriptor)
        if isinstance(found, ClipDatabase):
            clips, marks = self.clips(database), self.fingerprints(database)
            again = repeated_clips(clips, marks, account.title)
            account = replace(account, findings=[*account.findings, *again])
        if getattr(self.preprocessing, "crop", "none") != "none":
            # Uncropped frames are no error where the preprocessing crops them.
            kept = [f for f in account.findings if f.code not in CROPPING_CODES]
            account = replace(account, findings=kept)
        return account

    def used(self, database: str, descriptor: str, facts: Facts) -> dict[str, Any]:
        """Return what a record says of the features that were used."""
        account = self.account(database, descriptor)
        counts = np.bincount(facts.y, minlength=len(facts.classes))
        of_files = isinstance(self.databases[database], FeatureDatabase)
        n_listed = None if of_files else len(self.clips(database))
        return {
            "database": database,
            "title": account.title,
            "features": facts.sha256,
            "n_clips": len(facts.y),
            "n_expected": n_listed if account.n_expected is None else account.n_expected,
            "class_counts": dict(zip(facts.classes, counts.tolist(), strict=True)),
            "findings": account.n_findings(),
            # What was done to features of files, such as a normalisation, for captions.
            "remarks": [finding.text for finding in account.findings] if of_files else [],
        }

    def _described(
        self, database: str, used: NDArray
    ) -> tuple[NDArray[np.intp], NDArray[np.str_], tuple[str, ...]]:
        """Return the class, the subject and the name of each clip that is used."""
        chosen = [self.clips(database)[index] for index in used]
        return (
            np.array([clip.label for clip in chosen], dtype=np.intp),
            np.array([clip.subject for clip in chosen], dtype=np.str_),
            tuple(clip.name for clip in chosen),
        )

    def load(self, database: str, descriptor: str) -> FeatureSet:
        """Return features that are ready; extract them otherwise, clip after clip."""
        pair, found = (database, descriptor), self.databases[database]
        if pair not in self._loaded:
            if isinstance(found, FeatureDatabase):
                with own_code(found, f"loading the features of {found.title or database}"):
                    loaded: Any = found.load(descriptor)
                if not isinstance(loaded, FeatureSet):
                    raise UserError(
                        f"load of {found.title or database} gave {type(loaded).__name__}, expected "
                        "a FeatureSet"
                    )
                self._loaded[pair] = loaded
            else:
                self._loaded[pair] = self._load_extracted(*pair)
        return self._loaded[pair]

    def _load_extracted(self, name: str, descriptor: str) -> FeatureSet:
        database, key = self.of_clips(name), self.key(name, descriptor)
        stored = self.store.load(name, key) if self.is_ready(name, descriptor) else None
        if stored is None:
            problems = self.extract(database, [descriptor], Backend("sequential"))
            if problems:
                raise problems[descriptor]
            stored = self.store.load(name, key)
        assert stored is not None
        absent = len(self.clips(name)) - len(stored["used"])
        if absent:
            warnings.warn(
                f"{database.title or name}: {absent} clips with unreadable frames are left out; "
                "'cdmer data check' names them",
                stacklevel=2,
            )
        y, subject, names = self._described(name, stored["used"])
        return FeatureSet(name, stored["X"], y, subject, database.classes, clips=names)

    def extract(
        self,
        database: ClipDatabase,
        descriptors: Sequence[str],
        backend: Backend,
        open_bar: OpenBar | None = None,
    ) -> dict[str, UserError]:
        """Extract what the store lacks, in parallel over clips; return why descriptors failed."""
        missing = [name for name in descriptors if not self.is_ready(database.name, name)]
        if not missing:
            return {}
        apart = [name for name in missing if not self.descriptors[name].in_batches]
        groups = [group for group in (apart, [n for n in missing if n not in apart]) if group]
        clips = self.clips(database.name)
        title = database.title or database.name
        progress = (open_bar or no_bar)(title, len(clips) * len(groups))
        self.store.make_private()
        problems: dict[str, UserError] = {}
        for names in groups:
            keys = [self.key(database.name, name) for name in names]
            joint = f"{database.name}-{content_key(keys)[:32]}"
            parts = self.store.folder / "features" / "unfinished" / joint
            if self.force:
                remove(parts)
            kinds = [self.descriptors[name] for name in names]
            work = clips, self.preprocessing, kinds, backend, parts, progress
            problems |= self._save(database, names, describe(*work))
            remove(parts)
        progress.close()
        return problems

    def _save(
        self, database: ClipDatabase, names: Sequence[str], described: Sequence[Described]
    ) -> dict[str, UserError]:
        """Store what descriptors found; return why some found nothing, by their names."""
        problems: dict[str, UserError] = {}
        for position, name in enumerate(names):
            found = [of[position] for of in described if not isinstance(of, DamagedClip)]
            fault = next((values for values in found if isinstance(values, UserError)), None)
            problems |= {name: fault} if fault else {}
        if len(problems) == len(names):
            return problems
        clips = self.clips(database.name)
        _, whole = intact_clips(database, clips, described)
        used = [i for i, found in enumerate(described) if not isinstance(found, DamagedClip)]
        for position, name in enumerate(names):
            if name in problems:
                continue
            try:
                values = [found[position] for found in whole]
                X = stacked(self.descriptors[name], clips, used, values)
            except UserError as error:
                problems[name] = error
                continue
            self.store.save(database.name, self.key(database.name, name), X, np.array(used))
            self._extracted.add((database.name, name))
            self._loaded.pop((database.name, name), None)
        keep_hashes(self.store.folder)
        return problems
