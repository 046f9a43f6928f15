"""How time and memory grow with clips, blocks, settings and features, each step in its own process.

A step is left out where the growth so far tells that it would pass the limit of time or of memory;
its note then says what was expected. What is left out first is what breaks first. Curves that a
run leaves out keep their rows.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

import pandas as pd
from bench_rows import write_number
from generated import machine, markdown_table, replace_section

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
ARGUMENTS = ("clips", "blocks", "bins", "settings")
AXES = ("clips", "blocks", "settings", "features")
BINS = 59
MEMORY_SHARE = 0.7  # of the machine's memory
Step = dict[str, Any]  # a row of growth.csv; seconds of CPU and peak in MB are None where not run


def curves() -> Iterator[list[Step]]:
    """Yield the steps of each curve by growing size: clips of each database, blocks, bins."""
    sizes = {"clips": (100, 300, 1000, 2000, 5000), "blocks": (30, 85, 200, 400)}
    # 85 blocks of 3 planes: LBP-TOP(R3P4), LBP-TOP(R3P8) and LPQ-TOP.
    sizes |= {"settings": (10, 100, 1000, 10000), "features": (15, 59, 256)}
    names = {"clips": ("extraction", "store", *METHODS), "features": METHODS}
    names |= {"blocks": ("extraction", "tca", "sa", "drls", "rstr")}
    names |= {"settings": ("iw_svm", "stm", "drls", "rstr")}
    plain = {
        "clips": lambda n: (n, 85, BINS, 1),
        "blocks": lambda n: (100, n, BINS, 1),
        "settings": lambda n: (30, 85, BINS, n),
        "features": lambda bins: (30, 85, bins, 1),
    }
    for axis in AXES:
        for name in names[axis]:
            yield [
                dict(
                    axis=axis,
                    name=name,
                    size=255 * size if axis == "features" else size,
                    **dict(zip(ARGUMENTS, plain[axis](size), strict=True)),
                    seconds=None,
                    peak=None,
                    note="",
                )
                for size in sizes[axis]
            ]


def expected(done: list[Step], size: int, what: str) -> float:
    """Extrapolate from the last two sizes; linear after one, and time never less than that."""
    values = [max(step[what], 1e-3) for step in done]
    power = 1.0
    if len(done) > 1:
        grown = log(values[-1] / values[-2]) / log(done[-1]["size"] / done[-2]["size"])
        power = max(1.0 if what == "seconds" else 0.0, grown)
    return values[-1] * (size / done[-1]["size"]) ** power


def run(step: Step, limit: float) -> None:
    """Measure a step in its own process."""
    command = [sys.executable, str(ROOT / "scripts" / "growth_step.py"), step["name"]]
    command += [str(step[name]) for name in ARGUMENTS]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10 * limit + 60)
    except subprocess.TimeoutExpired:
        step["note"] = f"stopped after {10 * limit + 60:.0f} s"
        return
    if ended.returncode:
        step["note"] = (ended.stderr.strip().splitlines() or ["killed"])[-1][:80]
        return
    found = json.loads(ended.stdout)
    step.update(seconds=found["seconds"], peak=found["peak"] - found["base"])


def measure(curve: list[Step], limit: float) -> list[Step]:
    """Run a curve up to the limits; return its steps, the first that was left out included."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    done: list[Step] = []
    for step in curve:
        if done:
            seconds, peak = (expected(done, step["size"], what) for what in ("seconds", "peak"))
            if seconds > limit or peak > MEMORY_SHARE * memory:
                step["note"] = (
                    f"not run: about {write_number(seconds)} s, {write_number(peak / 1024)} GB"
                )
        if not step["note"]:
            run(step, limit)
        told = step["note"] or f"{step['seconds']:.2f} s, {step['peak']:.0f} MB"
        print(f"{step['axis']} {step['size']} {step['name']}: {told}", file=sys.stderr, flush=True)
        if step["note"]:
            return [*done, step]
        done.append(step)
    return done


def power(curve: pd.DataFrame, what: str) -> str:
    """Return the exponent between the two largest sizes that were measured."""
    measured = curve.dropna(subset=[what]).tail(2)
    if len(measured) < 2:
        return "-"
    first, last = measured[what].clip(lower=1e-3)
    return f"{log(last / first) / log(measured['size'].iloc[1] / measured['size'].iloc[0]):.1f}"


def tables(steps: pd.DataFrame) -> str:
    """Return the sections of the document."""
    parts = [f"Machine: {machine()}"]
    for axis, found in steps.groupby("axis", sort=False):
        sizes = sorted(found["size"].unique())
        cells = [["step", *(f"{n:,}" for n in sizes), "time's power", "memory's power"]]
        for name, curve in found.groupby("name", sort=False):
            texts = {row["size"]: text(row) for _, row in curve.iterrows()}
            powers = [power(curve, what) for what in ("seconds", "peak")]
            cells.append([str(name), *(texts.get(n, "") for n in sizes), *powers])
        parts += [f"### By {axis}", markdown_table(cells)]
    return "\n\n".join(parts)


def text(row: pd.Series) -> str:
    """Return a cell of the table."""
    if row["note"]:
        return str(row["note"])
    return f"{write_number(row['seconds'])} s, {write_number(row['peak'])} MB"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/growth", description=__doc__)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=", ".join(AXES))
    parser.add_argument("--steps", metavar="a,b", help="only these, such as tca,rstr")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds that a step may take")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write growth.csv there")
    parser.add_argument(
        "--reference", action="store_true", help="write results/reference and docs/performance.md"
    )
    options = parser.parse_args(argv)
    everything = list(curves())
    order = [(curve[0]["axis"], curve[0]["name"]) for curve in everything]
    names = options.steps.split(",") if options.steps else [name for _, name in order]
    for given, known in ((options.axes, AXES), (names, [name for _, name in order])):
        for name in given:
            if name not in known:
                parser.error(f"there is no {name!r}; choose from {', '.join(dict.fromkeys(known))}")
    folder = REFERENCE if options.reference else options.out
    steps = pd.DataFrame(columns=list(everything[0][0]))
    if folder and (folder / "growth.csv").exists():
        steps = pd.read_csv(folder / "growth.csv").fillna({"note": ""})
    ranks: dict[Any, dict[str, int]] = {
        "axis": {axis: rank for rank, axis in enumerate(AXES)},
        "name": {name: rank for rank, (_, name) in reversed(list(enumerate(order)))},
    }
    for curve, key in zip(everything, order, strict=True):
        if key[0] not in (options.axes or AXES) or key[1] not in names:
            continue
        mine = (steps["axis"] == key[0]) & (steps["name"] == key[1])
        steps = pd.concat([steps[~mine], pd.DataFrame(measure(curve, options.limit))])
        steps = steps.sort_values(
            ["axis", "name"], kind="stable", key=lambda column: column.map(ranks[column.name])
        )
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            steps.to_csv(folder / "growth.csv", index=False, float_format="%.4g")
    if steps.empty:
        return 0
    print(tables(steps))
    if options.reference:
        replace_section(DOCUMENT, "growth", tables(steps))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
