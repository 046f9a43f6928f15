"""Coding sheets: which clip has which onset, apex, offset and emotion."""

import csv
import io
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdmer_bench.databases.base import Finding
from cdmer_bench.errors import UserError, nearest
from cdmer_bench.io import check_archive_size

SHEET_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv")
REQUIRED = ("subject", "clip", "onset", "offset", "emotion")
# What a column is for: its possible headings, lower-case letters and digits only.
HEADINGS: dict[str, tuple[str, ...]] = {
    "subject": ("subject", "sub", "subjectid", "subid", "subjectno", "subjectnumber"),
    "clip": ("filename", "clip", "clipname", "video", "videoname", "foldname", "foldername"),
    "onset": ("onsetframe", "onset", "onsetf", "onsetfnir", "onsetfvis", "onsetfhs"),
    "apex": ("apexframe", "apex", "apexf", "apexf1"),
    "offset": ("offsetframe", "offset", "offsetf", "offsetfnir", "offsetfvis", "offsetfhs"),
    "emotion": (
        "estimatedemotion", "estimatedemotions", "emotion", "emotions", "emotionlabel",
        "emotionclass", "label", "expression",
    ),
    "first": ("firstf", "firstframe"),
    "last": ("lastf", "lastframe"),
    "type": ("expressiontype", "type", "micro", "micromacro"),
}  # fmt: skip
NUMBERS = ("onset", "apex", "offset", "first", "last")
# Columns of a sheet that marks emotions instead of naming them (4DME).
MARKS = ("positive", "negative", "surprise", "repression", "others")
ABSENT = ("", "/", "\\", "-", "?", "-1", "n/a", "na", "none", "nan", "null")
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
    row: int  # in the sheet, the first being 1
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
    def content(self) -> tuple[Any, ...]:
        """What two rows of one clip must agree on."""
        return self.onset, self.offset, self.emotion


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

    def note(
        self, severity: str, code: str, lines: Sequence[int], found: str, expected: str, action: str
    ) -> None:
        """Add a finding about rows, if there are any."""
        if lines:
            text = f"{plural(len(lines), 'row')} {found} ({name_rows(lines)})"
            self.findings.append(Finding(severity, text, str(self), code, expected, action))


def plural(number: int, word: str) -> str:
    """Return ``1 row`` or ``2 rows``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def name_rows(lines: Sequence[int], most: int = 8) -> str:
    """Return ``row 5`` or ``rows 5, 7, 9 and 3 more``."""
    listed = ", ".join(str(line) for line in lines[:most])
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return f"row{'s' if len(lines) > 1 else ''} {listed}{more}"


def subject_number(text: object) -> int | None:
    """Return the number of a subject written ``7``, ``'sub07'``, ``'s7'`` or ``'007'``."""
    found = re.fullmatch(r"\s*[A-Za-z._ -]*?0*(\d+)(?:\.0)?\s*", str(text))
    return int(found.group(1)) if found else None


def read_coding_sheet(
    path: Path,  # a workbook (.xlsx, .xlsm, .xls), or text with commas, semicolons or tabs
    sheet: str | None = None,  # name of the worksheet; None is the first with such headings
    # from subject, clip, onset, apex, offset, emotion to headings, where
    # they differ from the usual ones
    headings: Mapping[str, Sequence[str]] | None = None,
    required: Sequence[str] = REQUIRED,  # columns that the sheet must have
) -> list[CodedClip]:
    """Read the rows of a coding sheet that name a subject and a clip.

    The heading row is found by its words, so rows of text above it, blank columns and another
    order of columns do no harm; rows of text below the table are left out.
    """
    return read_coding_sheets(path, sheet, headings, required)[0].rows


def read_coding_sheets(
    path: Path,
    worksheet: str | None = None,
    headings: Mapping[str, Sequence[str]] | None = None,
    required: Sequence[str] = REQUIRED,
) -> list[CodingSheet]:
    """Read every worksheet with the headings of a coding sheet, as `read_coding_sheet`."""
    wanted = {**HEADINGS, **(headings or {})}
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
        for index, row in enumerate(rows[:40]):
            words = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in row]
            columns = _match_columns(words, wanted)
            if all(role in columns for role in required):
                sheet = CodingSheet(path, name if len(tables) > 1 else "", words)
                _read_rows(sheet, rows[index + 1 :], columns, index + 2)
                found.append(sheet)
                break
            seen = max(seen, [cell for cell in row if cell], key=len)
    if not found:
        raise UserError(
            f"{path} has no table with the columns {', '.join(required)}; the fullest of its first "
            f"rows is: {', '.join(seen[:12]) or '(empty)'}; use the coding sheet of the database"
        )
    return found


def read_tables(path: Path) -> dict[str, list[list[str]]]:
    """Read every worksheet as rows of cells of text; a whole number is written without a point."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); copy it again") from None
    otherwise = ", or open it in a spreadsheet program and save it as .xlsx"
    damaged = UserError(
        f"{path} is not a readable {path.suffix} file; copy it again"
        f"{otherwise if path.suffix.lower() == '.xls' else ''}"
    )
    excel = "openpyxl" if content.startswith(b"PK") else "xlrd"
    if not content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            raise damaged
        return {path.stem: _read_text(path, content)}
    try:
        pages = _read_xlsx(path) if excel == "openpyxl" else _read_xls(content)
    except ImportError:
        raise UserError(
            f"{path} needs the package {excel}; run: pip install {excel}"
            f"{otherwise if excel == 'xlrd' else ''}"
        ) from None
    except UserError:
        raise
    # The readers pass on whatever zipfile, the XML parser and their own descriptors raise.
    except Exception:
        raise damaged from None
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
    return {
        page.name: [page.row_values(row) for row in range(page.nrows)] for page in book.sheets()
    }


