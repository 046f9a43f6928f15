"""Run a function on the configuration that Hydra composes from the command line."""

import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError, closest

if TYPE_CHECKING:
    from cdmer_bench.config.schema import RunConfig

_LISTED_GROUPS = ("method", "descriptor", "task")
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


def flag_value(flags: list[str], *names: str) -> str | None:
    """Return the value of a flag given as ``--flag value`` or ``--flag=value``."""
    for index, flag in enumerate(flags):
        if flag in names:
            return flags[index + 1]
        for name in names:
            if flag.startswith(f"{name}="):
                return flag.partition("=")[2]
    return None


def run_hydra(command: str, arguments: list[str], job: Job) -> int:
    """Compose the configuration and call ``job`` on it, once or (with ``-m``) many times.

    Parameters
    ----------
    command
        The sub-command, for messages.
    arguments
        What follows it.
    job
        Called with the validated :class:`~cdmer_bench.config.schema.RunConfig`; returns an exit
        code. A UserError ends only that job.

    Returns
    -------
    int
        The exit code: 1 if any job gave 1, else the largest.
    """
    flags, overrides = split_flags(arguments)
    if not {"-m", "--multirun"} & set(flags):
        overrides = as_lists(overrides)
    debugging = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting
    import hydra
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: F401
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from cdmer_bench.config import resolvers, search_path
    from cdmer_bench.config.schema import explain, validate

    resolvers.register()
    search_path.register(flag_value(flags, "--config-dir", "-cd"), overrides)
    codes: list[int] = []
    here, importable = _process(), list(sys.path)

    def job_of(config: DictConfig) -> None:
        # A launcher such as submitit's calls this in another process, maybe on another machine;
        # the order is kept, so that a name is the same module here and there.
        sys.path[:] = [*importable, *(folder for folder in sys.path if folder not in importable)]
        try:
            code = job(validate(config))
        except UserError as error:
            say(f"cdmer: {error}")
            code = 2
        codes.append(code)
        if code and _process() != here:
            raise JobFailed(code)

    sys.argv = [f"cdmer {command}", *flags, *overrides]
    try:
        hydra.main(config_path="pkg://cdmer_bench.conf", config_name="run", version_base="1.3")(
            job_of
        )()
    except (YAMLError, UnicodeDecodeError) as error:
        if debugging:
            raise
        raise UserError(explain_yaml(error)) from None
    except JobFailed as failed:
        say("cdmer: a launched job failed; its output is in results.dir/multirun/.submitit")
        codes.append(failed.code)
    except HydraException as error:
        if debugging:
            raise
        raise UserError(explain_hydra(error)) from None
    except OmegaConfBaseException as error:
        if debugging:
            raise
        raise UserError(explain(error)) from None
    return 1 if 1 in codes else max(codes, default=0)


def compose(config_dir: str | None, overrides: list[str]) -> "RunConfig":
    """Compose the configuration of a command that is no Hydra application.

    Raises
    ------
    UserError
        If an override, a name or a file of the configuration is wrong.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from cdmer_bench.config.catalogue import compose_config
    from cdmer_bench.config.schema import explain

    try:
        return compose_config(config_dir, as_lists(overrides))
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(explain_yaml(error)) from None
    except HydraException as error:
        raise UserError(explain_hydra(error)) from None
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from None


def explain_yaml(error: Exception) -> str:
    """Put the error of an unreadable configuration file into one sentence with file and line."""
    mark = getattr(error, "problem_mark", None)
    place = f"{mark.name}, line {mark.line + 1}" if mark else "a configuration file"
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{place} is not plain YAML: {reason}; correct it there"


def _process() -> tuple[str, int]:
    return platform.node(), os.getpid()


def explain_hydra(error: Exception) -> str:
    """Put a Hydra error into one sentence, with the closest names where a name was wrong."""
    from omegaconf.errors import OmegaConfBaseException

    from cdmer_bench.config.schema import explain

    missing = getattr(error, "missing_cfg_file", None)
    if missing is not None:
        group, _, name = str(missing).rpartition("/")
        options = [o for o in (getattr(error, "options", None) or []) if isinstance(o, str)]
        name = name.removesuffix(".yaml")
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
