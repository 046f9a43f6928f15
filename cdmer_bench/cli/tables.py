"""`cdmer tables`, `stats`, `export` and `audit`: figures as text and in files."""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.cli.arguments import CommandParser, add_corpus, add_results, add_selection
from cdmer_bench.cli.console import bold_wanted, say
from cdmer_bench.errors import UserError, closest, nearest_neighbour
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore

if TYPE_CHECKING:
    from cdmer_bench.reporting import MissingCell

TABLES = ("3", "4", "5", "6", "7", "all")
_COLUMNS = {
    "3": tuple(f"Exp.{i}" for i in range(1, 7)),
    "4": tuple(f"Exp.{i}" for i in range(7, 13)),
}
_NUMBERS = {"3": "III", "4": "IV", "5": "V", "6": "VI", "7": "VII"}


def tables_command(options: argparse.Namespace) -> int:
    """Print Tables III to VII, and those of tasks outside the paper, from the results folder."""
    if options.format is None:
        ending = Path(options.out or "").suffix.removeprefix(".")
        options.format = ending if ending in ("md", "csv", "tex", "html", "json") else "text"
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.reporting import build_table, render_all, summarize, tables_for
    from cdmer_bench.reporting.published import PAPER_DESCRIPTOR

    records = choose_records(options.results, options.corpus)
    if options.descriptor is not None:
        _check_descriptor(options, records)
    rules = [rule(name) for name in options.selection.split(",")]
    against = options.against == "paper"
    missing = recorded_failures(options.results, records)
    if options.number == "all":
        tables = tables_for(records, rules, missing=missing, against_paper=against)
    else:
        tables = [
            build_table(
                _NUMBERS[options.number],
                records,
                rules,
                descriptor=options.descriptor or PAPER_DESCRIPTOR,
                missing=missing,
                against_paper=against,
            )
        ]
    columns = shutil.get_terminal_size((120, 24)).columns
    bold = bold_wanted() and options.out is None
    text = render_all(tables, options.format, bold=bold, width=columns)
    _write(text.encode(), options.out)
    if against:
        say(summarize(tables))
    return 0


def tables_arguments(parser: CommandParser) -> None:
    """Add which table, in which form, from which results."""
    parser.add_argument(
        "number",
        nargs="?",
        default="all",
        choices=TABLES,
        help="which table of the paper (default: all, and those of tasks outside the paper)",
    )
    parser.add_argument(
        "--format",
        choices=["text", "md", "csv", "tex", "html", "json"],
        help="default: what the ending of --out says, else text",
    )
    parser.add_argument(
        "--against", choices=["paper"], help="put the printed figures and the differences beside"
    )
    add_selection(parser, several=True)
    add_corpus(parser)
    parser.add_argument(
        "--descriptor",
        metavar="LABEL",
        help="label of the descriptor of Tables III and IV (default: the paper's)",
    )
    add_results(parser)
    parser.add_argument("--out", metavar="FILE", help="write to this file, not to the screen")


def _write(content: bytes, out: str | None) -> None:
    if out is None:
        sys.stdout.write(content.decode())
        return
    from cdmer_bench.io import remove_leftovers, write_atomically

    path = Path(out).absolute()
    write_atomically(path, content)
    remove_leftovers(path.parent)
    say(f"wrote {out}")


def _check_descriptor(options: argparse.Namespace, records: list[CellRecord]) -> None:
    if options.number not in ("3", "4"):
        raise UserError(
            f"--descriptor={options.descriptor} chooses the descriptor of one table; name it, as "
            "in `cdmer tables 3 --descriptor LABEL`, or 4"
        )
    known = {record.descriptor_label for record in records}
    if options.descriptor not in known:
        raise UserError(
            f"--descriptor is {options.descriptor!r}, which has no result; "
            f"{closest(options.descriptor, known)}"
        )


