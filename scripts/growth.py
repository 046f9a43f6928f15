"""How time and memory grow with clips, blocks, settings and features, each step in its own process.

A step is left out where the growth so far tells that it would pass the limit of time or of memory;
the table then says what was expected. What is left out first is what breaks first. Curves that a
run leaves out keep their rows.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

from bench_rows import write_number
from generated import machine, markdown_table, replace_section

from cdmer_bench.reporting.plot_style import line_look, log_scale, new_figure, save

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "performance.md"
REFERENCE = ROOT / "results" / "reference"
METHODS = (
    "svm",
    "iw_svm",
    "tca",
    "gfk",
    "sa",
    "stm",
    "tkl",
    "tsrg",
    "drfs_t=exact",
    "drls",
    "rstr",
)
AXES = ("clips", "blocks", "settings", "features")
BINS = 59
MEMORY_SHARE = 0.7  # of the machine's memory


@dataclass
class Step:
    """One measurement.

    Attributes
    ----------
    axis, name : str
        What grows, and the step that is measured.
    size : int
        Clips of each database, blocks, settings, or features of a sample.
    arguments : tuple of int
        Clips, blocks, bins and settings.
    seconds : float or None
        CPU seconds of preparing and solving; None where it was not run.
    peak : float or None
        Peak resident memory beyond the libraries, the samples included, in MB.
    note : str
    """

    axis: str
    name: str
    size: int
    arguments: tuple[int, int, int, int]
    seconds: float | None = None
    peak: float | None = None
    note: str = ""


def series(quick: bool) -> Iterator[list[Step]]:
    """Yield the steps of each curve by growing size."""
    clips = (100, 300, 1000) if quick else (100, 300, 1000, 2000, 5000)
    for name in ("extraction", "store", *METHODS):
        yield [Step("clips", name, n, (n, 85, BINS, 1)) for n in clips]
    for name in ("extraction", "tca", "sa", "drls", "rstr"):
        yield [Step("blocks", name, n, (100, n, BINS, 1)) for n in (30, 85, 200, 400)]
    for name in ("iw_svm", "stm", "drls", "rstr"):
        yield [Step("settings", name, s, (30, 85, BINS, s)) for s in (10, 100, 1000, 10000)]
    for name in METHODS:
        # 85 blocks of 3 planes: LBP-TOP(R3P4), LBP-TOP(R3P8) and LPQ-TOP.
        yield [Step("features", name, 255 * bins, (30, 85, bins, 1)) for bins in (15, 59, 256)]


def memory() -> float:
    """Return the machine's memory in MB."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20


def expected(done: list[Step], step: Step, attribute: str) -> float:
    """Extrapolate from the last two sizes; linear after one, and time never less than that."""
    values = [max(getattr(s, attribute), 1e-3) for s in done]
    power = 1.0
    if len(done) > 1:
        least = 1.0 if attribute == "seconds" else 0.0
        power = max(least, log(values[-1] / values[-2]) / log(done[-1].size / done[-2].size))
    return values[-1] * (step.size / done[-1].size) ** power


def run(step: Step, limit: float) -> None:
    """Measure a step in its own process."""
    command = [sys.executable, str(ROOT / "scripts" / "growth_step.py"), step.name]
    command += [str(argument) for argument in step.arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10 * limit + 60)
    except subprocess.TimeoutExpired:
        step.note = f"stopped after {10 * limit + 60:.0f} s"
        return
    if ended.returncode:
        step.note = (ended.stderr.strip().splitlines() or ["killed"])[-1][:80]
        return
    found = json.loads(ended.stdout)
    step.seconds, step.peak = found["seconds"], found["peak"] - found["base"]


def measure(chosen: list[list[Step]], limit: float) -> Iterator[list[Step]]:
    """Run the curves up to the limits, and yield the steps of each."""
    for curve in chosen:
        steps, done = [], []
        for step in curve:
            if done:
                seconds = expected(done, step, "seconds")
                megabytes = expected(done, step, "peak")
                if seconds > limit or megabytes > MEMORY_SHARE * memory():
                    size = f"{write_number(max(megabytes, 0.0) / 1024)} GB"
                    step.note = f"not run: about {write_number(seconds)} s, {size}"
            if not step.note:
                run(step, limit)
            if step.peak is not None:
                done.append(step)
            steps.append(step)
            told = step.note or f"{step.seconds:.2f} s, {step.peak:.0f} MB"
            print(f"{step.axis} {step.size} {step.name}: {told}", file=sys.stderr, flush=True)
            if step.note:
                break
        yield steps


