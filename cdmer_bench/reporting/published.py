"""The figures printed in the paper, and how its result tables are laid out."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cdmer_bench.protocol import card, direction, experiments, rows
from cdmer_bench.results.record import CellRecord

PAPER_DESCRIPTOR = "LBP-TOP(R3P8)"
BASELINE = "Baseline"
AVERAGE = "Average"

# Table II: C is CASME II; H, V and N are the HS, VIS and NIR subsets of SMIC.
DIRECTIONS: Mapping[str, str] = {task.label: direction(task) for task in experiments()}
_METHODS = rows("method")
# Of the paper's own descriptor the row is the Baseline.
_DESCRIPTORS = (BASELINE, *(label for label in rows("descriptor") if label != PAPER_DESCRIPTOR))
_DEEP = (
    BASELINE,
    "TCA",
    *(label for label in _DESCRIPTORS if label.endswith("(Sports1M)")),
    *(str(card("descriptor", f"c3d_fc{layer}_finetune")["label"]) for layer in (1, 2)),
)
_TYPE_I, _TYPE_II = (tuple(t.label for t in experiments(g)) for g in ("type1", "type2"))


@dataclass(frozen=True)
class Layout:
    """Rows, columns and title of one of the paper's tables."""

    number: str  # ``III`` to ``VII``
    title: str
    row_header: str  # heading of the first column
    rows: tuple[str, ...]  # in the paper's order, without the row of averages
    columns: tuple[str, ...]  # labels of tasks, without the column of averages
    compares: str  # ``methods`` or ``descriptors``: what the rows are
    averages: bool = True  # whether the table has a row and a column of averages


_ADAPTATION = "domain adaptation methods"
_SMIC = "source and target are two subsets of SMIC (HS, VIS, NIR)"
_CASME = "source and target are CASME II and one subset of SMIC (HS, VIS, NIR)"
LAYOUTS: Mapping[str, Layout] = {
    layout.number: layout
    for layout in (
        Layout("III", f"{_ADAPTATION}; {_SMIC}", "DA method", _METHODS, _TYPE_I, "methods"),
        Layout("IV", f"{_ADAPTATION}; {_CASME}", "DA method", _METHODS, _TYPE_II, "methods"),
        Layout("V", f"descriptors; {_SMIC}", "Descriptor", _DESCRIPTORS, _TYPE_I, "descriptors"),
        Layout("VI", f"descriptors; {_CASME}", "Descriptor", _DESCRIPTORS, _TYPE_II, "descriptors"),
        Layout(
            "VII",
            "deep descriptors, tuned on SMIC (HS) and not",
            "Descriptor",
            _DEEP,
            ("Exp.1", "Exp.3", "Exp.8"),
            "descriptors",
            averages=False,
        ),
    )
}


_PLACES = {
    label: place
    for place, label in enumerate(
        dict.fromkeys([*_METHODS, PAPER_DESCRIPTOR, *_DESCRIPTORS, *_DEEP, *DIRECTIONS])
    )
}


def paper_order(labels: Iterable[str]) -> list[str]:
    """Return each label of a method, descriptor or task once, in the paper's order.

    Variants of a method stand in its place; labels that the paper does not have follow in the
    order given.
    """
    return sorted(dict.fromkeys(labels), key=_place)


def _place(label: str) -> int:
    return _PLACES.get(label.partition(" [")[0], len(_PLACES))


def sorted_as_paper(records: Iterable[CellRecord]) -> list[CellRecord]:
    """Sort records by task, then method, then descriptor, each in the paper's order."""
    records = list(records)
    tasks = paper_order(r.task_label for r in records)
    return sorted(
        records,
        key=lambda r: (
            tasks.index(r.task_label),
            _place(r.method_label),
            _place(r.descriptor_label),
        ),
    )


@dataclass(frozen=True)
class Printed:
    """A cell as printed."""

    mean_f1: float  # four decimals, between 0 and 1
    accuracy: float  # two decimals, in percent


@lru_cache(maxsize=1)
def published() -> Mapping[tuple[str, str, str], Printed]:
    """Return every printed cell of Tables III to VII, by (table, row, column)."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        return {
            (line["table"], line["row"], line["column"]): Printed(
                float(line["mean_f1"]), float(line["accuracy"])
            )
            for line in csv.DictReader(file)
        }
