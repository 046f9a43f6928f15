"""`cdmer report`: one self-contained HTML file on the results."""

import argparse
import webbrowser
from pathlib import Path

from cdmer_bench.cli.arguments import (
    CommandParser,
    add_config_dir,
    add_corpus,
    add_results,
    add_selection,
)
from cdmer_bench.cli.console import say
from cdmer_bench.cli.stored import add_words, choose_records, recorded_failures, split_words


def report_arguments(parser: CommandParser) -> None:
    """Add which results it is about, and the file."""
    add_words(parser, (), "a report of all results of a corpus")
    parser.add_argument(
        "--out", metavar="FILE", help="the file (default: report.html in the results folder)"
    )
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    add_results(parser)
    add_corpus(parser)
    add_selection(parser)
    add_config_dir(parser)


def report_command(options: argparse.Namespace) -> int:
    """Write one self-contained HTML file on the results."""
    from cdmer_bench.cli.embedding import embed_cells
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.io import remove_leftovers, write_atomically
    from cdmer_bench.reporting.analysis import comparable
    from cdmer_bench.reporting.html_report import build_report

    _, filters = split_words("report", options.words, ())
    records = choose_records(options.results, options.corpus, filters)
    missing = recorded_failures(options.results, records, filters)
    chosen = rule(options.selection)
    mine = [r for r in comparable(records) if r.task == comparable(records)[0].task]
    placed, not_placed = embed_cells(mine, chosen, options.config_dir)
    page = build_report(
        records, selection=chosen, missing=missing, placed=placed, not_placed=not_placed
    )
    path = Path(options.out or Path(options.results) / "report.html").absolute()
    write_atomically(path, page.encode())
    remove_leftovers(path.parent)
    say(f"wrote {path} ({len(page) / 1e6:.1f} MB)")
    if options.open and not webbrowser.open(path.as_uri()):
        say("no browser was found to show it; open the file in one")
    return 0
