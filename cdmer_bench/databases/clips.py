"""The clips table: one row for each clip, as readers understand it or a user writes it."""

import os
import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cdmer_bench.databases.base import EMOTIONS, Account, Clip, ClipDatabase, Finding, finding
from cdmer_bench.databases.checks import alike, subject_form
from cdmer_bench.databases.coding_sheet import name_rows, read_tables
from cdmer_bench.databases.image_files import (
    ClipFolder,
    FrameClip,
    files_of,
    is_synthetic,
    mark_and_size,
)
from cdmer_bench.errors import DataMissing, UserError, closest, nearest_neighbour
from cdmer_bench.io import user_path, write_atomically
from cdmer_bench.preprocessing.crop import median_face_share

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("database", "clip", "subject", "label", "folder", "first", "last", "pattern")
BOX = ("x", "y", "width", "height")
OPTIONAL = ("first", "last", "pattern")
_MOST_UNLIKE = 1.5  # ratio of both sides of pictures; raw frames and faces differ by more
JUDGED_CLIPS = 3  # whose first frames tell whether a database is cropped to the face
# The face's box divided by the picture's area. In the crops of the synthetic databases, whose
# proportions are those of the licensed ones, it is 0.7 to 0.9; a face as large as in CASME II or
# SMIC takes 0.13 of a scene of 640 x 480 pixels, one as large as in SAMM 0.2 of 960 x 650.
UNCROPPED, CROPPED = 0.35, 0.5
CROPPING_CODES = ("frames-uncropped", "cropping-undecided")


@dataclass
class Reading:
    """What was understood of a tree of folders, or of a clips table."""

    # a row of the clips table for each usable clip, in the database's frozen order
    rows: list[dict[str, Any]] = field(default_factory=list)
    columns: Sequence[str] = (*COLUMNS, "emotion")
    findings: list[Finding] = field(default_factory=list)
    # the choices that were made, one sentence each
    interpretation: list[str] = field(default_factory=list)
    # clips of the classes that a coding sheet or the table names; None without one
    n_coded: int | None = None
    folders: Sequence[ClipFolder] = ()  # all that were scanned
    # those that the reader recognised, used or not
    known: set[Path] = field(default_factory=set)
    is_absent: bool = False  # whether nothing at all of the database was found
    clips: list[FrameClip] = field(default_factory=list)  # of the rows

    def note(self, code: str, where: object, **values: object) -> None:
        """Add a finding."""
        self.findings.append(finding(code, where, **values))


@dataclass
class TableDatabase(ClipDatabase):
    """A database that is read into a clips table, with what was noticed while reading."""

    _read: Reading | None = field(default=None, init=False, repr=False, compare=False)

    @abstractmethod
    def _understand(self) -> Reading:
        """Read the rows; clips are made of them."""

    @abstractmethod
    def why_empty(self) -> str:
        """Say why there is no usable clip."""

    def read(self) -> Reading:
        """Return all that is understood of the database; it is read once for this object."""
        if self._read is None:
            reading, title = self._understand(), self.title or self.name
            reading.clips = [_make_clip(row, self.classes) for row in reading.rows]
            reading.findings += judge_pictures(reading.clips, title)
            reading.findings += judge_cropping(reading.clips, title)
            self._read = reading
        return self._read

    def clips(self) -> Sequence[Clip]:
        """List the usable clips; `findings` says why the others are not used."""
        clips = self.read().clips
        if not clips:
            raise DataMissing(self.why_empty())
        return clips

    def account(self, descriptor: str | None = None) -> Account:
        """Count the usable clips and those that a sheet or table names, with all findings."""
        labels = [clip.label for clip in self.clips()]
        coded = self.read().n_coded
        return self._account(labels, self.n_expected if coded is None else coded, self.findings)

    @property
    def findings(self) -> list[Finding]:
        """What was noticed while reading."""
        return self.read().findings

    @property
    def interpretation(self) -> list[str]:
        """The choices made while reading, one sentence each."""
        return self.read().interpretation

    def rows(self) -> "pd.DataFrame":
        """Return the clips table of this database, with absolute folders."""
        import pandas as pd

        reading = self.read()
        rows = [{"database": self.name, **row} for row in reading.rows]
        return pd.DataFrame(rows, columns=list(reading.columns))


