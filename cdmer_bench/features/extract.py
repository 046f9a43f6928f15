"""Features of whole databases: from files, from the store, or extracted on demand."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Clip, ClipDatabase, Database, FeatureDatabase, FeatureSet
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.features.clip_features import ClipFeatures
from cdmer_bench.features.store import FeatureStore
from cdmer_bench.parallel import Backend, OpenBar
from cdmer_bench.preprocessing import Preprocessing


class Features:
    """The features of a corpus: from files, from the store, or extracted on demand.

    Parameters
    ----------
    databases
        By key.
    descriptors
        By name.
    preprocessing
    store
    """

    def __init__(
        self,
        databases: Mapping[str, Database],
        descriptors: Mapping[str, Descriptor],
        preprocessing: Preprocessing,
        store: FeatureStore,
    ) -> None:
        self.databases, self.descriptors = databases, dict(descriptors)
        self.preprocessing, self.store = preprocessing, store
        self._keys: dict[tuple[str, str], str] = {}
        self._loaded: dict[tuple[str, str], FeatureSet] = {}

    def fingerprint(self, database: str, descriptor: str) -> str:
        """Return the key of a database's features without extracting them.

        Raises
        ------
        DataMissing, UserError
            If the database or its feature file is not there or not usable.
        """
        pair = (database, descriptor)
        if pair not in self._keys:
            found = self.databases[database]
            if isinstance(found, FeatureDatabase):
                self._keys[pair] = found.fingerprint(descriptor)
            else:
                assert isinstance(found, ClipDatabase)
                self._keys[pair] = self.store.key(
                    found, self.descriptors[descriptor], self.preprocessing
                )
        return self._keys[pair]

    def is_ready(self, database: str, descriptor: str) -> bool:
        """Whether :meth:`load` needs no extraction."""
        found = self.databases[database]
        key = self.fingerprint(database, descriptor)
        return isinstance(found, FeatureDatabase) or self.store.path(database, key).exists()

    def load(self, database: str, descriptor: str) -> FeatureSet:
        """Return features that are ready; extract them otherwise, clip after clip."""
        pair = (database, descriptor)
        if pair not in self._loaded:
            found = self.databases[database]
            if isinstance(found, FeatureDatabase):
                features = found.load(descriptor)
            else:
                assert isinstance(found, ClipDatabase)
                key = self.fingerprint(database, descriptor)
                stored = self.store.load(found, key)
                if stored is None:
                    self.extract(found, [descriptor], Backend("sequential"), None)
                    stored = self.store.load(found, key)
                assert stored is not None
                absent = len(found.clips()) - len(stored.y)
                if absent:
                    warnings.warn(
                        f"{found.title or found.name}: {absent} clips with unreadable frames are "
                        "left out; 'cdmer data check' names them",
                        stacklevel=2,
                    )
                features = stored
            self._loaded[pair] = features
        return self._loaded[pair]

    def extract(
        self,
        database: ClipDatabase,
        descriptors: Sequence[str],
        backend: Backend,
        open_bar: OpenBar | None,
    ) -> None:
        """Extract and store the descriptors that the store lacks, in parallel over clips.

        A clip whose frames cannot be read is left out, with a warning that names it.

        Raises
        ------
        UserError
            If no clip can be read, or a descriptor refuses a clip.
        """
        missing = {
            name: self.descriptors[name]
            for name in descriptors
            if not self.is_ready(database.name, name)
        }
        if not missing:
            return
        together = {name: kind for name, kind in missing.items() if kind.in_batches}
        single = {name: kind for name, kind in missing.items() if not kind.in_batches}
        progress = None
        if open_bar:
            n_readings = len(database.clips()) * (bool(single) + bool(together))
            progress = open_bar(database.title or database.name, n_readings)
        clips = ClipFeatures(
            database, self.preprocessing, backend, progress.advance if progress else lambda n: None
        )
        for name, intact, X in chain(clips.each(single), clips.in_batches(together)):
            self._save(database, intact, name, X)
        if progress:
            progress.close()

    def _save(
        self, database: ClipDatabase, clips: Sequence[Clip], name: str, X: NDArray[np.float64]
    ) -> None:
        self.store.save(
            FeatureSet(
                database.name,
                X,
                np.array([clip.label for clip in clips], dtype=np.intp),
                np.array([clip.subject for clip in clips], dtype=np.str_),
                database.classes,
                self.fingerprint(database.name, name),
            )
        )
