"""Numbers behind the report and ``cdmer stats``: rules, gaps, intervals and tests, as data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection import NotRecorded, Rule
from cdmer_bench.evaluation.selection.gap import choices
from cdmer_bench.evaluation.statistics import (
    Interval,
    Ranking,
    bootstrap_interval,
    friedman,
    mcnemar,
    wilcoxon_against,
)
from cdmer_bench.reporting.published import BASELINE, PAPER_DESCRIPTOR
from cdmer_bench.results.record import CellRecord


@dataclass(frozen=True)
class RuleSummary:
    """How a rule fares for a method, over the tasks for which it has its input.

    Attributes
    ----------
    method, rule : str
    mean_f1, gap : float or None
        Means over ``n`` tasks; None if there is none.
    n, of : int
        Tasks with a result and the rule's input, and tasks that any method was run on.
    lack : str
        What was not recorded.
    """

    method: str
    rule: str
    mean_f1: float | None
    gap: float | None
    n: int
    of: int
    lack: str = ""


@dataclass(frozen=True)
class CellComparison:
    """A cell's interval and its test against the Baseline on the same task.

    Attributes
    ----------
    task, method : str
    mean_f1, accuracy : float
    interval : Interval
    only_this, only_baseline : int or None
        Samples that one of the two alone has right.
    p : float or None
        McNemar's exact test; None for the Baseline itself or without it.
    """

    task: str
    method: str
    mean_f1: float
    accuracy: float
    interval: Interval
    only_this: int | None = None
    only_baseline: int | None = None
    p: float | None = None


@dataclass(frozen=True)
class MethodComparison:
    """Methods over the tasks that all of them have.

    Attributes
    ----------
    tasks, methods : tuple of str
    scores : ndarray, shape (n_tasks, n_methods)
        Mean F1.
    left_out : tuple of str
        Methods without a result on some task that others have.
    p, adjusted : ndarray or None
        Wilcoxon against the Baseline, and after Holm; None without a Baseline.
    ranking : Ranking or None
        None below two tasks or three methods.
    """

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    scores: NDArray[np.float64]
    left_out: tuple[str, ...]
    p: NDArray[np.float64] | None
    adjusted: NDArray[np.float64] | None
    ranking: Ranking | None


def comparable(records: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the records that stand beside each other: one for each task and method.

    Those with the paper's descriptor if there are any, else with the one that most records
    have; of several records of a cell the one that comes first.
    """
    descriptors = [r.descriptor_label for r in records]
    if not descriptors:
        return []
    most = max(dict.fromkeys(descriptors), key=descriptors.count)
    descriptor = PAPER_DESCRIPTOR if PAPER_DESCRIPTOR in descriptors else most
    chosen: dict[tuple[str, str], CellRecord] = {}
    for record in records:
        if record.descriptor_label == descriptor:
            chosen.setdefault((record.task_label, record.method_label), record)
    return list(chosen.values())


def summarize_rules(records: Sequence[CellRecord], rules: Sequence[Rule]) -> list[RuleSummary]:
    """Average each rule's score and oracle gap over the tasks of each method."""
    made: dict[tuple[str, str], list] = {}
    n_tasks = len({record.task_label for record in records})
    for record in records:
        for choice in choices(record, rules):
            made.setdefault((record.method_label, choice.rule), []).append(choice)
    summaries = []
    for (method, name), found in made.items():
        scored = [c for c in found if c.mean_f1 is not None]
        lack = next((c.lack for c in found if c.lack), "")
        if scored:
            f1, gap = (float(np.mean([getattr(c, x) for c in scored])) for x in ("mean_f1", "gap"))
            summaries.append(RuleSummary(method, name, f1, gap, len(scored), n_tasks, lack))
        else:
            summaries.append(RuleSummary(method, name, None, None, 0, n_tasks, lack))
    return summaries


def compare_cells(records: Sequence[CellRecord], rule: Rule) -> list[CellComparison]:
    """Return each cell's bootstrap interval and its test against the Baseline."""
    chosen = {}
    for record in records:
        try:
            chosen[record.task_label, record.method_label] = record, rule.select(record)
        except NotRecorded:
            continue
    comparisons = []
    for (task, method), (record, index) in chosen.items():
        prediction = record.predictions[index]
        f1, percent = grid_scores(record.y_target, prediction[None], len(record.classes))
        interval = bootstrap_interval(
            record.y_target, prediction, len(record.classes), record.subject_target
        )
        tested: tuple = (None, None, None)
        base = chosen.get((task, BASELINE))
        if base is not None and method != BASELINE:
            other = base[0].predictions[base[1]]
            if np.array_equal(base[0].y_target, record.y_target):
                tested = mcnemar(record.y_target, prediction, other)
        comparisons.append(
            CellComparison(task, method, float(f1[0]), float(percent[0]), interval, *tested)
        )
    return comparisons


def compare_methods(cells: Sequence[CellComparison]) -> MethodComparison | None:
    """Test methods over tasks; None if no two methods share two tasks.

    Tasks that the Baseline (or, without one, the most complete method) has are used, and
    methods that lack one of them are left out, so that no average hides a gap.
    """
    methods = list(dict.fromkeys(c.method for c in cells))
    tasks_of = {m: [c.task for c in cells if c.method == m] for m in methods}
    if not methods:
        return None
    guide = BASELINE if BASELINE in methods else max(methods, key=lambda m: len(tasks_of[m]))
    tasks = tasks_of[guide]
    complete = [m for m in methods if set(tasks) <= set(tasks_of[m])]
    if len(complete) < 2 or len(tasks) < 2:
        return None
    scores_of = {(c.task, c.method): c.mean_f1 for c in cells}
    scores = np.array([[scores_of[t, m] for m in complete] for t in tasks])
    p = adjusted = None
    if BASELINE in complete:
        p, adjusted = wilcoxon_against(scores, complete.index(BASELINE))
    ranking = friedman(scores) if len(complete) > 2 else None
    left_out = tuple(m for m in methods if m not in complete)
    return MethodComparison(tuple(tasks), tuple(complete), scores, left_out, p, adjusted, ranking)
