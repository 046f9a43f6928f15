"""The report: one HTML file that needs no network and no other file."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import RULES, Rule, rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.reporting import analysis, captions
from cdmer_bench.reporting import picture_data as pictures
from cdmer_bench.reporting.picture_data import Cell, Curve, Placed
from cdmer_bench.reporting.published import AVERAGE, DIRECTIONS, paper_order, sorted_as_paper
from cdmer_bench.reporting.rules import rank_rules, rules_notes, summarize_rules
from cdmer_bench.reporting.table import differences, summarize
from cdmer_bench.reporting.tables import MissingCell, tables_for
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import SIDES, database_title, remarks

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
_EVIDENCE = 0.05
_MOST_PLACES = 1500  # of maps of one method; more would make the page large


def build_report(
    records: Sequence[CellRecord],
    *,
    selection: str | Rule = "oracle",
    missing: Iterable[MissingCell] = (),
    against_paper: bool | None = None,
    placed: Sequence[Placed] = (),
    not_placed: Sequence[str] = (),
) -> str:
    """Return the report on records as HTML.

    Parameters
    ----------
    records : sequence of CellRecord
        Of one corpus.
    selection : str or Rule
        The rule that the page opens with, and that of pictures of blocks and of samples.
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
    # In their usual order, the one given instead of the same with other options.
    rules = [chosen if name == chosen.name else each() for name, each in RULES.items()]
    cells, rows = pictures.cells_of(records, rules), analysis.comparable(records)
    compared = [cell for cell in cells if any(cell.record is record for record in rows)]
    choices = _choices(compared, rules)
    others = [each for each in choices["able"] if each is not chosen]
    possible = [each for each in rules if each is chosen or each in others]
    classes = rows[0].classes if len({r.classes for r in rows}) == 1 else ()
    of_rules = pictures.curves(compared, possible)
    numbers = {record.key: number for number, record in enumerate(records)}
    tasks, heats = _heat_map(compared, numbers, chosen.name)
    control = analysis.control_of(record.row for record in rows) or ""
    return page(
        "report.html",
        **_results(records, missing, chosen, against_paper),
        **choices,
        **_pair(heats, control),
        records=records,
        numbers=numbers,
        rows=rows,
        missing=missing,
        rule=chosen,
        rules=possible,
        verdicts=[_verdict(compared, each) for each in (chosen, *others)],
        measures=_measures(classes),
        methods=paper_order(r.row for r in rows),
        heat={"tasks": tasks, "rows": heats},
        budget=of_rules.get(chosen.name, []),
        parameters=_first_grids(compared, chosen.name, control),
        regions=_first_blocks(compared, chosen.name),
        panels=pictures.samples(placed) if placed else [],
        not_placed=not_placed,
        times=pictures.times(rows),
        cells=cells,
        data=_embedded(cells, of_rules, compared, possible, _measures(classes)),
        version=version("cdmer-bench"),
    )


def page(template: str, **shown: Any) -> str:
    """Fill a template with what it shows, the style sheet and the script."""
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    return _environment().get_template(template).render(shown, style=style, script=script)


def _results(
    records: Sequence[CellRecord],
    missing: Sequence[MissingCell],
    chosen: Rule,
    against_paper: bool | None,
) -> dict[str, Any]:
    """Return the tables, and what was run."""
    synthetic = any(r.synthetic for r in records)
    against = not synthetic if against_paper is None else against_paper
    tables = tables_for(records, chosen, missing=missing, against_paper=against)
    first = tables[0].notes if tables else ()
    tasks = paper_order(r.task_label for r in records)
    asked = {*tasks, *(m.task_label for m in missing)}
    dates = sorted(str(r.about["date"]) for r in records if r.about.get("date"))
    return {
        "tables": tables,
        # Notes that stand under every table; the head of the page says SYNTHETIC.
        "common": [n for n in first if all(n in table.notes for table in tables)],
        "SYNTHETIC": captions.SYNTHETIC,
        "apart": differences(tables),
        "agreement": summarize(tables) if against else "",
        "synthetic": synthetic,
        "of_the_paper": all(task in DIRECTIONS for task in tasks),
        "tasks": tasks,
        "directions": DIRECTIONS,
        "never": [task for task in DIRECTIONS if task not in asked],
        "absences": captions.absences(analysis.comparable(records), missing),
        "reasons": Counter(m.reason.split(":")[0] for m in missing),
        "remarks": [text for r in records for side in SIDES for text in remarks(r, side)],
        "databases": sorted({database_title(r, side) for r in records for side in SIDES}),
        "dates": [d[:16].replace("T", " ") for d in dates[:1] + dates[-1:]],
        "versions": sorted(
            {f"{k} {v}" for r in records for k, v in dict(r.about.get("versions") or {}).items()}
        ),
    }


