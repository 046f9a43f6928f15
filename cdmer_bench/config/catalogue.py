"""What there is to choose from: the options of each configuration group, with their cards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cdmer_bench.config import search_path
from cdmer_bench.config.schema import RunConfig, validate


@contextmanager
def composer(config_dir: str | None, overrides: list[str]) -> Iterator[Any]:
    """Start Hydra without an application; yields its configuration loader."""
    from hydra import initialize_config_module
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.global_hydra import GlobalHydra

    search_path.register(config_dir, overrides)
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

    with composer(config_dir, overrides):
        return validate(compose("run", overrides=overrides))


def options(group: str, config_dir: str | None = None) -> list[str]:
    """Return the names of every option of a group; none if there is no such group."""
    with composer(config_dir, []) as loader:
        names: list[str] = loader.get_group_options(group) if group else []
        return names


def cards(group: str, config_dir: str | None = None) -> dict[str, DictConfig]:
    """Return every option of a group with its card, as written in its YAML."""
    found: dict[str, DictConfig] = {}
    with composer(config_dir, []) as loader:
        for name in loader.get_group_options(group):
            loaded = loader.repository.load_config(f"{group}/{name}")
            if loaded is not None and isinstance(loaded.config, DictConfig):
                card = OmegaConf.create(loaded.config)
                members = [str(getattr(m, "path", None) or "") for m in loaded.defaults_list or []]
                found[name] = OmegaConf.merge(card, {"members": members})  # type: ignore[assignment]
    return found
