"""Every benchmark in one run, as ratios: descriptors, methods, other packages, whole commands."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import bench_commands
import bench_descriptors
import bench_methods
import bench_peers
from bench_picture import write_picture
from bench_rows import Row, print_rows, read_csv, table, write_csv
from generated import machine, markdown_table, replace_section
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("descriptors", "methods", "peers", "commands")
DOCUMENT = ROOT / "docs" / "performance.md"
REFERENCE = ROOT / "results" / "reference"


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--methods", default=",".join(bench_methods.CLASSES), metavar="a,b")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, two minutes")
    parser.add_argument("--tables", action="store_true", help="also run Tables III and IV whole")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write bench.csv, bench.svg")
    parser.add_argument(
        "--reference", action="store_true", help="write results/reference and docs/performance.md"
    )
    options = parser.parse_args(argv)
    for given, known in ((options.sections, SECTIONS), (options.methods.split(","), None)):
        for name in given:
            if name not in (known or bench_methods.CLASSES):
                choices = ", ".join(known or bench_methods.CLASSES)
                parser.error(f"there is no {name!r}; choose from {choices}")
    return options


def measure(section: str, options: argparse.Namespace) -> Iterable[Row]:
    """Return the rows of a section as they are measured."""
    if section == "descriptors":
        return bench_descriptors.measure(1 if options.quick else 7)
    if section == "methods":
        seconds = 1.0 if options.quick else 8.0
        return bench_methods.measure(options.methods.split(","), seconds, options.quick)
    if section == "peers":
        return bench_peers.measure(1 if options.quick else 3)
    return bench_commands.measure(options.tables) if not options.quick else []


def show(rows: Iterable[Row]) -> Iterator[Row]:
    """Tell each row on standard error as it comes."""
    for row in rows:
        print(f"{time.strftime('%H:%M:%S')} {row.name}: {row.kind}", file=sys.stderr, flush=True)
        yield row


def document(rows: list[Row]) -> None:
    """Write the tables into docs/performance.md."""
    replace_section(DOCUMENT, "summary", markdown_table(bench_commands.summary(rows)))
    parts = [f"Machine: {machine()}"]
    for section in SECTIONS:
        members = [row for row in rows if row.section == section]
        if members:
            parts += [f"### {section.capitalize()}", markdown_table(table(members))]
    replace_section(DOCUMENT, "bench", "\n\n".join(parts))


def main(argv: list[str]) -> int:
    options = parse(argv)
    folder = REFERENCE if options.reference else options.out
    rows: list[Row] = []
    if options.reference and (REFERENCE / "bench.csv").exists():
        # Sections that this run leaves out keep their rows.
        kept = set(SECTIONS) - set(options.sections or SECTIONS)
        rows = [row for row in read_csv(REFERENCE / "bench.csv") if row.section in kept]
    with threadpool_limits(1):
        for section in options.sections or SECTIONS:
            for row in show(measure(section, options)):
                rows = sorted([*rows, row], key=lambda row: SECTIONS.index(row.section))
                if folder:  # at once, because a section may take half an hour
                    folder.mkdir(parents=True, exist_ok=True)
                    write_csv(rows, folder / "bench.csv")
            print(f"# {section.capitalize()}")
            print_rows([row for row in rows if row.section == section])
            if folder and rows:
                write_picture(rows, folder / "bench.svg")
            if options.reference:
                document(rows)
    missed = [f"{row.name} ({row.ratio:.3g}, goal {row.goal})" for row in rows if row.met == "no"]
    print(f"goals missed: {'; '.join(missed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
