"""CASME II as it lies on users' disks: three releases of frames, three coding sheets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cdmer_bench.databases.coding_sheet import CodedClip, CodingSheet
from cdmer_bench.databases.reader import Layout
from cdmer_bench.databases.releases import Found

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
Counts = tuple[int, ...]  # clips of the paper's three classes
TABLE_I, COUNTS_2014 = (73, 32, 25), (72, 32, 25)


@dataclass(frozen=True)
class Casme2(Layout):
    """CASME II, whose sheets differ from version to version."""

    def rank(self, sheet: CodingSheet, found: Sequence[Found]) -> tuple[object, ...]:
        """Prefer the sheet whose counts are the paper's."""
        unlike = _count_classes(sheet.rows, self.emotions) != TABLE_I
        return unlike, *super().rank(sheet, found)

    def correct(self, sheet: CodingSheet, emotions: Mapping[str, str], coding: str) -> list[str]:
        """Leave out what the paper does not count; undo, or name, the changes of later sheets."""
        counts = _count_classes(sheet.rows, emotions)
        described = f"{len(sheet.rows)} rows, {'/'.join(map(str, counts))} "
        described += "negative/positive/surprise"
        choices = [f"{self.title}: {described}"]
        if coding == "paper":
            choices.append(
                f"{self.title}: coding=paper gave {_restore_early(sheet)} clips of subject 24 the "
                "emotions of the early sheet"
            )
        else:
            recoded = [row.row for row in sheet.rows if _is_recoded(row)]
            sheet.note("sheet-2019", recoded, described=described)
            if counts == COUNTS_2014:
                removed = REMOVED_2019 not in {row.key for row in sheet.rows}
                code = "sheet-2014/removed" if removed else "sheet-2014"
                sheet.note(code, [row.row for row in sheet.rows])
        sheet.note("apex-absent", [row.row for row in sheet.rows if row.apex is None])
        outside = [row.row for row in sheet.rows if row.key == NOT_IN_PROTOCOL]
        sheet.note("not-in-protocol", outside)
        sheet.rows = [row for row in sheet.rows if row.key != NOT_IN_PROTOCOL]
        return choices


def _is_recoded(row: CodedClip) -> bool:
    return row.key in RECODED_2019 and row.emotion == "surprise"


def _restore_early(sheet: CodingSheet) -> int:
    """Give the clips that the sheet of 2019 recoded the emotions of the early sheet; count them.

    The clip that it removed comes back without onset and offset, so that only the cropped
    frames, which hold nothing else, can give it.
    """
    changed = sum(map(_is_recoded, sheet.rows))
    rows = [replace(row, emotion="sadness") if _is_recoded(row) else row for row in sheet.rows]
    of_subject = [place for place, row in enumerate(rows) if row.key[0] == REMOVED_2019[0]]
    if of_subject and REMOVED_2019 not in {row.key for row in rows}:
        later = [place for place in of_subject if rows[place].key[1] > REMOVED_2019[1]]
        removed = CodedClip("24", "EP02_07", None, None, None, "disgust", 0)
        rows.insert(later[0] if later else len(rows), removed)
        changed += 1
    sheet.rows = rows
    return changed


def _count_classes(rows: Sequence[CodedClip], emotions: Mapping[str, str]) -> Counts:
    """Count the rows of each of the paper's classes, without those outside the protocol."""
    counts = Counter(emotions.get(row.emotion) for row in rows if row.key != NOT_IN_PROTOCOL)
    return tuple(counts[name] for name in ("negative", "positive", "surprise"))


CASME2 = Casme2(
    "casme2",
    "CASME II",
    r"(?:(?:sub)?(?P<subject>\d+)[ _-]*)?(?P<clip>EP\d+[\d_]*f?)(?:_aligned)?",
    "Cropped/sub01/EP02_01f/reg_img46.jpg and CASME2-coding-20140508.xlsx, at any depth",
    form="sub<k>/EP... with images that the coding sheet names",
    # "Happy, Disgust, Surprise, Sad, and Fear" (section II-A1); the others have no class.
    emotions={
        "disgust": "negative",
        "sadness": "negative",
        "fear": "negative",
        "happiness": "positive",
        "surprise": "surprise",
    },
    without_class=("others", "repression"),
    counts_from=1,
    cropped=r"_aligned$",
    tested=True,
)
