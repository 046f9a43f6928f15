"""The face in uncropped frames: found once a clip, and cut out of all its frames.

A departure from the paper, which used the databases' own registered crops.
"""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, width, height

SMALLEST = 0.15  # side of the smallest face looked for, of the picture's shorter side
SMALLEST_FRAME = 64  # pixels; whether smaller frames are cropped is not judged
SHRUNK = 240  # pixels of the longer side, to which a frame is brought before it is judged
LOOKED_AT = 3  # frames from the onset on; the middle of their boxes is taken
# Margins of the side of the square that the cascade finds. With them it becomes, on the whole, the
# crop of the synthetic databases, whose proportions are those of the licensed ones.
ABOVE, BELOW = 0.06, 0.12


@lru_cache(maxsize=1)
def _cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def find_faces(frame: NDArray) -> list[Box]:
    """Find frontal faces with scikit-image's cascade: squares around them, the largest first.

    Squares may reach beyond the frame's edges, so that a face that fills the picture is found too.
    """
    image = np.clip(np.asarray(frame, dtype=np.float64), 0, 255).round().astype(np.uint8)
    edge = max(image.shape) // 4
    wide = np.pad(image, edge, mode="edge")
    least, most = max(24, round(SMALLEST * min(image.shape))), min(wide.shape)
    found = _cascade().detect_multi_scale(wide, 1.2, 1, (least, least), (most, most))
    boxes = [(d["c"] - edge, d["r"] - edge, d["width"], d["height"]) for d in found]
    faces: list[Box] = []
    for x, y, width, height in sorted(boxes, key=lambda box: (-box[2], box)):
        centre = x + width / 2, y + height / 2
        if not any(a < centre[0] < a + w and b < centre[1] < b + h for a, b, w, h in faces):
            faces.append((int(x), int(y), int(width), int(height)))
    return faces


def face_share(frame: NDArray) -> float:
    """Return the part of a frame that its largest face takes, 0 to 1; 0 if there is none."""
    faces = find_faces(frame)
    if not faces:
        return 0.0
    height, width = np.shape(frame)
    _, _, inside_x, inside_y = _inside(faces[0], width, height)
    return inside_x * inside_y / (width * height)


def median_face_share(frames: Sequence[NDArray]) -> float | None:
    """Return the median of the shares in frames with a face, 0 without one; None for small ones."""
    import cv2

    if not frames or min(min(frame.shape) for frame in frames) < SMALLEST_FRAME:
        return None
    shares = []
    for frame in frames:
        scale = min(1.0, SHRUNK / max(frame.shape))
        shrunk = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shares.append(face_share(shrunk))
    return float(np.median([share for share in shares if share] or [0]))


def face_box(frames: NDArray) -> Box | None:
    """Return the box to cut out of a clip (T, H, W), with its margins; None if no face is found.

    It warns where there is no face or more than one, of which the largest is taken.
    """
    faces = [find_faces(frame) for frame in frames[:LOOKED_AT]]
    largest = [boxes[0] for boxes in faces if boxes]
    if not largest:
        warnings.warn("no face was found; the whole frames are used", stacklevel=2)
        return None
    most = max(len(boxes) for boxes in faces)
    if most > 1:
        warnings.warn(f"{most} faces were found; the largest is used", stacklevel=2)
    x, y, side, _ = np.median(largest, axis=0)
    top, bottom = y - ABOVE * side, y + (1 + BELOW) * side
    box = (round(x), round(top), round(side), round(bottom - top))
    return _inside(box, frames.shape[2], frames.shape[1])


def _inside(box: Box, width: int, height: int) -> Box:
    """Cut a box at the edges of a frame."""
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[0] + box[2], width), min(box[1] + box[3], height)
    return left, top, right - left, bottom - top
