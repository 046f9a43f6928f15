"""The record of one cell: a method with its whole grid on one task with one descriptor."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CellRecord:
    """Everything that tables, selection rules, statistics and pictures need of a cell.

    Attributes
    ----------
    key : str
        Hash of everything that changes the result.
    task, task_label : str
        ``exp05`` and ``Exp.5``; for a pair outside the paper ``a__b`` and ``A → B``.
    source, target : str
        Keys of the databases.
    method, method_label : str
        ``drfs_t`` and ``DRFS-T``.
    descriptor, descriptor_label : str
        ``lbp_top_r3p8`` and ``LBP-TOP(R3P8)``.
    corpus : str
        Where the databases came from: ``released``, ``synthetic``, ...
    synthetic : bool
        True if either database is generated.
    grid : str
        Name of the grid: ``paper``, ``reduced`` or ``own``.
    solver : str
        ``paper`` or ``exact`` for methods with both modes, else empty.
    classes : tuple of str
    parameters : dict
        The method's fixed parameters.
    settings : list of dict
        Every setting of the grid, in the grid's order.
    predictions : ndarray of uint8, shape (n_settings, n_target)
        Class indices.
    y_target : ndarray of uint8, shape (n_target,)
        True class indices; for scoring and the oracle rule only, no method saw them.
    y_source : ndarray of uint8, shape (n_source,)
    subject_target : ndarray of str, shape (n_target,), or None
    scores : ndarray of float32, shape (n_settings, n_target, n_classes), or None
        Decision values, larger meaning more likely; None where the method records none.
    converged : ndarray of bool, shape (n_settings,)
    iterations : ndarray of int, shape (n_settings,)
    notes : dict from int to str
        By index of the setting.
    extras : dict from str to ndarray
        What else the method recorded, one row for each setting, such as RSTR's ``weights``; and
        the selection inputs (:mod:`cdmer_bench.evaluation.selection.source`), if recorded.
    about : dict
        Versions, host, date, seconds, command: what describes the run but does not change it.
    variant : str
        What tells it from other records of its method, task and descriptor, such as
        ``exact solver``; not stored, given by :func:`cdmer_bench.results.current.current`.
    """

    key: str
    task: str
    task_label: str
    source: str
    target: str
    method: str
    method_label: str
    descriptor: str
    descriptor_label: str
    corpus: str
    synthetic: bool
    grid: str
    solver: str
    classes: tuple[str, ...]
    parameters: dict[str, Any]
    settings: list[dict[str, Any]]
    predictions: NDArray[np.uint8]
    y_target: NDArray[np.uint8]
    y_source: NDArray[np.uint8]
    subject_target: NDArray[np.str_] | None
    scores: NDArray[np.float32] | None
    converged: NDArray[np.bool_]
    iterations: NDArray[np.intp]
    notes: dict[int, str] = field(default_factory=dict)
    extras: dict[str, NDArray] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def row(self) -> str:
        """Label of its row: the method's, with the variant in brackets if there are several."""
        return f"{self.method_label} [{self.variant}]" if self.variant else self.method_label
