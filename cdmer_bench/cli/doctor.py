"""`cdmer doctor`: versions, BLAS, cores, folders."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from cdmer_bench.files import user_path


def main(arguments: list[str]) -> int:
    """Run the command."""
    argparse.ArgumentParser("cdmer doctor", description=__doc__).parse_args(arguments)
    import joblib
    import numpy  # noqa: F401  (imported so that its BLAS is listed)
    import scipy.linalg  # noqa: F401
    import threadpoolctl

    from cdmer_bench.config.catalogue import compose_config
    from cdmer_bench.runner.about import versions

    for package, version in versions().items():
        print(f"{package:<16}{version}")
    print(f"{'executable':<16}{sys.executable}")
    for library in threadpoolctl.threadpool_info():
        print(
            f"{'BLAS/OpenMP':<16}{library.get('internal_api')} {library.get('version') or ''} "
            f"({library['num_threads']} threads; cdmer uses one in each process)"
        )
    print(f"{'cores':<16}{os.cpu_count()}, of which {joblib.cpu_count()} are free to use")
    config = compose_config(None, [])
    folders = {"cache": config.cache.dir, "results": config.results.dir}
    for name, folder in folders.items():
        print(f"{name + ' folder':<16}{_describe_folder(user_path(folder).absolute())}")
    problem = _opencv_problem()
    print(f"{'OpenCV':<16}{problem or 'imports'}")
    return 1 if problem else 0


def _describe_folder(folder: Path) -> str:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    state = "there" if existing == folder else "made when needed"
    free = shutil.disk_usage(existing).free / 2**30
    writable = "" if os.access(existing, os.W_OK) else ", NOT WRITABLE"
    return f"{folder} ({state}, {free:.1f} GiB free{writable})"


def _opencv_problem() -> str:
    try:
        import cv2
    except ImportError as error:
        return (
            f"cannot be imported ({error}); on a machine without a screen, "
            "pip install --force-reinstall opencv-python-headless"
        )
    return "" if cv2.__version__ else "has no version"
