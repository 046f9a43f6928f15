"""How long a run will take: measured rates, scaled to the task and to this machine's speed.

``rates.csv`` holds, for each method and solver, the seconds that preparation and a setting took on
a base task, and the powers of the numbers of samples and of features by which they grow; for each
descriptor the seconds of a clip. ``scripts/rates`` measures them. A method that this results folder
has cells of goes by these instead. A small computation tells how fast this machine is.
"""

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

import numpy as np
from threadpoolctl import threadpool_limits

from cdmer_bench.databases.base import Clip, ClipDatabase
from cdmer_bench.databases.checks import read_clip
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features, Side
from cdmer_bench.methods.base import SHARED_WORK, Method
from cdmer_bench.parallel import Backend
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import REFUSED_BEFORE, Cell, counted

COLUMNS = (
    *("what", "solver", "machine", "n", "n_features"),
    *("prepare", "prepare_n", "prepare_d", "solve", "solve_n", "solve_d"),
)
_WIDTH = 15_045  # features, where they are not extracted yet: those of LBP-TOP with 8 neighbours
_DISTINCT = 0.5  # share of settings that predict something of their own, for reverse validation
_N_FOLDS = 5
_TRIAL = 0.3  # seconds, after which no more databases are tried for how fast clips are read
_TAKEN = 0.1  # of the time of a setting whose regressions are taken from the cache; some are solved


@dataclass(frozen=True)
class Rate:
    """Seconds of preparation and of a setting, and how both grow."""

    n: int  # of the task that was measured; n counts source and target together
    n_features: int  # of the task that was measured; n counts source and target together
    prepare: float  # seconds of one core
    solve: float  # seconds of one core
    prepare_powers: tuple[float, float] = (2.0, 1.0)  # of the numbers of samples and of features
    solve_powers: tuple[float, float] = (2.0, 0.0)  # of the numbers of samples and of features
    origin: str = "the shipped rate"  # ``this folder's rate`` or ``the shipped rate``

    def seconds(self, n: int, n_features: int, n_settings: float, n_fits: float = 1.0) -> float:
        """Return the seconds of settings on a task, prepared ``n_fits`` times."""
        ratio = np.array([n / self.n, n_features / self.n_features])
        prepared = self.prepare * float(np.prod(ratio**self.prepare_powers))
        solved = self.solve * float(np.prod(ratio**self.solve_powers))
        return n_fits * prepared + n_settings * solved


def calibrate() -> float:
    """Return the seconds that this machine takes for a small, fixed computation."""
    matrix = np.random.default_rng(0).random((160, 160))
    symmetric = matrix + matrix.T
    best = np.inf
    # A second thread of BLAS would wait for a core that others use.
    with threadpool_limits(1):
        for _ in range(3):
            started = time.thread_time()  # so that other programs do not count
            np.linalg.eigh(symmetric)
            for _ in range(10):
                symmetric @ symmetric
            sum(i * i for i in range(10_000))
            best = min(best, time.thread_time() - started)
    return best


@lru_cache(maxsize=1)
def shipped_rates() -> dict[tuple[str, str], Rate]:
    """Return the rates of methods by name and solver, and of descriptors by class and label."""
    text = files("cdmer_bench.runner").joinpath("rates.csv").read_text()
    here = calibrate()
    rates = {}
    for row in csv.DictReader(text.splitlines()):
        speed = here / float(row["machine"])
        number = {name: float(row[name] or 0) for name in COLUMNS[3:]}
        rates[row["what"], row["solver"]] = Rate(
            int(number["n"]) or 1,
            int(number["n_features"]) or 1,
            number["prepare"] * speed,
            number["solve"] * speed,
            (number["prepare_n"], number["prepare_d"]),
            (number["solve_n"], number["solve_d"]),
        )
    return rates


