"""`cdmer plot`: pictures of the results."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.cli.arguments import CommandParser, add_config_dir, add_results, add_selection
from cdmer_bench.cli.console import say
from cdmer_bench.cli.stored import add_words, choose_records, recorded_failures, split_words
from cdmer_bench.errors import UserError
from cdmer_bench.results.record import CellRecord
from cdmer_bench.runner.cell import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cdmer_bench.evaluation.selection import Rule
    from cdmer_bench.reporting import MissingCell

KINDS = {
    "scores": "mean F1 of methods by tasks, a heat map for each table",
    "ranks": "average ranks over tasks, with the critical difference",
    "budget": "expected best mean F1 against the number of settings tried",
    "parameters": "mean F1 over the parameters of one method on one task",
    "confusion": "confusion matrices at the chosen settings",
    "regions": "weights of facial blocks, of RSTR",
    "embedding": "source and target in two dimensions, before and after adaptation",
    "times": "seconds of computing, for a whole grid and for one setting",
}
DRAWN = (*KINDS, "plane")  # an older name of embedding


def plot_arguments(parser: CommandParser) -> None:
    """Add what to draw, from which results, and the file."""
    add_words(parser, DRAWN, "what to draw; without it, what there is")
    add_results(parser)
    add_selection(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the picture, .svg, .pdf or .png (default: in the results folder, named by what is "
        "drawn)",
    )
    parser.add_argument(
        "--format", choices=["svg", "pdf", "png"], help="of a file without --out (default: svg)"
    )
    parser.add_argument(
        "--width",
        choices=["one", "two"],
        default="two",
        help="as wide as one or two columns of a paper: 3.5 or 7.16 inches (default: two)",
    )
    parser.add_argument(
        "--dpi", type=int, default=150, metavar="N", help="pixels an inch of a .png (default: 150)"
    )
    add_config_dir(parser)


def plot_command(options: argparse.Namespace) -> int:
    """Draw pictures of the results."""
    kinds, filters = split_words("plot", options.words, DRAWN)
    if not kinds:
        for kind, text in KINDS.items():
            print(f"{kind:<12}{text}")
        say("draw one with `cdmer plot KIND`, a part of the results with method= and task=")
        return 0
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(
            "matplotlib is missing, which draws pictures; pip install matplotlib"
        ) from None
    if options.dpi < 1:
        raise UserError(f"--dpi is {options.dpi}, expected at least 1; 300 suits print")
    if options.out and len(kinds) > 1:
        raise UserError(
            f"--out names one file, but {len(kinds)} pictures are asked for; leave it out"
        )
    from cdmer_bench.evaluation.selection import rule
    from cdmer_bench.reporting.plot_style import WIDTHS, save

    records = choose_records(options.results, None, filters)
    missing = recorded_failures(options.results, records, filters)
    chosen, width = rule(options.selection), WIDTHS[options.width]
    for kind in kinds:
        kind = "embedding" if kind == "plane" else kind
        drawn, draw = _picture(kind, records, chosen, missing, width, options)
        path = Path(options.out or Path(options.results) / _name(kind, drawn, filters, options))
        save(draw, path, options.dpi)
        say(f"wrote {path}")
    return 0


def _name(
    kind: str,
    drawn: Sequence[CellRecord],
    filters: dict[str, str],
    options: argparse.Namespace,
) -> str:
    """Name a file by what is drawn: kind, methods and tasks, and what was asked for besides."""
    parts = [kind]
    for what in ("method", "task"):
        names = list(dict.fromkeys(getattr(record, what) for record in drawn))
        parts.append("_".join(names) if len(names) <= 3 else f"{len(names)}_{what}s")
    parts += [filters[name] for name in ("descriptor", "corpus") if name in filters]
    parts += [options.selection] if options.selection != "oracle" else []
    parts += ["one_column"] if options.width == "one" else []
    name = "-".join(re.sub(r"[^A-Za-z0-9_.+]+", "_", part).strip("_") for part in parts)
    return f"{name[:120]}.{options.format or 'svg'}"


_Drawing = tuple[Sequence[CellRecord], Callable[[], "Figure"]]


def _picture(
    kind: str,
    records: list[CellRecord],
    rule: "Rule",
    missing: "list[MissingCell]",
    width: float,
    options: argparse.Namespace,
) -> _Drawing:
    """Return the records that a picture shows, and what draws it."""
    from cdmer_bench.reporting import plot_cells, plot_scores, tables_for
    from cdmer_bench.reporting.analysis import comparable

    if kind == "scores":
        tables = tables_for(records, rule, missing=missing)
        return records, lambda: plot_scores.score_map(*tables, width=width)
    if kind == "budget":
        beside = comparable(records)
        return beside, lambda: plot_scores.budget_picture(beside, missing, width)
    if kind == "times":
        return records, lambda: plot_scores.time_picture(records, missing, width)
    if kind == "confusion":
        return records, lambda: plot_cells.confusion_picture(records, rule, missing, width)
    if kind == "ranks":
        return comparable(records), _ranks(records, rule, width)
    if kind == "regions":
        return _regions(records, rule, width)
    if kind == "parameters":
        everything = choose_records(options.results, records[0].corpus)
        return _parameters(everything, records, rule, width)
    return _embedding(records, rule, width, options)


def _ranks(records: list[CellRecord], rule: "Rule", width: float) -> "Callable[[], Figure]":
    from cdmer_bench.reporting.analysis import comparable, compare_cells, compare_methods
    from cdmer_bench.reporting.plot_scores import rank_picture

    overall = compare_methods(compare_cells(comparable(records), rule))
    if overall is None or overall.ranking is None:
        raise UserError(
            f"{counted(len({r.method for r in records}), 'method')} on "
            f"{counted(len({r.task for r in records}), 'task')} were found; ranks need "
            "at least three methods that share two tasks"
        )
    ranking, synthetic = overall.ranking, any(r.synthetic for r in records)
    return lambda: rank_picture(
        overall.methods,
        ranking,
        synthetic,
        over=overall.over,
        left_out=overall.left_out_sentences,
        width=width,
    )


def _regions(records: list[CellRecord], rule: "Rule", width: float) -> _Drawing:
    from cdmer_bench.evaluation.selection import NotRecorded
    from cdmer_bench.reporting.captions import join_names
    from cdmer_bench.reporting.regions import region_picture
    from cdmer_bench.results.scores import setting_text

    weighted = [r for r in records if "weights" in r.extras]
    if not weighted:
        methods = join_names(sorted({r.row for r in records}), 5)
        raise UserError(f"{methods} stored no block weights; RSTR does: method=rstr")
    lack: NotRecorded | None = None
    for drawn in weighted:
        try:
            setting = rule.select(drawn)
            break
        except NotRecorded as missing:
            lack = missing
    else:
        raise UserError(str(lack))
    _name_one(records, drawn)
    return [drawn], lambda: region_picture(
        drawn.extras["weights"][setting],
        f"{drawn.row}, {drawn.task_label}: weights of facial blocks",
        synthetic=drawn.synthetic,
        setting=f"{setting_text(drawn.settings[setting])}, chosen by {rule.name}",
        width=width,
    )


def _parameters(
    everything: list[CellRecord], records: list[CellRecord], rule: "Rule", width: float
) -> _Drawing:
    from cdmer_bench.evaluation.metrics import grid_scores
    from cdmer_bench.reporting.analysis import control_of
    from cdmer_bench.reporting.plot_cells import parameter_picture
    from cdmer_bench.reporting.report_data import searched_values

    drawn = next((r for r in records if searched_values(r)), records[0])
    control, score = control_of(r.row for r in everything), None
    for record in everything:
        beside = (record.task, record.descriptor) == (drawn.task, drawn.descriptor)
        if beside and record.row == control and len(record.settings) == 1:
            f1, _ = grid_scores(record.y_target, record.predictions, len(record.classes))
            score = float(f1[0])
    if searched_values(drawn):
        _name_one([r for r in records if searched_values(r)], drawn)
    return [drawn], lambda: parameter_picture(drawn, rule, score, width)


def _name_one(records: list[CellRecord], drawn: CellRecord) -> None:
    if len(records) > 1:
        say(
            f"of {len(records)} cells, {drawn.row} on {drawn.task_label} is drawn; "
            "choose another with method= and task="
        )


def _embedding(
    records: list[CellRecord], rule: "Rule", width: float, options: argparse.Namespace
) -> _Drawing:
    from cdmer_bench.cli.embedding import embed_cells
    from cdmer_bench.reporting.plot_cells import embedding_picture
    from cdmer_bench.reporting.published import sorted_as_paper

    first = sorted_as_paper(records)[0]
    mine = [r for r in records if (r.task, r.descriptor) == (first.task, first.descriptor)]
    if len(mine) < len(records):
        say(
            f"{first.task_label} with {first.descriptor_label} is drawn; choose another with task= "
            "and descriptor="
        )
    placed, left_out = embed_cells(mine, rule, options.config_dir)
    if not placed:
        raise UserError(f"nothing can be drawn; {left_out[0]}")
    return [r for r, _, _ in placed], lambda: embedding_picture(placed, rule.name, left_out, width)
