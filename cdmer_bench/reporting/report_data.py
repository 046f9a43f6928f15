"""What the report shows, computed once: the page draws it, and carries it for its switches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.budget import rank_chances
from cdmer_bench.evaluation.metrics import confusion_matrices, f1_of_counts
from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.reporting.rules import JudgedCell
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import setting_text

# Points of a curve; enough for a smooth line over the few decades of a grid.
_POINTS = 24


@dataclass(frozen=True)
class Measure:
    """A number that tables, heat map and curves can show."""

    # as the page's script knows it: ``f1``, ``accuracy``, or ``recall0`` for the first class
    name: str
    label: str
    digits: int  # decimals that are shown


def measures(classes: Sequence[str]) -> list[Measure]:
    """Return mean F1, accuracy and the recall of each class."""
    recalls = [Measure(f"recall{i}", f"recall of {name} (%)", 2) for i, name in enumerate(classes)]
    return [Measure("f1", "mean F1", 4), Measure("accuracy", "accuracy (%)", 2), *recalls]


def measured(
    counts: NDArray,  # (..., n_classes, n_classes), rows are true classes
) -> NDArray[np.float64]:
    """Return the measures of confusion matrices; a class without a clip has no recall, NaN."""
    right, true = counts.diagonal(axis1=-2, axis2=-1), counts.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        recall = 100.0 * right / np.where(true, true, np.nan)
    f1 = f1_of_counts(counts).mean(axis=-1)
    percent = 100.0 * right.sum(axis=-1) / true.sum(axis=-1)
    return np.concatenate([f1[..., None], percent[..., None], recall], axis=-1)


@dataclass(frozen=True)
class Chosen:
    """What a rule chose from a grid."""

    index: int  # of the setting
    setting: str
    # (n_classes, n_classes), clips of the target by true class (rows) and predicted class
    counts: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Cell:
    """A method with its whole grid on one task."""

    record: CellRecord
    chosen: dict[str, Chosen | str]  # by rule; a text says why a rule chooses nothing

    def values(self, rule: str) -> NDArray[np.float64] | None:
        """Return the measures at the setting that the rule chooses, or None."""
        chosen = self.chosen.get(rule)
        return measured(chosen.counts) if isinstance(chosen, Chosen) else None


def cells_of(records: Sequence[CellRecord], judged: Sequence[JudgedCell]) -> list[Cell]:
    """Put what each rule chooses beside the records, in their order."""
    cells = []
    for record, its in zip(records, judged, strict=True):
        chosen: dict[str, Chosen | str] = {}
        for choice in its.choices:
            if choice.index is None:
                chosen[choice.rule] = choice.lack
                continue
            i = choice.index
            counts = confusion_matrices(
                record.y_target, record.predictions[i : i + 1], len(record.classes)
            )[0]
            chosen[choice.rule] = Chosen(i, setting_text(record.settings[i]), counts)
        cells.append(Cell(record, chosen))
    return cells


@dataclass(frozen=True)
class Curve:
    """What a rule reaches if only so many settings, drawn at random, had been tried."""

    method: str
    budgets: NDArray[np.intp]  # (n_budgets,)
    # (n_budgets, n_measures), expected measures at the setting that the rule chooses among them:
    # exact, without sampling. Means over the method's tasks, of which one with a smaller grid keeps
    # its last
    values: NDArray[np.float64]
    n_tasks: int


def curves(cells: Sequence[Cell], rules: Iterable[Rule]) -> dict[str, list[Curve]]:
    """Return the curves of every rule that chooses something, a curve for each method.

    A rule that cannot afford its criterion at settings which cannot win has no curves.
    """
    counts = {
        id(cell): measured(
            confusion_matrices(
                cell.record.y_target, cell.record.predictions, len(cell.record.classes)
            )
        )
        for cell in cells
    }
    methods = paper_order(cell.record.row for cell in cells)
    found = {}
    for rule in rules:
        if type(rule).contenders is not Rule.contenders:
            continue
        mine = [c for c in cells if isinstance(c.chosen.get(rule.name), Chosen)]
        lines = []
        for method in methods:
            of_method = [c for c in mine if c.record.row == method]
            if of_method:
                lines.append(_curve(method, of_method, rule, counts))
        if lines:
            found[rule.name] = lines
    return found


def _curve(
    method: str, cells: Sequence[Cell], rule: Rule, values: dict[int, NDArray[np.float64]]
) -> Curve:
    most = max(len(cell.record.settings) for cell in cells)
    budgets = np.unique(np.geomspace(1, most, _POINTS).round().astype(int))
    means = []
    for cell in cells:
        order = _preferred(cell, rule)
        chances = rank_chances(len(order), np.minimum(budgets, len(order)))
        means.append(chances @ values[id(cell)][order])
    return Curve(method, budgets, np.mean(means, axis=0), len(cells))


def _preferred(cell: Cell, rule: Rule) -> NDArray[np.intp]:
    """Sort the settings by the rule's criterion, its choice first, without undefined ones."""
    record, chosen = cell.record, cell.chosen[rule.name]
    assert isinstance(chosen, Chosen)
    if len(record.settings) == 1:
        return np.array([0])
    criterion = np.asarray(rule.criterion(record), dtype=float)
    criterion[chosen.index] = np.inf
    order = np.argsort(-criterion, kind="stable")
    return order[: int(np.count_nonzero(~np.isnan(criterion)))]


