"""What each picture shows and by which scale, computed once, for the report and `cdmer plot`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import confusion_matrices, f1_of_counts, grid_scores
from cdmer_bench.evaluation.selection import Choice, Rule, choices
from cdmer_bench.evaluation.statistics import budget_curve, rank_chances
from cdmer_bench.io import gathered
from cdmer_bench.protocol import BLOCK_GRIDS, BLOCK_GRIDS_OF_THE_TEXT
from cdmer_bench.reporting.plot_style import short
from cdmer_bench.reporting.published import paper_order
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import setting_text

if TYPE_CHECKING:
    import pandas as pd

# Settings tried at random in the table of the report; pictures have the whole curves.
BUDGETS = (1, 10, 50, 100, 1000)
# Points of a curve; enough for a smooth line over the few decades of a grid.
_POINTS = 24
_MOST_MAPS = 12
# Known sets of grids by their number of blocks; the default and the paper's literal one.
KNOWN_GRIDS = {sum(g * g for g in grids): grids for grids in (BLOCK_GRIDS, BLOCK_GRIDS_OF_THE_TEXT)}

# A record with the places of source, then target samples before and after adaptation, shape (n, 2);
# None for a method that moves no sample.
Placed = tuple[CellRecord, NDArray, NDArray | None]


@dataclass(frozen=True, eq=False)
class Cell:
    """A method with its whole grid on one task, and what each rule chooses from it."""

    record: CellRecord
    choices: Mapping[str, Choice]  # by rule
    # Expected best mean F1 of so many settings drawn at random.
    budgets: Mapping[int, float]

    def index(self, rule: str) -> int | None:
        """Return the setting that the rule chooses, if it chooses one."""
        return self.choices[rule].index if rule in self.choices else None

    def setting(self, rule: str) -> str:
        """Return the chosen setting as text."""
        index = self.index(rule)
        return "" if index is None else setting_text(self.record.settings[index])

    def counts(self, rule: str) -> NDArray[np.intp] | None:
        """Return the confusion matrix at the chosen setting, true classes in rows."""
        index = self.index(rule)
        return None if index is None else counts_of(self.record, [index])[0]

    def values(self, rule: str) -> NDArray[np.float64] | None:
        """Return the measures at the chosen setting."""
        counts = self.counts(rule)
        return None if counts is None else measured(counts)


def cells_of(records: Iterable[CellRecord], rules: Sequence[Rule]) -> list[Cell]:
    """Return for each record what each rule chooses, and its expected score by budget."""
    cells = []
    for record in records:
        f1, _ = grid_scores(record.y_target, record.predictions, len(record.classes))
        parts = [m for m in BUDGETS if m <= len(f1)]
        expected = dict(zip(parts, budget_curve(f1, parts).tolist(), strict=True))
        cells.append(Cell(record, {c.rule: c for c in choices(record, rules)}, expected))
    return cells


def counts_of(record: CellRecord, settings: Any = slice(None)) -> NDArray[np.intp]:
    """Return the confusion matrices of settings, by default of all."""
    return confusion_matrices(record.y_target, record.predictions[settings], len(record.classes))


def measured(
    counts: NDArray,  # (..., n_classes, n_classes), rows are true classes
) -> NDArray[np.float64]:
    """Return mean F1, accuracy and the recall of each class; NaN for a class without a clip."""
    right, true = counts.diagonal(axis1=-2, axis2=-1), counts.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        recall = 100.0 * right / np.where(true, true, np.nan)
    f1 = f1_of_counts(counts).mean(axis=-1)
    percent = 100.0 * right.sum(axis=-1) / true.sum(axis=-1)
    return np.concatenate([f1[..., None], percent[..., None], recall], axis=-1)


@dataclass(frozen=True)
class Curve:
    """What a rule reaches if only so many settings, drawn at random, had been tried."""

    method: str
    n_tasks: int
    budgets: NDArray[np.intp]  # (n_budgets,)
    # (n_budgets, n_measures), expected measures at the setting that the rule chooses among them:
    # exact, without sampling. Means over the method's tasks, of which one with a smaller grid keeps
    # its last
    values: NDArray[np.float64]


def curves(cells: Sequence[Cell], rules: Iterable[Rule]) -> dict[str, list[Curve]]:
    """Return the curves of every rule that chooses something, a curve for each method.

    A rule that computes its criterion only where a setting may win has no curves. Recall is
    left out where tasks differ in their classes.
    """
    shared = 2 if len({cell.record.classes for cell in cells}) > 1 else None
    values = {id(cell): measured(counts_of(cell.record))[:, :shared] for cell in cells}
    found: dict[str, list[Curve]] = {}
    for rule in rules:
        if type(rule).contenders is not Rule.contenders:
            continue
        mine = gathered((c.record.row, c) for c in cells if c.index(rule.name) is not None)
        for method in paper_order(c.record.row for c in cells if c.record.row in mine):
            most = max(len(cell.record.settings) for cell in mine[method])
            budgets = np.unique(np.geomspace(1, most, _POINTS).round().astype(int))
            means = [
                rank_chances(len(order), np.minimum(budgets, len(order))) @ values[id(cell)][order]
                for cell in mine[method]
                for order in [_preferred(cell, rule)]
            ]
            line = Curve(method, len(means), budgets, np.mean(means, axis=0))
            found.setdefault(rule.name, []).append(line)
    return found


def _preferred(cell: Cell, rule: Rule) -> NDArray[np.intp]:
    """Sort the settings by the rule's criterion, its choice first, without undefined ones."""
    if len(cell.record.settings) == 1:
        return np.array([0])
    criterion = np.asarray(rule.criterion(cell.record), dtype=float)
    criterion[cell.index(rule.name)] = np.inf
    order = np.argsort(-criterion, kind="stable")
    return order[: int(np.count_nonzero(~np.isnan(criterion)))]


