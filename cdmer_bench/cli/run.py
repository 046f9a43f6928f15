"""`cdmer run` and `extract`: plan, extract what is missing, run, print the tables."""

import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cdmer_bench.cli.console import ProgressBar, bold_wanted, say
from cdmer_bench.cli.session import Session
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.errors import DataMissing, UserError, closest
from cdmer_bench.evaluation.selection import RULES, Fixed, Rule, needed_inputs, rule
from cdmer_bench.features import Side
from cdmer_bench.io import remove
from cdmer_bench.methods.base import SHARED_WORK
from cdmer_bench.results.current import overtaken
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell, class_notes, counted, place, summary
from cdmer_bench.runner.execute import Spread, run_cells
from cdmer_bench.runner.forecast import expected_extraction, expected_times, weigh_settings
from cdmer_bench.runner.selection_inputs import lacking, record_selection_inputs

_NOTES = 2  # most different remarks of a method that a run prints
_NO_DATA = "nothing that was chosen has its databases and files on this machine"


def run_command(config: RunConfig) -> int:
    """Run one configuration; return the exit code."""
    chosen = chosen_rule(config)
    session = Session(config)
    features, store = session.features, session.store
    cells = session.cells()
    inputs = wanted_inputs(config.selection_inputs)
    session.check_data(dict.fromkeys(side for cell in cells for side in cell.sides))
    place(cells, features, store)
    if config.dry_run:
        print_plan(cells, session, inputs)
        return 0
    if config.force and any("cache" in cell.method.outside for cell in cells):
        remove(session.features.store.folder / SHARED_WORK)
    todo = [cell for cell in cells if cell.status in ("to do", "failed")]
    if todo or (inputs and lacking(cells, store, inputs)):
        store.check_writable()
    if unplaced := [cell for cell in todo if not cell.key]:
        _, problems = session.extract(side for cell in unplaced for side in cell.sides)
        for cell in unplaced:
            for side in cell.sides:
                if side in problems:
                    cell.status, cell.reason = "refused", str(problems[side])
        place([cell for cell in unplaced if cell.status == "to do"], features, store)
    for note in dict.fromkeys(note for cell in cells for note in class_notes(cell)):
        say(note)
    bar = ProgressBar if config.progress else None
    spread = Spread(features, store, session.backend, say, bar)
    if todo:
        weigh_settings(todo, features, store)
    run_cells(cells, spread)
    failed = record_selection_inputs(cells, spread, inputs) if inputs else 0
    records = finished(cells, store)
    print_tables(records, cells, chosen, config)
    code = report(cells, records) or int(failed > 0)
    if records:
        folder = config.results.dir
        where = "" if folder == "results" else f" --results {shlex.quote(folder)}"
        more = "" if config.notes else "; notes=true shows the whole caption"
        steps = f"cdmer report --open{where}, cdmer stats{where}{more}"
        say(f"results lie in {folder}; next: {steps}")
    return code


def chosen_rule(config: RunConfig) -> Rule:
    """Return the rule of ``selection=``; a mistake in it is an error before anything runs."""
    if config.selection.name not in RULES:
        known = closest(config.selection.name, RULES)
        raise UserError(f"selection.name is {config.selection.name!r}; {known}")
    chosen = rule(config.selection.name, **config.selection.parameters)
    given = chosen.settings or {} if isinstance(chosen, Fixed) else {}
    for name in given:
        if name not in config.methods:
            say(
                f"selection.parameters.settings names {name!r}, which is none of the chosen "
                f"methods; {closest(name, config.methods)}"
            )
    return chosen


def wanted_inputs(selection_inputs: Any) -> tuple[str, ...]:
    """Return the arrays to record for ``selection_inputs=``: true, false, a rule or a list."""
    if isinstance(selection_inputs, bool):
        return needed_inputs(RULES) if selection_inputs else ()
    rules = selection_inputs if isinstance(selection_inputs, list) else [selection_inputs]
    wrong = [name for name in rules if name not in list(RULES)]
    if wrong:
        raise UserError(
            f"selection_inputs is {selection_inputs!r}, expected true, false or selection rules "
            f"such as [source_cv,reverse]; {closest(wrong[0], RULES)}"
        )
    return needed_inputs(rules)


def print_plan(cells: Sequence[Cell], session: Session, inputs: Sequence[str]) -> None:
    """Print where each method stands on the tasks, and every reason once."""
    rows: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        row = rows.setdefault(f"{cell.method_label}, {cell.descriptor_label}", {})
        row.setdefault(cell.status, []).append(cell.task.label)
    width = max(map(len, rows))
    for title, statuses in rows.items():
        for status, tasks in statuses.items():
            print(f"{title:<{width}}  {status:<12}  {' '.join(tasks)}")
            title = ""
    for reason in dict.fromkeys(f"{cell.status}: {cell.reason}" for cell in cells if cell.reason):
        print(reason)
    for line in expected_times(cells, session.features, session.store, session.backend, inputs):
        print(line)
    if inputs:
        n_lacking = len(lacking(cells, session.store, inputs))
        lack = "lacks its" if n_lacking == 1 else "lack their"
        print(f"{counted(n_lacking, 'done cell')} {lack} selection inputs")
    print(summary(cells))


