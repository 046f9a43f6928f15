"""Time each adaptation method against the plain textbook way, in one run, as ratios.

    python scripts/bench_methods.py [--methods a,b] [--seconds S] [--csv FILE]

One task of the paper's size: 164 source and 71 target samples of three classes, random histograms
of 85 blocks x 3 planes x 59 bins from a fixed seed. Per setting, in CPU seconds and with one BLAS
thread: the package's time for its shared preparation, divided by all settings of the paper's grid,
plus its time in strands of that grid; the textbook's time for an independent fit of a setting. Both
sides take turns, on randomly drawn strands and settings, until each has had S seconds; what was
not reached is assumed to cost the same. ``equal`` is the share of predictions on which both agree
in the settings drawn; below 1 for TKL, because SciPy's SLSQP, the textbook's solver there, stops
above the optimum for some damping factors. For TSRG and DRFS-T the floor is the steps taken, times
2 n^2 d floating point operations, at the rate of that matrix product measured in the same run.
"""

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import textbook_methods

from cdmer_bench import methods

CLASSES = {
    "svm": "SVM",
    "iw_svm": "IWSVM",
    "tca": "TCA",
    "gfk": "GFK",
    "sa": "SA",
    "stm": "STM",
    "tkl": "TKL",
    "tsrg": "TSRG",
    "drfs_t": "DRFST",
    "drls": "DRLS",
    "rstr": "RSTR",
}
N_SOURCE, N_TARGET, N_BLOCKS, N_PLANES, N_BINS = 164, 71, 85, 3, 59
COLUMNS = ("method", "settings", "timed", "ours_ms", "plain_ms", "ratio", "equal", "over_floor")
Array = NDArray[np.float64]


def random_histograms(seed: int = 0) -> tuple[Array, NDArray[np.intp], Array]:
    """Return Xs, ys, Xt of histograms, whose means differ by class and by domain."""
    rng = np.random.default_rng(seed)
    shape = (N_BLOCKS, N_PLANES, N_BINS)
    base = rng.gamma(0.5, size=shape) + 0.02
    # Classes so close that the baseline errs in a third of the target.
    by_class = [base * rng.gamma(1500, 1 / 1500, size=shape) for _ in range(3)]
    shift = rng.gamma(20, 1 / 20, size=shape)

    def draw(labels: NDArray[np.intp], shifted: bool) -> Array:
        samples = []
        for label in labels:
            means = by_class[label] * (shift if shifted else 1.0)
            means = means * rng.gamma(5, 1 / 5, size=shape)
            samples.append(rng.multinomial(400, means / means.sum(-1, keepdims=True)) / 400)
        return np.array(samples).reshape(len(labels), N_BLOCKS, -1)

    ys, yt = (rng.integers(0, 3, n) for n in (N_SOURCE, N_TARGET))
    return draw(ys, False), ys, draw(yt, True)


class Ours:
    """The package's side: one method, prepared once, its strands timed one after another."""

    def __init__(self, name: str, task: tuple[Array, NDArray[np.intp], Array]) -> None:
        self.method = getattr(methods, CLASSES[name])()
        Xs, ys, Xt = task
        if not self.method.needs_blocks:
            Xs, Xt = textbook_methods.flat(Xs), textbook_methods.flat(Xt)
        n_features = int(np.prod(Xs.shape[1:]))
        self.settings = self.method.settings(None, (len(Xs), len(Xt), n_features))
        start = time.process_time()
        self.prepared = self.method.prepare(Xs, ys, Xt, Xt)
        self.preparation = time.process_time() - start
        self.spent, self.timed, self.steps = 0.0, 0, 0

    def take(self, strand: Sequence[int]) -> None:
        """Solve one strand, timed."""
        start = time.process_time()
        result = self.method.solve(self.prepared, [self.settings[i] for i in strand])
        self.spent += time.process_time() - start
        self.timed += len(strand)
        self.steps += int(result.iterations.sum())

    def predict(self, index: int) -> NDArray[np.intp]:
        """Return the predictions of one setting, not timed."""
        return self.method.solve(self.prepared, [self.settings[index]]).predictions[0]

    @property
    def seconds(self) -> float:
        """CPU seconds a setting."""
        return self.preparation / len(self.settings) + self.spent / self.timed


def product_rate(n: int, width: int = 512) -> float:
    """Measure the floating point operations a second of (n x n) @ (n x width)."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(n, n)), rng.normal(size=(n, width))
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(10):
            A @ B
        best = min(best, time.perf_counter() - start)
    return 10 * 2 * n * n * width / best


def contest(
    name: str, task: tuple[Array, NDArray[np.intp], Array], seconds: float
) -> dict[str, Any]:
    """Time one method on both sides, in turns, and return its row of the table."""
    ours, plain = Ours(name, task), getattr(textbook_methods, name)
    rng = np.random.default_rng(1)
    strands = ours.method.strands(ours.settings)
    strands = [strands[i] for i in rng.permutation(len(strands))]
    drawn = list(rng.permutation(len(ours.settings)))
    spent, done, same = 0.0, 0, []
    while (strands and ours.spent < seconds) or (drawn and spent < seconds):
        if strands and (ours.spent < seconds):
            ours.take(strands.pop())
        if drawn and spent < seconds:
            index = drawn.pop()
            start = time.process_time()
            predicted = plain(*task, **ours.settings[index])
            spent, done = spent + time.process_time() - start, done + 1
            same.append(np.mean(predicted == ours.predict(index)))
    row = {
        "method": name,
        "settings": len(ours.settings),
        "timed": f"{ours.timed} / {done}",
        "ours_ms": 1e3 * ours.seconds,
        "plain_ms": 1e3 * spent / done,
        "ratio": spent / done / ours.seconds,
        "equal": float(np.mean(same)),
        "over_floor": None,
    }
    if name in ("tsrg", "drfs_t"):
        n, d = N_SOURCE + N_TARGET, N_BLOCKS * N_PLANES * N_BINS
        floor = ours.steps / ours.timed * 2 * n * n * d / product_rate(n)
        row["over_floor"] = ours.seconds / floor
    return row


def write(value: Any) -> str:
    """Return a cell of the table."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return str(value)


def choose(text: str) -> list[str]:
    """Return the names in a list separated by commas."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in CLASSES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown method {unknown[0]!r}; choices: {', '.join(CLASSES)}"
        )
    return names


def main(argv: list[str]) -> int:
    """Run the contests and print the table."""
    parser = argparse.ArgumentParser(
        "bench_methods", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", type=choose, default=list(CLASSES), metavar="a,b")
    parser.add_argument("--seconds", type=float, default=15.0, help="a side and method")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    task, rows = random_histograms(), []
    widths = [8, 8, 11, 9, 9, 7, 6, 10]
    print(" ".join(f"{c:>{w}}" for c, w in zip(COLUMNS, widths, strict=True)), flush=True)
    with threadpool_limits(1):
        for name in options.methods:
            try:
                row = contest(name, task, options.seconds)
            except ModuleNotFoundError as error:
                print(f"{name:>8} skipped: {error}", flush=True)
                continue
            rows.append(row)
            cells = [write(row[c]) for c in COLUMNS]
            print(" ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)), flush=True)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