def embedded(
    cells: Sequence[Cell],
    lines: dict[str, list[Curve]],
    compared: Sequence[Cell],
    rules: Sequence[Rule],
    shown: Sequence[Measure],
) -> dict[str, Any]:
    """Return what the page's script needs, ready for JSON."""
    return {
        "measures": [vars(measure) for measure in shown],
        "rules": {rule.name: rule.label for rule in rules},
        "cells": [
            {
                "row": cell.record.row,
                "task": cell.record.task_label,
                "descriptor": cell.record.descriptor_label,
                "n": len(cell.record.y_target),
                "settings": len(cell.record.settings),
                "chosen": {
                    rule.name: _plain(cell.chosen[rule.name])
                    for rule in rules
                    if rule.name in cell.chosen
                },
            }
            for cell in cells
        ],
        "compared": [index for index, cell in enumerate(cells) if cell in compared],
        "curves": {
            rule: [
                {
                    "row": line.method,
                    "tasks": line.n_tasks,
                    "budgets": line.budgets.tolist(),
                    "values": [
                        [None if np.isnan(v) else round(v, 5) for v in row]
                        for row in line.values.T.tolist()
                    ],
                }
                for line in of_rule
            ]
            for rule, of_rule in lines.items()
        },
    }


def _plain(chosen: Chosen | str) -> dict[str, Any] | str:
    if isinstance(chosen, str):
        return chosen
    return {
        "index": chosen.index,
        "setting": chosen.setting,
        "counts": chosen.counts.tolist(),
    }


def searched_values(record: CellRecord) -> dict[str, list[Any]]:
    """Return the parameters that take several values in the grid, with these in order."""
    found = {}
    for name in record.settings[0]:
        values: list[Any] = [*{repr(s.get(name)): s.get(name) for s in record.settings}.values()]
        if len(values) > 1:
            numeric = all(isinstance(v, int | float) for v in values)
            found[name] = sorted(values) if numeric else sorted(values, key=str)
    return found


def settings_by_value(record: CellRecord, name: str) -> dict[str, list[int]]:
    """Return the settings at which a parameter has a value, by the value's ``repr``."""
    found: dict[str, list[int]] = {}
    for index, setting in enumerate(record.settings):
        found.setdefault(repr(setting.get(name)), []).append(index)
    return found


def number(value: Any) -> str:
    """Return a parameter's value in few characters."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 16 else text[:15] + "\N{HORIZONTAL ELLIPSIS}"
