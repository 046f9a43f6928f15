"""Faces: the head model of MakeHuman's CC0 data, the pixels that see it, the people drawn from it.

One unit is a decimetre of MakeHuman (the eyes are 0.58 apart); x points to the subject's left
(right in the image), y up and z to the camera.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from cdmer_bench.errors import DataMissing

# Part of every random stream and every clip's fingerprint: raise it whenever a frame changes.
GENERATOR_VERSION = "1"
ASSET = Path(__file__).with_name("face.npz")
_MIDLINE = 0.04  # units; half-width of the band where a two-sided unit passes from left to right
PHENOTYPES = ("asian-female", "asian-male", "caucasian-female", "caucasian-male")
# Dirichlet weights of PHENOTYPES. CASME II filmed Chinese students, SMIC a mixed group.
_ORIGIN = {"casme2": (0.9, 0.9, 0.05, 0.05), "smic": (0.4, 0.5, 0.4, 0.5)}
IDENTITY_SPREAD, IDENTITY_LIMIT = 0.26, 0.7
_EDGE = 1e-9  # pixels on an edge belong to both triangles; depth and index then decide


def digest(*words: object) -> str:
    """Return a SHA-256 over the words and the generator's version, in hexadecimal."""
    text = "\x1f".join(str(word) for word in ("cdmer-synthetic", GENERATOR_VERSION, *words))
    return hashlib.sha256(text.encode()).hexdigest()


def stream(*words: object) -> np.random.Generator:
    """Return the random generator that belongs to these words, such as (seed, 'smic', 's11')."""
    return np.random.Generator(np.random.PCG64(int(digest(*words), 16)))


