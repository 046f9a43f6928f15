"""From a scanned tree to the clips of one database: the steps are the same for all databases.

A folder is known by its own name and the subject's, a coding sheet by its headings and the names of
its clips; which frames belong to a clip is decided in `cutting`.
"""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.databases.base import table
from cdmer_bench.databases.clips import Reading
from cdmer_bench.databases.coding_sheet import REQUIRED, CodedClip, CodingSheet, read_coding_sheets
from cdmer_bench.databases.cutting import (
    Cut,
    Found,
    Key,
    Release,
    choose_release,
    cut_release,
    find_releases,
    recognise,
)
from cdmer_bench.databases.image_files import ClipFolder, name_pattern
from cdmer_bench.errors import UserError

if TYPE_CHECKING:
    from cdmer_bench.databases.frames import FrameDatabase


@dataclass(frozen=True)
class Layout:
    """How a database lies on disk: an entry of ``layouts.yaml``."""

    name: str
    title: str
    named: str  # expression for files and folders that tell the database
    # expression for a clip's folder; its groups `clip` and `subject`, if it has them, tell which
    clip: str
    emotions: Mapping[str, str]  # from emotions to classes
    example: str  # a frame's path and the sheet's name, for messages
    without_class: Sequence[str] = ()  # further emotions of the database
    form: str = "of images that the coding sheet names"  # of a clip's folder, for messages
    coded_clip: str = ""  # expression for a clip's name in the sheet; '' is that of the folder
    several: bool = False  # whether a recording may hold several micro-expressions
    counts_from: int | None = None  # number of the recordings' first frame, where that is known
    cropped: str = r"crop|_aligned$"  # expression for folders of frames cropped to the face
    registered: Sequence[str] = ("reg", "frame_det")  # so begin the names of such frames
    within: str = ""  # expression for a folder that must be among those above; '' for none
    skipped: str = r"(?!)"  # expression for folders that hold something else
    # expression for files that are named if they are no coding sheet
    sheet_names: str = r"cod(e|ing)|label|annotation|facs|emo|exp"
    # from the purpose of a column to further headings, which go before the usual ones
    headings: Mapping[str, Sequence[str]] | None = None
    required: Sequence[str] = REQUIRED  # columns that its sheet must have
    shipped: str = ""  # name of a folder that holds one coded clip alone, where there are such
    needs_sheet: bool = True  # else folders tell the clips, and a sheet cuts them
    subject: str = "sub{:02d}"  # what a subject is called
    tested: bool = False  # whether the reader was tried on the real release
    camera: str = ""
    longest: int = 0  # frames of a clip that no sheet cuts


LAYOUTS = {name: Layout(name, **fields) for name, fields in table("layouts").items()}


