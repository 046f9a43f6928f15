"""Rules that choose one setting of a grid from a cell's record.

The paper reports the setting that is best on the target's own labels. That is one rule of
several here; all work on stored records, so no rule needs a second run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from cdmer_bench.errors import UserError, closest
from cdmer_bench.evaluation.selection import rules
from cdmer_bench.evaluation.selection.base import (
    Choice,
    Fixed,
    NotRecorded,
    Oracle,
    Rule,
    Selected,
    choices,
)

_RULES: tuple[type[Rule], ...] = (
    Oracle,
    rules.SourceCV,
    rules.ImportanceWeighted,
    rules.DeepEmbeddedValidation,
    rules.ReverseValidation,
    rules.Entropy,
    rules.InformationMaximization,
    rules.ClassBalance,
    rules.NeighborhoodDensity,
    Fixed,
)
RULES: Mapping[str, type[Rule]] = {rule.name: rule for rule in _RULES}

__all__ = ["RULES", "Choice", "Fixed", "NotRecorded", "Oracle", "Rule", "Selected", "choices",
           "needed_inputs", "rule"]  # fmt: skip


def rule(name: str | Rule, **options: Any) -> Rule:
    """Return the rule of that name, with options such as ``settings`` of ``fixed``."""
    if isinstance(name, Rule):
        return name
    if name not in RULES:
        raise UserError(f"there is no selection rule {name!r}; {closest(name, RULES)}")
    known = [field.name for field in fields(RULES[name])]
    for option in options:
        if option not in known:
            raise UserError(
                f"selection rule {name!r} has no parameter {option!r}; "
                + (closest(option, known) if known else "it has none")
            )
    return RULES[name](**options)


def needed_inputs(rules: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the arrays in ``extras`` that rules need, each once."""
    needs = [need for name in rules for need in rule(name).needs if need != "scores"]
    return tuple(dict.fromkeys(needs))
