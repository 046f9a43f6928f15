"""What a run will take, from measured rates."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features
from cdmer_bench.parallel import Backend
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell, counted


@dataclass(frozen=True)
class Rate:
    """What a setting takes on average.

    Attributes
    ----------
    seconds : float
        Of one core.
    n : int
        Samples of the task, source and target together.
    origin : str
        Where it was measured: ``this folder's rate`` or ``the shipped rate``.
    """

    seconds: float
    n: int
    origin: str


def reference_rates() -> dict[tuple[str, str], Rate]:
    """Return the shipped rates by method and solver; made by ``scripts/rates``."""
    text = files("cdmer_bench.runner").joinpath("rates.csv").read_text()
    return {
        (row["method"], row["solver"]): Rate(
            float(row["seconds_per_setting"]), int(row["n_samples"]), "the shipped rate"
        )
        for row in csv.DictReader(text.splitlines())
    }


def measured_rates(store: ResultsStore) -> dict[tuple[str, str], Rate]:
    """Return the rates of the cells that this results folder holds, the largest task's each."""
    rates: dict[tuple[str, str], Rate] = {}
    for record in store.records():
        seconds, n_settings = record.about.get("seconds"), len(record.settings)
        n = len(record.y_source) + len(record.y_target)
        key = (record.method, record.solver)
        if seconds is not None and (key not in rates or rates[key].n < n):
            rates[key] = Rate(float(seconds) / n_settings, n, "this folder's rate")
    return rates


def known_rates(store: ResultsStore) -> dict[tuple[str, str], Rate]:
    """Return the shipped rates, and in their place those that this results folder holds."""
    return {**reference_rates(), **measured_rates(store)}


def rate_of(cell: Cell, features: Features, rates: dict[tuple[str, str], Rate]) -> Rate | None:
    """Return the rate of a cell's method, scaled to its task; None if unknown.

    It is scaled by the square of the number of samples, which is how Gram matrices grow.
    """
    solver = str(cell.method.parameters().get("solver", ""))
    rate, sizes = rates.get((cell.method_name, solver)), task_sizes(cell, features)
    if rate is None or sizes is None:
        return None
    n = sizes[0] + sizes[1]
    return Rate(rate.seconds * (n / rate.n) ** 2, n, rate.origin)


def setting_weights(
    cells: Sequence[Cell], features: Features, store: ResultsStore
) -> dict[str, float]:
    """Return by each cell's key what one of its settings costs, in seconds of one core.

    A method without a rate counts as the mean of the others; without any, all settings count 1.
    """
    rates = known_rates(store)
    found = {cell.key: rate_of(cell, features, rates) for cell in cells}
    seconds = {key: rate.seconds for key, rate in found.items() if rate is not None}
    mean = sum(seconds.values()) / len(seconds) if seconds else 1.0
    return {key: seconds.get(key, mean) for key in found}


def expected_times(
    cells: Sequence[Cell], features: Features, store: ResultsStore, backend: Backend
) -> list[str]:
    """Return a line on each method that is to run, and one on all of them.

    Methods without a rate are named. Extraction is not counted, and a line says so.
    """
    todo = [cell for cell in cells if cell.status in ("to do", "failed")]
    rates = known_rates(store)
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    unknown = set()
    for cell in todo:
        n_settings = expected_settings(cell, features)
        rate = rate_of(cell, features, rates)
        if rate is None or n_settings == 0:
            unknown.add(cell.method_label)
            continue
        title = f"{cell.method_label}, {cell.descriptor_label}"
        known = (n_settings, n_settings * rate.seconds)
        found.setdefault((title, rate.origin), []).append(known)
    lines = [
        f"{title}: {counted(sum(n for n, _ in parts), 'setting')} on "
        f"{counted(len(parts), 'task')}, "
        f"about {duration(sum(seconds for _, seconds in parts))} of one core (by {origin})"
        for (title, origin), parts in found.items()
    ]
    if lines:
        workers = backend.count_workers()
        total = sum(seconds for parts in found.values() for _, seconds in parts)
        lines.append(f"together about {duration(total / workers)} on {counted(workers, 'core')}")
    if unknown:
        lines.append(f"no measured rate for {', '.join(sorted(unknown))}")
    n_clips = clips_to_extract(todo, features)
    if n_clips:
        lines.append(f"before that, features of {counted(n_clips, 'clip')}; that is not counted")
    return lines


def clips_to_extract(cells: Sequence[Cell], features: Features) -> int:
    """Return how many clips lack the features that cells need, once for each descriptor."""
    wanted = dict.fromkeys(
        (name, cell.descriptor_name)
        for cell in cells
        for name in (cell.task.source, cell.task.target)
    )
    return sum(
        len(database.clips())
        for name, descriptor in wanted
        if isinstance(database := features.databases[name], ClipDatabase)
        and not features.is_ready(name, descriptor)
    )


def expected_settings(cell: Cell, features: Features) -> int:
    """Return the number of settings of a cell; 0 where its data or grid cannot be used."""
    if cell.settings:
        return len(cell.settings)
    sizes = task_sizes(cell, features)
    if sizes is None:
        return 0
    try:
        return len(cell.method.settings(cell.grid, sizes))
    except UserError:
        return 0  # the run says what is wrong with the grid


def task_sizes(cell: Cell, features: Features) -> tuple[int, int, int] | None:
    """Return (n_source, n_target, n_features), or None if the data cannot be read.

    Of clips that are not extracted yet the width is unknown; it is taken as large, which only
    matters for dimensions beyond it.
    """
    counts = []
    width = 2**20
    for name in (cell.task.source, cell.task.target):
        database = features.databases[name]
        try:
            if isinstance(database, ClipDatabase):
                counts.append(len(database.clips()))
            else:
                X = features.load(name, cell.descriptor_name).X
                counts.append(len(X))
                width = math.prod(X.shape[1:])
        except UserError:
            return None
    return counts[0], counts[1], width


def duration(seconds: float) -> str:
    """Return a rounded duration such as ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 1:
        return "1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