def known_rates(records: Iterable[CellRecord]) -> dict[tuple[str, str], Rate]:
    """Return a rate for each method: of its record on the largest task, else the shipped one."""
    found: dict[tuple[str, str], Rate] = {}
    for record in sorted(records, key=_n_samples, reverse=True):
        seconds, width = record.about.get("seconds"), record.about.get("n_features")
        if seconds is None or width is None or record.about.get("settings_from_cache"):
            continue
        key, each = (record.method, record.solver), float(seconds) / len(record.settings)
        known = shipped_rates().get(key)
        rate = Rate(_n_samples(record), int(width), 0.0, each, origin="this folder's rate")
        rate = replace(rate, solve_powers=known.solve_powers) if known else rate
        found.setdefault(key, rate)
    return {**shipped_rates(), **found}


def _n_samples(record: CellRecord) -> int:
    return len(record.y_source) + len(record.y_target)


def rate_of(method: Method, name: str, rates: dict[tuple[str, str], Rate]) -> Rate | None:
    """Return the rate of a method under its name; of one of this package, its class's too."""
    solver = str(method.parameters().get("solver", ""))
    module = type(method).__module__.rpartition(".")[2]
    return rates.get((name, solver)) or rates.get((module, solver))


@dataclass(frozen=True)
class Expected:
    """What a cell will take."""

    rate: Rate
    n_source: int
    n_target: int
    n_features: int
    n_settings: int

    def seconds(self) -> float:
        """Return the seconds of the whole grid, of one core."""
        return self.rate.seconds(self.n_source + self.n_target, self.n_features, self.n_settings)

    def seconds_of_inputs(self, missing: set[str]) -> float:
        """Return the seconds of source cross-validation and of reverse validation."""
        n, seconds = self.n_source + self.n_target, 0.0
        if "source_cv_predictions" in missing:
            kept = n - self.n_source // _N_FOLDS
            seconds += _N_FOLDS * self.rate.seconds(kept, self.n_features, self.n_settings)
        if "reverse_predictions" in missing:
            n_fits = max(1.0, _DISTINCT * self.n_settings)
            seconds += self.rate.seconds(n, self.n_features, self.n_settings, n_fits)
        return seconds


def expect(cells: Sequence[Cell], features: Features, store: ResultsStore) -> list[Expected | None]:
    """Return what each cell will take; None where data, grid or rate are missing."""
    records = store.records()
    rates = known_rates(records)
    kept = (features.store.folder / SHARED_WORK).is_dir() and not features.force
    there = {record.about.get("shared_work", "") for record in records if kept}
    found = []
    for cell in cells:
        rate = rate_of(cell.method, cell.method_name, rates)
        if cell.status in ("done", "to do", "failed") and (work := cell.shared_work()):
            if rate and work in there:
                origin = f"{rate.origin}, with regressions from the cache"
                rate = replace(rate, solve=_TAKEN * rate.solve, origin=origin)
            there.add(work)
        try:
            sizes = task_sizes(cell, features)
            n_settings = len(cell.settings or cell.list_settings(sizes))
        except UserError:  # the run says what is wrong with the data or the grid
            n_settings = 0
        found.append(Expected(rate, *sizes, n_settings) if rate and n_settings else None)
    return found


def weigh_settings(cells: Sequence[Cell], features: Features, store: ResultsStore) -> None:
    """Give each cell the seconds of a setting; the mean of the others where no rate is known."""
    expected = expect(cells, features, store)
    each = [one.seconds() / one.n_settings for one in expected if one]
    mean = sum(each) / len(each) if each else 1.0
    for cell, one in zip(cells, expected, strict=True):
        cell.weight = one.seconds() / one.n_settings if one else mean


