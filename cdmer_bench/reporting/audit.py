"""Printed tables checked against themselves and against what the protocol allows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.io import gathered
from cdmer_bench.protocol import CLASSES, composition, experiments
from cdmer_bench.reporting.published import (
    AVERAGE,
    LAYOUTS,
    Cells,
    Paper,
    Printed,
    grid_parts,
    published,
)

# Table I as printed, in the order negative, positive, surprise.
PRINTED_TABLE_I = {
    "casme2": (73, 32, 25),
    "smic_hs": (70, 51, 43),
    "smic_vis": (28, 23, 20),
    "smic_nir": (28, 23, 20),
}
# A figure printed to d decimals stands for every value within half a unit of the last one; the
# margin covers the rounding of binary fractions and is far below the spacing of real scores.
_HALF_F1, _HALF_PERCENT = 0.00005, 0.005
# A mean of figures rounded to d decimals, itself rounded, is off by at most one unit.
_UNITS = (0.0001, 0.01)  # of mean F1 and accuracy
_MARGIN = 1e-9
_WHOLE = 1e-6  # of a step of a grid

KINDS: Mapping[str, str] = {
    "accuracy": "Accuracies that no count of right predictions gives",
    "mean_f1": "Mean F1 values that no confusion matrix with that accuracy gives",
    "average": "Averages that are not the mean of their row or column",
    "duplicate": "Different methods with the same figures in one experiment",
    "constant": "Figures of a classifier that predicts one class only",
    "copy": "Cells of the benchmark that were copied with other figures",
    "grid": "Settings outside the grid that the paper states",
    "contradiction": "The same cell printed differently in two tables",
    "table_i": "Table I",
}
# What a paper's own tables are checked for, and what those of a later one.
OF_BENCHMARK = tuple(kind for kind in KINDS if kind not in ("copy", "grid"))
OF_LATER = ("accuracy", "mean_f1", "average", "constant", "copy", "grid")

Place = tuple[str, str, str]  # table, row and column


@dataclass(frozen=True)
class Finding:
    """Something in the paper's tables that a reader should know."""

    kind: str  # A key of ``KINDS``
    table: str  # several are joined by commas, as rows are
    row: str
    column: str
    statement: str  # what is wrong or remarkable, in a sentence
    evidence: str  # what anyone can recompute
    numbers: dict[str, Any] = field(default_factory=dict)  # the numbers of the evidence


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings as plain dicts, ready for ``json.dump``."""
    return [asdict(finding) for finding in findings]


def as_text(findings: Sequence[Finding], kinds: Sequence[str] = OF_BENCHMARK) -> str:
    """Return the findings as a list to read, grouped by kind."""
    lines = []
    for kind in kinds:
        mine = [f for f in findings if f.kind == kind]
        lines.append(f"{KINDS[kind]}: {len(mine) or 'none'}")
        for f in mine:
            where = " ".join(filter(None, (f"Table {f.table}", f.row, f.column)))
            lines += [f"  {where}: {f.statement}", f"    {f.evidence}"]
        lines.append("")
    return "\n".join(lines)


def audit(
    cells: Cells | None = None,  # by default the paper's
) -> list[Finding]:
    """Check every printed figure of Tables III to VII, and Table I through them."""
    cells = published() if cells is None else cells
    single = {place: printed for place, printed in cells.items() if AVERAGE not in place}
    findings = [*_impossible(single), *_wrong_averages(cells), *_duplicates(single)]
    findings += [*_constants(single), *_contradictions(single), *_swapped_columns(single)]
    return sorted(findings, key=lambda f: OF_BENCHMARK.index(f.kind))


def audit_later(paper: Paper) -> list[Finding]:
    """Check the figures of a later paper, and what it copied from the benchmark."""
    own = paper.own_cells
    single = {place: printed for place, printed in own.items() if AVERAGE not in place}
    findings = [*_impossible(single), *_wrong_averages(own), *_constants(single)]
    for place, printed in paper.cells.items():
        right = published().get(place)
        if place not in own and right is not None and right != printed:
            found = f"the benchmark prints {_said(right)}"
            findings.append(Finding("copy", *place, f"is copied as {_said(printed)}", found))
    for place, setting in paper.settings.items():
        for name, value in setting.items():
            stated = paper.grids.get(name)
            if stated is None and paper.grids:
                outside = f"prints {name} = {value:g}, of which no grid is stated"
                evidence = f"stated: {', '.join(paper.grids)}"
                findings.append(Finding("grid", *place, outside, evidence))
            elif stated is not None and not _in_grid(value, stated):
                outside = f"prints {name} = {value:g}, which its grid does not hold"
                findings.append(Finding("grid", *place, outside, f"stated: {name} in {stated}"))
    return sorted(findings, key=lambda f: OF_LATER.index(f.kind))


def _said(printed: Printed) -> str:
    return " / ".join(printed.parts)


def _in_grid(value: float, stated: str) -> bool:
    """Whether a grid such as ``1:1:85`` or ``0.1:0.1:1, 2:1:9`` (first, step, last) has a value."""
    for first, step, last in grid_parts(stated):
        steps = (value - first) / step
        if abs(steps - round(steps)) < _WHOLE and -_WHOLE < steps < (last - first) / step + _WHOLE:
            return True
    return False


def _class_counts(task_label: str) -> tuple[int, int, int]:
    """Return the target's clips of each class, by the corrected Table I."""
    return composition(next(task.target for task in experiments() if task.label == task_label))


