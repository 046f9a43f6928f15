"""Databases of frames on disk, and the readers of those that need more than their layout."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.databases.base import EMOTIONS
from cdmer_bench.databases.clips import Reading, TableDatabase
from cdmer_bench.databases.coding_sheet import CodedClip, CodingSheet, read_rows, read_tables
from cdmer_bench.databases.cutting import KINDS, Cut, Found, Key, Release, cut_release, recognise
from cdmer_bench.databases.image_files import is_synthetic, name_pattern, scan_tree
from cdmer_bench.databases.reader import LAYOUTS, Reader
from cdmer_bench.errors import UserError, choice, closest
from cdmer_bench.io import user_path
from cdmer_bench.protocol import composition

if TYPE_CHECKING:
    import pandas as pd

# "sheet" takes the emotions as they are written. "paper" undoes, in the sheet of 2019, the changes
# to the four clips of subject 24, which gives the paper's 73/32/25.
CODINGS = ("sheet", "paper")


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
            gone = isinstance(error, FileNotFoundError)
            code = "folder-unreadable/link" if gone else "folder-unreadable"
            reading.note(code, error.filename, reason=error.strerror)
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


# The early sheet codes it as happiness without an apex; the paper's 32 positive clips are 33
# less this one, and the authors' released features do not hold it.
NOT_IN_PROTOCOL = (9, "ep02_02f")
# Where the sheet of 2019 departs from the early one (its three sheets differ in nothing else
# that touches the protocol): these clips went from sadness to surprise, and one was removed.
RECODED_2019 = {(24, "ep07_01"), (24, "ep07_04f"), (24, "ep10_03")}
REMOVED_2019 = (24, "ep02_07")
COUNTS_2014 = (72, 32, 25)  # clips of the paper's three classes by the sheet of 2014


class Casme2(Reader):
    """CASME II: three releases of frames, three coding sheets."""

    def rank(self, sheet: CodingSheet) -> tuple[object, ...]:
        """Prefer the sheet whose counts are the paper's."""
        return self._counts(sheet) != composition("casme2"), *super().rank(sheet)

    def correct(self, sheet: CodingSheet) -> None:
        """Leave out what the paper does not count; undo, or name, the changes of later sheets."""
        counts = self._counts(sheet)
        described = f"{len(sheet.rows)} rows, {'/'.join(map(str, counts))} "
        described += "negative/positive/surprise"
        self.reading.interpretation.append(f"{self.title}: {described}")
        recoded = [
            row for row in sheet.rows if row.key in RECODED_2019 and row.emotion == "surprise"
        ]
        removed = REMOVED_2019 not in {row.key for row in sheet.rows}
        if self.choices.coding == "paper":
            n = self._restore_early(sheet, recoded, removed)
            self.reading.interpretation.append(
                f"{self.title}: coding=paper gave {n} clips of subject 24 the emotions of the "
                "early sheet"
            )
        else:
            sheet.note("sheet-2019", [row.row for row in recoded], described=described)
            if counts == COUNTS_2014:
                code = "sheet-2014/removed" if removed else "sheet-2014"
                sheet.note(code, [row.row for row in sheet.rows])
        sheet.note("apex-absent", [row.row for row in sheet.rows if row.apex is None])
        outside = [row for row in sheet.rows if row.key == NOT_IN_PROTOCOL]
        sheet.leave_out("not-in-protocol", outside)

    def _restore_early(
        self, sheet: CodingSheet, recoded: Sequence[CodedClip], removed: bool
    ) -> int:
        """Give the clips that the sheet of 2019 recoded their early emotions; count them."""
        rows = [replace(row, emotion="sadness") if row in recoded else row for row in sheet.rows]
        sheet.rows = rows
        of_subject = [place for place, row in enumerate(rows) if row.key[0] == REMOVED_2019[0]]
        if not of_subject or not removed:
            return len(recoded)
        # Without onset and offset only the cropped frames, which hold nothing else, can give it.
        early = CodedClip("24", "EP02_07", None, None, None, "disgust", 0)
        later = (place for place in of_subject if rows[place].key[1] > REMOVED_2019[1])
        rows.insert(next(later, len(rows)), early)
        return len(recoded) + 1

    def _counts(self, sheet: CodingSheet) -> tuple[int, ...]:
        """Count the rows of each of the paper's classes, without those outside the protocol."""
        protocol = [row for row in sheet.rows if row.key != NOT_IN_PROTOCOL]
        counts = Counter(self.classes.get(row.emotion) for row in protocol)
        return tuple(counts[name] for name in EMOTIONS)


