"""`cdmer tables`, `stats`, `export` and `audit`: figures as text and in files."""

import argparse
import json
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdmer_bench.cli.arguments import CORPUS, RESULTS, SELECTION, SELECTIONS, command, option
from cdmer_bench.cli.console import bold_wanted, say
from cdmer_bench.cli.stored import (
    choose_results,
    matching,
    named_corpora,
    split_words,
    words_option,
)
from cdmer_bench.errors import UserError, closest
from cdmer_bench.evaluation.selection import RULES, rule
from cdmer_bench.io import write_atomically
from cdmer_bench.results import archive
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import SUFFIXES, load_predictions, load_scores, pack_table
from cdmer_bench.runner.cell import counted

if TYPE_CHECKING:
    from cdmer_bench.reporting.table import Table

_NUMBERS = {"3": "III", "4": "IV", "5": "V", "6": "VI", "7": "VII"}
TABLES = (*_NUMBERS, "own", "all")
_FORMATS = ("text", "md", "csv", "tex", "html", "json")
_COMPARED = ("3", "4", "own")


@command(
    words_option(TABLES, "3 to 7, own (tasks outside the paper) or all (default)"),
    option("--format", choices=_FORMATS, help="default: what the ending of --out says, else text"),
    option(
        "--against",
        default="",
        metavar="PAPERS",
        help="put printed figures beside: paper, and later papers such as tgsr2022,madtn2021",
    ),
    option(
        "--with",
        dest="beside",
        metavar="ZIP",
        help="put the rows of another laboratory's `cdmer results pack` beside",
    ),
    SELECTIONS,
    CORPUS,
    option(
        "--descriptor",
        metavar="LABEL",
        help="label of the descriptor of Tables III and IV (default: the paper's, if it was run)",
    ),
    RESULTS,
    option("--out", metavar="FILE", help="write to this file, not to the screen"),
)
def tables_command(options: argparse.Namespace) -> int:
    """Print Tables III to VII, and those of tasks outside the paper, from the results folder."""
    from cdmer_bench.reporting import build_table, render_all, summarize, tables_for
    from cdmer_bench.reporting.analysis import comparable
    from cdmer_bench.reporting.published import PAPER_DESCRIPTOR, later_paper
    from cdmer_bench.reporting.table import PRINTED, without_needless_averages
    from cdmer_bench.reporting.tables import in_no_table

    numbers, filters = split_words("tables", options.words, TABLES)
    numbers = numbers or ["all"]
    known = {f".{name}": name for name in _FORMATS[1:]} | {".txt": "text", "": "text"}
    form = options.format or known[_ending(options.out or "", known, "; or name one with --format")]
    papers = [name.strip() for name in options.against.split(",") if name.strip()]
    later = [later_paper(name, options.config_dir) for name in papers if name != "paper"]
    rules = [rule(name) for name in options.selection.split(",")]
    records, missing = choose_results(
        options.results, options.corpus, filters, lambda r: any(_belongs(r, n) for n in numbers)
    )
    if options.descriptor is not None:
        _check_descriptor(options.descriptor, numbers, records)
    if options.beside:
        packed, corpus = archive.beside(options.beside, records), records[0].corpus
        apart = [record.corpus for record in packed if record.corpus != corpus]
        if apart:
            others = f"of the corpus {', '.join(map(repr, dict.fromkeys(apart)))}"
            cells = counted(len(apart), "cell")
            say(f"{options.beside}: {cells} {others} left out, not of {corpus!r}")
        asked = {what: value for what, value in filters.items() if what != "corpus"}
        records += matching([r for r in packed if r.corpus == corpus], asked, strict=False)
    tables: list[Table] = []
    beside: dict[str, Any] = {
        "missing": missing,
        "against_paper": "paper" in papers,
        "later": later,
    }
    for number in numbers:
        if number in _NUMBERS:
            mine = comparable([r for r in records if _belongs(r, number)])
            usual = mine[0].descriptor_label if mine else PAPER_DESCRIPTOR
            table = build_table(
                _NUMBERS[number],
                records,
                rules,
                descriptor=options.descriptor or usual,
                whole=not {"method", "descriptor"} & set(filters),
                only_asked="task" in filters,
                **beside,
            )
            tables.append(without_needless_averages(table) if "task" in filters else table)
            continue
        found = tables_for(records, rules, only_asked=True, **beside)
        found = [table for table in found if number == "all" or table.number == "own"]
        if not found:
            raise UserError(
                (in_no_table(records) if number == "all" else "")
                or f"the corpus {records[0].corpus!r} has no result on a task outside the paper; "
                "leave the word own out to see what it has"
            )
        tables += map(without_needless_averages, found)
    columns = shutil.get_terminal_size((120, 24)).columns
    bold = bold_wanted() and options.out is None
    _write(render_all(tables, form, bold=bold, width=columns).encode(), options.out)
    if "paper" in papers:
        say(summarize(tables))
    shown = {row.variant for table in tables for row in table.rows if row.selection == PRINTED}
    for name in (paper.name for paper in later if paper.name not in shown):
        say(f"{name} prints no figure that these tables hold.")
    if left_out := in_no_table(records):
        say(left_out)
    return 0


