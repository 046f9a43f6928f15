"""The rule that takes settings fixed in advance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection.base import Evaluated, NotRecorded, Rule


@dataclass(frozen=True)
class Fixed(Rule):
    """Settings fixed before any run, the same for all tasks.

    Attributes
    ----------
    settings : mapping, optional
        From a method's name to its parameters, such as ``{"tca": {"k": 20}}``. A parameter
        that is not named, and every parameter of a method that is not, keeps the method's
        default. A grid of one setting that is another one has no fixed setting either.

    Raises
    ------
    UserError
        If ``settings`` is something else.
    """

    settings: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        """Check that each method's settings are a mapping."""
        outer = {} if self.settings is None else self.settings
        if not isinstance(outer, Mapping) or not all(
            isinstance(inner, Mapping) for inner in outer.values()
        ):
            raise UserError(
                f"rule 'fixed' has the settings {self.settings!r}; give the parameters of each "
                "method, as in {tca: {k: 20}}"
            )

    name = "fixed"
    label = "fixed: settings fixed in advance"

    def criterion(self, record: Evaluated) -> NDArray[np.float64]:
        """Return 1 for the fixed setting and 0 for all others.

        Raises
        ------
        NotRecorded
            If the grid does not hold that setting, or a parameter has neither a value nor a
            default.
        """
        named = (self.settings or {}).get(record.method, {})
        wanted = {**record.parameters, **named}
        # What is named but not searched must be what the run had.
        names = dict.fromkeys([*record.settings[0], *named])
        hit = np.array(
            [
                all(_same({**record.parameters, **s}.get(k), wanted.get(k)) for k in names)
                for s in record.settings
            ]
        )
        if not hit.any():
            values = ", ".join(f"{k} = {wanted[k]}" for k in names if wanted.get(k) is not None)
            open_ = [k for k in names if wanted.get(k) is None]
            if open_:
                short = f"fixed has no value of {', '.join(open_)}, which has no default"
            else:
                short = f"the fixed setting {values} is not in the grid"
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
