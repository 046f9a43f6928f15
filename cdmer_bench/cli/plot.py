"""`cdmer plot` and `report`: pictures of the results, and one HTML file on them."""

import argparse
import re
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cdmer_bench.cli.arguments import CORPUS, RESULTS, SELECTION, command, option
from cdmer_bench.cli.console import say
from cdmer_bench.cli.stored import choose_results, split_words, words_option
from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import NotRecorded, Rule, rule
from cdmer_bench.io import write_atomically
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.scores import setting_text
from cdmer_bench.runner.cell import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cdmer_bench.reporting import MissingCell


class _Asked(NamedTuple):
    """The results that were asked for, and how to draw them."""

    records: list[CellRecord]
    rule: Rule
    missing: "list[MissingCell]"
    width: float
    options: argparse.Namespace


# What each kind shows.
KINDS = {
    "scores": "mean F1 of methods by tasks, a heat map for each table",
    "ranks": "average ranks of two methods or more over tasks; of three, with the critical "
    "difference",
    "budget": "expected best mean F1 against the number of settings tried",
    "parameters": "mean F1 over the parameters of one method on one task",
    "confusion": "confusion matrices at the chosen settings",
    "regions": "weights of facial blocks, of RSTR",
    "embedding": "source and target in two dimensions, before and after adaptation",
    "times": "seconds of computing, for a whole grid and for one setting",
}
DRAWN = (*KINDS, "plane")  # an older name of embedding

# The records that a picture shows, and what draws it.
_Drawing = tuple[Sequence[CellRecord], Callable[[], "Figure"]]


