"""Sections of the report about single cells: what was run, confusion matrices, provenance."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from cdmer_bench.evaluation.metrics import confusion_matrices, grid_scores
from cdmer_bench.evaluation.selection import NotRecorded, Rule
from cdmer_bench.io import one_line
from cdmer_bench.reporting.analysis import comparable
from cdmer_bench.reporting.build import MissingCell, setting_text
from cdmer_bench.reporting.captions import (
    SYNTHETIC,
    about_unchosen,
    absences,
    join_names,
    scope,
    task_span,
)
from cdmer_bench.reporting.html_parts import Entry, details, entry_table, facts, paragraph
from cdmer_bench.reporting.published import DIRECTIONS, paper_order
from cdmer_bench.results.record import CellRecord

INTRODUCTION = (
    "Micro-expressions are facial movements of less than half a second that give a feeling away. "
    "Each method here learns to tell their classes ({classes}) on the clips of one database, the "
    "source, and is tested on those of another, the target, whose labels it never sees. The tables "
    "say how well, by the mean F1-score (0 to 1, the higher the better, every class counts the "
    "same) and the accuracy (percent of clips). The tasks, the measures and the tables are those "
    "of Cross-Database Micro-Expression Recognition: A Benchmark (Zong et al.), called the paper "
    "below."
)


def what_was_run(
    records: Sequence[CellRecord],
    missing: Sequence[MissingCell],
    rule: Rule,
    outcome: str = "",
) -> str:
    """Return the first screen: in plain words, what this report is about and what came out."""
    classes = join_names([c for r in records for c in r.classes], 5)
    text = paragraph(INTRODUCTION.format(classes=classes), "lead")
    if any(r.synthetic for r in records):
        text = paragraph(SYNTHETIC, "warning") + text
    dates = sorted(str(r.about["date"]) for r in records if r.about.get("date"))
    span = " to ".join(dict.fromkeys(d[:16].replace("T", " ") for d in (dates[:1] + dates[-1:])))
    versions = {
        f"{name} {version}"
        for r in records
        for name, version in dict(r.about.get("versions") or {}).items()
    }
    pairs = [
        ("Best method", outcome),
        ("Results", _results(records)),
        ("Corpus", _names(r.corpus for r in records)),
        ("Databases", _names(sorted({d for r in records for d in (r.source, r.target)}))),
        ("Methods", _names(paper_order(r.row for r in records))),
        ("Descriptors", _names(paper_order(r.descriptor_label for r in records))),
        ("Tasks", _tasks(records)),
        ("Selection rule", _rule(rule)),
        ("Computed", f"{span} UTC" if span else "date not recorded"),
        ("Commands", _names((str(r.about.get("command", "")) for r in records), 6, "; ")),
        ("Machines", _names(str(r.about.get("machine", "")) for r in records)),
        ("Versions", ", ".join(sorted(versions))),
    ]
    if lacking := _incomplete(records, missing):
        text += paragraph(lacking, "warning")
    return text + facts((name, value) for name, value in pairs if value)


def _rule(rule: Rule) -> str:
    """Say how one setting of each method was chosen, and what that means for the figures."""
    if rule.uses_target_labels:
        return f"{rule.label}, as in the paper: upper bounds of what a method reaches"
    return f"{rule.label}; {rule.caveat}" if rule.caveat else rule.label


def _results(records: Sequence[CellRecord]) -> str:
    """Say how many cells and settings there are."""
    cells, settings = len(records), sum(len(r.settings) for r in records)
    return (
        f"{cells} finished cell{'s' * (cells > 1)}; a cell is a method with all its settings on "
        f"one task ({settings:,} setting{'s' * (settings > 1)} in all)"
    )


def _incomplete(records: Sequence[CellRecord], missing: Sequence[MissingCell]) -> str:
    """Say on how many tasks, and what failed or lacks a result; nothing if all is there."""
    lacking = absences(comparable(records), missing)
    parts = []
    if missing:
        reasons = Counter(m.reason.split(":")[0] for m in missing)
        parts.append(", ".join(f"{n} {reason}" for reason, n in reasons.items()) + ".")
    tasks = {r.task_label for r in records}
    share = scope(tasks)
    partly = tasks < set(DIRECTIONS)
    if partly:
        share = f"{len(tasks)} of the paper's {len(DIRECTIONS)} tasks"
    if lacking or missing or partly:
        return " ".join([f"NOT COMPLETE: {share}.", *filter(None, [lacking]), *parts])
    return ""


def _tasks(records: Sequence[CellRecord]) -> str:
    """Name the tasks, and say how many of the paper's twelve are among them."""
    tasks = paper_order(r.task_label for r in records)
    ours = [task for task in tasks if task in DIRECTIONS]
    others = [task for task in tasks if task not in DIRECTIONS]
    parts = []
    if ours:
        share = "all" if len(ours) == len(DIRECTIONS) else f"{len(ours)} of"
        parts.append(f"{task_span(ours)} ({share} the paper's {len(DIRECTIONS)})")
    if others:
        parts.append(_names(others))
    return "; ".join(parts)


