"""Coding sheets: which clip has which onset, apex, offset and emotion."""

import csv
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdmer_bench.databases.base import Finding, finding, table
from cdmer_bench.errors import UserError, nearest
from cdmer_bench.io import check_archive_size, check_quotes

SHEET_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv")
REQUIRED = ("subject", "clip", "onset", "offset", "emotion")
# What a column is for: its possible headings, lower-case letters and digits only.
HEADINGS: dict[str, list[str]] = table("sheet_words")["headings"]
ABSENT: list[str] = table("sheet_words")["absent"]  # cells that say that there is none
# Columns of a sheet that marks emotions instead of naming them (4DME); the first three are classes.
MARKS = ("positive", "negative", "surprise", "repression", "others")
_MOST_BYTES = 2**26  # of a workbook when unpacked; coding sheets take less than a hundredth


@dataclass(frozen=True)
class CodedClip:
    """One row of a coding sheet."""

    subject: str
    clip: str
    # frame numbers; None where the sheet says that there is none (CASME II writes /)
    onset: int | None
    apex: int | None
    offset: int | None
    emotion: str  # in lower case
    row: int  # in the sheet, the first being 1; 0 where no sheet has it
    # numbers of the recording's first and last frame, where the sheet tells (SMIC-E)
    first: int | None = None
    last: int | None = None
    # name of the folder that holds this clip alone, where a database ships such (CAS(ME)^3)
    shipped: str = ""

    @property
    def key(self) -> tuple[int | None, str]:
        """Number of the subject and name of the clip, as folders are identified."""
        return subject_number(self.subject), self.clip.lower()

    @property
    def keys(self) -> list[tuple[int | None, str]]:
        """The keys of the folders that may hold it, the one that holds it alone first."""
        return [(self.key[0], self.shipped.lower()), self.key] if self.shipped else [self.key]

    @property
    def length(self) -> int | None:
        """Number of frames from onset to offset, None without both numbers in this order."""
        if self.onset is None or self.offset is None or self.offset < self.onset:
            return None
        return self.offset - self.onset + 1

    @property
    def is_apex_outside(self) -> bool:
        """Whether the three numbers are known, and not in their order."""
        numbers = [n for n in (self.onset, self.apex, self.offset) if n is not None]
        return len(numbers) == 3 and numbers != sorted(numbers)

    @property
    def content(self) -> tuple[Any, ...]:
        """What two rows of one clip must agree on."""
        return self.onset, self.offset, self.emotion

    def unlike(self, other: "CodedClip") -> str:
        """Say in what two rows of one clip differ."""
        one, two = (
            f"{row.emotion or 'without emotion'}, frames {row.onset} to {row.offset} in row "
            f"{row.row}"
            for row in (self, other)
        )
        return f"{self.subject}/{self.clip} is {one}, but {two}"


@dataclass
class CodingSheet:
    """One worksheet of a coding sheet."""

    path: Path
    worksheet: str  # its name; '' where the file has one table only
    headings: list[str]  # the words above the columns, lower-case letters and digits only
    rows: list[CodedClip] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # what was noticed about rows

    def __str__(self) -> str:
        return f"{self.path} (worksheet {self.worksheet})" if self.worksheet else str(self.path)

    def note(self, code: str, lines: Sequence[int], **values: object) -> None:
        """Add a finding about rows, if there are any."""
        if lines:
            self.findings.append(finding(code, self, **name_rows(lines), **values))

    def leave_out(self, code: str, rows: Sequence[CodedClip], **values: object) -> None:
        """Drop rows, with a finding that counts and names them."""
        self.note(code, [row.row for row in rows], **values)
        gone = set(rows)
        self.rows = [row for row in self.rows if row not in gone]

    def check_emotions(self, known: Sequence[str]) -> None:
        """Drop rows whose emotion is empty or unknown, with a finding that names each word."""
        unknown = defaultdict(list)
        for row in self.rows:
            if row.emotion not in known:
                unknown["" if row.emotion in ABSENT else row.emotion].append(row)
        for word, rows in unknown.items():
            code = "emotion-unknown" if word else "emotion-empty"
            hint = nearest(word, known)
            self.leave_out(code, rows, word=word, known=", ".join(known), hint=hint)

    def settle_repeated(self, several: bool) -> None:
        """Keep one of identical rows, and none of rows that contradict each other.

        ``several``: one recording may hold several micro-expressions, which their onsets tell
        apart.
        """
        groups: dict[Any, list[CodedClip]] = defaultdict(list)
        for row in self.rows:
            groups[row.key, row.onset if several else None].append(row)
        again: list[CodedClip] = []
        for one, *others in groups.values():
            other = next((row for row in others if row.content != one.content), None)
            if other is None:
                again += others
            else:
                self.findings.append(finding("rows-contradict", self, said=one.unlike(other)))
                self.rows = [row for row in self.rows if row not in (one, *others)]
        self.leave_out("rows-repeated", again)

    def compare(self, other: "CodingSheet") -> tuple[list[str], list[str]]:
        """List what two sheets say differently, with both rows, and the clips of one of them."""
        theirs = defaultdict(list)
        for row in other.rows:
            theirs[row.key].append(row)
        said = [
            row.unlike(theirs[row.key][0])
            for row in self.rows
            if row.key in theirs and row.content not in [same.content for same in theirs[row.key]]
        ]
        ours = {row.key for row in self.rows}
        only = [row for row in other.rows if row.key not in ours]
        only += [row for row in self.rows if row.key not in theirs]
        return said, [f"{row.subject}/{row.clip}" for row in only]


