"""What a selection rule is; oracle and fixed settings; what a rule loses against the oracle.

A rule gives a number to each setting of a stored cell; the largest wins.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import grid_scores

_ROUNDING = 1e-12  # relative to the maximum


class NotRecorded(UserError):
    """A rule needs something that the run did not record for this cell."""

    def __init__(self, message: str, short: str) -> None:
        super().__init__(message)
        self.short = short


# A cell's record; ``results`` imports this package, not the other way round.
Evaluated = Any


@dataclass(frozen=True)
class Selected:
    """What a rule chose from a grid."""

    index: int  # of the setting, in the grid's order
    n_undefined: int = 0  # settings at which the criterion is undefined


@dataclass(frozen=True)
class Rule(ABC):
    """Base of the selection rules."""

    name: ClassVar[str]  # as written in ``selection=``
    label: ClassVar[str]  # as written in captions
    uses_target_labels: ClassVar[bool] = False  # whether it looks at what it is later judged by
    # what the record must hold beyond the predictions: ``scores``, or arrays in ``record.extras``
    needs: ClassVar[tuple[str, ...]] = ()
    reference: ClassVar[str] = ""  # where the rule comes from
    caveat: ClassVar[str] = ""  # what a reader of its figures must know, for captions

    def select(self, record: Evaluated) -> int:
        """Return the index of the chosen setting; see :meth:`choose`."""
        return self.choose(record).index

    def choose(self, record: Evaluated) -> Selected:
        """Choose a setting: the first maximum of the criterion in the grid's order.

        Criteria that differ by rounding alone are equal: where most settings answer one class for
        certain, the last bit of a matrix product would choose otherwise.
        """
        if self.needs and len(record.settings) == 1:
            return Selected(0)
        for need in self.needs:
            held = record.scores is not None if need == "scores" else need in record.extras
            if not held:
                how = "" if need == "scores" else "; a run with selection_inputs=true records it"
                raise NotRecorded(
                    f"rule {self.name!r} needs {need!r}, which was not recorded for "
                    f"{record.method_label} on {record.task_label}{how}",
                    f"{self.name} needs {need}, not recorded{how}",
                )
        values = np.asarray(self.contenders(record), dtype=float)
        undefined = np.isnan(values)
        if undefined.all():
            raise NotRecorded(
                f"rule {self.name!r} is undefined for every setting of {record.method_label} on "
                f"{record.task_label}",
                f"{self.name} is undefined for every setting",
            )
        # Settings that are equal but for rounding tie; NaN is close to nothing and never wins.
        best = np.isclose(values, np.nanmax(values), rtol=_ROUNDING, atol=0.0)
        return Selected(int(best.argmax()), int(undefined.sum()))

    def contenders(self, record: Evaluated) -> NDArray[np.float64]:
        """Return the criterion where it may be the largest, elsewhere any number below that.

        A rule whose criterion is costly may leave out the work for settings that cannot win; NaN
        stays where the criterion is undefined.
        """
        return self.criterion(record)

    @abstractmethod
    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return a number for each setting, larger meaning better, shape (n_settings,)."""


@dataclass(frozen=True)
class Oracle(Rule):
    """The paper's rule: the best mean F1 on the target's own labels.

    It shows what a method could reach, not what a user without target labels would get; a
    larger grid gains more from it.
    """

    name = "oracle"
    label = "oracle: settings chosen with the target labels"
    uses_target_labels = True
    reference = "section IV-A1 of the paper"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return each setting's mean F1 on the target."""
        return grid_scores(record.y_target, record.predictions, len(record.classes))[0]


@dataclass(frozen=True)
class Fixed(Rule):
    """Settings fixed before any run, the same for all tasks."""

    # By the method's name, such as ``{"tca": {"k": 20}}``. A parameter that is not named, and every
    # parameter of a method that is not, keeps the method's default.
    settings: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        """Check that each method's settings are a mapping."""
        given = {} if self.settings is None else self.settings
        if not isinstance(given, Mapping) or not all(
            isinstance(of_method, Mapping) for of_method in given.values()
        ):
            raise UserError(
                f"rule 'fixed' has the settings {self.settings!r}; give the parameters of each "
                "method, as in {tca: {k: 20}}"
            )

    name = "fixed"
    label = "fixed: settings fixed in advance"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return 1 for the fixed setting and 0 for all others."""
        named = (self.settings or {}).get(record.method, {})
        wanted = {**record.parameters, **named}
        # What is named but not searched must be what the run had.
        names = dict.fromkeys([*record.settings[0], *named])
        hit = np.array(
            [
                all(_same((record.parameters | s).get(k), wanted.get(k)) for k in names)
                for s in record.settings
            ]
        )
        if not hit.any():
            values = ", ".join(f"{k} = {wanted[k]}" for k in names if wanted.get(k) is not None)
            short = f"the fixed setting {values} is not in the grid"
            if open_ := [k for k in names if wanted.get(k) is None]:
                short = f"fixed has no value of {', '.join(open_)}, which has no default"
            raise NotRecorded(
                f"rule 'fixed' chooses nothing for {record.method_label} on {record.task_label}: "
                f"{short}; name one of the grid in selection.parameters.settings",
                short,
            )
        return hit.astype(float)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted, rel_tol=1e-9)
    return bool(value == wanted)


@dataclass(frozen=True)
class Choice:
    """What a rule chose for one cell."""

    rule: str  # its name
    index: int | None = None  # of the setting; None if the rule lacks its input
    mean_f1: float | None = None  # on the target, at that setting
    accuracy: float | None = None
    gap: float | None = None  # mean F1 lost against the oracle's setting; never negative
    n_undefined: int = 0  # settings at which the rule is undefined
    lack: str = ""  # what was not recorded


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
        i = selected.index
        score, gap = float(f1[i]), max(best - float(f1[i]), 0.0)
        made.append(Choice(rule.name, i, score, float(percent[i]), gap, selected.n_undefined))
    return made
