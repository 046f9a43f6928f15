"""`cdmer run`: plan, extract what is missing, run, print the tables."""

import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cdmer_bench.cli.console import ProgressBar, bold_wanted, open_said_bar, say
from cdmer_bench.cli.hydra_app import given_config_dir
from cdmer_bench.compiled import keep_kernels_in
from cdmer_bench.config.build import build, build_databases, build_method, build_tasks, choose_grid
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import ClipDatabase, Finding
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import DataMissing, UserError, closest
from cdmer_bench.extraction import NotDescribed
from cdmer_bench.features import Features, FeatureStore, Side
from cdmer_bench.io import remove, user_path
from cdmer_bench.methods.base import SHARED_WORK
from cdmer_bench.parallel import Backend
from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.protocol import Task
from cdmer_bench.results.current import overtaken
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell, class_notes, counted, place, summary
from cdmer_bench.runner.execute import Spread, run_cells
from cdmer_bench.runner.forecast import expected_times, weigh_settings
from cdmer_bench.runner.selection_inputs import lacking, record_selection_inputs

if TYPE_CHECKING:
    from cdmer_bench.evaluation.selection import Rule

_NOTES = 2  # most different remarks of a method that a run prints
NO_DATA = "nothing that was chosen has its databases and files on this machine"


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


