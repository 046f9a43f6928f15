"""The picture plane: where the face lies in the texture, in a crop and at 112 x 112.

A face is placed by its eyes, as registered databases do: the origin is the middle between the
eyeballs, and the eyes of the mean face are EYE_DISTANCE units apart. x grows to the right and y
downwards; everything is an orthographic view from the front.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cdmer_bench.errors import UserError

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
    shape: tuple[int, int],
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


_EDGE = 1e-9  # pixels on an edge belong to both triangles; depth and index then decide
# Triangles are tested in groups of like size, each over the square of pixels that holds it.
_SIDES = (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Coverage:
    """Which triangle each pixel sees, and where in it."""

    mask: NDArray[np.bool_]  # (H, W), pixels that see the mesh
    # sparse matrix, shape (H * W, n_vertices), barycentric weights: ``weights @ values``
    # interpolates values given at the vertices
    weights: sparse.csr_matrix

    def interpolate(self, values: NDArray) -> NDArray[np.float32]:
        """Interpolate vertex values (n_vertices, ...) to the pixels, (H, W, ...)."""
        flat = self.weights @ values.reshape(len(values), -1).astype(np.float32)
        return flat.reshape(*self.mask.shape, *values.shape[1:])


def rasterise(
    # (n, 2), pixels, projected vertices, x then y; pixel (0, 0) has its centre at (0, 0)
    points: NDArray[np.float64],
    depth: NDArray[np.float64],  # (n,), larger is nearer to the camera
    triangles: NDArray[np.intp],  # (m, 3), those that show their back to the camera are left out
    shape: tuple[int, int],  # (H, W)
) -> Coverage:
    """Find for each pixel the nearest triangle that covers its centre."""
    corners = points[triangles]  # (m, 3, 2)
    # y grows downwards: a triangle that is anti-clockwise in space has a negative area here.
    front = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) < 0
    low = np.ceil(corners.min(axis=1)).astype(int)
    size = np.floor(corners.max(axis=1)).astype(int) - low + 1
    inside = front & ((low < shape[::-1]) & (low + size > 0) & (size > 0)).all(axis=1)
    if size[inside].max(initial=0) > _SIDES[-1]:
        raise UserError(
            f"a triangle of the mesh is larger than {_SIDES[-1]} pixels: ask for a smaller image"
        )
    found = []
    for smaller, side in pairwise((0, *_SIDES)):
        chosen = np.flatnonzero(inside & (size.max(axis=1) <= side) & (size.max(axis=1) > smaller))
        found.append(_candidates(corners, low, depth, triangles, chosen, side, shape))
    pixel, weight, z, owner = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((owner, z, pixel))  # each pixel's last one is its nearest
    order = order[np.diff(pixel[order], append=-1) != 0]
    mask = np.zeros(shape, bool)
    mask.flat[pixel[order]] = True
    rows = np.repeat(pixel[order], 3)
    columns = triangles[owner[order]].ravel()
    matrix = sparse.csr_matrix(
        (weight[order].astype(np.float32).ravel(), (rows, columns)),
        shape=(shape[0] * shape[1], len(points)),
    )
    return Coverage(mask, matrix)


def _candidates(corners, low, depth, triangles, chosen, side, shape):  # type: ignore[no-untyped-def]
    """Test the side x side pixels from the low corner of each chosen triangle."""
    a, b, c = (corners[chosen, k] for k in range(3))
    area = _cross(b - a, c - a)
    step = np.arange(side)
    x = (low[chosen, 0] - a[:, 0])[:, None] + step  # (m, side), from the first corner
    y = (low[chosen, 1] - a[:, 1])[:, None] + step
    # Both weights are linear in x and y: a column's part plus a row's part.
    beta = _plane(x, y, (c - a) / area[:, None])
    gamma = -_plane(x, y, (b - a) / area[:, None])
    columns, rows = low[chosen, 0, None] + step, low[chosen, 1, None] + step
    fits = ((rows >= 0) & (rows < shape[0]))[:, :, None] & ((columns >= 0) & (columns < shape[1]))[
        :, None
    ]
    hit = fits & (beta >= -_EDGE) & (gamma >= -_EDGE) & (beta + gamma <= 1 + _EDGE)
    which, j, i = np.nonzero(hit)
    owner = chosen[which]
    beta, gamma = beta[hit], gamma[hit]
    weight = np.stack([1 - beta - gamma, beta, gamma], axis=-1)
    z = (weight * depth[triangles[owner]]).sum(axis=-1)
    return rows[which, j] * shape[1] + columns[which, i], weight, z, owner


def _plane(x: NDArray, y: NDArray, edge: NDArray) -> NDArray:
    """Return the cross product of (x, y) and an edge at each pixel, (m, rows, columns)."""
    return (x * edge[:, 1:])[:, None, :] - (y * edge[:, :1])[:, :, None]


def _cross(u: NDArray, v: NDArray) -> NDArray:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def vertex_normals(
    vertices: NDArray[np.float64], triangles: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the unit normals of the vertices, area-weighted over their triangles, (n, 3)."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    total = np.stack(
        [
            np.bincount(triangles.ravel(), np.repeat(normal[:, axis], 3), len(vertices))
            for axis in range(3)
        ],
        axis=-1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
