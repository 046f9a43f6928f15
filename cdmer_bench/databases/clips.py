"""The clips table: one row for each clip, as readers understand it or a user writes it."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdmer_bench.databases.base import EMOTIONS, Account, Clip, ClipDatabase, Finding
from cdmer_bench.databases.clip_folders import FrameClip, is_synthetic
from cdmer_bench.databases.coding_sheet import name_rows, plural, read_tables
from cdmer_bench.databases.cropping import judge_cropping
from cdmer_bench.databases.image_files import frame_number, is_image
from cdmer_bench.errors import DataMissing, UserError, closest, nearest_neighbour
from cdmer_bench.io import user_path

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("database", "clip", "subject", "label", "folder", "first", "last", "pattern")
BOX = ("x", "y", "width", "height")
OPTIONAL = ("first", "last", "pattern")


def files_of(folder: Path, pattern: str) -> dict[int, list[str]]:
    """Return by number the names of a folder's images that have the form of a pattern.

    Parameters
    ----------
    folder : Path
    pattern : str
        Such as ``img{n}.jpg``, where ``{n}`` is the number with or without leading zeros; ''
        takes all images, by the last number in the name.
    """
    before, _, after = pattern.partition("{n}")
    form = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}")
    numbered: dict[int, list[str]] = defaultdict(list)
    for name in sorted(os.listdir(folder)):
        if pattern:
            told = form.fullmatch(name)
            number = int(told[1]) if told else None
        else:
            number = frame_number(name) if is_image(name) else None
        if number is not None:
            numbered[number].append(name)
    return dict(sorted(numbered.items()))


def make_clip(row: Mapping[str, Any], classes: Sequence[str], base: Path) -> FrameClip:
    """Make the clip of a row whose values are known to be right."""
    folder = base / str(row["folder"])
    first, last = row.get("first", ""), row.get("last", "")
    names = [
        name
        for number, group in files_of(folder, str(row.get("pattern", ""))).items()
        for name in group
        if (first == "" or number >= int(first)) and (last == "" or number <= int(last))
    ]
    box = None
    if all(str(row.get(key, "")) != "" for key in BOX):
        x, y, width, height = (int(row[key]) for key in BOX)
        box = (x, y, width, height)
    return FrameClip.of(
        str(row["clip"]),
        str(row["subject"]),
        list(classes).index(str(row["label"])),
        (folder / name for name in names),
        str(row.get("emotion", "")),
        box,
    )


def write_table(rows: "pd.DataFrame", path: Path) -> None:
    """Write a clips table; a table that was there is kept beside it with ``.old`` at its end."""
    from cdmer_bench.io import write_atomically

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


def read_table(path: Path) -> "pd.DataFrame":
    """Read a clips table as text, with the line of each row in the column ``line``.

    Raises
    ------
    DataMissing
        If there is no such file.
    UserError
        If it is not a table with the columns of `COLUMNS`.
    """
    import pandas as pd

    if not path.is_file():
        found = "corpus.table is empty" if path == Path() else f"{path} is no file"
        raise DataMissing(
            f"{found}; {nearest_neighbour(path)}give a clips table with corpus.table=FILE, which "
            "'cdmer data clips' writes"
        )
    rows = next(iter(read_tables(path).values()), [])
    lines = [number for number, row in enumerate(rows, start=1) if any(row)]
    if not lines:
        raise UserError(f"{path} is empty, expected a clips table: {','.join(COLUMNS)}")
    headings = [cell.lower() for cell in rows[lines[0] - 1]]
    absent = [name for name in COLUMNS if name not in headings and name not in OPTIONAL]
    if absent:
        raise UserError(
            f"{path} has no column {', '.join(absent)} in its first row "
            f"({', '.join(headings[:12])}), expected {','.join(COLUMNS)}; complete it"
        )
    content = [
        {name: row[c] if c < len(row) else "" for c, name in enumerate(headings) if name}
        for row in (rows[line - 1] for line in lines[1:])
    ]
    table = pd.DataFrame(content, columns=[name for name in headings if name])
    for name in OPTIONAL:
        if name not in table:
            table[name] = ""
    return table.assign(line=lines[1:])


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def check_rows(
    table: "pd.DataFrame", path: Path, classes: Sequence[str]
) -> tuple[list[int], list[Finding]]:
    """Return the places of the rows that can be used, and what is wrong with the others.

    Rows with the same mistake are one finding, which names their lines.
    """
    wrong: dict[tuple[str, str, str, str, str], list[tuple[int, str]]] = defaultdict(list)
    usable = []
    first_line: dict[tuple[str, str], int] = {}
    for place, row in enumerate(_records(table)):
        mistakes = _mistakes(row, path.parent, classes)
        name = (row["database"], row["clip"])
        if all(name) and first_line.setdefault(name, row["line"]) != row["line"]:
            mistakes.append(
                ("error", "clip-twice", "whose clip an earlier row names",
                 f"{row['clip']} is in row {first_line[name]}", "another name, or remove the row")
            )  # fmt: skip
        for severity, code, found, example, action in mistakes:
            wrong[severity, code, found, "", action].append((row["line"], example))
        if not any(severity == "error" for severity, *_ in mistakes):
            usable.append(place)
    findings = []
    for (severity, code, found, _, action), cases in wrong.items():
        lines = [line for line, _ in cases]
        text = f"{plural(len(lines), 'row')} {found} ({name_rows(lines)}: {cases[0][1]})"
        findings.append(Finding(severity, text, str(path), code, "", action))
    return usable, findings


def _mistakes(
    row: Mapping[str, Any], base: Path, classes: Sequence[str]
) -> list[tuple[str, str, str, str, str]]:
    """List what is wrong with a row: severity, code, what is wrong, the case, what to do."""
    empty = [name for name in ("database", "clip", "subject", "label", "folder") if not row[name]]
    if empty:
        return [("error", "cell-empty", f"without {' and '.join(empty)}",
                 row["clip"] or row["folder"] or "an empty cell", "complete the row")]  # fmt: skip
    mistakes = []
    if row["label"] not in classes:
        mistakes.append(
            ("error", "label-unknown", "whose label is no class", repr(row["label"]),
             closest(row["label"], classes))
        )  # fmt: skip
    box = [row.get(name, "") for name in BOX]
    whole = all(re.fullmatch(r"\d+", cell) for cell in box) and int(box[2]) and int(box[3])
    if any(box) and not whole:
        mistakes.append(
            ("error", "box-unusable", "whose x, y, width, height are not four whole numbers",
             ", ".join(box), "correct them, or leave all four empty")
        )  # fmt: skip
    numbers = [row["first"], row["last"]]
    if not all(re.fullmatch(r"\d*", cell) for cell in numbers):
        mistakes.append(
            ("error", "frame-number-unreadable", "whose first or last is no whole number",
             " to ".join(map(repr, numbers)), "give the numbers in the frames' names")
        )  # fmt: skip
        return mistakes
    if row["pattern"] and row["pattern"].count("{n}") != 1:
        mistakes.append(
            ("error", "pattern-unusable", "whose pattern has no {n}", row["pattern"],
             "write {n} where the number stands, such as img{n}.jpg")
        )  # fmt: skip
        return mistakes
    folder = base / row["folder"]
    if not folder.is_dir():
        mistakes.append(
            ("error", "folder-missing", "whose folder is not there", str(folder),
             "a folder counts from the table's own, or is absolute")
        )  # fmt: skip
        return mistakes
    return mistakes + _mistakes_in_frames(row, folder)


def _mistakes_in_frames(
    row: Mapping[str, Any], folder: Path
) -> list[tuple[str, str, str, str, str]]:
    numbered = files_of(folder, row["pattern"])
    if not numbered:
        form = row["pattern"] or "any image with a number in its name"
        return [("error", "frames-missing", "without a frame", f"{form} in {folder}",
                 "correct folder or pattern")]  # fmt: skip
    first = int(row["first"]) if row["first"] else min(numbered)
    last = int(row["last"]) if row["last"] else max(numbered)
    if first > last:
        return [("error", "first-after-last", "whose first is after last", f"{first} > {last}",
                 "swap them")]  # fmt: skip
    for end in (first, last):
        if end not in numbered:
            return [("error", "frames-missing", "whose first or last frame is not there",
                     f"no frame {end} in {folder}", "correct first, last or pattern")]  # fmt: skip
    inside = [number for number in numbered if first <= number <= last]
    twice = [number for number in inside if len(numbered[number]) > 1]
    if twice:
        return [("error", "frame-number-twice", "with two files of one number",
                 f"{' and '.join(numbered[twice[0]])} in {folder}",
                 "give a pattern, or remove the copies")]  # fmt: skip
    if len(inside) < last - first + 1:
        return [("warning", "frames-missing", "with frames missing between first and last",
                 f"{len(inside)} of {last - first + 1} in {folder}",
                 "the clip is used as it is")]  # fmt: skip
    return []


def table_classes(table: "pd.DataFrame") -> tuple[str, ...]:
    """Return the classes of a table's labels: the paper's in the paper's order, else by name."""
    labels = sorted({label for label in table["label"] if label})
    if set(labels) <= set(EMOTIONS):
        return tuple(name for name in EMOTIONS if name in labels)
    return tuple(labels)