def _name(
    kind: str, drawn: Sequence[CellRecord], filters: dict[str, str], options: argparse.Namespace
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


def _drawing(kind: str, asked: _Asked) -> _Drawing:
    from cdmer_bench.reporting import plot_cells, plot_scores, tables_for
    from cdmer_bench.reporting.analysis import comparable, compare_cells, compare_methods

    records, rule, missing, width, _ = asked
    if kind == "regions":
        return _regions(asked)
    if kind == "parameters":
        return _parameters(asked)
    if kind == "embedding":
        return _embedding(asked)
    if kind == "scores":
        tables = tables_for(records, rule, missing=missing)
        return records, partial(plot_scores.score_map, *tables, width=width)
    if kind == "times":
        return records, partial(plot_scores.time_picture, records, missing, width)
    if kind == "confusion":
        return records, partial(plot_cells.confusion_picture, records, rule, missing, width)
    records = comparable(records)
    if kind == "budget":
        return records, partial(plot_scores.budget_picture, records, missing, width)
    overall = compare_methods(compare_cells(records, rule))
    if overall is None:
        raise UserError(
            f"{counted(len({r.method for r in records}), 'method')} on "
            f"{counted(len({r.task for r in records}), 'task')} were found; ranks need at least "
            "two methods that share two tasks, and three for the critical difference"
        )
    synthetic = any(r.synthetic for r in records)
    return records, partial(plot_scores.rank_picture, overall, synthetic, width)


def _regions(asked: _Asked) -> _Drawing:
    from cdmer_bench.reporting.captions import join_names
    from cdmer_bench.reporting.plot_cells import region_picture

    weighted = [r for r in asked.records if "weights" in r.extras]
    if not weighted:
        methods = join_names(sorted({r.row for r in asked.records}), 5)
        raise UserError(f"{methods} stored no block weights; RSTR does: method=rstr")
    for drawn in weighted:
        try:
            setting = asked.rule.select(drawn)
            break
        except NotRecorded as lack:
            refused = lack
    else:
        raise refused
    _name_one(asked.records, drawn)
    return [drawn], partial(
        region_picture,
        drawn.extras["weights"][setting],
        f"{drawn.row}, {drawn.task_label}: weights of facial blocks",
        synthetic=drawn.synthetic,
        setting=f"{setting_text(drawn.settings[setting])}, chosen by {asked.rule.name}",
        width=asked.width,
    )


def _parameters(asked: _Asked) -> _Drawing:
    from cdmer_bench.reporting.analysis import control_of
    from cdmer_bench.reporting.plot_cells import parameter_picture

    searched = [r for r in asked.records if len(r.settings) > 1] or asked.records
    drawn, score = searched[0], None
    # The Baseline is drawn beside, whatever part of the results was asked for.
    everything, _ = choose_results(asked.options.results, drawn.corpus)
    control = control_of(r.row for r in everything)
    for record in everything:
        beside = (record.task, record.descriptor) == (drawn.task, drawn.descriptor)
        if beside and record.row == control and len(record.settings) == 1:
            score = record.figures(0)["mean_f1"]
    if len(drawn.settings) > 1:
        _name_one(searched, drawn)
    return [drawn], partial(parameter_picture, drawn, asked.rule, score, asked.width)


def _name_one(records: list[CellRecord], drawn: CellRecord) -> None:
    if len(records) > 1:
        say(
            f"of {len(records)} cells, {drawn.row} on {drawn.task_label} is drawn; "
            "choose another with method= and task="
        )


def _embedding(asked: _Asked) -> _Drawing:
    from cdmer_bench.cli.embedding import embed_cells
    from cdmer_bench.reporting.plot_cells import embedding_picture

    first = asked.records[0]
    mine = [r for r in asked.records if (r.task, r.descriptor) == (first.task, first.descriptor)]
    if len(mine) < len(asked.records):
        say(
            f"{first.task_label} with {first.descriptor_label} is drawn; choose another with task= "
            "and descriptor="
        )
    placed, left_out = embed_cells(mine, asked.rule, asked.options.config_dir)
    if not placed:
        raise UserError(f"nothing can be drawn; {left_out[0]}")
    drawn = [record for record, _, _ in placed]
    return drawn, partial(embedding_picture, placed, asked.rule.name, left_out, asked.width)


@command(
    words_option(DRAWN, "what to draw; without it, what there is"),
    RESULTS,
    SELECTION,
    option(
        "--out",
        metavar="FILE",
        help="the picture, .svg, .pdf or .png (default: in the results folder, named by what is "
        "drawn)",
    ),
    option(
        "--format", choices=["svg", "pdf", "png"], help="of a file without --out (default: svg)"
    ),
    option(
        "--width",
        choices=["one", "two"],
        default="two",
        help="as wide as one or two columns of a paper: 3.5 or 7.16 inches (default: two)",
    ),
    option(
        "--dpi", type=int, default=150, metavar="N", help="pixels an inch of a .png (default: 150)"
    ),
)
def plot_command(options: argparse.Namespace) -> int:
    """Draw pictures of the results."""
    kinds, filters = split_words("plot", options.words, DRAWN)
    if not kinds:
        for kind, text in KINDS.items():
            print(f"{kind:<12}{text}")
        say("draw one with `cdmer plot KIND`, a part of the results with method= and task=")
        return 0
    if options.dpi < 1:
        raise UserError(f"--dpi is {options.dpi}, expected at least 1; 300 suits print")
    if options.out and len(kinds) > 1:
        raise UserError(
            f"--out names one file, but {len(kinds)} pictures are asked for; leave it out"
        )
    from cdmer_bench.reporting.plot_style import WIDTHS, save, style

    with style():  # refuses before anything is loaded if matplotlib is missing
        records, missing = choose_results(options.results, None, filters)
    asked = _Asked(records, rule(options.selection), missing, WIDTHS[options.width], options)
    for kind in kinds:
        kind = "embedding" if kind == "plane" else kind
        drawn, draw = _drawing(kind, asked)
        path = Path(options.out or Path(options.results) / _name(kind, drawn, filters, options))
        save(draw, path, options.dpi)
        say(f"wrote {path}")
    return 0


@command(
    words_option((), "default: all results of a corpus"),
    option("--out", metavar="FILE", help="the file (default: report.html in the results folder)"),
    option("--open", action="store_true", help="show it in the browser"),
    RESULTS,
    CORPUS,
    SELECTION,
)
def report_command(options: argparse.Namespace) -> int:
    """Write one self-contained HTML file on the results."""
    from cdmer_bench.cli.embedding import embed_cells
    from cdmer_bench.reporting.analysis import comparable
    from cdmer_bench.reporting.html_report import build_report

    _, filters = split_words("report", options.words, ())
    records, missing = choose_results(options.results, options.corpus, filters)
    chosen = rule(options.selection)
    mine = [r for r in comparable(records) if r.task == comparable(records)[0].task]
    placed, not_placed = embed_cells(mine, chosen, options.config_dir)
    page = build_report(
        records, selection=chosen, missing=missing, placed=placed, not_placed=not_placed
    )
    path = Path(options.out or Path(options.results) / "report.html").absolute()
    write_atomically(path, page.encode())
    say(f"wrote {path} ({len(page) / 1e6:.1f} MB)")
    if options.open and not webbrowser.open(path.as_uri()):
        say("no browser was found to show it; open the file in one")
    return 0
