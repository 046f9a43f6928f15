"""The report: one HTML file that needs no network and no other file."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import RULES, NotRecorded, Rule, rule
from cdmer_bench.reporting.analysis import comparable, compare_cells, compare_methods
from cdmer_bench.reporting.build import MissingCell, setting_text, tables_for
from cdmer_bench.reporting.html_analysis import beside_the_paper, outcome, statistics
from cdmer_bench.reporting.html_parts import paragraph, picture, section
from cdmer_bench.reporting.html_results import (
    confusion_tables,
    gaps,
    provenance,
    what_was_run,
)
from cdmer_bench.reporting.html_rules import selection_rules, start_judging
from cdmer_bench.reporting.plot_grids import parameter_picture, searched_parameters
from cdmer_bench.reporting.plot_plane import first_task, plane_picture
from cdmer_bench.reporting.plot_scores import budget_picture, score_map, time_picture
from cdmer_bench.reporting.published import paper_order, sorted_as_paper
from cdmer_bench.reporting.region_maps import KNOWN_GRIDS, region_picture
from cdmer_bench.reporting.render_html import to_html
from cdmer_bench.reporting.tables import Table
from cdmer_bench.results.plane import Plane
from cdmer_bench.results.record import CellRecord

GLOSSARY = (
    ("source, target", "the database that a method learns from, and the one it is tested on"),
    ("task", "a source with a target; Exp.1 to Exp.12 are those of the paper's Table II"),
    ("H, V, N, C", "the HS, VIS and NIR subsets of SMIC, and CASME II: H → V learns from HS"),
    ("TYPE-I, TYPE-II", "both databases are subsets of SMIC; one of them is CASME II"),
    ("cell", "a method with all its settings on one task"),
    ("mean F1", "the mean over classes of 2pr / (p + r), p precision, r recall"),
    ("accuracy", "percent of the target's clips that are recognized"),
    ("descriptor", "the numbers that stand for a clip, such as LBP-TOP: histograms of textures"),
    ("method", "what adapts from source to target; the Baseline does not adapt"),
    ("setting, grid", "one choice of a method's parameters; all choices that were tried"),
    ("selection rule", "how one setting of the grid is chosen for the table"),
    ("oracle", "the rule of the paper: the best mean F1 on the target's own labels"),
    ("average rank", "1 is the best method of a task; averaged over tasks"),
    ("critical difference", "ranks that differ by less do not show which method is better"),
    ("95 % interval", "the middle 95 % of figures if subjects or clips are drawn anew"),
    ("p", "how often chance alone would part two methods as far; below 0.05 counts as evidence"),
    ("McNemar, Wilcoxon", "tests of two methods: on the clips of one task, on scores over tasks"),
    ("Holm p", "Wilcoxon's, corrected because several methods are tested"),
    ("block", "a part of the face; grids of 1, 4, 16 and 64 blocks make 85"),
    ("synthetic", "generated clips with the structure of the databases, but not them"),
)


def build_report(
    records: Sequence[CellRecord],
    *,
    selection: str | Rule = "oracle",
    missing: Iterable[MissingCell] = (),
    against_paper: bool | None = None,
    pictures: bool = True,
    plane_of: Callable[[CellRecord], Plane | None] = lambda record: None,
) -> str:
    """Return the report on records as HTML.

    Parameters
    ----------
    records : sequence of CellRecord
        Of one corpus.
    selection : str or Rule
        The rule of tables, intervals and matrices.
    missing : iterable of MissingCell
        Cells that were asked for and have no result.
    against_paper : bool, optional
        Whether the printed figures stand beside; by default unless the data are synthetic.
    pictures : bool
        Whether to draw; needs matplotlib.
    plane_of : callable
        Loads the plane of a cell, such as ``ResultsStore.load_plane``.

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
    beside, rules = comparable(records), [r() for r in RULES.values()]
    judged = start_judging(beside, rules)
    tables = tables_for(records, chosen, missing=missing, against_paper=against)
    cells = compare_cells(beside, chosen)
    overall = compare_methods(cells)
    drawn = _pictures(beside, tables, chosen, plane_of, missing) if pictures else ""
    sections = [
        ("run", "What was run", what_was_run(records, missing, chosen, outcome(overall))),
        ("tables", "Tables", "".join(map(to_html, tables))),
        ("paper", "Beside the paper", beside_the_paper(tables) if against else ""),
        ("rules", "Selection rules", selection_rules(beside, rules, judged())),
        ("statistics", "Statistics", statistics(beside, chosen, cells, overall, pictures)),
        ("pictures", "Pictures", drawn),
        ("confusion", "Confusion matrices", confusion_tables(records, chosen)),
        ("gaps", "Failures and missing cells", gaps(missing, records)),
        ("cells", "Where the figures come from", provenance(records, chosen)),
        ("glossary", "Glossary", _glossary()),
    ]
    return _page(sections, synthetic)


