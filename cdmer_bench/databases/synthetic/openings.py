"""Draw the openings of the face, eyes and mouth, into a crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.synthetic.cameras import Camera
from cdmer_bench.databases.synthetic.faces import load_face_model
from cdmer_bench.databases.synthetic.plane import (
    CROP_SIZE,
    NORMAL_SIDE,
    TEXTURE_SCALE,
    drift,
    sample,
    to_crop,
    to_texture,
)
from cdmer_bench.databases.synthetic.portrait import Head

_FINE = 4  # polygons are drawn this much larger, then averaged down
_LASH = 0.014  # units; thickness of the upper lashes
_SEAM = 0.006  # units; thickness of the line between closed lips
_MOUTH_LIGHT = 0.035  # what comes out of an open mouth


class Openings:
    """Eyes and mouth of a take."""

    def __init__(
        self,
        head: Head,
        camera: Camera,
        placement: tuple[NDArray[np.float64], float, float],
        moves: list[NDArray[np.float64]],
        eyeballs: NDArray,
        grid: NDArray,
    ):
        self.eyeballs = eyeballs
        self.grid = grid
        self.pixel = camera.shape[1] / CROP_SIZE[0]  # pixels of the crop a unit
        self.per_112 = np.array(camera.shape[::-1]) / NORMAL_SIDE
        self.blur = camera.blur
        rims = load_face_model().rims
        self.rest = {
            name: to_crop(to_texture(head.vertices[rim]), camera.shape, *placement)
            for name, rim in rims.items()
        }
        scale = TEXTURE_SCALE * np.array([1, -1])
        self.moves = [
            {
                name: to_crop(
                    to_texture(head.vertices[rim]) + move[rim, :2] * scale, camera.shape, *placement
                )
                - self.rest[name]
                for name, rim in rims.items()
            }
            for move in moves
        ]
        self.closed = _gap(self.rest)

    def draw(
        self,
        image: NDArray,  # (H, W)
        strengths: list[float],  # share of each motion's peak
        head: NDArray[np.float64],  # (2,), drift of the head, pixels at 112 x 112
    ) -> None:
        """Draw into an image of the skin, in place."""
        rims = {}
        for name, rest in self.rest.items():
            rims[name] = rest + head * self.per_112
            for strength, move in zip(strengths, self.moves, strict=True):
                rims[name] = rims[name] + strength * move[name]
        for side in "LR":
            self._eye(image, rims[f"lid_{side}_upper"], rims[f"lid_{side}_lower"], head)
        self._mouth(image, rims)

    def _eye(self, image: NDArray, upper: NDArray, lower: NDArray, head: NDArray) -> None:
        box = _box(np.concatenate([upper, lower]), 0.08 * self.pixel, image.shape)
        if box is None:
            return
        # A lid that passes the other one has closed the eye: it cannot open downwards.
        x = np.linspace(max(upper[0, 0], lower[0, 0]), min(upper[-1, 0], lower[-1, 0]), 24)
        top, bottom = _along(upper, x), _along(lower, x)
        top = np.minimum(top, bottom)
        ring = np.concatenate([np.stack([x, top], -1), np.stack([x, bottom], -1)[::-1]])
        open_ = _polygon(box, ring, self.blur)
        shadow = cv2.GaussianBlur(open_, (0, 0), 0.030 * self.pixel)
        shadow = np.clip(0.35 + 0.9 * shadow, 0, 1)
        lash = _line(box, np.stack([x, top], -1), _LASH * self.pixel, self.blur)
        rows, columns = box
        part = image[rows, columns]
        part *= 1 - open_
        part += open_ * shadow * sample(self.eyeballs, self.grid[rows, columns] - drift(head))
        part *= 1 - 0.85 * lash

    def _mouth(self, image: NDArray, rims: dict[str, NDArray]) -> None:
        upper, lower = rims["lip_upper"], rims["lip_lower"]
        box = _box(np.concatenate([upper, lower]), 0.05 * self.pixel, image.shape)
        if box is None:
            return
        x, top, bottom = _lips(rims)
        gap = np.clip(bottom - top - self.closed, 0, None)
        taper = np.sin(np.linspace(0.12, np.pi - 0.12, len(x))) ** 0.5
        half = (gap + _SEAM * self.pixel * taper) / 2
        middle = (top + bottom) / 2
        ring = np.concatenate(
            [np.stack([x, middle - half], -1), np.stack([x, middle + half], -1)[::-1]]
        )
        dark = 0.9 * _polygon(box, ring, self.blur)
        rows, columns = box
        image[rows, columns] *= 1 - dark
        image[rows, columns] += _MOUTH_LIGHT * dark


def _lips(rims: dict[str, NDArray]) -> tuple[NDArray, NDArray, NDArray]:
    """Return both rims of the lips at the same 24 abscissas."""
    upper, lower = rims["lip_upper"], rims["lip_lower"]
    left, right = min(upper[0, 0], lower[0, 0]), max(upper[-1, 0], lower[-1, 0])
    x = np.linspace(left, right, 24)
    return x, _along(upper, x), _along(lower, x)


def _gap(rims: dict[str, NDArray]) -> NDArray[np.float64]:
    _, top, bottom = _lips(rims)
    return bottom - top


def _along(rim: NDArray, x: NDArray) -> NDArray:
    """Interpolate a rim's height; its vertices may swap places by a hair, so sort them."""
    order = np.argsort(rim[:, 0], kind="stable")
    return np.interp(x, rim[order, 0], rim[order, 1])


def _box(points: NDArray, margin: float, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Return the rows and columns around some points, None if they lie outside the crop."""
    low = np.floor(points.min(axis=0) - margin).astype(int).clip(0)
    high = np.minimum(np.ceil(points.max(axis=0) + margin).astype(int), shape[1::-1])
    if (high - low < 2).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


def _canvas(box: tuple[slice, slice]) -> tuple[NDArray[np.uint8], NDArray]:
    rows, columns = box
    size = (rows.stop - rows.start, columns.stop - columns.start)
    origin = np.array([columns.start, rows.start]) - 0.5
    return np.zeros((size[0] * _FINE, size[1] * _FINE), np.uint8), origin


def _shrink(canvas: NDArray[np.uint8], blur: float) -> NDArray:
    size = (canvas.shape[1] // _FINE, canvas.shape[0] // _FINE)
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return cv2.GaussianBlur(small, (0, 0), blur)


def _fixed(points: NDArray, origin: NDArray) -> NDArray[np.int32]:
    """Return points of the crop on the fine canvas, in OpenCV's 1/16 pixels."""
    return np.round(((points - origin) * _FINE - 0.5) * 16).astype(np.int32)


def _polygon(box: tuple[slice, slice], ring: NDArray, blur: float) -> NDArray:
    canvas, origin = _canvas(box)
    cv2.fillPoly(canvas, [_fixed(ring, origin)], 255, cv2.LINE_AA, 4)
    return _shrink(canvas, blur)


def _line(box: tuple[slice, slice], points: NDArray, thickness: float, blur: float) -> NDArray:
    canvas, origin = _canvas(box)
    width = max(1, round(thickness * _FINE))
    cv2.polylines(canvas, [_fixed(points, origin)], False, 255, width, cv2.LINE_AA, 4)
    return _shrink(canvas, blur)
