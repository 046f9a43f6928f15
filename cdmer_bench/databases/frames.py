"""Databases of frames on disk, whatever their layout: one class, one reader for each format."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.databases.base import Account, Clip, ClipDatabase, Finding
from cdmer_bench.databases.casme2 import read_casme2
from cdmer_bench.databases.clip_folders import (
    ClipFolder,
    FrameClip,
    Reading,
    is_synthetic,
    scan_tree,
)
from cdmer_bench.databases.clips import COLUMNS, make_clip
from cdmer_bench.databases.coded_layouts import LAYOUTS, CodedLayout, read_coded
from cdmer_bench.databases.cropping import judge_cropping
from cdmer_bench.databases.image_files import name_pattern, orientation
from cdmer_bench.databases.smic import read_smic
from cdmer_bench.errors import DataMissing, UserError, closest
from cdmer_bench.io import user_path

if TYPE_CHECKING:
    import pandas as pd

Sheets = Sequence[tuple[Path, Sequence[str]]]
Reader = Callable[["FrameDatabase", Sequence[ClipFolder], Sheets], Reading]


def _casme2(database: "FrameDatabase", folders: Sequence[ClipFolder], sheets: Sheets) -> Reading:
    return read_casme2(
        folders, sheets, database.release, database.emotions, database.sheet, database.worksheet,
        database.coding,
    )  # fmt: skip


def _smic(camera: str) -> Reader:
    def read(database: "FrameDatabase", folders: Sequence[ClipFolder], sheets: Sheets) -> Reading:
        return read_smic(
            folders, sheets, camera, database.release, database.sheet, database.worksheet
        )

    return read


def _coded(layout: CodedLayout) -> Reader:
    def read(database: "FrameDatabase", folders: Sequence[ClipFolder], sheets: Sheets) -> Reading:
        return read_coded(
            layout, folders, sheets, database.release, database.emotions, database.sheet,
            database.worksheet,
        )  # fmt: skip

    return read


FORMATS: dict[str, Reader] = {
    "casme2": _casme2,
    "smic_hs": _smic("HS"),
    "smic_vis": _smic("VIS"),
    "smic_nir": _smic("NIR"),
    **{name: _coded(layout) for name, layout in LAYOUTS.items()},
}


RELEASES = ("auto", "cropped", "raw", "extended")


@dataclass
class FrameDatabase(ClipDatabase):
    """A licensed database in the folders and with the coding sheet that its owners released.

    Attributes
    ----------
    root : str
        Folder below which everything is looked for; ``~`` is the user's home.
    folder : str
        Folder below ``root`` to look in, where several databases would be confused.
    format : str
        How the database is laid out, a key of ``FORMATS``; '' takes the database's name.
    release : str
        'auto', or the release to take where several are there: 'cropped', 'raw', 'extended'.
    coding : {'sheet', 'paper'}
        For CASME II, see `read_casme2`.
    sheet : str
        End of the coding sheet's path, where several would do.
    worksheet : str
        Name of the worksheet, where several would do.
    synthetic : bool
        Also set where the frames are found to have been generated.
    emotions : mapping, optional
        From the database's emotions to classes, where not the usual ones are wanted.
    """

    root: str = "."
    folder: str = ""
    format: str = ""
    release: str = "auto"
    coding: str = "sheet"
    emotions: Mapping[str, str] | None = None
    sheet: str = ""
    worksheet: str = ""
    _read: tuple[Reading, list[FrameClip]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        self.classes = tuple(str(c) for c in self.classes)
        self.format = self.format or self.name
        if self.format not in FORMATS:
            raise UserError(
                f"databases.{self.name}.format is {self.format!r}, which no reader knows; "
                f"{closest(self.format, FORMATS)}"
            )
        if self.release not in RELEASES:
            raise UserError(
                f"databases.{self.name}.release is {self.release!r}; "
                f"{closest(self.release, RELEASES)}"
            )
        for emotion, label in (self.emotions or {}).items():
            if label not in self.classes:
                raise UserError(
                    f"databases.{self.name}.emotions.{emotion} is {label!r}, which is no class; "
                    f"{closest(label, self.classes)}"
                )
        self.synthetic = self.synthetic or is_synthetic(self.place)

    @property
    def place(self) -> Path:
        """The folder below which the database is looked for."""
        return user_path(self.root) / self.folder

    def read(self) -> Reading:
        """Scan the tree, once for this object, and return all that was understood of it."""
        return self._reading()[0]

    def clips(self) -> Sequence[Clip]:
        """List the usable clips; `findings` says what became of the others.

        Raises
        ------
        DataMissing
            If there is none, with the first reason.
        """
        reading, clips = self._reading()
        if not clips:
            reasons = [f for f in reading.findings if f.severity == "error"]
            reason = f": {reasons[0].text}, expected {reasons[0].expected}" if reasons else ""
            raise DataMissing(
                f"{self.title or self.name} has no usable clip below {self.place}{reason}; "
                "`cdmer data check` with the same corpus= and corpus.root= tells more, and `cdmer "
                "data clips` starts a clips table for any other layout"
            )
        return clips

    def rows(self) -> "pd.DataFrame":
        """Return the clips table of this database, with absolute folders."""
        import pandas as pd

        rows = [{"database": self.name, **row} for row in self.read().rows]
        return pd.DataFrame(rows, columns=[*COLUMNS, "emotion"])

    def draft_rows(self) -> "pd.DataFrame":
        """Return a row for every folder of images, to be completed by hand."""
        import pandas as pd

        folders, _ = scan_tree(self.place)
        rows = []
        for folder in (f for f in folders if f.frames):
            numbers = [number for number, _ in folder.frames]
            rows.append(
                {
                    "database": self.name,
                    "clip": "/".join(folder.parts[1:]) or folder.parts[0],
                    "folder": str(folder.path),
                    "first": numbers[0],
                    "last": numbers[-1],
                    "pattern": name_pattern([name for _, name in folder.frames]),
                }
            )
        return pd.DataFrame(rows, columns=[*COLUMNS, "emotion"]).fillna("")

    def account(self, descriptor: str | None = None) -> Account:
        """Count the usable clips; the findings are those of reading folders and sheets."""
        clips = self.clips()
        coded = self.read().n_coded
        return self._account(
            (clip.label for clip in clips),
            self.n_expected if coded is None else coded,
            self.findings,
        )

    @property
    def findings(self) -> list[Finding]:
        """What was noticed while reading the tree."""
        return self.read().findings

    @property
    def interpretation(self) -> list[str]:
        """The choices made while reading the tree, one sentence each."""
        return self.read().interpretation

    def _reading(self) -> tuple[Reading, list[FrameClip]]:
        if self._read is None:
            refused: list[OSError] = []
            folders, sheets = scan_tree(self.place, refused.append)
            top = Path(os.path.abspath(self.place))
            located = [(path, (top.name, *path.relative_to(top).parts)) for path in sheets]
            reading = FORMATS[self.format](self, folders, located)
            reading.folders = folders
            for error in refused:
                reading.note(
                    "warning", "folder-unreadable", error.filename,
                    f"a folder that may not be listed ({error.strerror})", "a readable folder",
                    "if it holds clips, make it readable (chmod u+rx)",
                )  # fmt: skip
            others = Counter(r["label"] for r in reading.rows if r["label"] not in self.classes)
            if others:
                listed = ", ".join(f"{label} {count}" for label, count in others.items())
                reading.note(
                    "note", "classes-left-out", self.title or self.name,
                    f"clips of other classes ({listed})", f"classes {', '.join(self.classes)}",
                    "they are left out, as the key classes says",
                )  # fmt: skip
                reading.rows = [r for r in reading.rows if r["label"] in self.classes]
            clips = [make_clip(row, self.classes, Path()) for row in reading.rows]
            _note_turned(clips, reading, self.title or self.name)
            reading.findings += judge_cropping(clips, self.title or self.name)
            reading.findings = [self._with_way_out(finding) for finding in reading.findings]
            self._read = (reading, clips)
        return self._read

    def _with_way_out(self, finding: Finding) -> Finding:
        """Say, where nothing was recognised, how to start a clips table."""
        if finding.code not in ("no-frames", "no-coding-sheet"):
            return finding
        corpus = "frames_extended" if self.format in LAYOUTS else "frames"
        way = (
            f"{finding.action}; or write a clips table, which 'cdmer data clips corpus={corpus} "
            f"corpus.root={self.root} database={self.name} --out clips.csv' starts"
        )
        return replace(finding, action=way)


def _note_turned(clips: Sequence[FrameClip], reading: Reading, title: str) -> None:
    """Say which clips a camera took turned; the first frame of each is looked at."""
    turned = [clip.name for clip in clips if orientation(clip.files[0]) != 1]
    if turned:
        reading.note(
            "warning", "frames-turned", title,
            f"{len(turned)} clips with frames marked as turned (EXIF orientation; first: "
            f"{turned[0]})",
            "upright frames without such a mark",
            "they are turned as the mark says; check that the faces are upright",
        )  # fmt: skip
