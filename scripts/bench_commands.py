"""Whole commands against the limits that were set for two cores, with the memory they take."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from bench_rows import Row, above

from cdmer_bench.results import load_scores

SECTION = "commands"
CORES = 2
WORKER_LIMIT = 1000.0  # MB
QUICK_METHODS = "svm,iw_svm,tca,gfk,sa,stm,tkl,drls,rstr"
REGENERATION = ("tsrg", "drfs_t")
N_LAMBDA = 7
# Clips of the six pairs of databases together, and the tasks of the smallest and largest pair.
CLIPS_OF_PAIRS = (142, 201, 201, 235, 235, 294)
PAIRS = (("exp05,exp06", 142), ("exp07,exp08", 294))
# Rows of the page's first table: what each is, and what 0.1.0 took.
SUMMARY = {
    "Tables III and IV, exact": ("every setting of all eleven methods, `solver=exact`", "-"),
    "TSRG and DRFS-T, exact": ("TSRG and DRFS-T, each on its own, `solver=exact`", "-"),
    "TSRG and DRFS-T, paper": (
        "TSRG and DRFS-T, both rows, `solver=paper`, on one core",
        "18.8 h by its plan",
    ),
    "RSTR": ("RSTR, 36,000 settings, on one core", "18 min by its plan"),
    "extraction from disk": ("12 descriptors of 436 clips from frames on disk, CPU", "73 s"),
    "start, dry run": ("the plan of all methods and tasks, CPU", "6.7 s"),
}
# All but C3D, which needs weights.
DESCRIPTORS = (
    "lbp_top_r3p8,lbp_top_r1p4,lbp_top_r1p8,lbp_top_r3p4,lbp_sip_r1,lbp_sip_r3,lpq_top_decorr01,"
    "lpq_top_decorr0,hog_top_p4,hog_top_p8,higo_top_p4,higo_top_p8"
)


def parents_and_peaks() -> dict[int, tuple[int, float]]:
    """Return (parent, peak resident MB) of every process; empty where there is no /proc."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            found[int(fields["Pid"])] = int(fields["PPid"]), int(fields["VmHWM"].split()[0]) / 1024
        except (OSError, KeyError, ValueError):
            continue
    return found


def family(root: int, processes: dict[int, tuple[int, float]]) -> set[int]:
    """Return ``root`` and all that descend from it."""
    members = {root}
    while True:
        more = {pid for pid, (parent, _) in processes.items() if parent in members} - members
        if not more:
            return members
        members |= more


def run(arguments: Sequence[str], folder: Path, jobs: str = "n_jobs={}") -> tuple[float, float]:
    """Run ``cdmer``; return seconds and the largest peak of one of its processes in MB."""
    environment = {**os.environ, "CDMER_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    started = time.monotonic()
    command = [sys.executable, "-m", "cdmer_bench.cli.main", *arguments, jobs.format(CORES)]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        peaks: dict[int, float] = {}
        while process.poll() is None:
            processes = parents_and_peaks()
            for pid in family(process.pid, processes) & processes.keys():
                peaks[pid] = processes[pid][1]
            time.sleep(0.2)
        seconds = time.monotonic() - started
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"cdmer {' '.join(arguments)} failed:\n{log.read()[-2000:]}")
    return seconds, max(peaks.values(), default=0.0)


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def limit(name: str, what: str, seconds: float, most: float, timed: str = "") -> Row:
    """Return the row of a time against its limit."""
    return above(SECTION, name, "limit", what, seconds, most, goal="<= 1", timed=timed)


def memory(name: str, peak: float) -> Row:
    """Return the row of a peak against the limit of a worker."""
    what = f"{WORKER_LIMIT:.0f} MB a process"
    return above(SECTION, name, "limit", what, peak, WORKER_LIMIT, goal="<= 1", unit="MB")


def computed(folder: Path, methods: Sequence[str]) -> float:
    """Return the seconds of one core that the cells of some methods took to compute."""
    scores = load_scores(folder)
    return float(scores.loc[scores["method"].isin(methods), "seconds"].sum())


def cpu_of(arguments: Sequence[str], folder: Path) -> float:
    """Return the CPU seconds of a command, the least of three times."""
    found = []
    for _ in range(3):
        before = cpu_of_children()
        run(arguments, folder)
        found.append(cpu_of_children() - before)
    return min(found)


