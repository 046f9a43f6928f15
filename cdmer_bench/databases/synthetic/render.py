"""Render a clip: warp the face layer by layer, then let the camera see it.

A clip costs one dense displacement map for each group of action units; a frame costs one remap of
the skin, with eyes and mouth drawn into it. Where FACS wants skin to part (lids, lips) the map is
continuous and the opening is drawn over it as a polygon that follows the mesh.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.synthetic.cameras import CAMERAS, Camera
from cdmer_bench.databases.synthetic.events import Event, Motion
from cdmer_bench.databases.synthetic.faces import load_face_model, make_subject, stream
from cdmer_bench.databases.synthetic.openings import Openings
from cdmer_bench.databases.synthetic.plane import (
    TEXTURE_SCALE,
    at_112,
    crop_grid,
    drift,
    sample,
)
from cdmer_bench.databases.synthetic.portrait import (
    Head,
    Portrait,
    make_head,
    make_portrait,
    optics,
    shade,
)

# Error of the registration, one draw for each clip and camera (standard deviations).
JITTER_SHIFT = 1.6  # pixels at 112 x 112
JITTER_ANGLE = np.radians(1.3)
JITTER_SCALE = 0.018
_EXPOSURE_SPREAD = 0.05
_INVERSIONS, _RELAXATION = 8, 0.7  # fixed-point steps that invert the displacement
_SMALLEST_AREA = 0.25  # what may be left of a patch of skin that a motion squeezes
_FULL_STRENGTH = 1.25  # no unit moves further than this times the face model's full motion


@dataclass(frozen=True)
class Take:
    """One event in front of one camera."""

    seed: int
    database: str  # ``clip`` is the clip's name; it seeds registration error and noise
    subject: str  # ``clip`` is the clip's name; it seeds registration error and noise
    clip: str  # ``clip`` is the clip's name; it seeds registration error and noise
    event: Event
    times: NDArray[np.float64]  # (n_frames,), middle of each exposure, seconds from the onset


def render(take: Take) -> NDArray[np.uint8]:
    """Render a take, (n_frames, H, W).

    The bytes depend on the take alone. (On another processor or another OpenCV a rounding may
    differ here and there: its blurs and JPEG use what instructions they find.)
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _Scene(take).film()
    finally:
        cv2.setNumThreads(threads)


def peak_displacement(head: Head, motion: Motion) -> NDArray[np.float64]:
    """Return the displacement of ``head.vertices``, (n, 3), at the peak of a motion."""
    subject = head.subject
    activations = {
        unit + side: subject.gains[unit] * np.exp(subject.bias * (0.5 if side == "L" else -0.5))
        for unit in motion.units
        for side in motion.sides
    }
    if motion.peak is None:
        return load_face_model().express(dict.fromkeys(activations, 1.0)) @ head.turn.T
    move = load_face_model().express(activations) @ head.turn.T
    seen = np.asarray(head.coverage.weights.sum(axis=0)).ravel() > 0
    scale = motion.peak / np.linalg.norm(at_112(move[seen]), axis=1).max()
    return move * min(scale, _FULL_STRENGTH / max(activations.values()))


@lru_cache(maxsize=2)
def _head(seed: int, group: str, subject: str) -> Head:
    return make_head(make_subject(seed, group, subject))


@lru_cache(maxsize=2)
def _portrait(seed: int, database: str, subject: str) -> Portrait:
    return make_portrait(_head(seed, group_of(database), subject), CAMERAS[database])


def group_of(database: str) -> str:
    """Return the group whose subjects and events a database shows: SMIC's three are one."""
    return "casme2" if database == "casme2" else "smic"


