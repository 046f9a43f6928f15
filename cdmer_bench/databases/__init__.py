"""Where clips and features come from: readers of files on disk and the synthetic corpus."""

from importlib import import_module
from typing import Any

_MODULES = {
    "EMOTIONS": "base",
    "Clip": "base",
    "ClipDatabase": "base",
    "Database": "base",
    "FeatureDatabase": "base",
    "FeatureSet": "base",
    "from_released_layout": "layout",
    "to_released_layout": "layout",
    "load_released": "released",
    "ReleasedDatabase": "released",
    "FileFeatureDatabase": "matfiles",
    "fetch_released": "fetch",
    "FrameDatabase": "frames",
    "check_frames": "checks",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"cdmer_bench.databases.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cdmer_bench.databases' has no attribute {name!r}")
