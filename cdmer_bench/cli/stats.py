"""`cdmer stats`: intervals, paired tests and ranks from the results folder."""

from cdmer_bench.cli.arguments import CommandParser, add_corpus, add_results, add_selection
from cdmer_bench.cli.tables import choose_records, recorded_failures
from cdmer_bench.errors import UserError

_COLUMNS = {
    "3": tuple(f"Exp.{i}" for i in range(1, 7)),
    "4": tuple(f"Exp.{i}" for i in range(7, 13)),
}


def make_parser() -> CommandParser:
    """Return the command's arguments."""
    parser = CommandParser("stats", __doc__)
    parser.add_argument("--tables", default="3,4", metavar="NUMBERS", help="3, 4 or 3,4 (default)")
    add_selection(parser)
    add_results(parser)
    add_corpus(parser)
    return parser


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = make_parser().parse_args(arguments)
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.reporting.stats_text import stats_text
    from cdmer_bench.reporting.variants import comparable

    columns: list[str] = []
    for number in options.tables.split(","):
        if number not in _COLUMNS:
            raise UserError(f"--tables holds {number!r}; choices: 3, 4")
        columns += _COLUMNS[number]
    records = choose_records(options.results, options.corpus)
    chosen = comparable([r for r in records if r.task_label in columns])
    if not chosen:
        raise UserError(f"{options.results} has no result for table {options.tables}")
    missing = [
        m
        for m in recorded_failures(options.results, records)
        if m.task_label in columns and m.descriptor_label == chosen[0].descriptor_label
    ]
    print(stats_text(chosen, rule(options.selection), missing), end="")
    return 0