class Session:
    """What a configuration stands for; nothing is read or computed yet."""

    def __init__(self, config: RunConfig) -> None:
        keep_kernels_in(user_path(config.cache.dir))
        self.config = config
        self.databases = build_databases(config.corpus)
        self.tasks = build_tasks(config, self.databases)
        descriptors, card = self._descriptors(), config.preprocessing
        steps = card.parameters | ({} if card.crop == "none" else {"crop": card.crop})
        preprocessing = build(card._target_, steps, "preprocessing", Preprocessing)
        cache = FeatureStore(config.cache.dir)
        self.features = Features(self.databases, descriptors, preprocessing, cache, config.force)
        self.store = ResultsStore(config.results.dir)
        folder = self.store.folder
        self.backend = Backend(config.backend.name, config.n_jobs, config.backend.address, folder)
        self.tunings: dict[str, Any] = {}  # by source; made when a task needs one

    def _descriptors(self) -> dict[str, Descriptor]:
        """Build the descriptors; databases of ready features need only their names."""
        cards = self.config.descriptors
        if not cards:
            raise UserError("no descriptor was chosen; give descriptor=lbp_top_r3p8, for example")
        if not any(isinstance(d, ClipDatabase) for d in self.databases.values()):
            return {}
        built = {}
        for name, card in cards.items():
            if not card._target_:
                raise UserError(
                    f"descriptor {name!r} stands for features of files, but this corpus holds "
                    "clips; choose another, such as descriptor=lbp_top_r3p8"
                )
            built[name] = build(card._target_, card.parameters, f"descriptors.{name}", Descriptor)
        return built

    @property
    def corpus(self) -> str:
        """Name of the corpus, with the seed if it has one."""
        name = str(self.config.corpus.get("name", "unnamed"))
        seed = self.config.corpus.get("seed")
        return name if seed is None else f"{name}, seed {seed}"

    def cells(self) -> list[Cell]:
        """List the cells: every method on every task with every descriptor."""
        config = self.config
        if not config.methods:
            raise UserError("no method was chosen; give method=svm, method=[tca,gfk] or method=all")
        outside = {"device": config.device, "cache": str(self.features.store.folder.absolute())}
        methods = {
            name: build_method(name, card, config.solver, **outside)
            for name, card in config.methods.items()
        }
        cells = [
            self._cell(task, name, method, descriptor)
            for descriptor in config.descriptors
            for name, method in methods.items()
            for task in self.tasks
            if descriptor in config.only.get(name, [descriptor])
        ]
        if not cells:
            raise UserError(
                f"only={config.only} leaves nothing to run with descriptor="
                f"{','.join(config.descriptors)}; name one of these there"
            )
        return cells

    def _cell(self, task: Task, method_name: str, method: Any, descriptor: str) -> Cell:
        config, card = self.config, self.config.methods[method_name]
        bound = self.descriptor_for(descriptor, task)
        grid_name, grid = choose_grid(method_name, card, method.paper_grid, config)
        row, built = config.descriptors[descriptor], self.features.descriptors.get(bound)
        remark, tuning = getattr(built, "remark", ""), getattr(built, "tuning", None)
        how_tuned = f"tuned on {tuning.database.name}, {tuning.recipe.summary}" if tuning else ""
        return Cell(
            task,
            method_name,
            card.label or method.label or method_name,
            method,
            bound,
            f"{row.label} [{remark}]" if remark else row.label,
            grid_name,
            grid,
            self.corpus,
            any(self.databases[name].synthetic for name in (task.source, task.target)),
            card._target_,
            {
                "descriptor_note": how_tuned,
                "corpus": config.corpus,
                "preprocessing": asdict(config.preprocessing),
                "descriptor": asdict(row),
                "method": asdict(card),
                "config_dir": given_config_dir(),
                "cache_dir": config.cache.dir,
            },
            errors_ignored=config.data.errors == "ignore",
        )

    def descriptor_for(self, name: str, task: Task) -> str:
        """Return the name of a descriptor on a task.

        C3D is tuned on the task's source, so there is one network for each source: its
        descriptors are called ``c3d_fc1_finetune@smic_hs``.
        """
        built: Any = self.features.descriptors.get(name)
        source, c3d = self.databases[task.source], self.config.c3d
        if not getattr(built, "needs_tuning", False) or not isinstance(source, ClipDatabase):
            return name
        if c3d.weights_finetuned is not None:
            if (saw := c3d.finetuned_on) not in self.databases:
                raise UserError(
                    f"c3d.finetuned_on is {saw!r}, and c3d.weights_finetuned serves tasks of that "
                    f"source only; {closest(saw, self.databases)}"
                )
            if task.source == saw:
                return name
        bound = f"{name}@{task.source}"
        if bound not in self.features.descriptors:
            from cdmer_bench.descriptors.c3d.finetuning import Recipe, Tuning, tuned_layer

            if source.name not in self.tunings:
                start = replace(built, trained_on="sports1m", weights=c3d.weights)
                recipe, folder = Recipe.of(c3d.finetune), self.features.store.folder / "tuned"
                parts = (source, start, recipe, self.features.preprocessing, folder)
                self.tunings[source.name] = Tuning(*parts, force=self.config.force)
            self.features.descriptors[bound] = tuned_layer(built, self.tunings[source.name])
        return bound

    def check_data(self, sides: Iterable[Side]) -> None:
        """Print a line for each database and descriptor, and stop where the data are wrong."""
        corpus, own = self.config.corpus, given_config_dir()
        words = [f"corpus={corpus.get('name')}"]
        words += [f"corpus.{key}={corpus[key]}" for key in ("root", "table") if corpus.get(key)]
        words += [f"--config-dir {own}"] if own else []
        wrong: list[tuple[str, Finding]] = []
        said: dict[str, None] = {}
        for name, descriptor in sides:
            try:
                account = self.features.account(name, descriptor)
            except UserError:
                continue  # its cells say why it is missing
            line = account.line()
            if account.findings:
                line += f": cdmer data check {' '.join(words)} tells more"
            if line not in said:
                said[line] = None
                say(line)
                wrong += [(account.title, f) for f in account.findings if f.severity == "error"]
        if wrong and self.config.data.errors != "ignore":
            title, first = wrong[0]
            raise UserError(
                f"{title}: {first}; in all {len(wrong)} errors in the data, which `cdmer data "
                "check` lists: correct them, or give data.errors=ignore to go on with what can be "
                "read, and every table will say so"
            )

    def extract(self, sides: Iterable[Side]) -> tuple[list[Side], dict[Side, UserError]]:
        """Extract the features that the store lacks; return which, and why others cannot be."""
        open_steps = open_clips = None
        if self.config.progress:
            open_steps = partial(open_said_bar, "fine-tuning", "steps")
            open_clips = partial(open_said_bar, "extracting", "clips")
        missing: dict[str, list[str]] = {}
        problems: dict[Side, UserError] = {}
        for name, descriptor in dict.fromkeys(sides):
            try:
                if not self.features.is_ready(name, descriptor):
                    built = self.features.descriptors[descriptor]
                    if tuning := getattr(built, "tuning", None):
                        tuning.run(self.backend, open_steps)
                    built.check_ready()
                    missing.setdefault(name, []).append(descriptor)
            except UserError as error:
                problems[name, descriptor] = error
        made: list[Side] = []
        for name, descriptors in missing.items():
            mine = [(name, descriptor) for descriptor in descriptors]
            database = self.features.of_clips(name)
            try:
                self.features.extract(database, descriptors, self.backend, open_clips)
            except NotDescribed as error:
                problems |= {(name, of): reason for of, reason in error.problems.items()}
            except UserError as error:
                problems |= dict.fromkeys(mine, error)
            made += [side for side in mine if side not in problems]
        return made, problems


def chosen_rule(config: RunConfig) -> "Rule":
    """Return the rule of ``selection=``; a mistake in it is an error before anything runs."""
    from cdmer_bench.evaluation.selection import RULES, Fixed, rule

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
    from cdmer_bench.evaluation.selection import RULES, needed_inputs

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
    records: list[CellRecord], cells: Sequence[Cell], chosen: "Rule", config: RunConfig
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
        raise DataMissing(NO_DATA)
    if "to do" in statuses:
        raise UserError("some cells are still to do; run the same command again")
    return 0
