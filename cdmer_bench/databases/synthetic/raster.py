"""Rasterise a triangle mesh to the pixels that it covers, in NumPy."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cdmer_bench.errors import UserError

_EDGE = 1e-9  # pixels on an edge belong to both triangles; depth and index then decide
# Triangles are tested in groups of like size, each over the square of pixels that holds it.
_SIDES = (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Coverage:
    """Which triangle each pixel sees, and where in it.

    Attributes
    ----------
    mask : ndarray of bool, shape (H, W)
        Pixels that see the mesh.
    weights : sparse matrix, shape (H * W, n_vertices)
        Barycentric weights: ``weights @ values`` interpolates values given at the vertices.
    """

    mask: NDArray[np.bool_]
    weights: sparse.csr_matrix

    def interpolate(self, values: NDArray) -> NDArray[np.float32]:
        """Interpolate vertex values (n_vertices, ...) to the pixels, (H, W, ...)."""
        flat = self.weights @ values.reshape(len(values), -1).astype(np.float32)
        return flat.reshape(*self.mask.shape, *values.shape[1:])


def rasterise(
    points: NDArray[np.float64],
    depth: NDArray[np.float64],
    triangles: NDArray[np.intp],
    shape: tuple[int, int],
) -> Coverage:
    """Find for each pixel the nearest triangle that covers its centre.

    Parameters
    ----------
    points : (n, 2), pixels
        Projected vertices, x then y; pixel (0, 0) has its centre at (0, 0).
    depth : (n,)
        Larger is nearer to the camera.
    triangles : (m, 3)
        Those that show their back to the camera are left out.
    shape : (H, W)
    """
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
