"""Run cells: claim, prepare, solve the batches in parallel, store; again where a worker died."""

import os
import platform
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from cdmer_bench.databases.base import FeatureSet, matched
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features
from cdmer_bench.io import remove
from cdmer_bench.methods.batches import BatchResult
from cdmer_bench.parallel import (
    ATTEMPTS,
    Backend,
    Call,
    OpenBar,
    WorkersDied,
    no_bar,
    run_parallel,
)
from cdmer_bench.results.record import CellRecord, now
from cdmer_bench.results.store import CLAIM_WAIT, ResultsStore
from cdmer_bench.runner.cell import Cell
from cdmer_bench.runner.solve import (
    Failure,
    Problem,
    named_notes,
    pose,
    run_piece,
    unpack,
    write_shared,
)

_PACKAGES = ("cdmer-bench", "numpy", "scipy", "scikit-learn", "scikit-image", "opencv-python")

Part = Callable[[], Problem]  # prepares a part of a work


class Work(ABC):
    """What a run computes and stores as a whole: a cell, or the selection inputs of one."""

    n_parts = 1  # to be expected
    weight = 1.0  # what a setting costs, in seconds of one core, as far as known

    def __init__(self, cell: Cell, spread: "Spread", key: str, title: str) -> None:
        self.cell, self.features, self.store = cell, spread.features, spread.store
        self.key, self.title = key, title  # of its claim and unfinished files; of the progress bar
        self.n_settings = len(cell.settings)  # of each part, to be expected
        self.claim = ExitStack()
        self.problems: dict[str, Problem] = {}  # of its parts, as far as they have been prepared
        self.is_open = False  # all of them have been
        self.pending: set[tuple[str, int]] = set()  # part and batch of what is to be solved

    @abstractmethod
    def is_done(self) -> bool:
        """Whether another run has finished it."""

    @abstractmethod
    def parts(self) -> Mapping[str, Part]:
        """Return what prepares each of its parts, by names that are the same in every run."""

    @abstractmethod
    def close(self) -> None:
        """Store what its problems hold, or why they failed."""

    def sides(self) -> tuple[FeatureSet, FeatureSet]:
        """Return the features of the source and of the target."""
        source, target = (self.features.load(*side) for side in self.cell.sides)
        return source, matched(source, target)

    def shared(self, part: str) -> Path:
        """Return the folder of the arrays that the batches of a part share."""
        return self.store.unfinished(self.key) / f"shared-{part}"

    def load(self, part: str, batch: int) -> tuple[BatchResult, float] | None:
        """Load what a batch found and the seconds that it took; None if it is to be solved."""
        checked = partial(unpack, self.problems[part].pieces[batch].indices)
        return self.store.load_batch(self.key, part, batch, checked)

    def collect(self) -> None:
        """Load the results of all parts, whose batches have ended."""
        for part, problem in self.problems.items():
            for batch in range(len(problem.pieces)):
                if problem.failure is None and (loaded := self.load(part, batch)) is not None:
                    problem.results.append(loaded[0])
                    problem.seconds += loaded[1]
                elif problem.failure is None:
                    folder = self.store.unfinished(self.key)
                    problem.failure = Failure(f"a batch vanished from {folder}", "", False)


