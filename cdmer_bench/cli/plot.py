"""`cdmer plot`: pictures of the results."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.cli.arguments import CommandParser, add_results, add_selection
from cdmer_bench.cli.console import say
from cdmer_bench.cli.tables import choose_records, recorded_failures
from cdmer_bench.errors import UserError, closest
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cdmer_bench.evaluation.selection import Rule
    from cdmer_bench.reporting import MissingCell

DRAWN = ("regions", "parameters", "confusion", "budget", "scores", "ranks", "plane", "times")
_FILTERS = ("method", "task", "descriptor", "corpus")


def plot_arguments(parser: CommandParser) -> None:
    """Add what to draw, from which results, and the file."""
    parser.add_argument("kind", choices=DRAWN, help="what to draw")
    parser.add_argument(
        "filters",
        nargs="*",
        default=[],
        help="draw only these results, such as method=rstr task=exp05 "
        "(also descriptor= and corpus=)",
    )
    add_results(parser)
    add_selection(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the picture, .svg, .png or .pdf (default: KIND.svg in the results folder)",
    )


def plot_command(options: argparse.Namespace) -> int:
    """Draw a picture of the results."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(
            "matplotlib is missing, which draws pictures; pip install 'cdmer-bench[plots]'"
        ) from None
    records = _filtered(options.results, options.filters)
    from cdmer_bench.reporting.plot_style import save

    path = Path(options.out or Path(options.results) / f"{options.kind}.svg")
    missing = _asked_for(recorded_failures(options.results, records), records, options.filters)
    if options.kind == "plane":
        save(lambda: _draw_plane(options.results, records), path)
    else:
        save(lambda: _draw(options.kind, records, options.selection, missing), path)
    say(f"wrote {path}")
    return 0


def _filtered(results: str, filters: list[str]) -> list[CellRecord]:
    wanted: dict[str, str] = {}
    for text in filters:
        name, equals, value = text.partition("=")
        if not equals or name not in _FILTERS:
            raise UserError(f"{text!r} is no filter; {closest(name, _FILTERS)}, as in task=exp05")
        wanted[name] = value
    records = choose_records(results, wanted.pop("corpus", None))
    for name, value in wanted.items():
        known = sorted({getattr(r, name) for r in records})
        records = [r for r in records if getattr(r, name) in value.split(",")]
        if not records:
            raise UserError(f"there is no result with {name}={value}; {closest(value, known)}")
    return records


def _asked_for(
    missing: "list[MissingCell]", records: list[CellRecord], filters: list[str]
) -> "list[MissingCell]":
    """Keep the failed cells that the filters would have chosen, had they finished."""
    for name in (text.partition("=")[0] for text in filters if not text.startswith("corpus=")):
        labels = {getattr(record, f"{name}_label") for record in records}
        missing = [cell for cell in missing if getattr(cell, f"{name}_label") in labels]
    return missing


def _draw(
    kind: str, records: list[CellRecord], selection: str, missing: "list[MissingCell]"
) -> "Figure":
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.reporting import plot_grids, plot_scores, tables_for
    from cdmer_bench.reporting.analysis import comparable
    from cdmer_bench.reporting.plot_confusion import confusion_picture

    chosen = rule(selection)
    if kind == "regions":
        return _draw_regions(records, chosen)
    if kind == "parameters":
        searched = next((r for r in records if plot_grids.searched_parameters(r)), records[0])
        figure = plot_grids.parameter_picture(searched, chosen)
        _name_one(records, searched)
        return figure
    if kind == "confusion":
        return confusion_picture(records, chosen, missing)
    if kind == "budget":
        return plot_scores.budget_picture(comparable(records), missing)
    if kind == "scores":
        return plot_scores.score_map(*tables_for(records, chosen, missing=missing))
    if kind == "ranks":
        return _draw_ranks(records, chosen)
    return plot_scores.time_picture(records, missing)


def _draw_regions(records: list[CellRecord], rule: "Rule") -> "Figure":
    from cdmer_bench.reporting.captions import join_names
    from cdmer_bench.reporting.regions import region_picture
    from cdmer_bench.results.scores import setting_text

    weighted = next((r for r in records if "weights" in r.extras), None)
    if weighted is None:
        methods = join_names(sorted({r.row for r in records}), 5)
        raise UserError(f"{methods} stored no block weights; RSTR does: method=rstr")
    setting = rule.select(weighted)
    _name_one(records, weighted)
    return region_picture(
        weighted.extras["weights"][setting],
        f"{weighted.row}, {weighted.task_label}: weights of facial blocks",
        synthetic=weighted.synthetic,
        setting=f"{setting_text(weighted.settings[setting])}, chosen by {rule.name}",
    )


def _name_one(records: list[CellRecord], drawn: CellRecord) -> None:
    if len(records) > 1:
        say(
            f"of {len(records)} cells, {drawn.row} on {drawn.task_label} is drawn; "
            "choose another with method= and task="
        )


def _draw_plane(results: str, records: list[CellRecord]) -> "Figure":
    from cdmer_bench.reporting.plot_plane import first_task, plane_picture
    from cdmer_bench.reporting.published import sorted_as_paper

    store = ResultsStore(results)
    mine = first_task(sorted_as_paper(records))
    first = mine[0]
    if len({(record.task, record.descriptor) for record in records}) > 1:
        say(
            f"{first.task_label} with {first.descriptor_label} is drawn; choose another with task= "
            "and descriptor="
        )
    drawn = [(record, plane) for record in mine if (plane := store.load_plane(record))]
    if not drawn:
        raise UserError(
            f"beside {first.row} on {first.task_label} no plane is stored; the same "
            "`cdmer run` again, with plane=true, records it without running the grid"
        )
    return plane_picture(drawn)


def _draw_ranks(records: list[CellRecord], rule: "Rule") -> "Figure":
    from cdmer_bench.reporting.analysis import comparable, compare_cells, compare_methods
    from cdmer_bench.reporting.plot_ranks import rank_picture

    overall = compare_methods(compare_cells(comparable(records), rule))
    if overall is None or overall.ranking is None:
        raise UserError(
            f"{len({r.method for r in records})} methods on {len({r.task for r in records})} tasks "
            "were found; ranks need at least three methods that share two tasks"
        )
    return rank_picture(
        overall.methods,
        overall.ranking,
        any(r.synthetic for r in records),
        over=overall.over,
        left_out=overall.left_out_sentences,
    )
