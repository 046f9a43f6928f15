"""Clips become features: each is read once and described by every descriptor, in parallel."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Clip, DamagedClip
from cdmer_bench.databases.checks import read_clip
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError, is_ours, own_code
from cdmer_bench.io import pack_arrays, read_arrays, write_atomically
from cdmer_bench.parallel import Backend, Progress, run_parallel
from cdmer_bench.preprocessing import Preprocessing

_KEEP_EVERY = 10.0  # seconds of extraction that a killed run may lose

Array = NDArray[np.float64]
# Of a clip, by each descriptor; why one could not describe it stands in its place.
Described = list[Array | UserError] | DamagedClip


def describe(
    clips: Sequence[Clip],
    preprocessing: Preprocessing,
    descriptors: Sequence[Descriptor],  # all in batches, or none of them
    backend: Backend,
    parts: Path,  # the folder of clips that a killed run had finished, which are taken up
    progress: Progress,
) -> list[Described]:
    """Describe clips, in their order; it ends early where no descriptor is left without fault."""
    found = _take_up(parts)
    if found:
        progress.advance(len(found))
    todo = [index for index in range(len(clips)) if index not in found]
    work = [clips[i] for i in todo], backend, preprocessing, descriptors
    in_batches = descriptors[0].in_batches
    described = _describe_together(*work) if in_batches else _in_workers(describe_clip, *work)
    fresh: dict[int, Described] = {}
    kept, faulty = time.monotonic(), set[int]()
    for position, result in described:
        found[todo[position]] = result
        progress.advance(1)
        if isinstance(result, DamagedClip):
            continue
        faulty |= {n for n, values in enumerate(result) if isinstance(values, UserError)}
        if len(faulty) == len(descriptors):
            break
        if not faulty:
            fresh[todo[position]] = result
        if fresh and time.monotonic() - kept > _KEEP_EVERY:
            _keep(parts, fresh)
            kept, fresh = time.monotonic(), {}
    return [found[index] for index in sorted(found)]


def _keep(parts: Path, fresh: Mapping[int, Any]) -> None:
    """Store finished clips apart, for a run that goes on after a kill."""
    arrays = {
        f"{index}-{position}": array
        for index, described in fresh.items()
        for position, array in enumerate(described)
    }
    write_atomically(parts / f"{min(fresh):05d}.npz", pack_arrays(arrays, compressed=False))


def _take_up(parts: Path) -> dict[int, Described]:
    """Return the clips that a killed run had finished, by index."""
    found: dict[int, Any] = {}
    for path in sorted(parts.glob("*.npz")):
        try:
            arrays = read_arrays(path)
        except ValueError:
            continue  # damaged; its clips are described again
        for name, array in arrays.items():
            found.setdefault(int(name.partition("-")[0]), []).append(array)  # in their order
    return found


def _describe_together(
    clips: Sequence[Clip],
    backend: Backend,
    preprocessing: Preprocessing,
    descriptors: Sequence[Descriptor],
) -> Iterator[tuple[int, Described]]:
    """Read clips in parallel; describe a batch at a time here, where the model is."""
    size = max(descriptor.batch_size for descriptor in descriptors)
    for first in range(0, len(clips), size):
        batch = clips[first : first + size]
        read = dict(_in_workers(read_clip, batch, backend, preprocessing))
        whole = [i for i in range(len(batch)) if not isinstance(read[i], DamagedClip)]
        where, frames = f"clips {batch[0].name} to {batch[-1].name}", [read[i] for i in whole]
        rows = [_described_by(d, frames, where) for d in descriptors if whole]
        for index, damaged in read.items():
            if index in whole:
                yield first + index, [of_clips[whole.index(index)] for of_clips in rows]
            else:
                yield first + index, damaged


def _in_workers(
    function: Callable, clips: Sequence[Clip], backend: Backend, *more: Any
) -> Iterator[tuple[int, Any]]:
    """Call a function of a clip in parallel; its warnings are given here, naming the clip."""
    calls = [(_noted, (function, clip, *more)) for clip in clips]
    for index, (result, notes) in run_parallel(calls, backend):
        for text, category in notes:
            warnings.warn(f"clip {clips[index].name}: {text}", category, stacklevel=2)
        yield index, result


def _noted(function: Callable, *arguments: Any) -> tuple[Any, list[tuple[str, type[Warning]]]]:
    """Call a function in a worker; also return the warnings that it gave."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.filterwarnings("always", category=UserWarning)
        return function(*arguments), [(str(note.message), note.category) for note in notes]


def describe_clip(
    clip: Clip, preprocessing: Preprocessing, descriptors: Sequence[Descriptor]
) -> Described:
    """Read a clip, preprocess it once, and describe it by each descriptor."""
    frames = read_clip(clip, preprocessing)
    if isinstance(frames, DamagedClip):
        return frames
    return [
        _described_by(descriptor, [frames], f"clip {clip.name}")[0] for descriptor in descriptors
    ]


def _described_by(
    descriptor: Descriptor, clips: Sequence[Array], where: str
) -> list[Array | UserError]:
    """Return what a descriptor gives for each of some clips, or why it does not."""
    try:
        return [*_values(descriptor, clips, where)]
    except UserError as error:
        return [error] * len(clips)


def _values(descriptor: Descriptor, clips: Sequence[Array], where: str) -> list[Array]:
    # A descriptor of the user's own may write into a clip, which others describe as well.
    own = clips if is_ours(descriptor) else [clip.copy() for clip in clips]
    with own_code(descriptor, f"{where}: {type(descriptor).__name__}"):
        try:
            if descriptor.in_batches:
                given = list(descriptor.extract_batch(own))
            else:
                given = [descriptor.extract(clip) for clip in own]
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        label = descriptor.label
    if len(given) != len(clips):
        raise UserError(f"{where}: {label} gave {len(given)} arrays for {len(clips)} clips")
    return [_checked(values, f"{where}: {label}") for values in given]


def _checked(values: Any, who: str) -> Array:
    """Return what a descriptor gave as finite numbers."""
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf" or not array.ndim or not array.size:
        kind = f"{array.dtype} values of shape {array.shape}" if array.ndim else repr(values)[:80]
        raise UserError(f"{who} gave {kind}, expected numbers (n_blocks, n_planes, n_bins)")
    if not np.isfinite(array).all():
        raise UserError(f"{who} gave NaN or infinite values")
    return array.astype(np.float64, copy=False)


def stacked(
    descriptor: Descriptor,
    clips: Sequence[Clip],
    used: Sequence[int],  # places of the clips that were described
    values: Sequence[Array],
) -> Array:
    """Put the values of clips into one array; refuse values of different shapes."""
    for place, array in zip(used, values, strict=True):
        if array.shape != values[0].shape:
            first, other = clips[used[0]].name, clips[place].name
            raise UserError(
                f"{descriptor.label} gave the shape {values[0].shape} for clip {first}, but "
                f"{array.shape} for clip {other}; every clip needs the same"
            )
    return np.stack(values)
