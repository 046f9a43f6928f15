"""Whether the clips on disk can run the paper's protocol, and if not, what to do about it."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cdmer_bench.databases.base import EMOTIONS, SEVERITIES, Finding
from cdmer_bench.databases.clip_folders import FrameClip
from cdmer_bench.databases.clips import ClipsDatabase
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import frame_number, read_grey
from cdmer_bench.databases.synthetic.database import COUNTS, totals
from cdmer_bench.errors import DataMissing, UserError, nearest_neighbour

PAPER_DATABASES = {
    "casme2": "CASME II",
    "smic_hs": "SMIC (HS)",
    "smic_vis": "SMIC (VIS)",
    "smic_nir": "SMIC (NIR)",
}
SHORT = 7  # frames; the paper's footnote 2 says that some clips of SMIC have fewer
LOSSLESS = (".bmp", ".png", ".tif", ".tiff")

Checked = FrameDatabase | ClipsDatabase
Progress = Callable[[Iterable[FrameClip]], Iterable[FrameClip]]


@dataclass
class FrameCheck:
    """All that was noticed of the databases of a corpus."""

    findings: list[Finding] = field(default_factory=list)  # errors first
    # database to class to {'found': n, 'expected': n or None}; expected is the corrected Table
    # I, None for databases outside the paper
    counts: dict[str, dict[str, dict[str, int | None]]] = field(default_factory=dict)
    interpretation: list[str] = field(default_factory=list)  # the choices that the readers made

    @property
    def passed(self) -> bool:
        """Whether the protocol can run as it is: no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as mappings and lists that JSON can hold."""
        return {
            "passed": self.passed,
            "counts": self.counts,
            "interpretation": self.interpretation,
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def text(self) -> str:
        """Return everything as lines for a person; equal findings are one line."""
        lines = [*self.interpretation, ""]
        names = list(dict.fromkeys(name for classes in self.counts.values() for name in classes))
        lines.append(f"{'clips found (expected)':24}" + "".join(f"{c:>16}" for c in names))
        for database, classes in self.counts.items():
            cells = []
            for name in names:
                count = classes.get(name, {"found": 0, "expected": None})
                expected = "" if count["expected"] is None else f" ({count['expected']})"
                cells.append(f"{count['found']}{expected}")
            lines.append(f"{database:24}" + "".join(f"{cell:>16}" for cell in cells))
        lines += ["", *grouped(self.findings)]
        verdict = "can run as it is" if self.passed else "cannot run as it is: see the errors"
        return "\n".join(
            [*lines, "" if self.findings else "no finding", f"The protocol {verdict}."]
        )


def grouped(findings: Sequence[Finding], most: int = 3) -> list[str]:
    """Return a line for each kind of finding, with the count and the first examples."""
    kinds: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        database = finding.where.partition(":")[0]
        kinds[finding.severity, finding.code, database, finding.action].append(finding)
    lines = []
    for (severity, code, _, action), alike in kinds.items():
        if len(alike) == 1:
            lines.append(str(alike[0]))
            continue
        same = len({one.expected for one in alike}) == 1
        examples = "; ".join(
            f"{one.where}: found {one.text}" + ("" if same else f", expected {one.expected}")
            for one in alike[:most]
        )
        more = f"; and {len(alike) - most} more" if len(alike) > most else ""
        expected = f"; expected {alike[0].expected}" if same and alike[0].expected else ""
        todo = f"; {action}" if action else ""
        lines.append(f"{severity}: {code}: {len(alike)} times: {examples}{more}{expected}{todo}")
    return lines


def check_frames(
    root: str | Path,  # the folder of all databases
    # those to check; None is the paper's four, read with the default options
    databases: Sequence[Checked] | None = None,
    # whether to open every frame; else only empty and forbidden files are noticed
    read_images: bool = True,
    progress: Progress | None = None,  # wraps the iteration over clips, for a progress bar
) -> FrameCheck:
    """Check the databases of frames below a folder, or of a clips table."""
    if databases is None:
        databases = [
            FrameDatabase(k, title, root=str(root)) for k, title in PAPER_DATABASES.items()
        ]
    check = FrameCheck()
    frames = [database for database in databases if isinstance(database, FrameDatabase)]
    for database in databases:
        if isinstance(database, FrameDatabase):
            check.findings += _check_root(database, frames)
        _check_database(check, database, read_images, progress)
    check.findings += _check_unknown(frames)
    check.findings = sorted(
        dict.fromkeys(check.findings), key=lambda f: SEVERITIES.index(f.severity)
    )
    return check


def _check_database(
    check: FrameCheck, database: Checked, read_images: bool, progress: Progress | None
) -> None:
    title = database.title or database.name
    try:
        clips = [clip for clip in database.clips() if isinstance(clip, FrameClip)]
    except DataMissing as error:
        clips = []
        if isinstance(database, ClipsDatabase):
            check.findings.append(
                Finding("error", str(error), title, "no-clips", "", "complete the clips table")
            )
        elif not database.place.is_dir():
            check.findings.append(
                Finding(
                    "error", "no such folder", str(database.place), "no-root",
                    "the folder that holds the databases",
                    f"{nearest_neighbour(database.place)}give it with corpus.root=DIR",
                )
            )  # fmt: skip
            return
    check.interpretation += database.interpretation
    if database.synthetic and clips:
        check.interpretation.append(f"{title}: these frames are synthetic, not the database")
    check.findings += database.findings
    damaged = set()
    look = check_images if read_images else check_files
    for clip in progress(clips) if progress and read_images else clips:
        found = look(clip, title)
        check.findings += found
        damaged |= {clip.name for finding in found if finding.severity == "error"}
    form = database.format if isinstance(database, FrameDatabase) else database.name
    check.findings += check_frame_names(clips, title, form)
    clips = [clip for clip in clips if clip.name not in damaged]
    check.findings += _check_counts(clips, database.classes, form, title)
    expected = totals(form) if form in COUNTS else {}
    counted = Counter(clip.label for clip in clips)
    check.counts[database.name] = {
        name: {"found": counted[index], "expected": expected.get(name)}
        for index, name in enumerate(database.classes)
    }


def _check_root(database: FrameDatabase, databases: Sequence[FrameDatabase]) -> list[Finding]:
    """Notice the folder of one subject by its name, unless other subjects' clips lie in it."""
    place = database.place
    name = place.resolve().name
    if not place.is_dir() or not re.fullmatch(r"(sub|s)[ _-]?\d+", name, re.I):
        return []
    beside = (other.read() for other in databases if other.place == place)
    subjects = {subject_key(row["subject"]) for reading in beside for row in reading.rows}
    if subjects - {subject_key(name)}:
        return []
    return [
        Finding(
            "error", "the folder of one subject", str(place), "root-too-deep",
            "the folder that holds all subjects", "give a folder further up",
        )
    ]  # fmt: skip


