"""The sentences under a table: what a reader must know before quoting a figure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.io import gathered
from cdmer_bench.protocol import is_shipped
from cdmer_bench.reporting.published import AVERAGE, DIRECTIONS, LAYOUTS, Paper, paper_order
from cdmer_bench.reporting.table import PRINTED, Figure, Table, TableRow, without_needless_averages
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
_UPPER_BOUNDS = (
    "Figures chosen with the target labels are upper bounds, and rise with the size of the grid."
)
_GRID = "Run with "  # the reduced grid, or one of the user's own

Asked = Any  # a cell that was asked for: it has a ``task_label`` and a ``method_label``
Reasons = Mapping[tuple[str, str], str]  # by row and column


def caption(
    table: Table,  # complete but for its notes
    scores: "pd.DataFrame",  # the rows of the scores table that stand in it
    rules: Sequence[Rule],  # that chose the settings
    later: Sequence[Paper],  # whose rows stand in it
    reasons: Reasons,  # of the cells that were asked for and have no result
) -> tuple[str, ...]:
    """Return the notes of a table, the most important first."""
    parts = (
        _of_the_data(table, scores, later),
        _of_the_rules(rules),
        _of_the_settings(table, scores),
        _of_the_papers(table, later),
        _of_the_gaps(table, reasons),
    )
    return tuple(chain.from_iterable(parts))


def shortened(table: Table, chosen: Rule, width: int) -> Table:
    """Leave three lines of caption, and the averages that were asked for."""
    where = [table.corpus, table.descriptor, chosen.label]
    where += ["errors in the data were ignored"] if "ignored" in " ".join(table.remarks) else []
    grids = [n.removeprefix(_GRID) for n in table.notes if n.startswith(_GRID)]
    where += dict.fromkeys(grid.partition(",")[0] for grid in grids)
    lacking = [
        note for note in table.notes if note.startswith("No figure") or note == NO_COMPARISON
    ]
    notes = [f"{'; '.join(filter(None, where))}."]
    notes += [shorten(" ".join(lacking), width, placeholder=" ...")] if lacking else []
    short = replace(table, title=table.title.partition(";")[0], notes=tuple(notes))
    return without_needless_averages(short)


def _of_the_data(table: Table, scores: "pd.DataFrame", later: Sequence[Paper]) -> Iterator[str]:
    if table.synthetic:
        yield SYNTHETIC
        if table.against_paper or later:
            yield NO_COMPARISON
    yield from table.remarks
    descriptor = f" Descriptor: {table.descriptor}." if table.descriptor else ""
    yield f"Corpus: {table.corpus or 'none'}.{descriptor}"
    if not all(titles for label, titles in table.columns if label != AVERAGE):
        tasks = ((s.task_label, s.source_title, s.target_title) for s in rows_of(scores))
        yield from about_letters(tasks)


def _of_the_rules(rules: Sequence[Rule]) -> Iterator[str]:
    for rule in rules:
        yield f"Selection: {rule.label}."
    yield from about_rules(rules)
    if any(rule.uses_target_labels for rule in rules):
        yield _UPPER_BOUNDS


def _of_the_settings(table: Table, scores: "pd.DataFrame") -> Iterator[str]:
    if table.number not in ("V", "VI"):
        tried: dict[str, None] = {}
        for row in table.rows:
            counts = [figure.n_settings for figure in _figures(row) if figure.n_settings]
            if counts:
                span = dict.fromkeys((f"{min(counts):,}", f"{max(counts):,}"))
                tried[f"{row.name} {' to '.join(span)}"] = None
        if tried:
            yield f"Settings tried: {', '.join(tried)}."
    rows = gathered((row.selection, row) for row in table.rows if row.label != AVERAGE)
    for selection, of_rule in rows.items():
        figures = [(row.name, _figures(row)) for row in of_rule]
        totals = [
            (name, sum(f.n_undefined for f in of), sum(f.n_settings for f in of))
            for name, of in figures
        ]
        if phrase := left_out_phrase(selection, totals):
            yield phrase
    in_paper = scores["method_label"].isin(LAYOUTS["III"].rows)
    # A method of the user's own has no other grid than his.
    shipped = scores["method"].map(lambda name: is_shipped("method", name))
    for grid in sorted({*scores["grid"]} - {"paper", "full", ""}):
        which = "a grid of the user's own" if grid == "own" else f"the {grid} grid"
        for whose, of_these in (
            ("the paper's", in_paper),
            ("the full one", ~in_paper & (shipped if grid == "own" else True)),
        ):
            found = scores.loc[of_these & (scores["grid"] == grid), "method_label"]
            if len(found):
                yield f"{_GRID}{which}, not {whose}: {join_names(list(found), 20)}."
    for solver, phrase in (
        ("paper", "Solver stopped after as many iterations as in the paper"),
        ("exact", "Solver run until it converged"),
    ):
        if names := join_names(list(scores.loc[scores["solver"] == solver, "method_label"]), 20):
            yield f"{phrase}: {names}."
    told = scores[scores["descriptor_note"] != ""]
    for note, mine in told.groupby("descriptor_note", sort=False):
        yield f"{join_names(list(mine['descriptor_label']), 20)}: {note}."
    limited = [
        f"{row.name} {label}"
        for row, label, cell in table.places()
        if cell.figure and not cell.figure.converged
    ]
    if limited:
        listed = join_names(limited, 8)
        yield f"An iteration limit ended the solver at the chosen setting: {listed}."


def _figures(row: TableRow) -> list[Figure]:
    return [cell.figure for cell in row.cells if cell.figure]


def _of_the_papers(table: Table, later: Sequence[Paper]) -> Iterator[str]:
    for paper in later:
        yield (
            f"{join_names(paper.own_rows, 5)} [{paper.name}]: as printed in {paper.title}; "
            f"{paper.what}; source: {paper.source}."
        )
    if table.against_paper:
        yield (
            "Below each figure: the paper's, and the difference in mean F1 and in samples "
            "(of averages: in mean F1 and in accuracy)."
        )


def _of_the_gaps(table: Table, reasons: Reasons) -> Iterator[str]:
    failed_since = gathered(
        (reasons[row.label, task], f"{row.name} {task}")
        for row, task, cell in table.places()
        if cell.figure and (row.label, task) in reasons
    )
    for reason, names in failed_since.items():
        said = reason.rstrip(".")
        yield f"Of an earlier run than the last, which {said}: {join_names(names, 8)}."
    run = [row for row in table.rows if row.label != AVERAGE and row.selection != PRINTED]
    n_rules = len({row.selection for row in run})
    tasks = [label for label, _ in table.columns if label != AVERAGE]
    gaps = []  # reason, columns and row
    for row in run:
        empty = [(t, c) for t, c in zip(tasks, row.cells, strict=False) if c.figure is None]
        mine = gathered((cell.reason.rstrip("."), task) for task, cell in empty)
        gaps += [(reason, (tuple(columns), row)) for reason, columns in mine.items()]
    for reason, places in gathered(gaps).items():
        where = (
            f"{join_names(_row_names(rows, n_rules), 20)} ({task_span(columns, tasks)})"
            for columns, rows in gathered(places).items()
        )
        yield f"No figure (-) for {'; '.join(where)}: {reason}."
    if any(cell.reason for row in table.rows if row.label == AVERAGE for cell in row.cells):
        yield "A column in which a row has no figure has no average."


def _row_names(rows: Sequence[TableRow], n_rules: int) -> list[str]:
    """Name rows, and of a method that is not there under all of the rules also the rule."""
    found = Counter(row.name for row in rows)
    return [
        row.name if found[row.name] == n_rules else f"{row.name} ({row.selection})" for row in rows
    ]


def about_letters(tasks: Iterable[tuple[str, ...]]) -> list[str]:
    """Name the databases behind labels such as ``A → B``, from (label, source, target) titles."""
    names: dict[str, str] = {}
    for label, *titles in tasks:
        letters = label.split(" → ")
        if len(letters) == len(titles):
            names.update(zip(letters, titles, strict=True))
    short = [f"{letter} is {title}" for letter, title in names.items() if letter != title]
    return [f"Databases: {', '.join(short)}."] if short else []


def about_rules(rules: Iterable[Rule]) -> list[str]:
    """Return the caveats of rules, each once with the names of the rules that it holds for."""
    names = gathered((rule.caveat, rule.name) for rule in rules if rule.caveat)
    return [f"{', '.join(held)}: {caveat}." for caveat, held in names.items()]


def about_unchosen(lacks: Iterable[tuple[CellRecord, str]]) -> list[str]:
    """Name the records that a rule chooses no setting of, with each reason once."""
    told = []
    for reason, records in gathered((reason, record) for record, reason in lacks).items():
        tasks_of = gathered((r.row, r.task_label) for r in records)
        where = (f"{row} ({task_span(dict.fromkeys(t))})" for row, t in tasks_of.items())
        told.append(f"No setting chosen for {'; '.join(where)}: {reason}.")
    return told


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


def absences(records: Iterable[CellRecord], missing: Iterable[Asked] = ()) -> str:
    """Name the tasks that methods lack a result on although others were run there, or nothing."""
    records, missing = list(records), list(missing)
    done = gathered((record.row, record.task_label) for record in records)
    for cell in missing:
        # A method with several variants stands there under their names.
        if not any(label.startswith(f"{cell.method_label} [") for label in done):
            done.setdefault(cell.method_label, [])
    tasks = paper_order(cell.task_label for cell in [*records, *missing])
    lacking = {m: [t for t in tasks if t not in done[m]] for m in paper_order(done)}
    parts = [f"{m} ({task_span(lack, tasks)})" for m, lack in lacking.items() if lack]
    return f"No result: {'; '.join(parts)}." if parts else ""


def join_names(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """Join names by commas; of more than ``most`` only say how many others there are."""
    unique = list(dict.fromkeys(names))
    extra = len(unique) - most
    return separator.join(unique[:most]) + (f" and {extra} more" if extra > 0 else "")


def task_span(columns: Iterable[str], tasks: Sequence[str] = ()) -> str:
    """Write consecutive experiments as a span; all of ``tasks``, if given, as ``all tasks``."""
    columns = list(columns)
    if columns and columns == list(tasks):
        return "all tasks"
    order = list(DIRECTIONS) if all(c in DIRECTIONS for c in columns) else columns
    # Within a run the place in the order and that among the columns go up together.
    spans = groupby(enumerate(columns), lambda place: order.index(place[1]) - place[0])
    runs = [[column for _, column in span] for _, span in spans]
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(r) for r in runs)