# The first sheet of CAS(ME)^2, by places.
_SQUARED_COLUMNS = {
    "subject": 0, "clip": 1, "onset": 2, "apex": 3, "offset": 4, "emotion": 6, "type": 7,
}  # fmt: skip


class CasmeSquared(Reader):
    """CAS(ME)^2, as whole recordings or the clips that it ships."""

    def read_sheets(self, path: Path) -> list[CodingSheet]:
        """Read ``code_final.xlsx``: clips (``anger1_1``), subjects' folders, videos' digits."""
        tables = list(read_tables(path).values())
        if len(tables) < 3 or not all(tables[:3]):
            raise UserError(
                f"{path} has {len(tables)} sheets, expected the three of code_final.xlsx"
            )
        first, second, third = ([[*row, *[""] * 9] for row in table] for table in tables[:3])
        subjects = {row[2]: row[1] for row in second}
        videos = {row[1].lower(): row[0].zfill(4) for row in third}
        sheet = CodingSheet(path, "", [])
        read_rows(sheet, first, -1, _SQUARED_COLUMNS)
        rows, unnamed = [], []
        for row in sheet.rows:
            subject, video = subjects.get(row.subject), videos.get(row.clip.lower().split("_")[0])
            if subject is None or video is None:
                unnamed.append(row.row)
                continue
            # An offset of 0 stands for "not found"; the apex is then the last that is sure.
            row = replace(row, apex=row.apex or None, offset=row.offset or row.apex or None)
            rows.append(replace(row, subject=subject, clip=video, shipped=row.clip.lower()))
        sheet.note("row-without-folder", unnamed)
        sheet.rows = rows
        return [sheet]


# Of SMIC: what stands for a class in a clip's name, the cameras, the name itself.
CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}
CAMERAS = ("HS", "VIS", "NIR")
CLIP = re.compile(LAYOUTS["smic_hs"].clip, re.I)
_EXTENDED = re.compile(r"smic[ _-]?((hs|vis|nir)[ _-]?)?e(xtended)?([ _-]|$)|[ _-]long$", re.I)


