"""The picture plane: where the face lies in the texture, in a crop and at 112 x 112.

A face is placed by its eyes, as registered databases do: the origin is the middle between the
eyeballs, and the eyes of the mean face are EYE_DISTANCE units apart. x grows to the right and y
downwards; everything is an orthographic view from the front.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

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
    shape: tuple[int, int], shift: NDArray[np.float64], angle: float, scale: float
) -> NDArray[np.float32]:
    """Return the texture position, (H, W, 2), of each pixel of a crop of this shape.

    Parameters
    ----------
    shape
    shift : (2,), pixels at 112 x 112
    angle : radians
    scale
        These three are the error of the registration; 0, 0 and 1 are a perfect one.
    """
    rows, columns = shape
    x = (np.arange(columns) + 0.5) / columns - 0.5
    y = (np.arange(rows) + 0.5) / rows - 0.5
    unit = np.stack(np.meshgrid(x, y), axis=-1) * CROP_SIZE
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    unit = unit @ turn.T + CROP_CENTRE + shift * CROP_SIZE / NORMAL_SIDE
    return (TEXTURE_ORIGIN + unit * TEXTURE_SCALE).astype(np.float32)


def to_crop(
    texture: NDArray[np.float64],
    shape: tuple[int, int],
    shift: NDArray[np.float64],
    angle: float,
    scale: float,
) -> NDArray[np.float64]:
    """Convert texture positions (n, 2) to pixels of the crop that :func:`crop_grid` describes."""
    unit = (texture - TEXTURE_ORIGIN) / TEXTURE_SCALE
    unit = unit - CROP_CENTRE - shift * CROP_SIZE / NORMAL_SIDE
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    return (unit @ turn.T / CROP_SIZE + 0.5) * shape[::-1] - 0.5
