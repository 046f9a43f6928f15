"""What describes a run without changing its results: versions, machine, time."""

import datetime
import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("cdmer-bench", "numpy", "scipy", "scikit-learn", "scikit-image", "opencv-python")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part in results."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe_run(seconds: float) -> dict[str, Any]:
    """Return versions, machine, date, command and the seconds that the cell took."""
    return {
        "versions": versions(),
        "host": platform.node(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "seconds": round(seconds, 3),
    }
