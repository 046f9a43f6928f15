"""Record beside finished cells where their samples lie before and after adaptation."""

from collections.abc import Callable, Sequence

from threadpoolctl import threadpool_limits

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import Oracle
from cdmer_bench.features.extract import Features
from cdmer_bench.methods.embedding import embed
from cdmer_bench.results.plane import Plane
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell


def without_plane(cells: Sequence[Cell], store: ResultsStore) -> list[Cell]:
    """Return the finished cells beside which no whole plane is stored."""
    done = (cell for cell in cells if cell.status == "done")
    return [cell for cell in done if not store.has_plane(cell.folder(store), cell.key)]


def record_planes(
    cells: Sequence[Cell],
    features: Features,
    store: ResultsStore,
    say: Callable[[str], None],
) -> None:
    """Record the plane of every finished cell that has none.

    A cell whose plane cannot be made loses nothing but the picture.

    Parameters
    ----------
    cells, features, store
    say
        Called with a line for the user.
    """
    for cell in without_plane(cells, store):
        record = store.load(cell.folder(store))
        if record is None:
            continue
        try:
            with threadpool_limits(1):
                plane = _plane(cell, features, record)
        except Exception as error:
            text = str(error) if isinstance(error, UserError) else repr(error)
            say(f"{cell.name}: source and target could not be placed in the plane: {text}")
            continue
        store.save_plane(record, plane)


def _plane(cell: Cell, features: Features, record: CellRecord) -> Plane:
    """Adapt once more with the oracle's setting. The method sees no target label."""
    rule = Oracle()
    setting = rule.select(record)
    source = features.load(cell.task.source, cell.descriptor_name)
    target = features.load(cell.task.target, cell.descriptor_name)
    found = embed(cell.method, source.X, source.y, target.X, record.settings[setting])
    return Plane(setting, rule.name, found.before, found.after)
