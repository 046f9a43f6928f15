"""Errors of Hydra, OmegaConf and YAML, each put into one sentence for the user."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from cdmer_bench.config.catalogue import options
from cdmer_bench.config.schema import explain
from cdmer_bench.errors import UserError, closest


@contextmanager
def one_sentence(config_dir: str | None) -> Iterator[None]:
    """Turn what is wrong with an override, a name or a configuration file into a UserError.

    Parameters
    ----------
    config_dir
        The value of ``--config-dir``, or None.
    """
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


def explain_hydra(error: HydraException, options_of: Callable[[str], Sequence[str]]) -> str:
    """Put a Hydra error into one sentence, with the closest names where a name was wrong.

    Parameters
    ----------
    error
    options_of
        Returns the options of a configuration group; Hydra does not tell them where a name in
        a list was wrong.
    """
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
