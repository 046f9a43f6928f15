"""A subject's face at rest, as layers in the texture plane."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.synthetic.cameras import Camera
from cdmer_bench.databases.synthetic.faces import Subject, load_face_model
from cdmer_bench.databases.synthetic.plane import (
    EYE_DISTANCE,
    TEXTURE_SCALE,
    TEXTURE_SHAPE,
    Coverage,
    rasterise,
    to_texture,
    vertex_normals,
)
from cdmer_bench.databases.synthetic.skin import paint_eyes, paint_skin

_HOLE_FILL = 7.0  # texture pixels; reach of the skin that is grown over eyes and mouth


@dataclass(frozen=True)
class Hole:
    """A place without skin: its rows and columns, and how much of each pixel it takes (0..1)."""

    rows: slice
    columns: slice
    share: NDArray


@dataclass(frozen=True)
class Head:
    """A subject's geometry, turned and placed by the eyes; the same for every camera."""

    subject: Subject
    vertices: NDArray[np.float64]  # (n, 3), units from the middle between the eyes, y up
    # (3, 3), takes displacements of the face model to those of ``vertices``
    turn: NDArray[np.float64]
    coverage: Coverage  # which vertices each texture pixel sees
    occlusion: NDArray  # (H, W), share of the surrounding light that reaches each pixel
    holes: list[Hole]  # eyes and inner mouth
    eyes: NDArray[np.float64]  # (2, 2), texture pixels

    def normals(self, move: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the vertices' normals, after a displacement (n, 3) of ``vertices``."""
        vertices = self.vertices if move is None else self.vertices + move
        return vertex_normals(vertices, load_face_model().triangles)

    def to_image(self, values: NDArray) -> NDArray:
        """Interpolate vertex values (n, ...) to the texture and grow them over the holes."""
        return fill(self.coverage.interpolate(values), self.holes)


def make_head(subject: Subject) -> Head:
    """Shape, turn and place a subject's head."""
    model = load_face_model()
    vertices, eyes = model.shape(subject.identity)
    turn = _rotation(subject.pose) * (EYE_DISTANCE / np.linalg.norm(eyes[0] - eyes[1]))
    middle = eyes.mean(axis=0)
    vertices, eyes = (vertices - middle) @ turn.T, (eyes - middle) @ turn.T
    # Registered by the eyes: level them again after the turn.
    level = np.arctan2(eyes[0, 1] - eyes[1, 1], eyes[0, 0] - eyes[1, 0])
    flat = _rotation(np.array([0, 0, -level]))
    vertices, eyes, turn = vertices @ flat.T, eyes @ flat.T, flat @ turn
    points = to_texture(vertices)
    coverage = rasterise(points, vertices[:, 2], model.triangles, TEXTURE_SHAPE)
    depth = coverage.interpolate(vertices[:, 2])
    depth[~coverage.mask] = vertices[:, 2].min()
    inside = coverage.interpolate(model.regions["mouth"]) > 0.5
    holes: NDArray = inside.astype(np.uint8) * np.uint8(255)
    for side in "LR":
        ring = [model.rims[f"lid_{side}_upper"], model.rims[f"lid_{side}_lower"][::-1]]
        polygon = np.round(points[np.concatenate(ring)] * 16).astype(np.int32)
        cv2.fillPoly(holes, [polygon], 255, cv2.LINE_AA, 4)
    share = cv2.dilate(holes, np.ones((3, 3), np.uint8)).astype(np.float32) / 255
    return Head(
        subject,
        vertices,
        turn,
        coverage,
        _occlusion(depth),
        find_holes(share),
        to_texture(eyes),
    )


@dataclass(frozen=True)
class Portrait:
    """A head under a camera's light."""

    head: Head
    albedo: NDArray  # (H, W), of the skin layer, with the shadows of hollows
    light: NDArray  # (H, W), what falls on the skin of the face at rest
    rest: NDArray  # (H, W), the lit skin layer of the face at rest, blurred by the optics
    eyeballs: NDArray  # (H, W), the lit eyes without lids, blurred likewise


def make_portrait(head: Head, camera: Camera) -> Portrait:
    """Paint a head and light it for a camera."""
    model = load_face_model()
    place = model.vertices - model.eyes.mean(axis=0)
    albedo = paint_skin(
        head.subject,
        head.coverage.interpolate(place[:, :2]),
        head.coverage.interpolate(model.regions["lips"]),
        head.coverage.interpolate(model.regions["ears"]),
        camera.band,
    )
    albedo = fill(albedo * head.occlusion, head.holes)
    light = shade(head.to_image(head.normals()), camera)
    skin = albedo * light
    mask = cv2.GaussianBlur(head.coverage.mask.astype(np.float32), (0, 0), 0.7)
    behind = camera.background * _backdrop()
    blur = optics(camera)
    eyes = paint_eyes(head.subject, head.eyes, camera.direction(), camera.band)
    return Portrait(
        head,
        albedo,
        light,
        cv2.GaussianBlur(skin * mask + behind * (1 - mask), (0, 0), blur),
        cv2.GaussianBlur(eyes * np.float32(0.75 + 0.4 * camera.ambient), (0, 0), blur),
    )


def shade(normals: NDArray, camera: Camera) -> NDArray:
    """Return the light that a surface sends to the camera, (H, W), for normals (H, W, 3)."""
    light = camera.direction().astype(np.float32)
    diffuse = np.clip((normals @ light + 0.15) / 1.15, 0, None)
    half = light + np.array([0, 0, 1], np.float32)
    gloss = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 20
    return camera.ambient + (1 - camera.ambient) * diffuse + np.float32(0.10) * gloss


def optics(camera: Camera) -> float:
    """Return the camera's blur, with that of its pixels, in texture pixels."""
    pixel = TEXTURE_SCALE * 1.45 / camera.shape[1]
    return float(pixel * np.hypot(camera.blur, 0.35))


def find_holes(holes: NDArray) -> list[Hole]:
    """Cut each hole out of an image of all holes, with the skin around it."""
    reach = int(3 * _HOLE_FILL)
    _, _, boxes, _ = cv2.connectedComponentsWithStats((holes > 0).astype(np.uint8))
    found = []
    for x, y, width, height, _ in boxes[1:].tolist():
        rows = slice(max(0, y - reach), y + height + reach)
        columns = slice(max(0, x - reach), x + width + reach)
        found.append(Hole(rows, columns, holes[rows, columns]))
    return found


def fill(image: NDArray, holes: list[Hole]) -> NDArray:
    """Grow an image smoothly from around the holes into them."""
    image = image.copy()
    for hole in holes:
        part, known = image[hole.rows, hole.columns], 1 - hole.share
        weight = known if image.ndim == 2 else known[..., None]
        spread = cv2.GaussianBlur(part * weight, (0, 0), _HOLE_FILL)
        total = np.maximum(cv2.GaussianBlur(known, (0, 0), _HOLE_FILL), 1e-3)
        grown = spread / (total if image.ndim == 2 else total[..., None])
        part *= weight
        part += grown * (1 - weight)
    return image


def _occlusion(depth: NDArray) -> NDArray:
    """Darken what lies behind its surroundings: sockets, nostrils, the seam of the lips."""
    shadow = np.zeros_like(depth)
    for sigma, strength in ((3, 5.0), (12, 2.5)):
        shadow += strength * np.clip(cv2.GaussianBlur(depth, (0, 0), sigma) - depth, 0, 0.2)
    return 1 / (1 + shadow)


def _rotation(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation by pitch, yaw and roll, radians."""
    (a, b, c), (s, t, u) = np.cos(pose), np.sin(pose)
    pitch = np.array([[1, 0, 0], [0, a, -s], [0, s, a]])
    yaw = np.array([[b, 0, t], [0, 1, 0], [-t, 0, b]])
    roll = np.array([[c, -u, 0], [u, c, 0], [0, 0, 1]])
    return roll @ yaw @ pitch


def _backdrop() -> NDArray:
    rows = np.linspace(1.1, 0.8, TEXTURE_SHAPE[0], dtype=np.float32)
    return np.repeat(rows[:, None], TEXTURE_SHAPE[1], axis=1)
