"""Whether the clips on disk can run the paper's protocol, and if not, what to do about it."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
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
LOSSLESS = (".bmp", ".png", ".tif", ".tiff")


@dataclass
class FrameCheck:
    """All that was noticed of the databases of a corpus."""

    findings: list[Finding] = field(default_factory=list)  # errors first
    # database to class to {'found': n, 'expected': n or None}; expected is the corrected Table
    # I, None for databases outside the paper
    counts: dict[str, dict[str, dict[str, int | None]]] = field(default_factory=dict)
    interpretation: list[str] = field(default_factory=list)  # the choices that the readers made
    whole: bool = True  # whether no database of the corpus was left out

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
        what = "The protocol can run" if self.whole else "What was checked can be used"
        verdict = f"{what} as it is."
        if not self.passed:
            verdict = f"{what.replace('can', 'cannot')} as it is: see the errors."
        return "\n".join([*lines, "" if self.findings else "no finding", verdict])


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
    check = FrameCheck(whole=not others)
    frames = [d for d in (*databases, *others) if isinstance(d, FrameDatabase)]
    for database in databases:
        if isinstance(database, FrameDatabase):
            check.findings += _check_root(database, frames)
        _check_database(check, database, read_images)
    check.findings += _check_unknown(frames)
    check.findings = sorted(
        dict.fromkeys(check.findings), key=lambda f: SEVERITIES.index(f.severity)
    )
    return check


def _check_database(check: FrameCheck, database: TableDatabase, read_images: bool) -> None:
    title = database.title or database.name
    if isinstance(database, FrameDatabase) and not database.place.is_dir():
        hint = nearest_neighbour(database.place)
        check.findings.append(finding("no-root", database.place, hint=hint))
        return
    clips = database.read().clips
    if not clips and not isinstance(database, FrameDatabase):
        check.findings.append(finding("no-clips", title, reason=database.why_empty()))
    check.interpretation += database.interpretation
    if database.synthetic and clips:
        check.interpretation.append(f"{title}: these frames are synthetic, not the database")
    check.findings += database.findings
    damaged = set()
    for clip in clips:
        found = check_images(clip, title) if read_images else _check_files(clip, title)
        check.findings += found
        damaged |= {clip.name for one in found if one.severity == "error"}
    if read_images:
        check.findings += repeated_clips(clips, [clip.fingerprint for clip in clips], title)
    form = database.format if isinstance(database, FrameDatabase) else database.name
    check.findings += _check_frame_names(clips, title, form)
    clips = [clip for clip in clips if clip.name not in damaged]
    check.findings += _check_counts(clips, database.classes, form, title)
    expected = dict(zip(EMOTIONS, composition(form), strict=True)) if form in COUNTS else {}
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
    subjects = {frame_number(row["subject"]) for reading in beside for row in reading.rows}
    return [] if subjects - {frame_number(name)} else [finding("root-too-deep", place)]


def _check_unknown(databases: Sequence[FrameDatabase]) -> list[Finding]:
    """Name the folders of images that no reader recognised as a clip."""
    readings = [database.read() for database in databases if database.place.is_dir()]
    known = {path for reading in readings for path in reading.known}
    unknown = sorted(
        {f.path for r in readings for f in r.folders if f.files and f.path not in known}
    )
    if not unknown:
        return []
    return [finding("folders-unknown", databases[0].place, n=len(unknown), first=unknown[0])]


def _check_counts(
    clips: Sequence[FrameClip], classes: Sequence[str], form: str, title: str
) -> list[Finding]:
    """Compare the clips of each class, and of each subject, with the corrected Table I."""
    # Where nothing was found, a finding of the reader says why.
    if form not in COUNTS or set(classes) != set(EMOTIONS) or not clips:
        return []
    nothing = (0,) * len(EMOTIONS)
    expected = {frame_number(subject): counts for subject, counts in COUNTS[form].items()}
    labels = defaultdict(list)
    for clip in clips:
        labels[frame_number(clip.subject)].append(classes[clip.label])
    found = {subject: tuple(map(named.count, EMOTIONS)) for subject, named in labels.items()}
    odd = []
    for subject in sorted({*found, *expected}, key=lambda number: -1 if number is None else number):
        there, due = found.get(subject, nothing), expected.get(subject, nothing)
        if there != due:
            odd.append(f"subject {subject} has {_triple(there)} instead of {_triple(due)}")
    if not odd:
        return []
    said = "; ".join(odd[:6]) + (f" and {len(odd) - 6} subjects more" if len(odd) > 6 else "")
    sums = _triple([sum(counts) for counts in zip(*found.values(), strict=True)])
    table = _triple(composition(form))
    return [finding("counts", title, sums=sums, odd=said, table=table)]


def _triple(counts: Iterable[int]) -> str:
    return "/".join(map(str, counts))


def _check_files(clip: FrameClip, title: str) -> list[Finding]:
    """Name the frames of a clip that are empty or not readable, without opening the others."""
    suspect = [p for p in clip.files if not os.access(p, os.R_OK) or p.stat().st_size == 0]
    return check_images(replace(clip, files=tuple(suspect)), title)


def check_images(clip: FrameClip, title: str) -> list[Finding]:
    """Open every frame of a clip; name the damaged, the repeated, and odd sizes and depths."""
    findings = []
    where = f"{title}: {clip.name}"
    repeated, before = [], None
    shapes: Counter[tuple[int, ...]] = Counter()
    deep = 0
    for path in clip.files:
        try:
            image = read_grey(path)
        except UserError as error:
            findings.append(finding("frame-damaged", where, reason=error))
            continue
        if before is not None and np.array_equal(image, before):
            repeated.append(path.name)
        before = image
        shapes[image.shape] += 1
        deep += image.dtype.kind == "f"
    if len(shapes) > 1:
        sizes = ", ".join(f"{n} of {s[1]} x {s[0]}" for s, n in shapes.most_common())
        findings.append(finding("frame-sizes-differ", where, sizes=sizes))
    if clip.box is not None and shapes:
        x, y, width, height = clip.box
        if x + width > min(s[1] for s in shapes) or y + height > min(s[0] for s in shapes):
            box, (h, w) = f"{x}, {y}, {width}, {height}", next(iter(shapes))[:2]
            findings.append(finding("box-outside", where, box=box, width=w, height=h))
    if repeated:
        findings.append(finding("frames-equal", where, n=len(repeated), first=repeated[0]))
    if deep:
        findings.append(finding("frames-of-16-bit", where, n=deep))
    return findings


def _check_frame_names(clips: Sequence[FrameClip], title: str, form: str) -> list[Finding]:
    """Notice what the names of the frames tell: conversion, padding, very short clips."""
    findings = []
    suffixes = Counter(path.suffix.lower() for clip in clips for path in clip.files)
    if form.startswith("smic") and any(s not in LOSSLESS for s in suffixes):
        listed = ", ".join(f"{n} {suffix}" for suffix, n in suffixes.most_common())
        findings.append(finding("frames-converted", title, listed=listed))
    names = [[path.name for path in clip.files] for clip in clips]
    unpadded = sum(of_clip != sorted(of_clip) for of_clip in names)
    if unpadded:
        findings.append(finding("numbers-not-padded", title, n=unpadded))
    short = [clip for clip in clips if len(clip.files) < SHORT]
    if short:
        listed = ", ".join(f"{clip.name} ({len(clip.files)})" for clip in short[:5])
        single = any(len(clip.files) == 1 for clip in short)
        code = "clips-short/single-frames" if single else "clips-short"
        findings.append(finding(code, title, n=len(short), fewest=SHORT, listed=listed))
    return findings
