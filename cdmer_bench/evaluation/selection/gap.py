"""What a rule loses against the paper's: the oracle gap."""

from collections.abc import Iterable
from dataclasses import dataclass

from cdmer_bench.evaluation.metrics import grid_scores
from cdmer_bench.evaluation.selection.base import Evaluated, NotRecorded, Oracle, Rule


@dataclass(frozen=True)
class Choice:
    """What a rule chose for one cell.

    Attributes
    ----------
    rule : str
        Name of the rule.
    index : int or None
        Index of the setting; None if the rule lacks its input.
    mean_f1, accuracy : float or None
        Scores on the target at that setting.
    n_undefined : int
        Settings that the rule left out, because its criterion is undefined there.
    gap : float or None
        Mean F1 of the oracle's setting minus that of this one; never negative.
    lack : str
        What was not recorded.
    """

    rule: str
    index: int | None = None
    mean_f1: float | None = None
    accuracy: float | None = None
    gap: float | None = None
    n_undefined: int = 0
    lack: str = ""


def choices(record: Evaluated, rules: Iterable[Rule]) -> list[Choice]:
    """Return what each rule chooses for a cell, and its gap to the oracle."""
    f1, percent = grid_scores(record.y_target, record.predictions, len(record.classes))
    best = float(f1[Oracle().select(record)])
    made = []
    for rule in rules:
        try:
            selected = rule.choose(record)
        except NotRecorded as lack:
            made.append(Choice(rule.name, lack=lack.short))
            continue
        index = selected.index
        score = float(f1[index])
        made.append(
            Choice(
                rule.name,
                index,
                score,
                float(percent[index]),
                max(best - score, 0.0),
                selected.n_undefined,
            )
        )
    return made
