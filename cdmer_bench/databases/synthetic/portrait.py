"""A subject's face at rest, painted and lit, as layers in the texture plane.

A face is placed by its eyes, as registered databases do: the origin is the middle between the
eyeballs, and the eyes of the mean face are EYE_DISTANCE units apart. x grows to the right and y
downwards; everything is an orthographic view from the front. What a subject looks like is painted
once into a texture of this plane; a crop reads it at the places of its own pixels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.synthetic.faces import (
    Coverage,
    Subject,
    load_face_model,
    rasterise,
    stream,
    vertex_normals,
)

if TYPE_CHECKING:
    from cdmer_bench.databases.synthetic.render import Camera

EYE_DISTANCE = 0.575  # units, of the mean face
TEXTURE_SCALE = 270  # pixels a unit
TEXTURE_SHAPE = (508, 432)
TEXTURE_ORIGIN = np.array([216.0, 197.0])  # pixel (x, y) of the middle between the eyes

_HOLE_FILL = 7.0  # texture pixels; reach of the skin that is grown over eyes and mouth
IRIS_RADIUS = 0.056  # units: 11.7 mm of iris against 63 mm between the pupils
PUPIL_RADIUS = 0.021
BALL_RADIUS = 0.125


def to_texture(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project vertices (n, 2 or 3; y up) relative to the eyes to texture pixels (n, 2)."""
    return TEXTURE_ORIGIN + points[:, :2] * (TEXTURE_SCALE, -TEXTURE_SCALE)


@dataclass(frozen=True)
class Head:
    """A subject's geometry, turned and placed by the eyes; the same for every camera."""

    subject: Subject
    vertices: NDArray[np.float64]  # (n, 3), units from the middle between the eyes, y up
    # (3, 3), takes displacements of the face model to those of ``vertices``
    turn: NDArray[np.float64]
    coverage: Coverage  # which vertices each texture pixel sees
    occlusion: NDArray  # (H, W), share of the surrounding light that reaches each pixel
    # eyes and inner mouth: the rows and columns around each, and how much of each pixel it takes
    holes: list[tuple[tuple[slice, slice], NDArray]]
    eyes: NDArray[np.float64]  # (2, 2), texture pixels

    def normals(self, move: NDArray[np.float64] | float = 0.0) -> NDArray:
        """Return the skin's normals (H, W, 3) after a displacement (n, 3) of ``vertices``."""
        return self.to_image(vertex_normals(self.vertices + move, load_face_model().triangles))

    def to_image(self, values: NDArray) -> NDArray:
        """Interpolate vertex values (n, ...) to the texture and grow them over the holes."""
        return self.fill(self.coverage.interpolate(values))

    def fill(self, image: NDArray) -> NDArray:
        """Grow an image smoothly from around the holes into them."""
        image = image.copy()
        for place, share in self.holes:
            part, known = image[place], 1 - share
            total = np.maximum(cv2.GaussianBlur(known, (0, 0), _HOLE_FILL), 1e-3)
            if image.ndim == 3:
                known, total = known[..., None], total[..., None]
            grown = cv2.GaussianBlur(part * known, (0, 0), _HOLE_FILL) / total
            part *= known
            part += grown * (1 - known)
        return image


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
    # What lies behind its surroundings is dark: sockets, nostrils, the seam of the lips.
    shadow = np.zeros_like(depth)
    for sigma, strength in ((3, 5.0), (12, 2.5)):
        shadow += strength * np.clip(cv2.GaussianBlur(depth, (0, 0), sigma) - depth, 0, 0.2)
    return Head(
        subject, vertices, turn, coverage, 1 / (1 + shadow), _find_holes(share), to_texture(eyes)
    )


