"""`cdmer doctor`: versions, extras, BLAS, cores and folders."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from cdmer_bench.cli.arguments import command
from cdmer_bench.io import user_path

_USERS_EXTRAS = ("fast", "frames", "plots", "parquet", "c3d", "cluster")


@command()
def doctor_command(_: argparse.Namespace) -> int:
    """Show versions, extras, BLAS, cores and folders; exit code 1 if images cannot be read."""
    problem = _opencv_problem()
    rows = [
        ("python", sys.version.partition(" ")[0]),
        ("executable", sys.executable),
        ("cdmer-bench", version("cdmer-bench")),
        *_packages(),
        ("OpenCV", problem or "can be imported"),
        *_machine(),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:<{width}}  {text}")
    return 1 if problem else 0


def _packages() -> Iterator[tuple[str, str]]:
    """Yield each dependency with its version, and those of the extras that users choose."""
    for requirement in requires("cdmer-bench") or ():
        name = re.split(r"[^\w-]", requirement)[0]
        extra = requirement.partition("extra == ")[2].strip("'\"")
        if extra and extra not in _USERS_EXTRAS:
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed"
        yield name, f"{found} (extra {extra})" if extra else found


def _machine() -> Iterator[tuple[str, str]]:
    """Yield BLAS, cores and folders."""
    import joblib
    import numpy  # noqa: F401  (imported so that its BLAS is listed)
    import scipy.linalg  # noqa: F401
    import threadpoolctl

    from cdmer_bench.cli.hydra_app import compose_config

    for library in threadpoolctl.threadpool_info():
        yield (
            "BLAS/OpenMP",
            f"{library.get('internal_api')} {library.get('version') or ''} "
            f"({library['num_threads']} threads; cdmer uses one in each process)",
        )
    yield "cores", f"{os.cpu_count()}, of which {joblib.cpu_count()} are free to use"
    config = compose_config(None, [])
    yield "cache folder", _describe(user_path(config.cache.dir).absolute())
    yield "results folder", _describe(user_path(config.results.dir).absolute())


def _describe(folder: Path) -> str:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    state = "there" if existing == folder else "made when needed"
    free = shutil.disk_usage(existing).free / 2**30
    writable = "" if os.access(existing, os.W_OK) else ", NOT WRITABLE"
    return f"{folder} ({state}, {free:.1f} GiB free{writable})"


def _opencv_problem() -> str:
    try:
        from cv2 import __version__  # noqa: F401  (a broken installation may leave a folder)
    except ImportError as error:
        return (
            f"cannot be imported ({error}); on a machine without a screen, "
            "pip install --force-reinstall opencv-python-headless"
        )
    return ""