def _pictures(
    records: Sequence[CellRecord],
    tables: Sequence[Table],
    chosen: Rule,
    plane_of: Callable[[CellRecord], Plane | None],
    missing: Sequence[MissingCell],
) -> str:
    drawn = [
        picture(partial(score_map, table), f"Mean F1: {table.heading}; hatched: no figure.")
        for table in tables
    ]
    if any(len(r.settings) > 1 for r in records):
        drawn.append(
            picture(
                lambda: budget_picture(records, missing),
                "Expected best mean F1 on the target if only so many settings of the grid, drawn "
                "at random, had been tried; exact, the last mark is the whole grid. A method with "
                "one setting is a point at the left.",
            )
        )
    if any(r.about.get("seconds") for r in records):
        text = "Run time of every cell in seconds."
        drawn.append(picture(lambda: time_picture(records, missing), text))
    for method in paper_order(r.row for r in records):
        record = _first([r for r in records if r.row == method], chosen)
        drawn += [] if record is None else _method_pictures(record, chosen)
    drawn += _plane(records, plane_of)
    text = paragraph(
        "Of each method the grid of one task is drawn, the first; the drawn face is a sketch."
    )
    return text + f'<div class="pictures">{"".join(drawn)}</div>'


def _plane(
    records: Sequence[CellRecord], plane_of: Callable[[CellRecord], Plane | None]
) -> list[str]:
    loaded = [(record, plane_of(record)) for record in first_task(records)] if records else []
    placed = [(record, plane) for record, plane in loaded if plane is not None]
    if not placed:
        return []
    text = (
        f"{placed[0][0].task_label}: source and target before adaptation and after it, by the two "
        "largest principal components of each method's kernel."
    )
    return [picture(lambda: plane_picture(placed), text, wide=True)]


def _method_pictures(record: CellRecord, chosen: Rule) -> list[str]:
    drawn = []
    searched = searched_parameters(record)
    if searched:
        drawn.append(
            picture(
                lambda: parameter_picture(record, chosen),
                f"{record.row} on {record.task_label}: mean F1 at every setting.",
                wide=len(searched) > 2,
            )
        )
    weights = record.extras.get("weights")
    if weights is not None and weights.shape[1] in KNOWN_GRIDS:
        title = f"{record.row}, {record.task_label}: weights of facial blocks"
        index = chosen.select(record)
        drawn.append(
            picture(
                lambda: region_picture(
                    weights[index],
                    title,
                    synthetic=record.synthetic,
                    setting=f"{setting_text(record.settings[index])}, chosen by {chosen.name}",
                ),
                f"{title} at the chosen setting; white blocks have weight zero.",
                wide=True,
            )
        )
    return drawn


def _first(records: Sequence[CellRecord], chosen: Rule) -> CellRecord | None:
    """Return the first record for which the rule has its input."""
    for record in records:
        try:
            chosen.select(record)
        except NotRecorded:
            continue
        return record
    return None


def _version() -> str:
    try:
        return version("cdmer-bench")
    except PackageNotFoundError:
        return "(not installed)"


def _glossary() -> str:
    items = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in GLOSSARY)
    return f'<dl class="facts">{items}</dl>'


def _page(sections: Sequence[tuple[str, str, str]], synthetic: bool) -> str:
    here = Path(__file__)
    style = here.with_name("report.css").read_text(encoding="utf-8")
    script = here.with_name("report.js").read_text(encoding="utf-8")
    filled = [entry for entry in sections if entry[2]]
    links = " ".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title, _ in filled[1:])
    title = "Cross-database micro-expression recognition: benchmark report" + (
        " (synthetic data)" if synthetic else ""
    )
    body = [
        section(*filled[0]),
        f'<nav aria-label="Contents">{links}</nav>',
        *(section(*entry) for entry in filled[1:]),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<main>
{"".join(body)}
</main>
<footer><small>Made by cdmer-bench {escape(_version())} from stored results alone; the same results
give the same file.</small></footer>
<script>
{script}</script>
</body>
</html>
"""
