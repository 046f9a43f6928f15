"""The report: one HTML file that needs no network and no other file."""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import RULES, Rule, rule
from cdmer_bench.reporting import report_views as views
from cdmer_bench.reporting import report_words as words
from cdmer_bench.reporting.analysis import (
    comparable,
    compare_cells,
    compare_methods,
    control_of,
    unchosen,
)
from cdmer_bench.reporting.captions import SYNTHETIC, scope
from cdmer_bench.reporting.published import AVERAGE, paper_order, sorted_as_paper, summarize
from cdmer_bench.reporting.report_data import (
    Cell,
    cells_of,
    curves,
    embedded,
    measures,
)
from cdmer_bench.reporting.report_pictures import (
    budget_chart,
    pair_chart,
    parameters,
    regions,
    scatters,
)
from cdmer_bench.reporting.rules import judge_rules
from cdmer_bench.reporting.table import Table
from cdmer_bench.reporting.tables import MissingCell, tables_for
from cdmer_bench.results.record import CellRecord

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent


def build_report(
    records: Sequence[CellRecord],
    *,
    selection: str | Rule = "oracle",
    missing: Iterable[MissingCell] = (),
    against_paper: bool | None = None,
    placed: Sequence[tuple[CellRecord, NDArray, NDArray | None]] = (),
    not_placed: Sequence[str] = (),
) -> str:
    """Return the report on records as HTML.

    Parameters
    ----------
    records : sequence of CellRecord
        Of one corpus.
    selection : str or Rule
        The rule that the page opens with, and that of intervals, tests and pictures of grids.
    missing : iterable of MissingCell
        Cells that were asked for and have no result.
    against_paper : bool, optional
        Whether the printed figures stand beside; by default unless the data are synthetic.
    placed : sequence of (CellRecord, ndarray, ndarray or None)
        Cells of one task with the places of their samples in two dimensions before and after
        adaptation; None for a method that moves none.
    not_placed : sequence of str
        Why samples of others could not be placed.

    Returns
    -------
    str

    Raises
    ------
    UserError
        Without a record, or with records of several corpora.
    """
    records, missing, chosen = sorted_as_paper(records), list(missing), rule(selection)
    corpora = sorted({r.corpus for r in records})
    if len(corpora) != 1:
        found = f"records of {', '.join(corpora)}" if corpora else "no finished cell"
        raise UserError(f"a report shows one corpus, but there are {found}; name one")
    synthetic = any(r.synthetic for r in records)
    against = not synthetic if against_paper is None else against_paper
    tables = tables_for(records, chosen, missing=missing, against_paper=against)
    page = _contents(records, missing, chosen, tables)
    page |= {
        "common": [SYNTHETIC, *_common_notes(tables)],
        "beside": views.beside_the_paper(tables) if against else None,
        "agreement": summarize(tables) if against else "",
        "synthetic": synthetic,
        "scatters": scatters(placed),
        "placed": placed,
        "not_placed": not_placed,
        "style": (_FOLDER / "report.css").read_text(encoding="utf-8"),
        "script": (_FOLDER / "report.js").read_text(encoding="utf-8"),
        "version": _version(),
    }
    return _environment().get_template("report.html").render(page)


