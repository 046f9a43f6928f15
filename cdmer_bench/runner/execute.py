"""Run the cells of a plan: claim, prepare, solve the batches in parallel, store."""

import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from threadpoolctl import threadpool_limits

from cdmer_bench.errors import UserError
from cdmer_bench.features.extract import Features
from cdmer_bench.io import remove
from cdmer_bench.parallel import ATTEMPTS, WORKER_DIED, Backend, Call, Progress, run_parallel
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import CLAIM_WAIT, ResultsStore
from cdmer_bench.runner.assemble import assemble, load_batch
from cdmer_bench.runner.batch import BatchFailure, run_batch, write_prepared
from cdmer_bench.runner.cell import Cell, PreparedCell, prepare_cell
from cdmer_bench.runner.expectation import expected_settings, setting_weights
from cdmer_bench.runner.progressing import Progressing


@dataclass
class _Running:
    """A cell in progress."""

    cell: Cell
    prepared: PreparedCell
    claim: ExitStack
    pending: set[int]
    started: float
    failures: list[BatchFailure] = field(default_factory=list)


class Execution:
    """One run over the cells that are not done.

    Parameters
    ----------
    cells
        Their statuses are updated in place.
    features, store
    backend
        Where batches run.
    progressing
    force
        Run cells whose record is there already.
    """

    def __init__(
        self,
        cells: list[Cell],
        features: Features,
        store: ResultsStore,
        backend: Backend,
        progressing: Progressing | None = None,
        force: bool = False,
    ) -> None:
        self.force = force
        self.cells, self.features, self.store, self.backend = cells, features, store, backend
        self.progressing = progressing or Progressing()
        self.running: dict[str, _Running] = {}
        self.calls: list[tuple[str, int]] = []
        self.bar: Progress | None = None
        self.expected: dict[str, int] = {}
        self.weights: dict[str, float] = {}

    def run(self) -> None:
        """Run every cell that is ``to do`` or ``failed``; statuses say how each ended."""
        self._tidy()
        waiting = [c for c in self.cells if c.status in ("to do", "failed")]
        if waiting and self.progressing.open_bar:
            self.bar = self.progressing.open_bar(waiting[0].name, 0)
            self._announce(waiting, self.bar)
        try:
            with threadpool_limits(1):
                while waiting:
                    busy = self._run_claimable(waiting)
                    waiting = [c for c in busy if not self._finished_elsewhere(c)]
                    if waiting:
                        time.sleep(CLAIM_WAIT)
        finally:
            for running in self.running.values():
                running.claim.close()

    def _announce(self, cells: list[Cell], bar: Progress) -> None:
        """Tell the bar how many settings are expected, and what one of each cell costs."""
        self.weights = setting_weights(cells, self.features, self.store)
        for cell in cells:
            self.expected[cell.key] = expected_settings(cell, self.features)
            bar.extend(self.expected[cell.key], cells[0].name, self.weights[cell.key])

    def _tidy(self) -> None:
        """Remove batches and claims of finished cells, left by a run killed right then."""
        for cell in self.cells:
            if cell.status == "done" and self.store.has_leftovers(cell.key):
                with self.store.claim(cell.key) as held:
                    if held:
                        self.store.forget_unfinished(cell.key)

    def _finished_elsewhere(self, cell: Cell) -> bool:
        if self.load(cell) is None:
            return False
        cell.status = "done"
        return True

    def load(self, cell: Cell) -> CellRecord | None:
        """Load the record of a cell, or None."""
        return self.store.load(cell.folder(self.store))

    def _run_claimable(self, cells: list[Cell]) -> list[Cell]:
        """Run the cells that no other run is working on; return the others."""
        busy: list[Cell] = []
        for attempt in range(1, ATTEMPTS + 1):
            self.calls = []
            todo = [c for c in cells if c.status in ("to do", "failed") and c not in busy]
            try:
                for index, failure in run_parallel(self._batches(todo, busy), self.backend):
                    self._batch_ended(*self.calls[index], failure)
                return busy
            except self.backend.worker_death() as death:
                self._worker_died(death, attempt)
        return busy

    def _worker_died(self, death: BaseException, attempt: int) -> None:
        if attempt < ATTEMPTS:
            self.progressing.say(WORKER_DIED)
        for running in list(self.running.values()):
            if attempt < ATTEMPTS:
                running.claim.close()
                del self.running[running.cell.key]
            else:
                running.failures.append(
                    BatchFailure(
                        f"its worker process was killed {ATTEMPTS} times", str(death), False
                    )
                )
                self._close(running)

    def _batches(self, cells: list[Cell], busy: list[Cell]) -> Iterator[Call]:
        """Yield the calls of every missing batch, preparing each cell when its turn comes."""
        for cell in cells:
            claim = ExitStack()
            if not claim.enter_context(self.store.claim(cell.key)):
                claim.close()
                busy.append(cell)
                continue
            # Another run may have finished the cell since the plan was made.
            if not self.force and self._finished_elsewhere(cell):
                claim.close()
                continue
            running = self._prepare(cell, claim)
            if running is None:
                continue
            if not running.pending:
                self._close(running)
                continue
            self.running[cell.key] = running
            folder = self.store.unfinished(cell.key)
            for batch in sorted(running.pending):
                indices = running.prepared.batches[batch]
                settings = [running.prepared.settings[i] for i in indices]
                self.calls.append((cell.key, batch))
                yield (
                    run_batch,
                    (
                        cell.method,
                        settings,
                        indices,
                        folder / "shared",
                        self.store.batch_path(cell.key, batch),
                    ),
                )

    def _prepare(self, cell: Cell, claim: ExitStack) -> _Running | None:
        """Prepare a cell; None if that failed."""
        started = time.monotonic()
        try:
            source = self.features.load(cell.task.source, cell.descriptor_name)
            target = self.features.load(cell.task.target, cell.descriptor_name)
            prepared = prepare_cell(cell, source, target)
            cell.n_settings = len(prepared.settings)
            if self.bar:
                expected = self.expected.pop(cell.key, 0)
                self.bar.extend(
                    len(prepared.settings) - expected, cell.name, self.weights[cell.key]
                )
            pending = set(range(len(prepared.batches)))
            for batch in list(pending):
                if load_batch(cell, prepared, self.store, batch) is not None:
                    pending.discard(batch)
                    if self.bar:
                        self.bar.advance(len(prepared.batches[batch]), self.weights[cell.key])
            if pending:
                write_prepared(self.store.unfinished(cell.key) / "shared", prepared.arrays)
            prepared.arrays = {}
            return _Running(cell, prepared, claim, pending, started)
        except Exception as error:
            self._failed(cell, error)
            claim.close()
            return None

    def _batch_ended(self, key: str, batch: int, failure: BatchFailure | None) -> None:
        running = self.running[key]
        running.pending.discard(batch)
        if failure is not None:
            running.failures.append(failure)
        if self.bar:
            self.bar.advance(len(running.prepared.batches[batch]), self.weights[key])
        if not running.pending:
            self._close(running)

    def _close(self, running: _Running) -> None:
        """Store the record of a cell whose batches have all ended, or its failure."""
        cell = running.cell
        self.running.pop(cell.key, None)
        try:
            if running.failures:
                first = running.failures[0]
                self._store_failure(cell, first.error, first.trace, first.is_user_error)
            else:
                seconds = time.monotonic() - running.started
                self.store.save(assemble(cell, running.prepared, self.store, seconds))
                cell.status, cell.reason = "done", ""
        except UserError:
            raise
        except Exception as error:
            self._failed(cell, error)
        finally:
            remove(self.store.unfinished(cell.key) / "shared")
            running.claim.close()

    def _failed(self, cell: Cell, error: Exception) -> None:
        user = isinstance(error, UserError)
        text = str(error) if user else f"{type(error).__name__}: {error}"
        self._store_failure(cell, text, traceback.format_exc(), user)

    def _store_failure(self, cell: Cell, error: str, trace: str, user: bool) -> None:
        cell.status, cell.reason = ("refused" if user else "failed"), error
        content = {
            "task_label": cell.task.label,
            "method_label": cell.method_label,
            "descriptor_label": cell.descriptor_label,
            "corpus": cell.corpus,
            "error": error,
            "trace": trace,
            "user_error": user,
        }
        try:
            self.store.save_failure(cell.key, content)
        except UserError as unwritable:
            self.progressing.say(str(unwritable))
