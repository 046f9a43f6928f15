"""OmegaConf resolvers of the configuration files."""

from omegaconf import OmegaConf

from cdmer_bench.methods.grid import parse_range


def register() -> None:
    """Register ``${range:'0.1:0.1:1, 2:1:10'}``, a grid in the paper's notation."""
    OmegaConf.register_new_resolver("range", parse_range, replace=True)