def _make_clip(row: Mapping[str, Any], classes: Sequence[str]) -> FrameClip:
    """Make the clip of a row whose values are known to be right."""
    folder, first, last = Path(row["folder"]), row["first"], row["last"]
    files = tuple(
        folder / name
        for number, names in files_of(folder, row["pattern"]).items()
        for name in names
        if (first == "" or number >= int(first)) and (last == "" or number <= int(last))
    )
    box = None
    if all(row.get(key, "") != "" for key in BOX):
        x, y, width, height = (int(row[key]) for key in BOX)
        box = (x, y, width, height)
    label = list(classes).index(row["label"])
    return FrameClip(row["clip"], row["subject"], label, files, row.get("emotion", ""), box)


def judge_pictures(clips: Sequence[FrameClip], title: str) -> Iterator[Finding]:
    """Name clips whose first pictures are turned, or much larger or smaller than the median."""
    looks = [(clip, *mark_and_size(clip.files[0])) for clip in clips]
    turned = [clip.name for clip, mark, _ in looks if mark != 1]
    if turned:
        yield finding("frames-turned", title, n=len(turned), first=turned[0])
    sizes = [(clip.name, size) for clip, _, size in looks if size and clip.box is None]
    middle = np.median([size for _, size in sizes] or [(1, 1)], axis=0).astype(int)
    unlike = [
        (name, size)
        for name, size in sizes
        if min(size / middle) > _MOST_UNLIKE or max(size / middle) < 1 / _MOST_UNLIKE
    ]
    if unlike:
        first, own = unlike[0][0], "{} x {}".format(*unlike[0][1])
        said = {"n": len(unlike), "width": middle[0], "height": middle[1]}
        yield finding("frames-of-other-size", title, **said, first=first, own=own)


def judge_cropping(clips: Sequence[FrameClip], title: str) -> list[Finding]:
    """Say if the frames are not cropped: by the face's share of the first ones of a few clips."""
    places = np.linspace(0, len(clips) - 1, min(JUDGED_CLIPS, len(clips))).round().astype(int)
    frames = []
    for clip in (clips[place] for place in places):
        with suppress(UserError):  # damage is reported where the clip is read
            frames.append(replace(clip, files=clip.files[:1]).frames()[0])
    share = median_face_share(frames)
    if share is None or share >= CROPPED:
        return []
    error, warning = CROPPING_CODES
    code = warning if share >= UNCROPPED else error if share else "cropping-undecided/no-face"
    height, width = frames[-1].shape
    said = {"width": width, "height": height, "n": len(frames), "percent": 100 * share}
    return [finding(code, title, cropped=100 * CROPPED, **said)]


