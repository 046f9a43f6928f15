"""`cdmer results merge`: put the results of several machines into one folder."""

import argparse
from pathlib import Path

from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError
from cdmer_bench.results.store import ResultsStore


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser("cdmer results", description=__doc__)
    parser.add_argument("action", choices=["merge"])
    parser.add_argument("sources", nargs="+", help="results folders to read")
    parser.add_argument("--into", required=True, help="the results folder to add to")
    options = parser.parse_args(arguments)
    target = ResultsStore(options.into)
    target.check_writable()
    for source in options.sources:
        if not (Path(source) / "cells").is_dir():
            raise UserError(f"{source} holds no cells; name a folder that `cdmer run` wrote to")
        added = present = 0
        for record in ResultsStore(source).records():
            folder = target.cell_folder(record.task, record.descriptor, record.method, record.key)
            if target.load(folder) is not None:
                present += 1
            else:
                target.save(record)
                added += 1
        say(f"{source}: {added} cells added, {present} were there already")
    return 0
