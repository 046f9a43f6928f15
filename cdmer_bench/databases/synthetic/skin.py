"""Paint a subject's skin, brows, lips, hair and eyes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.synthetic.faces import Subject
from cdmer_bench.databases.synthetic.plane import TEXTURE_ORIGIN, TEXTURE_SCALE, TEXTURE_SHAPE

IRIS_RADIUS = 0.056  # units: 11.7 mm of iris against 63 mm between the pupils
PUPIL_RADIUS = 0.021
BALL_RADIUS = 0.125


def paint_skin(
    subject: Subject,
    # (H, W, 2), units, position of each pixel's point on the mean face, relative to its eyes, y up:
    # paint sticks to the skin, whatever the shape of the face
    place: NDArray,
    lips: NDArray,  # (H, W) in 0..1
    ears: NDArray,  # (H, W) in 0..1
    # in the near infrared skin is brighter and even, and lips, spots and blood do not show
    band: str,
) -> NDArray:
    """Return the albedo of the skin layer at each texture pixel, (H, W) in 0..1."""
    rng = subject.stream("skin")
    even = 0.35 if band == "infrared" else 1.0  # melanin and blood absorb little there
    coarse = sum(_noise(rng, sigma) * weight for sigma, weight in ((40, 0.5), (16, 0.3), (6, 0.2)))
    fine = _noise(rng, 1.0)
    spots = _spots(rng)
    brows = _brows(subject, rng)
    x, y = place[..., 0], place[..., 1]
    painted = 0.06 * even * coarse + 0.035 * (0.5 + 0.5 * even) * fine
    tone = subject.skin if band == "visible" else 0.35 * subject.skin + 0.45
    skin = tone * (1 + _on_face(painted.astype(np.float32), place))
    skin *= 1 - 0.5 * even * _on_face(spots, place)
    skin *= 1 - even * _shadows(x, y, subject)
    lip = np.clip(lips * 1.3 - 0.1, 0, 1)
    wrinkles = _on_face(cv2.GaussianBlur(_noise(rng, 0.8), (0, 0), 0.1, sigmaY=2.5), place)
    skin *= 1 - lip * (0.30 * even + 0.04 - 0.05 * wrinkles)
    skin *= 1 - (0.80 if band == "visible" else 0.55) * _on_face(brows, place)
    hair = _hair(rng, place) * (1 - np.clip(2 * ears, 0, 1))
    strands = _on_face(cv2.GaussianBlur(_noise(rng, 0.8), (0, 0), 0.6, sigmaY=7), place)
    dark = (0.10 if band == "visible" else 0.22) * (1 + 0.5 * strands)
    return (skin * (1 - hair) + dark * hair).astype(np.float32)


def paint_eyes(
    subject: Subject,
    centres: NDArray[np.float64],  # (2, 2), texture pixels
    light: NDArray[np.float64],  # (3,), unit vector to the light; places the reflection
    band: str,
) -> NDArray:
    """Return whole eyeballs, lit, at the texture pixels, (H, W); the lids cover them later."""
    rng = subject.stream("eyes")
    gaze = rng.normal(0, 0.006, 2)
    iris_tone = rng.uniform(0.07, 0.14) + (0.16 if band == "infrared" else 0)
    rays = rng.normal(0, 1, 64)
    rows, columns = np.indices(TEXTURE_SHAPE, dtype=np.float32)
    image = np.full(TEXTURE_SHAPE, 0.3, np.float32)
    for x, y in centres:
        dx, dy = (columns - x) / TEXTURE_SCALE, (rows - y) / TEXTURE_SCALE
        ball = np.hypot(dx, dy)
        near = ball < 2 * BALL_RADIUS
        white = 0.62 * np.sqrt(np.clip(1 - (ball / (1.25 * BALL_RADIUS)) ** 2, 0.05, 1))
        dx, dy = dx - gaze[0], dy - gaze[1]
        radius = np.hypot(dx, dy)
        turn = (np.arctan2(dy, dx) / (2 * np.pi) % 1 * 64).astype(int) % 64
        iris = iris_tone * (1 + 0.15 * rays[turn]) * (1.3 - 0.6 * radius / IRIS_RADIUS)
        eye = _blend(white, iris, _disc(radius, IRIS_RADIUS, 0.008))
        eye = _blend(eye, 0.02, _disc(radius, PUPIL_RADIUS, 0.005))
        glint = np.hypot(dx - 0.035 * light[0], dy + 0.035 * light[1])
        eye = _blend(eye, 0.95, _disc(glint, 0.010, 0.004))
        image[near] = eye[near]
    return image


def _blend(below: NDArray, above: NDArray | float, share: NDArray) -> NDArray:
    return below * (1 - share) + above * share


def _disc(radius: NDArray, size: float, soft: float) -> NDArray:
    return np.clip((size - radius) / soft + 0.5, 0, 1)


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
        x, y = rng.uniform((-0.5, -0.8), (0.5, 0.5)) * (TEXTURE_SCALE, -TEXTURE_SCALE)
        centre = np.array([x, y]) + TEXTURE_ORIGIN
        radius = rng.uniform(0.6, 2.4)
        cv2.circle(image, tuple(np.round(centre * 8).astype(int).tolist()), int(radius * 8),
                   float(rng.uniform(0.15, 0.9)), -1, cv2.LINE_AA, 3)  # fmt: skip
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


def _shadows(x: NDArray, y: NDArray, subject: Subject) -> NDArray:
    """Darken the beard and the skin under the eyes, as a share of the albedo."""
    beard = np.exp(-(((np.abs(x) - 0.12) / 0.28) ** 2) - ((y + 0.80) / 0.26) ** 2)
    below = np.exp(-(((np.abs(x) - 0.27) / 0.11) ** 2) - ((y + 0.085) / 0.035) ** 2)
    return 0.16 * subject.masculinity**2 * beard + 0.07 * below


def _hair(rng: np.random.Generator, place: NDArray) -> NDArray:
    """Return where hair grows: beyond an oval around the face, above the ears."""
    x, y = place[..., 0], place[..., 1]
    width, top = rng.uniform(0.60, 0.66), rng.uniform(0.60, 0.72)
    rough = _on_face(_noise(rng, 2.5) + _noise(rng, 1.0), place)
    oval = (np.abs(x) / width) ** 3 + (np.clip(y + 0.05, 0, None) / (top + 0.05)) ** 3
    return np.clip((oval - 1 + 0.045 * rough) / 0.35 + 0.5, 0, 1) * np.clip((y + 0.2) / 0.15, 0, 1)
