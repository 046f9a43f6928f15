"""What is current: of the same cell run twice the newer, and the row that each record stands in.

Everything that shows results asks :func:`current`: tables, pictures, times, statistics, report
and exports.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from cdmer_bench.results.record import CellRecord, OtherFormat
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
    by_age = sorted(newest.values(), key=_age)
    names = {_cell(record): _parameter_names(record) for record in by_age}
    kept = {id(r) for r in newest.values() if _parameter_names(r) == names[_cell(r)]}
    rows: dict[tuple[str, ...], list[CellRecord]] = {}
    for record in records:
        if id(record) in kept:
            place = (record.corpus, record.method_label, record.descriptor_label, record.variant)
            rows.setdefault(place, []).append(record)
    variants = {id(r): name for row in rows.values() for r, name in _variants(row)}
    shown = [replace(r, variant=r.variant or variants[id(r)]) for r in records if id(r) in kept]
    told = _differences(shown)
    shown = [replace(r, differs=r.differs or tuple(told.get(id(r), ()))) for r in shown]
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
    about = record.about
    return str(about.get("asked", about.get("finished", about.get("date", "")))), record.key


def overtaken(store: ResultsStore, records: Sequence[CellRecord]) -> list[bool]:
    """Tell which records a newer state of their cell, or its failure, stands in front of.

    So it is after code or data have been changed, run, and changed back: a run then takes the
    older record, and notes the time at which it was asked for.
    """
    failed: dict[tuple[str, ...], str] = {}
    for failure in store.failures() if records else ():
        place = tuple(failure[name] for name in _LABELS)
        failed[place] = max(failed.get(place, ""), failure.get("date", ""))
    return [
        failed.get(_place(record), "") > _age(record)[0]
        or any(_age(rival) > _age(record) for rival in _rivals(store, record))
        for record in records
    ]


def _rivals(store: ResultsStore, record: CellRecord) -> Iterator[CellRecord]:
    """Load the other states of a record's cell that lie beside it."""
    mine = store.folder_of(record)
    for folder in mine.parent.glob("*-*"):
        if folder.name == mine.name or ".damaged-" in folder.name:
            continue
        if folder.name.rpartition("-")[0] != mine.name.rpartition("-")[0]:
            continue
        with suppress(OtherFormat):
            other = store.load(folder)
            if other is not None and _cell(other) == _cell(record):
                names = _parameter_names(other), _parameter_names(record)
                if _identity(other) == _identity(record) or names[0] != names[1]:
                    yield other


def _differences(records: Sequence[CellRecord]) -> dict[int, list[str]]:
    """Say of records in what they differ from the newest of those that they are compared with.

    Results of one descriptor should have the same features of a database, and those of one row
    the same code, grid and parameters, on whatever task. Where they have not, because only some
    were run again after a change, a figure of before stands beside one of after it.
    """
    found: dict[int, list[str]] = {}
    for what, alike in _comparable(records).items():
        newest = max((record for record, _ in alike), key=_age)
        value = next(value for record, value in alike if record is newest)
        older = [record for record, other in alike if other != value]
        if older:
            others = [record for record, other in alike if other == value]
            said = (
                f"{what[0]} in {_listed(older)} than in {_listed(others)}, run last: run all of "
                "them again"
            )
            for record in older:
                found.setdefault(id(record), []).append(said)
    return found


def _comparable(
    records: Sequence[CellRecord],
) -> dict[tuple[str, ...], list[tuple[CellRecord, str]]]:
    """Group what should be the same in several records; the first text says what it is."""
    groups: dict[tuple[str, ...], list[tuple[CellRecord, str]]] = {}
    for r in records:
        of_row = r.corpus, r.method, r.row, r.descriptor, r.descriptor_label, r.solver, r.grid
        for database in dict.fromkeys((r.source, r.target)):
            side = r.used.get("source" if database == r.source else "target", {})
            if side.get("features"):
                title = side.get("title") or database
                what = f"{title} has other features ({r.descriptor_label})"
                place = what, r.corpus, database, r.descriptor
                groups.setdefault(place, []).append((r, side["features"]))
        if r.about.get("code"):
            groups.setdefault((f"{r.row} has other code", *of_row), []).append((r, r.about["code"]))
        card = r.about.get("method") or {}
        others = card.get("grids") or {}
        grids = {**dict.fromkeys(("paper", "full", "own"), card.get("grid")), **others}
        if grids.get(r.grid):
            what = f"{r.row} has another grid"
            groups.setdefault((what, *of_row), []).append((r, repr(grids[r.grid])))
        searched = _searched(r)
        for name, value in r.parameters.items():
            if name not in ("solver", *searched):
                what = f"{r.row} has another {name}"
                groups.setdefault((what, *of_row), []).append((r, repr(value)))
    return groups


def _listed(records: Sequence[CellRecord], most: int = 6) -> str:
    """Name records by their rows and tasks: ``TCA (Exp.5, Exp.6), SA (Exp.5)``."""
    rows: dict[str, list[str]] = {}
    for record in records:
        rows.setdefault(record.row, []).append(record.task_label)
    named = [f"{row} ({', '.join(dict.fromkeys(tasks))})" for row, tasks in rows.items()]
    return ", ".join(named[:most]) + (f" and {len(named) - most} more" * (len(named) > most))


_LABELS = ("corpus", "task_label", "method_label", "descriptor_label")


def _place(record: CellRecord) -> tuple[str, ...]:
    return tuple(getattr(record, name) for name in _LABELS)


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
    made: dict[tuple[str, ...], str] = {}
    for record in records:
        place = _place(record)
        made[place] = max(made.get(place, ""), _age(record)[0])
    found = [(path, store.failure(path.stem)) for path in store.folder.glob("failures/*.json")]
    failed = [(f.get("date", ""), path.name, path, f) for path, f in found if f]
    standing: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    settled: list[Path] = []
    for date, _, path, failure in sorted(failed, key=lambda one: one[:2]):
        place = tuple(failure[name] for name in _LABELS)
        if place in standing:
            settled.append(standing[place][0])
        if place not in made or date > made[place]:
            standing[place] = path, {**failure, "earlier": place in made}
        else:
            settled.append(path)
    return [failure for _, failure in standing.values()], settled
