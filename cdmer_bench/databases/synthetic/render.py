"""Render a clip: warp the face layer by layer, then let one of the four cameras see it.

A clip costs one dense displacement map for each group of action units; a frame costs one remap of
the skin, with eyes and mouth drawn into it. Where FACS wants skin to part (lids, lips) the map is
continuous and the opening is drawn over it as a polygon that follows the mesh.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import table
from cdmer_bench.databases.synthetic.faces import group_of, load_face_model, make_subject, stream
from cdmer_bench.databases.synthetic.portrait import (
    TEXTURE_ORIGIN,
    TEXTURE_SCALE,
    Head,
    Portrait,
    make_head,
    make_portrait,
    to_texture,
)

if TYPE_CHECKING:
    from cdmer_bench.databases.synthetic.database import Motion, SyntheticClip

CROP_SIZE = np.array([1.45, 1.75])  # width and height, units: from the hairline to the chin
CROP_CENTRE = np.array([0.0, 0.21])  # units from the middle between the eyes
NORMAL_SIDE = 112  # pixels; the size at which the benchmark sees every clip
# Error of the registration, one draw for each clip and camera (standard deviations).
JITTER_SHIFT = 1.6  # pixels at 112 x 112
JITTER_ANGLE = np.radians(1.3)
JITTER_SCALE = 0.018
_EXPOSURE_SPREAD = 0.05
_INVERSIONS, _RELAXATION = 8, 0.7  # fixed-point steps that invert the displacement
_SMALLEST_AREA = 0.25  # what may be left of a patch of skin that a motion squeezes
_FULL_STRENGTH = 1.25  # no unit moves further than this times the face model's full motion
_FINE = 4  # polygons are drawn this much larger, then averaged down
_LASH = 0.014  # units; thickness of the upper lashes
_SEAM = 0.006  # units; thickness of the line between closed lips
_MOUTH_LIGHT = 0.035  # what comes out of an open mouth

_Box = tuple[slice, slice]  # rows and columns of a crop


@dataclass(frozen=True)
class Camera:
    """What turns a lit face into 8-bit frames."""

    rate: int  # frames a second
    exposure: float  # share of the frame interval during which the shutter is open
    shape: Sequence[int]  # (rows, columns), size of the face crop
    # (3,), direction to the key light: x to the right of the image, y up, z to the camera
    light: Sequence[float]
    ambient: float  # share of the light that comes from everywhere
    falloff: float  # loss of light from the lit side of the crop to the other
    blur: float  # optics, standard deviation in pixels of the crop
    noise: float  # shot noise at full brightness, in grey levels
    gain: float  # grey = 255 * (gain * light) ** gamma
    gamma: float
    background: float  # brightness behind the head
    jpeg: int | None = None  # quality of the compression
    infrared: bool = False
    samples: int = 1  # moments averaged over an exposure

    def direction(self) -> NDArray[np.float64]:
        """Return the unit vector to the light."""
        return np.array(self.light) / np.linalg.norm(self.light)

    def shade(self, normals: NDArray) -> NDArray:
        """Return the light that a surface sends to the camera, (H, W), for normals (H, W, 3)."""
        light = self.direction().astype(np.float32)
        diffuse = np.clip((normals @ light + 0.15) / 1.15, 0, None)
        half = light + np.array([0, 0, 1], np.float32)
        gloss = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 20
        return self.ambient + (1 - self.ambient) * diffuse + np.float32(0.10) * gloss

    def defocus(self, texture: NDArray) -> NDArray:
        """Blur a texture as the optics and the pixels of the crop do."""
        pixel = TEXTURE_SCALE * CROP_SIZE[0] / self.shape[1]
        return cv2.GaussianBlur(texture, (0, 0), float(pixel * np.hypot(self.blur, 0.35)))

    def lamp(self) -> NDArray:
        """Return how much light reaches each pixel: less on the side away from the lamp."""
        rows, columns = self.shape
        x, y = np.linspace(-1, 1, columns), np.linspace(1, -1, rows)
        across = x[None] * self.light[0] + y[:, None] * self.light[1]
        return (1 + self.falloff * across / 2).astype(np.float32)

    def develop(
        self, light: NDArray, exposure: float, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Turn light, about 0..1, into an 8-bit frame; ``exposure`` multiplies the gain."""
        linear = np.clip(light * np.float32(self.gain * exposure), 1e-4, 1)
        # Shot noise grows with the root of the light; the gamma curve then scales it.
        grey = rng.standard_normal(linear.shape, dtype=np.float32)
        grey *= np.sqrt(linear)
        grey *= self.noise
        grey += 255 * cv2.pow(linear, self.gamma)
        frame = np.clip(np.rint(grey, out=grey), 0, 255, out=grey).astype(np.uint8)
        if self.jpeg is None:
            return frame
        _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


