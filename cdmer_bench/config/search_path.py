"""Configuration groups that installed packages and the user's own folders add."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from cdmer_bench.errors import UserError, nearest_neighbour

ENTRY_POINT_GROUP = "cdmer_bench.conf"


class InstalledConfigs(SearchPathPlugin):
    """Adds each package registered under the entry-point group ``cdmer_bench.conf``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append ``pkg://<package>`` for each entry point, in the order of their names."""
        for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
            search_path.append(f"{ENTRY_POINT_GROUP}:{point.name}", f"pkg://{point.value}")


def register(config_dir: str | None, arguments: list[str]) -> None:
    """Prepare Hydra for this command line.

    Installed packages' configurations are found, classes in the user's configuration folder and
    in the working folder can be imported, and ``task=source/target`` names a task of its own.

    Parameters
    ----------
    config_dir
        The value of ``--config-dir``, or None.
    arguments
        The overrides.

    Raises
    ------
    UserError
        If ``config_dir`` is not a folder.
    """
    if config_dir and not Path(config_dir).is_dir():
        raise UserError(
            f"--config-dir {config_dir} is not a folder; "
            f"{nearest_neighbour(Path(config_dir))}give the folder that holds your method/, "
            "descriptor/ or corpus/"
        )
    if InstalledConfigs not in Plugins.instance().discover(SearchPathPlugin):
        Plugins.instance().register(InstalledConfigs)
    # The working folder may hold anything, so it comes last: no file there stands in for a library.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    if config_dir and str(Path(config_dir).resolve()) not in sys.path:
        sys.path.insert(0, str(Path(config_dir).resolve()))
    for source, target in pairs(arguments):
        ConfigStore.instance().store(
            group=f"task/{source}",
            name=target,
            package=f"tasks.{source}__{target}",
            node={"source": source, "target": target},
        )


def pairs(arguments: list[str]) -> list[tuple[str, str]]:
    """List the source/target pairs in overrides such as ``task=casme2/smic_hs,exp05``."""
    found = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name == "task":
            for choice in value.strip("[]").split(","):
                source, slash, target = choice.strip().partition("/")
                if slash and source and target and "/" not in target:
                    found.append((source, target))
    return found
