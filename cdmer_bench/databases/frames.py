"""Databases of frames on disk, in whatever layout their owners released them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.databases.clips import Reading, TableDatabase
from cdmer_bench.databases.cutting import KINDS
from cdmer_bench.databases.image_files import is_synthetic, name_pattern, scan_tree
from cdmer_bench.databases.reader import LAYOUTS, Reader
from cdmer_bench.databases.special_readers import CODINGS, READERS
from cdmer_bench.errors import UserError, choice, closest
from cdmer_bench.io import user_path

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class FrameDatabase(TableDatabase):
    """A licensed database in the folders and with the coding sheet that its owners released.

    Attributes
    ----------
    root : str
        Folder below which everything is looked for; ``~`` is the user's home.
    folder : str
        Folder below ``root`` to look in, where several databases would be confused.
    format : str
        How the database is laid out, a key of ``layouts.yaml``; '' takes the database's name.
    release : str
        'auto', or the release to take where several are there: 'cropped', 'raw', 'extended'.
    coding : {'sheet', 'paper'}
        For CASME II: 'sheet' takes the emotions as they are written; 'paper' undoes the changes of
        the sheet of 2019, which gives the counts of the paper.
    emotions : mapping, optional
        From the database's emotions to classes, where not the usual ones are wanted.
    sheet : str
        End of the coding sheet's path, where several would do.
    worksheet : str
        Name of the worksheet, where several would do.
    synthetic : bool
        Also set where the frames are found to have been generated.
    """

    root: str = "."
    folder: str = ""
    format: str = ""
    release: str = "auto"
    coding: str = "sheet"
    emotions: Mapping[str, str] | None = None
    sheet: str = ""
    worksheet: str = ""

    def __post_init__(self) -> None:
        self.classes = tuple(str(c) for c in self.classes)
        self.format = self.format or self.name
        choice(f"coding of {self.name}", self.coding, CODINGS)
        given: list[tuple[str, str, str, Collection[str]]] = [
            ("format", self.format, "format that a reader knows", LAYOUTS),
            ("release", self.release, "release", ("auto", *KINDS)),
        ]
        for emotion, label in (self.emotions or {}).items():
            given.append((f"emotions.{emotion}", label, "class", self.classes))
        for key, value, what, choices in given:
            if value not in choices:
                raise UserError(
                    f"databases.{self.name}.{key} is {value!r}, which is no {what}; "
                    f"{closest(value, choices)}"
                )
        self.synthetic = self.synthetic or is_synthetic(self.place)

    @property
    def place(self) -> Path:
        """The folder below which the database is looked for."""
        return user_path(self.root) / self.folder

    def draft_rows(self) -> "pd.DataFrame":
        """Return a row for every folder of images, to be completed by hand."""
        import pandas as pd

        reading = self.read()
        rows = [
            {
                "database": self.name,
                "clip": "/".join(folder.parts[1:]) or folder.parts[0],
                "folder": str(folder.path),
                "first": folder.frames[0][0],
                "last": folder.frames[-1][0],
                "pattern": name_pattern([name for _, name in folder.frames]),
            }
            for folder in reading.folders
            if folder.frames
        ]
        return pd.DataFrame(rows, columns=list(reading.columns)).fillna("")

    def _understand(self) -> Reading:
        title = self.title or self.name
        refused: list[OSError] = []
        folders, tables = scan_tree(self.place, refused.append)
        reading = READERS.get(self.format, Reader)(self, folders, tables).read()
        for error in refused:
            reading.note("folder-unreadable", error.filename, reason=error.strerror)
        others = Counter(r["label"] for r in reading.rows if r["label"] not in self.classes)
        if others:
            listed = ", ".join(f"{label} {count}" for label, count in others.items())
            classes = ", ".join(self.classes)
            reading.note("classes-left-out", title, listed=listed, classes=classes)
            reading.rows = [r for r in reading.rows if r["label"] in self.classes]
        return reading

    def why_empty(self) -> str:
        """Give the first error, and the commands that tell more."""
        errors = [one for one in self.findings if one.severity == "error"]
        reason = f": {errors[0].text}, expected {errors[0].expected}" if errors else ""
        return (
            f"{self.title or self.name} has no usable clip below {self.place}{reason}; "
            "`cdmer data check` with the same corpus= and corpus.root= tells more, and `cdmer "
            "data clips` starts a clips table for any other layout"
        )