class Spread:
    """Runs works over processes or machines, together with other runs on the same folder."""

    def __init__(
        self,
        features: Features,
        store: ResultsStore,
        backend: Backend,
        say: Callable[[str], None],
        open_bar: OpenBar | None,
    ) -> None:
        self.features, self.store, self.backend, self.say = features, store, backend, say
        self.open_bar = open_bar or no_bar

    def run(self, works: Sequence[Work]) -> None:
        """Run every work; one that another run has claimed is waited for."""
        if not works:
            return
        title, waiting = works[0].title, list(works)
        self.bar = self.open_bar(title, 0)
        for work in works:
            self.bar.extend(work.n_parts * work.n_settings, title, work.weight)
        try:
            with threadpool_limits(1):
                while waiting:
                    waiting = [w for w in self._run_claimable(waiting) if not w.is_done()]
                    if waiting:
                        time.sleep(CLAIM_WAIT)
        finally:
            self.bar.close()

    def _run_claimable(self, works: Sequence[Work]) -> list[Work]:
        """Run the works that no other run is working on; return the others."""
        running: list[Work] = []
        busy: list[Work] = []
        places: list[tuple[Work, str, int]] = []  # of the calls
        try:
            calls = self._calls(works, running, busy, places)
            for index, failure in run_parallel(calls, self.backend, self.say):
                work, part, batch = places[index]
                problem = work.problems[part]
                problem.failure = problem.failure or failure
                work.pending.discard((part, batch))
                self.bar.advance(len(problem.pieces[batch].indices), work.weight)
                _close_finished(running)
            _close_finished(running)
        except WorkersDied as death:
            said = f"its worker process was killed {ATTEMPTS} times"
            for work in running:
                work.problems = work.problems or {"": Problem()}  # before any part was prepared
                for problem in work.problems.values():
                    problem.failure = problem.failure or Failure(said, str(death), False)
                work.is_open, work.pending = True, set()
            _close_finished(running)
        finally:
            for work in running:
                work.claim.close()
        return busy

    def _calls(
        self,
        works: Sequence[Work],
        running: list[Work],
        busy: list[Work],
        places: list[tuple[Work, str, int]],
    ) -> Iterator[Call]:
        """Yield the call of every missing batch, preparing each part when its turn comes."""
        for work in works:
            if not work.claim.enter_context(self.store.claim(work.key)):
                work.claim.close()
                busy.append(work)
                continue
            if work.is_done():  # by another run since the plan was made
                work.claim.close()
                continue
            running.append(work)
            if work.features.force:  # what a run left that was killed or failed is no new result
                self.store.forget_unfinished(work.key)
            try:
                parts = work.parts()
            except Exception as error:
                parts = {"": failing(error)}
            more = (len(parts) - work.n_parts) * work.n_settings
            self.bar.extend(more, work.title, work.weight)
            for part, prepare in parts.items():
                for batch in self._prepare(work, part, prepare):
                    places.append((work, part, batch))
                    path = self.store.batch_path(work.key, part, batch)
                    yield run_piece, (work.problems[part].pieces[batch], work.shared(part), path)
            work.is_open = True

    def _prepare(self, work: Work, part: str, prepare: Part) -> list[int]:
        """Prepare a part; return which of its batches are missing, and write what these share."""
        work.problems[part] = Problem()
        try:
            problem = work.problems[part] = prepare()
            sizes = [len(piece.indices) for piece in problem.pieces]
            self.bar.extend(sum(sizes) - work.n_settings, work.title, work.weight)
            missing = [batch for batch in range(len(sizes)) if work.load(part, batch) is None]
            there = sum(sizes) - sum(sizes[batch] for batch in missing)
            self.bar.advance(there, work.weight)
            if missing:
                write_shared(work.shared(part), problem.arrays)
        except (Exception, SystemExit) as error:
            work.problems[part].failure = Failure.of(error)
            return []
        problem.arrays = {}
        work.pending |= {(part, batch) for batch in missing}
        return missing


def _close_finished(running: list[Work]) -> None:
    """Close the works all of whose batches have ended."""
    for work in [w for w in running if w.is_open and not w.pending]:
        running.remove(work)
        try:
            work.collect()
            work.close()
        finally:
            for part in work.problems:
                remove(work.shared(part))
            work.claim.close()


def failing(error: Exception) -> Part:
    """Return a part whose preparation fails."""

    def prepare() -> Problem:
        raise error

    return prepare


class CellWork(Work):
    """A cell, to be run."""

    def __init__(self, cell: Cell, spread: Spread) -> None:
        super().__init__(cell, spread, cell.key, cell.name)
        self.weight = cell.weight

    def is_done(self) -> bool:
        """Whether its record is there, even though it was not a moment ago."""
        if self.features.force or self.store.load(self.cell.folder(self.store)) is None:
            return False
        self.cell.status, self.cell.reason = "done", ""
        return True

    def parts(self) -> Mapping[str, Part]:
        """Return its only part."""
        self.started = time.monotonic()
        source, target = self.sides()
        samples = source.X, source.y, target.X, target.X
        n_classes = len(target.classes)
        return {"0": partial(pose, self.cell.method, *samples, self.cell.settings, n_classes)}

    def close(self) -> None:
        """Store the record, or the failure."""
        (problem,) = self.problems.values()
        cell, failure = self.cell, problem.failure
        if failure is None:
            try:
                record = self._record(problem)
            except Exception as error:
                failure = Failure.of(error)
        if failure is None:
            self.store.save(record)
            cell.status, cell.reason = "done", ""
            return
        cell.status = "refused" if failure.is_user_error else "failed"
        cell.reason = failure.error
        store_failure(cell, self.store, failure)

    def _record(self, problem: Problem) -> CellRecord:
        cell, (source, target) = self.cell, self.sides()
        found, parameters = problem.joined(), cell.method.parameters()
        return CellRecord(
            key=cell.key,
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
                "versions": versions(),
                "host": platform.node(),
                "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
                "date": now(),
                "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                "seconds": round(problem.seconds, 3),
                "n_features": int(np.prod(target.X.shape[1:])),
                "wall_seconds": round(time.monotonic() - self.started, 3),
                **({"shared_work": work} if (work := cell.shared_work()) else {}),
                **({"settings_from_cache": found.reused} if found.reused else {}),
                **cell.about,
            },
            clips_target=None if target.clips is None else np.array(target.clips),
            **cell.names(),
            **cell.shown(),
        )


def run_cells(cells: Sequence[Cell], spread: Spread) -> None:
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
    spread.run([CellWork(cell, spread) for cell in todo])


def store_failure(cell: Cell, store: ResultsStore, failure: Failure) -> None:
    """Record why a cell failed; if the folder cannot be written, other errors already say so."""
    content = {
        **cell.names(),
        **cell.labels(),
        "error": failure.error,
        "trace": failure.trace,
        "user_error": failure.is_user_error,
        "date": now(),
    }
    with suppress(UserError):
        store.save_failure(cell.key, content)


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