class Reader:
    """Finds the clips of a database; those that need more than a `Layout` have a subclass."""

    def __init__(
        self,
        choices: "FrameDatabase",  # says which release, sheet and classes to take
        folders: Sequence[ClipFolder],
        # files that may be sheets, each with the names of the folders from the root to it
        tables: Sequence[tuple[Path, Sequence[str]]],
    ) -> None:
        self.layout = LAYOUTS[choices.format]
        self.title = self.layout.title
        self.choices, self.folders, self.tables = choices, folders, tables
        self.reading = Reading(folders=folders)
        given = choices.emotions if self.layout.needs_sheet else None
        self.classes = dict(self.layout.emotions if given is None else given)
        corpus = "frames" if self.layout.tested else "frames_extended"
        root = shlex.quote(f"corpus.root={choices.root}")
        self.said = {  # in findings on the database as a whole
            "example": self.layout.example,
            "form": self.layout.form,
            "release": choices.release,
            "way_out": f"or write a clips table, which 'cdmer data clips corpus={corpus} "
            f"{root} database={choices.name} --out clips.csv' starts",
        }
        self.found: list[Found] = []  # the clips' folders
        self.lost: list[Found] = []  # those that nothing tells to be of this database
        self.releases: list[Release] = []
        self.sheet: CodingSheet | None = None

    def read(self) -> Reading:
        """Find the clips of the database, in the order of its coding sheet."""
        reading = self.reading
        if not self.layout.tested:
            reading.interpretation.append(f"{self.title}: this reader is untested on real data")
        self.find()
        self.sheet = self._choose_sheet()
        reading.is_absent = not (
            self.found or self.lost or (self.sheet and self.layout.needs_sheet)
        )
        if self.sheet is None and self.layout.needs_sheet:
            by = f" whose path ends with {self.choices.sheet}" if self.choices.sheet else ""
            self.note("no-coding-sheet", chosen_by=by)
            return reading
        with_images = [one for one in self.found if one.files]
        self.releases = [
            release
            for release in find_releases(with_images, self.kind)
            if self.choices.release in ("auto", release.kind)
        ]
        named = {key for row in self.sheet.rows for key in row.keys} if self.sheet else set()
        rows = self.rows()
        if self.sheet:
            reading.findings += self.sheet.findings
        cut = [(release, self.cut(release, rows)) for release in self.releases]
        cut = [(release, cuts) for release, cuts in cut if any(one.found for one in cuts)]
        taken = None
        if cut:
            unit = "coded clips" if self.layout.needs_sheet else "clips"
            taken, cuts = choose_release(cut, reading, self.title, unit)
            self.remark(taken)
            self._add_clips(taken, cuts, [one for _, of_release in cut for one in of_release])
            self._note_uncoded(taken, cuts, named)
        lost = [one for one in self.lost if taken is None or one.key not in taken.folders]
        if lost:
            self.note("camera-unknown", n=len(lost), first=lost[0].path)
        if taken is None:
            self.note("no-frames")
        return reading

    def note(self, code: str, **values: object) -> None:
        """Add a finding on the database as a whole."""
        self.reading.note(code, self.title, **self.said, **values)

    # What differs from database to database

    def find(self) -> None:
        """Recognise the clips among folders of images, below folders of this database if told."""
        pattern = re.compile(self.layout.clip, re.I)
        with_images = [folder for folder in self.folders if folder.files]
        mine = [
            folder for folder in with_images if self.told(folder.parts) in (self.layout.name, None)
        ]
        for folder in mine or with_images:
            inside = any(re.search(self.layout.within, part, re.I) for part in folder.parts)
            one = recognise(folder, pattern) if inside else None
            if one is not None:
                self.reading.known.add(folder.path)
                if not any(re.search(self.layout.skipped, part, re.I) for part in folder.parts[1:]):
                    self.found.append(one)

    def told(self, parts: Sequence[str]) -> str | None:
        """Return the database that the nearest of some folders and files tells by its name."""
        for part in reversed(parts):
            for layout in LAYOUTS.values():
                if re.search(layout.named, part, re.I):
                    return layout.name
        return None

    def kind(self, members: Sequence[Found]) -> str:
        """Tell cropped faces by the names of most frames, or those of folders."""
        first = members[0]
        near = [*first.base[-2:], *first.between, first.path.name]
        named = any(re.search(self.layout.cropped, part, re.I) for part in near)
        files = [name.lower() for one in members for name in one.files]
        registered = sum(name.startswith(tuple(self.layout.registered)) for name in files)
        return "cropped" if named or 2 * registered > len(files) else "raw"

    def read_sheets(self, path: Path) -> list[CodingSheet]:
        """Read a file that may be a coding sheet; name the folder that holds a row's clip alone."""
        layout = self.layout
        sheets = read_coding_sheets(path, self.choices.worksheet, layout.headings, layout.required)
        for sheet in sheets if layout.shipped else ():
            for place, row in enumerate(sheet.rows):
                said = {"subject": row.key[0], "clip": row.clip, "onset": row.onset}
                sheet.rows[place] = replace(row, shipped=layout.shipped.format(**said))
        return sheets

    def fits(self, sheet: CodingSheet, parts: Sequence[str]) -> bool:
        """Tell whether a sheet is of this database; give its rows the names of the clips."""
        coded = re.compile(self.layout.coded_clip or self.layout.clip, re.I)
        told = [coded.fullmatch(row.clip) for row in sheet.rows]
        # A name such as sub01_EP02_01f stands for EP02_01f.
        sheet.rows = [
            replace(row, clip=clip.groupdict().get("clip") or row.clip) if clip else row
            for row, clip in zip(sheet.rows, told, strict=True)
        ]
        return bool(sheet.rows) and 2 * sum(map(bool, told)) >= len(sheet.rows)

    def rank(self, sheet: CodingSheet) -> tuple[object, ...]:
        """Return a sort key, least for the best sheet: it names the most folders that are there."""
        keys = {one.key for one in self.found}
        return (-sum(row.key in keys for row in sheet.rows),)

    def correct(self, sheet: CodingSheet) -> None:
        """Change rows of the chosen sheet, with notes on it."""

    def rows(self) -> list[CodedClip]:
        """Return a row for each clip of the classes."""
        sheet = self.sheet
        assert sheet is not None
        self.correct(sheet)
        known = dict.fromkeys([*self.classes, *self.layout.emotions, *self.layout.without_class])
        sheet.check_emotions(list(known))
        sheet.settle_repeated(self.layout.several)
        outside = [row for row in sheet.rows if row.emotion not in self.classes]
        words = Counter(row.emotion for row in outside).most_common()
        listed = ", ".join(f"{word} {n}" for word, n in words)
        sheet.leave_out("emotions-without-class", outside, listed=listed)
        sheet.note("apex-outside", [row.row for row in sheet.rows if row.is_apex_outside])
        self.reading.n_coded = len(sheet.rows)
        return sheet.rows

    def cut(self, release: Release, rows: Sequence[CodedClip]) -> list[Cut]:
        """Cut every row out of the folders of a release."""
        return cut_release(
            release, rows, self.title, release.kind == "cropped", self.layout.counts_from
        )

    def remark(self, taken: Release) -> None:
        """Note what the user should know about the release that was taken."""

    # The steps

    def _choose_sheet(self) -> CodingSheet | None:
        """Choose one of several sheets; where they contradict each other, that is an error."""
        read = self._find_sheets()
        keys = {one.key for one in self.found}
        # A sheet that names no folder that is there belongs to another database.
        fitting = [sheet for sheet in read if any(row.key in keys for row in sheet.rows)] or read
        if not fitting:
            return None
        chosen = min(fitting, key=self.rank)
        tell = self.reading.interpretation.append
        tell(f"{self.title}: coding sheet {chosen} ({len(chosen.rows)} rows)")
        for other in fitting:
            if other is chosen:
                continue
            said, only = chosen.compare(other)
            same = "" if said or only else ", the same content"
            tell(f"{self.title}: not used: coding sheet {other} ({len(other.rows)} rows{same})")
            if said:
                more = f" and {len(said) - 3} clips more" if len(said) > 3 else ""
                some = "; ".join(said[:3]) + more
                self.reading.note("sheets-contradict", chosen, other=other, said=some)
            elif only:
                n, first = len(only), only[0]
                self.reading.note("sheets-differ", chosen, other=other, n=n, first=first)
        return chosen

    def _find_sheets(self) -> list[CodingSheet]:
        """Read the files that could be a coding sheet of the database; note those that are not."""
        read: list[CodingSheet] = []
        other: list[str] = []
        wanted = self.choices.sheet
        for path, parts in self.tables:
            told = self.told(parts)
            if not (
                path.as_posix().endswith(wanted) if wanted else told in (self.layout.name, None)
            ):
                continue
            try:
                sheets = self.read_sheets(path)
            except UserError as error:
                named = told == self.layout.name and re.search(
                    self.layout.sheet_names, path.name, re.I
                )
                if named or wanted:
                    code = "sheet-xls" if path.suffix.lower() == ".xls" else "sheet-unreadable"
                    self.reading.note(code, path, reason=error)
                else:
                    other.append(path.name)
                continue
            for one in sheets:
                name = f"{path.name} {one.worksheet}"
                macro = re.search(r"macro|(?<![a-z])mae(?![a-z])", name, re.I)
                if macro and "micro" not in name.lower():
                    self.reading.note("macro-expressions", one)
                elif self.fits(one, parts):
                    read.append(one)
                else:
                    other.append(str(one))
        if other and self.layout.needs_sheet:
            self.note("no-sheet-of-this", n=len(other), first=other[0])
        return read

    def _add_clips(self, taken: Release, cuts: Sequence[Cut], others: Sequence[Cut]) -> None:
        """Add a row of the clips table for each clip, and all that was noticed."""
        seen: Counter[Key] = Counter()
        for cut in cuts:
            row, found = cut.row, cut.found
            if found is None:
                there = [str(one.found.path) for one in others if one.row is row and one.found]
                code = "clip-without-frames/elsewhere" if there else "clip-without-frames"
                clip = f"row {row.row} of the coding sheet" if row.row else "this clip"
                cut.note(code, clip=clip, place=taken.place, elsewhere="".join(there[:1]))
            elif self._contradicts(found, row):
                code = "class-contradiction"
                code = code if self.layout.needs_sheet else "class-contradiction/name"
                cut.note(code, emotion=row.emotion, row=row.row, told=found.emotion)
            self.reading.findings += cut.findings
            errors = {one.code for one in cut.findings if one.severity == "error"}
            if found is None or not cut.frames or errors - {"frames-from-zero"}:
                continue
            subject = self.layout.subject.format(row.key[0] or 0)
            # One recording may hold several micro-expressions: the second is named by its onset.
            seen[row.key] += 1
            again = f"@{row.onset}" if seen[row.key] > 1 else ""
            self.reading.rows.append(
                {
                    "clip": f"{subject}/{row.clip}{again}",
                    "subject": subject,
                    "label": self.classes[row.emotion],
                    "folder": str(found.path),
                    "first": cut.frames[0][0],
                    "last": cut.frames[-1][0],
                    "pattern": name_pattern([name for _, name in cut.frames]),
                    "emotion": row.emotion,
                }
            )

    def _contradicts(self, found: Found, row: CodedClip) -> bool:
        """Whether a folder is named after an emotion of another class than its row's."""
        told = found.emotion
        judged = told and (self.layout.needs_sheet or told in self.classes)
        return bool(judged) and self.classes.get(told, told) != self.classes[row.emotion]

    def _note_uncoded(self, taken: Release, cuts: Sequence[Cut], named: set[Key]) -> None:
        """Name the folders of the release that no row of the coding sheet names."""
        used = {cut.found.path for cut in cuts if cut.found}
        keys = {cut.row.key for cut in cuts} | named
        uncoded = sorted(
            str(one.path)
            for key, folders in taken.folders.items()
            for one in folders
            if key not in keys and one.path not in used
        )
        if uncoded:
            self.note("frames-without-label", n=len(uncoded), first=uncoded[0])
