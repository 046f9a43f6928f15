"""What a selection rule is: a number for each setting of a stored cell, the largest wins."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.metrics import grid_scores

_ROUNDING = 1e-12  # relative to the maximum


class NotRecorded(UserError):
    """A rule needs something that the run did not record for this cell.

    Attributes
    ----------
    short : str
        The same in a few words and without the cell's name, for captions.
    """

    def __init__(self, message: str, short: str) -> None:
        super().__init__(message)
        self.short = short


class Evaluated(Protocol):
    """The part of a cell's record that selection rules read; see ``CellRecord``."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def method_label(self) -> str: ...  # noqa: D102
    @property
    def task_label(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def settings(self) -> list[dict[str, Any]]: ...  # noqa: D102
    @property
    def predictions(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def y_target(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def y_source(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def scores(self) -> NDArray[np.float32] | None: ...  # noqa: D102
    @property
    def extras(self) -> Mapping[str, NDArray]: ...  # noqa: D102


@dataclass(frozen=True)
class Selected:
    """What a rule chose from a grid.

    Attributes
    ----------
    index : int
        Of the setting, in the grid's order.
    n_undefined : int
        Settings at which the criterion is undefined, so that they could not be chosen.
    """

    index: int
    n_undefined: int = 0


@dataclass(frozen=True)
class Rule(ABC):
    """Base of the selection rules.

    Attributes
    ----------
    name : str
        As written in ``selection=``.
    label : str
        As written in captions.
    uses_target_labels : bool
        Whether the rule looks at what it is later judged by.
    needs : tuple of str
        What the record must hold beyond the predictions: ``'scores'``, or names of arrays in
        ``record.extras``.
    reference : str
        Where the rule comes from.
    caveat : str
        A sentence that a reader of the rule's figures must know, for captions.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    uses_target_labels: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    reference: ClassVar[str] = ""
    caveat: ClassVar[str] = ""

    def select(self, record: Evaluated) -> int:
        """Return the index of the chosen setting; see :meth:`choose`."""
        return self.choose(record).index

    def choose(self, record: Evaluated) -> Selected:
        """Choose a setting: the first maximum of the criterion in the grid's order.

        Criteria that differ by rounding alone are equal: where most settings answer one class for
        certain, the last bit of a matrix product would choose otherwise.

        Raises
        ------
        NotRecorded
            If the record lacks something in ``needs``, or the criterion is undefined for every
            setting. A grid of one setting needs nothing recorded.
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