def expected_times(
    cells: Sequence[Cell],
    features: Features,
    store: ResultsStore,
    backend: Backend,
    inputs: Sequence[str] = (),
) -> list[str]:
    """Return lines on what is to run: features, methods, selection inputs, and all together."""
    # A cell that was refused is tried again, which takes no time where it is refused again.
    runs = [
        cell.status in ("to do", "failed") and not cell.reason.startswith(REFUSED_BEFORE)
        for cell in cells
    ]
    sides = [side for cell, now in zip(cells, runs, strict=True) if now for side in cell.sides]
    lines, total, unknown = _extraction(sides, features)
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    validated: list[float] = []
    for cell, now, expected in zip(cells, runs, expect(cells, features, store), strict=True):
        if not now and not (inputs and cell.status == "done"):
            continue
        if expected is None:
            unknown.add(cell.method_label)
            continue
        if now:
            title = f"{cell.method_label}, {cell.descriptor_label}"
            part = expected.n_settings, expected.seconds()
            found.setdefault((title, expected.rate.origin), []).append(part)
            total += expected.seconds()
        record = cell.record(store)
        if missing := set(inputs) - set(record.extras if record else ()):
            validated.append(expected.seconds_of_inputs(missing))
    for (title, origin), parts in found.items():
        lines.append(
            f"{title}: {counted(sum(n for n, _ in parts), 'setting')} on "
            f"{counted(len(parts), 'task')}, about {duration(sum(s for _, s in parts))} of one "
            f"core (by {origin})"
        )
    if validated:
        lines.append(
            f"selection inputs of {counted(len(validated), 'cell')}, about "
            f"{duration(sum(validated))} of one core"
        )
    return _together(lines, total + sum(validated), unknown, backend)


def expected_extraction(sides: Iterable[Side], features: Features, backend: Backend) -> list[str]:
    """Return lines on the features to extract."""
    return _together(*_extraction(sides, features), backend)


def _together(lines: list[str], total: float, unknown: set[str], backend: Backend) -> list[str]:
    if lines:
        workers = backend.count_workers()
        lines.append(f"together about {duration(total / workers)} on {counted(workers, 'core')}")
    if unknown:
        lines.append(f"no measured rate for {', '.join(sorted(unknown))}")
    return lines


def _extraction(sides: Iterable[Side], features: Features) -> tuple[list[str], float, set[str]]:
    """Return a line on the features to extract, their seconds, and what has no rate."""
    clips: dict[str, Sequence[Clip]] = {}
    seconds, n_clips, unknown = 0.0, 0, set()
    for name, descriptor in dict.fromkeys(sides):
        database, built = features.databases[name], features.descriptors.get(descriptor)
        if not isinstance(database, ClipDatabase) or features.is_ready(name, descriptor):
            continue
        assert built is not None
        clips[name] = database.clips()
        n_clips += len(clips[name])
        if rate := shipped_rates().get((type(built).__name__, built.label)):
            seconds += len(clips[name]) * rate.solve
        else:
            unknown.add(built.label)
    if not clips:
        return [], 0.0, set()
    seconds += _reading(list(clips.values()), features)
    line = f"features of {counted(n_clips, 'clip')}, about {duration(seconds)} of one core"
    return [line], seconds, unknown


def _reading(databases: Sequence[Sequence[Clip]], features: Features) -> float:
    """Return the seconds that reading and preprocessing takes, by trying clips, most clips first.

    Three neighbours are read, because some of it is done once for a subject. Databases that come
    after the trial has taken long are taken to be like the others.
    """
    n_clips, tried, seconds, started = 0, 0, 0.0, time.thread_time()
    for clips in sorted(databases, key=len, reverse=True):
        n_clips += len(clips)
        if not clips or time.thread_time() - started > _TRIAL:
            continue
        middle, before = len(clips) // 2, time.thread_time()
        neighbours = clips[max(middle - 1, 0) : middle + 2]
        for clip in neighbours:
            read_clip(clip, features.preprocessing)
        seconds += len(clips) * (time.thread_time() - before) / len(neighbours)
        tried += len(clips)
    return seconds * n_clips / max(tried, 1)


def task_sizes(cell: Cell, features: Features) -> tuple[int, int, int]:
    """Return (n_source, n_target, n_features); the last is the paper's before extraction."""
    counts, width = [], _WIDTH
    for side in cell.sides:
        facts = features.facts(*side)
        if facts is not None:
            counts.append(len(facts.y))
            width = int(np.prod(facts.shape[1:]))
        else:
            counts.append(len(features.of_clips(side[0]).clips()))
    return counts[0], counts[1], width


def duration(seconds: float) -> str:
    """Return a rounded duration such as ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 1:
        return "1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