def print_tables(
    records: list[CellRecord], cells: Sequence[Cell], chosen: Rule, config: RunConfig
) -> None:
    """Print the tables of the finished cells; the whole caption with ``notes=true``."""
    if not records:
        return
    from cdmer_bench.reporting import MissingCell, render_all, tables_for
    from cdmer_bench.reporting.captions import shortened
    from cdmer_bench.reporting.tables import in_no_table

    missing = [
        MissingCell(
            cell.task.label,
            cell.method_label,
            cell.descriptor_label,
            f"{cell.status}: {cell.reason}" if cell.reason else cell.status,
        )
        for cell in cells
        if cell.status != "done"
    ]
    against = config.against == "paper"
    tables = tables_for(records, chosen, missing=missing, against_paper=against, only_asked=True)
    columns = shutil.get_terminal_size((120, 24)).columns
    if not config.notes:
        tables = [shortened(table, chosen, columns) for table in tables]
    if tables:
        print(render_all(tables, "text", bold=bold_wanted(), width=columns))
    if left_out := in_no_table(records):
        say(left_out)


def joint_table(configs: Sequence[RunConfig]) -> None:
    """Print one table of all jobs of a multirun, if they choose settings by the same rule."""
    configs = [config for config in configs if not config.dry_run]
    if len(configs) < 2 or any(config.selection != configs[0].selection for config in configs):
        return
    records: dict[str, CellRecord] = {}
    everything: list[Cell] = []
    for config in configs:
        session = Session(replace(config, force=False))
        cells = session.cells()
        place(cells, session.features, session.store)
        everything += cells
        records |= {record.key: record for record in finished(cells, session.store)}
    print("== all jobs")
    print_tables(list(records.values()), everything, chosen_rule(configs[0]), configs[0])


def finished(cells: Sequence[Cell], store: ResultsStore) -> list[CellRecord]:
    """Load the records of cells that are done, with the labels of the cards in use."""
    found = [(cell, cell.record(store)) for cell in cells]
    there = [(cell, record) for cell, record in found if record is not None]
    late = overtaken(store, [record for _, record in there])
    return [
        cell.renewed(record, store, is_late)
        for (cell, record), is_late in zip(there, late, strict=True)
    ]


def report(cells: Sequence[Cell], records: list[CellRecord]) -> int:
    """Tell what is missing and what the user should know; return the exit code."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.status != "done":
            by_reason.setdefault((cell.status, cell.reason), []).append(cell.name)
    for (status, reason), names in by_reason.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        say(f"{status}: {', '.join(names[:3])}{more}: {reason}")
    several = len({record.descriptor_label for record in records}) > 1
    for record in records:
        unconverged, of = int((~record.converged).sum()), f"of {len(record.settings):,} settings"
        said = [f"{unconverged:,} {of} ended at the iteration limit"] if unconverged else []
        notes = Counter(record.notes.values()).most_common()
        said += [f"at {n:,} {of} {note}" for note, n in notes[:_NOTES]]
        if len(notes) > _NOTES:
            said.append(f"{len(notes) - _NOTES} other remarks")
        if said:
            with_what = f" {record.descriptor_label}" if several else ""
            say(f"{record.task_label} {record.method_label}{with_what}: {'; '.join(said)}")
    say(summary(cells))
    statuses = {cell.status for cell in cells}
    if "failed" in statuses:
        return 1
    if "refused" in statuses:
        return 1 if records else 2
    if statuses == {"without data"}:
        raise DataMissing(_NO_DATA)
    if "to do" in statuses:
        raise UserError("some cells are still to do; run the same command again")
    return 0


def extract_command(config: RunConfig) -> int:
    """Extract every chosen descriptor of every database that the chosen tasks need."""
    session = Session(config)
    if not any(isinstance(d, ClipDatabase) for d in session.databases.values()):
        raise UserError(
            f"the corpus {session.corpus!r} holds features that are already extracted; choose "
            "a corpus of clips, such as corpus=synthetic or corpus=frames"
        )
    wanted = dict.fromkeys(
        (name, session.descriptor_for(descriptor, task))
        for task in session.tasks
        for name in (task.source, task.target)
        for descriptor in config.descriptors
    )
    session.check_data(wanted)
    if config.dry_run:
        print_extraction(wanted, session)
        return 0
    extracted, problems = session.extract(wanted)
    usable = [side for side in wanted if side not in problems]
    for name in dict.fromkeys(name for name, _ in usable):
        made = sum(other == name for other, _ in extracted)
        there = sum(other == name for other, _ in usable) - made
        title = session.databases[name].title or name
        say(f"{title}: {counted(made, 'descriptor')} extracted, {there} were there already")
    for reason in dict.fromkeys(map(str, problems.values())):
        mine = ", ".join(" ".join(side) for side, e in problems.items() if str(e) == reason)
        say(f"without features: {mine}: {reason}")
    refused = any(not isinstance(error, DataMissing) for error in problems.values())
    if not usable and refused:
        raise UserError("nothing could be extracted; correct what is named above")
    if not usable:
        raise DataMissing(_NO_DATA)
    return int(refused)


def print_extraction(wanted: Iterable[Side], session: Session) -> None:
    """Print how many descriptors of each database are to be extracted, and for how long."""
    ready: dict[str, list[bool]] = {}
    todo: list[Side] = []
    for name, descriptor in wanted:
        try:
            there = session.features.is_ready(name, descriptor)
        except UserError as error:
            print(f"without features: {name} {descriptor}: {error}")
            continue
        ready.setdefault(name, []).append(there)
        todo += [] if there else [(name, descriptor)]
    for name, found in ready.items():
        missing = counted(found.count(False), "descriptor")
        title = session.databases[name].title or name
        print(f"{title}: {missing} to extract, {found.count(True)} are there already")
    for line in expected_extraction(todo, session.features, session.backend):
        print(line)