def choose_records(folder: str, corpus: str | None) -> list[CellRecord]:
    """Load the current records of one corpus, by default the newest record's, in paper order."""
    from cdmer_bench.reporting.published import sorted_as_paper
    from cdmer_bench.results.current import current, current_failures

    store = ResultsStore(folder)
    records = current(store)
    if not records and (failures := current_failures(store)):
        first = failures[0]
        raise UserError(
            f"{folder} holds no finished cell, and {len(failures)} failed, the first of them "
            f"{first['method_label']} on {first['task_label']}: {first['error']}; run them again"
        )
    if not records:
        raise UserError(
            f"{folder} holds no finished cell; {nearest_neighbour(Path(folder))}run one first, "
            "such as `cdmer run method=svm task=all`, or name another folder with --results"
        )
    corpora = sorted({record.corpus for record in records})
    if corpus is None:
        corpus = max(records, key=lambda r: str(r.about.get("date", ""))).corpus
        if len(corpora) > 1:
            others = ", ".join(repr(c) for c in corpora if c != corpus)
            say(f"showing corpus {corpus!r}; there are results of {others} too (--corpus)")
    if corpus not in corpora:
        raise UserError(
            f"{folder} has no results of the corpus {corpus!r}; {closest(corpus, corpora)}"
        )
    return sorted_as_paper(record for record in records if record.corpus == corpus)


def recorded_failures(folder: str, records: list[CellRecord]) -> "list[MissingCell]":
    """Return the cells that failed, of the records' corpus, and have no record now."""
    from cdmer_bench.reporting import MissingCell
    from cdmer_bench.results.current import current_failures

    labels = ("task_label", "method_label", "descriptor_label")
    return [
        MissingCell(*(failure[name] for name in labels), f"failed: {failure['error']}")
        for failure in current_failures(ResultsStore(folder))
        if failure["corpus"] == records[0].corpus
    ]


def stats_arguments(parser: CommandParser) -> None:
    """Add which tables' cells are compared."""
    parser.add_argument("--tables", default="3,4", metavar="NUMBERS", help="3, 4 or 3,4 (default)")
    add_selection(parser)
    add_results(parser)
    add_corpus(parser)


def stats_command(options: argparse.Namespace) -> int:
    """Print intervals, paired tests and ranks from the results folder."""
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.reporting.analysis import comparable, stats_text

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


def export_arguments(parser: CommandParser) -> None:
    """Add what is written, and where."""
    parser.add_argument(
        "--predictions", action="store_true", help="a row for each clip of each chosen setting"
    )
    parser.add_argument(
        "--out", metavar="FILE", help=".csv, .json or .parquet (default: CSV to the screen)"
    )
    add_selection(parser, several=True)
    add_corpus(parser, "all")
    add_results(parser)


def export_command(options: argparse.Namespace) -> int:
    """Write the scores table, a row for each cell and rule, or one for each clip."""
    from cdmer_bench.results.scores import SUFFIXES, load_predictions, load_scores, pack_table

    suffix = ".csv" if options.out is None else Path(options.out).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"--out is {options.out}, and its ending does not say how to write it; "
            f"choices: {', '.join(SUFFIXES)}"
        )
    load = load_predictions if options.predictions else load_scores
    table = load(options.results, options.selection.split(","))
    if options.corpus is not None:
        known = sorted(table["corpus"].unique())
        if options.corpus not in known:
            raise UserError(
                f"{options.results} has no results of the corpus {options.corpus!r}; "
                f"{closest(options.corpus, known)}"
            )
        table = table[table["corpus"] == options.corpus]
    _write(pack_table(table, suffix), options.out)
    return 0


def audit_arguments(parser: CommandParser) -> None:
    """Add the format."""
    parser.add_argument(
        "--format", default="text", choices=["text", "json"], help="text (default) or json"
    )


def audit_command(options: argparse.Namespace) -> int:
    """Check the paper's own tables against themselves."""
    from cdmer_bench.reporting.audit import as_json, as_text, audit

    findings = audit()
    if options.format == "json":
        print(json.dumps(as_json(findings), indent=1))
    else:
        print(as_text(findings))
        say(f"{len(findings)} findings; each is recomputed from the printed figures alone")
    return 0
