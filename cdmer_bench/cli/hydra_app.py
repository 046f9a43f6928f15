"""Compose the configuration of the command line by Hydra, and put its errors in one sentence."""

import logging
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError, as_sentence, closest

if TYPE_CHECKING:
    from hydra.errors import HydraException
    from omegaconf import DictConfig

    from cdmer_bench.config.schema import RunConfig

_LISTED_GROUPS = ("method", "descriptor", "task")
_TEXT_KEYS = (
    "dir", "root", "table", "folder", "title", "letter", "label", "address",
    "weights", "weights_ucf101", "weights_finetuned",
)  # fmt: skip
_VALUE_FLAGS = (
    "--cfg", "-c", "--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn",
    "--package", "-p", "--experimental-rerun",
)  # fmt: skip
_INFO_CHOICES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
Job = Callable[..., int]


class JobFailed(Exception):
    """A job that a launcher ran in another process ended with a code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def split_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part Hydra's flags (with their values) from the overrides.

    Hydra refuses overrides on both sides of a flag, so flags are given to it first.
    """
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        flags.append(argument)
        if argument in _VALUE_FLAGS:
            value = next(rest, None)
            if value is None:
                raise UserError(f"{argument} needs a value")
            flags.append(value)
        elif argument in ("--info", "-i"):
            value = next(rest, "all")
            flags.append(value if value in _INFO_CHOICES else "all")
            if value not in _INFO_CHOICES:
                overrides.append(value)
    return flags, overrides


def hydra_flags() -> list[str]:
    """List the flags of `cdmer run`, which are Hydra's."""
    from hydra._internal.utils import get_args_parser

    return list(get_args_parser()._option_string_actions)


def check_words(flags: list[str], overrides: list[str]) -> None:
    """Refuse a flag that Hydra does not have, and a word that overrides nothing."""
    known = hydra_flags() if flags else []
    for flag in flags:
        name = flag.partition("=")[0]
        if name.startswith("-") and not any(other.startswith(name) for other in known):
            long_ones = [other for other in known if other.startswith("--")]
            raise UserError(f"{name} is no flag of `cdmer run`; {closest(name, long_ones)}")
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise UserError(
                f"{override!r} is no override; expected GROUP=CHOICE or KEY=VALUE, such as "
                "method=tca or n_jobs=2"
            )


def as_lists(overrides: list[str]) -> list[str]:
    """Write ``method=a,b`` as ``method=[a,b]``, so that one run takes them all."""
    written = []
    for override in overrides:
        name, equals, value = override.partition("=")
        if equals and name in _LISTED_GROUPS and "," in value and not value.startswith("["):
            choices = [choice.strip() for choice in value.split(",") if choice.strip()]
            override = f"{name}=[{','.join(dict.fromkeys(choices))}]"
        written.append(override)
    return written


def as_text(overrides: list[str], multirun: bool = False) -> list[str]:
    """Quote paths and titles, so that ``results.dir=2024_01_15`` or ``corpus.root=a=[b]`` is text.

    What is quoted already, null and ``${...}`` are left alone; with ``-m`` commas divide jobs.
    """
    written = []
    for override in overrides:
        key, _, value = override.partition("=")
        parts = key.lstrip("+").split(".")
        below_files = len(parts) > 1 and parts[-2] == "files" and value[:1] != "{"
        quoted = value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1
        kept = quoted or value in ("", "null") or value.startswith("${")
        if (below_files or parts[-1] in _TEXT_KEYS) and not (kept or (multirun and "," in value)):
            value = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + m[2].replace("'", "\\'"), value)
            override = f"{key}='{value}'"
        written.append(override)
    return written


def flag_value(flags: list[str], *names: str) -> str | None:
    """Return the value of a flag given as ``--flag value`` or ``--flag=value``."""
    for index, flag in enumerate(flags):
        if flag in names:
            return flags[index + 1]
        for name in names:
            if flag.startswith(f"{name}="):
                return flag.partition("=")[2]
    return None


