"""Where the time goes: each quick method's whole grid on the task of bench_methods.py, profiled.

Batches are drawn at random until each method has had its seconds; the rest of the grid is taken to
cost the same. TSRG and DRFS-T are left out: their floors in scripts/bench say what they spend.

    scripts/profile [--seconds S] [--reference]
"""

import argparse
import cProfile
import pstats
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_methods import CLASSES, Ours, random_histograms
from bench_rows import write_number
from generated import machine, markdown_table, replace_section
from threadpoolctl import threadpool_limits

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
SLOW = ("tsrg", "drfs_t")


@dataclass(frozen=True)
class Profile:
    """What a method's grid costs and which functions take it.

    Attributes
    ----------
    label : str
    seconds : float
        CPU seconds of the whole grid, measured without the profiler.
    largest : list of (str, float)
        Functions by their own time and its share.
    """

    label: str
    seconds: float
    largest: list[tuple[str, float]]


def function_name(key: tuple[str, int, str]) -> str:
    """Return module and function, or the name of a compiled function."""
    file, _, name = key
    return f"{Path(file).stem}.{name}" if not file.startswith("~") else name.strip("<>")


def profile(name: str, seconds: float) -> Profile:
    """Profile batches of a method, after timing as many without the profiler."""
    task = random_histograms()
    ours = Ours(name, task)
    batches = ours.method.batches(ours.settings)
    order = [batches[i] for i in np.random.default_rng(1).permutation(len(batches))]
    profiler = cProfile.Profile()
    while order and ours.spent < seconds:
        batch = order.pop()
        ours.take(batch)
        profiler.enable()
        ours.method.solve(ours.prepared, [ours.settings[i] for i in batch])
        profiler.disable()
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    own = {key: values[2] for key, values in stats.items()}
    total = sum(own.values())
    largest = sorted(own.items(), key=lambda item: -item[1])[:4]
    return Profile(
        ours.method.label,
        ours.seconds * len(ours.settings),
        [(function_name(key), spent / total) for key, spent in largest],
    )


def measure(seconds: float) -> Iterator[Profile]:
    """Yield the profile of each quick method."""
    for name in CLASSES:
        if name not in SLOW:
            yield profile(name, seconds)


def table(profiles: list[Profile]) -> list[list[str]]:
    """Return the cells of the table, the most expensive method first."""
    total = sum(p.seconds for p in profiles)
    head = ["method", "share of all nine grids", "largest functions, own time"]
    cells = [head]
    for p in sorted(profiles, key=lambda p: -p.seconds):
        functions = ", ".join(f"`{name}` {share:.0%}" for name, share in p.largest)
        cells.append([p.label, f"{write_number(100 * p.seconds / total)} %", functions])
    return cells


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="a method (default 5)")
    parser.add_argument("--reference", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(argv)
    with threadpool_limits(1):
        profiles = list(measure(options.seconds))
    total = sum(p.seconds for p in profiles)
    text = (
        f"Machine: {machine()}\n\n"
        f"All nine grids of this task: {write_number(total)} CPU seconds.\n\n"
        f"{markdown_table(table(profiles))}"
    )
    print(text)
    if options.reference:
        replace_section(DOCUMENT, "profile", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