class Smic(Reader):
    """One camera of SMIC: folders tell the clips, and a sheet, if there is one, cuts them.

    A clip is a folder ``s<k>_{ne,po,sur}_<i>``, whose name gives subject and class. In SMIC_all it
    holds the frames from onset to offset; in SMIC-E it holds more, and the annotation sheet says
    where onset and offset are. ``non_micro`` folders are passed over.
    """

    def find(self) -> None:
        """Recognise the clips of this camera, with or without images, and those of no camera."""
        for folder in self.folders:
            one = recognise(folder, CLIP)
            passed = any(re.sub(r"[^a-z]", "", p.lower()) == "nonmicro" for p in folder.parts)
            if one is not None or passed:
                self.reading.known.add(folder.path)
            if one is not None and not passed:
                told = self.told(folder.parts)
                if told in (self.layout.name, None):
                    lists = self.found if told else self.lost
                    lists.append(replace(one, key=_key(one.key[1])))

    def told(self, parts: Sequence[str]) -> str | None:
        """Return the camera that the nearest folder's name tells."""
        for part in reversed(parts):
            words = set(re.split(r"[^A-Za-z0-9]+", part.upper()))
            told = [camera for camera in CAMERAS if {camera, f"SMIC{camera}"} & words]
            if len(told) == 1:
                return f"smic_{told[0].lower()}"
        return None

    def kind(self, members: Sequence[Found]) -> str:
        """Tell extended recordings by the names of folders."""
        first = members[0]
        in_micro = "micro" in [part.lower() for part in first.parts]
        extended = not in_micro and any(_EXTENDED.search(part) for part in first.base)
        return "extended" if extended else super().kind(members)

    def fits(self, sheet: CodingSheet, parts: Sequence[str]) -> bool:
        """Tell whether a sheet is of this camera; its rows get the names and classes of clips."""
        rows = [(row, key) for row in sheet.rows if (key := _key(row.clip))[1]]
        sheet.note("rows-of-text", [row.row for row in sheet.rows if not _key(row.clip)[1]])
        unlike = [
            row
            for row, key in rows
            if row.emotion in CLASSES.values() and row.emotion != _class_of(key[1])
        ]
        example = f"{unlike[0].clip} is {unlike[0].emotion}" if unlike else ""
        sheet.note("class-contradiction/sheet", [row.row for row in unlike], example=example)
        sheet.rows = [replace(row, subject=str(key[0]), clip=key[1]) for row, key in rows]
        sheet.settle_repeated(False)
        sheet.rows = [replace(row, emotion=_class_of(row.clip)) for row in sheet.rows]
        told = self.told([*parts, sheet.worksheet])
        if told is None and f"onsetf{self.layout.camera.lower()}" in sheet.headings:
            told = self.layout.name
        return bool(sheet.rows) and (told == self.layout.name or bool(self.choices.sheet))

    def rank(self, sheet: CodingSheet) -> tuple[object, ...]:
        """Prefer the sheet that lies nearest to the frames."""
        near = self.found[0].path.parts if self.found else ()
        shared = sum(a == b for a, b in zip(sheet.path.parts, near, strict=False))
        return -shared, str(sheet)

    def rows(self) -> list[CodedClip]:
        """Return a row for each folder and row, as the features that were released are ordered."""
        coded = {row.key: row for row in self.sheet.rows} if self.sheet else {}
        keys = {key for release in self.releases for key in release.folders} | set(coded)
        keys |= {one.key for one in self.found if not one.files}
        return [
            coded.get(key) or CodedClip(str(key[0]), key[1], None, None, None, _class_of(key[1]), 0)
            for key in sorted(keys, key=lambda key: (key[0] or 0, key[1]))
        ]

    def cut(self, release: Release, rows: Sequence[CodedClip]) -> list[Cut]:
        """Cut every clip by its row of the annotation sheet; without one, take its folder whole."""
        most = self.layout.longest
        cuts = cut_release(release, rows, self.title, True, None)
        for cut in cuts:
            if cut.found is None:
                continue
            frames, row = cut.found.frames, cut.row
            if row.row and release.kind == "extended" and None in (row.onset, row.offset):
                cut.findings, cut.frames = [], []
                said = {"onset": row.onset, "offset": row.offset}
                in_row = f" in row {row.row} of the coding sheet"
                cut.note("onset-offset-unusable", **said, in_row=in_row)
                continue
            outside = "frames-outside-coding" in [one.code for one in cut.findings]
            in_micro = "micro" in [part.lower() for part in cut.found.parts]
            if cut.row.row and outside and in_micro and len(frames) <= most:
                # SMIC_all beside the sheet of SMIC-E, whose frames may count from another number.
                cut.findings = []
                cut.take_whole(frames)
                span = f"frames {frames[0][0]} to {frames[-1][0]}"
                cut.note("sheet-differs", span=span, coded=cut.coded)
            elif not cut.row.row and release.kind == "extended":
                cut.note("frames-without-label/smic-e")
            elif not cut.row.row and len(cut.frames) > most:
                cut.note("clip-too-long", n=len(cut.frames), most=most)
        return cuts

    def remark(self, taken: Release) -> None:
        """Say what SMIC-E lacks."""
        said = {"n": len(taken.folders), "place": taken.place, "camera": self.layout.camera}
        if taken.kind == "extended" and self.sheet is None:
            self.note("no-coding-sheet/smic-e", **said)
        if taken.kind == "extended" and self.layout.camera == "HS":
            self.note("smic-e", **said)


def _key(name: str) -> Key:
    """Identify ``s01_ne_3`` as ``(1, 's1_ne_03')``; a name of another form as ``(None, '')``."""
    told = CLIP.fullmatch(name.strip())
    if told is None:
        return None, ""
    subject = int(told["subject"])
    return subject, f"s{subject}_{told['token'].lower()}_{int(told['count']):02d}"


def _class_of(clip: str) -> str:
    return CLASSES[clip.split("_")[1]]


# By the databases' keys; the others are read by their layouts alone.
READERS: dict[str, type[Reader]] = {
    "casme2": Casme2,
    "casme_squared": CasmeSquared,
    **dict.fromkeys(("smic_hs", "smic_vis", "smic_nir"), Smic),
}