def _read_text(path: Path, content: bytes) -> list[list[str]]:
    """Read text of any usual encoding, with the separator that its first lines hold most often."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content[:200]:
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise UserError(f"{path} is text of no encoding that is known; save it as UTF-8")
    beginning = "\n".join(text.splitlines()[:20])
    separator = max(",;\t", key=beginning.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [[_text(cell) for cell in row] for row in rows]
    except csv.Error as error:
        raise UserError(f"{path} is not a readable CSV file ({error})") from None


def _text(cell: object) -> str:
    if cell is None or cell != cell:
        return ""
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell).strip()  # type: ignore[call-overload]


def _match_columns(words: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    columns = {}
    for role, headings in wanted.items():
        positions = [words.index(heading) for heading in headings if heading in words]
        if positions:
            columns[role] = positions[0]
    return columns


def _read_rows(
    sheet: CodingSheet, rows: Sequence[Sequence[str]], columns: Mapping[str, int], first: int
) -> None:
    """Add to a sheet a coded clip for each row, or a finding that says why not."""
    lines: dict[str, list[int]] = defaultdict(list)
    subject = ""
    for number, row in enumerate(rows, start=first):
        cell = {role: row[c] if c < len(row) else "" for role, c in columns.items()}
        if not any(row):
            continue
        coded = any(subject_number(cell.get(role, "")) is not None for role in ("onset", "offset"))
        if not cell["clip"] or not (cell["subject"] or coded):
            named = subject_number(cell["subject"]) is not None and coded
            lines["without clip" if named else "text"].append(number)
            continue
        if cell["subject"]:
            subject = cell["subject"]
        else:
            lines["filled"].append(number)
        if subject_number(subject) is None:
            lines["subject" if coded else "text"].append(number)
            continue
        kind = cell.get("type", "").lower()
        if re.search(r"macro|\bmae\b", kind) and "micro" not in kind:
            lines["macro"].append(number)
            continue
        if "positive" in columns:
            cell["emotion"] = _marked(cell)
        frames = {role: frame(cell.get(role, "")) for role in NUMBERS}
        if frames["apex"] is False:
            lines["apex"].append(number)
        if frames["onset"] is False or frames["offset"] is False:
            lines["number"].append(number)
            continue
        sheet.rows.append(
            CodedClip(
                subject,
                cell["clip"],
                frames["onset"],
                None if frames["apex"] is False else frames["apex"],
                frames["offset"],
                cell.get("emotion", "").lower(),
                number,
                None if frames["first"] is False else frames["first"],
                None if frames["last"] is False else frames["last"],
            )
        )
    for name, severity, code, found, expected, action in _ROW_FINDINGS:
        sheet.note(severity, code, lines[name], found, expected, action)


# Lines of _read_rows by name: severity, code, what was found, what was expected, what to do.
_ROW_FINDINGS = (
    ("filled", "note", "subject-filled-down", "without a subject", "a subject in every row",
     "the subject of the row above was taken, as a merged cell means it"),
    ("without clip", "error", "row-without-clip", "with frame numbers, but without the clip's name",
     "a name in every row", "complete the sheet"),
    ("subject", "error", "subject-unreadable", "whose subject has no number",
     "a number such as 7 or sub07", "correct the sheet"),
    ("number", "error", "frame-number-unreadable", "whose onset or offset is no whole number",
     "a frame number, or / where there is none", "correct the sheet"),
    ("apex", "warning", "apex-unreadable", "whose apex is no whole number", "a frame number or /",
     "nothing to do for the paper's protocol, which uses onset and offset only"),
    ("macro", "note", "macro-expressions", "of macro-expressions", "micro-expressions",
     "these rows were left out"),
    ("text", "note", "rows-of-text", "of text that name no clip", "a row for each clip",
     "these rows were left out; check that none is a clip"),
)  # fmt: skip


def _marked(cell: Mapping[str, str]) -> str:
    """Return the one class that is marked, ``several``, or an emotion without a class."""
    marked = [word for word in MARKS if cell.get(word, "").lower() not in (*ABSENT, "0", "no")]
    classes = [word for word in marked if word in MARKS[:3]]
    return "several" if len(classes) > 1 else (classes or marked or [""])[0]


def frame(text: str) -> Any:
    """Return a frame number, None where the cell says that there is none, False for no number."""
    if text.strip().lower() in ABSENT:
        return None
    found = re.fullmatch(r"\s*(\d+)(?:\.0*)?\s*", text)
    return int(found[1]) if found else False


def check_emotions(
    sheet: CodingSheet,  # changed
    known: Sequence[str],  # emotions of the database
) -> None:
    """Drop rows whose emotion is empty or unknown, with a finding that names each word."""
    lines = defaultdict(list)
    for row in sheet.rows:
        if row.emotion not in known:
            lines["" if row.emotion in ABSENT else row.emotion].append(row.row)
    for word, rows in lines.items():
        if word:
            sheet.note(
                "error", "emotion-unknown", rows, f"with the unknown emotion {word!r}",
                f"one of {', '.join(known)}",
                f"{nearest(word, known)}correct the sheet, or give the word a "
                "class with the key emotions; these rows are left out",
            )  # fmt: skip
        else:
            sheet.note(
                "error", "emotion-empty", rows, "without an emotion", "an emotion in every row",
                "merged cells and formulas that were never computed look so: write the emotion "
                "into each row and save; these rows are left out",
            )  # fmt: skip
    sheet.rows = [row for row in sheet.rows if row.emotion in known]


def settle_repeated(
    sheet: CodingSheet,  # changed
    # whether one recording may hold several micro-expressions, which their onsets tell apart
    several: bool,
) -> None:
    """Keep one of identical rows, and none of rows that contradict each other."""
    groups: dict[Any, list[CodedClip]] = defaultdict(list)
    for row in sheet.rows:
        groups[(row.key, row.onset if several else None)].append(row)
    dropped: set[int] = set()
    again: list[int] = []
    for rows in groups.values():
        if len({row.content for row in rows}) == 1:
            again += [row.row for row in rows[1:]]
        else:
            dropped |= {row.row for row in rows}
            one = rows[0]
            other = next(row for row in rows if row.content != one.content)
            sheet.findings.append(
                Finding(
                    "error",
                    f"{one.subject}/{one.clip} is {_say(one)} in row {one.row}, but {_say(other)} "
                    f"in row {other.row}",
                    str(sheet),
                    "rows-contradict",
                    "one row for each clip",
                    "remove the wrong row; the clip is left out",
                )
            )
    sheet.note(
        "warning", "rows-repeated", again, "identical to an earlier one", "one row for each clip",
        "the clip is used once",
    )  # fmt: skip
    dropped |= set(again)
    sheet.rows = [row for row in sheet.rows if row.row not in dropped]


def _say(row: CodedClip) -> str:
    return f"{row.emotion or 'without emotion'}, frames {row.onset} to {row.offset}"


def contradictions(one: CodingSheet, other: CodingSheet) -> tuple[list[str], list[str]]:
    """List what two sheets say differently, with both rows, and the clips of one of them only."""
    theirs = defaultdict(list)
    for row in other.rows:
        theirs[row.key].append(row)
    ours = Counter(row.key for row in one.rows)
    said = []
    for row in one.rows:
        same = theirs.get(row.key, [])
        if same and row.content not in [r.content for r in same]:
            said.append(
                f"{row.subject}/{row.clip} is {_say(row)} in row {row.row}, but {_say(same[0])} in "
                f"row {same[0].row}"
            )
    only = [row for row in other.rows if row.key not in ours]
    only += [row for row in one.rows if row.key not in theirs]
    return said, [f"{row.subject}/{row.clip}" for row in only]
