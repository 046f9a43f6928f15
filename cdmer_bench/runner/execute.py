"""Run cells: claim, prepare, solve the batches in parallel, store; again where a worker died."""

import datetime
import os
import platform
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cdmer_bench.databases.base import matched
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features
from cdmer_bench.io import remove
from cdmer_bench.methods.base import BatchResult
from cdmer_bench.parallel import ATTEMPTS, WORKER_DIED, Backend, Call, OpenBar, run_parallel
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import CLAIM_WAIT, ResultsStore
from cdmer_bench.runner.cell import Cell
from cdmer_bench.runner.solve import (
    Failure,
    Piece,
    Problem,
    joined,
    named_notes,
    pose,
    run_piece,
    unpack,
    write_shared,
)

_PACKAGES = ("cdmer-bench", "numpy", "scipy", "scikit-learn", "scikit-image", "opencv-python")


@dataclass
class Part:
    """A problem of a work, with its results or its failure."""

    problem: Problem  # its arrays are emptied once they are stored
    failure: Failure | None = None
    results: list[BatchResult] = field(default_factory=list)  # of its pieces, once all have ended
    seconds: float = 0.0  # computing time of all pieces and their preparation

    def joined(self, n_query: int) -> BatchResult:
        """Return the results of all settings in the grid's order."""
        batches = [piece.indices for piece in self.problem.pieces]
        return joined(self.problem, batches, self.results, n_query)


class Work(ABC):
    """What a run computes and stores as a whole: a cell, or the selection inputs of one."""

    key: str  # names its claim and its unfinished files
    title: str  # for the progress bar
    n_settings: int  # expected, of each part
    n_parts: int = 1
    weight: float = 1.0  # what a setting costs, in seconds of one core, as far as known

    @abstractmethod
    def is_done(self) -> bool:
        """Whether another run has finished it."""

    @abstractmethod
    def problems(self) -> Sequence[Callable[[], Problem]]:
        """Return what prepares each of its parts."""

    @abstractmethod
    def close(self, parts: Sequence[Part]) -> None:
        """Store what was found, or why it failed."""


@dataclass
class _Running:
    """A work in progress."""

    work: Work
    claim: ExitStack
    parts: list[Part] = field(default_factory=list)
    pending: set[tuple[int, int]] = field(default_factory=set)
    is_open: bool = False  # all its parts have been prepared


