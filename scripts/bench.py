"""Every benchmark: descriptors and methods against their peers, in one run, as ratios."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("all", "descriptors", "methods"),
        default="all",
        help="further arguments go to that benchmark (try: scripts/bench methods --help)",
    )
    options, rest = parser.parse_known_args(argv)
    if options.what in ("all", "descriptors"):
        import bench_descriptors

        print("# Descriptors", flush=True)
        bench_descriptors.main(rest if options.what == "descriptors" else [])
    if options.what in ("all", "methods"):
        import bench_methods

        print("# Methods", flush=True)
        bench_methods.main(rest if options.what == "methods" else [])
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    # --help after a benchmark's name is that benchmark's own.
    if len(arguments) > 1 and arguments[0] in ("descriptors", "methods"):
        sys.exit(__import__(f"bench_{arguments[0]}").main(arguments[1:]))
    sys.exit(main(arguments))
