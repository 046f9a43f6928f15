"""Spatiotemporal descriptors, each a plain function on a clip of shape (T, H, W)."""

from importlib import import_module
from typing import Any

_MODULES = {
    "lbp_top": "lbp_top",
    "lbp_sip": "lbp_sip",
    "lpq_top": "lpq_top",
    "hog_top": "hog_top",
    "higo_top": "higo_top",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"cdmer_bench.descriptors.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cdmer_bench.descriptors' has no attribute {name!r}")
