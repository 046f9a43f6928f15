"""The sentences under a table: what a reader must know before quoting a figure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.reporting.published import AVERAGE, DIRECTIONS, LAYOUTS, Paper, paper_order
from cdmer_bench.reporting.table import PRINTED, Table, TableRow
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import rows_of

if TYPE_CHECKING:
    import pandas as pd

SYNTHETIC = (
    "SYNTHETIC DATA: the databases are generated; the figures say nothing about CASME II or SMIC."
)
NO_COMPARISON = "Printed figures beside these mean nothing: they were measured on other clips."
# Of intervals and tests at settings that a rule with the target labels chose.
CHOSEN_ON_TARGET = (
    "The settings were chosen with the target labels; intervals and p-values do not account for "
    "that."
)


def caption(
    table: Table,  # complete but for its notes
    scores: "pd.DataFrame",  # the rows of the scores table that stand in it
    rules: Sequence[Rule],  # that chose the settings
    later: Sequence[Paper] = (),  # whose rows stand in it
    reasons: Mapping[tuple[str, str], str] | None = None,  # by row and column, of what was asked
) -> tuple[str, ...]:
    """Return the notes of a table, the most important first."""
    notes = [SYNTHETIC] if table.synthetic else []
    if table.synthetic and (table.against_paper or later):
        notes.append(NO_COMPARISON)
    notes += table.remarks
    about = f"Corpus: {table.corpus or 'none'}."
    if table.descriptor:
        about += f" Descriptor: {table.descriptor}."
    notes.append(about)
    if not all(titles for label, titles in table.columns if label != AVERAGE):
        tasks = ((s.task_label, s.source_title, s.target_title) for s in rows_of(scores))
        notes += about_letters(tasks)
    notes += [f"Selection: {r.label}." for r in rules]
    notes += about_rules(rules)
    if any(r.uses_target_labels for r in rules):
        notes.append(
            "Figures chosen with the target labels are upper bounds, and rise with the size of "
            "the grid."
        )
    notes += _about_settings(table)
    notes += _left_out_settings(table)
    notes += _about_grids(scores)
    told = scores[scores["descriptor_note"] != ""]
    for note, mine in told.groupby("descriptor_note", sort=False):
        notes.append(f"{join_names(list(mine['descriptor_label']), 20)}: {note}.")
    limited = [
        f"{row.name} {label}"
        for row in table.rows
        for (label, _), cell in zip(table.columns, row.cells, strict=True)
        if cell.figure is not None and not cell.figure.converged
    ]
    if limited:
        listed = join_names(limited, 8)
        notes.append(f"An iteration limit ended the solver at the chosen setting: {listed}.")
    notes += [
        f"{join_names(paper.own_rows, 5)} [{paper.name}]: as printed in {paper.title}; "
        f"{paper.what}; source: {paper.source}."
        for paper in later
    ]
    if table.against_paper:
        notes.append(
            "Below each figure: the paper's, and the difference in mean F1 and in samples "
            "(of averages: in mean F1 and in accuracy)."
        )
    notes += _failed_since(table, reasons or {})
    notes += [f"No figure (-) for {where}: {reason}." for reason, where in missing_cells(table)]
    if any(cell.reason for row in table.rows if row.label == AVERAGE for cell in row.cells):
        notes.append("A column in which a row has no figure has no average.")
    return tuple(notes)


def about_data(scores: "pd.DataFrame") -> list[str]:
    """Return what a reader must know of the databases: counts, classes, errors that were ignored.

    Each sentence is there once, however many cells it holds for.
    """
    remarks = [*scores["target_remarks"], *scores["source_remarks"]]
    return [text for text in dict.fromkeys(remarks) if text]


def about_letters(tasks: Iterable[tuple[str, ...]]) -> list[str]:
    """Name the databases behind labels such as ``A → B``, from (label, source, target) titles."""
    names: dict[str, str] = {}
    for label, *titles in tasks:
        letters = label.split(" → ")
        if len(letters) == len(titles):
            names.update(zip(letters, titles, strict=True))
    short = [f"{letter} is {title}" for letter, title in names.items() if letter != title]
    return [f"Databases: {', '.join(short)}."] if short else []


def _failed_since(table: Table, reasons: Mapping[tuple[str, str], str]) -> list[str]:
    """Name the cells whose last run failed, so that their figures are older than that."""
    tasks = [task for task, _ in table.columns]
    found: dict[str, list[str]] = {}
    for row in table.rows:
        for task, cell in zip(tasks, row.cells, strict=True):
            if cell.figure is not None and (row.label, task) in reasons:
                found.setdefault(reasons[row.label, task], []).append(f"{row.name} {task}")
    return [
        f"Of an earlier run than the last, which {reason.rstrip('.')}: {join_names(names, 8)}."
        for reason, names in found.items()
    ]


def missing_cells(table: Table) -> list[tuple[str, str]]:
    """Return, for each reason, the rows and columns that have no figure."""
    tasks = [label for label, _ in table.columns if label != AVERAGE]
    run = [row for row in table.rows if row.label != AVERAGE and row.selection != PRINTED]
    n_rules = len({row.selection for row in run})
    by_reason: dict[str, dict[tuple[str, ...], list[TableRow]]] = {}
    for row in run:
        gaps: dict[str, list[str]] = {}
        for task, cell in zip(tasks, row.cells, strict=False):
            if cell.figure is None:
                gaps.setdefault(cell.reason.rstrip("."), []).append(task)
        for reason, columns in gaps.items():
            by_reason.setdefault(reason, {}).setdefault(tuple(columns), []).append(row)
    return [
        (
            reason,
            "; ".join(
                f"{join_names(_row_names(rows, n_rules), 20)} ({task_span(columns, tasks)})"
                for columns, rows in places.items()
            ),
        )
        for reason, places in by_reason.items()
    ]


def about_rules(rules: Iterable[Rule]) -> list[str]:
    """Return the caveats of rules, each once with the names of the rules that it holds for."""
    names: dict[str, list[str]] = {}
    for rule in rules:
        if rule.caveat:
            names.setdefault(rule.caveat, []).append(rule.name)
    return [f"{', '.join(held)}: {caveat}." for caveat, held in names.items()]


def about_unchosen(lacks: Iterable[tuple[CellRecord, str]]) -> list[str]:
    """Name the records that a rule chooses no setting of, with each reason once."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for record, reason in lacks:
        tasks_of = reasons.setdefault(reason, {})
        tasks_of.setdefault(record.row, []).append(record.task_label)
    return [
        "No setting chosen for "
        + "; ".join(f"{m} ({task_span(dict.fromkeys(tasks))})" for m, tasks in tasks_of.items())
        + f": {reason}."
        for reason, tasks_of in reasons.items()
    ]


