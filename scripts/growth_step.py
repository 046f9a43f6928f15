"""One step of the growth measurements, in a process of its own: prints seconds and memory as JSON.

    python scripts/growth_step.py STEP CLIPS BLOCKS BINS SETTINGS

STEP is ``extraction``, ``store`` or a method; CLIPS are those of each of two databases.
"""

import json
import resource
import sys
import tempfile
import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

PLANES = 3
# Grids of so many blocks: the paper's text, the released features, and two finer ones.
GRIDS = {30: (1, 2, 3, 4), 85: (1, 2, 4, 8), 200: (2, 14), 400: (12, 16)}


def peak() -> float:
    """Return the largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def samples(n: int, blocks: int, bins: int) -> np.ndarray:
    """Return random histograms, (n, blocks, planes * bins)."""
    rng = np.random.default_rng(n)
    X = rng.standard_gamma(0.5, size=(n, blocks, PLANES * bins))
    X /= X.sum(axis=2, keepdims=True)
    return X


def extraction(clips: int, blocks: int) -> float:
    """Describe clips by LBP-TOP, keeping all results as the store does."""
    from cdmer_bench.descriptors import lbp_top

    clip = np.random.default_rng(0).normal(128, 40, (16, 112, 112))
    start = time.process_time()
    np.stack([lbp_top(clip + i, grids=GRIDS[blocks]) for i in range(clips)])
    return time.process_time() - start


def store(clips: int, blocks: int, bins: int) -> float:
    """Pack features, write them, and read them with their checks."""
    from pathlib import Path

    from cdmer_bench.io import pack_arrays, read_arrays, write_atomically

    X = samples(clips, blocks, bins)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npz"
        start = time.process_time()
        write_atomically(path, pack_arrays({"X": X}))
        read_arrays(path)
        return time.process_time() - start


def method(name: str, clips: int, blocks: int, bins: int, n_settings: int) -> float:
    """Prepare a task of two databases, and solve the first settings of a method's grid."""
    from bench_methods import CLASSES

    from cdmer_bench import methods

    name, _, solver = name.partition("=")
    chosen = getattr(methods, CLASSES[name])(**({"solver": solver} if solver else {}))
    Xs, Xt = samples(clips, blocks, bins), samples(clips + 1, blocks, bins)[:-1]
    ys = np.arange(clips) % 3
    if not chosen.needs_blocks:
        Xs, Xt = Xs.reshape(clips, -1), Xt.reshape(clips, -1)
    start = time.process_time()
    prepared = chosen.prepare(Xs, ys, Xt, Xt)
    grid: list[dict[str, Any]] = [{}]
    if n_settings > 1:
        parameter = "mu" if hasattr(chosen, "mu") else "lam"
        grid = [{parameter: float(value)} for value in np.geomspace(0.01, 10, n_settings)]
    elif hasattr(chosen, "k"):
        grid = [{"k": min(50, clips - 1)}]
    for batch in chosen.batches(grid):
        chosen.solve(prepared, [grid[i] for i in batch])
    return time.process_time() - start


def main(step: str, clips: int, blocks: int, bins: int, n_settings: int) -> None:
    with threadpool_limits(1):
        # A tiny step first: the libraries that it loads belong to the base.
        measure(step, 6, 30, 2, 1)
        base = peak()
        seconds = measure(step, clips, blocks, bins, n_settings)
    print(json.dumps({"seconds": seconds, "peak": peak(), "base": base}))


def measure(step: str, clips: int, blocks: int, bins: int, n_settings: int) -> float:
    """Run the step and return its CPU seconds."""
    if step == "extraction":
        return extraction(clips, blocks)
    if step == "store":
        return store(clips, blocks, bins)
    return method(step, clips, blocks, bins, n_settings)


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
