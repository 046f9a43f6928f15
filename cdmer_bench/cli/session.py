"""The objects of one run, built from its configuration."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cdmer_bench.cli.console import open_clips_bar, open_steps_bar, say
from cdmer_bench.compiled import keep_kernels_in
from cdmer_bench.config.build import (
    build,
    build_databases,
    build_method,
    build_tasks,
    choose_grid,
)
from cdmer_bench.config.catalogue import given_config_dir
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import Account, ClipDatabase, Database, Finding
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.features import Features, FeatureStore
from cdmer_bench.io import user_path
from cdmer_bench.methods.base import Method
from cdmer_bench.parallel import Backend, OpenBar
from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.protocol import Task
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import Cell


@dataclass
class Session:
    """What a configuration stands for."""

    config: RunConfig
    databases: dict[str, Database]
    tasks: list[Task]
    features: Features
    store: ResultsStore
    backend: Backend
    tunings: dict[str, Any] = field(default_factory=dict)  # by source; made when a task needs one

    @classmethod
    def of(cls, config: RunConfig) -> "Session":
        """Build the objects; nothing is read or computed yet."""
        keep_kernels_in(user_path(config.cache.dir))
        databases = build_databases(config.corpus)
        tasks = build_tasks(config, databases)
        features = Features(
            databases,
            _build_descriptors(config, databases),
            _build_preprocessing(config),
            FeatureStore(config.cache.dir),
            config.force,
        )
        store = ResultsStore(config.results.dir)
        backend = Backend(config.backend.name, config.n_jobs, config.backend.address, store.folder)
        return cls(config, databases, tasks, features, store, backend)

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
        methods = {
            name: build_method(name, card, config.solver) for name, card in config.methods.items()
        }
        cells = [
            self._cell(task, method_name, methods[method_name], descriptor)
            for descriptor in config.descriptors
            for method_name in config.methods
            for task in self.tasks
            if descriptor in config.only.get(method_name, [descriptor])
        ]
        if not cells:
            raise UserError(
                f"only={config.only} leaves nothing to run with descriptor="
                f"{','.join(config.descriptors)}; name one of these there"
            )
        return cells

    def descriptor_for(self, name: str, task: Task) -> str:
        """Return the name of a descriptor on a task.

        C3D is tuned on the task's source, so there is one network for each source: its
        descriptors are called ``c3d_fc1_finetune@smic_hs``.
        """
        built = self.features.descriptors.get(name)
        source = self.databases[task.source]
        if not getattr(built, "needs_tuning", False) or not isinstance(source, ClipDatabase):
            return name
        given = self.config.c3d
        if given.weights_finetuned is not None and task.source == given.finetuned_on:
            return name
        bound = f"{name}@{task.source}"
        if bound not in self.features.descriptors:
            self.features.descriptors[bound] = self._tuned(built, source)
        return bound

    def _tuned(self, card: Any, source: ClipDatabase) -> Descriptor:
        from cdmer_bench.descriptors.c3d.finetuning import Tuning, tuned_layer
        from cdmer_bench.descriptors.c3d.training import Recipe

        if source.name not in self.tunings:
            start = replace(card, trained_on="sports1m", weights=self.config.c3d.weights)
            self.tunings[source.name] = Tuning(
                source,
                start,
                Recipe.of(self.config.c3d.finetune),
                self.features.preprocessing,
                self.features.store.folder / "tuned",
            )
        return tuned_layer(card, self.tunings[source.name])

    def check_data(
        self,
        sides: Iterable[tuple[str, str]],  # pairs of the names of a database and a descriptor
    ) -> None:
        """Print a line for each database and descriptor, and stop where the data are wrong."""
        wrong: list[tuple[str, Finding]] = []
        said: dict[str, None] = {}
        for name, descriptor in sides:
            try:
                account = self.features.account(name, descriptor)
            except UserError:
                continue  # the cells that need it say why
            line = account_line(account)
            if account.findings:
                line += f": {self._check_command()} tells more"
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

    def _check_command(self) -> str:
        corpus = self.config.corpus
        places = [f"corpus.{key}={corpus[key]}" for key in ("root", "table") if corpus.get(key)]
        own = [f"--config-dir {folder}"] if (folder := given_config_dir()) else []
        return " ".join(["cdmer data check", f"corpus={corpus.get('name')}", *places, *own])

    def extract(
        self, sides: Iterable[tuple[str, str]]
    ) -> tuple[dict[str, list[str]], dict[tuple[str, str], UserError]]:
        """Extract the features of databases and descriptors that the store lacks.

        Returns the descriptors that were extracted, by database, and why some cannot be.
        """
        bars = self.config.progress
        missing: dict[str, list[str]] = {}
        problems: dict[tuple[str, str], UserError] = {}
        for name, descriptor in dict.fromkeys(sides):
            try:
                if not self.features.is_ready(name, descriptor):
                    self._make_ready(descriptor, open_steps_bar if bars else None)
                    missing.setdefault(name, []).append(descriptor)
            except UserError as error:
                problems[name, descriptor] = error
        for name, descriptors in missing.items():
            database = self.databases[name]
            assert isinstance(database, ClipDatabase)
            try:
                open_bar = open_clips_bar if bars else None
                self.features.extract(database, descriptors, self.backend, open_bar)
            except UserError as error:
                problems |= dict.fromkeys(((name, d) for d in descriptors), error)
        return missing, problems

    def _make_ready(self, descriptor: str, open_bar: OpenBar | None) -> None:
        """Tune and load the model of a descriptor, if it has one."""
        built = self.features.descriptors.get(descriptor)
        tuning = getattr(built, "tuning", None)
        if tuning is not None:
            tuning.run(self.backend, open_bar)
        if built is not None:
            built.check_ready()

    def _cell(self, task: Task, method_name: str, method: Method, descriptor: str) -> Cell:
        card = self.config.methods[method_name]
        bound = self.descriptor_for(descriptor, task)
        grid_name, grid = choose_grid(card, method.paper_grid, self.config)
        pair = (self.databases[task.source], self.databases[task.target])
        return Cell(
            task,
            method_name,
            card.label or method.label or method_name,
            method,
            bound,
            self._row(descriptor, bound),
            grid_name,
            grid,
            self.corpus,
            any(database.synthetic for database in pair),
            card._target_,
            {
                "descriptor_note": self._note(bound),
                "corpus": self.config.corpus,
                "preprocessing": asdict(self.config.preprocessing),
                "descriptor": asdict(self.config.descriptors[descriptor]),
                "method": asdict(card),
                "config_dir": given_config_dir(),
                "cache_dir": self.config.cache.dir,
            },
            errors_ignored=self.config.data.errors == "ignore",
        )

    def _note(self, bound: str) -> str:
        """Return how a descriptor's network was tuned, for the captions of tables."""
        tuning = getattr(self.features.descriptors.get(bound), "tuning", None)
        return "" if tuning is None else f"tuned on {tuning.database.name}, {tuning.recipe.summary}"

    def _row(self, descriptor: str, bound: str) -> str:
        """Return the label of a descriptor's row, with its remark if it has one."""
        label = self.config.descriptors[descriptor].label
        built = self.features.descriptors.get(bound)
        return f"{label} [{built.remark}]" if built is not None and built.remark else label