def times(records: Iterable[CellRecord]) -> "pd.DataFrame":
    """Return seconds of computing of every cell: ``whole`` grid and ``one`` setting of it."""
    import pandas as pd

    timed = [r for r in records if isinstance(r.about.get("seconds"), int | float)]
    places = [(r.row, r.task_label) for r in timed]
    table = pd.DataFrame(places, columns=["method", "task"])
    table["whole"] = [max(float(r.about["seconds"]), 1e-3) for r in timed]
    table["one"] = table["whole"] / [len(r.settings) for r in timed]
    return table


@dataclass(frozen=True)
class Parameters:
    """A grid as the values of its parameters: of those that take several."""

    names: list[str]
    values: list[list[Any]]  # of each parameter, in order
    places: NDArray[np.intp]  # (n_settings, n_parameters), which of the values a setting has

    @property
    def of_maps(self) -> list[int]:
        """Which parameter is spread over panels (of three), rows and columns; none if too many."""
        order = sorted(range(len(self.names)), key=lambda j: len(self.values[j]))
        few = len(order) == 3 and len(self.values[order[0]]) <= _MOST_MAPS
        return order if len(order) == 2 or few else []

    def maps(self) -> NDArray[np.intp]:
        """Return the setting at each place, (n_panels, n_rows, n_columns); -1 where none is."""
        sizes = [len(self.values[j]) for j in self.of_maps]
        found = np.full(sizes, -1)
        found[tuple(self.places[:, self.of_maps].T)] = np.arange(len(self.places))
        return found.reshape(-1, *sizes[-2:])

    def over_others(self, j: int, f1: NDArray) -> NDArray[np.float64]:
        """Return the best and the median score at each value of a parameter, (2, n_values)."""
        groups = [f1[self.places[:, j] == i] for i in range(len(self.values[j]))]
        return np.array([[g.max() for g in groups], [np.median(g) for g in groups]])