@dataclass
class ClipsDatabase(TableDatabase):
    """One database of a clips table: any layout of files, any classes.

    Attributes
    ----------
    table : str
        The file: text with commas, semicolons or tabs, or a workbook. Its columns are
        ``database, clip, subject, label, folder, first, last, pattern``, and may be followed by
        ``x, y, width, height`` of the face and others.
    classes : tuple of str
        Empty: all labels of the table.
    """

    table: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.classes = tuple(str(name) for name in self.classes or ())
        if self.path.is_file():
            table = read_table(self.path)
            self.classes = self.classes or _classes_of(table)
            folders = table["folder"][table["database"] == self.name]
            places = {(self.path.parent / folder).parent for folder in folders if folder}
            self.synthetic = self.synthetic or any(map(is_synthetic, places))

    @staticmethod
    def listed(table: str = "", **_: object) -> list[str]:
        """List the databases that a table names, in its order; none if it is not there."""
        path = user_path(table)
        if not table or not path.is_file():
            return []
        return list(dict.fromkeys(name for name in read_table(path)["database"] if name))

    @property
    def path(self) -> Path:
        """Where the table lies."""
        return user_path(self.table)

    def why_empty(self) -> str:
        """Say whether the table has no row of the database, or no usable one."""
        if self.read().n_coded:
            first = self.findings[0]
            return f"{self.path} has no usable row of the database {self.name}: {first}"
        held = ", ".join(self.listed(self.table)) or "none"
        return f"{self.path} has no row of the database {self.name}; it has {held}"

    def _understand(self) -> Reading:
        """Take the rows that can be used; rows with the same mistake are one finding."""
        table = read_table(self.path)
        mine = table["database"] == self.name
        base = Path(os.path.abspath(self.path.parent))
        columns = table.columns.drop(["line", "beyond"])
        reading = Reading(columns=list(columns), n_coded=int(mine.sum()))
        reading.interpretation = [
            f"{self.title or self.name}: {reading.n_coded} rows of {self.path}"
        ]
        wrong: dict[tuple[Any, ...], list[tuple[int, str]]] = defaultdict(list)
        first_line: dict[str, int] = {}
        # A row that names no database becomes a finding of every database.
        records: list[Any] = table[mine | (table["database"] == "")].to_dict("records")
        for row in records:
            line, beyond, clip = row.pop("line"), row.pop("beyond"), row["clip"]
            mistakes = list(_mistakes(row, self.path.parent, self.classes))
            if beyond:
                mistakes.append(("cells-beyond", repr(beyond), {}))
            if row["database"] and clip and first_line.setdefault(clip, line) != line:
                mistakes.append(("clip-twice/table", f"{clip} is in row {first_line[clip]}", {}))
            for code, example, values in mistakes:
                wrong[code, *values.items()].append((line, example))
            if all(code == "frames-missing/table" for code, *_ in mistakes):
                reading.rows.append({**row, "folder": str(base / row["folder"])})
        for (code, *said), cases in wrong.items():
            rows = name_rows([line for line, _ in cases])
            reading.note(code, self.path, example=cases[0][1], **rows, **dict(said))
        for column, code in (("label", "labels-alike"), ("database", "databases-alike")):
            for text, like in alike(table[column]):
                rows = name_rows(table["line"][table[column] == text].tolist())
                kind = code if text.casefold() == like.casefold() else "names-alike"
                rows |= {"column": column, "text": text, "like": like}
                reading.note(kind, self.path, **rows)
        for text, like in alike(table["subject"][mine], subject_form):
            reading.note("subjects-alike", self.path, text=text, like=like)
        return reading


