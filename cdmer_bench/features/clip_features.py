"""Descriptions of a database's clips: each clip is read once for all its descriptors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Clip, ClipDatabase
from cdmer_bench.databases.damaged_clips import DamagedClip, intact_clips, warn_of_damage
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.parallel import Backend, run_parallel
from cdmer_bench.preprocessing import Preprocessing

Described = Iterator[tuple[str, Sequence[Clip], NDArray[np.float64]]]


@dataclass(frozen=True)
class ClipFeatures:
    """The clips of a database, to be described in parallel.

    Both ways yield, for each descriptor, its name, the clips that could be read and their
    descriptions, shape (n_clips, n_blocks, n_planes, n_bins).

    Attributes
    ----------
    database : ClipDatabase
    preprocessing : Preprocessing
    backend : Backend
    advance : callable
        Called with the number of clips that were done since the last call.
    """

    database: ClipDatabase
    preprocessing: Preprocessing
    backend: Backend
    advance: Callable[[int], None]

    def each(self, descriptors: Mapping[str, Descriptor]) -> Described:
        """Describe a clip where it is read."""
        if not descriptors:
            return
        clips = list(self.database.clips())
        kinds = list(descriptors.values())
        found: list[list[NDArray[np.float64]] | DamagedClip] = [[] for _ in clips]
        calls = [(describe_clip, (clip, self.preprocessing, kinds)) for clip in clips]
        for index, described in run_parallel(calls, self.backend):
            found[index] = described
            self.advance(1)
        intact, described_clips = intact_clips(self.database, clips, found)
        for position, name in enumerate(descriptors):
            yield name, intact, np.stack([arrays[position] for arrays in described_clips])

    def in_batches(self, descriptors: Mapping[str, Descriptor]) -> Described:
        """Read clips in parallel; describe a batch at a time here, where the model is."""
        if not descriptors:
            return
        clips = list(self.database.clips())
        size = max(descriptor.batch_size for descriptor in descriptors.values())
        parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in descriptors}
        intact: list[Clip] = []
        for first in range(0, len(clips), size):
            batch = clips[first : first + size]
            calls = [(read_clip, (clip, self.preprocessing)) for clip in batch]
            read = dict(run_parallel(calls, self.backend))
            in_order = [read[i] for i in range(len(batch))]
            self.advance(len(batch))
            if all(isinstance(frames, DamagedClip) for frames in in_order):
                warn_of_damage(self.database, in_order)
                continue
            whole, frames = intact_clips(self.database, batch, in_order)
            intact += whole
            where = f"clips {batch[0].name} to {batch[-1].name}"
            for name, descriptor in descriptors.items():
                parts[name].append(_finite(descriptor, descriptor.extract_batch(frames), where))
        if not intact:
            raise UserError(f"no clip of {self.database.title or self.database.name} can be read")
        for name, arrays in parts.items():
            yield name, intact, np.concatenate(arrays)


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
    where = f"clip {clip.name}"
    try:
        described = [descriptor.extract(frames) for descriptor in descriptors]
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return [_finite(*pair, where) for pair in zip(descriptors, described, strict=True)]


def _finite(descriptor: Descriptor, values: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    if not np.isfinite(values).all():
        raise UserError(f"{where}: {descriptor.label} gave NaN or infinite values")
    return values