def left_out_phrase(rule: str, counts: Iterable[tuple[str, int, int]]) -> str:
    """Say how many settings a rule left out, from (method, left out, settings); or nothing."""
    parts = [f"{method} {n:,} of {of:,}" for method, n, of in counts if n]
    if not parts:
        return ""
    return f"{rule} is undefined at some settings and leaves them out: {'; '.join(parts)}."


def scope(task_labels: Iterable[str]) -> str:
    """Say what an average or a picture is over: ``Exp.5``, ``12 tasks``, ``7 of 12 tasks``."""
    tasks = list(dict.fromkeys(task_labels))
    if len(tasks) == 1:
        return tasks[0]
    if len(tasks) < len(DIRECTIONS) and all(task in DIRECTIONS for task in tasks):
        return f"{len(tasks)} of {len(DIRECTIONS)} tasks"
    return f"{len(tasks)} tasks"


class Asked(Protocol):
    """A cell that was asked for, whether it has a result or not."""

    @property
    def task_label(self) -> str: ...  # noqa: D102
    @property
    def method_label(self) -> str: ...  # noqa: D102


def absences(
    records: Iterable[CellRecord],
    missing: Iterable[Asked] = (),  # cells that were asked for, such as failed ones
) -> str:
    """Name the tasks that methods lack a result on although others were run there, or nothing."""
    done: dict[str, set[str]] = {}
    records, missing = list(records), list(missing)
    for record in records:
        done.setdefault(record.row, set()).add(record.task_label)
    for cell in missing:
        # A method with several variants stands there under their names.
        if not any(label.startswith(f"{cell.method_label} [") for label in done):
            done.setdefault(cell.method_label, set())
    tasks = paper_order(cell.task_label for cell in [*records, *missing])
    parts = [
        f"{method} ({task_span([t for t in tasks if t not in done[method]], tasks)})"
        for method in paper_order(done)
        if len(done[method]) < len(tasks)
    ]
    return f"No result: {'; '.join(parts)}." if parts else ""


