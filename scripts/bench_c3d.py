"""What C3D costs on this machine: features of a clip, a step of fine-tuning, memory.

    python scripts/bench_c3d.py [--device cpu|cuda] [--threads N] [--repeats N]

The network has its full size and random weights; speed does not depend on their values. Each part
runs in a process of its own, so that its peak memory is its own. Lines with "extrapolated" are
products of measured times, not runs.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cdmer_bench.descriptors.c3d import C3D
from cdmer_bench.descriptors.c3d.descriptor import network_input
from cdmer_bench.descriptors.c3d.finetuning import Recipe
from cdmer_bench.descriptors.c3d.network import C3DNetwork, deterministic, find_device
from cdmer_bench.descriptors.c3d.training import Samples, Training, split_by_clip

N_CLIPS = 436  # CASME II 130, SMIC-HS 164, VIS 71, NIR 71
HOUR = 3600.0


def times(call: Callable[[], object], repeats: int) -> list[float]:
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found


def features(device: str, threads: int, repeats: int, batch: int) -> list[float]:
    """Seconds of a forward pass; a new clip each time, so that nothing comes from a cache."""
    set_threads(threads)
    rng = np.random.default_rng(0)
    descriptor = C3D(weights="random", device=device)
    descriptor.extract_batch([rng.uniform(0, 255, (16, 112, 112))])  # loading is not measured
    clips = [rng.uniform(0, 255, (16, 112, 112)) for _ in range(batch)]

    def forward() -> None:
        clips[0] = clips[0] + 1.0
        descriptor.extract_batch(clips)

    return times(forward, repeats)


def step(device: str, threads: int, repeats: int, batch: int) -> list[float]:
    """Seconds of a step on ``batch`` augmented clips, held in the memory together."""
    set_threads(threads)
    rng = np.random.default_rng(0)
    frames = [rng.uniform(0, 255, (34, 112, 112)).astype(np.float32) for _ in range(6)]
    samples = Samples(frames, [0, 1, 2] * 2, lambda clip: network_input(clip, (95, 103, 108)))
    recipe = Recipe(batch=batch, micro_batch=batch)
    split = split_by_clip(samples.labels, 30, 0, 0)
    with tempfile.TemporaryDirectory() as folder, deterministic():
        path = Path(folder) / "checkpoint"
        device = find_device(device)
        training = Training(C3DNetwork(), 3, samples, split, recipe, device, path, "bench")
        training.take_step()  # the first one allocates
        return [*times(training.take_step, repeats), *times(training.save_checkpoint, 1)]


def set_threads(threads: int) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


def _measure(answers: multiprocessing.Queue, part: Callable, arguments: tuple) -> None:
    found = part(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB to GiB
    answers.put((found, peak))


def measure(part: Callable, *arguments: object) -> tuple[list[float], float]:
    """Run a part in a process of its own; return its times and its peak memory in GiB."""
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue = context.Queue()
    process = context.Process(target=_measure, args=(answers, part, arguments))
    process.start()
    found = answers.get()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0, help="of torch on the CPU; 0: its own")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    shared = (options.device, options.threads, options.repeats)
    print(f"device {find_device(options.device)}, medians of {options.repeats}")
    per_clip = 0.0
    for batch in (1, 8):
        seconds, peak = measure(features, *shared, batch)
        per_clip = statistics.median(seconds) / batch
        print(f"features, batch {batch}: {per_clip:.2f} s a clip, peak {peak:.1f} GiB")
    print(f"  436 clips, one network (both layers): {per_clip * N_CLIPS / 60:.0f} min extrapolated")
    found: dict[int, float] = {}
    for batch in (1, 5):
        seconds, peak = measure(step, *shared, batch)
        found[batch], stored = statistics.median(seconds[:-1]), seconds[-1]
        print(
            f"fine-tuning, {batch} clips at a time: {found[batch]:.2f} s, peak {peak:.1f} GiB; "
            f"writing a checkpoint {stored:.1f} s"
        )
    recipe = Recipe()
    one_step = recipe.batch / 5 * found[5]
    hours = recipe.n_steps * one_step / HOUR
    looks = -(-recipe.n_steps // recipe.validate_every)
    validation = looks * recipe.n_validation * per_clip / HOUR
    print(f"a step of {recipe.batch} clips: {one_step:.0f} s extrapolated")
    print(
        f"the paper's Table VII, {recipe.n_steps:,} steps and {looks} validations: "
        f"{hours:,.0f} + {validation:,.0f} hours extrapolated"
    )


if __name__ == "__main__":
    main()