class Spread:
    """Runs works over processes or machines, together with other runs on the same folder."""

    def __init__(
        self,
        store: ResultsStore,
        backend: Backend,
        say: Callable[[str], None] = lambda line: None,
        open_bar: OpenBar | None = None,
    ) -> None:
        self.store, self.backend, self.say, self.open_bar = store, backend, say, open_bar

    def run(self, works: Sequence[Work]) -> None:
        """Run every work; one that another run has claimed is waited for."""
        waiting = list(works)
        self.bar = self.open_bar(waiting[0].title, 0) if waiting and self.open_bar else None
        if self.bar:
            for work in waiting:
                self.bar.extend(work.n_parts * work.n_settings, waiting[0].title, work.weight)
        try:
            with threadpool_limits(1):
                while waiting:
                    waiting = [w for w in self._run_claimable(waiting) if not w.is_done()]
                    if waiting:
                        time.sleep(CLAIM_WAIT)
        finally:
            if self.bar:
                self.bar.close()

    def _run_claimable(self, works: Sequence[Work]) -> list[Work]:
        """Run the works that no other run is working on; return the others."""
        self.running: list[_Running] = []
        self.ended: set[str] = set()
        busy: list[Work] = []
        try:
            for attempt in range(1, ATTEMPTS + 1):
                places: list[tuple[_Running, int, int]] = []
                todo = [w for w in works if w.key not in self.ended and w not in busy]
                try:
                    calls = self._calls(todo, busy, places)
                    for index, failure in run_parallel(calls, self.backend):
                        self._ended(*places[index], failure)
                        self._close_finished()
                    self._close_finished()
                    return busy
                except self.backend.worker_death() as death:
                    self._worker_died(death, attempt)
            return busy
        finally:
            for running in self.running:
                running.claim.close()

    def _calls(
        self, works: Sequence[Work], busy: list[Work], places: list[tuple[_Running, int, int]]
    ) -> Iterator[Call]:
        """Yield the call of every missing batch, preparing each part when its turn comes."""
        for work in works:
            claim = ExitStack()
            if not claim.enter_context(self.store.claim(work.key)):
                claim.close()
                busy.append(work)
                continue
            if work.is_done():  # by another run since the plan was made
                claim.close()
                self.ended.add(work.key)
                continue
            running = _Running(work, claim)
            self.running.append(running)
            problems = _problems(work)
            if self.bar:
                more = (len(problems) - work.n_parts) * work.n_settings
                self.bar.extend(more, work.title, work.weight)
            for number, prepare in enumerate(problems):
                part = Part(Problem([], {}))
                running.parts.append(part)
                try:
                    part.problem = prepare()
                    shared = self._open(running, number)
                except Exception as error:
                    part.failure = Failure.of(error)
                    continue
                for batch in sorted(batch for where, batch in running.pending if where == number):
                    places.append((running, number, batch))
                    piece = part.problem.pieces[batch]
                    yield run_piece, (piece, shared, self._path(running, number, batch))
            running.is_open = True

    def _open(self, running: _Running, number: int) -> Path:
        """Note which batches of a part are missing, and write what these share."""
        work, problem = running.work, running.parts[number].problem
        sizes = [len(piece.indices) for piece in problem.pieces]
        if self.bar:
            self.bar.extend(sum(sizes) - work.n_settings, work.title, work.weight)
        missing = set()
        for batch, piece in enumerate(problem.pieces):
            if self._load(work, number, batch, piece) is None:
                missing.add((number, batch))
            elif self.bar:
                self.bar.advance(sizes[batch], work.weight)
        shared = self.store.unfinished(work.key) / f"shared-{number}"
        if missing:
            write_shared(shared, problem.arrays)
        problem.arrays = {}
        running.pending |= missing
        return shared

    def _path(self, running: _Running, number: int, batch: int) -> Path:
        return self.store.batch_path(running.work.key, number, batch)

    def _load(
        self, work: Work, number: int, batch: int, piece: Piece
    ) -> tuple[BatchResult, float] | None:
        return self.store.load_batch(work.key, number, batch, partial(unpack, piece.indices))

    def _ended(self, running: _Running, number: int, batch: int, failure: Failure | None) -> None:
        part = running.parts[number]
        part.failure = part.failure or failure
        running.pending.discard((number, batch))
        if self.bar:
            self.bar.advance(len(part.problem.pieces[batch].indices), running.work.weight)

    def _close_finished(self) -> None:
        """Close the works all of whose batches have ended."""
        for running in [r for r in self.running if r.is_open and not r.pending]:
            self.running.remove(running)
            self._close(running)

    def _close(self, running: _Running) -> None:
        work = running.work
        try:
            for number, part in enumerate(running.parts):
                self._collect(work, number, part)
            work.close(running.parts)
        finally:
            self.ended.add(work.key)
            for number in range(len(running.parts)):
                remove(self.store.unfinished(work.key) / f"shared-{number}")
            running.claim.close()

    def _collect(self, work: Work, number: int, part: Part) -> None:
        """Load the results of a part whose batches have all ended."""
        part.seconds = part.problem.seconds
        for batch, piece in enumerate(part.problem.pieces):
            if part.failure is not None:
                return
            loaded = self._load(work, number, batch, piece)
            if loaded is None:
                folder = self.store.unfinished(work.key)
                part.failure = Failure(f"a batch vanished from {folder}", "", False)
                return
            part.results.append(loaded[0])
            part.seconds += loaded[1]

    def _worker_died(self, death: BaseException, attempt: int) -> None:
        """Give up the claims, so that the rest is tried again; after the last attempt, close."""
        if attempt < ATTEMPTS:
            self.say(WORKER_DIED)
        for running in self.running:
            if attempt < ATTEMPTS:
                running.claim.close()
            else:
                said = f"its worker process was killed {ATTEMPTS} times"
                for part in running.parts:
                    part.failure = part.failure or Failure(said, str(death), False)
                self._close(running)
        self.running.clear()


def _problems(work: Work) -> Sequence[Callable[[], Problem]]:
    """Return what prepares each part; where even that cannot be told, one that fails."""
    try:
        return work.problems()
    except Exception as error:
        return [partial(_raise, error)]


def _raise(error: Exception) -> Problem:
    raise error