class _Scene:
    """Everything about a take that does not change from frame to frame."""

    def __init__(self, take: Take):
        self.take = take
        self.camera = CAMERAS[take.database]
        self.portrait = _portrait(take.seed, take.database, take.subject)
        self.rng = stream(take.seed, "camera", take.database, take.clip)
        self.exposure = float(np.exp(self.rng.normal(0, _EXPOSURE_SPREAD)))
        placement = (
            self.rng.normal(0, JITTER_SHIFT, 2),
            float(self.rng.normal(0, JITTER_ANGLE)),
            float(np.exp(self.rng.normal(0, JITTER_SCALE))),
        )
        self.grid = crop_grid(self.camera.shape, *placement)
        motions = [take.event.expression, take.event.class_free]
        self.motions = [motion for motion in motions if motion is not None]
        moves = [peak_displacement(self.portrait.head, motion) for motion in self.motions]
        layers = [_layer(self.portrait, self.camera, move, self.grid) for move in moves]
        self.sources = [source for source, _ in layers]
        self.shading = [shading for _, shading in layers]
        self.openings = Openings(
            self.portrait.head,
            self.camera,
            placement,
            moves,
            self.portrait.eyeballs,
            self.grid,
        )
        self.falloff = _falloff(self.camera)

    def film(self) -> NDArray[np.uint8]:
        shutter = self.camera.exposure / self.camera.rate
        moments = shutter * ((np.arange(self.camera.samples) + 0.5) / self.camera.samples - 0.5)
        frames = []
        for time in self.take.times:
            light = np.mean([self._light(time + moment) for moment in moments], axis=0)
            frames.append(self.camera.develop(light * self.falloff, self.exposure, self.rng))
        return np.stack(frames)

    def _light(self, time: float) -> NDArray:
        """Return the image on the sensor at a moment."""
        at = np.array([time])
        strengths = [float(motion.strength(at)[0]) for motion in self.motions]
        head = self.take.event.head(at)[0]
        source = self.grid - drift(head)
        moving = [k for k, strength in enumerate(strengths) if strength > 0]
        for k in moving:
            source -= np.float32(strengths[k]) * self.sources[k]
        image = sample(self.portrait.rest, source)
        for k in moving:
            image += np.float32(strengths[k]) * self.shading[k]
        self.openings.draw(image, strengths, head)
        return image


def _layer(
    portrait: Portrait, camera: Camera, move: NDArray[np.float64], grid: NDArray
) -> tuple[NDArray, NDArray]:
    """Return where each pixel of the crop comes from and how its light changes at the peak."""
    head = portrait.head
    forward = _unfold(head.to_image(move[:, :2] * (TEXTURE_SCALE, -TEXTURE_SCALE)))
    source = sample(forward, grid)
    for _ in range(_INVERSIONS):
        source += _RELAXATION * (sample(forward, grid - source) - source)
    bright = shade(head.to_image(head.normals(move)), camera)
    change = portrait.albedo * (bright - portrait.light)
    change = cv2.GaussianBlur(change, (0, 0), optics(camera))
    return source, sample(change, grid - source)


def _unfold(forward: NDArray) -> NDArray:
    """Smooth a displacement map (H, W, 2) until it folds the skin nowhere, so has an inverse.

    A lid that closes slides under its own fold; a map of the plane can only squeeze it.
    """
    for sigma in (1.0, 2.0, 3.0, 4.5, 6.5, 9.0):
        smooth = cv2.GaussianBlur(forward, (0, 0), sigma)
        down, across = np.diff(smooth[:, :-1], axis=0), np.diff(smooth[:-1], axis=1)
        area = (1 + across[..., 0]) * (1 + down[..., 1]) - across[..., 1] * down[..., 0]
        if area.min() > _SMALLEST_AREA:
            break
    return smooth


def _falloff(camera: Camera) -> NDArray:
    """Return how much light reaches each pixel: less on the side away from the lamp."""
    rows, columns = camera.shape
    x, y = np.linspace(-1, 1, columns), np.linspace(1, -1, rows)
    across = x[None] * camera.light[0] + y[:, None] * camera.light[1]
    return (1 + camera.falloff * across / 2).astype(np.float32)
