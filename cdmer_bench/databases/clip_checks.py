"""Checks of the frames of single clips: damaged, repeated, odd or converted images."""

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cdmer_bench.databases.base import Finding
from cdmer_bench.databases.clip_folders import FrameClip
from cdmer_bench.databases.findings import finding
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import read_grey
from cdmer_bench.errors import UserError

SHORT = 7  # frames; the paper's footnote 2 says that some clips of SMIC have fewer
LOSSLESS = (".bmp", ".png", ".tif", ".tiff")


def check_files(clip: FrameClip, title: str) -> list[Finding]:
    """Name the frames of a clip that are empty or not readable, without opening the others."""
    findings = []
    for path in clip.files:
        if not os.access(path, os.R_OK) or path.stat().st_size == 0:
            try:
                read_grey(path)
            except UserError as error:
                findings.append(_damaged(clip, title, error))
    return findings


def check_images(clip: FrameClip, title: str) -> list[Finding]:
    """Open every frame of a clip; name the damaged, the repeated, and odd sizes and depths."""
    findings = []
    repeated, before = [], None
    shapes: Counter[tuple[int, ...]] = Counter()
    deep = 0
    for path in clip.files:
        try:
            image = read_grey(path)
        except UserError as error:
            findings.append(_damaged(clip, title, error))
            continue
        if before is not None and np.array_equal(image, before):
            repeated.append(path.name)
        before = image
        shapes[image.shape] += 1
        deep += image.dtype.kind == "f"
    where = f"{title}: {clip.name}"
    if len(shapes) > 1:
        findings.append(_sizes_differ(where, shapes))
    if repeated:
        findings.append(_frames_equal(where, repeated))
    if deep:
        findings.append(_deep(where, deep))
    return findings


def _sizes_differ(where: str, shapes: Counter[tuple[int, ...]]) -> Finding:
    sizes = ", ".join(f"{n} of {s[1]} x {s[0]}" for s, n in shapes.most_common())
    return finding(
        "error",
        "frame-sizes-differ",
        where,
        f"frames of several sizes: {sizes}",
        "one size in a clip",
        "restore the original frames of this clip",
    )


def _frames_equal(where: str, repeated: Sequence[str]) -> Finding:
    return finding(
        "warning",
        "frames-equal",
        where,
        f"{len(repeated)} frames equal to the one before (first: {repeated[0]})",
        "frames that differ, as a camera's noise makes them",
        "the clip is used as it is: interpolation in time is defined for equal frames, "
        "but check how they were made",
    )


def _deep(where: str, n_frames: int) -> Finding:
    return finding(
        "warning",
        "frames-of-16-bit",
        where,
        f"{n_frames} frames of 16 bits",
        "8 bits a channel",
        "they are read as value / 257; check how they were made",
    )


def _damaged(clip: FrameClip, title: str, error: UserError) -> Finding:
    return finding(
        "error",
        "frame-damaged",
        f"{title}: {clip.name}",
        str(error),
        "a whole image",
        "copy the file again; without it the clip is not usable",
    )


def check_frame_names(clips: Sequence[FrameClip], database: FrameDatabase) -> list[Finding]:
    """Notice what the names of the frames tell: conversion, padding, very short clips."""
    title = database.title or database.name
    findings = []
    suffixes = Counter(path.suffix.lower() for clip in clips for path in clip.files)
    if database.format.startswith("smic") and any(s not in LOSSLESS for s in suffixes):
        findings.append(_converted(title, suffixes))
    unpadded = [
        clip for clip in clips
        if [p.name for p in clip.files] != sorted(p.name for p in clip.files)
    ]  # fmt: skip
    if unpadded:
        findings.append(_unpadded(title, unpadded))
    short = [clip for clip in clips if len(clip.files) < SHORT]
    if short:
        findings.append(_short(title, short))
    return findings


def _converted(title: str, suffixes: Counter[str]) -> Finding:
    return finding(
        "warning",
        "frames-converted",
        title,
        ", ".join(f"{n} {suffix}" for suffix, n in suffixes.most_common()),
        "the .bmp files of SMIC_all",
        "take the original files: compression adds noise of the size of the motion",
    )


def _unpadded(title: str, clips: Sequence[FrameClip]) -> Finding:
    return finding(
        "note",
        "numbers-not-padded",
        title,
        f"{len(clips)} clips whose frames are out of order when sorted by name",
        "time order",
        "nothing to do: frames are sorted by the number in the name",
    )


def _short(title: str, clips: Sequence[FrameClip]) -> Finding:
    listed = ", ".join(f"{clip.name} ({len(clip.files)})" for clip in clips[:5])
    single = any(len(clip.files) == 1 for clip in clips)
    return finding(
        "warning" if single else "note",
        "clips-short",
        title,
        f"{len(clips)} clips of fewer than {SHORT} frames: {listed}",
        "some such clips in SMIC at 25 frames a second",
        "nothing to do: the temporal interpolation brings them to its length",
    )
