"""From the picture plane to 8-bit frames: where a crop lies, and the four cameras.

A face is placed by its eyes, as registered databases do: the origin is the middle between the
eyeballs, and the eyes of the mean face are EYE_DISTANCE units apart. x grows to the right and y
downwards; everything is an orthographic view from the front. What a subject looks like is painted
once into a texture of this plane; a crop reads it at the places of its own pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import table

EYE_DISTANCE = 0.575  # units, of the mean face
TEXTURE_SCALE = 270  # pixels a unit
TEXTURE_SHAPE = (508, 432)
TEXTURE_ORIGIN = np.array([216.0, 197.0])  # pixel (x, y) of the middle between the eyes

CROP_SIZE = np.array([1.45, 1.75])  # width and height, units: from the hairline to the chin
CROP_CENTRE = np.array([0.0, 0.21])  # units from the middle between the eyes
NORMAL_SIDE = 112  # pixels; the size at which the benchmark sees every clip


def to_texture(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project vertices (n, 2 or 3; y up) relative to the eyes to texture pixels (n, 2)."""
    return TEXTURE_ORIGIN + points[:, :2] * (TEXTURE_SCALE, -TEXTURE_SCALE)


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
        pixel = TEXTURE_SCALE * 1.45 / self.shape[1]
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
        """Turn the light on the sensor, about 0..1, into an 8-bit frame.

        ``exposure`` multiplies the gain: no two takes are lit alike.
        """
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
