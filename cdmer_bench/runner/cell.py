"""A cell: one method with its whole grid, on one task, with one descriptor."""

import hashlib
import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cdmer_bench.databases.base import FeatureSet
from cdmer_bench.errors import UserError
from cdmer_bench.io import content_key
from cdmer_bench.methods.base import Method, Prepared
from cdmer_bench.methods.inputs import Setting, check_task
from cdmer_bench.protocol import Task
from cdmer_bench.results.store import ResultsStore

Status = Literal["done", "to do", "failed", "without data", "refused"]


@dataclass
class Cell:
    """What a cell is and where it stands.

    Attributes
    ----------
    task : Task
    method_name, method_label : str
    method : Method
    descriptor_name, descriptor_label : str
    grid_name : str
    grid : dict
        As in the method's card.
    corpus : str
    synthetic : bool
    key : str
        Hash of everything that changes the result; empty where data are missing.
    status : str
        ``failed`` cells are run again; ``refused`` ones have data or a grid that cannot be used.
    reason : str
        Why there are no data, or why the cell failed.
    n_settings : int
        0 where unknown.
    descriptor_note : str
        What the captions of tables must say about the descriptor, such as how it was tuned.
    """

    task: Task
    method_name: str
    method_label: str
    method: Method
    descriptor_name: str
    descriptor_label: str
    grid_name: str
    grid: dict[str, Any]
    corpus: str
    synthetic: bool
    key: str = ""
    status: Status = "to do"
    reason: str = ""
    n_settings: int = 0
    descriptor_note: str = ""

    @property
    def name(self) -> str:
        """Name for people, such as ``Exp.5 TCA LBP-TOP(R3P8)``."""
        return f"{self.task.label} {self.method_label} {self.descriptor_label}"

    def folder(self, store: ResultsStore) -> Path:
        """Return where the record of the cell lies, or will lie."""
        return store.cell_folder(self.task.name, self.descriptor_name, self.method_name, self.key)


@lru_cache(maxsize=256)
def code_identity(kind: type) -> str:
    """Return what identifies a class outside this package: the hash of its module's source.

    The methods of this package carry a version instead, so that an edited comment does not
    invalidate results.
    """
    if kind.__module__.split(".")[0] == "cdmer_bench":
        return ""
    try:
        source = Path(inspect.getfile(kind)).read_bytes()
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source).hexdigest()


def cell_key(cell: Cell, source_key: str, target_key: str) -> str:
    """Return the hash of everything that changes the cell's result."""
    kind = type(cell.method)
    return content_key(
        {
            "format": 1,
            "method": f"{kind.__module__}.{kind.__qualname__}",
            "version": kind.version,
            "code": code_identity(kind),
            "parameters": cell.method.parameters(),
            "grid": cell.grid,
            "descriptor": cell.descriptor_name,
            "source": source_key,
            "target": target_key,
            "corpus": cell.corpus,
            "task": [cell.task.name, cell.task.source, cell.task.target],
            "labels": [cell.task.label, cell.method_label, cell.descriptor_label],
        }
    )


@dataclass
class PreparedCell:
    """A cell that can be run: its settings, their batches and the shared arrays.

    Attributes
    ----------
    settings : list of dict
        The whole grid, in its order.
    batches : list of list of int
        Indices of the settings that are solved together.
    arrays : dict from str to ndarray
        What the method prepared for all batches; emptied once it is stored.
    class_codes : ndarray of uint8, shape (n_classes of the source,)
        The database's class index of each class that the method knows.
    source, target : FeatureSet
    """

    settings: list[Setting]
    batches: list[list[int]]
    arrays: Prepared
    class_codes: np.ndarray
    source: FeatureSet
    target: FeatureSet


def check_features(cell: Cell, source: FeatureSet, target: FeatureSet) -> None:
    """Refuse a pair of databases that cannot form a task.

    Raises
    ------
    UserError
        If their classes differ, or the source lacks a class of the target.
    """
    if source.classes != target.classes:
        raise UserError(
            f"{cell.task.label}: {source.database} has the classes {', '.join(source.classes)}, "
            f"but {target.database} has {', '.join(target.classes)}; give both the same classes"
        )
    for code in np.unique(target.y):
        if not (source.y == code).any():
            raise UserError(
                f"{cell.task.label}: the source {source.database} has no clip of the class "
                f"{source.classes[code]!r} that the target {target.database} holds; add some or "
                "leave that class out of both"
            )


def prepare_cell(cell: Cell, source: FeatureSet, target: FeatureSet) -> PreparedCell:
    """Compute what the cell's settings share. The method sees no target label.

    Raises
    ------
    UserError
        If the databases cannot form a task, or the grid or the samples do not suit the method.
    """
    check_features(cell, source, target)
    task = check_task(source.X, source.y, target.X, cell.method.needs_blocks)
    cell.method.classes_ = task.classes
    settings = cell.method.settings(cell.grid, task.shapes)
    return PreparedCell(
        settings,
        cell.method.batches(settings),
        cell.method.prepare(task.Xs, task.ys, task.Xt, task.Xt),
        np.asarray(task.classes, dtype=np.uint8),
        source,
        target,
    )
