"""Features of whole databases: each clip is read once for all its descriptors."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Clip, ClipDatabase, Database, FeatureDatabase, FeatureSet
from cdmer_bench.databases.damaged_clips import DamagedClip, intact_clips, warn_of_damage
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.features.store import FeatureStore
from cdmer_bench.parallel import Backend, OpenBar, Progress, run_parallel
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
        missing = [d for d in descriptors if not self.is_ready(database.name, d)]
        if not missing:
            return
        together = [d for d in missing if self.descriptors[d].in_batches]
        single = [d for d in missing if d not in together]
        clips = list(database.clips())
        progress = None
        if open_bar:
            title = database.title or database.name
            progress = open_bar(title, len(clips) * (bool(single) + bool(together)))
        if single:
            self._extract_each(database, clips, single, backend, progress)
        if together:
            self._extract_batches(database, clips, together, backend, progress)
        if progress:
            progress.close()

    def _extract_each(
        self,
        database: ClipDatabase,
        clips: Sequence[Clip],
        names: Sequence[str],
        backend: Backend,
        progress: Progress | None,
    ) -> None:
        kinds = [self.descriptors[name] for name in names]
        found: list[list[NDArray[np.float64]] | DamagedClip] = [[] for _ in clips]
        calls = [(describe_clip, (clip, self.preprocessing, kinds)) for clip in clips]
        for index, described in run_parallel(calls, backend):
            found[index] = described
            if progress:
                progress.advance(1)
        intact, described_clips = intact_clips(database, clips, found)
        for position, name in enumerate(names):
            self._save(database, intact, name, np.stack([d[position] for d in described_clips]))

    def _extract_batches(
        self,
        database: ClipDatabase,
        clips: Sequence[Clip],
        names: Sequence[str],
        backend: Backend,
        progress: Progress | None,
    ) -> None:
        """Read clips in parallel; describe a batch at a time here, where the model is."""
        size = max(self.descriptors[name].batch_size for name in names)
        found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
        intact: list[Clip] = []
        for first in range(0, len(clips), size):
            batch = clips[first : first + size]
            calls = [(read_clip, (clip, self.preprocessing)) for clip in batch]
            read = dict(run_parallel(calls, backend))
            in_order = [read[i] for i in range(len(batch))]
            if all(isinstance(frames, DamagedClip) for frames in in_order):
                warn_of_damage(database, in_order)
                continue
            whole, ordered = intact_clips(database, batch, in_order)
            intact += whole
            for name, parts in found.items():
                parts.append(self.descriptors[name].extract_batch(ordered))
                if not np.isfinite(parts[-1]).all():
                    raise UserError(
                        f"clips {batch[0].name} to {batch[-1].name}: "
                        f"{self.descriptors[name].label} gave NaN or infinite values"
                    )
            if progress:
                progress.advance(len(batch))
        if not intact:
            raise UserError(f"no clip of {database.title or database.name} can be read")
        for name, parts in found.items():
            self._save(database, intact, name, np.concatenate(parts))

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


def read_clip(clip: Clip, preprocessing: Preprocessing) -> NDArray[np.float64] | DamagedClip:
    """Read and preprocess a clip."""
    try:
        return preprocessing(clip.frames())
    except UserError as error:
        return DamagedClip(clip.name, str(error))


def describe_clip(
    clip: Clip, preprocessing: Preprocessing, descriptors: Sequence[Descriptor]
) -> list[NDArray[np.float64]] | DamagedClip:
    """Read a clip, preprocess it once, and describe it by each descriptor."""
    frames = read_clip(clip, preprocessing)
    if isinstance(frames, DamagedClip):
        return frames
    try:
        described = [descriptor.extract(frames) for descriptor in descriptors]
    except UserError as error:
        raise UserError(f"clip {clip.name}: {error}") from None
    for descriptor, array in zip(descriptors, described, strict=True):
        if not np.isfinite(array).all():
            raise UserError(f"clip {clip.name}: {descriptor.label} gave NaN or infinite values")
    return described
