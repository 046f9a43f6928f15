"""Whether the clips on disk can run the paper's protocol, and if not, what to do about it."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cdmer_bench.databases.base import EMOTIONS, SEVERITIES, Finding, finding
from cdmer_bench.databases.checks import repeated_clips
from cdmer_bench.databases.clips import TableDatabase
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import FrameClip, frame_number, read_grey
from cdmer_bench.databases.reader import LAYOUTS
from cdmer_bench.databases.synthetic.database import COUNTS
from cdmer_bench.errors import UserError, nearest_neighbour
from cdmer_bench.protocol import composition

SHORT = 7  # frames; the paper's footnote 2 says that some clips of SMIC have fewer
LOSSLESS = {".bmp", ".png", ".tif", ".tiff", ".pgm", ".ppm"}


@dataclass
class FrameCheck:
    """All that was noticed of the databases of a corpus."""

    findings: list[Finding] = field(default_factory=list)  # errors first
    # database to class to {'found': n, 'expected': n or None}; expected is the corrected Table
    # I, None for databases outside the paper
    counts: dict[str, dict[str, dict[str, int | None]]] = field(default_factory=dict)
    interpretation: list[str] = field(default_factory=list)  # the choices that the readers made
    whole: bool = True  # whether all of the paper's databases were checked

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
        names = list(dict.fromkeys(name for classes in self.counts.values() for name in classes))
        rows = [["clips found (expected)", *names]]
        for database, classes in self.counts.items():
            counts = (classes.get(name, {"found": 0, "expected": None}) for name in names)
            cells = ("{found} ({expected})".format(**count) for count in counts)
            rows.append([database, *(cell.removesuffix(" (None)") for cell in cells)])
        lines = [f"{row[0]:24}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows]
        what = "The protocol can run" if self.whole else "What was checked can be used"
        verdict = f"{what} as it is."
        if not self.passed:
            verdict = f"{what.replace('can', 'cannot')} as it is: see the errors."
        found = [*grouped(self.findings), "" if self.findings else "no finding"]
        counted = [*lines, ""] if self.counts else []
        return "\n".join([*self.interpretation, "", *counted, *found, verdict])


def grouped(findings: Sequence[Finding], most: int = 3) -> list[str]:
    """Return a line for each kind of finding, with the count and the first examples."""
    kinds: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for one in findings:
        database = one.where.partition(":")[0]
        kinds[one.severity, one.code, database, one.action].append(one)
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
    databases: Sequence[TableDatabase] | None = None,
    # whether to open every frame; else only empty and forbidden files are noticed
    read_images: bool = True,
    # others below the root, which are not checked; their folders are known
    others: Sequence[TableDatabase] = (),
) -> FrameCheck:
    """Check the databases of frames below a folder, or of a clips table."""
    if databases is None:
        databases = [FrameDatabase(name, LAYOUTS[name].title, root=str(root)) for name in COUNTS]
    check = FrameCheck(whole=set(COUNTS) <= {database.name for database in databases})
    frames = [d for d in (*databases, *others) if isinstance(d, FrameDatabase)]
    found: list[Finding] = []
    for database in databases:
        if isinstance(database, FrameDatabase):
            found += _check_root(database, frames)
        found += _check_database(check, database, read_images)
    found += _check_unknown([database for database in frames if database.place.is_dir()])
    check.findings = sorted(dict.fromkeys(found), key=lambda f: SEVERITIES.index(f.severity))
    return check


def _check_database(check: FrameCheck, database: TableDatabase, read: bool) -> Iterator[Finding]:
    """Name what is wrong with a database; fill in its counts and the choices of its reader."""
    title, form = database.title or database.name, database.name
    if isinstance(database, FrameDatabase):
        form = database.format
        if not database.place.is_dir():
            hint = nearest_neighbour(database.place)
            yield finding("no-root", database.place, hint=hint)
            return
    clips = database.read().clips
    if not clips and not isinstance(database, FrameDatabase):
        yield finding("no-clips", title, reason=database.why_empty())
    check.interpretation += database.interpretation
    if database.synthetic and clips:
        check.interpretation.append(f"{title}: these frames are synthetic, not the database")
    yield from database.findings
    whole = []
    for clip in clips:
        suspect = (p for p in clip.files if not os.access(p, os.R_OK) or p.stat().st_size == 0)
        opened = clip if read else replace(clip, files=tuple(suspect))
        found = list(check_images(opened, title))
        yield from found
        if not any(one.severity == "error" for one in found):
            whole.append(clip)
    if read:
        yield from repeated_clips(clips, [clip.fingerprint for clip in clips], title)
    yield from _check_frame_names(clips, title, form)
    names = [database.classes[clip.label] for clip in whole]
    # Where nothing was found, a finding of the reader says why.
    if names and form in COUNTS and set(database.classes) == set(EMOTIONS):
        yield from _check_counts([clip.subject for clip in whole], names, form, title)
    expected = dict(zip(EMOTIONS, composition(form), strict=True)) if form in COUNTS else {}
    check.counts[database.name] = {
        name: {"found": names.count(name), "expected": expected.get(name)}
        for name in database.classes
    }


def _check_root(database: FrameDatabase, beside: Sequence[FrameDatabase]) -> Iterator[Finding]:
    """Notice the folder of one subject by its name, unless other subjects' clips lie in it."""
    place = database.place
    name = place.resolve().name
    if place.is_dir() and re.fullmatch(r"(sub|s)[ _-]?\d+", name, re.I):
        rows = (row for other in beside if other.place == place for row in other.read().rows)
        subjects = {frame_number(row["subject"]) for row in rows}
        if subjects <= {frame_number(name)}:
            yield finding("root-too-deep", place)