def _belongs(record: CellRecord, number: str) -> bool:
    """Whether a record has a place in what a word such as ``3``, ``own`` or ``all`` stands for."""
    from cdmer_bench.reporting.published import DIRECTIONS, LAYOUTS

    if number in _NUMBERS:
        return record.task_label in LAYOUTS[_NUMBERS[number]].columns
    return number == "all" or record.task_label not in DIRECTIONS


def _ending(out: str, known: Collection[str], more: str = "") -> str:
    """Return the ending of a file, which says how to write it."""
    ending = Path(out).suffix.lower()
    if ending not in known:
        raise UserError(
            f"--out is {out}, and its ending does not say how to write it; choices: "
            f"{', '.join(filter(None, known))}{more}"
        )
    return ending


def _check_descriptor(label: str, numbers: list[str], records: list[CellRecord]) -> None:
    if not set(numbers) <= {"3", "4"}:
        raise UserError(
            f"--descriptor={label} chooses the descriptor of one table; name it, as in "
            "`cdmer tables 3 --descriptor LABEL`, or 4"
        )
    known = {record.descriptor_label for record in records}
    if label not in known:
        raise UserError(f"--descriptor is {label!r}, which has no result; {closest(label, known)}")


def _write(content: bytes, out: str | None) -> None:
    if out is None:
        sys.stdout.write(content.decode())
        return
    path = Path(out).absolute()
    write_atomically(path, content)
    say(f"wrote {out}")


@command(
    words_option((*_COMPARED, "all"), "cells of Tables 3 and 4, own or all (default)"),
    option("--tables", metavar="NUMBERS", help="the same with commas between: 3, 4, own or 3,4"),
    option(
        "--rules",
        action="store_true",
        help="rank the rules that choose settings, by what they lose against the oracle",
    ),
    SELECTION,
    RESULTS,
    CORPUS,
)
def stats_command(options: argparse.Namespace) -> int:
    """Print intervals, paired tests and ranks from the results folder."""
    from cdmer_bench.reporting.analysis import comparable, stats_text
    from cdmer_bench.reporting.published import LAYOUTS
    from cdmer_bench.reporting.rules import rules_text

    words, filters = split_words("stats", options.words, (*_COMPARED, "all"))
    numbers = (options.tables.split(",") if options.tables else words) or ["all"]
    for number in numbers:
        if number not in (*_COMPARED, "all"):
            raise UserError(f"--tables holds {number!r}; choices: {', '.join(_COMPARED)}")
    if "all" in numbers:
        numbers = list(_COMPARED)
    chosen = rule(options.selection)
    records, missing = choose_results(
        options.results, options.corpus, filters, lambda r: any(_belongs(r, n) for n in numbers)
    )
    texts = []
    # The paper's tasks together; tasks outside the paper have other classes, and are apart.
    paper, own = [n for n in numbers if n in _NUMBERS], [n for n in numbers if n == "own"]
    for group in (paper, own):
        mine = comparable([r for r in records if any(_belongs(r, n) for n in group)])
        if mine and options.rules:
            texts.append(rules_text(mine, [each() for each in RULES.values()]))
        elif mine:
            tasks = {r.task_label for r in mine}
            if group is paper:
                tasks.update(*(LAYOUTS[_NUMBERS[number]].columns for number in paper))
            lacking = [
                m
                for m in missing
                if m.task_label in tasks and m.descriptor_label == mine[0].descriptor_label
            ]
            texts.append(stats_text(mine, chosen, lacking))
    if not texts:
        raise UserError(f"{options.results} has no result for table {','.join(numbers)}")
    print("\n".join(texts), end="")
    return 0


@command(
    option("--predictions", action="store_true", help="a row for each clip of each chosen setting"),
    option("--out", metavar="FILE", help=".csv, .json or .parquet (default: CSV to the screen)"),
    SELECTIONS,
    option("--corpus", metavar="NAME", help="take the results of this corpus (default: all)"),
    RESULTS,
)
def export_command(options: argparse.Namespace) -> int:
    """Write the scores table, a row for each cell and rule, or one for each clip."""
    suffix = ".csv" if options.out is None else _ending(options.out, SUFFIXES)
    load = load_predictions if options.predictions else load_scores
    table = load(options.results, options.selection.split(","))
    corpora = named_corpora(table["corpus"], options.corpus, options.results)
    _write(pack_table(table[table["corpus"].isin(corpora)], suffix), options.out)
    return 0


@command(
    option(
        "--paper",
        default="paper",
        metavar="NAME",
        help="whose tables: paper (default), or a later one such as tgsr2022 or madtn2021",
    ),
    option("--format", default="text", choices=["text", "json"], help="text (default) or json"),
)
def audit_command(options: argparse.Namespace) -> int:
    """Check printed tables against themselves, and later ones against the benchmark's."""
    from cdmer_bench.reporting import audit
    from cdmer_bench.reporting.published import later_paper

    kinds: Sequence[str] = audit.OF_BENCHMARK
    if options.paper == "paper":
        findings = audit.audit()
    else:
        paper = later_paper(options.paper, options.config_dir)
        findings, kinds = audit.audit_later(paper), audit.OF_LATER
        say(f"{paper.title}; {paper.what}; {paper.source}")
    if options.format == "json":
        print(json.dumps(audit.as_json(findings), indent=1))
    else:
        print(audit.as_text(findings, kinds))
        found = counted(len(findings), "finding")
        say(f"{found}; each is recomputed from the printed figures alone")
    return 0
