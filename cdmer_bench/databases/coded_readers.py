"""The databases whose clips a coding sheet names; all but CASME II are known from loaders only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cdmer_bench.databases.coding_sheet import (
    MARKS,
    CodedClip,
    CodingSheet,
    read_coding_sheets,
    read_tables,
)
from cdmer_bench.databases.reader import Reader
from cdmer_bench.errors import UserError

# "sheet" takes the emotions as they are written. "paper" undoes, in the sheet of 2019, the changes
# to the four clips of subject 24, which gives the paper's 73/32/25.
CODINGS = ("sheet", "paper")
# The early sheet codes it as happiness without an apex; the paper's 32 positive clips are 33
# less this one, and the authors' released features do not hold it.
NOT_IN_PROTOCOL = (9, "ep02_02f")
# Where the sheet of 2019 departs from the early one (its three sheets differ in nothing else
# that touches the protocol): these clips went from sadness to surprise, and one was removed.
RECODED_2019 = {(24, "ep07_01"), (24, "ep07_04f"), (24, "ep10_03")}
REMOVED_2019 = (24, "ep02_07")
TABLE_I, COUNTS_2014 = (73, 32, 25), (72, 32, 25)  # clips of the paper's three classes


class Casme2(Reader):
    """CASME II: three releases of frames, three coding sheets."""

    def rank(self, sheet: CodingSheet) -> tuple[object, ...]:
        """Prefer the sheet whose counts are the paper's."""
        return self._counts(sheet) != TABLE_I, *super().rank(sheet)

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
        outside = [row.row for row in sheet.rows if row.key == NOT_IN_PROTOCOL]
        sheet.note("not-in-protocol", outside)
        sheet.rows = [row for row in sheet.rows if row.key != NOT_IN_PROTOCOL]

    def _restore_early(
        self, sheet: CodingSheet, recoded: Sequence[CodedClip], removed: bool
    ) -> int:
        """Give the clips that the sheet of 2019 recoded their early emotions; count them.

        The clip that it removed comes back without onset and offset, so that only the cropped
        frames, which hold nothing else, can give it.
        """
        rows = [replace(row, emotion="sadness") if row in recoded else row for row in sheet.rows]
        sheet.rows = rows
        of_subject = [place for place, row in enumerate(rows) if row.key[0] == REMOVED_2019[0]]
        if not of_subject or not removed:
            return len(recoded)
        later = [place for place in of_subject if rows[place].key[1] > REMOVED_2019[1]]
        early = CodedClip("24", "EP02_07", None, None, None, "disgust", 0)
        rows.insert(later[0] if later else len(rows), early)
        return len(recoded) + 1

    def _counts(self, sheet: CodingSheet) -> tuple[int, ...]:
        """Count the rows of each of the paper's classes, without those outside the protocol."""
        protocol = [row for row in sheet.rows if row.key != NOT_IN_PROTOCOL]
        counts = Counter(self.classes.get(row.emotion) for row in protocol)
        return tuple(counts[name] for name in ("negative", "positive", "surprise"))


class CasmeSquared(Reader):
    """CAS(ME)^2, as whole recordings or the clips that it ships."""

    def read_sheets(self, path: Path) -> list[CodingSheet]:
        """Read ``code_final.xlsx``: three sheets without headings.

        The first has subject, video (``anger1_1``), onset, apex, offset, action units, emotion,
        type and self-report; the second tells each subject's folder (columns 2 and 3), the third
        each video's four digits (columns 1 and 2). Macro-expressions are left out.
        """
        tables = list(read_tables(path).values())
        if len(tables) < 3 or not all(tables[:3]):
            raise UserError(
                f"{path} has {len(tables)} sheets, expected the three of code_final.xlsx"
            )
        first, second, third = ([[*row, *[""] * 9] for row in table] for table in tables[:3])
        subjects = {row[2]: row[1] for row in second}
        videos = {row[1].lower(): row[0].zfill(4) for row in third}
        sheet = CodingSheet(path, "", [])
        macro, unnamed = [], []
        for number, row in enumerate(first, start=1):
            subject, shipped, *texts = row[:5]
            video = shipped.lower().split("_")[0]
            if not any(row):
                continue
            if "micro" not in row[7].lower():
                macro.append(number)
            elif subject not in subjects or video not in videos:
                unnamed.append(number)
            else:
                onset, apex, offset = (int(text) if text.isdigit() else None for text in texts)
                # An offset of 0 stands for "not found"; the apex is then the last that is sure.
                apex, offset = apex or None, offset or apex or None
                clip = subjects[subject], videos[video], onset, apex, offset, row[6].lower()
                sheet.rows.append(CodedClip(*clip, number, shipped=shipped.lower()))
        sheet.note("macro-expressions/rows", macro)
        sheet.note("row-without-folder", unnamed)
        return [sheet]


class Casme3(Reader):
    """CAS(ME)^3, as whole recordings or the clips that it ships, such as ``spNO.1_a_123``."""

    def read_sheets(self, path: Path) -> list[CodingSheet]:
        """Read a sheet, and name the shipped clip of each row."""
        sheets = super().read_sheets(path)
        for sheet in sheets:
            sheet.rows = [
                replace(row, shipped=f"spno.{row.key[0]}_{row.clip}_{row.onset}")
                for row in sheet.rows
            ]
        return sheets


class FourDme(Reader):
    """4DME, whose sheet marks emotions in columns of their own."""

    def read_sheets(self, path: Path) -> list[CodingSheet]:
        """Read a sheet with a column for each emotion."""
        own, required = {word: (word,) for word in MARKS}, ("subject", "clip", *MARKS[:3])
        return read_coding_sheets(path, self.choices.worksheet, own, required)