def _check_unknown(databases: Sequence[FrameDatabase]) -> Iterator[Finding]:
    """Name the folders of images that no reader recognised as a clip."""
    readings = [database.read() for database in databases]
    images = {folder.path for reading in readings for folder in reading.folders if folder.files}
    unknown = sorted(images.difference(*(reading.known for reading in readings)))
    if unknown:
        yield finding("folders-unknown", databases[0].place, n=len(unknown), first=unknown[0])


def _check_counts(
    subjects: Sequence[str], names: Sequence[str], form: str, title: str
) -> Iterator[Finding]:
    """Compare the clips of each class, and of each subject, with the corrected Table I."""
    expected = {frame_number(subject): counts for subject, counts in COUNTS[form].items()}
    counted = Counter(zip(map(frame_number, subjects), names, strict=True))
    odd = []
    for subject in sorted(
        {*(n for n, _ in counted), *expected}, key=lambda n: -1 if n is None else n
    ):
        there = tuple(counted[subject, name] for name in EMOTIONS)
        due = expected.get(subject, (0,) * len(EMOTIONS))
        if there != due:
            odd.append(f"subject {subject} has {_triple(there)} instead of {_triple(due)}")
    if odd:
        said = "; ".join(odd[:6]) + (f" and {len(odd) - 6} subjects more" if len(odd) > 6 else "")
        sums, table = _triple(map(names.count, EMOTIONS)), _triple(composition(form))
        yield finding("counts", title, sums=sums, odd=said, table=table)


def _triple(counts: Iterable[int]) -> str:
    return "/".join(map(str, counts))


def check_images(clip: FrameClip, title: str) -> Iterator[Finding]:
    """Open every frame of a clip; name the damaged, the repeated, and odd sizes and depths."""
    where = f"{title}: {clip.name}"
    repeated, before = [], None
    shapes: Counter[tuple[int, ...]] = Counter()
    deep = 0
    for path in clip.files:
        try:
            image = read_grey(path)
        except UserError as error:
            yield finding("frame-damaged", where, reason=error)
            continue
        if before is not None and np.array_equal(image, before):
            repeated.append(path.name)
        before = image
        shapes[image.shape] += 1
        deep += image.dtype.kind == "f"
    if len(shapes) > 1:
        sizes = ", ".join(f"{n} of {s[1]} x {s[0]}" for s, n in shapes.most_common())
        yield finding("frame-sizes-differ", where, sizes=sizes)
    if clip.box is not None and shapes:
        x, y, width, height = clip.box
        if x + width > min(s[1] for s in shapes) or y + height > min(s[0] for s in shapes):
            box, (h, w) = f"{x}, {y}, {width}, {height}", next(iter(shapes))[:2]
            yield finding("box-outside", where, box=box, width=w, height=h)
    if repeated:
        yield finding("frames-equal", where, n=len(repeated), first=repeated[0])
    if deep:
        yield finding("frames-of-16-bit", where, n=deep)


def _check_frame_names(clips: Sequence[FrameClip], title: str, form: str) -> Iterator[Finding]:
    """Notice what the names of the frames tell: conversion, padding, very short clips."""
    suffixes = Counter(path.suffix.lower() for clip in clips for path in clip.files)
    if form.startswith("smic") and not suffixes.keys() <= LOSSLESS:
        listed = ", ".join(f"{n} {suffix}" for suffix, n in suffixes.most_common())
        yield finding("frames-converted", title, listed=listed)
    names = [[path.name for path in clip.files] for clip in clips]
    unpadded = sum(of_clip != sorted(of_clip) for of_clip in names)
    if unpadded:
        yield finding("numbers-not-padded", title, n=unpadded)
    short = [clip for clip in clips if len(clip.files) < SHORT]
    if short:
        listed = ", ".join(f"{clip.name} ({len(clip.files)})" for clip in short[:5])
        single = any(len(clip.files) == 1 for clip in short)
        code = "clips-short/single-frames" if single else "clips-short"
        yield finding(code, title, n=len(short), fewest=SHORT, listed=listed)
