"""What runs and `cdmer data check` require of the clips of a database."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import (
    Clip,
    ClipDatabase,
    DamagedClip,
    Database,
    Finding,
    finding,
)
from cdmer_bench.databases.repeats import repeated_clips
from cdmer_bench.errors import UserError, own_code
from cdmer_bench.preprocessing import Preprocessing


def usable_clips(database: ClipDatabase) -> list[Clip]:
    """List the clips of a database; refuse what no run can use."""
    title, classes = database.title or database.name, database.classes
    with own_code(database, f"listing the clips of {title}"):
        clips = list(database.clips())
        known = [(clip.name, clip.label, clip.subject) for clip in clips]
    if not clips:
        raise UserError(f"{title} lists no clip; its clips() should list some")
    for name, label, _ in known:
        whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not whole or not 0 <= label < len(classes):
            raise UserError(
                f"{title}: clip {name} has the label {label!r}, expected the index of one of the "
                f"classes {', '.join(classes)}, counted from 0"
            )
    return clips


def usable_fingerprints(clips: Sequence[Clip], database: Database) -> list[str]:
    """Return the fingerprint of each clip, which stored features are found by."""
    title = database.title or database.name
    with own_code(database, f"the fingerprint of a clip of {title}"):
        marks = [clip.fingerprint for clip in clips]
    for clip, mark in zip(clips, marks, strict=True):
        if not isinstance(mark, str) or not mark:
            raise UserError(
                f"{title}: clip {clip.name} has the fingerprint {mark!r}, expected a text that "
                "changes with its frames"
            )
    return marks


def check_clips(database: ClipDatabase, read: bool) -> list[Finding]:
    """Name clips that are repeated and, if they are read, those that cannot be."""
    title, found = database.title or database.name, []
    try:
        clips = usable_clips(database)
        found += repeated_clips(clips, usable_fingerprints(clips, database), title)
    except UserError as error:
        return [finding("unreadable", title, reason=error)]
    for clip in clips if read else ():
        try:
            with own_code(clip, "its frames()"):
                clip.frames()
        except UserError as error:
            found.append(finding("frame-damaged", f"{title}: {clip.name}", reason=error))
    return found


def read_clip(
    clip: Clip,
    preprocessing: Preprocessing,
    interpolated: bool = True,  # else it keeps its number of frames
) -> NDArray[np.float64] | DamagedClip:
    """Read and preprocess a clip."""
    try:
        with own_code(clip, "its frames()"):
            frames = clip.frames()
        with own_code(preprocessing, type(preprocessing).__name__):
            steps = preprocessing.for_clip(clip)
            return steps(frames) if interpolated else steps.resized(frames)
    except UserError as error:
        return DamagedClip(clip.name, str(error))
