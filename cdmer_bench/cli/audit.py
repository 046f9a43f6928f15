"""`cdmer audit`: the paper's own tables, checked against themselves."""

import argparse
import json

from cdmer_bench.cli.console import say


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser("cdmer audit", description=__doc__)
    parser.add_argument("--format", default="text", choices=["text", "json"])
    options = parser.parse_args(arguments)
    from cdmer_bench.reporting.audit import audit
    from cdmer_bench.reporting.findings import as_json, as_text

    findings = audit()
    if options.format == "json":
        print(json.dumps(as_json(findings), indent=1))
    else:
        print(as_text(findings))
        say(f"{len(findings)} findings; each is recomputed from the printed figures alone")
    return 0
