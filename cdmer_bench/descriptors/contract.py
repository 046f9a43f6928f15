"""What the feature store and the runner rely on in every descriptor, as checks on drawn clips."""

import json
import pickle
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.checks import Check
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError

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


class DescriptorContract:
    """The checks of one descriptor."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor

    def checks(self) -> list[Check]:
        """List the checks, the plainest first."""
        return [
            Check("label", "it has a label and a whole-number version", self._label),
            Check("parameters", "its parameters are plain values, so stored features have a key",
                  self._parameters),
            Check("pickle", "it can be sent to a worker process", self._pickle),
            Check("shape", "finite values of shape (n_blocks, n_planes, n_bins)", self._shape),
            Check("same shape", "every clip gives the same shape", self._same_shape),
            Check("clip length", "clips of 16 and 20 frames give the same shape", self._length),
            Check("batches", "a clip in a batch is described as it is alone", self._batches),
            Check("determinism", "the same clip twice gives the same bytes", self._same_twice),
            Check("input kept", "it leaves the clip as it was", self._input_kept),
            Check("number types", "uint8 and float64 grey levels give the same", self._types),
            Check("memory layout", "a clip in another memory order gives the same", self._layout),
            Check("difference", "two different clips are described differently", self._differs),
            Check("constant clip", "a clip without texture gives finite values", self._constant),
            *(
                Check(f"refuses {name}", "it refuses it in one sentence", self._refuses(clip))
                for name, clip in bad_clips().items()
            ),
        ]  # fmt: skip

    def _label(self) -> str | None:
        kind = type(self.descriptor)
        if not isinstance(kind.version, int) or isinstance(kind.version, bool):
            return f"version is {kind.version!r}, expected a whole number"
        label = self.descriptor.label
        return None if isinstance(label, str) and label.strip() else f"its label is {label!r}"

    def _parameters(self) -> str | None:
        json.dumps(self.descriptor.parameters())
        return None

    def _pickle(self) -> str | None:
        again = pickle.loads(pickle.dumps(self.descriptor))
        same = again.parameters() == self.descriptor.parameters()
        return None if same else "pickling it changed its parameters"

    def _shape(self) -> str | None:
        found = self.descriptor.extract(draw_clip(0))
        if not isinstance(found, np.ndarray) or found.ndim != 3 or found.size == 0:
            return f"it gives the shape {np.shape(found)}, expected (n_blocks, n_planes, n_bins)"
        if found.dtype != np.float64:
            return f"it gives {found.dtype} values, expected float64"
        return None if np.isfinite(found).all() else "it gives NaN or infinite values"

    def _same_shape(self) -> str | None:
        shapes = {self.descriptor.extract(draw_clip(seed)).shape for seed in (0, 1)}
        return None if len(shapes) == 1 else f"two clips gave the shapes {sorted(shapes)}"

    def _length(self) -> str | None:
        clip = draw_clip(0)
        try:
            longer = self.descriptor.extract(np.concatenate([clip, clip[-2:-6:-1]])).shape
        except UserError:
            return None  # it takes clips of one length only, and says so
        expected = self.descriptor.extract(clip).shape
        return None if longer == expected else f"16 frames give {expected}, 20 frames {longer}"

    def _batches(self) -> str | None:
        clips = [draw_clip(seed).astype(np.float64) for seed in range(3)]
        together = self.descriptor.extract_batch(clips)
        if len(together) != len(clips):
            return f"a batch of 3 clips gives {len(together)} descriptions"
        for clip, found in zip(clips, together, strict=True):
            alone = self.descriptor.extract(clip)
            if found.shape != alone.shape:
                return f"in a batch the shape is {found.shape}, alone {alone.shape}"
            # A forward pass may round otherwise in a batch; more is another description.
            apart = np.abs(found - alone).max()
            if not apart <= 1e-4 * np.abs(alone).max():
                return f"in a batch values differ from those alone by up to {apart:.3g}"
        return None

    def _same_twice(self) -> str | None:
        return self._equal(draw_clip(0), "the second time")

    def _input_kept(self) -> str | None:
        clip = draw_clip(0).astype(np.float64)
        before = clip.copy()
        self.descriptor.extract(clip)
        return None if np.array_equal(clip, before) else "it wrote into the clip"

    def _types(self) -> str | None:
        return self._equal(draw_clip(0).astype(np.float64), "float64 grey levels")

    def _layout(self) -> str | None:
        return self._equal(np.asfortranarray(draw_clip(0)), "columns first in memory")

    def _differs(self) -> str | None:
        first, second = (self.descriptor.extract(draw_clip(seed)) for seed in (0, 1))
        return "two clips have the same description" if np.array_equal(first, second) else None

    def _constant(self) -> str | None:
        found = self.descriptor.extract(np.full(SHAPE, 90.0))
        return None if np.isfinite(found).all() else "it gives NaN or infinite values"

    def _equal(self, clip: NDArray, what: str) -> str | None:
        expected, found = self.descriptor.extract(draw_clip(0)), self.descriptor.extract(clip)
        if expected.shape != found.shape:
            return f"{what}: the shape is {found.shape} instead of {expected.shape}"
        if np.array_equal(expected, found):
            return None
        return f"{what}: values differ by up to {np.abs(expected - found).max():.3g}"

    def _refuses(self, clip: NDArray) -> Callable[[], str | None]:
        def find() -> str | None:
            try:
                self.descriptor.extract(clip)
            except UserError as refusal:
                return None if str(refusal).strip() else "it is refused without a reason"
            return "it is accepted; raise cdmer_bench.errors.UserError"

        return find


def bad_clips() -> dict[str, NDArray]:
    """Return clips that a descriptor must not accept."""
    holes = draw_clip(0).astype(np.float64)
    holes[3, 50, 50] = np.nan
    return {"NaN": holes, "one frame without time": draw_clip(0)[0], "no frames": draw_clip(0)[:0]}
