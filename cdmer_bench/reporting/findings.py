"""What the audit finds in printed tables, and how it is listed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS: Mapping[str, str] = {
    "accuracy": "Accuracies that no count of right predictions gives",
    "mean_f1": "Mean F1 values that no confusion matrix with that accuracy gives",
    "average": "Averages that are not the mean of their row or column",
    "duplicate": "Different methods with the same figures in one experiment",
    "constant": "Figures of a classifier that answers one class only",
    "contradiction": "The same cell printed differently in two tables",
    "table_i": "Table I",
}


@dataclass(frozen=True)
class Finding:
    """Something in the paper's tables that a reader should know.

    Attributes
    ----------
    kind : str
        A key of ``KINDS``.
    table, row, column : str
        Where; rows of several cells are joined by commas.
    statement : str
        What is wrong or remarkable, in a sentence.
    evidence : str
        What anyone can recompute.
    numbers : dict
        The numbers of the evidence.
    """

    kind: str
    table: str
    row: str
    column: str
    statement: str
    evidence: str
    numbers: dict[str, Any] = field(default_factory=dict)


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings as plain dicts, ready for ``json.dump``."""
    return [asdict(finding) for finding in findings]


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings as a list to read, grouped by kind."""
    lines = []
    for kind, title in KINDS.items():
        mine = [f for f in findings if f.kind == kind]
        lines.append(f"{title}: {len(mine) or 'none'}")
        for finding in mine:
            where = " ".join(
                x for x in (f"Table {finding.table}", finding.row, finding.column) if x
            )
            lines += [f"  {where}: {finding.statement}", f"    {finding.evidence}"]
        lines.append("")
    return "\n".join(lines)
