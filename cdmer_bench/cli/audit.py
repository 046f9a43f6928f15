"""`cdmer audit`: the paper's own tables, checked against themselves."""

import json

from cdmer_bench.cli.arguments import CommandParser
from cdmer_bench.cli.console import say


def make_parser() -> CommandParser:
    """Return the command's arguments."""
    parser = CommandParser("audit", __doc__)
    parser.add_argument(
        "--format", default="text", choices=["text", "json"], help="text (default) or json"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = make_parser().parse_args(arguments)
    from cdmer_bench.reporting.audit import audit
    from cdmer_bench.reporting.findings import as_json, as_text

    findings = audit()
    if options.format == "json":
        print(json.dumps(as_json(findings), indent=1))
    else:
        print(as_text(findings))
        say(f"{len(findings)} findings; each is recomputed from the printed figures alone")
    return 0
