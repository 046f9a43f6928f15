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
    """
    return _split(results)[0]


def superseded(results: ResultsStore | Iterable[CellRecord]) -> list[CellRecord]:
    """Return the records that are not current, which are shown nowhere."""
    return _split(results)[1]


def _split(
    results: ResultsStore | Iterable[CellRecord],
) -> tuple[list[CellRecord], list[CellRecord]]:
    records = results.records() if isinstance(results, ResultsStore) else list(results)
    kept = _newest(records)
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


def _newest(records: Iterable[CellRecord]) -> set[int]:
    """Return the ids of the records that no newer one supersedes."""
    newest = {_identity(record): record for record in sorted(records, key=_age)}
    # A class with other parameters than the newest record's is older code.
    by_age = sorted(newest.values(), key=_age)
    names = {_cell(record): _parameter_names(record) for record in by_age}
    return {id(r) for r in by_age if _parameter_names(r) == names[_cell(r)]}


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
    """Tell for which records a newer record of their cell, or a newer failure, is shown instead.

    That is so after code or data have been changed, run, and changed back: a run then takes the
    older record, and notes the time at which it was asked for.
    """
    failed = {place: date for place, date, *_ in _failed(store)} if records else {}
    return [
        failed.get(_place(record), "") > _age(record)[0]
        or id(record) not in _newest([record, *_others_of_method(store, record)])
        for record in records
    ]


def _others_of_method(store: ResultsStore, record: CellRecord) -> Iterator[CellRecord]:
    """Load what lies beside a record: the other results of its method in the same place."""
    mine = store.folder_of(record)
    method = mine.name.rpartition("-")[0]
    for folder in mine.parent.glob(f"{method}-*"):
        if folder != mine and folder.name.rpartition("-")[0] == method:
            with suppress(OtherFormat):
                if (other := store.load(folder)) is not None:
                    yield other


def _differences(records: Sequence[CellRecord]) -> dict[int, list[str]]:
    """Say of records in what they differ from the newest of those that they are compared with.

    Results of one descriptor should have the same features of a database, and those of one row
    the same code, grid and parameters, on whatever task. Where they have not, because only some
    were run again after a change, a figure of before stands beside one of after it.
    """
    alike: dict[tuple[str, ...], list[tuple[CellRecord, str]]] = {}
    for record in records:
        for place, value in _compared(record):
            alike.setdefault(place, []).append((record, value))
    found: dict[int, list[str]] = {}
    for (what, *_), group in alike.items():
        _, newest = max(group, key=lambda one: _age(one[0]))
        older = [record for record, value in group if value != newest]
        others = [record for record, value in group if value == newest]
        for record in older:
            said = f"{what} in {_listed(older)} than in {_listed(others)}, run last"
            found.setdefault(id(record), []).append(f"{said}: run all of them again")
    return found


def _compared(r: CellRecord) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what should be the same in several records, in words and by whose, and its value."""
    for side in ("source", "target"):
        used = r.used.get(side, {})
        if used.get("features"):
            database = getattr(r, side)
            what = f"{used.get('title') or database} has other features ({r.descriptor_label})"
            yield (what, r.corpus, database, r.descriptor), used["features"]
    card = r.about.get("method") or {}
    grid = (card.get("grids") or {}).get(r.grid, card.get("grid"))
    made = {"other code": r.about.get("code"), "another grid": grid}
    values = {what: value for what, value in made.items() if value}
    searched = _searched(r)
    values |= {f"another {k}": v for k, v in r.parameters.items() if k not in ("solver", *searched)}
    of_row = r.corpus, r.method, r.row, r.descriptor, r.descriptor_label, r.solver, r.grid
    for what, value in values.items():
        yield (f"{r.row} has {what}", *of_row), repr(value)


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
    """Return the failures that stand; ``earlier`` says that the cell has an earlier result."""
    return _failures(store, records)[0]


def settled_failures(store: ResultsStore) -> list[Path]:
    """Return the files of failures that no longer stand: the cell has a result or a newer one."""
    return _failures(store, current(store))[1]


def _failures(
    store: ResultsStore, records: Iterable[CellRecord]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Return the failures that stand, of each cell the last, and the files of the others."""
    made = {_place(record): _age(record)[0] for record in sorted(records, key=_age)}
    failed = _failed(store)
    last = {place: (date, path, failure) for place, date, path, failure in failed}
    standing = {
        path: {**failure, "earlier": place in made}
        for place, (date, path, failure) in last.items()
        if place not in made or date > made[place]
    }
    return list(standing.values()), [path for _, _, path, _ in failed if path not in standing]


def _failed(store: ResultsStore) -> list[tuple[tuple[str, ...], str, Path, dict[str, Any]]]:
    """Return the cell, date, file and content of each failure, the oldest first."""
    found = [(path, store.failure(path.stem)) for path in store.folder.glob("failures/*.json")]
    failed = [
        (tuple(failure[name] for name in _LABELS), failure.get("date", ""), path, failure)
        for path, failure in found
        if failure
    ]
    return sorted(failed, key=lambda one: (one[1], one[2].name))