def join_names(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """Join names by commas; of more than ``most`` only say how many others there are."""
    unique = list(dict.fromkeys(names))
    extra = len(unique) - most
    return separator.join(unique[:most]) + (f" and {extra} more" if extra > 0 else "")


def _row_names(rows: Sequence[TableRow], n_rules: int) -> list[str]:
    """Name rows, and of a method that is not there under all of the rules also the rule."""
    found = Counter(row.name for row in rows)
    return [
        row.name if found[row.name] == n_rules else f"{row.name} ({row.selection})" for row in rows
    ]


def task_span(columns: Iterable[str], tasks: Sequence[str] = ()) -> str:
    """Write consecutive experiments as a span; all of ``tasks``, if given, as ``all tasks``."""
    columns = list(columns)
    if columns and columns == list(tasks):
        return "all tasks"
    order = list(DIRECTIONS) if all(c in DIRECTIONS for c in columns) else columns
    runs: list[list[str]] = []
    for column in columns:
        if runs and order.index(column) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(r) for r in runs)


def _about_settings(table: Table) -> list[str]:
    parts = []
    for row in table.rows:
        counts = [c.figure.n_settings for c in row.cells if c.figure and c.figure.n_settings]
        if counts:
            low, high = min(counts), max(counts)
            parts.append(
                f"{row.name} {low:,}" if low == high else f"{row.name} {low:,} to {high:,}"
            )
    if not parts or table.number in ("V", "VI"):
        return []
    return [f"Settings tried: {', '.join(dict.fromkeys(parts))}."]


def _left_out_settings(table: Table) -> list[str]:
    """Say which settings a rule could not judge, counted over the row's tasks."""
    sentences = []
    for selection in dict.fromkeys(row.selection for row in table.rows):
        figures = {
            row.name: [cell.figure for cell in row.cells if cell.figure is not None]
            for row in table.rows
            if row.selection == selection and row.label != AVERAGE
        }
        counts = [
            (name, sum(f.n_undefined for f in found), sum(f.n_settings for f in found))
            for name, found in figures.items()
        ]
        sentences.append(left_out_phrase(selection, counts))
    return [sentence for sentence in sentences if sentence]


def _about_grids(scores: "pd.DataFrame") -> list[str]:
    notes = []
    # Methods outside the paper have no grid there.
    known = scores[scores["method_label"].isin(LAYOUTS["III"].rows)]
    for grid in sorted(set(known["grid"]) - {"paper", ""}):
        names = join_names(list(known.loc[known["grid"] == grid, "method_label"]), 20)
        which = "a grid of the user's own" if grid == "own" else f"the {grid} grid"
        notes.append(f"Run with {which}, not the paper's: {names}.")
    for solver, phrase in (
        ("paper", "Solver stopped after as many iterations as in the paper"),
        ("exact", "Solver run until it converged"),
    ):
        names = join_names(list(scores.loc[scores["solver"] == solver, "method_label"]), 20)
        if names:
            notes.append(f"{phrase}: {names}.")
    return notes