def name_rows(lines: Sequence[int], most: int = 8) -> dict[str, str]:
    """Return ``3 rows`` and ``rows 5, 7, 9`` for the sentence of a finding."""
    some = "row" if len(lines) == 1 else "rows"
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    listed = ", ".join(map(str, lines[:most]))
    return {"rows": f"{len(lines)} {some}", "lines": f"{some} {listed}{more}"}


def subject_number(text: object) -> int | None:
    """Return the number of a subject written ``7``, ``'sub07'``, ``'s7'`` or ``'007'``."""
    found = re.fullmatch(r"\s*[A-Za-z._ -]*?0*(\d+)(?:\.0)?\s*", str(text))
    return int(found[1]) if found else None


def read_coding_sheets(
    path: Path,  # a workbook (.xlsx, .xlsm, .xls), or text with commas, semicolons or tabs
    worksheet: str = "",  # '' is every one with such headings
    # from the purpose of a column to further headings, which go before the usual ones
    headings: Mapping[str, Sequence[str]] | None = None,
    required: Sequence[str] = REQUIRED,  # columns that the sheet must have
) -> list[CodingSheet]:
    """Read the rows of coding sheets that name a subject and a clip.

    The heading row is found by its words, so rows of text above it, blank columns and another
    order of columns do no harm; rows of text below the table are left out.
    """
    own = headings or {}
    wanted = {r: [*own.get(r, ()), *HEADINGS.get(r, ())] for r in (*HEADINGS, *own)}
    tables = read_tables(path)
    if worksheet:
        if worksheet not in tables:
            raise UserError(
                f"{path} has no worksheet {worksheet!r}; it has {', '.join(map(repr, tables))}"
            )
        tables = {worksheet: tables[worksheet]}
    found: list[CodingSheet] = []
    seen: list[str] = []
    for name, rows in tables.items():
        for place, row in enumerate(rows[:40]):
            words = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in row]
            columns = {
                role: next(words.index(word) for word in named if word in words)
                for role, named in wanted.items()
                if not set(words).isdisjoint(named)
            }
            if columns.keys() >= set(required):
                found.append(CodingSheet(path, name if len(tables) > 1 else "", words))
                read_rows(found[-1], rows, place, columns)
                break
            seen = max(seen, [cell for cell in row if cell], key=len)
    if not found:
        raise UserError(
            f"{path} has no table with the columns {', '.join(required)}; the fullest of its first "
            f"rows is: {', '.join(seen[:12]) or '(empty)'}; use the coding sheet of the database"
        )
    return found