def _check_unknown(databases: Sequence[FrameDatabase]) -> list[Finding]:
    """Name the folders of images that no reader recognised as a clip."""
    readings = [database.read() for database in databases if database.place.is_dir()]
    known = {path for reading in readings for path in reading.known}
    unknown = sorted(
        {f.path for r in readings for f in r.folders if f.files and f.path not in known}
    )
    if not unknown:
        return []
    return [
        Finding(
            "warning",
            f"{len(unknown)} folders of images that no reader knows (first: {unknown[0]})",
            str(databases[0].place), "folders-unknown", "folders of the databases",
            "nothing to do if they are no clips; else write a clips table",
        )
    ]  # fmt: skip


def _check_counts(
    clips: Sequence[FrameClip], classes: Sequence[str], form: str, title: str
) -> list[Finding]:
    """Compare the clips of each class, and of each subject, with the corrected Table I."""
    if form not in COUNTS or set(classes) != set(EMOTIONS):
        return []
    found = Counter((subject_key(c.subject), classes[c.label]) for c in clips)
    expected = {
        (subject_key(subject), emotion): number
        for subject, numbers in COUNTS[form].items()
        for emotion, number in zip(EMOTIONS, numbers, strict=True)
    }
    subjects = sorted({subject for subject, _ in [*found, *expected]})
    odd = [
        f"subject {subject} has {_triple(found, subject)} instead of {_triple(expected, subject)}"
        for subject in subjects
        if _triple(found, subject) != _triple(expected, subject)
    ]
    # Where nothing was found, the reader's own finding says why.
    if not odd or not clips:
        return []
    sums = "/".join(str(sum(n for (_, e), n in found.items() if e == c)) for c in EMOTIONS)
    table = "/".join(str(n) for n in totals(form).values())
    more = f" and {len(odd) - 6} subjects more" if len(odd) > 6 else ""
    return [
        Finding(
            "error",
            f"{sums} usable clips, negative/positive/surprise ({'; '.join(odd[:6])}{more})",
            title, "counts", f"{table}, the corrected Table I",
            "see the other findings for what is missing",
        )
    ]  # fmt: skip


