"""From a scanned tree to the clips of one database: the steps are the same for all layouts.

A folder is known by its own name and the subject's, a coding sheet by its headings and the names of
its clips; which frames belong to a clip is decided in `releases`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder
from cdmer_bench.databases.clips import Reading
from cdmer_bench.databases.coding_sheet import CodedClip, CodingSheet, read_coding_sheets
from cdmer_bench.databases.image_files import name_pattern
from cdmer_bench.databases.releases import (
    Cut,
    Found,
    Key,
    Release,
    choose_release,
    cut_release,
    find_releases,
    recognise,
)
from cdmer_bench.errors import UserError

# The three classes of the MEGC 2019 challenge.
EMOTION_CLASSES = {
    **dict.fromkeys(
        ("anger", "contempt", "disgust", "fear", "sadness", "sad", "disgusted"), "negative"
    ),
    **dict.fromkeys(("happiness", "happy"), "positive"),
    "surprise": "surprise",
}
NO_CLASS = (
    "other", "others", "repression", "tense", "tension", "helpless", "pain", "confused", "sympathy",
)  # fmt: skip
# Names of files and folders that tell a database, the narrower ones first.
NAMES = {
    "casme_squared": r"cas\(me\) ?\^?2|casme[ _-]?(sq|\^ ?2)",
    "casme3": r"cas\(?me\)?[ _-]?\^?3|casme[ _-]?iii",
    "casme2": r"casme[ _-]?(2|ii)",
    "casme": r"casme",
    "samm": r"samm",
    "mmew": r"mmew",
    "four_dme": r"4d[ _-]?m(e|icro)",
    "smic": r"smic",
}

Table = tuple[Path, Sequence[str]]  # a file, and the names of the folders from the root to it


@dataclass(frozen=True)
class Choices:
    """What is to be read of a database where several would do."""

    release: str = "auto"  # auto, cropped, raw or extended
    emotions: Mapping[str, str] | None = None  # from emotions to classes; None is the layout's
    sheet: str = ""  # end of the coding sheet's path
    worksheet: str = ""
    coding: str = "sheet"  # of CASME II, see `casme2`


@dataclass(frozen=True)
class Layout:
    """How a database lies on disk, and how its clips are found there."""

    name: str
    title: str
    # regular expression of a clip's folder; its groups `clip` and `subject` tell which
    clip: str
    example: str  # a frame's path and the sheet's name, for messages
    form: str = "of images that the coding sheet names"  # of a clip's folder, for messages
    # regular expression of a clip's name in the coding sheet; '' is that of the folder
    coded_clip: str = ""
    # from emotions to classes
    emotions: Mapping[str, str] = field(default_factory=lambda: EMOTION_CLASSES)
    without_class: tuple[str, ...] = NO_CLASS  # further emotions of the database
    several: bool = False  # whether a recording may hold several micro-expressions
    # number of the first frame of the recordings, where that is known
    counts_from: int | None = None
    # regular expression for folders whose frames are cropped to the face
    cropped: str = r"crop|_aligned$"
    within: str = ""  # regular expression for a folder that must be among those above; '' for none
    skipped: str = r"(?!)"  # regular expression for folders that hold something else
    read_sheets: Callable[[Path, str], list[CodingSheet]] = read_coding_sheets
    # regular expression for files that are named if they are no coding sheet
    sheet_names: str = r"cod(e|ing)|label|annotation|facs|emo|exp"
    needs_sheet: bool = True  # else folders tell the clips, and a sheet cuts them
    subject: str = "sub{:02d}"  # what a subject is called
    tested: bool = False  # whether the reader was tried on the real release

    def read(
        self, folders: Sequence[ClipFolder], tables: Sequence[Table], choices: Choices
    ) -> Reading:
        """Find the clips of the database in a scanned tree, in the order of its coding sheet."""
        reading = Reading(folders=folders)
        if not self.tested:
            reading.interpretation.append(f"{self.title}: this reader is untested on real data")
        found, lost = self.find(folders, reading)
        sheet = self._choose_sheet(tables, found, choices, reading)
        reading.is_absent = not (found or lost or (sheet and self.needs_sheet))
        if sheet is None and self.needs_sheet:
            by = f" whose path ends with {choices.sheet}" if choices.sheet else ""
            reading.note("no-coding-sheet", self.title, chosen_by=by, example=self.example)
            return reading
        given = choices.emotions if self.needs_sheet else None
        mapping = dict(self.emotions if given is None else given)
        releases = [
            release
            for release in find_releases((one for one in found if one.files), self.kind)
            if choices.release in ("auto", release.kind)
        ]
        named = {key for row in sheet.rows for key in row.keys} if sheet else set()
        rows = self.rows(sheet, found, releases, mapping, choices.coding, reading)
        cut = [(release, self.cut(release, rows)) for release in releases]
        cut = [(release, cuts) for release, cuts in cut if any(one.found for one in cuts)]
        taken: Release | None = None
        if cut:
            taken, cuts = choose_release(
                cut, reading, self.title, "coded clips" if self.needs_sheet else "clips"
            )
            self.remark(taken, cuts, sheet, reading)
            for one in cuts:
                self._check(one, taken, cut, mapping)
            self._add_clips(cuts, mapping, reading)
            self._note_uncoded(taken, cuts, named, reading)
        lost = [one for one in lost if taken is None or one.key not in taken.folders]
        if lost:
            said = {"n": len(lost), "first": lost[0].path, "example": self.example}
            reading.note("camera-unknown", self.title, **said)
        if taken is None:
            said = {"form": self.form, "release": choices.release, "example": self.example}
            reading.note("no-frames", self.title, **said)
        return reading

    # What differs from database to database

    def find(
        self, folders: Sequence[ClipFolder], reading: Reading
    ) -> tuple[list[Found], list[Found]]:
        """Recognise the clips among folders of images, below folders of this database if told.

        The second list is of clips that may belong to it, but nothing tells.
        """
        pattern = re.compile(self.clip, re.I)
        with_images = [f for f in folders if f.files]
        mine = [f for f in with_images if self.told(f.parts) in (self.name, None)]
        found = []
        for folder in mine or with_images:
            inside = any(re.search(self.within, part, re.I) for part in folder.parts)
            one = recognise(folder, pattern) if inside else None
            if one is not None:
                reading.known.add(folder.path)
                if not any(re.search(self.skipped, p, re.I) for p in folder.parts[1:]):
                    found.append(one)
        return found, []

    def told(self, parts: Sequence[str]) -> str | None:
        """Return the database that the nearest of some folders and files tells by its name."""
        for part in reversed(parts):
            for name, pattern in NAMES.items():
                if re.search(pattern, part, re.I):
                    return name
        return None

    def kind(self, members: Sequence[Found]) -> str:
        """Tell cropped faces by the names of frames (most of them) or folders."""
        first = members[0]
        near = [*first.base[-2:], *first.between, first.path.name]
        named = any(re.search(self.cropped, part, re.I) for part in near)
        return "cropped" if named or mostly(("reg", "frame_det"), members) else "raw"

    def fits(self, sheet: CodingSheet, parts: Sequence[str], chosen: bool) -> bool:
        """Tell whether a sheet is of this database; give its rows the names of the clips."""
        coded = re.compile(self.coded_clip or self.clip, re.I)
        told = [coded.fullmatch(row.clip) for row in sheet.rows]
        # A name such as sub01_EP02_01f stands for EP02_01f.
        sheet.rows = [
            replace(row, clip=clip.groupdict().get("clip") or row.clip) if clip else row
            for row, clip in zip(sheet.rows, told, strict=True)
        ]
        return bool(sheet.rows) and 2 * sum(map(bool, told)) >= len(sheet.rows)

    def rank(self, sheet: CodingSheet, found: Sequence[Found]) -> tuple[object, ...]:
        """Return what is least for the sheet to read: it names the most folders that are there."""
        keys = {one.key for one in found}
        return (-sum(row.key in keys for row in sheet.rows),)

    def correct(self, sheet: CodingSheet, emotions: Mapping[str, str], coding: str) -> list[str]:
        """Change rows of the chosen sheet, with notes on it; return the choices made."""
        return []

    def rows(
        self,
        sheet: CodingSheet | None,
        found: Sequence[Found],
        releases: Sequence[Release],
        emotions: Mapping[str, str],
        coding: str,
        reading: Reading,
    ) -> list[CodedClip]:
        """Return a row for each clip of the classes."""
        assert sheet is not None
        reading.interpretation += self.correct(sheet, emotions, coding)
        sheet.check_emotions(list(dict.fromkeys([*emotions, *self.emotions, *self.without_class])))
        sheet.settle_repeated(self.several)
        rows = [row for row in sheet.rows if row.emotion in emotions]
        outside = [row for row in sheet.rows if row.emotion not in emotions]
        words = Counter(row.emotion for row in outside).most_common()
        listed = ", ".join(f"{word} {n}" for word, n in words)
        sheet.note("emotions-without-class", [row.row for row in outside], listed=listed)
        reading.findings += sheet.findings
        reading.n_coded = len(rows)
        return rows

    def cut(self, release: Release, rows: Sequence[CodedClip]) -> list[Cut]:
        """Cut every row out of the folders of a release."""
        return cut_release(release, rows, self.title, release.kind == "cropped", self.counts_from)

    def remark(
        self, taken: Release, cuts: Sequence[Cut], sheet: CodingSheet | None, reading: Reading
    ) -> None:
        """Say what is to be known of the release that was taken."""

    # The steps

    def _choose_sheet(
        self, tables: Sequence[Table], found: Sequence[Found], choices: Choices, reading: Reading
    ) -> CodingSheet | None:
        """Choose one of several sheets; where they contradict each other, that is an error."""
        read = self._find_sheets(tables, choices, reading)
        keys = {one.key for one in found}
        # A sheet that names no folder that is there belongs to another database.
        fitting = [sheet for sheet in read if any(row.key in keys for row in sheet.rows)] or read
        if not fitting:
            return None
        chosen = min(fitting, key=lambda sheet: self.rank(sheet, found))
        reading.interpretation.append(
            f"{self.title}: coding sheet {chosen} ({len(chosen.rows)} rows)"
        )
        for other in fitting:
            if other is chosen:
                continue
            said, only = chosen.compare(other)
            same = "" if said or only else ", the same content"
            reading.interpretation.append(
                f"{self.title}: not used: coding sheet {other} ({len(other.rows)} rows{same})"
            )
            if said:
                some = "; ".join(said[:3])
                some += f" and {len(said) - 3} clips more" if len(said) > 3 else ""
                reading.note("sheets-contradict", chosen, other=other, said=some)
            elif only:
                reading.note("sheets-differ", chosen, other=other, n=len(only), first=only[0])
        return chosen

    def _find_sheets(
        self, tables: Sequence[Table], choices: Choices, reading: Reading
    ) -> list[CodingSheet]:
        """Read what could be a coding sheet of the database; note what is none."""
        read: list[CodingSheet] = []
        other: list[str] = []
        for path, parts in tables:
            told = self.told(parts)
            if choices.sheet:
                if not path.as_posix().endswith(choices.sheet):
                    continue
            elif told not in (self.name, None):
                continue
            try:
                sheets = self.read_sheets(path, choices.worksheet)
            except UserError as error:
                named = told == self.name and re.search(self.sheet_names, path.name, re.I)
                if named or choices.sheet:
                    code = "sheet-xls" if path.suffix.lower() == ".xls" else "sheet-unreadable"
                    reading.note(code, path, reason=error)
                else:
                    other.append(path.name)
                continue
            for one in sheets:
                name = f"{path.name} {one.worksheet}"
                macro = re.search(r"macro|(?<![a-z])mae(?![a-z])", name, re.I)
                if macro and "micro" not in name.lower():
                    reading.note("macro-expressions", one)
                elif self.fits(one, parts, bool(choices.sheet)):
                    read.append(one)
                else:
                    other.append(str(one))
        if other and self.needs_sheet:
            said = {"n": len(other), "first": other[0], "example": self.example}
            reading.note("no-sheet-of-this", self.title, **said)
        return read

    def _check(
        self,
        cut: Cut,
        taken: Release,
        releases: Sequence[tuple[Release, Sequence[Cut]]],
        mapping: Mapping[str, str],
    ) -> None:
        """Name a clip without a folder, and one in a folder for another emotion than its row's."""
        row = cut.row
        if cut.found is None:
            elsewhere = [
                other.found.path
                for _, cuts in releases
                for other in cuts
                if other.row is row and other.found is not None
            ]
            code = "clip-without-frames/elsewhere" if elsewhere else "clip-without-frames"
            clip = f"row {row.row} of the coding sheet" if row.row else "this clip"
            cut.note(code, clip=clip, place=taken.place, elsewhere="".join(map(str, elsewhere[:1])))
            return
        told = cut.found.emotion
        if not self.needs_sheet and told not in mapping:
            return
        if told and mapping.get(told, told) != mapping[row.emotion]:
            code = "class-contradiction" if self.needs_sheet else "class-contradiction/name"
            cut.note(code, emotion=row.emotion, row=row.row, told=told)

    def _add_clips(self, cuts: Sequence[Cut], mapping: Mapping[str, str], reading: Reading) -> None:
        """Add a row of the clips table for each clip, and all that was noticed."""
        seen: Counter[Key] = Counter()
        for cut in cuts:
            reading.findings += cut.findings
            errors = {one.code for one in cut.findings if one.severity == "error"}
            if cut.found is None or not cut.frames or errors - {"frames-from-zero"}:
                continue
            row = cut.row
            subject = self.subject.format(row.key[0] or 0)
            # One recording may hold several micro-expressions: the second is told by its onset.
            seen[row.key] += 1
            again = f"@{row.onset}" if seen[row.key] > 1 else ""
            reading.rows.append(
                {
                    "clip": f"{subject}/{row.clip}{again}",
                    "subject": subject,
                    "label": mapping[row.emotion],
                    "folder": str(cut.found.path),
                    "first": cut.frames[0][0],
                    "last": cut.frames[-1][0],
                    "pattern": name_pattern([name for _, name in cut.frames]),
                    "emotion": row.emotion,
                }
            )

    def _note_uncoded(
        self, taken: Release, cuts: Sequence[Cut], named: set[Key], reading: Reading
    ) -> None:
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
            said = {"n": len(uncoded), "first": uncoded[0]}
            reading.note("frames-without-label", self.title, **said)


def mostly(beginnings: tuple[str, ...], members: Sequence[Found]) -> bool:
    """Tell whether the names of most images begin so."""
    names = [name.lower() for one in members for name in one.files]
    return 2 * sum(name.startswith(beginnings) for name in names) > len(names)