CAMERAS = {name: Camera(**values) for name, values in table("synthetic/corpus")["cameras"].items()}


def render(clip: "SyntheticClip") -> NDArray[np.uint8]:
    """Render a clip, (n_frames, H, W); its name seeds registration error and noise."""
    # On another processor or OpenCV a rounding may differ: blurs and JPEG use what they find there.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _Scene(clip).film(clip.times)
    finally:
        cv2.setNumThreads(threads)


@lru_cache(maxsize=2)
def _head(seed: int, group: str, subject: str) -> Head:
    return make_head(make_subject(seed, group, subject))


@lru_cache(maxsize=2)
def _portrait(seed: int, database: str, subject: str) -> Portrait:
    return make_portrait(_head(seed, group_of(database), subject), CAMERAS[database])


class _Scene:
    """Everything about a take that does not change from frame to frame."""

    def __init__(self, clip: "SyntheticClip"):
        self.event = clip.event
        self.camera = CAMERAS[clip.database]
        self.pixel = self.camera.shape[1] / CROP_SIZE[0]  # pixels of the crop a unit
        self.shutter = self.camera.exposure / self.camera.rate  # seconds
        self.portrait = _portrait(clip.seed, clip.database, clip.subject)
        self.rng = stream(clip.seed, "camera", clip.database, clip.name)
        self.exposure = float(np.exp(self.rng.normal(0, _EXPOSURE_SPREAD)))
        placement = (
            self.rng.normal(0, JITTER_SHIFT, 2),
            float(self.rng.normal(0, JITTER_ANGLE)),
            float(np.exp(self.rng.normal(0, JITTER_SCALE))),
        )
        self.grid = crop_grid(self.camera.shape, *placement)
        self.lamp = self.camera.lamp()
        self.motions = [m for m in (self.event.expression, self.event.class_free) if m is not None]
        moves = [peak_displacement(self.portrait.head, motion) for motion in self.motions]
        self.layers = [self._layer(move) for move in moves]

        def rims(move: NDArray[np.float64] | None = None) -> dict[str, NDArray]:
            found = {}
            for name, rim in load_face_model().rims.items():
                place = to_texture(self.portrait.head.vertices[rim])
                if move is not None:
                    place = place + move[rim, :2] * (TEXTURE_SCALE, -TEXTURE_SCALE)
                found[name] = to_crop(place, self.camera.shape, *placement)
            return found

        # Rims of lids and lips in the crop, (n, 2) each: at rest, and their move at each peak.
        self.rims = rims()
        self.rim_moves = [
            {name: rim - self.rims[name] for name, rim in rims(move).items()} for move in moves
        ]
        _, top, bottom = _lips(self.rims)
        self.closed = bottom - top

    def _layer(self, move: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """Return where each pixel of the crop comes from and how its light changes at the peak."""
        portrait, head = self.portrait, self.portrait.head
        forward = _unfold(head.to_image(move[:, :2] * (TEXTURE_SCALE, -TEXTURE_SCALE)))
        source = sample(forward, self.grid)
        for _ in range(_INVERSIONS):
            source += _RELAXATION * (sample(forward, self.grid - source) - source)
        change = portrait.albedo * (self.camera.shade(head.normals(move)) - portrait.light)
        return source, sample(self.camera.defocus(change), self.grid - source)

    def film(self, times: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the frames, (n_frames, H, W)."""
        samples = self.camera.samples
        moments = self.shutter * ((np.arange(samples) + 0.5) / samples - 0.5)
        frames = []
        for time in times:
            light = np.mean([self._light(time + moment) for moment in moments], axis=0)
            frames.append(self.camera.develop(light * self.lamp, self.exposure, self.rng))
        return np.stack(frames)

    def _light(self, time: float) -> NDArray:
        """Return the image on the sensor at a moment."""
        at = np.array([time])
        strengths = [float(motion.strength(at)[0]) for motion in self.motions]
        head = self.event.head(at)[0]  # pixels at 112 x 112
        source = self.grid - drift(head)
        layers = zip(strengths, self.layers, strict=True)
        moving = [(np.float32(share), *layer) for share, layer in layers if share > 0]
        for strength, displacement, _ in moving:
            source -= strength * displacement
        image = sample(self.portrait.rest, source)
        for strength, _, change in moving:
            image += strength * change
        rims = {}
        for name, rest in self.rims.items():
            rims[name] = rest + head * (np.array(self.camera.shape[::-1]) / NORMAL_SIDE)
            for share, move in zip(strengths, self.rim_moves, strict=True):
                rims[name] = rims[name] + share * move[name]
        for side in "LR":
            self._draw_eye(image, rims[f"lid_{side}_upper"], rims[f"lid_{side}_lower"], head)
        self._draw_mouth(image, rims)
        return image

    def _draw_eye(self, image: NDArray, upper: NDArray, lower: NDArray, head: NDArray) -> None:
        box = _box(np.concatenate([upper, lower]), 0.08 * self.pixel, image.shape)
        if box is None:
            return
        # A lid that passes the other one has closed the eye: it cannot open downwards.
        x = np.linspace(max(upper[0, 0], lower[0, 0]), min(upper[-1, 0], lower[-1, 0]), 24)
        bottom = _along(lower, x)
        top = np.minimum(_along(upper, x), bottom)
        open_ = _drawn(box, self.camera.blur, x, top, bottom)
        shadow = cv2.GaussianBlur(open_, (0, 0), 0.030 * self.pixel)
        shadow = np.clip(0.35 + 0.9 * shadow, 0, 1)
        lash = _drawn(box, self.camera.blur, x, top, thickness=_LASH * self.pixel)
        eye = sample(self.portrait.eyeballs, self.grid[box] - drift(head))
        part = image[box]
        part *= 1 - open_
        part += open_ * shadow * eye
        part *= 1 - 0.85 * lash

    def _draw_mouth(self, image: NDArray, rims: dict[str, NDArray]) -> None:
        points = np.concatenate([rims["lip_upper"], rims["lip_lower"]])
        box = _box(points, 0.05 * self.pixel, image.shape)
        if box is None:
            return
        x, top, bottom = _lips(rims)
        gap = np.clip(bottom - top - self.closed, 0, None)
        taper = np.sin(np.linspace(0.12, np.pi - 0.12, len(x))) ** 0.5
        half = (gap + _SEAM * self.pixel * taper) / 2
        middle = (top + bottom) / 2
        dark = 0.9 * _drawn(box, self.camera.blur, x, middle - half, middle + half)
        image[box] *= 1 - dark
        image[box] += _MOUTH_LIGHT * dark


def peak_displacement(head: Head, motion: "Motion") -> NDArray[np.float64]:
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


def _unfold(forward: NDArray) -> NDArray:
    """Smooth a displacement map (H, W, 2) until it folds the skin nowhere, so has an inverse."""
    for sigma in (1.0, 2.0, 3.0, 4.5, 6.5, 9.0):
        smooth = cv2.GaussianBlur(forward, (0, 0), sigma)
        down, across = np.diff(smooth[:, :-1], axis=0), np.diff(smooth[:-1], axis=1)
        area = (1 + across[..., 0]) * (1 + down[..., 1]) - across[..., 1] * down[..., 0]
        if area.min() > _SMALLEST_AREA:
            break
    return smooth


def _lips(rims: dict[str, NDArray]) -> tuple[NDArray, NDArray, NDArray]:
    """Return both rims of the lips at the same 24 abscissas."""
    upper, lower = rims["lip_upper"], rims["lip_lower"]
    x = np.linspace(min(upper[0, 0], lower[0, 0]), max(upper[-1, 0], lower[-1, 0]), 24)
    return x, _along(upper, x), _along(lower, x)


def _along(rim: NDArray, x: NDArray) -> NDArray:
    """Interpolate a rim's height; its vertices may be slightly out of order, so sort them."""
    order = np.argsort(rim[:, 0], kind="stable")
    return np.interp(x, rim[order, 0], rim[order, 1])


def _box(points: NDArray, margin: float, shape: tuple[int, ...]) -> _Box | None:
    """Return the rows and columns around some points, None if they lie outside the crop."""
    low = np.floor(points.min(axis=0) - margin).astype(int).clip(0)
    high = np.minimum(np.ceil(points.max(axis=0) + margin).astype(int), shape[1::-1])
    if (high - low < 2).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


def _drawn(
    box: _Box,
    blur: float,
    x: NDArray,
    top: NDArray,
    bottom: NDArray | None = None,  # None draws a line along ``top``
    thickness: float = 0.0,
) -> NDArray:
    """Draw what lies between two heights, averaged down from a finer canvas and blurred."""
    rows, columns = box
    size = np.array([rows.stop - rows.start, columns.stop - columns.start])
    canvas = np.zeros(size * _FINE, np.uint8)
    points = np.stack([x, top], axis=-1)
    if bottom is not None:
        points = np.concatenate([points, np.stack([x, bottom], axis=-1)[::-1]])
    points = points - (np.array([columns.start, rows.start]) - 0.5)
    fixed = [np.round((points * _FINE - 0.5) * 16).astype(np.int32)]  # in 1/16 pixels
    if bottom is None:
        width = max(1, round(thickness * _FINE))
        cv2.polylines(canvas, fixed, False, 255, width, cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(canvas, fixed, 255, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, size[::-1].tolist(), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), blur)


def at_112(displacement: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert displacements (n, 2 or more) from units to pixels of a 112 x 112 crop."""
    return displacement[..., :2] * (NORMAL_SIDE / CROP_SIZE)


def drift(head: NDArray[np.float64]) -> NDArray[np.float32]:
    """Convert a shift of the head, pixels at 112 x 112, to texture pixels."""
    return (head * CROP_SIZE / NORMAL_SIDE * TEXTURE_SCALE).astype(np.float32)


def sample(image: NDArray, place: NDArray) -> NDArray:
    """Read an image of the texture plane at positions (rows, columns, 2), bilinearly."""
    x, y = place[..., 0], place[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def crop_grid(
    shape: Sequence[int],
    shift: NDArray[np.float64],  # (2,), pixels at 112 x 112
    angle: float,  # radians
    scale: float,  # these three are the error of the registration; 0, 0 and 1 are a perfect one
) -> NDArray[np.float32]:
    """Return the texture position, (H, W, 2), of each pixel of a crop of this shape."""
    rows, columns = shape
    x = (np.arange(columns) + 0.5) / columns - 0.5
    y = (np.arange(rows) + 0.5) / rows - 0.5
    unit = np.stack(np.meshgrid(x, y), axis=-1) * CROP_SIZE
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    unit = unit @ turn.T + CROP_CENTRE + shift * CROP_SIZE / NORMAL_SIDE
    return (TEXTURE_ORIGIN + unit * TEXTURE_SCALE).astype(np.float32)


def to_crop(
    texture: NDArray[np.float64],
    shape: Sequence[int],
    shift: NDArray[np.float64],
    angle: float,
    scale: float,
) -> NDArray[np.float64]:
    """Convert texture positions (n, 2) to pixels of the crop that :func:`crop_grid` describes."""
    unit = (texture - TEXTURE_ORIGIN) / TEXTURE_SCALE
    unit = unit - CROP_CENTRE - shift * CROP_SIZE / NORMAL_SIDE
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    return (unit @ turn.T / CROP_SIZE + 0.5) * shape[::-1] - 0.5