def read_tables(path: Path) -> dict[str, list[list[str]]]:
    """Read every worksheet as rows of as many cells of text; whole numbers have no point."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); copy it again") from None
    otherwise = ", or open it in a spreadsheet program and save it as .xlsx"
    damaged = f"{path} is not a readable {path.suffix} file; copy it again"
    excel = "openpyxl" if content.startswith(b"PK") else "xlrd"
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        try:
            pages = _read_xlsx(path) if excel == "openpyxl" else _read_xls(content)
        except ImportError:
            raise UserError(
                f"{path} needs the package {excel}; run: pip install {excel}"
                f"{otherwise if excel == 'xlrd' else ''}"
            ) from None
        except UserError:
            raise
        # The readers pass on whatever zipfile, the XML parser and their type checks raise.
        except Exception:
            hint = otherwise if path.suffix.lower() == ".xls" else ""
            raise UserError(damaged + hint) from None
    elif path.suffix.lower() in (".xlsx", ".xlsm"):
        raise UserError(damaged)
    else:
        pages = {path.stem: _read_text(path, content)}
    return {name: [[_text(cell) for cell in row] for row in page] for name, page in pages.items()}


def _read_xlsx(path: Path) -> dict[str, Iterable[Sequence[object]]]:
    import pandas as pd

    with zipfile.ZipFile(path) as archive:
        check_archive_size(archive, path, _MOST_BYTES)
    pages = pd.read_excel(
        path, sheet_name=None, header=None, dtype=object, na_filter=False, engine="openpyxl"
    )
    return {str(name): page.itertuples(index=False) for name, page in pages.items()}


def _read_xls(content: bytes) -> dict[str, Iterable[Sequence[object]]]:
    import xlrd

    book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO())
    return {page.name: [page.row_values(n) for n in range(page.nrows)] for page in book.sheets()}


def _read_text(path: Path, content: bytes) -> Iterable[Sequence[str]]:
    """Read text of any usual encoding, with the separator that its first lines hold most often."""
    encodings = ["utf-8-sig", "gb18030"]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content[:200]:
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            break
    else:
        raise UserError(f"{path} is text of no encoding that is known; save it as UTF-8")
    beginning = "\n".join(text.splitlines()[:20])
    separator = max(",;\t", key=beginning.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise UserError(f"{path} is not a readable CSV file ({error})") from None
    if any("\n" in cell for row in rows for cell in row):
        check_quotes(text, separator, path)
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _text(cell: object) -> str:
    if cell is None or cell != cell:
        return ""
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell).strip()  # type: ignore[call-overload]


def read_rows(
    sheet: CodingSheet,
    rows: Sequence[Sequence[str]],
    place: int,  # of the headings among the rows
    columns: Mapping[str, int],  # from the purpose of a column to its place
) -> None:
    """Add to a sheet a coded clip for each row, or a finding that says why not."""
    lines: dict[str, list[int]] = defaultdict(list)
    alike = [c for c, word in enumerate(sheet.headings) if word in HEADINGS["emotion"]]
    unlike: dict[int, list[tuple[int, str]]] = defaultdict(list)  # by the column
    subject = ""
    for number, row in enumerate(rows[place + 1 :], start=place + 2):
        if not any(row):
            continue
        cell = defaultdict(str, {role: row[c] for role, c in columns.items()})
        for other in alike if cell["emotion"] else ():
            if row[other].lower() not in ("", cell["emotion"].lower()):
                unlike[other].append((number, f"{row[other]} and {cell['emotion']}"))
        coded = any(subject_number(cell[role]) is not None for role in ("onset", "offset"))
        if not cell["clip"] or not (cell["subject"] or coded):
            named = subject_number(cell["subject"]) is not None and coded
            lines["row-without-clip" if named else "rows-of-text"].append(number)
            continue
        if not cell["subject"]:
            lines["subject-filled-down"].append(number)
        subject = cell["subject"] or subject
        if subject_number(subject) is None:
            lines["subject-unreadable" if coded else "rows-of-text"].append(number)
            continue
        kind = cell["type"].lower()
        if re.search(r"macro|\bmae\b", kind) and "micro" not in kind:
            lines["macro-expressions/rows"].append(number)
            continue
        numbers = {role: frame(cell[role]) for role in ("onset", "apex", "offset", "first", "last")}
        if numbers["apex"] is False:
            lines["apex-unreadable"].append(number)
        if numbers["onset"] is False or numbers["offset"] is False:
            lines["frame-number-unreadable"].append(number)
            continue
        emotion = _marked(cell) if "positive" in columns else cell["emotion"].lower()
        known: dict[str, Any] = {
            role: None if found is False else found for role, found in numbers.items()
        }
        sheet.rows.append(CodedClip(subject, cell["clip"], **known, emotion=emotion, row=number))
    for code, numbered in lines.items():
        sheet.note(code, numbered)
    for other, cases in unlike.items():
        said = {"other": rows[place][other], "taken": rows[place][columns["emotion"]]}
        said["example"] = cases[0][1]
        sheet.note("emotion-columns-differ", [number for number, _ in cases], **said)


def _marked(cell: Mapping[str, str]) -> str:
    """Return the one class that is marked, ``several``, or an emotion without a class."""
    marked = [word for word in MARKS if cell[word].lower() not in (*ABSENT, "0", "no")]
    classes = [word for word in marked if word in MARKS[:3]]
    return "several" if len(classes) > 1 else (classes or marked or [""])[0]


def frame(text: str) -> Any:
    """Return a frame number, None where the cell says that there is none, False for no number."""
    if text.strip().lower() in ABSENT:
        return None
    found = re.fullmatch(r"\s*(\d+)(?:\.0*)?\s*", text)
    return int(found[1]) if found else False
