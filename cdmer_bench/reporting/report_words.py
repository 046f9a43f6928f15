"""Sentences of the report: what was run, what came out, whether to believe it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.reporting.analysis import CellComparison, MethodComparison, control_of
from cdmer_bench.reporting.captions import absences, join_names, task_span
from cdmer_bench.reporting.published import DIRECTIONS, paper_order
from cdmer_bench.reporting.tables import MissingCell
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import database_title, remarks

_EVIDENCE = 0.05
_SIDES = ("source", "target")


def of_the_paper(records: Iterable[CellRecord]) -> bool:
    """Whether all tasks are among the paper's twelve."""
    return all(record.task_label in DIRECTIONS for record in records)


def title(records: Sequence[CellRecord]) -> str:
    """Return the page's heading."""
    if of_the_paper(records):
        return "Cross-database micro-expression recognition"
    return f"Trained on one database, tested on another: {records[0].corpus}"


def lead(records: Sequence[CellRecord]) -> str:
    """Say in a line what was run."""
    methods = len({r.row for r in records})
    tasks = list(dict.fromkeys(r.task_label for r in records))
    classes = join_names([c for r in records for c in r.classes], 6)
    return (
        f"{_count(methods, 'method')} on {_span(tasks)} ({classes}): trained on one database, "
        "tested on another whose labels they never see."
    )


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


def _span(tasks: Sequence[str]) -> str:
    if all(task in DIRECTIONS for task in tasks):
        if len(tasks) == 1:
            return f"{tasks[0]} ({DIRECTIONS[tasks[0]]})"
        return "all 12 tasks of the paper" if len(tasks) == 12 else f"{len(tasks)} of 12 tasks"
    return tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"


def warnings(
    records: Sequence[CellRecord], compared: Sequence[CellRecord], missing: Sequence[MissingCell]
) -> list[tuple[str, str]]:
    """Return what a reader must know before quoting a figure, as a word and a short sentence."""
    lines = []
    if any(r.synthetic for r in records):
        lines.append(("Synthetic", "generated databases, not CASME II or SMIC."))
    about = dict.fromkeys(text for r in records for s in _SIDES for text in remarks(r, s))
    if about:
        lines.append(("Data", join_names([*about], 2, " ")))
    lacking = [absences(compared, missing)]
    tasks = {r.task_label for r in records}
    if tasks < set(DIRECTIONS):
        lacking.insert(0, f"{len(tasks)} of the paper's {len(DIRECTIONS)} tasks.")
    if missing:
        reasons = Counter(m.reason.split(":")[0] for m in missing)
        lacking.append(", ".join(f"{n} {reason}" for reason, n in reasons.items()) + ".")
    if any(lacking):
        lines.append(("Not complete", " ".join(filter(None, lacking))))
    return lines


def answer(
    overall: MethodComparison | None, cells: Sequence[CellComparison], rule: Rule
) -> tuple[str, str, list[str]]:
    """Say which method is best, by how much, and whether that is more than chance.

    Returns
    -------
    best, headline : str
        The best method's name, empty if there is nothing to say, and what it has.
    sentences : list of str
    """
    if overall is None:
        best, headline, sentences = _of_cells(cells)
    else:
        best, headline, sentences = _over_tasks(overall)
    if best and rule.uses_target_labels:
        sentences.append(
            "Every setting was chosen with the target's own labels: read the figures as upper "
            "bounds."
        )
    elif best:
        sentences.append(f"Settings were chosen by {rule.name}, without a target label.")
    return best, headline, sentences


def _over_tasks(overall: MethodComparison) -> tuple[str, str, list[str]]:
    means = dict(zip(overall.methods, overall.scores.mean(axis=0).tolist(), strict=True))
    highest = max(means.values())
    leaders = [m for m in overall.methods if means[m] == highest]
    best = join_names(leaders, 3)
    headline = f"mean F1 {highest:.4f} on average over {overall.over}"
    sentences = []
    control = control_of(means)
    if control is None:
        sentences.append(
            "Without the Baseline among the results nothing says how much adaptation adds."
        )
    elif control in leaders:
        sentences.append("No method is better than the Baseline, which does not adapt.")
    else:
        sentences.append(
            f"That is {highest - means[control]:.4f} more than the Baseline, which does not adapt "
            f"and has {means[control]:.4f}. {_belief(overall, leaders[0])}"
        )
    if overall.left_out:
        names = join_names(overall.left_out, 20)
        sentences.append(f"Not compared, because tasks are missing: {names}.")
    return best, headline, sentences


