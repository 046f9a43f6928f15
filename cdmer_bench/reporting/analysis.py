"""Intervals and tests: the numbers of the report, and as text what `cdmer stats` prints."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation import statistics
from cdmer_bench.evaluation.selection import NotRecorded, Rule
from cdmer_bench.io import one_line
from cdmer_bench.reporting import captions
from cdmer_bench.reporting.plot_style import short
from cdmer_bench.reporting.published import BASELINE, PAPER_DESCRIPTOR, paper_order
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import SIDES, database_title, each_once, remarks

_LONGEST = 32  # characters of a label in a column of text


@dataclass(frozen=True)
class CellComparison:
    """A cell's interval and its test against the Baseline on the same task."""

    task: str
    method: str
    mean_f1: float
    accuracy: float
    interval: statistics.Interval
    only_this: int | None = None  # clips that only this method has right
    only_baseline: int | None = None
    p: float | None = None  # of McNemar's exact test; None for the Baseline and without it


@dataclass(frozen=True)
class MethodComparison:
    """Methods over the tasks that all of them have."""

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    scores: NDArray[np.float64]  # (n_tasks, n_methods), mean F1
    left_out: tuple[str, ...]  # methods without a result on some of these tasks
    p: NDArray[np.float64] | None  # Wilcoxon's against the Baseline; None without it
    adjusted: NDArray[np.float64] | None  # after Holm
    ranking: statistics.Ranking | None  # None below two tasks or three methods
    tasks_left_out: tuple[str, ...] = ()  # on which some of the methods have no result
    lacking: tuple[str, ...] = ()  # these methods

    @property
    def over(self) -> str:
        """What the comparison is over, such as ``7 of 12 tasks``."""
        return captions.scope(self.tasks)

    @property
    def average_ranks(self) -> NDArray[np.float64]:
        """Each method's rank over the tasks, 1 is best; of two methods, too."""
        return statistics.ranks_of(self.scores).mean(axis=0)

    @property
    def left_out_sentences(self) -> tuple[str, ...]:
        """What is not compared, and why."""
        sentences = []
        if self.left_out:
            names = ", ".join(self.left_out)
            sentences.append(
                f"Left out, because they lack some of the {len(self.tasks)} tasks: {names}."
            )
        if self.tasks_left_out:
            tasks, names = ", ".join(self.tasks_left_out), ", ".join(self.lacking)
            lack = "has no result there" if len(self.lacking) == 1 else "lack some of their results"
            sentences.append(f"Left out, because {names} {lack}: {tasks}.")
        return tuple(sentences)


