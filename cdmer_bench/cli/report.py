"""`cdmer report`: one self-contained HTML file on the results."""

import argparse
import webbrowser
from pathlib import Path

from cdmer_bench.cli.arguments import CORPUS, RESULTS, SELECTION, command, option
from cdmer_bench.cli.console import say
from cdmer_bench.cli.stored import choose_results, split_words, words_option


@command(
    words_option((), "default: all results of a corpus"),
    option("--out", metavar="FILE", help="the file (default: report.html in the results folder)"),
    option("--open", action="store_true", help="show it in the browser"),
    RESULTS,
    CORPUS,
    SELECTION,
)
def report_command(options: argparse.Namespace) -> int:
    """Write one self-contained HTML file on the results."""
    from cdmer_bench.cli.embedding import embed_cells
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.io import remove_leftovers, write_atomically
    from cdmer_bench.reporting.analysis import comparable
    from cdmer_bench.reporting.html_report import build_report

    _, filters = split_words("report", options.words, ())
    records, missing = choose_results(options.results, options.corpus, filters)
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