def parameters(record: CellRecord) -> Parameters:
    """Return the parameters that take several values in a record's grid."""
    found = Parameters([], [], np.empty((len(record.settings), 0), dtype=int))
    for name in record.settings[0]:
        given = [setting.get(name) for setting in record.settings]
        values = list({repr(value): value for value in given}.values())
        if len(values) > 1:
            numeric = all(isinstance(v, int | float) for v in values)
            values.sort(key=None if numeric else str)
            order = {repr(value): i for i, value in enumerate(values)}
            places = np.column_stack([found.places, [order[repr(value)] for value in given]])
            found = Parameters([*found.names, name], [*found.values, values], places)
    return found


def number(value: Any) -> str:
    """Return a parameter's value in few characters."""
    return short(f"{float(f'{value:.4g}'):g}" if isinstance(value, float) else str(value), 16)


def block_images(
    # (n_blocks,), in the features' order: grid by grid, within a grid column by column from the
    # left, a column from the top
    weights: ArrayLike,
) -> list[NDArray]:
    """Arrange block weights as an image for each grid, row 0 at the top of the face."""
    values = np.asarray(weights, dtype=float)
    if len(values) not in KNOWN_GRIDS:
        raise UserError(
            f"{len(values)} blocks are neither the grids 1, 2, 4, 8 (85) nor 1, 2, 3, 4 (30)"
        )
    sides = KNOWN_GRIDS[len(values)]
    parts = np.split(values, np.cumsum([g * g for g in sides])[:-1])
    return [part.reshape(g, g).T for g, part in zip(sides, parts, strict=True)]


def overlay(images: Sequence[NDArray]) -> NDArray[np.float64]:
    """Lay grids over one another: at each place the sum of the weights of its blocks."""
    side = math.lcm(*map(len, images))
    return np.sum([np.kron(g, np.ones((side // len(g),) * 2)) for g in images], axis=0)


def shares(images: Sequence[NDArray]) -> list[float]:
    """Return the share of the whole weight that each grid holds; 0 where all weights are 0."""
    total = max(sum(float(image.sum()) for image in images), 1e-300)
    return [float(image.sum()) / total for image in images]


def samples(placed: Sequence[Placed]) -> list[tuple[str, CellRecord, NDArray]]:
    """Return the panels of an embedding: before adaptation, and after each method that moves."""
    first, before, _ = placed[0]
    moved = [(f"after {r.row}", r, after) for r, _, after in placed if after is not None]
    return [("before adaptation", first, before), *moved]


@dataclass(frozen=True)
class Axis:
    """The range of an axis, and whether it is logarithmic; ``labels`` stand at whole numbers."""

    low: float
    high: float
    log: bool = False
    labels: Sequence[str] = ()

    def at(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end."""
        if self.high <= self.low:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return float((value - self.low) / (self.high - self.low))

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return places from 0 to 1 with their labels, at most about so many."""
        if self.labels:
            step = -(-len(self.labels) // most)
            return [(self.at(i), self.labels[i]) for i in range(0, len(self.labels), step)]
        values = self._decades(most) if self.log else []
        if len(values) < 2:
            values = self._round_numbers(most)
        return [(p, f"{v:.6g}") for v in values if 0 <= (p := self.at(v)) <= 1]

    def _decades(self, most: int) -> list[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        step = max(1, -(-(last - first + 1) // most))
        return [10.0**power for power in range(first, last + 1, step)]

    def _round_numbers(self, most: int) -> list[float]:
        """Return multiples of 1, 2 or 5 times a power of ten that lie on the axis."""
        if self.high <= self.low:
            return [self.low]
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]


def axis(values: Iterable[float], *, log: bool = False, margin: float = 0.06) -> Axis:
    """Return an axis that holds all values, with some room at both ends unless logarithmic."""
    finite = [float(v) for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if log:
        return Axis(low, high if high > low else low * 10, True)
    room = margin * ((high - low) or abs(high) or 1.0)
    return Axis(low - room, high + room)