def comparable(records: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the records of one descriptor, which stand beside each other.

    That is the paper's descriptor if there are records with it, else the one that most have.
    """
    descriptors = [r.descriptor_label for r in records]
    if not descriptors:
        return []
    most = max(dict.fromkeys(descriptors), key=descriptors.count)
    descriptor = PAPER_DESCRIPTOR if PAPER_DESCRIPTOR in descriptors else most
    return [r for r in records if r.descriptor_label == descriptor]


def control_of(rows: Iterable[str]) -> str | None:
    """Return the row that others are tested against: the Baseline, or that of most tasks."""
    found = Counter(row for row in rows if row == BASELINE or row.startswith(f"{BASELINE} ["))
    return found.most_common(1)[0][0] if found else None


Chosen = dict[tuple[str, str], tuple[CellRecord, int]]  # by task and row: a record, its setting


def choose_settings(
    records: Iterable[CellRecord], rule: Rule
) -> tuple[Chosen, list[tuple[CellRecord, str]]]:
    """Return the setting that a rule chooses of each record, and of which it lacks what."""
    chosen: Chosen = {}
    lacks = []
    for record in records:
        try:
            chosen[record.task_label, record.row] = record, rule.select(record)
        except NotRecorded as lack:
            lacks.append((record, lack.short))
    return chosen, lacks


def compare_cells(records: Iterable[CellRecord], rule: Rule) -> list[CellComparison]:
    """Return each cell's bootstrap interval and its test against the Baseline."""
    return compare_chosen(choose_settings(records, rule)[0])


def compare_chosen(chosen: Chosen) -> list[CellComparison]:
    """Return the interval and the test of each cell at the setting chosen for it."""
    control = control_of(method for _, method in chosen)
    comparisons = []
    for (task, method), (record, index) in chosen.items():
        interval = statistics.bootstrap_interval(
            record.y_target, record.predictions[index], len(record.classes), record.subject_target
        )
        tested: tuple = ()
        base = chosen.get((task, control or ""))
        if base is not None and method != control:
            # By the names of the classes; another order of them is no other database.
            (true, mine), (same, other) = _in_names(record, index), _in_names(*base)
            if np.array_equal(true, same):
                tested = statistics.mcnemar(true, mine, other)
        mean_f1, accuracy = record.figures(index).values()
        comparisons.append(CellComparison(task, method, mean_f1, accuracy, interval, *tested))
    return comparisons


def _in_names(record: CellRecord, index: int) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return the true and the predicted classes of the target's clips at a setting."""
    names = np.array(record.classes)
    return names[record.y_target], names[record.predictions[index]]


def drawn_units(cells: Sequence[CellComparison]) -> str:
    """Say what the bootstrap drew: subjects, clips, or each for some of the cells."""
    kinds = {cell.interval.by_subject for cell in cells}
    if len(kinds) > 1:
        return "subjects where they are known, else clips"
    return "subjects" if True in kinds else "clips"


def compare_methods(cells: Sequence[CellComparison]) -> MethodComparison | None:
    """Test methods over tasks; None if no two methods share two tasks.

    Methods that lack one of the tasks compared are left out, so that no average hides a gap.
    """
    methods = paper_order(c.method for c in cells)
    scores_of = {(c.task, c.method): c.mean_f1 for c in cells}
    tasks_of = {m: {t for t, method in scores_of if method == m} for m in methods}
    control = control_of(c.method for c in cells)
    shared = _shared_tasks(tasks_of, control)
    if not shared:
        return None
    everywhere = paper_order(c.task for c in cells)
    tasks = [t for t in everywhere if t in shared]
    others = [t for t in everywhere if t not in shared]
    complete = [m for m in methods if shared <= tasks_of[m]]
    scores = np.array([[scores_of[t, m] for m in complete] for t in tasks])
    p, adjusted = None, None
    if control in complete:
        p, adjusted = statistics.wilcoxon_against(scores, complete.index(control))
    return MethodComparison(
        tasks=tuple(tasks),
        methods=tuple(complete),
        scores=scores,
        left_out=tuple(m for m in methods if m not in complete),
        p=p,
        adjusted=adjusted,
        ranking=statistics.friedman(scores) if len(complete) > 2 else None,
        tasks_left_out=tuple(others),
        lacking=tuple(m for m in complete if not tasks_of[m] >= set(others)),
    )


def _shared_tasks(tasks_of: Mapping[str, set[str]], control: str | None) -> set[str]:
    """Choose the tasks to compare over; none if no two methods share two.

    The most that the Baseline shares with another method: all of its own, as a rule. If it shares
    less than two with any, or there is none, the same for the most complete of the others.
    """
    for guide in sorted(tasks_of, key=lambda m: (m != control, -len(tasks_of[m]))):
        shares = [tasks_of[guide] & tasks for m, tasks in tasks_of.items() if m != guide]
        most = max(shares, key=len, default=set())
        if len(most) > 1:
            return most
    return set()


def stats_text(
    records: Sequence[CellRecord],  # one for each task and row
    rule: Rule,
    missing: Iterable[captions.Asked] = (),  # cells that were asked for and have no result
) -> str:
    """Return intervals and tests of each cell, and of the methods over tasks."""
    return "\n".join([*_head(records, rule, missing), *_tests(records, rule)]) + "\n"


def _head(
    records: Sequence[CellRecord], rule: Rule, missing: Iterable[captions.Asked]
) -> Iterator[str]:
    """Say what the numbers are of, and what a reader must know before quoting them."""
    yield f"Corpus: {one_line(records[0].corpus)}. Selection: {rule.name}."
    if any(record.synthetic for record in records):
        yield captions.SYNTHETIC
    told = each_once(" ".join(remarks(r, side)) for side in SIDES for r in records)
    yield from map(one_line, told)
    over = captions.scope(r.task_label for r in records)
    yield f"Tasks: {over}. {one_line(captions.absences(records, missing))}".rstrip()
    titles = ((r.task_label, *(database_title(r, side) for side in SIDES)) for r in records)
    yield from map(one_line, captions.about_letters(titles))
    if rule.caveat:
        yield f"{rule.name}: {rule.caveat}."


def _tests(records: Sequence[CellRecord], rule: Rule) -> Iterator[str]:
    chosen, lacks = choose_settings(records, rule)
    cells = compare_chosen(chosen)
    yield from map(one_line, captions.about_unchosen(lacks))
    if not cells:
        return
    task = max(len(_shown(cell.task)) for cell in cells) + 2
    width = max(len(_shown(cell.method)) for cell in cells) + 2
    yield f"""
95 % bootstrap intervals over {drawn_units(cells)}; McNemar's exact test against the
Baseline (won: clips that only the method has right, lost: only the Baseline; clips taken
as independent, p not corrected for the number of cells)
"""
    yield (
        f"{'task':<{task}}{'method':<{width}}{'mean F1':>8}  {'interval':<16}{'accuracy':>9}  "
        f"{'interval':<14}{'won : lost':>12}  {'p':>7}"
    )
    for cell in cells:
        f1 = "{:.3f} to {:.3f}".format(*cell.interval.mean_f1)
        percent = "{:.1f} to {:.1f}".format(*cell.interval.accuracy)
        won, p = "-", "-"
        if cell.p is not None:
            won, p = f"{cell.only_this} : {cell.only_baseline}", f"{cell.p:.3g}"
        yield (
            f"{_shown(cell.task):<{task}}{_shown(cell.method):<{width}}{cell.mean_f1:>8.4f}  "
            f"{f1:<16}{cell.accuracy:>9.2f}  {percent:<14}{won:>12}  {p:>7}"
        )
    yield ""
    overall = compare_methods(cells)
    if overall is None:
        yield "Tests over tasks need two methods that share two tasks."
        yield ""
    else:
        yield from _over_tasks(overall, width)
        yield ""
        yield statistics.DEPENDENCE
    if rule.uses_target_labels:
        yield captions.CHOSEN_ON_TARGET


def _over_tasks(overall: MethodComparison, width: int) -> Iterator[str]:
    ranking, adjusted = overall.ranking, overall.adjusted
    yield (
        f"Over {overall.over}: average rank (1 is best) and Wilcoxon's test against "
        "the Baseline, p after Holm\n"
    )
    yield f"{'method':<{width}}{'mean F1':>8}{'rank':>7}{'p (Holm)':>10}"
    for index, method in enumerate(overall.methods):
        rank = "-" if ranking is None else f"{ranking.average_ranks[index]:.2f}"
        p = "-" if adjusted is None else f"{adjusted[index]:.3g}".replace("nan", "-")
        mean = overall.scores[:, index].mean()
        yield f"{_shown(method):<{width}}{mean:>8.4f}{rank:>7}{p:>10}"
    if ranking is not None:
        yield (
            f"\nFriedman p = {ranking.p:.3g}; ranks closer than the critical difference "
            f"{ranking.critical_difference:.2f} are not told apart (Nemenyi, level 0.05)."
        )
    yield from map(one_line, overall.left_out_sentences)


def _shown(label: str) -> str:
    return short(one_line(label), _LONGEST)