def curves(steps: list[Step], axis: str) -> dict[str, list[Step]]:
    """Return the steps of an axis by name."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        if step.axis == axis:
            found.setdefault(step.name, []).append(step)
    return found


def power(curve: list[Step], attribute: str) -> str:
    """Return the exponent between the two largest sizes that were measured."""
    run_steps = [s for s in curve if s.peak is not None]
    if len(run_steps) < 2:
        return "-"
    first, last = (max(getattr(s, attribute), 1e-3) for s in run_steps[-2:])
    return f"{log(last / first) / log(run_steps[-1].size / run_steps[-2].size):.1f}"


def minor_label(value: float, few: bool) -> str:
    """Label 2 and 5 between powers of ten if ``few`` of these are in sight."""
    leading = f"{value:.0e}"[0]
    return f"{value:g}" if few and leading in "25" else ""


def draw(steps: list[Step]) -> Any:
    """Return the figure: a row for each axis, time and memory beside each other."""
    axes_names = list(dict.fromkeys(step.axis for step in steps))
    figure = new_figure(8.0, 2.6 * len(axes_names))
    grid = figure.subplots(len(axes_names), 2, squeeze=False)
    names = list(dict.fromkeys(step.name for step in steps))
    for row, axis in zip(grid, axes_names, strict=True):
        for ax, attribute, title in zip(
            row, ("seconds", "peak"), ("CPU seconds", "peak memory, MB"), strict=True
        ):
            for name, curve in curves(steps, axis).items():
                points = [s for s in curve if s.peak is not None]
                values = [max(getattr(s, attribute), 1e-2) for s in points]
                ax.plot(
                    [s.size for s in points], values, label=name, **line_look(names.index(name))
                )
            log_scale(ax)
            ax.set_xticks(sorted({s.size for s in steps if s.axis == axis}))
            ax.tick_params(axis="x", labelsize=7)
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            # Labels between the powers of ten only where there are hardly any of those.
            low, high = ax.get_ylim()
            few = high / low < 100
            ax.yaxis.set_minor_formatter(lambda value, _, few=few: minor_label(value, few))
            ax.xaxis.set_minor_formatter(lambda value, _: "")
            ax.set_xlabel(f"{axis}{' of each database' if axis == 'clips' else ''}")
            ax.set_title(title, size=9, loc="left")
        row[1].legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def tables(steps: list[Step]) -> str:
    """Return the sections of the document."""
    parts = [f"Machine: {machine()}"]
    for axis in dict.fromkeys(step.axis for step in steps):
        found = curves(steps, axis)
        sizes = sorted({s.size for curve in found.values() for s in curve})
        head = [
            "step",
            *(f"{size:,}" for size in sizes),
            "time grows by power",
            "memory grows by power",
        ]
        cells = [head]
        for name, curve in found.items():
            by_size = {s.size: s for s in curve}
            row = [name]
            for size in sizes:
                step = by_size.get(size)
                if step is None:
                    row.append("")
                elif step.peak is None:
                    row.append(step.note)
                else:
                    row.append(f"{write_number(step.seconds)} s, {write_number(step.peak)} MB")
            cells.append([*row, power(curve, "seconds"), power(curve, "peak")])
        parts += [f"### By {axis}", markdown_table(cells)]
    stopped = sorted((s for s in steps if s.note and s.axis == "clips"), key=lambda s: s.size)
    if stopped:
        told = "; ".join(f"{s.name} at {s.size:,} ({s.note})" for s in stopped)
        parts.append(f"What was left out, by number of clips in each database: {told}.")
    return "\n\n".join(parts)


COLUMNS = ("axis", "name", "size", "clips", "blocks", "bins", "settings", "seconds", "peak", "note")


def write(steps: list[Step], folder: Path) -> None:
    """Write growth.csv and growth.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "growth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for step in steps:
            measured = ["" if v is None else f"{v:.4g}" for v in (step.seconds, step.peak)]
            writer.writerow(
                [step.axis, step.name, step.size, *step.arguments, *measured, step.note]
            )
    save(lambda: draw(steps), folder / "growth.svg")


def read(folder: Path) -> list[Step]:
    """Return the steps of growth.csv, none if it is not there."""
    path = folder / "growth.csv"
    if not path.exists():
        return []
    steps = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            clips, blocks, bins, settings = (int(row[name]) for name in COLUMNS[3:7])
            seconds, peak = (float(row[name]) if row[name] else None for name in COLUMNS[7:9])
            arguments = (clips, blocks, bins, settings)
            size = int(row["size"])
            steps.append(
                Step(row["axis"], row["name"], size, arguments, seconds, peak, row["note"])
            )
    return steps


def put(steps: list[Step], curve: list[Step], order: list[tuple[str, str]]) -> list[Step]:
    """Replace a curve among the others, in the order of :func:`series`."""
    mine = (curve[0].axis, curve[0].name)
    others = [step for step in steps if (step.axis, step.name) != mine]
    return sorted(others + curve, key=lambda step: order.index((step.axis, step.name)))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/growth", description=__doc__)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=", ".join(AXES))
    parser.add_argument("--steps", metavar="a,b", help="only these, such as tca,rstr")
    parser.add_argument("--quick", action="store_true", help="to 1000 clips, 2 s a step")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds that a step may take")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write growth.csv, growth.svg")
    parser.add_argument(
        "--reference", action="store_true", help="write results/reference and docs/performance.md"
    )
    options = parser.parse_args(argv)
    curves_of_all = list(series(options.quick))
    order = [(curve[0].axis, curve[0].name) for curve in curves_of_all]
    names = options.steps.split(",") if options.steps else [name for _, name in order]
    for given, known in ((options.axes, AXES), (names, [name for _, name in order])):
        for name in given:
            if name not in known:
                parser.error(f"there is no {name!r}; choose from {', '.join(dict.fromkeys(known))}")
    chosen = [
        curve
        for curve, (axis, name) in zip(curves_of_all, order, strict=True)
        if axis in (options.axes or AXES) and name in names
    ]
    folder = REFERENCE if options.reference else options.out
    steps = read(folder) if folder else []
    for curve in measure(chosen, 2.0 if options.quick else options.limit):
        steps = put(steps, curve, order)
        if folder:
            write(steps, folder)
    text = tables(steps)
    print(text)
    if options.reference:
        replace_section(DOCUMENT, "growth", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