class CellWork(Work):
    """A cell, to be run."""

    def __init__(
        self,
        cell: Cell,
        features: Features,
        store: ResultsStore,
        force: bool = False,
        weight: float = 1.0,
    ) -> None:
        self.cell, self.features, self.store, self.force = cell, features, store, force
        self.key, self.title, self.weight = cell.key, cell.name, weight
        self.n_settings = len(cell.settings)
        self.started = time.monotonic()

    def is_done(self) -> bool:
        """Whether its record is there, even though it was not a moment ago."""
        if self.force or self.store.load(self.cell.folder(self.store)) is None:
            return False
        self.cell.status, self.cell.reason = "done", ""
        return True

    def problems(self) -> Sequence[Callable[[], Problem]]:
        """Return its only part."""
        return [self._pose]

    def _pose(self) -> Problem:
        self.started = time.monotonic()
        cell, task = self.cell, self.cell.task
        source = self.features.load(task.source, cell.descriptor_name)
        target = matched(source, self.features.load(task.target, cell.descriptor_name))
        samples = source.X, source.y, target.X, target.X
        return pose(cell.method, *samples, cell.settings, len(target.classes))

    def close(self, parts: Sequence[Part]) -> None:
        """Store the record, or the failure."""
        (part,) = parts
        cell, failure = self.cell, part.failure
        if failure is None:
            try:
                record = self._record(part)
            except Exception as error:
                failure = Failure.of(error)
        if failure is None:
            self.store.save(record)
            cell.status, cell.reason = "done", ""
            return
        cell.status = "refused" if failure.is_user_error else "failed"
        cell.reason = failure.error
        store_failure(cell, self.store, failure)

    def _record(self, part: Part) -> CellRecord:
        cell, task = self.cell, self.cell.task
        source = self.features.load(task.source, cell.descriptor_name)
        target = self.features.load(task.target, cell.descriptor_name)
        found = part.joined(len(target.y))
        parameters = cell.method.parameters()
        return CellRecord(
            key=cell.key,
            task=task.name,
            source=task.source,
            target=task.target,
            method=cell.method_name,
            descriptor=cell.descriptor_name,
            corpus=cell.corpus,
            solver=str(parameters.get("solver", "")),
            classes=target.classes,
            parameters=parameters,
            settings=cell.settings,
            predictions=found.predictions.astype(np.uint8),
            y_target=target.y.astype(np.uint8),
            y_source=source.y.astype(np.uint8),
            subject_target=target.subject,
            scores=found.scores,
            converged=found.converged,
            iterations=found.iterations,
            notes=named_notes(found.notes, source.y, target.classes),
            extras=found.extras,
            about={
                **describe_run(),
                "seconds": round(part.seconds, 3),
                "n_features": int(np.prod(target.X.shape[1:])),
                "wall_seconds": round(time.monotonic() - self.started, 3),
                **({"shared_work": work} if (work := cell.shared_work()) else {}),
                **({"settings_from_cache": found.reused} if found.reused else {}),
                **cell.about,
            },
            clips_target=None if target.clips is None else np.array(target.clips),
            **cell.shown(),
        )


def run_cells(
    cells: Sequence[Cell],
    features: Features,
    spread: Spread,
    force: bool = False,
    weights: dict[str, float] | None = None,
) -> None:
    """Run every cell that is ``to do`` or ``failed``; the statuses say how each ended."""
    store = spread.store
    for cell in cells:
        # Left by a run that was killed right after the record was stored.
        if cell.status == "done" and store.has_leftovers(cell.key):
            with store.claim(cell.key) as held:
                if held:
                    store.forget_unfinished(cell.key)
        if cell.status == "refused" and cell.key:
            store_failure(cell, store, Failure(cell.reason, "", True))
    todo = [cell for cell in cells if cell.status in ("to do", "failed") and cell.key]
    known = weights or {}
    spread.run(
        [CellWork(c, features, store, force, known.get(c.key, 1.0)) for c in todo],
    )


def store_failure(cell: Cell, store: ResultsStore, failure: Failure) -> None:
    """Record why a cell failed; if the folder cannot be written, other errors already say so."""
    content: dict[str, Any] = {
        "task": cell.task.name,
        "source": cell.task.source,
        "target": cell.task.target,
        "method": cell.method_name,
        "descriptor": cell.descriptor_name,
        "task_label": cell.task.label,
        "method_label": cell.method_label,
        "descriptor_label": cell.descriptor_label,
        "corpus": cell.corpus,
        "error": failure.error,
        "trace": failure.trace,
        "user_error": failure.is_user_error,
        "date": _now(),
    }
    try:
        store.save_failure(cell.key, content)
    except UserError:
        return


def _now() -> str:
    """Return the time, by which the newer of two results is known."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part in results."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe_run() -> dict[str, Any]:
    """Return versions, machine, date and command."""
    return {
        "versions": versions(),
        "host": platform.node(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": _now(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