def _rotation(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation by pitch, yaw and roll, radians."""
    (a, b, c), (s, t, u) = np.cos(pose), np.sin(pose)
    pitch = np.array([[1, 0, 0], [0, a, -s], [0, s, a]])
    yaw = np.array([[b, 0, t], [0, 1, 0], [-t, 0, b]])
    roll = np.array([[c, -u, 0], [u, c, 0], [0, 0, 1]])
    return roll @ yaw @ pitch


def _find_holes(share: NDArray) -> list[tuple[tuple[slice, slice], NDArray]]:
    """Cut each hole out of an image of all holes, with the skin around it."""
    reach = int(3 * _HOLE_FILL)
    _, _, boxes, _ = cv2.connectedComponentsWithStats((share > 0).astype(np.uint8))
    found = []
    for x, y, width, height, _ in boxes[1:].tolist():
        rows = slice(max(0, y - reach), y + height + reach)
        columns = slice(max(0, x - reach), x + width + reach)
        found.append(((rows, columns), share[rows, columns]))
    return found


@dataclass(frozen=True)
class Portrait:
    """A head under a camera's light; all images are (H, W)."""

    head: Head
    albedo: NDArray  # of the skin layer, with the shadows of hollows
    light: NDArray  # what falls on the skin of the face at rest
    rest: NDArray  # the lit skin layer of the face at rest, blurred by the optics
    eyeballs: NDArray  # the lit eyes without lids, blurred likewise


def make_portrait(head: Head, camera: "Camera") -> Portrait:
    """Paint a head and light it for a camera."""
    model = load_face_model()
    place = model.vertices - model.eyes.mean(axis=0)
    albedo = paint_skin(
        head.subject,
        head.coverage.interpolate(place[:, :2]),
        head.coverage.interpolate(model.regions["lips"]),
        head.coverage.interpolate(model.regions["ears"]),
        camera.infrared,
    )
    albedo = head.fill(albedo * head.occlusion)
    light = camera.shade(head.normals())
    mask = cv2.GaussianBlur(head.coverage.mask.astype(np.float32), (0, 0), 0.7)
    backdrop = np.linspace(1.1, 0.8, TEXTURE_SHAPE[0], dtype=np.float32)[:, None]
    rest = albedo * light * mask + camera.background * backdrop * (1 - mask)
    eyes = _paint_eyes(head, camera) * np.float32(0.75 + 0.4 * camera.ambient)
    return Portrait(head, albedo, light, camera.defocus(rest), camera.defocus(eyes))


def paint_skin(
    subject: Subject,
    # (H, W, 2), units, position of each pixel's point on the mean face, relative to its eyes, y up:
    # paint sticks to the skin, whatever the shape of the face
    place: NDArray,
    lips: NDArray,  # (H, W) in 0..1
    ears: NDArray,  # (H, W) in 0..1
    # in the near infrared skin is brighter and even, and lips, spots and blood do not show
    infrared: bool,
) -> NDArray:
    """Return the albedo of the skin layer at each texture pixel, (H, W) in 0..1."""
    rng = stream(*subject.key, "skin")
    even = 0.35 if infrared else 1.0  # melanin and blood absorb little there
    coarse = sum(_noise(rng, sigma) * weight for sigma, weight in ((40, 0.5), (16, 0.3), (6, 0.2)))
    fine = _noise(rng, 1.0)
    spots = _spots(rng)
    brows = _brows(subject, rng)
    x, y = place[..., 0], place[..., 1]
    painted = 0.06 * even * coarse + 0.035 * (0.5 + 0.5 * even) * fine
    tone = 0.35 * subject.skin + 0.45 if infrared else subject.skin
    skin = tone * (1 + _on_face(painted.astype(np.float32), place))
    skin *= 1 - 0.5 * even * _on_face(spots, place)
    beard = np.exp(-(((np.abs(x) - 0.12) / 0.28) ** 2) - ((y + 0.80) / 0.26) ** 2)
    below_eyes = np.exp(-(((np.abs(x) - 0.27) / 0.11) ** 2) - ((y + 0.085) / 0.035) ** 2)
    skin *= 1 - even * (0.16 * subject.masculinity**2 * beard + 0.07 * below_eyes)
    lip = np.clip(lips * 1.3 - 0.1, 0, 1)
    wrinkles = _on_face(cv2.GaussianBlur(_noise(rng, 0.8), (0, 0), 0.1, sigmaY=2.5), place)
    skin *= 1 - lip * (0.30 * even + 0.04 - 0.05 * wrinkles)
    skin *= 1 - (0.55 if infrared else 0.80) * _on_face(brows, place)
    hair = _hair(rng, place) * (1 - np.clip(2 * ears, 0, 1))
    strands = _on_face(cv2.GaussianBlur(_noise(rng, 0.8), (0, 0), 0.6, sigmaY=7), place)
    dark = (0.22 if infrared else 0.10) * (1 + 0.5 * strands)
    return (skin * (1 - hair) + dark * hair).astype(np.float32)


def _noise(rng: np.random.Generator, sigma: float) -> NDArray:
    """Return smooth noise of unit variance."""
    white = rng.standard_normal(TEXTURE_SHAPE, dtype=np.float32)
    shrink = max(1, int(sigma / 3))  # wide blurs are done on a smaller image
    small = cv2.GaussianBlur(white[::shrink, ::shrink], (0, 0), sigma / shrink)
    field = cv2.resize(small, TEXTURE_SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    return field / field.std()


def _on_face(painted: NDArray, place: NDArray) -> NDArray:
    """Carry what was painted on the mean face over to the subject's."""
    x = (TEXTURE_ORIGIN[0] + place[..., 0] * TEXTURE_SCALE).astype(np.float32)
    y = (TEXTURE_ORIGIN[1] - place[..., 1] * TEXTURE_SCALE).astype(np.float32)
    return cv2.remap(painted, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _spots(rng: np.random.Generator) -> NDArray:
    """Paint moles and small blemishes."""
    image = np.zeros(TEXTURE_SHAPE, np.float32)
    for _ in range(rng.integers(2, 9)):
        place = rng.uniform((-0.5, -0.8), (0.5, 0.5)) * (TEXTURE_SCALE, -TEXTURE_SCALE)
        centre = np.round((place + TEXTURE_ORIGIN) * 8).astype(int).tolist()
        radius = int(rng.uniform(0.6, 2.4) * 8)
        strength = float(rng.uniform(0.15, 0.9))
        cv2.circle(image, centre, radius, strength, -1, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


def _brows(subject: Subject, rng: np.random.Generator) -> NDArray:
    """Paint the brows hair by hair along their arch on the mean face."""
    image = np.zeros(TEXTURE_SHAPE, np.uint8)
    height = rng.normal(0, 0.008)
    thick = 0.017 + 0.012 * subject.masculinity + rng.normal(0, 0.003)
    arch = rng.normal(0.035, 0.010)
    for side in (-1, 1):
        for _ in range(260):
            s = rng.uniform(0, 1)  # from the nose outwards
            x = 0.115 + 0.335 * s
            middle = 0.135 + height + arch * np.sin(np.pi * min(1, s / 1.25)) - 0.03 * s**4
            taper = thick * (0.75 + 0.5 * s) * (1 - s**3)
            start = np.array([x, middle + rng.uniform(-1, 1) * taper])
            lean = np.radians(75 - 70 * s + rng.normal(0, 12))
            end = start + rng.uniform(0.025, 0.05) * np.array([np.cos(lean), np.sin(lean)])
            stroke = np.array([start, end]) * (side * TEXTURE_SCALE, -TEXTURE_SCALE)
            points = np.round((stroke + TEXTURE_ORIGIN) * 16).astype(np.int32)
            cv2.polylines(image, [points], False, int(rng.uniform(120, 240)), 1, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), 0.9)
    wide = cv2.GaussianBlur(soft, (0, 0), 3.0)  # hairs too thin to be seen one by one
    return np.clip(0.65 * soft + 0.5 * wide, 0, 1)


def _hair(rng: np.random.Generator, place: NDArray) -> NDArray:
    """Return where hair grows: beyond an oval around the face, above the ears."""
    x, y = place[..., 0], place[..., 1]
    width, top = rng.uniform(0.60, 0.66), rng.uniform(0.60, 0.72)
    rough = _on_face(_noise(rng, 2.5) + _noise(rng, 1.0), place)
    oval = (np.abs(x) / width) ** 3 + (np.clip(y + 0.05, 0, None) / (top + 0.05)) ** 3
    return np.clip((oval - 1 + 0.045 * rough) / 0.35 + 0.5, 0, 1) * np.clip((y + 0.2) / 0.15, 0, 1)


def _paint_eyes(head: Head, camera: "Camera") -> NDArray:
    """Return whole eyeballs, with the lamp's reflection, (H, W); the lids cover them later."""
    rng = stream(*head.subject.key, "eyes")
    gaze = rng.normal(0, 0.006, 2)
    iris_tone = rng.uniform(0.07, 0.14) + (0.16 if camera.infrared else 0)
    rays = rng.normal(0, 1, 64)
    rows, columns = np.indices(TEXTURE_SHAPE, dtype=np.float32)
    image = np.full(TEXTURE_SHAPE, 0.3, np.float32)
    light = camera.direction()
    for x, y in head.eyes:
        dx, dy = (columns - x) / TEXTURE_SCALE, (rows - y) / TEXTURE_SCALE
        ball = np.hypot(dx, dy)
        near = ball < 2 * BALL_RADIUS
        white = 0.62 * np.sqrt(np.clip(1 - (ball / (1.25 * BALL_RADIUS)) ** 2, 0.05, 1))
        dx, dy = dx - gaze[0], dy - gaze[1]
        radius = np.hypot(dx, dy)
        turn = (np.arctan2(dy, dx) / (2 * np.pi) % 1 * 64).astype(int) % 64
        iris = iris_tone * (1 + 0.15 * rays[turn]) * (1.3 - 0.6 * radius / IRIS_RADIUS)
        eye = _disc(white, iris, radius, IRIS_RADIUS, 0.008)
        eye = _disc(eye, 0.02, radius, PUPIL_RADIUS, 0.005)
        glint = np.hypot(dx - 0.035 * light[0], dy + 0.035 * light[1])
        eye = _disc(eye, 0.95, glint, 0.010, 0.004)
        image[near] = eye[near]
    return image


def _disc(
    below: NDArray, above: NDArray | float, radius: NDArray, size: float, soft: float
) -> NDArray:
    """Put a disc with a soft rim over an image."""
    share = np.clip((size - radius) / soft + 0.5, 0, 1)
    return below * (1 - share) + above * share