def summary(rows: Sequence[Row]) -> list[list[str]]:
    """Return the table that the page begins with."""
    found = {row.name: row for row in rows if row.section == SECTION}
    cells = [["what", "0.1.0", "now", "limit"]]
    for name, (what, before) in SUMMARY.items():
        row = found.get(name)
        now, most = (duration(row.ours), duration(row.theirs)) if row else ("not run", "")
        cells.append([what, before, now, most])
    return cells


def duration(seconds: float | None) -> str:
    """Write two digits, in seconds, minutes or hours."""
    assert seconds is not None
    size, unit = next(
        (s, u) for s, u in ((3600.0, "h"), (60.0, "min"), (0.0, "s")) if seconds >= 2 * s
    )
    return f"{float(f'{seconds / (size or 1.0):.2g}'):g} {unit}"


def measure(tables: bool) -> Iterator[Row]:
    """Extract, then run Tables V and VI; with ``tables`` also III and IV."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extraction, peak = run(["extract", f"descriptor={DESCRIPTORS}"], folder)
        what = "90 s, 12 descriptors x 436 clips, rendering and TIM included"
        yield limit("extraction", what, extraction, 90.0)
        yield memory("extraction, memory", peak)
        yield from start(folder)
        yield from from_disk(folder)
        seconds, peak = run(
            ["run", "method=svm", f"descriptor={DESCRIPTORS}", "task=all", "results.dir=v"], folder
        )
        yield limit("Tables V and VI", "300 s, from synthetic frames", extraction + seconds, 300.0)
        yield memory("Tables V and VI, memory", peak)
        if tables:
            yield from tables_three_and_four(folder)


def start(folder: Path) -> Iterator[Row]:
    """Measure what a command takes that computes nothing."""
    seconds = cpu_of(["run", "method=all", "task=all", "dry_run=true"], folder)
    yield limit("start, dry run", "1.5 CPU s, all methods and tasks", seconds, 1.5)
    again = ["run", "method=svm,tca,gfk", "task=type1", "results.dir=again"]
    run(again, folder)
    what = "1.5 CPU s, svm, tca, gfk on TYPE-I, all cells stored"
    yield limit("start, stored cells", what, cpu_of(again, folder), 1.5)


def from_disk(folder: Path) -> Iterator[Row]:
    """Measure extraction from frames on disk."""
    run(["data", "synthesize", "--out", "frames", "--format", "jpg"], folder, "--n-jobs={}")
    before = cpu_of_children()
    arguments = ["corpus=frames", "corpus.root=frames", "cache.dir=cache_of_frames"]
    run(["extract", f"descriptor={DESCRIPTORS}", *arguments], folder)
    what = "25 CPU s, 12 descriptors x 436 clips from frames on disk, compilation included"
    yield limit("extraction from disk", what, cpu_of_children() - before, 25.0)


def tables_three_and_four(folder: Path) -> Iterator[Row]:
    """Measure every setting of all methods; TSRG and DRFS-T of the paper's solver in part."""
    seconds, peak = run(["run", f"method={QUICK_METHODS}", "task=all", "results.dir=iii"], folder)
    yield limit("Tables III and IV", "3600 s, every setting of nine methods", seconds, 3600.0)
    yield memory("Tables III and IV, memory", peak)
    what = "600 core s, 3,000 settings x 12 tasks"
    yield limit("RSTR", what, computed(folder / "iii", ["rstr"]), 600.0)
    taken = []
    for tasks, _ in PAIRS:
        before = cpu_of_children()
        for method in REGENERATION:  # the second finds the regressions of the first
            one_lambda = f"methods.{method}.grid.lam=1"
            run(["run", f"method={method}", f"task={tasks}", one_lambda, "results.dir=p"], folder)
        taken.append(N_LAMBDA * (cpu_of_children() - before))
    small, large = (n for _, n in PAIRS)
    power = np.log(taken[1] / taken[0]) / np.log(large / small)
    yield limit(
        "TSRG and DRFS-T, paper",
        "21600 core s, 259 settings x 12 tasks",
        sum(taken[0] * (n / small) ** power for n in CLIPS_OF_PAIRS),
        21600.0,
        timed="1 of 7 lambda, all mu, smallest and largest pair of databases; others by the power",
    )
    everything = ["run", "method=all", "task=all", "solver=exact", "results.dir=exact"]
    seconds, _ = run(everything, folder)
    what = "3600 s, every setting of eleven methods"
    yield limit("Tables III and IV, exact", what, seconds, 3600.0)
    yield limit(
        "TSRG and DRFS-T, exact",
        "1800 s, 259 settings x 12 tasks",
        computed(folder / "exact", REGENERATION) / CORES,
        1800.0,
        timed="what each takes on its own, on two cores",
    )
