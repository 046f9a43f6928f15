"""`cdmer results merge`: the results of several machines in one folder."""

import argparse
from pathlib import Path

import numpy as np

from cdmer_bench.cli.arguments import CommandParser
from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError, nearest_neighbour
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.selection_inputs import NAMES
from cdmer_bench.results.store import ResultsStore


def merge_arguments(parser: CommandParser) -> None:
    """Add the folders."""
    parser.add_argument("sources", nargs="+", metavar="DIR", help="results folders to read")
    parser.add_argument("--into", required=True, metavar="DIR", help="the results folder to add to")


def merge_command(options: argparse.Namespace) -> int:
    """Put the results of several machines into one folder."""
    for source in options.sources:
        if not (Path(source) / "cells").is_dir():
            raise UserError(
                f"{source} holds no cells; {nearest_neighbour(Path(source))}name a folder that "
                "`cdmer run` wrote to"
            )
    target = ResultsStore(options.into)
    target.check_writable()
    for source in options.sources:
        say(_merge(ResultsStore(source), source, target))
    return 0


def _merge(source: ResultsStore, name: str, target: ResultsStore) -> str:
    """Add what ``target`` lacks; return a sentence that says what was found."""
    added, present, busy, other = 0, 0, 0, []
    for record in source.records():
        # Another process may be storing the same cell: a run, or the merging of another folder.
        with target.claim(record.key) as claimed:
            if not claimed:
                busy += 1
                continue
            folder = target.folder_of(record)
            held = target.load(folder)
            if held is None:
                target.save(record)
                added += 1
            else:
                present += 1
            if held is not None and not np.array_equal(held.predictions, record.predictions):
                other.append(f"{record.method} {record.task}")
                continue
            if held is not None and _adds_selection_inputs(held, record):
                target.save_selection_inputs(record)
            drawn = source.load_plane(record)
            if drawn is not None and not target.has_plane(folder, record.key):
                target.save_plane(record, drawn)
    text = f"{name}: {added} cells added, {present} were there already"
    if other:
        text += (
            f"; of these {len(other)} hold other predictions and were left as they are "
            f"({', '.join(other[:3])}{', ...' if len(other) > 3 else ''}): their versions of "
            "NumPy, SciPy or cdmer-bench may differ, record.json tells"
        )
    if busy:
        text += f"; {busy} are in the hands of another process, so merge again when it has ended"
    failed = len(source.failures())
    return f"{text}; {failed} failed there" if failed else text


def _adds_selection_inputs(held: CellRecord, record: CellRecord) -> bool:
    """Return whether ``record`` has every selection input that ``held`` has, and more."""
    known, offered = (set(NAMES) & set(r.extras) for r in (held, record))
    return known < offered
