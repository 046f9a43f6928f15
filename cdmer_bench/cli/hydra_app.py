"""Everything that Hydra does: words of `cdmer run`, where cards come from, composing, jobs."""

import logging
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import hydra
from hydra import initialize_config_module
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from cdmer_bench.cli.console import say
from cdmer_bench.config import GROUPS, LISTED
from cdmer_bench.config.schema import RunConfig, explain, validate
from cdmer_bench.errors import UserError, as_sentence, closest, nearest_neighbour

ENTRY_POINT_GROUP = "cdmer_bench.conf"
_TEXT_KEYS = (
    "dir", "root", "table", "folder", "title", "letter", "label", "address",
    "weights", "weights_ucf101", "weights_finetuned",
)  # fmt: skip
_CODE = "hex-"  # begins a database's name that is written in hexadecimal digits
_given: list[str] = []  # the folder of cards that this command was given, if any


def split_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Separate Hydra's flags from the overrides: it refuses overrides on both sides of a flag."""
    known = get_args_parser()._option_string_actions
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        found = known.get(name) or next((known[o] for o in known if o.startswith(name)), None)
        if not argument.startswith("-"):
            overrides.append(argument)
        elif found is None:
            long_ones = [option for option in known if option.startswith("--")]
            raise UserError(f"{name} is no flag of `cdmer run`; {closest(name, long_ones)}")
        elif equals or found.nargs == 0:
            flags.append(argument)
        elif found.nargs == "?":
            value = next(rest, None)
            is_choice = value in (found.choices or ())
            flags += [argument, str(value if is_choice else found.const)]
            overrides += [value] if value is not None and not is_choice else []
        else:
            value = next(rest, None)
            if value is None:
                raise UserError(f"{argument} needs a value")
            flags += [argument, value]
    return flags, overrides


def as_hydra(overrides: list[str], multirun: bool = False) -> list[str]:
    """Write overrides as Hydra reads them; refuse what overrides nothing.

    ``method=a,b`` becomes ``method=[a,b]``, so that one run takes them all. Paths and titles are
    quoted, so that ``results.dir=2024_01_15`` or ``corpus.root=a=[b]`` is text; what is quoted
    already, null and ``${...}`` are left alone. With ``-m`` commas divide jobs.
    """
    written = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals and not override.startswith("~"):
            raise UserError(
                f"{override!r} is no override; expected GROUP=CHOICE or KEY=VALUE, such as "
                "method=tca or n_jobs=2"
            )
        if key.lstrip("+") == "task":
            value = ",".join(map(_coded, value.split(",")))
            override = f"{key}={value}"
        chosen = value.strip("[]").split(",") if key.lstrip("+") in GROUPS else []
        if "null" in chosen or not key:
            raise UserError(
                f"{override} chooses nothing, but a choice must be a string or a list of names; "
                "leave it out, or see `cdmer run --cfg job`"
            )
        divided = multirun and not value.startswith("[")
        if len(chosen) > 1 and key.lstrip("+") not in LISTED and not divided:
            raise UserError(
                f"{override} names {len(chosen)} choices, but a run takes one {key.lstrip('+')}; "
                f"give one, or -m {key}={value.strip('[]')} to run one job for each"
            )
        parts = key.lstrip("+").split(".")
        is_text = parts[-1] in _TEXT_KEYS or (parts[-2:-1] == ["files"] and value[:1] != "{")
        quoted = value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1
        kept = quoted or value in ("", "null") or value.startswith("${")
        if multirun and "," in value:
            pass
        elif key in LISTED and "," in value and not value.startswith("["):
            choices = [choice.strip() for choice in value.split(",") if choice.strip()]
            override = f"{key}=[{','.join(dict.fromkeys(choices))}]"
        elif is_text and not kept:
            override = f"{key}={QuotedString(value, Quote.single).with_quotes()}"
        written.append(override)
    return written


def _coded(choice: str) -> str:
    """Write a pair of databases in signs that Hydra reads; ``lab 1/lab 2`` is text as typed."""
    bare = choice.strip("[]'\" ")
    before, _, after = choice.partition(bare)
    names = bare.split("/")
    if len(names) != 2 or not all(names) or re.fullmatch(r"[\w/-]+", bare, re.ASCII):
        return choice
    code = "/".join(_CODE + name.encode(errors="surrogateescape").hex() for name in names)
    return before.rstrip("'\"") + code + after.lstrip("'\"")


