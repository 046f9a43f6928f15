"""The words of `cdmer run` and `extract`, and the jobs that Hydra composes from them."""

import argparse
import logging
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError, as_sentence, closest, nearest_neighbour

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from cdmer_bench.config.schema import RunConfig

_LISTED_GROUPS = ("method", "descriptor", "task")
_GROUPS = (*_LISTED_GROUPS, "corpus", "preprocessing", "selection", "backend", "experiment")
_TEXT_KEYS = (
    "dir", "root", "table", "folder", "title", "letter", "label", "address",
    "weights", "weights_ucf101", "weights_finetuned",
)  # fmt: skip


class JobFailed(Exception):
    """A job that a launcher ran in another process ended with a code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def split_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Separate Hydra's flags (with their values) from the overrides.

    Hydra refuses overrides on both sides of a flag, so flags are given to it first.
    """
    known = hydra_parser()._option_string_actions
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


def hydra_parser() -> argparse.ArgumentParser:
    """Return Hydra's own parser, whose flags are those of `cdmer run`."""
    from hydra._internal.utils import get_args_parser

    return get_args_parser()


def as_hydra(overrides: list[str], multirun: bool = False) -> list[str]:
    """Write overrides as Hydra reads them; refuse what overrides nothing.

    ``method=a,b`` becomes ``method=[a,b]``, so that one run takes them all. Paths and titles are
    quoted, so that ``results.dir=2024_01_15`` or ``corpus.root=a=[b]`` is text; what is quoted
    already, null and ``${...}`` are left alone. With ``-m`` commas divide jobs.
    """
    from hydra.core.override_parser.types import Quote, QuotedString

    written = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals and not override.startswith("~"):
            raise UserError(
                f"{override!r} is no override; expected GROUP=CHOICE or KEY=VALUE, such as "
                "method=tca or n_jobs=2"
            )
        chosen = value.strip("[]").split(",") if key.lstrip("+") in _GROUPS else []
        if "null" in chosen or not key:
            raise UserError(
                f"{override} chooses nothing, but a choice must be a string or a list of names; "
                "leave it out, or see `cdmer run --cfg job`"
            )
        parts = key.lstrip("+").split(".")
        is_text = parts[-1] in _TEXT_KEYS or (parts[-2:-1] == ["files"] and value[:1] != "{")
        quoted = value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1
        kept = quoted or value in ("", "null") or value.startswith("${")
        if multirun and "," in value:
            pass
        elif key in _LISTED_GROUPS and "," in value and not value.startswith("["):
            choices = [choice.strip() for choice in value.split(",") if choice.strip()]
            override = f"{key}=[{','.join(dict.fromkeys(choices))}]"
        elif is_text and not kept:
            override = f"{key}={QuotedString(value, Quote.single).with_quotes()}"
        written.append(override)
    return written


def compose(config_dir: str | None, overrides: list[str]) -> "RunConfig":
    """Compose the configuration of a command that is no Hydra application."""
    from cdmer_bench.config.catalogue import compose_config

    return compose_config(config_dir, as_hydra(overrides))


def run_hydra(
    command: str,  # for messages
    arguments: list[str],
    job: Callable[["RunConfig"], int],  # returns an exit code; a UserError ends only that job
    joint: Callable[[list["RunConfig"]], None] | None = None,  # called after the jobs of ``-m``
) -> int:
    """Compose the configuration and call ``job`` on it, once or (with ``-m``) many times."""
    flags, overrides = split_flags(arguments)
    given = vars(hydra_parser().parse_args(flags))
    config_dir: str | None = given["config_dir"]
    overrides = as_hydra(overrides, given["multirun"])
    plain = {**vars(hydra_parser().parse_args([])), "config_dir": config_dir}
    if given == plain and not any(o.lstrip("+~").startswith("hydra") for o in overrides):
        # One job without Hydra's own flags: Hydra would compose its configuration twice.
        from cdmer_bench.config.catalogue import compose_config

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
    import hydra

    from cdmer_bench.config.catalogue import one_sentence, prepare_hydra

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
        jobs.codes.append(failed.code)
    if given["multirun"] and not jobs.codes:
        say(
            "the launched jobs have ended; what they printed is in results.dir/multirun/.submitit, "
            "and `cdmer tables` prints the results"
        )
    if joint:
        joint(jobs.done)
    return 1 if 1 in jobs.codes else max(jobs.codes, default=0)


class _Jobs:
    """What Hydra calls for each job: it checks the configuration, and keeps the exit code.

    A launcher such as submitit's calls it in another process, maybe on another machine.
    """

    def __init__(self, job: Callable[["RunConfig"], int], swept: set[str]) -> None:
        self.job, self.swept = job, swept  # keys that differ from job to job
        self.codes: list[int] = []
        self.done: list[RunConfig] = []
        self.started_in = platform.node(), os.getpid()
        self.importable = list(sys.path)

    def run(self, config: "DictConfig") -> None:
        """Run one job."""
        from cdmer_bench.config.schema import validate

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
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        hydra: Any = HydraConfig.get()
        if hydra.mode != RunMode.MULTIRUN:
            return ""
        words = [word for word in hydra.overrides.task if word.partition("=")[0] in self.swept]
        return f"job {hydra.job.num + 1}: {' '.join(words)}"
