"""Coding sheets: which clip has which onset, apex, offset and emotion."""

import csv
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdmer_bench.errors import UserError
from cdmer_bench.io import check_archive_size

_MOST_BYTES = 2**26  # of a workbook when unpacked; coding sheets take less than a hundredth
_MOST_ROWS = 2**20  # of a worksheet in .xlsx
_MOST_CELLS = 10**7
# What a column is for: its possible headings, lower-case letters and digits only.
HEADINGS: dict[str, tuple[str, ...]] = {
    "subject": ("subject", "sub", "subjectid"),
    "clip": ("filename", "clip", "video", "videoname"),
    "onset": ("onsetframe", "onset", "onsetf", "onsetfnir", "onsetfvis", "onsetfhs"),
    "apex": ("apexframe", "apex", "apexf", "apexf1"),
    "offset": ("offsetframe", "offset", "offsetf", "offsetfnir", "offsetfvis", "offsetfhs"),
    "emotion": ("estimatedemotion", "estimatedemotions", "emotion"),
    "first": ("firstf", "firstframe"),
}


@dataclass(frozen=True)
class CodedClip:
    """One row of a coding sheet.

    Attributes
    ----------
    subject, clip, emotion : str
        Without surrounding blanks; the emotion in lower case.
    onset, apex, offset : int or None
        Frame numbers; None where the sheet has no number (CASME II writes ``/``).
    row : int
        In the sheet, the first being 1.
    first : int or None
        Number of the recording's first frame, where the sheet tells (SMIC-E).
    """

    subject: str
    clip: str
    onset: int | None
    apex: int | None
    offset: int | None
    emotion: str
    row: int
    first: int | None = None


def read_coding_sheet(
    path: Path,
    sheet: str | None = None,
    headings: Mapping[str, Sequence[str]] | None = None,
    required: Sequence[str] = ("subject", "clip", "onset", "offset", "emotion"),
) -> list[CodedClip]:
    """Read the rows of a coding sheet that name a subject and a clip.

    The heading row is found by its words, so rows of text above it, blank columns and another
    order of columns do no harm; rows of text below the table are left out.

    Parameters
    ----------
    path : Path
        .xlsx, .xlsm or .csv.
    sheet : str, optional
        Name of the worksheet; None is the first with such headings.
    headings : mapping, optional
        From ``subject``, ``clip``, ``onset``, ``apex``, ``offset``, ``emotion`` to headings,
        where they differ from the usual ones.
    required : sequence of str
        Columns that the sheet must have.

    Raises
    ------
    UserError
        If the file is a .xls file, damaged, or has no such table.
    """
    wanted = {**HEADINGS, **(headings or {})}
    tables = read_tables(path)
    if sheet is not None and sheet in tables:
        tables = {sheet: tables[sheet]}
    seen: list[str] = []
    for rows in tables.values():
        for index, row in enumerate(rows[:40]):
            columns = _match_columns(row, wanted)
            if all(role in columns for role in required):
                return _coded_clips(rows[index + 1 :], columns, index + 2)
            seen = max(seen, [str(c) for c in row if c not in (None, "")], key=len)
    raise UserError(
        f"{path} has no table with the columns {', '.join(required)}; the fullest of its first "
        f"rows is: {', '.join(seen[:12]) or '(empty)'}; use the coding sheet of the database"
    )


def read_tables(path: Path) -> dict[str, list[list[Any]]]:
    """Read every worksheet as rows of cells.

    Raises
    ------
    UserError
        If the file cannot be read, with what to do about it.
    """
    if path.suffix.lower() == ".csv":
        try:
            with open(path, newline="", encoding="utf-8-sig") as stream:
                return {path.stem: [list(row) for row in csv.reader(stream)]}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path} is not a readable CSV file ({error})") from None
    if path.suffix.lower() == ".xls":
        raise UserError(
            f"{path} is in the old .xls format, which is not read; "
            "open it in a spreadsheet program and save it as .xlsx beside it"
        )
    try:
        import openpyxl
    except ImportError:
        raise UserError(
            f"{path} needs the package openpyxl; run: pip install 'cdmer-bench[frames]'"
        ) from None
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive_size(archive, path, _MOST_BYTES)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        return {page.title: _rows(page, path) for page in book.worksheets}
    except UserError:
        raise
    # openpyxl passes on whatever zipfile, its XML parser and its own descriptors raise.
    except Exception as error:
        raise UserError(
            f"{path} is not a readable .xlsx file ({type(error).__name__}); copy it again"
        ) from None


def _rows(page: Any, path: Path) -> list[list[Any]]:
    """Return the rows of a worksheet up to the last with content, each up to its last cell.

    What the sheet says of its size is not believed: it would be filled up with empty cells.
    """
    page.reset_dimensions()
    rows: list[list[Any]] = []
    left = _MOST_CELLS
    for number, cells in enumerate(page.iter_rows(values_only=True)):
        filled = [place for place, cell in enumerate(cells) if cell is not None]
        left -= len(cells)
        if number >= _MOST_ROWS or left < 0:
            raise UserError(
                f"{path} has more rows or cells than a coding sheet; check that it is one"
            )
        if filled:
            rows += [[]] * (number - len(rows))
            rows.append(list(cells[: filled[-1] + 1]))
    return rows


def subject_number(text: object) -> int | None:
    """Return the number of a subject written ``7``, ``'sub07'``, ``'s7'`` or ``'007'``."""
    found = re.fullmatch(r"\s*[A-Za-z._ ]*?0*(\d+)(?:\.0)?\s*", str(text))
    return int(found.group(1)) if found else None


def _match_columns(row: Sequence[Any], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    words = [re.sub(r"[^a-z0-9]", "", str(cell).lower()) for cell in row]
    columns = {}
    for role, headings in wanted.items():
        positions = [words.index(heading) for heading in headings if heading in words]
        if positions:
            columns[role] = positions[0]
    return columns


def _coded_clips(
    rows: Sequence[Sequence[Any]], columns: Mapping[str, int], first: int
) -> list[CodedClip]:
    coded = []
    for number, row in enumerate(rows, start=first):
        cells = {
            role: row[column] if column < len(row) else None for role, column in columns.items()
        }
        subject, clip = _word(cells["subject"]), _word(cells["clip"])
        if not clip or subject_number(subject) is None:
            continue  # blank rows and remarks below the table
        coded.append(
            CodedClip(
                subject,
                clip,
                _frame(cells.get("onset")),
                _frame(cells.get("apex")),
                _frame(cells.get("offset")),
                _word(cells.get("emotion")).lower(),
                number,
                _frame(cells.get("first")),
            )
        )
    return coded


def _word(cell: object) -> str:
    if cell is None:
        return ""
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell).strip()  # type: ignore[call-overload]


def _frame(cell: object) -> int | None:
    text = _word(cell)
    return int(text) if re.fullmatch(r"\d+", text) else None