def _decoded(name: str) -> str:
    code = name.removeprefix(_CODE)
    return name if code == name else bytes.fromhex(code).decode(errors="surrogateescape")


class InstalledConfigs(SearchPathPlugin):
    """Adds each package registered under the entry-point group ``cdmer_bench.conf``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append ``pkg://<package>`` for each entry point, in the order of their names."""
        for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
            search_path.append(f"{ENTRY_POINT_GROUP}:{point.name}", f"pkg://{point.value}")


def prepare_hydra(config_dir: str | None, overrides: list[str]) -> None:
    """Let Hydra find installed cards and ``task=source/target``, and Python the user's classes."""
    if config_dir and not Path(config_dir).is_dir():
        raise UserError(
            f"--config-dir {config_dir} is not a folder; "
            f"{nearest_neighbour(Path(config_dir))}give the folder that holds your method/, "
            "descriptor/ or corpus/"
        )
    if InstalledConfigs not in Plugins.instance().discover(SearchPathPlugin):
        Plugins.instance().register(InstalledConfigs)
    _given[:] = [str(Path(config_dir).resolve())] if config_dir else []
    for folder in [*_given, str(Path.cwd())]:
        if folder not in sys.path:
            # The user's folder goes first, unless a file in it would hide a library.
            first = folder in _given and not _hides_a_library(Path(folder))
            sys.path.insert(0 if first else len(sys.path), folder)
    for source, target in pairs(overrides):
        names = _decoded(source), _decoded(target)
        ConfigStore.instance().store(
            group=f"task/{source}",
            name=target,
            package="tasks",
            node={"__".join(names): dict(zip(("source", "target"), names, strict=True))},
        )


def _hides_a_library(folder: Path) -> bool:
    """Whether a module in a folder has the name of one of Python's own or of an installed one."""
    modules = {p.stem for p in folder.glob("*.py")}
    modules |= {p.parent.name for p in folder.glob("*/__init__.py")}
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return any(
        name in sys.stdlib_module_names or PathFinder.find_spec(name, installed) for name in modules
    )


def pairs(arguments: list[str]) -> list[tuple[str, str]]:
    """List the source/target pairs in overrides such as ``task=casme2/smic_hs,exp05``."""
    found = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        for choice in value.strip("[]").split(",") if name == "task" else ():
            source, slash, target = choice.strip().partition("/")
            if slash and source and target and "/" not in target:
                found.append((source, target))
    return found


def given_config_dir() -> str | None:
    """Return the folder of cards that this command was given, if any."""
    return _given[0] if _given else None


@contextmanager
def one_sentence(config_dir: str | None) -> Iterator[None]:
    """Turn what is wrong with words and files into a UserError, unless HYDRA_FULL_ERROR is set."""
    debugging = "HYDRA_FULL_ERROR" in os.environ

    def options(group: str) -> list[str]:
        with composer(config_dir, []) as loader:
            names: list[str] = loader.get_group_options(group) if group else []
            return names

    try:
        yield
    except UserError:
        raise
    except (YAMLError, UnicodeDecodeError, HydraException, OmegaConfBaseException) as error:
        if debugging:
            raise
        raise UserError(explain(error, options)) from None


