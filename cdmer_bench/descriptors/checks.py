"""Checks of a descriptor on drawn clips: what the feature store and the runner rely on."""

import json
import pickle
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import Check, UserError

SHAPE = (16, 112, 112)  # frames, rows, columns after the paper's preprocessing


def draw_clip(seed: int) -> NDArray[np.uint8]:
    """Draw a textured clip whose texture moves, shape (16, 112, 112), grey levels 0 to 255."""
    rng = np.random.default_rng(seed)
    t, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij", sparse=True)
    waves = np.zeros(SHAPE)
    for _ in range(4):
        a, b, c, phase = rng.uniform(-0.6, 0.6, size=4)
        waves = waves + np.sin(a * y + b * x + c * t + 5 * phase)
    noise = rng.normal(scale=6.0, size=SHAPE)
    return np.clip(128 + 25 * waves + noise, 0, 255).astype(np.uint8)


def descriptor_checks(descriptor: Descriptor) -> list[Check]:
    """List the checks of a descriptor, the plainest first."""
    clip = draw_clip(0)
    levels = clip.astype(np.float64)
    holes = levels.copy()
    holes[3, 50, 50] = np.nan
    extract = descriptor.extract

    def label() -> str | None:
        version = type(descriptor).version
        if not isinstance(version, int) or isinstance(version, bool):
            return f"version is {version!r}, expected a whole number"
        label = descriptor.label
        return None if isinstance(label, str) and label.strip() else f"its label is {label!r}"

    def parameters() -> str | None:
        json.dumps(descriptor.parameters())
        return None

    def pickled() -> str | None:
        again = pickle.loads(pickle.dumps(descriptor))
        same = again.parameters() == descriptor.parameters()
        return None if same else "pickling it changed its parameters"

    def shape() -> str | None:
        found = extract(clip)
        if not isinstance(found, np.ndarray) or found.ndim != 3 or found.size == 0:
            return f"it gives the shape {np.shape(found)}, expected (n_blocks, n_planes, n_bins)"
        if found.dtype != np.float64:
            return f"it gives {found.dtype} values, expected float64"
        return None if np.isfinite(found).all() else "it gives NaN or infinite values"

    def same_shape() -> str | None:
        shapes = {extract(draw_clip(seed)).shape for seed in (0, 1)}
        return None if len(shapes) == 1 else f"two clips gave the shapes {sorted(shapes)}"

    def length() -> str | None:
        try:
            longer = extract(np.concatenate([clip, clip[-2:-6:-1]])).shape
        except UserError:
            return None  # it takes clips of one length only, and says so
        expected = extract(clip).shape
        return None if longer == expected else f"16 frames give {expected}, 20 frames {longer}"

    def batches() -> str | None:
        clips = [draw_clip(seed).astype(np.float64) for seed in range(3)]
        together, alone = descriptor.extract_batch(clips), [extract(one) for one in clips]
        if len(together) != len(clips):
            return f"a batch of 3 clips gives {len(together)} descriptions"
        # A forward pass may round otherwise in a batch; more is another description.
        wrong = (_difference(*pair, 1e-4) for pair in zip(alone, together, strict=True))
        return next((f"in a batch {text}" for text in wrong if text), None)

    def same_as(other: NDArray, what: str) -> Callable[[], str | None]:
        def compare() -> str | None:
            wrong = _difference(extract(clip), extract(other), 0)
            return f"{what}: {wrong}" if wrong else None

        return compare

    def input_kept() -> str | None:
        given = levels.copy()
        extract(given)
        return None if np.array_equal(given, levels) else "it wrote into the clip"

    def differs() -> str | None:
        first, second = (extract(draw_clip(seed)) for seed in (0, 1))
        return "two clips have the same description" if np.array_equal(first, second) else None

    def constant() -> str | None:
        finite = np.isfinite(extract(np.full(SHAPE, 90.0))).all()
        return None if finite else "it gives NaN or infinite values"

    def refuses(bad: NDArray) -> Callable[[], str | None]:
        def find() -> str | None:
            try:
                extract(bad)
            except UserError as refusal:
                return None if str(refusal).strip() else "it is refused without a reason"
            return "it is accepted; raise cdmer_bench.errors.UserError"

        return find

    again, floats = same_as(clip, "the second time"), same_as(levels, "float64 grey levels")
    fortran = same_as(np.asfortranarray(clip), "columns first in memory")
    bad_clips = {"NaN": holes, "one frame without time": clip[0], "no frames": clip[:0]}
    return [
        Check("label", "it has a label and a whole-number version", label),
        Check("parameters", "its parameters are plain values, so stored features have a key",
              parameters),
        Check("pickle", "it can be sent to a worker process", pickled),
        Check("shape", "finite values of shape (n_blocks, n_planes, n_bins)", shape),
        Check("same shape", "every clip gives the same shape", same_shape),
        Check("clip length", "clips of 16 and 20 frames give the same shape", length),
        Check("batches", "a clip in a batch is described as it is alone", batches),
        Check("determinism", "the same clip twice gives the same bytes", again),
        Check("input kept", "it leaves the clip as it was", input_kept),
        Check("number types", "uint8 and float64 grey levels give the same", floats),
        Check("memory layout", "a clip in another memory order gives the same", fortran),
        Check("difference", "two different clips are described differently", differs),
        Check("constant clip", "a clip without texture gives finite values", constant),
        *(
            Check(f"refuses {name}", "it refuses it in one sentence", refuses(bad))
            for name, bad in bad_clips.items()
        ),
    ]  # fmt: skip


def _difference(expected: NDArray, found: NDArray, tolerance: float) -> str | None:
    """Say how two descriptions differ, by more than a part of the largest value."""
    if expected.shape != found.shape:
        return f"the shape is {found.shape} instead of {expected.shape}"
    apart = np.abs(found - expected).max()
    if apart <= tolerance * np.abs(expected).max():
        return None
    return f"values differ by up to {apart:.3g}"
