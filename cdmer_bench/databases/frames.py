"""Databases of frames on disk, whatever their layout: one class, one reader for each format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cdmer_bench.databases.base import Account, Clip, ClipDatabase, Finding
from cdmer_bench.databases.casme2 import read_casme2
from cdmer_bench.databases.clip_folders import ClipFolder, Reading, scan_tree
from cdmer_bench.databases.coded_layouts import LAYOUTS, CodedLayout, read_coded
from cdmer_bench.databases.smic import read_smic
from cdmer_bench.errors import DataMissing, UserError, closest
from cdmer_bench.io import user_path

# `cdmer data synthesize` leaves this file beside the frames it writes.
SYNTHETIC_NOTICE = "SYNTHETIC.txt"

Reader = Callable[["FrameDatabase", Sequence[ClipFolder], Sequence[Path]], Reading]


def _casme2(
    database: "FrameDatabase", folders: Sequence[ClipFolder], sheets: Sequence[Path]
) -> Reading:
    return read_casme2(
        folders, sheets, database.classes, database.release, database.coding, database.emotions
    )


def _smic(camera: str) -> Reader:
    def read(
        database: "FrameDatabase", folders: Sequence[ClipFolder], sheets: Sequence[Path]
    ) -> Reading:
        return read_smic(folders, sheets, database.classes, camera, database.release)

    return read


def _coded(layout: CodedLayout) -> Reader:
    def read(
        database: "FrameDatabase", folders: Sequence[ClipFolder], sheets: Sequence[Path]
    ) -> Reading:
        return read_coded(
            layout, folders, sheets, database.classes, database.release, database.emotions
        )

    return read


FORMATS: dict[str, Reader] = {
    "casme2": _casme2,
    "smic_hs": _smic("HS"),
    "smic_vis": _smic("VIS"),
    "smic_nir": _smic("NIR"),
    **{name: _coded(layout) for name, layout in LAYOUTS.items()},
}


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
    _reading: Reading | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.classes = tuple(str(c) for c in self.classes)
        self.format = self.format or self.name
        if self.format not in FORMATS:
            raise UserError(
                f"databases.{self.name}.format is {self.format!r}, which no reader knows; "
                f"{closest(self.format, FORMATS)}"
            )
        self.synthetic = self.synthetic or _is_synthetic(self.place)

    @property
    def place(self) -> Path:
        """The folder below which the database is looked for."""
        return user_path(self.root) / self.folder

    def read(self) -> Reading:
        """Scan the tree, once for this object, and return all that was understood of it."""
        if self._reading is None:
            refused: list[OSError] = []
            folders, sheets = scan_tree(self.place, refused.append)
            self._reading = FORMATS[self.format](self, folders, sheets)
            for error in refused:
                self._reading.note(
                    "warning", "folder-unreadable", error.filename,
                    f"a folder that may not be listed ({error.strerror})", "a readable folder",
                    "if it holds clips, make it readable (chmod u+rx)",
                )  # fmt: skip
        return self._reading

    def clips(self) -> Sequence[Clip]:
        """List the usable clips; `findings` says what became of the others.

        Raises
        ------
        DataMissing
            If there is none, with the first reason.
        """
        reading = self.read()
        if not reading.clips:
            reasons = [f for f in reading.findings if f.severity == "error"]
            reason = f": {reasons[0].text}, expected {reasons[0].expected}" if reasons else ""
            raise DataMissing(
                f"{self.title or self.name} has no usable clip below {self.place}{reason}; "
                "`cdmer data check` with the same corpus= and corpus.root= tells more"
            )
        return reading.clips

    def account(self, descriptor: str | None = None) -> Account:
        """Count the usable clips; the findings are those of reading folders and sheets."""
        return self._account((c.label for c in self.clips()), self.n_expected, self.findings)

    @property
    def findings(self) -> list[Finding]:
        """What was noticed while reading the tree."""
        return self.read().findings

    @property
    def interpretation(self) -> list[str]:
        """The choices made while reading the tree, one sentence each."""
        return self.read().interpretation


def _is_synthetic(place: Path) -> bool:
    """Tell whether a notice of generated frames lies near: above, in, or two folders below."""
    if any((folder / SYNTHETIC_NOTICE).exists() for folder in (place, *place.resolve().parents)):
        return True
    return any(any(place.glob(f"{depth}{SYNTHETIC_NOTICE}")) for depth in ("*/", "*/*/"))