def _constant(printed: Printed, task_label: str) -> int | None:
    return constant_class(printed.mean_f1, printed.accuracy, _class_counts(task_label))


def _impossible(cells: Cells) -> Iterator[Finding]:
    """Find accuracies and mean F1 values that no predictions give."""
    for place, printed in cells.items():
        counts = _class_counts(place[2])
        n = sum(counts)
        right = counts_with_accuracy(printed.accuracy, n)
        if not right:
            near = sorted(range(n + 1), key=lambda k: abs(100 * k / n - printed.accuracy))[:2]
            nearest = " and ".join(f"{k}/{n} = {100 * k / n:.2f}" for k in near)
            yield Finding(
                "accuracy",
                *place,
                f"accuracy {printed.accuracy:.2f} is no count of {n} clips",
                f"the nearest are {nearest}",
                {"n_target": n, "nearest": near},
            )
        elif not any(find_matrix(printed.mean_f1, k, counts) for k in right):
            yield Finding(
                "mean_f1",
                *place,
                f"mean F1 {printed.mean_f1:.4f} cannot go with accuracy {printed.accuracy:.2f}",
                f"no confusion matrix of {'/'.join(map(str, counts))} clips with {right[0]} right "
                f"predictions has it (all searched); "
                f"possible near it: {_nearest_f1(printed.mean_f1, right[0], counts) or 'none'}",
                {"class_counts": list(counts), "right": right},
            )


def _nearest_f1(mean_f1: float, right: int, counts: tuple[int, ...]) -> str:
    """Name the four-digit values next to ``mean_f1`` that a confusion matrix does have."""
    near: list[str] = []
    for sign in (-1, 1):
        values = (round(mean_f1 + sign * step * _UNITS[0], 4) for step in range(1, 200))
        possible = (f"{value:.4f}" for value in values if find_matrix(value, right, counts))
        near += islice(possible, 1)
    return " and ".join(near)


def _duplicates(cells: Cells) -> Iterator[Finding]:
    by_figures = gathered(
        ((column, printed), (number, row))
        for (number, row, column), printed in cells.items()
        if _constant(printed, column) is None
    )
    for (column, printed), places in by_figures.items():
        numbers, rows = (list(dict.fromkeys(names)) for names in zip(*places, strict=True))
        if len(rows) > 1:
            yield Finding(
                "duplicate",
                ", ".join(numbers),
                ", ".join(rows),
                column,
                f"all print {_said(printed)}",
                "equal to every digit: both predict alike, or one was copied",
            )


