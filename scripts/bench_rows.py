"""What the benchmarks report: rows of ratios, printed as a table and kept as CSV."""

import csv
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    section, name : str
        What was measured.
    kind : str
        ``numpy``, ``plain``, ``form`` or ``peer`` (their time over ours: larger is better),
        ``floor``, ``reference`` or ``limit`` (ours over theirs: smaller is better).
    against : str
        What it was compared with, and how; ``not installed`` where there is nothing to compare.
    ratio : float or None
    goal : str
        Such as ``>= 5`` or ``<= 2``; empty where none is set.
    ours, theirs : float or None
        What the ratio is made of, in ``unit``; of one machine, so never compared across machines.
    unit : str
    timed : str
        How much was really measured, where the rest is scaled up.
    """

    section: str
    name: str
    kind: str
    against: str
    ratio: float | None
    goal: str = ""
    ours: float | None = None
    theirs: float | None = None
    unit: str = "s"
    timed: str = ""

    @property
    def met(self) -> str:
        """``yes`` or ``no``, empty without a goal or a ratio."""
        if not self.goal or self.ratio is None:
            return ""
        sign, limit = self.goal.split()
        below = self.ratio <= float(limit)
        return "yes" if below == (sign == "<=") or self.ratio == float(limit) else "no"


COLUMNS = [field.name for field in fields(Row)] + ["met"]


def faster(section: str, name: str, kind: str, against: str, ours: float, theirs: float, **more):
    """Return the row of a comparison with another implementation: their time over ours."""
    return Row(section, name, kind, against, theirs / ours, ours=ours, theirs=theirs, **more)


def above(section: str, name: str, kind: str, against: str, ours: float, theirs: float, **more):
    """Return the row of a comparison with a floor, a reference or a limit: ours over theirs."""
    return Row(section, name, kind, against, ours / theirs, ours=ours, theirs=theirs, **more)


def cpu_seconds(function: Callable[[], Any], repeats: int = 3) -> float:
    """Return the least CPU time of some calls; other programs cannot lengthen it much."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


def write_number(value: float | None) -> str:
    """Write three digits, without an exponent."""
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def table(rows: Sequence[Row]) -> list[list[str]]:
    """Return the rows as text cells, headed, with ratios only."""
    head = ["what", "kind", "against", "ratio", "goal", "met", "timed"]
    return [head] + [
        [r.name, r.kind, r.against, write_number(r.ratio), r.goal, r.met, r.timed] for r in rows
    ]


def print_rows(rows: Sequence[Row]) -> None:
    """Print the rows as aligned text."""
    if not rows:
        return
    cells = table(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())
    print(flush=True)


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """Write the rows with what their ratios are made of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = {**asdict(row), "met": row.met}
            for name in ("ratio", "ours", "theirs"):
                if values[name] is not None:
                    values[name] = f"{values[name]:.4g}"
            writer.writerow(values)


def read_csv(path: Path) -> list[Row]:
    """Read what :func:`write_csv` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("met")
        for name in ("ratio", "ours", "theirs"):
            row[name] = float(row[name]) if row[name] else None
    return [Row(**row) for row in rows]