def _belief(overall: MethodComparison, best: str) -> str:
    """Say whether a method's lead over the Baseline is more than chance."""
    if overall.adjusted is None:
        return ""
    p, n = float(overall.adjusted[overall.methods.index(best)]), len(overall.tasks)
    test = f"Wilcoxon's test over {n} tasks, p = {p:.2g} after Holm's correction"
    if p < _EVIDENCE:
        return f"That is more than chance would give ({test})."
    if 2.0 ** (1 - n) * (len(overall.methods) - 1) >= _EVIDENCE:
        return f"{n} tasks are too few to tell this from chance."
    return f"It may be chance ({test})."


def _of_cells(cells: Sequence[CellComparison]) -> tuple[str, str, list[str]]:
    if not cells:
        return "", "", []
    tasks = {cell.task for cell in cells}
    if len(tasks) > 1:
        return "", "", ["No two methods share two tasks, so none can be called the best."]
    first = max(cells, key=lambda cell: cell.mean_f1)
    low, high = first.interval.mean_f1
    headline = (
        f"mean F1 {first.mean_f1:.4f} on {first.task} (95 % interval {low:.2f} to {high:.2f})"
    )
    control = control_of(cell.method for cell in cells)
    base = next((cell for cell in cells if cell.method == control), None)
    if base is None:
        text = "Without the Baseline among the results nothing says how much adaptation adds."
    elif first.method == control or first.p is None:
        text = "No method is better than the Baseline, which does not adapt."
    else:
        believed = "more than chance would give" if first.p < _EVIDENCE else "maybe chance"
        text = (
            f"That is {first.mean_f1 - base.mean_f1:.4f} more than the Baseline, which does not "
            f"adapt and has {base.mean_f1:.4f}: {believed} (McNemar's test, p = {first.p:.2g})."
        )
    return first.method, headline, [text, "One task says little about others."]


def facts(records: Sequence[CellRecord], rule: Rule) -> list[tuple[str, str]]:
    """Return names and values of what was run, for the folded block."""
    dates = sorted(str(r.about["date"]) for r in records if r.about.get("date"))
    span = " to ".join(dict.fromkeys(d[:16].replace("T", " ") for d in (dates[:1] + dates[-1:])))
    versions = {
        f"{name} {version}"
        for r in records
        for name, version in dict(r.about.get("versions") or {}).items()
    }
    cells, settings = len(records), sum(len(r.settings) for r in records)
    pairs = [
        ("Results", f"{_count(cells, 'finished cell')}, {_count(settings, 'setting')} in all"),
        ("Corpus", _names(r.corpus for r in records)),
        ("Databases", _names(sorted({database_title(r, s) for r in records for s in _SIDES}))),
        ("Methods", _names(paper_order(r.row for r in records))),
        ("Descriptors", _names(paper_order(r.descriptor_label for r in records))),
        ("Tasks", _tasks(records)),
        ("Selection rule", f"{rule.label}; {rule.caveat}" if rule.caveat else rule.label),
        ("Computed", f"{span} UTC" if span else "date not recorded"),
        ("Commands", _names((str(r.about.get("command", "")) for r in records), 6, "; ")),
        ("Machines", _names(str(r.about.get("machine", "")) for r in records)),
        ("Versions", ", ".join(sorted(versions))),
    ]
    return [(name, value) for name, value in pairs if value]


def _tasks(records: Sequence[CellRecord]) -> str:
    tasks = paper_order(r.task_label for r in records)
    ours = [task for task in tasks if task in DIRECTIONS]
    parts = []
    if ours:
        share = "all" if len(ours) == len(DIRECTIONS) else f"{len(ours)} of"
        parts.append(f"{task_span(ours)} ({share} the paper's {len(DIRECTIONS)})")
    if len(ours) < len(tasks):
        parts.append(_names(task for task in tasks if task not in DIRECTIONS))
    return "; ".join(parts)


def never_run(records: Sequence[CellRecord], missing: Sequence[MissingCell]) -> str:
    """Name the paper's tasks that no method was run on, unless only other tasks were run."""
    asked = {r.task_label for r in records} | {m.task_label for m in missing}
    absent = [task for task in DIRECTIONS if task not in asked]
    if not absent or len(absent) == len(DIRECTIONS):
        return ""
    return f"Not run with any method: {task_span(absent)}."


def _names(values: Iterable[str], most: int = 30, separator: str = ", ") -> str:
    return join_names([v for v in values if v], most, separator)