def _constants(cells: Cells) -> Iterator[Finding]:
    by_row = gathered(
        ((number, row), f"{column} {CLASSES[index]}")
        for (number, row, column), printed in cells.items()
        if (index := _constant(printed, column)) is not None
    )
    for place, answers in by_row.items():
        told = f"predicting one class for every clip gives {len(answers)} of its cells"
        yield Finding("constant", *place, "", told, "; ".join(answers), {"cells": answers})


def _contradictions(cells: Cells) -> Iterator[Finding]:
    by_place = gathered(((row, column), (p, number)) for (number, row, column), p in cells.items())
    for place, printed in by_place.items():
        versions = gathered(printed)
        if len(versions) > 1:
            numbers = ", ".join(n for numbers in versions.values() for n in numbers)
            evidence = "; ".join(f"{_said(p)} in {', '.join(n)}" for p, n in versions.items())
            statement = "is printed with different figures"
            yield Finding("contradiction", numbers, *place, statement, evidence)


def _swapped_columns(cells: Cells) -> Iterator[Finding]:
    """Find which class is answered throughout by classifiers trained on CASME II.

    A descriptor that makes a classifier trained on CASME II answer one class on SMIC (HS), whose
    counts all differ, names that class; on VIS and NIR the same classifier's accuracy then gives
    the number of clips of that class.
    """
    targets = {task.label: task.target for task in experiments() if task.source == "casme2"}
    agree: dict[str, list[str]] = {"printed": [], "corrected": []}
    for (number, row, column), p in cells.items():
        on_hs = cells.get((number, row, "Exp.7"))
        if column not in targets or column == "Exp.7" or on_hs is None:
            continue
        answer = constant_class(on_hs.mean_f1, on_hs.accuracy, PRINTED_TABLE_I["smic_hs"])
        if answer is None:
            continue
        readings = (PRINTED_TABLE_I[targets[column]], _class_counts(column))
        for found, counts in zip(agree.values(), readings, strict=True):
            if constant_class(p.mean_f1, p.accuracy, counts) == answer:
                found.append(f"{row} {column}: {CLASSES[answer]}")
    if len(agree["corrected"]) > len(agree["printed"]):
        yield Finding(
            "table_i",
            "I",
            "SMIC (VIS), SMIC (NIR)",
            "Positive, Negative",
            "the two columns are swapped: there are 23 negative and 28 positive clips",
            f"classifiers trained on CASME II that answer one class on SMIC (HS) answer the same "
            f"class on VIS and NIR in {len(agree['corrected'])} cells if the columns are swapped "
            f"back ({'; '.join(agree['corrected'])}), in {len(agree['printed'])} as printed",
            {reading: len(found) for reading, found in agree.items()},
        )


def _wrong_averages(cells: Cells) -> Iterator[Finding]:
    """Find the averages that differ by more than rounding explains, and a slip that would."""
    for (number, row, column), printed in cells.items():
        layout = LAYOUTS[number]
        if column == AVERAGE:
            names, places = "tasks", {c: (number, row, c) for c in layout.columns}
        elif row == AVERAGE:
            names, places = layout.compares, {r: (number, r, column) for r in layout.rows}
        else:
            continue
        parts = {name: cells[place] for name, place in places.items() if place in cells}
        if not parts:
            continue
        means = np.mean([astuple(part) for part in parts.values()], axis=0)
        mean_f1, percent = means.tolist()
        f1_agrees, percent_agrees = _agree(means, printed)
        wrong = []
        # The mean with a digit more than is printed, or one that is off by a unit would not show.
        if not f1_agrees:
            wrong.append(f"mean F1 {printed.mean_f1:.4f}, but the mean is {mean_f1:.5f}")
        if not percent_agrees:
            wrong.append(f"accuracy {printed.accuracy:.2f}, but the mean is {percent:.3f}")
        if wrong:
            yield Finding(
                "average",
                number,
                row,
                column,
                f"prints {'; '.join(wrong)}",
                f"mean of the {len(parts)} printed {names}"
                + _explain(cells, (number, row, column), parts, means),
                {"mean_f1": round(mean_f1, 6), "accuracy": round(percent, 4), "n": len(parts)},
            )


def _explain(cells: Cells, place: Place, parts: Mapping[str, Printed], means: NDArray) -> str:
    """Name a slip that would explain an average: digits in another order, or one other part.

    The other part must be printed elsewhere in the same column and make both figures agree.
    """
    number, _, column = place
    printed = cells[place]
    same_digits = sorted(f"{means[0]:.4f}") == sorted(printed.parts[0])
    if same_digits and not _agree(means, printed)[0]:
        return "; the mean F1 has the same digits in another order"
    for name, part in parts.items():
        task, cell = (name, name) if column == AVERAGE else (column, f"{name} {column}")
        for (other_number, row, other_task), other in cells.items():
            apart = np.subtract(astuple(other), astuple(part))
            here = (other_number, other_task) == (number, task) and AVERAGE not in (row, task)
            if here and _agree(means + apart / len(parts), printed).all():
                was, is_ = _said(part), _said(other)
                return f"; right if {cell} were not {was} but {is_}, as {row} has it"
    return ""


def _agree(means: NDArray, printed: Printed) -> NDArray[np.bool_]:
    """Whether the means of mean F1 and of accuracy are those printed, but for rounding."""
    return np.abs(means - astuple(printed)) <= np.add(_UNITS, _MARGIN)


def counts_with_accuracy(percent: float, n: int) -> list[int]:
    """Return the counts of right predictions of ``n`` that print as ``percent``."""
    return [k for k in range(n + 1) if abs(100 * k / n - percent) <= _HALF_PERCENT + _MARGIN]


@cache
def find_matrix(
    mean_f1: float,  # as printed, four decimals
    n_right: int,
    class_counts: tuple[int, ...],  # true samples of each class
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Find a confusion matrix of three classes with that mean F1 and so many right predictions.

    Right predictions and all predictions of each class determine it; None if there is none.
    """
    n_wrong = sum(class_counts) - n_right
    low, high = 3 * (mean_f1 - _HALF_F1), 3 * (mean_f1 + _HALF_F1)
    wrong, rights = _splits(n_wrong), _splits(n_right)
    for right in rights[(rights <= class_counts).all(axis=1)]:
        base = np.add(class_counts, right)
        # F1_i = 2 right_i / (true_i + predicted_i) is largest without wrong predictions of i.
        if (2 * right / base).sum() < low - _MARGIN:
            continue
        if (2 * right / (base + n_wrong)).sum() > high + _MARGIN:
            continue
        total = (2 * right / (base + wrong)).sum(axis=1)
        missed = np.subtract(class_counts, right)
        fits = (np.abs(total - 3 * mean_f1) <= 3 * _HALF_F1 + _MARGIN) & (
            wrong + missed <= n_wrong
        ).all(axis=1)
        if fits.any():
            predicted = right + wrong[fits.argmax()]
            return tuple(right.tolist()), tuple(predicted.tolist())
    return None


def constant_class(mean_f1: float, percent: float, class_counts: Sequence[int]) -> int | None:
    """Return the class that, answered for every sample, gives both figures, or None."""
    n = sum(class_counts)
    for index, count in enumerate(class_counts):
        f1 = 2 * count / (n + count) / len(class_counts)
        if abs(f1 - mean_f1) <= _HALF_F1 + _MARGIN and count in counts_with_accuracy(percent, n):
            return index
    return None


def _splits(total: int) -> NDArray[np.intp]:
    """List all triples of counts that add up to ``total``, shape (n, 3)."""
    first, second = np.indices((total + 1, total + 1))
    third = total - first - second
    return np.stack([first, second, third], axis=-1)[third >= 0]