@contextmanager
def composer(config_dir: str | None, overrides: list[str]) -> Iterator[Any]:
    """Start Hydra without an application; yields its configuration loader."""
    prepare_hydra(config_dir, overrides)
    with initialize_config_module("cdmer_bench.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        if config_dir:
            path: ConfigSearchPath = loader.config_search_path  # type: ignore[attr-defined]
            # Hydra insists on its schemas being last.
            path.prepend("command line", f"file://{config_dir}", "schema")
            loader.repository.initialize_sources(path)  # type: ignore[attr-defined]
        yield loader


def compose_config(config_dir: str | None, overrides: list[str]) -> RunConfig:
    """Compose and check the configuration that `cdmer run` would get from these words."""
    overrides = as_hydra(overrides)
    with one_sentence(config_dir), composer(config_dir, overrides):
        return validate(hydra.compose("run", overrides=overrides))


def cards(group: str, config_dir: str | None = None) -> dict[str, DictConfig]:
    """Return every option of a group with its card, as written in its YAML."""
    found: dict[str, DictConfig] = {}
    with one_sentence(config_dir), composer(config_dir, []) as loader:
        for name in loader.get_group_options(group):
            loaded = loader.repository.load_config(f"{group}/{name}")
            if loaded is not None and isinstance(loaded.config, DictConfig):
                card = OmegaConf.create(loaded.config)
                members = [str(getattr(m, "path", None) or "") for m in loaded.defaults_list or []]
                found[name] = OmegaConf.merge(card, {"members": members})  # type: ignore[assignment]
    return found


class JobFailed(Exception):
    """A job that a launcher ran in another process ended with this code, other than 0."""


def run_hydra(
    command: str,  # for messages
    arguments: list[str],
    job: Callable[[RunConfig], int],  # returns an exit code; a UserError ends only that job
    joint: Callable[[list[RunConfig]], None] | None = None,  # called after the jobs of ``-m``
) -> int:
    """Compose the configuration and call ``job`` on it, once or (with ``-m``) many times."""
    flags, overrides = split_flags(arguments)
    given = vars(get_args_parser().parse_args(flags))
    config_dir: str | None = given["config_dir"]
    overrides = as_hydra(overrides, given["multirun"])
    plain = {**vars(get_args_parser().parse_args([])), "config_dir": config_dir}
    if given == plain and not any(o.lstrip("+~").startswith("hydra") for o in overrides):
        # One job without Hydra's own flags: Hydra would compose its configuration twice.
        return job(compose_config(config_dir, overrides))
    tasks = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if given[name]]
    if len(tasks) > 1:
        raise UserError(f"{' and '.join(tasks)} exclude each other; give one of them")
    if given["resolve"] and not (given["cfg"] or given["help"]):
        raise UserError("--resolve says how --cfg shows a configuration; give --cfg job --resolve")
    rerun = given["experimental_rerun"]
    if rerun and not Path(rerun).is_file():
        raise UserError(
            f"--experimental-rerun {rerun} is no file; {nearest_neighbour(Path(rerun))}give the "
            "config.pickle of an earlier run"
        )
    logging.raiseExceptions = False  # `--info | head` closes the pipe that Hydra logs to
    prepare_hydra(config_dir, overrides)
    jobs = _Jobs(job, {o.partition("=")[0] for o in overrides if "," in o})
    sys.argv = [f"cdmer {command}", *flags, *overrides]
    try:
        with one_sentence(config_dir):
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of exiting
            application = hydra.main("pkg://cdmer_bench.conf", "run", version_base="1.3")
            application(jobs.run)()
    except JobFailed as failed:
        say("cdmer: a launched job failed; its output is in results.dir/multirun/.submitit")
        jobs.codes.append(failed.args[0])
    if given["multirun"] and not jobs.codes:
        say(
            "the launched jobs have ended; what they printed is in results.dir/multirun/.submitit, "
            "and `cdmer tables` prints the results"
        )
    if joint:
        joint(jobs.done)
    return 1 if 1 in jobs.codes else max(jobs.codes, default=0)


class _Jobs:
    """What Hydra calls for each job; a launcher such as submitit's does so in another process."""

    def __init__(self, job: Callable[[RunConfig], int], swept: set[str]) -> None:
        self.job, self.swept = job, swept  # keys that differ from job to job
        self.codes: list[int] = []
        self.done: list[RunConfig] = []
        self.started_in = platform.node(), os.getpid()
        self.importable = list(sys.path)

    def run(self, config: DictConfig) -> None:
        """Run one job."""
        # The order is kept, so that a name is the same module here and there.
        sys.path[:] = list(dict.fromkeys([*self.importable, *sys.path]))
        try:
            checked = validate(config)
            if words := self._title():
                print(f"== {words}", flush=True)
            code = self.job(checked)
            self.done.append(checked)
        except BrokenPipeError:
            raise
        except (UserError, MemoryError, OSError) as error:
            sentence, code = as_sentence(error)
            say(sentence)
        self.codes.append(code)
        if code and (platform.node(), os.getpid()) != self.started_in:
            raise JobFailed(code)

    def _title(self) -> str:
        """Return what tells this job of a multirun from the others."""
        own: Any = HydraConfig.get()
        if own.mode != RunMode.MULTIRUN:
            return ""
        words = [word for word in own.overrides.task if word.partition("=")[0] in self.swept]
        title = f"job {own.job.num + 1}: {' '.join(words)}"
        return re.sub(rf"{_CODE}([0-9a-f]{{2}})+", lambda code: _decoded(code[0]), title)