def _mistakes(
    row: Mapping[str, Any], base: Path, classes: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """List what is wrong with a row: the code of the finding, the case, values for the sentence."""
    empty = [name for name in COLUMNS if name not in OPTIONAL and not row[name]]
    if empty:
        case = row["clip"] or row["folder"] or "an empty cell"
        yield "cell-empty", case, {"empty": " and ".join(empty)}
        return
    if row["label"] not in classes:
        yield "label-unknown", repr(row["label"]), {"hint": closest(row["label"], classes)}
    box = [row.get(name, "") for name in BOX]
    whole = all(re.fullmatch(r"\d+", cell) for cell in box) and int(box[2]) and int(box[3])
    if any(box) and not whole:
        yield "box-unusable", ", ".join(box), {}
    ends, pattern, folder = (row["first"], row["last"]), row["pattern"], base / row["folder"]
    if not all(re.fullmatch(r"\d*", cell) for cell in ends):
        yield "frame-number-unreadable/table", " to ".join(map(repr, ends)), {}
    elif pattern and pattern.count("{n}") != 1:
        yield "pattern-unusable", pattern, {}
    elif not folder.is_dir():
        yield "folder-missing", str(folder), {}
    elif not (numbered := files_of(folder, pattern)):
        form = pattern or "any image with a number in its name"
        yield "frames-missing/all", f"{form} in {folder}", {}
    else:
        first = int(ends[0] or min(numbered))
        last = int(ends[1] or max(numbered))
        inside = [number for number in numbered if first <= number <= last]
        absent = [number for number in (first, last) if number not in numbered]
        twice = [numbered[number] for number in inside if len(numbered[number]) > 1]
        if first > last:
            yield "first-after-last", f"{first} > {last}", {}
        elif absent:
            yield "frames-missing/end", f"no frame {absent[0]} in {folder}", {}
        elif twice:
            yield "frame-number-twice/table", f"{' and '.join(twice[0])} in {folder}", {}
        elif len(inside) < last - first + 1:
            yield "frames-missing/table", f"{len(inside)} of {last - first + 1} in {folder}", {}


def _classes_of(table: "pd.DataFrame") -> tuple[str, ...]:
    """Return the classes of a table's labels: the paper's in the paper's order, else by name."""
    labels = sorted({label for label in table["label"] if label})
    if set(labels) <= set(EMOTIONS):
        return tuple(name for name in EMOTIONS if name in labels)
    return tuple(labels)


def read_table(path: Path) -> "pd.DataFrame":
    """Read a clips table as text, with each row's ``line`` and cells ``beyond`` the headings."""
    import pandas as pd

    if not path.is_file():
        found = "corpus.table is empty" if path == Path() else f"{path} is no file"
        raise DataMissing(
            f"{found}; {nearest_neighbour(path)}give a clips table with corpus.table=FILE, which "
            "'cdmer data clips' writes"
        )
    pages = {name: rows for name, rows in read_tables(path).items() if any(map(any, rows))}
    needed = set(COLUMNS) - set(OPTIONAL)
    fit = [n for n, rows in pages.items() if needed <= set(map(str.lower, next(filter(any, rows))))]
    if len(fit) > 1:
        raise UserError(
            f"{path} has {len(fit)} worksheets with a clips table ({', '.join(fit)}), expected "
            "one; put all rows into one"
        )
    rows = pages[fit[0]] if fit else next(iter(pages.values()), [])
    lines = [number for number, row in enumerate(rows, start=1) if any(row)]
    if not lines:
        raise UserError(f"{path} is empty, expected a clips table: {','.join(COLUMNS)}")
    headings = [cell.lower() for cell in rows[lines[0] - 1]]
    named = [name for name in headings if name]
    absent = [name for name in COLUMNS if name not in named and name not in OPTIONAL]
    if absent:
        raise UserError(
            f"{path} has no column {', '.join(absent)} in its first row "
            f"({', '.join(headings[:12])}), expected {','.join(COLUMNS)}; complete it"
        )
    if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        raise UserError(f"{path} has {named.count(twice[0])} columns {twice[0]!r}; keep one")
    content = [rows[line - 1] for line in lines[1:]]
    width = headings.index(named[-1]) + 1
    beyond = [", ".join(filter(None, row[width:])) for row in content]
    table = pd.DataFrame(content, columns=headings, dtype=object)[named]
    absent = [name for name in OPTIONAL if name not in named]
    return table.assign(**dict.fromkeys(absent, ""), line=lines[1:], beyond=beyond)


def write_table(rows: "pd.DataFrame", path: Path) -> None:
    """Write a clips table; a table that was there is kept beside it as ``NAME.old``."""
    text = relative_to(rows, path.parent).to_csv(index=False)
    if path.exists() and path.read_text("utf-8", errors="replace") != text:
        os.replace(path, path.with_name(path.name + ".old"))
    write_atomically(path, text.encode())


def relative_to(rows: "pd.DataFrame", place: Path) -> "pd.DataFrame":
    """Return a table with its folders written from ``place`` where they lie below it."""
    here = Path(os.path.abspath(place))

    def relative(folder: str) -> str:
        path = Path(folder)
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else folder

    return rows.assign(folder=[relative(folder) for folder in rows["folder"]])
