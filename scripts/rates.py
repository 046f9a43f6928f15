"""Print seconds of preparation and of a setting, and how both grow, for each method and solver.

Three tasks of the synthetic databases with LBP-TOP(R3P8): SMIC-VIS to SMIC-NIR, the same with a
third of the bins, and SMIC-HS to CASME II, for some methods grow with the source and others with
the target. The exponents follow from their ratios. All is CPU time under one thread.
"""

import csv
import sys
import time

import numpy as np

from cdmer_bench.cli.hydra_app import compose_config
from cdmer_bench.config.build import build, build_databases, build_method
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.lbp_top import LBPTOP
from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.runner.forecast import COLUMNS, calibrate
from cdmer_bench.runner.solve import pose

BASE, LARGER = ("smic_vis", "smic_nir"), ("smic_hs", "casme2")
N_PIECES = 9  # batches, spread over the grid
ENOUGH = 20.0  # seconds, after which no more batches are measured


def samples(config):
    """Return the samples and classes of the databases, by name."""
    databases = build_databases(config.corpus)
    prepare = Preprocessing()
    return {
        name: (
            np.stack([LBPTOP().extract(prepare(clip.frames())) for clip in clips]),
            np.array([clip.label for clip in clips]),
        )
        for name in BASE + LARGER
        for clips in [databases[name].clips()]
    }


def measure(method, grid, source, target, warm):
    """Return (seconds of preparation, seconds of a setting)."""
    (Xs, ys), (Xt, _) = source, target
    settings = method.settings(grid, (len(Xs), len(Xt), Xs[0].size))
    started = time.process_time()
    problem = pose(method, Xs, ys, Xt, Xt, settings, 3)
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
    held = samples(config)
    third = {name: (X[..., : X.shape[-1] // 3], y) for name, (X, y) in held.items()}
    tasks = ((third, BASE), (held, BASE), (held, LARGER))
    sizes = [sum(len(of[name][0]) for name in pair) for of, pair in tasks]
    widths = [of[pair[0]][0][0].size for of, pair in tasks]
    for name, card in config.methods.items():
        for solver in ("paper", "exact"):
            method = build_method(name, card, solver)
            has = "solver" in method.parameters()
            if (chosen and name not in chosen) or (solver == "exact" and not has):
                continue
            narrow, base, more = (
                measure(method, card.grid, *(of[name] for name in pair), warm=of is held)
                for of, pair in tasks
            )
            row = {"what": name, "solver": solver if has else "", "machine": f"{speed:.4g}"}
            row |= {"n": sizes[1], "n_features": widths[1]}
            for index, part in enumerate(("prepare", "solve")):
                row[part] = f"{base[index]:.3g}"
                grown = np.log(more[index] / base[index]) / np.log(sizes[2] / sizes[1])
                widened = np.log(base[index] / narrow[index]) / np.log(widths[1] / widths[0])
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