def confusion_tables(records: Sequence[CellRecord], rule: Rule) -> str:
    """Return the confusion matrix of every cell at its chosen setting, by method."""
    text, (chosen, lacking) = "", _choose(records, rule)
    for method in paper_order(r.row for r, _ in chosen):
        matrices = "".join(_matrix(r, index) for r, index in chosen if r.row == method)
        text += details(method, f'<div class="matrices">{matrices}</div>')
    if not text:
        return paragraph(lacking)
    about = (
        "Clips by class, one matrix for each task: rows are true classes, columns predicted ones; "
        "the darker, the larger the share of the true class."
    )
    sentences = [about, absences(comparable(records)), lacking]
    return paragraph(" ".join(filter(None, sentences))) + text


def _choose(records: Sequence[CellRecord], rule: Rule) -> tuple[list[tuple[CellRecord, int]], str]:
    """Return the records with the chosen setting's index, and which others have none."""
    chosen, lacks = [], []
    for record in records:
        try:
            chosen.append((record, rule.select(record)))
        except NotRecorded as lack:
            lacks.append((record, lack.short))
    return chosen, " ".join(about_unchosen(lacks))


def _matrix(record: CellRecord, index: int) -> str:
    chosen = record.predictions[index : index + 1]
    counts = confusion_matrices(record.y_target, chosen, len(record.classes))[0]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [one_line(name)[:12] for name in record.classes]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    # Not the full blue, on which no number has enough contrast.
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            f'<td style="background:rgba(0,114,178,{0.8 * part:.2f})">{count}</td>'
            for count, part in zip(line, parts, strict=True)
        )
        + "</tr>"
        for name, line, parts in zip(names, counts, share, strict=True)
    )
    other = f", {record.descriptor_label}"
    return (
        f'<table class="matrix"><caption>{escape(record.task_label + other)}</caption>'
        f"<tr><th></th>{heads}</tr>{rows}</table>"
    )


def provenance(records: Sequence[CellRecord], rule: Rule) -> str:
    """Return a table that leads from every figure to its stored cell and setting."""
    rows: list[Sequence[Entry]] = []
    chosen, lacking = _choose(records, rule)
    for record, index in chosen:
        f1, percent = grid_scores(record.y_target, record.predictions, len(record.classes))
        seconds = record.about.get("seconds")
        rows.append(
            (
                f"{record.task_label}, {record.row}",
                record.descriptor_label,
                (f"{f1[index]:.4f}", float(f1[index])),
                (f"{percent[index]:.2f}", float(percent[index])),
                (f"{index} of {len(record.settings):,}", float(index)),
                setting_text(record.settings[index]) or "none",
                (f"{seconds:,.1f}", float(seconds)) if isinstance(seconds, int | float) else "-",
                record.key[:16],
            )
        )
    heads = (
        "Cell",
        "Descriptor",
        "Mean F1",
        "Accuracy",
        "Row of the grid",
        "Setting",
        "Seconds",
        "Key",
    )
    table = entry_table("Where every figure comes from", heads, rows, words=[5])
    text = (
        "The predictions of every setting lie in the results folder, in the cell of that key; "
        "the figure is the score of the row named here, counted from 0."
    )
    about = " ".join(filter(None, [text, lacking]))
    return details("All cells", paragraph(about) + table)


def gaps(missing: Sequence[MissingCell], records: Sequence[CellRecord]) -> str:
    """Return failed and missing cells, and what methods noted about their results."""
    lacking = [absences(comparable(records)), _never_run(records, missing)]
    text = "".join(paragraph(sentence) for sentence in lacking if sentence)
    if not missing:
        text += paragraph("No cell is recorded as failed.")
    else:
        rows = [(m.task_label, m.method_label, m.descriptor_label, m.reason) for m in missing]
        heads = ("Task", "Method", "Descriptor", "Reason")
        text += entry_table("Cells without a result", heads, rows, words=[3])
    noted: list[Sequence[Entry]] = []
    for record in records:
        unconverged = int(np.count_nonzero(~record.converged))
        remarks = join_names(list(record.notes.values()), 2)
        if unconverged or remarks:
            name = f"{record.task_label}, {record.row}"
            share = (f"{unconverged} of {len(record.settings)}", float(unconverged))
            noted.append((name, share, (str(len(record.notes)), float(len(record.notes))), remarks))
    if noted:
        heads = ("Cell", "Settings ended by an iteration limit", "Settings with a note", "Notes")
        text += details(
            f"What methods noted about {len(noted)} finished cells",
            entry_table("What to know about results", heads, noted, words=[3]),
        )
    else:
        text += paragraph("No method noted anything about a finished cell.")
    return text


def _never_run(records: Sequence[CellRecord], missing: Sequence[MissingCell]) -> str:
    """Name the paper's tasks that no method was run on, unless only other tasks were run."""
    asked = {r.task_label for r in records} | {m.task_label for m in missing}
    absent = [task for task in DIRECTIONS if task not in asked]
    if not absent or len(absent) == len(DIRECTIONS):
        return ""
    return f"Not run with any method: {task_span(absent)}."


def _names(values: Iterable[str], most: int = 30, separator: str = ", ") -> str:
    return join_names([v for v in values if v], most, separator)
