"""Telling apart records that stand in the same row of a table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cdmer_bench.reporting.published import BASELINE, PAPER_DESCRIPTOR
from cdmer_bench.results.record import CellRecord


def split_variants(records: Sequence[CellRecord]) -> list[tuple[str, dict[str, CellRecord]]]:
    """Split a row's records so that each task has one.

    Records of the same task that differ in solver, grid or fixed parameters become rows of
    their own, named by what differs. Of records that differ in none of these (the features or
    the code changed between runs) the one that ended last is taken.

    Parameters
    ----------
    records : sequence of CellRecord
        Of one row: same method, descriptor and corpus.

    Returns
    -------
    list of (str, dict from str to CellRecord)
        Name of the variant, empty if there is only one, and its records by task label.
    """
    tasks = [record.task_label for record in records]
    if len(set(tasks)) == len(tasks):
        return [("", dict(zip(tasks, records, strict=True)))]
    traits = [_traits(record) for record in records]
    names = dict.fromkeys(name for trait in traits for name in trait)
    differing = [n for n in names if len({repr(trait.get(n)) for trait in traits}) > 1]
    variants: dict[str, dict[str, CellRecord]] = {}
    for record, trait in sorted(zip(records, traits, strict=True), key=lambda p: _age(p[0])):
        name = ", ".join(_phrase(n, trait[n]) for n in differing if n in trait)
        variants.setdefault(name, {})[record.task_label] = record
    return sorted(variants.items())


def comparable(records: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the records that stand beside each other: one for each task and row of a table.

    Those with the paper's descriptor if there are any, else with the one that most records have.
    Variants of a method are methods of their own, labelled as their rows are; that of the Baseline
    which has most tasks keeps its label, because the others are tested against it.
    """
    descriptors = [r.descriptor_label for r in records]
    if not descriptors:
        return []
    most = max(dict.fromkeys(descriptors), key=descriptors.count)
    descriptor = PAPER_DESCRIPTOR if PAPER_DESCRIPTOR in descriptors else most
    by_method: dict[str, list[CellRecord]] = {}
    for record in records:
        if record.descriptor_label == descriptor:
            by_method.setdefault(record.method_label, []).append(record)
    labels: dict[int, str] = {}
    for label, mine in by_method.items():
        rows = split_variants(mine)
        main = max(rows, key=lambda row: len(row[1]))[0] if label == BASELINE else ""
        for name, by_task in rows:
            shown = label if name == main else f"{label} [{name}]"
            labels.update((id(record), shown) for record in by_task.values())
    return [replace(r, method_label=labels[id(r)]) for r in records if id(r) in labels]


def _traits(record: CellRecord) -> dict[str, Any]:
    searched = set(record.settings[0]) if record.settings else set()
    fixed = {k: v for k, v in record.parameters.items() if k not in searched and k != "solver"}
    return {"solver": record.solver, "grid": record.grid, **fixed}


def _phrase(name: str, value: Any) -> str:
    if name == "solver":
        return f"{value} solver"
    return f"{value} grid" if name == "grid" else f"{name} = {value}"


def _age(record: CellRecord) -> tuple[str, str]:
    return str(record.about.get("finished", record.about.get("date", ""))), record.key
