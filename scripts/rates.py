"""Print seconds of preparation and of a setting, and how both grow, for each method and solver.

Three tasks of random histograms: a base of the width of LBP-TOP(R3P8), one of half as many samples
again, and one of a third of the features. The exponents follow from their ratios. All is CPU time
under one thread.
"""

import csv
import sys
import time

import numpy as np

from cdmer_bench.config.build import build, build_method
from cdmer_bench.config.catalogue import compose_config
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.runner.forecast import COLUMNS, calibrate
from cdmer_bench.runner.solve import pose

NARROW, BASE, MORE = (142, 5015), (142, 15045), (213, 15045)
N_PIECES = 9  # batches, spread over the grid
ENOUGH = 20.0  # seconds, after which no more batches are measured


def samples(n, n_features):
    """Histograms of 85 blocks around three class means, half of them source."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    means = rng.gamma(2.0, size=(3, 85, n_features // 85))
    X = means[y] * rng.gamma(3.0, size=(n, 85, n_features // 85))
    return X / X.sum(axis=-1, keepdims=True), y


def measure(method, grid, n, n_features, warm):
    """Return (seconds of preparation, seconds of a setting)."""
    X, y = samples(n, n_features)
    half = n // 2
    settings = method.settings(grid, (half, n - half, n_features))
    started = time.process_time()
    problem = pose(method, X[:half], y[:half], X[half:], X[half:], settings, 3)
    prepared = time.process_time() - started
    solved, count = 0.0, 0
    last = len(problem.pieces) - 1
    for place in dict.fromkeys(np.linspace(0, last, N_PIECES).round().astype(int).tolist()):
        piece = problem.pieces[place]
        # The first run of a method may compile or import.
        for _ in range(1 if warm or count else 2):
            started = time.process_time()
            piece.solve(problem.arrays)
            seconds = time.process_time() - started
        solved, count = solved + seconds, count + len(piece.indices)
        if solved > ENOUGH:
            break
    return max(prepared, 1e-4), max(solved / count, 1e-6)


def describe(descriptor):
    """Return the seconds of a clip."""
    clip = Preprocessing()(np.random.default_rng(0).integers(0, 256, (40, 140, 120), np.uint8))
    descriptor.extract(clip)
    started = time.process_time()
    descriptor.extract(clip)
    return time.process_time() - started


def main(chosen):
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    config = compose_config(None, ["method=paper_and_later", "descriptor=all"])
    speed = calibrate()
    for name, card in config.methods.items():
        for solver in ("paper", "exact"):
            method = build_method(name, card, solver)
            has = "solver" in method.parameters()
            if (chosen and name not in chosen) or (solver == "exact" and not has):
                continue
            narrow, base, more = (
                measure(method, card.grid, *size, warm=size != NARROW)
                for size in (NARROW, BASE, MORE)
            )
            row = {"what": name, "solver": solver if has else "", "machine": f"{speed:.4g}"}
            row |= {"n": BASE[0], "n_features": BASE[1]}
            for index, part in enumerate(("prepare", "solve")):
                row[part] = f"{base[index]:.3g}"
                grown = np.log(more[index] / base[index]) / np.log(MORE[0] / BASE[0])
                widened = np.log(base[index] / narrow[index]) / np.log(BASE[1] / NARROW[1])
                row[f"{part}_n"], row[f"{part}_d"] = f"{grown:.2f}", f"{widened:.2f}"
            writer.writerow(row)
            sys.stdout.flush()
    for name, card in config.descriptors.items():
        if chosen and name not in chosen:
            continue
        descriptor = build(card._target_, dict(card.parameters), name, Descriptor)
        if descriptor.in_batches:
            continue
        row = {"what": type(descriptor).__name__, "solver": descriptor.label}
        writer.writerow(row | {"machine": f"{speed:.4g}", "solve": f"{describe(descriptor):.3g}"})
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
