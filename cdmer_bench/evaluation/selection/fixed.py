"""The rule that takes settings fixed in advance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.evaluation.selection.base import Evaluated, NotRecorded, Rule


@dataclass(frozen=True)
class Fixed(Rule):
    """Settings fixed before any run, the same for all tasks.

    Attributes
    ----------
    settings : mapping
        From a method's name to its parameters, such as ``{"tca": {"k": 20}}``. A parameter
        that is not named, and every parameter of a method that is not, keeps the method's
        default.
    """

    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    name = "fixed"
    label = "fixed: settings fixed in advance"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return 1 for the fixed setting and 0 for all others.

        Raises
        ------
        NotRecorded
            If the grid does not hold that setting.
        """
        wanted = {**record.parameters, **self.settings.get(record.method, {})}
        searched = record.settings[0]
        hit = np.array([all(_same(s[k], wanted.get(k)) for k in s) for s in record.settings])
        if not hit.any():
            values = ", ".join(f"{k} = {wanted.get(k)}" for k in searched)
            raise NotRecorded(
                f"rule 'fixed' needs the setting {values} of {record.method_label}, which is "
                f"not in the grid run on {record.task_label}",
                "the fixed setting is not in the grid",
            )
        return hit.astype(float)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted, rel_tol=1e-9)
    return bool(value == wanted)