def _choices(compared: Sequence[Cell], rules: Sequence[Rule]) -> dict[str, Any]:
    """Return what the rules choose, and what each loses against the oracle."""
    summaries = summarize_rules(compared)
    # A grid of one setting leaves nothing to choose and so says nothing about a rule's input.
    searched = {cell.record.row for cell in compared if len(cell.record.settings) > 1}
    able = {s.rule for s in summaries if s.n and s.method in searched}
    return {
        "compared": compared,
        "ranking": rank_rules(compared),
        "able": [r for r in rules if r.name in able],
        "summaries": {(s.method, s.rule): s for s in summaries},
        "rules_notes": rules_notes(summaries, rules, able),
    }


def _verdict(cells: Sequence[Cell], rule: Rule) -> dict[str, Any]:
    """Return what a rule's settings say about which method is best, and the tests."""
    made = [(cell.record, cell.choices[rule.name]) for cell in cells]
    chosen = {(r.task_label, r.row): (r, c.index) for r, c in made if c.index is not None}
    compared = analysis.compare_chosen(chosen)
    overall = analysis.compare_methods(compared)
    return {
        "rule": rule,
        "cells": compared,
        "overall": overall,
        "answer": _answer(compared, overall),
        "control": analysis.control_of(overall.methods) if overall else None,
        "units": analysis.drawn_units(compared),
        "unchosen": captions.about_unchosen((r, c.lack) for r, c in made if c.index is None),
    }


def _answer(
    cells: Sequence[analysis.CellComparison], overall: analysis.MethodComparison | None
) -> dict[str, Any]:
    """Return the best methods, and whether their lead is more than chance."""
    if overall:
        means = dict(zip(overall.methods, overall.scores.mean(axis=0).tolist(), strict=True))
    elif len({cell.task for cell in cells}) == 1:
        means = {cell.method: cell.mean_f1 for cell in cells}
    else:
        return {"leaders": []}
    best, control = max(means.values()), analysis.control_of(means)
    leaders = [method for method, mean in means.items() if mean == best]
    first = next(cell for cell in cells if cell.method == leaders[0])
    p, n = first.p, 1
    if overall:
        place, n = overall.methods.index(leaders[0]), len(overall.tasks)
        p = None if overall.adjusted is None else float(overall.adjusted[place])
    return {
        "leaders": leaders,
        "mean_f1": best,
        "over": overall.over if overall else first.task,
        "interval": None if overall else first.interval.mean_f1,
        "base": means.get(control or ""),
        "control_leads": control in leaders,
        "p": p,
        "test": f"Wilcoxon's test over {n} tasks" if overall else "McNemar's test",
        "n_tasks": n,
        # Not even a lead on every task would be evidence.
        "hopeless": bool(overall) and 2.0 ** (1 - n) * (len(means) - 1) >= _EVIDENCE,
        "evidence": _EVIDENCE,
    }


def _measures(classes: Sequence[str]) -> list[dict[str, Any]]:
    labels = ["accuracy (%)", *(f"recall of {name} (%)" for name in classes)]
    return [{"label": "mean F1", "digits": 4}, *({"label": x, "digits": 2} for x in labels)]


class _Shaded(NamedTuple):
    """A place of the heat map."""

    value: float  # NaN without a figure
    shade: float
    numbers: list[int]  # of the cells in the page's data; several of an average
    best: bool  # of its column


def _heat_map(
    cells: Sequence[Cell], numbers: Mapping[str, int], rule: str
) -> tuple[list[str], list[tuple[str, list[_Shaded]]]]:
    """Return tasks, and for each method its mean F1 on them and on average, the best first.

    ``numbers`` gives each cell's number in the page's data by the key of its record.
    """
    tasks = paper_order(cell.record.task_label for cell in cells)
    methods = paper_order(cell.record.row for cell in cells)
    of_place = {(cell.record.row, cell.record.task_label): cell for cell in cells}
    rows = [[of_place.get((method, task)) for task in tasks] for method in methods]
    f1 = [[cell and cell.choices[rule].mean_f1 for cell in row] for row in rows]
    figures = np.array(f1, dtype=float)  # NaN for None
    means = figures.mean(axis=1)
    figures = np.column_stack([figures, means])
    rounded, shades = np.round(figures, 4), _shade(figures)
    tops = (rounded == np.nanmax(rounded, axis=0, initial=-1)) & (len(methods) > 1)
    heats = []
    for i in np.argsort(np.where(np.isnan(means), np.inf, -means), kind="stable"):
        behind = [[numbers[cell.record.key]] if cell else [] for cell in rows[i]]
        behind.append([number for one in behind for number in one])
        line = zip(figures[i].tolist(), shades[i].tolist(), behind, tops[i].tolist(), strict=True)
        heats.append((methods[i], [_Shaded(*place) for place in line]))
    return tasks, heats


