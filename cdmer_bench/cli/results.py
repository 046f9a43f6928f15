"""`cdmer results`: merge, prune, pack and verify results."""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

from cdmer_bench.cli.arguments import RESULTS, command, option
from cdmer_bench.cli.console import say
from cdmer_bench.cli.stored import named_corpora
from cdmer_bench.errors import UserError, nearest_neighbour
from cdmer_bench.io import remove, user_path, write_atomically
from cdmer_bench.results.archive import pack, verify
from cdmer_bench.results.current import current, settled_failures, superseded
from cdmer_bench.results.store import ResultsStore
from cdmer_bench.runner.cell import counted


@command(
    option("sources", nargs="+", metavar="DIR", help="results folders to read"),
    option("--into", required=True, metavar="DIR", help="the results folder to add to"),
)
def merge_command(options: argparse.Namespace) -> int:
    """Put the results of several machines into one folder."""
    sources = [_held(source) for source in options.sources]
    target = ResultsStore(options.into)
    target.check_writable()
    for name, source in zip(options.sources, sources, strict=True):
        say(_merge(source, name, target))
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
            held = target.load(target.folder_of(record))
            if held is None:
                target.save(record)
                added += 1
                continue
            present += 1
            if not np.array_equal(held.predictions, record.predictions):
                other.append(f"{record.method} {record.task}")
            elif lacking := record.selection_inputs().keys() - held.selection_inputs().keys():
                held.extras.update({name: record.extras[name] for name in lacking})
                target.save_selection_inputs(held)
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


@command(
    RESULTS,
    option("--dry-run", action="store_true", help="only say what would be removed"),
    option("--yes", action="store_true", help="do not ask, even in a terminal"),
)
def prune_command(options: argparse.Namespace) -> int:
    """Remove superseded results, those of older versions, and failures that no longer stand."""
    store = _held(options.results)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the count below tells of cells of older versions
        records, failures, older = superseded(store), settled_failures(store), store.older()
    folders = [f for f in (*map(store.folder_of, records), *older) if f.is_dir()]
    if not folders and not failures:
        say(f"{options.results}: everything is current, nothing to remove")
        return 0
    size = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
    say(
        f"{options.results}: {counted(len(records), 'superseded cell')} and {len(older)} of "
        f"an older version ({size / 1e6:.1f} MB); {len(failures)} of the recorded failures no "
        "longer stand"
    )
    for record in records:
        date = str(record.about.get("date", "unknown date"))[:16].replace("T", " ")
        say(f"  {record.task_label}, {record.method_label}, {record.descriptor_label}: of {date}")
    agreed = not options.dry_run
    if agreed and not options.yes and sys.stdin.isatty():  # a script is not asked
        agreed = input("Remove them? [y/N] ").strip().lower() in ("y", "yes")
    if not agreed:
        say("nothing was removed")
        return 0
    busy = 0
    for folder in folders:
        with store.claim(folder.name.rpartition("-")[2]) as claimed:
            if claimed:
                remove(folder)
            busy += not claimed
    for path in failures:
        path.unlink(missing_ok=True)
    say(f"removed; {busy} are in the hands of another process" if busy else "removed")
    return 0


@command(
    option("out", metavar="OUT.zip", help="the file to write"),
    RESULTS,
    option("--corpus", metavar="NAME", help="only results of this corpus"),
)
def pack_command(options: argparse.Namespace) -> int:
    """Put the current results, without the data, into one file that may be published."""
    records = current(_held(options.results))
    corpora = named_corpora((r.corpus for r in records), options.corpus, options.results)
    records = [record for record in records if record.corpus in corpora]
    data = pack(records)
    write_atomically(user_path(options.out), data)
    say(
        f"{options.out}: {counted(len(records), 'cell')}, {len(data) / 1e6:.1f} MB, with the "
        "names of clips and subjects but nothing else of the data"
    )
    return 0


@command(
    option("file", metavar="FILE.zip", help="a file of `cdmer results pack`"),
    option(
        "--results",
        default="results",
        metavar="DIR",
        help="your own results, to compare the data with (default: results)",
    ),
)
def verify_command(options: argparse.Namespace) -> int:
    """Recompute every figure of a packed file, and compare its data with your own."""
    lines, wrong = verify(user_path(options.file), current(ResultsStore(options.results)))
    print("\n".join(lines))
    return int(wrong > 0)


def _held(folder: str) -> ResultsStore:
    """Return the store of a folder that has results."""
    if not (Path(folder) / "cells").is_dir():
        raise UserError(
            f"{folder} holds no cells; {nearest_neighbour(Path(folder))}name a folder that "
            "`cdmer run` wrote to"
        )
    return ResultsStore(folder)
