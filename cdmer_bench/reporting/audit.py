"""The paper's tables checked against themselves and against what its protocol allows."""

from cdmer_bench.protocol import CLASSES, Task, composition, experiments
from cdmer_bench.reporting.audit_averages import Cells, wrong_averages
from cdmer_bench.reporting.feasibility import (
    constant_class,
    counts_with_accuracy,
    find_matrix,
)
from cdmer_bench.reporting.findings import KINDS, Finding, as_json, as_text
from cdmer_bench.reporting.published import AVERAGE, Printed, published

__all__ = ["Finding", "as_json", "as_text", "audit", "class_counts"]

# Table I as printed, in the order negative, positive, surprise.
PRINTED_TABLE_I = {
    "casme2": (73, 32, 25),
    "smic_hs": (70, 51, 43),
    "smic_vis": (28, 23, 20),
    "smic_nir": (28, 23, 20),
}
_STEP_F1 = 0.0001  # of printed figures


def audit(cells: Cells | None = None) -> list[Finding]:
    """Check every printed figure of Tables III to VII, and Table I through them.

    Parameters
    ----------
    cells : mapping, optional
        Printed cells by (table, row, column); by default the paper's.

    Returns
    -------
    list of Finding
        In the order of ``KINDS``, then of the paper.
    """
    cells = published() if cells is None else cells
    single = {place: printed for place, printed in cells.items() if AVERAGE not in place}
    findings = [f for place, printed in single.items() for f in _impossible(place, printed)]
    findings += wrong_averages(cells)
    findings += _duplicates(single)
    findings += _constants(single)
    findings += _contradictions(single)
    findings += _swapped_columns(single)
    order = list(KINDS)
    return sorted(findings, key=lambda f: order.index(f.kind))


def class_counts(task_label: str) -> tuple[int, ...]:
    """Return the target's clips of each class, by the corrected Table I."""
    return composition(_task(task_label).target)


def _task(label: str) -> Task:
    return next(task for task in experiments() if task.label == label)


def _impossible(place: tuple[str, str, str], printed: Printed) -> list[Finding]:
    counts = class_counts(place[2])
    n = sum(counts)
    right = counts_with_accuracy(printed.accuracy, n)
    if not right:
        near = sorted(range(n + 1), key=lambda k: abs(100 * k / n - printed.accuracy))[:2]
        nearest = " and ".join(f"{k}/{n} = {100 * k / n:.2f}" for k in near)
        return [
            Finding(
                "accuracy",
                *place,
                f"accuracy {printed.accuracy:.2f} is no count of {n} clips",
                f"the nearest are {nearest}",
                {"n_target": n, "nearest": near},
            )
        ]
    if any(find_matrix(printed.mean_f1, k, counts) for k in right):
        return []
    return [
        Finding(
            "mean_f1",
            *place,
            f"mean F1 {printed.mean_f1:.4f} cannot go with accuracy {printed.accuracy:.2f}",
            f"no confusion matrix of {'/'.join(map(str, counts))} clips with {right[0]} right "
            f"predictions has it (all searched); {_nearest_f1(printed.mean_f1, right[0], counts)}",
            {"class_counts": list(counts), "right": right},
        )
    ]


def _nearest_f1(mean_f1: float, right: int, counts: tuple[int, ...]) -> str:
    """Say which four-digit values next to ``mean_f1`` a confusion matrix does have."""
    near = []
    for sign in (-1, 1):
        for step in range(1, 200):
            value = round(mean_f1 + sign * step * _STEP_F1, 4)
            if find_matrix(value, right, counts):
                near.append(f"{value:.4f}")
                break
    return f"possible near it: {' and '.join(near) or 'none'}"


def _duplicates(cells: Cells) -> list[Finding]:
    by_figures: dict[tuple[str, float, float], list[tuple[str, str]]] = {}
    for (number, row, column), p in cells.items():
        if constant_class(p.mean_f1, p.accuracy, class_counts(column)) is None:
            by_figures.setdefault((column, p.mean_f1, p.accuracy), []).append((number, row))
    findings = []
    for (column, mean_f1, percent), places in by_figures.items():
        rows = list(dict.fromkeys(row for _, row in places))
        if len(rows) > 1:
            tables = ", ".join(dict.fromkeys(number for number, _ in places))
            findings.append(
                Finding(
                    "duplicate",
                    tables,
                    ", ".join(rows),
                    column,
                    f"all print {mean_f1:.4f} / {percent:.2f}",
                    "equal to every digit: both predict alike, or one was copied",
                )
            )
    return findings


def _constants(cells: Cells) -> list[Finding]:
    by_row: dict[tuple[str, str], list[str]] = {}
    for (number, row, column), p in cells.items():
        index = constant_class(p.mean_f1, p.accuracy, class_counts(column))
        if index is not None:
            by_row.setdefault((number, row), []).append(f"{column} {CLASSES[index]}")
    return [
        Finding(
            "constant",
            number,
            row,
            "",
            f"one class answered for every clip gives {len(answers)} of its cells",
            "; ".join(answers),
            {"cells": answers},
        )
        for (number, row), answers in by_row.items()
    ]


def _contradictions(cells: Cells) -> list[Finding]:
    by_place: dict[tuple[str, str], dict[Printed, list[str]]] = {}
    for (number, row, column), printed in cells.items():
        by_place.setdefault((row, column), {}).setdefault(printed, []).append(number)
    return [
        Finding(
            "contradiction",
            ", ".join(n for numbers in versions.values() for n in numbers),
            row,
            column,
            "is printed with different figures",
            "; ".join(
                f"{p.mean_f1:.4f} / {p.accuracy:.2f} in {', '.join(n)}" for p, n in versions.items()
            ),
        )
        for (row, column), versions in by_place.items()
        if len(versions) > 1
    ]


def _swapped_columns(cells: Cells) -> list[Finding]:
    """Find which class is answered throughout by classifiers trained on CASME II.

    A descriptor that makes a classifier trained on CASME II answer one class on SMIC (HS), whose
    counts all differ, names that class; on VIS and NIR the same classifier's accuracy then gives
    the number of clips of that class.
    """
    agree: dict[str, list[str]] = {"printed": [], "corrected": []}
    for (number, row, column), p in cells.items():
        task = _task(column)
        on_hs = cells.get((number, row, "Exp.7"))
        if task.source != "casme2" or column == "Exp.7" or on_hs is None:
            continue
        answer = constant_class(on_hs.mean_f1, on_hs.accuracy, PRINTED_TABLE_I["smic_hs"])
        if answer is None:
            continue
        for reading, counts in (
            ("printed", PRINTED_TABLE_I[task.target]),
            ("corrected", class_counts(column)),
        ):
            if constant_class(p.mean_f1, p.accuracy, counts) == answer:
                agree[reading].append(f"{row} {column}: {CLASSES[answer]}")
    if len(agree["corrected"]) <= len(agree["printed"]):
        return []
    return [
        Finding(
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
    ]