def _shade(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strong the colour of each figure is, 0.05 for the lowest to 0.95."""
    found = figures[np.isfinite(figures)]
    low, high = (found.min(), found.max()) if found.size else (0.0, 1.0)
    return np.round(0.05 + 0.9 * (figures - low) / (high - low if high > low else 1.0), 3)


def _pair(heats: Sequence[tuple[str, list[_Shaded]]], control: str) -> dict[str, Any]:
    """Set two methods against each other, from the best on: their mean F1 on shared tasks."""
    names = [method for method, _ in heats]
    others = [method for method in names if method != control]
    if len(names) < 2:
        return {"up": "", "across": ""}
    across, up = (control, others[0]) if control in names else (others[1], others[0])
    lines = dict(heats)
    both = zip(lines[across][:-1], lines[up][:-1], strict=True)
    pairs = [(x.value, y.value) for x, y in both if np.isfinite([x.value, y.value]).all()]
    return {"across": across, "up": up, "pairs": pairs}


def _first_grids(cells: Sequence[Cell], rule: str, control: str) -> list[dict[str, Any]]:
    """Return the first grid of each method, on the first task where the rule chooses a setting."""
    bases = {c.record.task_label: c.choices[rule].mean_f1 for c in cells if c.record.row == control}
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        record = cell.record
        if record.row in found or len(record.settings) == 1 or cell.index(rule) is None:
            continue
        grid = pictures.parameters(record)
        f1 = pictures.measured(pictures.counts_of(record))[:, 0]
        found[record.row] = {
            "cell": cell,
            "grid": grid,
            "f1": f1,
            "shades": _shade(f1),
            "as_maps": bool(grid.of_maps) and len(f1) <= _MOST_PLACES,
            "base": bases.get(record.task_label),
        }
    return [found[method] for method in paper_order(found)]


def _first_blocks(cells: Sequence[Cell], rule: str) -> dict[str, Any] | None:
    """Return the block weights of the first cell that has any, at the chosen setting."""
    for cell in cells:
        weights, index = cell.record.extras.get("weights"), cell.index(rule)
        if weights is not None and weights.shape[1] in pictures.KNOWN_GRIDS and index is not None:
            images = pictures.block_images(weights[index])
            return {
                "cell": cell,
                "all": pictures.overlay(images),
                "images": list(zip(images, pictures.shares(images), strict=True)),
                "largest": max(float(weights[index].max()), 1e-300),
            }
    return None


def _embedded(
    cells: Sequence[Cell],
    lines: Mapping[str, Sequence[Curve]],
    compared: Sequence[Cell],
    rules: Sequence[Rule],
    shown: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what the page's script needs, ready for JSON."""

    def chosen(cell: Cell, rule: Rule) -> Any:
        choice, counts = cell.choices[rule.name], cell.counts(rule.name)
        if counts is None:
            return choice.lack
        setting = cell.setting(rule.name)
        return {"index": choice.index, "setting": setting, "counts": counts.tolist()}

    return {
        "measures": shown,
        "rules": {rule.name: rule.label for rule in rules},
        "cells": [
            {
                "row": cell.record.row,
                "task": cell.record.task_label,
                "descriptor": cell.record.descriptor_label,
                "n": len(cell.record.y_target),
                "settings": len(cell.record.settings),
                "chosen": {rule.name: chosen(cell, rule) for rule in rules},
            }
            for cell in cells
        ],
        "compared": [index for index, cell in enumerate(cells) if cell in compared],
        "curves": {
            name: [
                {
                    "row": line.method,
                    "tasks": line.n_tasks,
                    "budgets": line.budgets.tolist(),
                    "values": [
                        [None if np.isnan(v) else round(v, 5) for v in of_measure]
                        for of_measure in line.values.T.tolist()
                    ],
                }
                for line in of_rule
            ]
            for name, of_rule in lines.items()
        },
    }


def _names(values: Iterable[Any], most: int = 30, separator: str = ", ") -> str:
    return captions.join_names([str(v) for v in values if v], most, separator)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    # Text of a user's own cannot break out of it: the filter escapes what could.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {"names": _names, "in_order": paper_order, "value": pictures.number}
    environment.globals |= {"Axis": pictures.Axis, "axis": pictures.axis, "scope": captions.scope}
    environment.globals |= {"DEPENDENCE": DEPENDENCE, "task_span": captions.task_span}
    environment.globals |= {"CHOSEN_ON_TARGET": captions.CHOSEN_ON_TARGET, "AVERAGE": AVERAGE}
    return environment
