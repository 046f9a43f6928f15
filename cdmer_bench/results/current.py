"""What is current: of the same cell run twice the newer, and the row that each record stands in.

Everything that shows results asks :func:`current`: tables, pictures, times, statistics, report
and exports.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore


def current(results: ResultsStore | Iterable[CellRecord]) -> list[CellRecord]:
    """Return the records that are current, each with the variant that its row is labelled by.

    A record is superseded by a newer one of the same corpus, task, descriptor, method, solver,
    grid and parameters, which was made by other code or from other features. Where parameters
    have been added to the method's class or taken away, the older record comes from older code
    as well. Records of the same task that differ in solver, grid or the value of a parameter are
    variants: their rows are labelled by what differs, such as ``RSTR [exact solver]``.

    Parameters
    ----------
    results : ResultsStore or iterable of CellRecord

    Returns
    -------
    list of CellRecord
        In the order in which the records are stored or given.
    """
    return _split(results)[0]


def superseded(results: ResultsStore | Iterable[CellRecord]) -> list[CellRecord]:
    """Return the records that are not current, which are shown nowhere."""
    return _split(results)[1]


def _split(
    results: ResultsStore | Iterable[CellRecord],
) -> tuple[list[CellRecord], list[CellRecord]]:
    records = results.records() if isinstance(results, ResultsStore) else list(results)
    newest = {_identity(record): record for record in sorted(records, key=_age)}
    # A class with other parameters than the newest record's is older code.
    names = {_cell(record): _parameter_names(record) for record in newest.values()}
    kept = {id(r) for r in newest.values() if _parameter_names(r) == names[_cell(r)]}
    rows: dict[tuple[str, ...], list[CellRecord]] = {}
    for record in records:
        if id(record) in kept:
            place = (record.corpus, record.method_label, record.descriptor_label, record.variant)
            rows.setdefault(place, []).append(record)
    variants = {id(r): name for row in rows.values() for r, name in _variants(row)}
    shown = [replace(r, variant=r.variant or variants[id(r)]) for r in records if id(r) in kept]
    return shown, [r for r in records if id(r) not in kept]


def _cell(record: CellRecord) -> tuple[str, ...]:
    # A remark such as [random weights] stands in the descriptor's label alone.
    labels = record.task_label, record.descriptor_label
    return record.corpus, record.task, record.descriptor, record.method, *labels


def _identity(record: CellRecord) -> tuple:
    traits = tuple(sorted((name, repr(value)) for name, value in _traits(record).items()))
    return *_cell(record), record.variant, *traits


def _traits(record: CellRecord) -> dict[str, Any]:
    """Return what makes a variant of a method: solver, grid and the parameters held fixed."""
    searched = _searched(record)
    fixed = {k: v for k, v in record.parameters.items() if k not in searched}
    return {**fixed, "solver": record.solver, "grid": record.grid}


def _searched(record: CellRecord) -> set[str]:
    return set(record.settings[0]) if record.settings else set()


def _parameter_names(record: CellRecord) -> set[str]:
    return set(record.parameters) | _searched(record)


def _variants(row: Sequence[CellRecord]) -> list[tuple[CellRecord, str]]:
    """Name each record of a row by what tells it from others, if a task has more than one."""
    if len({record.task_label for record in row}) == len(row):
        return [(record, "") for record in row]
    traits = [_traits(record) for record in row]
    names = dict.fromkeys(["solver", "grid", *(name for trait in traits for name in trait)])
    differing = [n for n in names if len({repr(trait.get(n)) for trait in traits}) > 1]
    phrases = [", ".join(_phrase(n, t[n]) for n in differing if n in t) for t in traits]
    places = {(r.task_label, phrase) for r, phrase in zip(row, phrases, strict=True)}
    if len(places) < len(row):  # two methods or descriptors that have one label
        phrases = [
            ", ".join(filter(None, (r.method, r.descriptor, phrase)))
            for r, phrase in zip(row, phrases, strict=True)
        ]
    return list(zip(row, phrases, strict=True))


def _phrase(name: str, value: Any) -> str:
    return f"{value} {name}" if name in ("solver", "grid") else f"{name} = {value}"


def _age(record: CellRecord) -> tuple[str, str]:
    return str(record.about.get("finished", record.about.get("date", ""))), record.key


def current_failures(store: ResultsStore, records: Iterable[CellRecord]) -> list[dict[str, Any]]:
    """Return why cells failed that are not among ``records``, or failed after they were made.

    The latter have ``earlier`` set: their figures are those of an earlier run.
    """
    return _failures(store, records)[0]


def settled_failures(store: ResultsStore) -> list[Path]:
    """Return the files of failures that no longer stand: the cell has a result or a newer one."""
    return _failures(store, current(store))[1]


def _failures(
    store: ResultsStore, records: Iterable[CellRecord]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Return the failures that stand, of each cell the last, and the files of the others."""
    labels = ("corpus", "task_label", "method_label", "descriptor_label")
    made: dict[tuple[str, ...], str] = {}
    for record in records:
        place = tuple(getattr(record, name) for name in labels)
        made[place] = max(made.get(place, ""), _age(record)[0])
    found = [(path, store.failure(path.stem)) for path in store.folder.glob("failures/*.json")]
    failed = [(f.get("date", ""), path.name, path, f) for path, f in found if f]
    standing: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    settled: list[Path] = []
    for date, _, path, failure in sorted(failed, key=lambda one: one[:2]):
        place = tuple(failure[name] for name in labels)
        if place in standing:
            settled.append(standing[place][0])
        if place not in made or date > made[place]:
            standing[place] = path, {**failure, "earlier": place in made}
        else:
            settled.append(path)
    return [failure for _, failure in standing.values()], settled