@dataclass
class ClipsDatabase(ClipDatabase):
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
    synthetic: bool = field(default=False, kw_only=True)
    _read: "tuple[list[FrameClip], list[Finding], int] | None" = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        self.classes = tuple(str(name) for name in self.classes or ())
        if self.path.is_file():
            table = read_table(self.path)
            self.classes = self.classes or table_classes(table)
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

    def clips(self) -> Sequence[Clip]:
        """List the clips of the table's right rows, in its order.

        Raises
        ------
        DataMissing
            If the table is not there, or has no right row of this database.
        UserError
            If it is no clips table.
        """
        clips, findings, n_rows = self._reading()
        if not n_rows:
            held = ", ".join(self.listed(self.table)) or "none"
            raise DataMissing(f"{self.path} has no row of the database {self.name}; it has {held}")
        if not clips:
            raise DataMissing(
                f"{self.path} has no usable row of the database {self.name}: {findings[0]}"
            )
        return clips

    def account(self, descriptor: str | None = None) -> Account:
        """Count the clips and the rows, with what is wrong with rows."""
        clips = self.clips()
        return self._account((clip.label for clip in clips), self._reading()[2], self.findings)

    @property
    def findings(self) -> list[Finding]:
        """What was noticed about the table's rows of this database."""
        return self._reading()[1]

    @property
    def interpretation(self) -> list[str]:
        """Which table was read."""
        return [f"{self.title or self.name}: {self._reading()[2]} rows of {self.path}"]

    def rows(self) -> "pd.DataFrame":
        """Return the usable rows of this database, with absolute folders."""
        table = self._own_rows()
        usable, _ = check_rows(table, self.path, self.classes)
        base = Path(os.path.abspath(self.path.parent))
        kept = table.iloc[usable].drop(columns="line")
        return kept.assign(folder=[str(base / folder) for folder in kept["folder"]])

    def _own_rows(self) -> "pd.DataFrame":
        table = read_table(self.path)
        mine = table["database"] == self.name
        # A row that names no database is told by every database.
        return table[mine | (table["database"] == "")].reset_index(drop=True)

    def _reading(self) -> "tuple[list[FrameClip], list[Finding], int]":
        if self._read is None:
            table = self._own_rows()
            usable, findings = check_rows(table, self.path, self.classes)
            rows = _records(table.iloc[usable])
            clips = [make_clip(row, self.classes, self.path.parent) for row in rows]
            findings += judge_cropping(clips, self.title or self.name)
            self._read = (clips, findings, int((table["database"] == self.name).sum()))
        return self._read