def _contents(
    records: list[CellRecord], missing: list[MissingCell], chosen: Rule, tables: Sequence[Table]
) -> dict[str, Any]:
    """Compute everything that the page shows."""
    rows = comparable(records)
    rules = _distinct([chosen, *(r() for r in RULES.values())])
    judged = judge_rules(records, rules)
    cells = cells_of(records, judged)
    beside = {id(record) for record in rows}
    compared = [cell for cell in cells if id(cell.record) in beside]
    judged_rows = [j for j, r in zip(judged, records, strict=True) if id(r) in beside]
    tested = compare_cells(rows, chosen)
    overall = compare_methods(tested)
    best, headline, sentences = words.answer(overall, tested, chosen)
    possible = [r for r in rules if any(c.values(r.name) is not None for c in compared)]
    of_rules = curves(compared, possible)
    n_tasks = len({r.task_label for r in rows})
    classes = rows[0].classes if len({r.classes for r in rows}) == 1 else ()
    index = views.row_index(records)
    numbers = {id(c): i for i, c in enumerate(cells)}
    heat = views.heat_map(compared, numbers, chosen.name)
    control = control_of(record.row for record in rows) or ""
    across, up = _pair([method for method, _ in heat.rows], control)
    return {
        "title": words.title(records),
        "lead": words.lead(rows),
        "warnings": words.warnings(records, rows, missing),
        "best": best,
        "headline": headline,
        "sentences": sentences,
        "facts": words.facts(records, chosen),
        "of_the_paper": words.of_the_paper(records),
        "rule": chosen,
        "rules": possible,
        "measures": measures(classes),
        "methods": paper_order(r.row for r in rows),
        "over": scope(r.task_label for r in rows),
        "several": len({r.descriptor_label for r in records}) > 1,
        "heat": heat,
        "tables": [(table, _rows(table, index)) for table in tables],
        "AVERAGE": AVERAGE,
        "methods_grid": views.methods_grid(overall) if overall else None,
        "ranks": views.rank_strips(overall) if overall else None,
        "tests": views.tests_grid(tested, chosen) if tested else None,
        "unchosen": unchosen(rows, tested, chosen),
        "rules_grids": views.rules_grids(rows, rules, judged_rows),
        "ranking": views.rule_ranking(judged_rows),
        "budget": budget_chart(of_rules.get(chosen.name, []), n_tasks),
        "across": across,
        "up": up,
        "pair": pair_chart(compared, chosen.name, across, up) if up else None,
        "confusion": _by_method(cells, chosen.name),
        "gaps": views.gaps_grid(missing) if missing else None,
        "never": words.never_run(records, missing),
        "notes": views.notes_grid(records),
        "parameters": _parameters(compared, chosen.name, control),
        "regions": [r for c in compared if (r := regions(c, chosen.name))][:1],
        "times": views.time_strips(rows),
        "sources": views.sources_grid(cells, chosen.name),
        "data": _script_safe(embedded(cells, of_rules, compared, possible, measures(classes))),
    }


def _pair(methods: Sequence[str], control: str) -> tuple[str, str]:
    """Choose the two methods that are set against each other first, from the best method on."""
    others = [method for method in methods if method != control]
    if len(methods) < 2:
        return "", ""
    return (control, others[0]) if control in methods else (others[1], others[0])


def _distinct(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules in their usual order, the one given instead of the same with other options."""
    found: dict[str, Rule] = {}
    for each in rules:
        found.setdefault(each.name, each)
    order = [*RULES]
    return sorted(found.values(), key=lambda r: order.index(r.name))


def _rows(table: Table, index: dict[tuple[str, str, str], int]) -> list[dict[str, Any]]:
    """Return the table's rows with the numbers of the cells behind each figure."""
    rows = [row for row in table.rows if row.label != AVERAGE]
    numbers = [views.cell_numbers(table, row, index) for row in rows]
    lines = [
        {"name": table.shown_name(row), "cells": list(zip(row.cells, cells, strict=True))}
        for row, cells in zip(rows, numbers, strict=True)
    ]
    for row in table.rows:
        if row.label == AVERAGE:
            below = [[i for cell in column for i in cell] for column in zip(*numbers, strict=True)]
            below[-1] = []  # the paper leaves the corner empty
            cells = list(zip(row.cells, below, strict=True))
            lines.append({"name": AVERAGE, "cells": cells})
    return lines


def _common_notes(tables: Sequence[Table]) -> list[str]:
    """Return the notes that stand under every table; the head of the page says SYNTHETIC."""
    first = tables[0].notes if tables else ()
    return [n for n in first if n != SYNTHETIC and all(n in table.notes for table in tables)]


def _by_method(cells: Sequence[Cell], rule: str) -> list[tuple[str, list[tuple[int, Cell]]]]:
    """Return the cells with a setting, by method, with their numbers in the page's data."""
    chosen = [(i, c) for i, c in enumerate(cells) if c.values(rule) is not None]
    methods = paper_order(c.record.row for _, c in chosen)
    return [(m, [(i, c) for i, c in chosen if c.record.row == m]) for m in methods]


def _parameters(cells: Sequence[Cell], rule: str, control: str) -> list[Any]:
    """Draw the first grid of each method, on the first task where the rule chooses a setting."""
    drawn: dict[str, Any] = {}
    scores = {
        cell.record.task_label: float(values[0])
        for cell in cells
        if cell.record.row == control and (values := cell.values(rule)) is not None
    }
    for cell in cells:
        method = cell.record.row
        if method not in drawn:
            picture = parameters(cell, rule, scores.get(cell.record.task_label))
            if picture is not None:
                drawn[method] = picture
    return [drawn[method] for method in paper_order(drawn)]


def _script_safe(content: Any) -> str:
    """Return JSON that no text of a user's can break out of."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _version() -> str:
    try:
        return version("cdmer-bench")
    except PackageNotFoundError:
        return "(not installed)"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment
