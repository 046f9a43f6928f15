"""Where clips and features come from: readers of files on disk and the synthetic corpus."""

import os
from importlib import import_module
from typing import Any

MOST_PIXELS = 2**25  # of an image, a little more than a frame of 8K video
# OpenCV looks at this when it is loaded. Without it a file of a few kilobytes may unpack to 4 GB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))

_MODULES = {
    "EMOTIONS": "base",
    "Clip": "base",
    "ClipDatabase": "base",
    "Database": "base",
    "FeatureDatabase": "base",
    "FeatureSet": "base",
    "from_released_layout": "released",
    "to_released_layout": "released",
    "load_released": "released",
    "ReleasedDatabase": "released",
    "FileFeatureDatabase": "matfiles",
    "fetch_released": "fetch",
    "FrameDatabase": "frames",
    "check_frames": "frame_checks",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"cdmer_bench.databases.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cdmer_bench.databases' has no attribute {name!r}")