def run_hydra(
    command: str,  # for messages
    arguments: list[str],
    job: Job,  # called with the RunConfig; returns an exit code; a UserError ends only that job
    joint: Callable[[list["RunConfig"]], None] | None = None,  # called after the jobs of ``-m``
) -> int:
    """Compose the configuration and call ``job`` on it, once or (with ``-m``) many times."""
    flags, overrides = split_flags(arguments)
    check_words(flags, overrides)
    multirun = bool({"-m", "--multirun"} & set(flags))
    overrides = as_text(overrides if multirun else as_lists(overrides), multirun)
    debugging = "HYDRA_FULL_ERROR" in os.environ
    config_dir = flag_value(flags, "--config-dir", "-cd")
    own = {"--config-dir", "-cd", config_dir, f"--config-dir={config_dir}"}
    if set(flags) <= own and not any(o.lstrip("+~").startswith("hydra") for o in overrides):
        # One job without Hydra's own flags: Hydra would compose its configuration twice.
        from cdmer_bench.config.catalogue import compose_config

        with nullcontext() if debugging else one_sentence(config_dir):
            config = compose_config(config_dir, overrides)
        return job(config)
    logging.raiseExceptions = False  # `--info | head` closes what Hydra logs to
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting
    import hydra
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: F401

    from cdmer_bench.config.catalogue import prepare_hydra

    prepare_hydra(config_dir, overrides)
    codes: list[int] = []
    done: list[RunConfig] = []
    swept = {o.partition("=")[0] for o in overrides if "," in o}
    sys.argv = [f"cdmer {command}", *flags, *overrides]
    try:
        with nullcontext() if debugging else one_sentence(config_dir):
            hydra.main(config_path="pkg://cdmer_bench.conf", config_name="run", version_base="1.3")(
                _guarded(job, codes, done, swept)
            )()
    except JobFailed as failed:
        say("cdmer: a launched job failed; its output is in results.dir/multirun/.submitit")
        codes.append(failed.code)
    if joint:
        joint(done)
    return 1 if 1 in codes else max(codes, default=0)


def _guarded(
    job: Job, codes: list[int], done: "list[RunConfig]", swept: set[str]
) -> "Callable[[DictConfig], None]":
    """Return what Hydra calls: it checks the configuration, runs the job and keeps its code."""
    from cdmer_bench.config.schema import validate

    here, importable = _process(), list(sys.path)

    def job_of(config: "DictConfig") -> None:
        # A launcher such as submitit's calls this in another process, maybe on another machine;
        # the order is kept, so that a name is the same module here and there.
        sys.path[:] = [*importable, *(folder for folder in sys.path if folder not in importable)]
        try:
            checked = validate(config)
            if words := _swept(swept):
                print(f"== {words}", flush=True)
            code = job(checked)
            done.append(checked)
        except BrokenPipeError:
            raise
        except (UserError, MemoryError, OSError) as error:
            sentence, code = as_sentence(error)
            say(sentence)
        codes.append(code)
        if code and _process() != here:
            raise JobFailed(code)

    return job_of


def _swept(swept: set[str]) -> str:
    """Return what tells this job of a multirun from the others."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return ""
    hydra = HydraConfig.get()
    words = [w for w in hydra.overrides.task if w.partition("=")[0] in swept]
    return f"job {hydra.job.num + 1}: {' '.join(words)}"


def compose(config_dir: str | None, overrides: list[str]) -> "RunConfig":
    """Compose the configuration of a command that is no Hydra application."""
    from cdmer_bench.config.catalogue import compose_config

    check_words([], overrides)
    with one_sentence(config_dir):
        return compose_config(config_dir, as_text(as_lists(overrides)))


def _process() -> tuple[str, int]:
    return platform.node(), os.getpid()


@contextmanager
def one_sentence(config_dir: str | None) -> Iterator[None]:
    """Turn what is wrong with an override, a name or a configuration file into a UserError."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from cdmer_bench.config.catalogue import options
    from cdmer_bench.config.schema import explain

    try:
        yield
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(explain_yaml(error)) from None
    except HydraException as error:
        raise UserError(explain_hydra(error, partial(options, config_dir=config_dir))) from None
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from None


def explain_yaml(error: Exception) -> str:
    """Put the error of an unreadable configuration file into one sentence with file and line."""
    mark = getattr(error, "problem_mark", None)
    place = f"{mark.name}, line {mark.line + 1}" if mark else "a configuration file"
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{place} is not plain YAML: {reason}; correct it there"


def explain_hydra(error: "HydraException", options_of: Callable[[str], Sequence[str]]) -> str:
    """Put a Hydra error into one sentence, with the closest names where a name was wrong.

    ``options_of`` lists those of a group, which Hydra does not where a name in a list was wrong.
    """
    from omegaconf.errors import OmegaConfBaseException

    from cdmer_bench.config.schema import explain

    missing = getattr(error, "missing_cfg_file", None)
    if missing is not None:
        group, _, name = str(missing).rpartition("/")
        name = name.removesuffix(".yaml")
        options = getattr(error, "options", None) or options_of(group)
        if not options:
            return f"{str(missing)!r} was not found among the configuration files"
        kind = group or "configuration"
        article = "an" if kind[0] in "aeiou" else "a"
        return f"{name!r} is not {article} {kind}; {closest(name, options)}"
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        return explain(cause)
    text = str(error).strip()
    first = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    if "Ambiguous value" in first:
        return f"{first}; write a list as key=[a,b], or add -m to run one job for each value"
    return f"{first}; `cdmer run --cfg job` shows the configuration's keys"
