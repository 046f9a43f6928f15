"""A cell: one method with its whole grid, on one task, with one descriptor; and where it stands."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cdmer_bench.errors import DataMissing, UserError, own_code
from cdmer_bench.features import Facts, Features, Side
from cdmer_bench.identity import code_hash, identity, texts_of
from cdmer_bench.io import content_key
from cdmer_bench.methods.base import Method
from cdmer_bench.methods.inputs import Setting
from cdmer_bench.protocol import Task
from cdmer_bench.results.record import CellRecord, now
from cdmer_bench.results.scores import SIDES, class_remarks
from cdmer_bench.results.store import ResultsStore

REFUSED_BEFORE = "refused last time"
Status = Literal["done", "to do", "failed", "without data", "refused"]


@dataclass
class Cell:
    """What a cell is and where it stands."""

    task: Task
    method_name: str
    method_label: str
    method: Method
    descriptor_name: str
    descriptor_label: str
    grid_name: str
    grid: dict[str, Any]  # as in the method's card
    corpus: str
    synthetic: bool
    # what the record keeps beside the result: the cards in use, notes for captions
    about: dict[str, Any]
    # hash of everything that changes the result; empty where the data are missing or the features
    # are not extracted yet
    key: str = ""
    # ``failed`` cells are run again; ``refused`` ones have data or a grid that cannot be used
    status: Status = "to do"
    reason: str = ""  # why there are no data, or why the cell failed
    # the whole grid, in its order, once the features are known
    settings: list[Setting] = field(default_factory=list)
    # of ``source`` and ``target``: what is used of the databases, see
    # :class:`~cdmer_bench.results.record.CellRecord`
    used: dict[str, Any] = field(default_factory=dict)
    errors_ignored: bool = False  # go on where a finding about the data is an error
    weight: float = 1.0  # what a setting costs, in seconds of one core, as far as known

    @property
    def name(self) -> str:
        """Name for people, such as ``Exp.5 TCA LBP-TOP(R3P8)``."""
        return f"{self.task.label} {self.method_label} {self.descriptor_label}"

    @property
    def sides(self) -> tuple[Side, Side]:
        """The source and the target with the descriptor."""
        names = self.task.source, self.task.target
        return (names[0], self.descriptor_name), (names[1], self.descriptor_name)

    def folder(self, store: ResultsStore) -> Path:
        """Return where the record of the cell lies, or will lie."""
        return store.cell_folder(self.task.name, self.descriptor_name, self.method_name, self.key)

    def record(self, store: ResultsStore) -> CellRecord | None:
        """Load the record of a cell that is done; None of another."""
        return store.load(self.folder(store)) if self.status == "done" else None

    def list_settings(self, shapes: tuple[int, int, int]) -> list[Setting]:
        """List the settings of the grid for (n_source, n_target, n_features)."""
        with own_code(self.method, f"settings of {self.method_label}"):
            return list(self.method.settings(self.grid, shapes))

    def shared_work(self) -> str:
        """Return the hash of work that a cell of another method has in common; mostly empty."""
        names = self.task.source, self.task.target
        sides = [used["features"] for used in self.used.values()] or names
        with own_code(self.method, f"shared_work of {self.method_label}"):
            work = self.method.shared_work(*sides)
        solver = str(self.method.parameters().get("solver", ""))
        return content_key([work, solver, self.settings or self.grid]) if work else ""

    def names(self) -> dict[str, Any]:
        """Return what a record and a failure say of where the cell belongs."""
        return {
            "task": self.task.name,
            "source": self.task.source,
            "target": self.task.target,
            "method": self.method_name,
            "descriptor": self.descriptor_name,
            "corpus": self.corpus,
        }

    def labels(self) -> dict[str, Any]:
        """Return the labels of the cards in use."""
        return {
            "task_label": self.task.label,
            "method_label": self.method_label,
            "descriptor_label": self.descriptor_label,
        }

    def shown(self) -> dict[str, Any]:
        """Return what a record says of a cell that no result depends on, from the cards in use."""
        return {
            **self.labels(),
            "grid": self.grid_name,
            "synthetic": self.synthetic,
            "used": self.used,
            "errors_ignored": self.errors_ignored
            and any(side["findings"]["error"] for side in self.used.values()),
        }

    def renewed(
        self,
        record: CellRecord,
        store: ResultsStore,
        is_overtaken: bool,  # whether another state of the cell would count as the newer
    ) -> CellRecord:
        """Return a stored record with what the cards in use say now, and store that."""
        about = {**record.about, **self.about, **({"asked": now()} if is_overtaken else {})}
        current = replace(record, **self.shown(), about=about)
        if current.content() != record.content():
            try:
                store.save_content(current)
            except UserError as error:  # results that may only be read are shown all the same
                warnings.warn(str(error), stacklevel=2)
        return current


def place(
    cells: Sequence[Cell],  # changed in place
    features: Features,  # with ``force`` finished cells count as not run
    store: ResultsStore,
) -> None:
    """Give each cell its key and status, as far as its features are extracted."""
    known: dict[Any, tuple[list[Setting], str]] = {}
    for cell in cells:
        try:
            source, target = (features.facts(*side) for side in cell.sides)
        except DataMissing as missing:
            cell.status, cell.reason = "without data", str(missing)
            continue
        except UserError as error:
            cell.status, cell.reason = "refused", str(error)
            continue
        if source and target:
            for which, side, facts in zip(SIDES, cell.sides, (source, target), strict=True):
                cell.used[which] = features.used(*side, facts)
            names = cell.task.source, cell.task.target
            if shared := features.shared(*names, cell.descriptor_name):
                cell.used["target"]["shared"] = shared
            _place(cell, source, target, store, features.force, known)


def _place(
    cell: Cell,
    source: Facts,
    target: Facts,
    store: ResultsStore,
    force: bool,
    known: dict[Any, tuple[list[Setting], str]],  # settings of other cells, with their hash
) -> None:
    try:
        _check_sides(cell, source, target)
        sizes = len(source.y), len(target.y), int(np.prod(source.shape[1:]))
        # A grid without 'all' has the same settings on every task.
        own = "all" in cell.grid.values() or type(cell.method).settings is not Method.settings
        same = id(cell.method), repr(cell.grid), sizes if own else ()
        if same not in known:
            settings = cell.list_settings(sizes)
            known[same] = settings, content_key(settings)
        cell.settings, grid = known[same]
    except UserError as error:
        cell.status, cell.reason, grid = "refused", str(error), content_key(cell.grid)
    method = identity(cell.method, cell.about["method"]["_target_"])  # a user's function, too
    named = code_hash((), texts_of(cell.grid))
    # Everything that changes the result, and whose result it is.
    cell.key = content_key(
        {
            "format": 2,
            "method": method,
            "named in the grid": named,
            "settings": grid,
            "source": source.sha256,
            "target": target.sha256,
            "corpus": cell.corpus,
            "task": [cell.task.name, cell.task.source, cell.task.target],
            "names": [cell.method_name, cell.descriptor_name],
        }
    )
    cell.about["code"] = content_key([method["class"], method["version"], method["code"], named])
    if cell.status == "refused":
        return
    failure = store.failure(cell.key)
    if not force and store.load(cell.folder(store)) is not None:
        cell.status = "done"
    elif failure is not None and failure.get("user_error"):
        cell.reason = f"{REFUSED_BEFORE}: {failure['error']}"
    elif failure is not None:
        cell.status, cell.reason = "failed", str(failure.get("error", ""))


def _check_sides(cell: Cell, source: Facts, target: Facts) -> None:
    """Refuse other classes, a class that only the target has, and missing blocks."""
    names = cell.task.source, cell.task.target
    if source.classes != target.classes:
        raise UserError(
            f"{cell.task.label}: {names[0]} has the classes {', '.join(source.classes)}, but "
            f"{names[1]} has {', '.join(target.classes)}; give both the same classes"
        )
    for code in np.unique(target.y):
        if not (source.y == code).any():
            raise UserError(
                f"{cell.task.label}: the source {names[0]} has no clip of the class "
                f"{source.classes[code]!r} that the target {names[1]} holds; add some or leave "
                "that class out of both"
            )
    for name, facts in zip(names, (source, target), strict=True):
        one = np.zeros((1, *facts.shape[1:]))
        with own_code(cell.method, f"check_samples of {cell.method_label}"):
            cell.method.check_samples(one, f"{cell.descriptor_label} of {name}")


def class_notes(cell: Cell) -> list[str]:
    """Say which classes a side lacks, or has one clip of, and what both sides hold."""
    return [
        note
        for side, used in cell.used.items()
        for note in [
            *class_remarks(side, used["title"], used["class_counts"]),
            *(f"{used['title']}: {text}" for text in [used.get("shared")] if text),
        ]
    ]


def counted(number: int, noun: str) -> str:
    """Return ``1 cell``, ``2 cells`` and so on."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def summary(cells: Sequence[Cell]) -> str:
    """Return ``N cells: N done, N to do, N failed, N without data``."""
    counts: Mapping[str, int] = Counter(cell.status for cell in cells)
    parts = [f"{counts.get(s, 0)} {s}" for s in ("done", "to do", "failed", "without data")]
    if counts.get("refused"):
        parts.append(f"{counts['refused']} refused")
    return f"{counted(len(cells), 'cell')}: {', '.join(parts)}"
