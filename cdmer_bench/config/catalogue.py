"""Where the groups of the configuration come from, and what there is to choose from."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from cdmer_bench.config.schema import RunConfig, explain, validate
from cdmer_bench.errors import UserError, nearest_neighbour

ENTRY_POINT_GROUP = "cdmer_bench.conf"
_given: list[str] = []


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
        ConfigStore.instance().store(
            group=f"task/{source}",
            name=target,
            package=f"tasks.{source}__{target}",
            node={"source": source, "target": target},
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
    """Turn what is wrong with an override, a name or a configuration file into a UserError.

    With HYDRA_FULL_ERROR in the environment the error is left as it is.
    """
    debugging = "HYDRA_FULL_ERROR" in os.environ
    try:
        yield
    except UserError:
        raise
    except (YAMLError, UnicodeDecodeError, HydraException, OmegaConfBaseException) as error:
        if debugging:
            raise
        raise UserError(explain(error, lambda group: options(group, config_dir))) from None


@contextmanager
def composer(config_dir: str | None, overrides: list[str]) -> Iterator[Any]:
    """Start Hydra without an application; yields its configuration loader."""
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

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
    """Compose and check the configuration that `cdmer run` would get."""
    from hydra import compose

    with one_sentence(config_dir), composer(config_dir, overrides):
        return validate(compose("run", overrides=overrides))


def options(group: str, config_dir: str | None = None) -> list[str]:
    """Return the names of every option of a group; none if there is no such group."""
    with composer(config_dir, []) as loader:
        names: list[str] = loader.get_group_options(group) if group else []
        return names


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
