"""The plan of a run: every cell, and where each one stands."""

from collections import Counter
from collections.abc import Mapping, Sequence

from cdmer_bench.errors import DataMissing, UserError
from cdmer_bench.features.extract import Features
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell, cell_key


def place(cells: Sequence[Cell], features: Features, store: ResultsStore, force: bool) -> None:
    """Give each cell its key and status.

    A record that is damaged is set aside here, so that its cell is run again.

    Parameters
    ----------
    cells
        Changed in place.
    features
    store
    force
        Treat finished cells as if they had not been run.
    """
    for cell in cells:
        try:
            keys = [
                features.fingerprint(database, cell.descriptor_name)
                for database in (cell.task.source, cell.task.target)
            ]
        except DataMissing as missing:
            cell.status, cell.reason = "without data", str(missing)
            continue
        except UserError as error:
            cell.status, cell.reason = "refused", str(error)
            continue
        cell.key = cell_key(cell, *keys)
        failure = store.failure(cell.key)
        if not force and store.load(cell.folder(store)) is not None:
            cell.status = "done"
        elif failure is not None:
            cell.status, cell.reason = "failed", str(failure.get("error", ""))
        else:
            cell.status = "to do"


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
