"""Statistics as text: what `cdmer stats` prints."""

from collections.abc import Iterable, Sequence

from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.evaluation.statistics import DEPENDENCE
from cdmer_bench.io import one_line
from cdmer_bench.reporting.analysis import (
    CellComparison,
    MethodComparison,
    compare_cells,
    compare_methods,
    drawn_units,
    unchosen,
)
from cdmer_bench.reporting.captions import CHOSEN_ON_TARGET, SYNTHETIC, Asked, absences, scope
from cdmer_bench.results.record import CellRecord

_LONGEST = 32  # characters of a label


def stats_text(records: Sequence[CellRecord], rule: Rule, missing: Iterable[Asked] = ()) -> str:
    """Return intervals and tests of each cell, and of the methods over tasks.

    Parameters
    ----------
    records : sequence of CellRecord
        One for each task and method.
    rule : Rule
        The rule that chooses the settings.
    missing : iterable
        Cells that were asked for and have no result, such as failed ones.
    """
    lines, cells = _head(records, rule, missing), compare_cells(records, rule)
    lines += [one_line(sentence) for sentence in unchosen(records, cells, rule)]
    if not cells:
        return "\n".join(lines) + "\n"
    task, width = _widths([c.task for c in cells]), _widths([c.method for c in cells])
    lines += [
        "",
        f"95 % bootstrap intervals over {drawn_units(cells)}; McNemar's exact test against the",
        "Baseline (clips that only the method, only the Baseline has right; clips taken as",
        "independent, p not corrected for the number of cells)",
        "",
        f"{'task':<{task}}{'method':<{width}}{'mean F1':>8}  {'interval':<16}{'accuracy':>9}  "
        f"{'interval':<14}{'alone':>9}  {'p':>7}",
        *(_cell_line(cell, task, width) for cell in cells),
    ]
    overall = compare_methods(cells)
    if overall is None:
        lines.append("\nTests over tasks need two methods that share two tasks.")
    else:
        lines += ["", *_method_lines(overall, width)]
    lines += ["", DEPENDENCE, *([CHOSEN_ON_TARGET] if rule.uses_target_labels else [])]
    return "\n".join(lines) + "\n"


def _head(records: Sequence[CellRecord], rule: Rule, missing: Iterable[Asked]) -> list[str]:
    """Say what the numbers are of, and what a reader must know before quoting them."""
    lines = [f"Corpus: {one_line(records[0].corpus)}. Selection: {rule.name}."]
    if any(record.synthetic for record in records):
        lines.append(SYNTHETIC)
    lacking = one_line(absences(records, missing))
    lines.append(
        f"Tasks: {scope(r.task_label for r in records)}." + (f" {lacking}" if lacking else "")
    )
    if rule.caveat:
        lines.append(f"{rule.name}: {rule.caveat}.")
    return lines


def _widths(labels: Sequence[str]) -> int:
    """Return the width of a column of labels, two blanks at its end."""
    return max((len(_shown(label)) for label in labels), default=6) + 2


def _shown(label: str) -> str:
    flat = one_line(label)
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _cell_line(cell: CellComparison, task: int, width: int) -> str:
    (f1_low, f1_high), (low, high) = cell.interval.mean_f1, cell.interval.accuracy
    tested = cell.p is not None
    alone = f"{cell.only_this} : {cell.only_baseline}" if tested else "-"
    p = f"{cell.p:.3g}" if tested else "-"
    return (
        f"{_shown(cell.task):<{task}}{_shown(cell.method):<{width}}{cell.mean_f1:>8.4f}  "
        f"{f'{f1_low:.3f} to {f1_high:.3f}':<16}{cell.accuracy:>9.2f}  "
        f"{f'{low:.1f} to {high:.1f}':<14}{alone:>9}  {p:>7}"
    )


def _method_lines(overall: MethodComparison, width: int) -> list[str]:
    ranking = overall.ranking
    lines = [
        f"Over {overall.over}: average rank (1 is best) and Wilcoxon's test against "
        "the Baseline, p after Holm",
        "",
        f"{'method':<{width}}{'mean F1':>8}{'rank':>7}{'p (Holm)':>10}",
    ]
    for index, method in enumerate(overall.methods):
        rank = "-" if ranking is None else f"{ranking.average_ranks[index]:.2f}"
        adjusted = overall.adjusted
        p = "-" if adjusted is None or adjusted[index] != adjusted[index] else adjusted[index]
        text = p if isinstance(p, str) else f"{p:.3g}"
        lines.append(
            f"{_shown(method):<{width}}{overall.scores[:, index].mean():>8.4f}{rank:>7}{text:>10}"
        )
    if ranking is not None:
        lines.append(
            f"\nFriedman p = {ranking.p:.3g}; ranks closer than the critical difference "
            f"{ranking.critical_difference:.2f} are not told apart (Nemenyi, level 0.05)."
        )
    return lines + [one_line(sentence) for sentence in overall.left_out_sentences]
