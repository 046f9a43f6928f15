"""Whether the frames on disk can run the paper's protocol, and if not, what to do about it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdmer_bench.databases.base import EMOTIONS, SEVERITIES, Finding
from cdmer_bench.databases.clip_checks import check_files, check_frame_names, check_images
from cdmer_bench.databases.clip_folders import FrameClip
from cdmer_bench.databases.findings import finding
from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import frame_number
from cdmer_bench.databases.synthetic.database import COUNTS, totals
from cdmer_bench.errors import DataMissing, nearest_neighbour

PAPER_DATABASES = {
    "casme2": "CASME II",
    "smic_hs": "SMIC (HS)",
    "smic_vis": "SMIC (VIS)",
    "smic_nir": "SMIC (NIR)",
}


@dataclass
class FrameCheck:
    """All that was noticed of the databases of a corpus.

    Attributes
    ----------
    findings : list of Finding
        Errors first.
    counts : dict
        Database to class to ``{'found': n, 'expected': n or None}``; expected is the corrected
        Table I, None for databases outside the paper.
    interpretation : list of str
        The choices that the readers made.
    """

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, dict[str, dict[str, int | None]]] = field(default_factory=dict)
    interpretation: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the protocol can run as it is: no finding is an error."""
        return not any(f.severity == "error" for f in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as mappings and lists that JSON can hold."""
        return {
            "passed": self.passed,
            "counts": self.counts,
            "interpretation": self.interpretation,
            "findings": [f.as_dict() for f in self.findings],
        }

    def text(self) -> str:
        """Return everything as lines for a person."""
        lines = [*self.interpretation, ""]
        lines.append(f"{'clips found (expected)':24}" + "".join(f"{c:>16}" for c in EMOTIONS))
        for name, classes in self.counts.items():
            cells = [
                f"{c['found']}" + ("" if c["expected"] is None else f" ({c['expected']})")
                for c in classes.values()
            ]
            lines.append(f"{name:24}" + "".join(f"{cell:>16}" for cell in cells))
        lines += ["", *map(str, self.findings)]
        verdict = "can run as it is" if self.passed else "cannot run as it is: see the errors"
        return "\n".join(
            [*lines, "" if self.findings else "no finding", f"The protocol {verdict}."]
        )


def check_frames(
    root: str | Path,
    databases: Sequence[FrameDatabase] | None = None,
    read_images: bool = True,
    progress: Callable[[Iterable[FrameClip]], Iterable[FrameClip]] | None = None,
) -> FrameCheck:
    """Check the licensed databases below a folder.

    Parameters
    ----------
    root : path
        The folder of all databases.
    databases : sequence of FrameDatabase, optional
        Those to check; None is the paper's four, read with the default options.
    read_images : bool
        Whether to open every frame; else only empty and forbidden files are noticed.
    progress : callable, optional
        Wraps the iteration over clips, for a progress bar.

    Returns
    -------
    FrameCheck
    """
    if databases is None:
        databases = [
            FrameDatabase(k, title, root=str(root)) for k, title in PAPER_DATABASES.items()
        ]
    check = FrameCheck()
    for database in databases:
        check.findings += _check_root(database, databases)
        _check_database(check, database, read_images, progress)
    check.findings = sorted(
        dict.fromkeys(check.findings), key=lambda f: SEVERITIES.index(f.severity)
    )
    return check


def _check_database(
    check: FrameCheck,
    database: FrameDatabase,
    read_images: bool,
    progress: Callable[[Iterable[FrameClip]], Iterable[FrameClip]] | None,
) -> None:
    try:
        reading = database.read()
    except DataMissing:
        check.findings.append(
            finding(
                "error",
                "no-root",
                str(database.place),
                "no such folder",
                "the folder that holds the databases",
                f"{nearest_neighbour(database.place)}give it with corpus.root=DIR",
            )
        )
        return
    check.interpretation += reading.interpretation
    if database.synthetic and reading.clips:
        check.interpretation.append(
            f"{database.title or database.name}: these frames are synthetic, not the database"
        )
    check.findings += reading.findings
    damaged = set()
    look = check_images if read_images else check_files
    for clip in progress(reading.clips) if progress and read_images else reading.clips:
        found = look(clip, database.title or database.name)
        check.findings += found
        damaged |= {clip.name for finding in found if finding.severity == "error"}
    clips = [clip for clip in reading.clips if clip.name not in damaged]
    check.findings += check_frame_names(reading.clips, database)
    check.findings += _check_counts(clips, database)
    expected = totals(database.format) if database.format in COUNTS else {}
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
    if {subject_key(c.subject) for reading in beside for c in reading.clips} - {subject_key(name)}:
        return []
    return [
        finding(
            "error",
            "root-too-deep",
            str(place),
            "the folder of one subject",
            "the folder that holds all subjects",
            "give a folder further up",
        )
    ]


def _check_counts(clips: Sequence[FrameClip], database: FrameDatabase) -> list[Finding]:
    """Compare the clips of each class, and of each subject, with the corrected Table I."""
    if database.format not in COUNTS or set(database.classes) != set(EMOTIONS):
        return []
    found = Counter((subject_key(c.subject), database.classes[c.label]) for c in clips)
    expected = {
        (subject_key(subject), emotion): number
        for subject, numbers in COUNTS[database.format].items()
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
    table = "/".join(str(n) for n in totals(database.format).values())
    more = f" and {len(odd) - 6} subjects more" if len(odd) > 6 else ""
    return [
        finding(
            "error",
            "counts",
            database.title or database.name,
            f"{sums} usable clips, negative/positive/surprise ({'; '.join(odd[:6])}{more})",
            f"{table}, the corrected Table I",
            "see the other findings for what is missing",
        )
    ]


def subject_key(subject: str) -> int:
    """Return the number of a subject such as ``sub01`` or ``s1``."""
    number = frame_number(subject)
    return -1 if number is None else number


def _triple(counts: dict[tuple[int, str], int], subject: int) -> str:
    return "/".join(str(counts.get((subject, emotion), 0)) for emotion in EMOTIONS)
