"""What a configuration stands for: databases, descriptors, tasks, cells, and where they lie."""

import shlex
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from cdmer_bench.cli.console import open_said_bar, say
from cdmer_bench.cli.hydra_app import given_config_dir
from cdmer_bench.compiled import keep_kernels_in
from cdmer_bench.config.build import build, build_databases, build_method, build_tasks, choose_grid
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import ClipDatabase, Finding
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError, closest
from cdmer_bench.features import Features, FeatureStore, Side
from cdmer_bench.parallel import Backend
from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.protocol import Task
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell, counted


class Session:
    """What a configuration stands for; nothing is read or computed yet."""

    def __init__(self, config: RunConfig) -> None:
        cache = FeatureStore(config.cache.dir)
        keep_kernels_in(cache.folder)
        self.config = config
        self.databases = build_databases(config.corpus)
        self.tasks = build_tasks(config, self.databases)
        descriptors, card = self._descriptors(), config.preprocessing
        steps = card.parameters | ({} if card.crop == "none" else {"crop": card.crop})
        preprocessing = build(card._target_, steps, "preprocessing", Preprocessing)
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
        """Return a descriptor's name on a task: ``NAME@SOURCE`` of C3D that is tuned there."""
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
        words += ["--config-dir", own] if own else []
        wrong: list[tuple[str, Finding]] = []
        said: dict[str, None] = {}
        for name, descriptor in sides:
            try:
                account = self.features.account(name, descriptor)
            except UserError:
                continue  # its cells say why it is missing
            line = account.line()
            if account.findings:
                line += f": cdmer data check {shlex.join(words)} tells more"
            if line not in said:
                said[line] = None
                say(line)
                wrong += [(account.title, f) for f in account.findings if f.severity == "error"]
        if wrong and self.config.data.errors != "ignore":
            title, first = wrong[0]
            raise UserError(
                f"{title}: {first}; in all {counted(len(wrong), 'error')} in the data, which "
                "`cdmer data check` lists: correct them, or give data.errors=ignore to go on with "
                "what can be read, and every table will say so"
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
        for name, descriptors in missing.items():
            database = self.features.of_clips(name)
            try:
                failed = self.features.extract(database, descriptors, self.backend, open_clips)
            except UserError as error:
                failed = dict.fromkeys(descriptors, error)
            problems |= {(name, descriptor): reason for descriptor, reason in failed.items()}
        tried = [(name, descriptor) for name, those in missing.items() for descriptor in those]
        return [side for side in tried if side not in problems], problems