def subject_key(subject: str) -> int:
    """Return the number of a subject such as ``sub01`` or ``s1``."""
    number = frame_number(subject)
    return -1 if number is None else number


def _triple(counts: dict[tuple[int, str], int], subject: int) -> str:
    return "/".join(str(counts.get((subject, emotion), 0)) for emotion in EMOTIONS)


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
        sizes = ", ".join(f"{n} of {s[1]} x {s[0]}" for s, n in shapes.most_common())
        findings.append(
            Finding(
                "error", f"frames of several sizes: {sizes}", where, "frame-sizes-differ",
                "one size in a clip", "restore the original frames of this clip",
            )
        )  # fmt: skip
    if repeated:
        findings.append(
            Finding(
                "warning", f"{len(repeated)} frames equal to the one before (first: {repeated[0]})",
                where, "frames-equal", "frames that differ, as a camera's noise makes them",
                "the clip is used as it is: interpolation in time is defined for equal frames, "
                "but check how they were made",
            )
        )  # fmt: skip
    if deep:
        findings.append(
            Finding(
                "warning", f"{deep} frames of 16 bits", where, "frames-of-16-bit",
                "8 bits a channel", "they are read as value / 257; check how they were made",
            )
        )  # fmt: skip
    return findings


def _damaged(clip: FrameClip, title: str, error: UserError) -> Finding:
    return Finding(
        "error", str(error), f"{title}: {clip.name}", "frame-damaged", "a whole image",
        "copy the file again; without it the clip is not usable",
    )  # fmt: skip


def check_frame_names(clips: Sequence[FrameClip], title: str, form: str) -> list[Finding]:
    """Notice what the names of the frames tell: conversion, padding, very short clips."""
    findings = []
    suffixes = Counter(path.suffix.lower() for clip in clips for path in clip.files)
    if form.startswith("smic") and any(s not in LOSSLESS for s in suffixes):
        findings.append(
            Finding(
                "warning", ", ".join(f"{n} {suffix}" for suffix, n in suffixes.most_common()),
                title, "frames-converted", "the .bmp files of SMIC_all",
                "take the original files: compression adds noise of the size of the motion",
            )
        )  # fmt: skip
    unpadded = [
        clip for clip in clips
        if [p.name for p in clip.files] != sorted(p.name for p in clip.files)
    ]  # fmt: skip
    if unpadded:
        findings.append(
            Finding(
                "note",
                f"{len(unpadded)} clips whose frames are out of order when sorted by name",
                title, "numbers-not-padded", "time order",
                "nothing to do: frames are sorted by the number in the name",
            )
        )  # fmt: skip
    short = [clip for clip in clips if len(clip.files) < SHORT]
    if short:
        listed = ", ".join(f"{clip.name} ({len(clip.files)})" for clip in short[:5])
        single = any(len(clip.files) == 1 for clip in short)
        findings.append(
            Finding(
                "warning" if single else "note",
                f"{len(short)} clips of fewer than {SHORT} frames: {listed}", title, "clips-short",
                "some such clips in SMIC at 25 frames a second",
                "nothing to do: the temporal interpolation brings them to its length",
            )
        )  # fmt: skip
    return findings
