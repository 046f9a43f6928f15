"""Whether frames are cropped to the face: judged by the face's share of the picture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cdmer_bench.databases.base import Finding, finding
from cdmer_bench.databases.clip_folders import FrameClip
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import face_share

N_FRAMES = 3
# The face's box divided by the picture's area. In the crops of the synthetic databases, whose
# proportions are those of the licensed ones, it is 0.7 to 0.9; a face as large as in CASME II or
# SMIC takes 0.13 of a scene of 640 x 480 pixels, one as large as in SAMM 0.2 of 960 x 650.
UNCROPPED, CROPPED = 0.35, 0.5
SMALLEST = 64  # pixels; in smaller pictures no face is looked for
SHRUNK = 240  # pixels of the longer side, to which a frame is brought before the search
CODES = ("frames-uncropped", "cropping-undecided")


def judge_cropping(clips: Sequence[FrameClip], title: str) -> list[Finding]:
    """Look for the face in the first frame of a few clips; say if the frames are not cropped.

    The largest face of each frame counts, and the median of the frames decides: below a share of
    `UNCROPPED` it is an error, from `CROPPED` on nothing is said; between them, and where no face
    is found, it is a warning.
    """
    import cv2

    places = np.linspace(0, len(clips) - 1, min(N_FRAMES, len(clips))).round().astype(int)
    shares: list[float] = []
    width = height = 0
    for clip in (clips[place] for place in places):
        try:
            frame = replace(clip, files=clip.files[:1]).frames()[0]
        except UserError:
            continue  # damage is told where the clip is read
        if min(frame.shape) < SMALLEST:
            return []
        height, width = frame.shape
        scale = min(1.0, SHRUNK / max(frame.shape))
        shares.append(
            face_share(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        )
    share = float(np.median([share for share in shares if share] or [0]))
    if not shares or share >= CROPPED:
        return []
    code = CODES[1] if share >= UNCROPPED else CODES[0] if share else "cropping-undecided/no-face"
    said = {"width": width, "height": height, "n": len(shares), "percent": 100 * share}
    return [finding(code, title, cropped=100 * CROPPED, **said)]