@dataclass(frozen=True)
class FaceModel:
    """A mesh whose shape and expression are sums of displacements."""

    vertices: NDArray[np.float64]  # (n, 3), the mean shape
    triangles: NDArray[np.intp]  # (m, 3)
    regions: dict[str, NDArray[np.float64]]  # lips, mouth (inside it) and ears: (n,) in 0..1
    identity: dict[str, NDArray[np.float32]]  # (n, 3) displacement of each mode
    eye_identity: dict[str, NDArray[np.float64]]  # (2, 3), the same of the eyes' centres
    # (n, 3), displacement of each action unit at full strength, keys such as ``12L``, ``12R``
    units: dict[str, NDArray[np.float64]]
    eyes: NDArray[np.float64]  # (2, 3), centres of the left and the right eyeball
    # vertices, in order of x, along ``lid_L_upper``, ``lid_L_lower``, ``lid_R_upper``,
    # ``lid_R_lower``, ``lip_upper`` and ``lip_lower``
    rims: dict[str, NDArray[np.intp]]
    fingerprint: str  # SHA-256 of the file

    def express(self, activations: dict[str, float]) -> NDArray[np.float64]:
        """Return the vertices' displacement, (n, 3), for strengths of sided action units."""
        move = np.zeros_like(self.vertices)
        for unit, strength in activations.items():
            move += strength * self.units[unit]
        return move

    def shape(
        self, coefficients: dict[str, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the vertices (n, 3) and the eye centres (2, 3) of an identity."""
        vertices, eyes = self.vertices.copy(), self.eyes.copy()
        for name, value in coefficients.items():
            vertices += value * self.identity[name]
            eyes += value * self.eye_identity[name]
        return vertices, eyes


@cache
def load_face_model() -> FaceModel:
    """Load the asset that ships with the package."""
    if not ASSET.exists():
        raise DataMissing(
            f"{ASSET} is missing: install the package again, or run scripts/build_face_asset.py"
        )
    with np.load(ASSET) as file:
        data = {name: file[name] for name in file.files}

    def modes(name: str) -> dict[str, NDArray]:
        moves = data[name] * data[f"{name}_scale"][:, None, None]
        return dict(zip(data[f"{name}_names"].tolist(), moves, strict=True))

    vertices = data["vertices"].astype(np.float64)
    identity = modes("identity")
    # Units that move both sides at once, such as the inner brow, are split at the midline.
    left = 1 / (1 + np.exp(-np.clip(vertices[:, :1] / _MIDLINE, -50, 50)))
    units = {}
    for name, move in modes("units").items():
        if name[-1] in "LR":
            units[name] = move.astype(np.float64)
        else:
            units[name + "L"], units[name + "R"] = move * left, move * (1 - left)
    return FaceModel(
        vertices=vertices,
        triangles=data["triangles"].astype(np.intp),
        regions={name: data[name] / 255.0 for name in ("lips", "mouth", "ears")},
        identity=identity,
        eye_identity=dict(zip(identity, data["eyes_identity"].astype(float), strict=True)),
        units=units,
        eyes=data["eyes"].astype(np.float64),
        rims={n: data[n].astype(np.intp) for n in data if n.startswith(("lid_", "lip_"))},
        fingerprint=hashlib.sha256(ASSET.read_bytes()).hexdigest(),
    )


def group_of(database: str) -> str:
    """Return the group whose subjects and events a database shows: SMIC's three are one."""
    return "casme2" if database == "casme2" else "smic"


@dataclass(frozen=True)
class Subject:
    """One person."""

    identity: dict[str, float]  # coefficient of each identity mode of the face model
    masculinity: float  # 0 to 1; drives brows and beard shadow
    skin: float  # albedo of the skin in visible light
    pose: NDArray[np.float64]  # (3,), usual pitch, yaw and roll of the head, radians
    gains: dict[str, float]  # how strongly this person shows each action unit
    bias: float  # strength of the left side over the right: exp(bias)
    key: tuple  # seed and names; further random streams of the subject start from it


def make_subject(
    seed: int,
    group: str,  # SMIC's three databases share their subjects
    name: str,  # such as ``sub17`` or ``s20``
) -> Subject:
    """Draw a subject."""
    key = (seed, "subject", group, name)
    rng = stream(*key)
    model = load_face_model()
    modes = [mode for mode in model.identity if mode not in PHENOTYPES]
    values = rng.normal(0, IDENTITY_SPREAD, len(modes)).clip(-IDENTITY_LIMIT, IDENTITY_LIMIT)
    mixture = rng.dirichlet(np.array(_ORIGIN[group]))
    # Outlines of the head (round, square, oval, ...) exclude one another, so each is halved.
    share = [0.5 if mode.startswith("head-") else 1.0 for mode in modes]
    identity = dict(zip(modes, (values * share).tolist(), strict=True))
    identity |= dict(zip(PHENOTYPES, mixture.tolist(), strict=True))
    units = sorted({unit[:-1] for unit in model.units})
    gains = np.exp(rng.normal(0, 0.25, len(units)))
    return Subject(
        identity=identity,
        masculinity=float(mixture[1] + mixture[3]),
        skin=float(rng.uniform(0.50, 0.68)),
        pose=rng.normal(0, np.radians([2.5, 3.0, 1.0])),
        gains=dict(zip(units, gains.tolist(), strict=True)),
        bias=float(rng.normal(0, 0.2)),
        key=key,
    )


@dataclass(frozen=True)
class Coverage:
    """Which triangle each pixel sees, and where in it."""

    mask: NDArray[np.bool_]  # (H, W), pixels that see the mesh
    weights: "scipy.sparse.csr_matrix"  # (H * W, n_vertices), barycentric

    def interpolate(self, values: NDArray) -> NDArray[np.float32]:
        """Interpolate vertex values (n_vertices, ...) to the pixels, (H, W, ...)."""
        flat = self.weights @ values.reshape(len(values), -1).astype(np.float32)
        return flat.reshape(*self.mask.shape, *values.shape[1:])


def rasterise(
    # (n, 2), projected vertices, x then y (downwards); pixel (0, 0) has its centre at (0, 0)
    points: NDArray[np.float64],
    depth: NDArray[np.float64],  # (n,), larger is nearer to the camera
    triangles: NDArray[np.intp],  # (m, 3), those that show their back to the camera are left out
    shape: tuple[int, int],  # (H, W)
) -> Coverage:
    """Find for each pixel the nearest triangle that covers its centre."""
    corners = points[triangles]  # (m, 3, 2)
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    low = np.ceil(corners.min(axis=1)).astype(int)
    first = low.clip(0)
    last = np.minimum(np.floor(corners.max(axis=1)).astype(int), np.array(shape[::-1]) - 1)
    # y grows downwards: a triangle that is anti-clockwise in space has a negative area here.
    size = (last - first + 1).clip(0) * (area < 0)[:, None]
    # All pixels of the boxes around the triangles, one box after the other.
    n_pixels = size.prod(axis=1)
    owner = np.repeat(np.arange(len(triangles)), n_pixels)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(n_pixels) - n_pixels, n_pixels)
    at = first[owner] + np.stack([place % size[owner, 0], place // size[owner, 0]], axis=-1)
    a, b, c = (corners[owner, k] for k in range(3))
    from_a = (low[owner] - a) + (at - low[owner])
    beta = _cross(from_a, (c - a) / area[owner, None])
    gamma = -_cross(from_a, (b - a) / area[owner, None])
    hit = (beta >= -_EDGE) & (gamma >= -_EDGE) & (beta + gamma <= 1 + _EDGE)
    owner, at, beta, gamma = owner[hit], at[hit], beta[hit], gamma[hit]
    weight = np.stack([1 - beta - gamma, beta, gamma], axis=-1)
    z = (weight * depth[triangles[owner]]).sum(axis=-1)
    pixel = at[:, 1] * shape[1] + at[:, 0]
    order = np.lexsort((owner, z, pixel))  # each pixel's last one is its nearest
    order = order[np.diff(pixel[order], append=-1) != 0]
    mask = np.zeros(shape, bool)
    mask.flat[pixel[order]] = True
    rows, columns = np.repeat(pixel[order], 3), triangles[owner[order]].ravel()
    entries = weight[order].astype(np.float32).ravel()
    size_of_matrix = (shape[0] * shape[1], len(points))
    return Coverage(mask, scipy.sparse.csr_matrix((entries, (rows, columns)), shape=size_of_matrix))


def _cross(u: NDArray, v: NDArray) -> NDArray:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def vertex_normals(
    vertices: NDArray[np.float64], triangles: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the unit normals of the vertices, area-weighted over their triangles, (n, 3)."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.repeat(np.cross(b - a, c - a), 3, axis=0)  # one for each corner
    corners = triangles.ravel()
    sums = [np.bincount(corners, normal[:, axis], len(vertices)) for axis in range(3)]
    total = np.stack(sums, axis=-1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