def account_line(account: Account) -> str:
    """Return ``CASME II: 7 of 31 clips, 4/2/1 negative/positive/surprise; 24 errors``."""
    expected = account.n_expected
    of = "" if expected is None or expected == account.n_used else f" of {expected}"
    counts = "/".join(str(n) for n in account.class_counts.values())
    line = f"{account.title}: {account.n_used}{of} clips, {counts} {'/'.join(account.class_counts)}"
    found = [f"{n} {kind}{'s' * (n > 1)}" for kind, n in account.n_findings().items() if n]
    if found:
        line += f"; {', '.join(found)}"
    return line


def _build_preprocessing(config: RunConfig) -> Preprocessing:
    card = config.preprocessing
    crop = {} if card.crop == "none" else {"crop": card.crop}
    return build(card._target_, {**card.parameters, **crop}, "preprocessing", Preprocessing)


def _build_descriptors(config: RunConfig, databases: dict[str, Database]) -> dict[str, Descriptor]:
    """Build the descriptors; databases of ready features need only their names."""
    if not config.descriptors:
        raise UserError("no descriptor was chosen; give descriptor=lbp_top_r3p8, for example")
    if not any(isinstance(d, ClipDatabase) for d in databases.values()):
        return {}
    built: dict[str, Descriptor] = {}
    for name, card in config.descriptors.items():
        key = f"descriptors.{name}"
        if not card._target_:
            raise UserError(
                f"descriptor {name!r} stands for features of files, but this corpus holds clips; "
                "choose another, such as descriptor=lbp_top_r3p8"
            )
        built[name] = build(card._target_, dict(card.parameters), key, Descriptor)
    return built
