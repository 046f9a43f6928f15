"""What decides a fine-tuned network, besides its start and the clips."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from cdmer_bench.errors import UserError, closest

KEEP = ("last", "best")
_WORK_ONLY = ("checkpoint_every", "micro_batch")  # change no result but by rounding


@dataclass(frozen=True)
class Recipe:
    """Settings of fine-tuning; the defaults are the paper's and C3D's own UCF101 solver's.

    Parameters
    ----------
    n_total, n_validation : int
        Augmented clips in all, and of those for validation (paper: 3350 and 800).
    n_steps : int
        Steps of the optimiser; the paper gives none, the solver 20000.
    batch : int
        Augmented clips in a step.
    learning_rate, momentum, weight_decay : float
        Biases learn at twice the rate and do not decay.
    decay_every : int
    decay : float
        The rate is multiplied by ``decay`` after every ``decay_every`` steps.
    keep : {'last', 'best'}
        The network after the last step, or the first one with the most right validation clips.
    validate_every : int
        Steps between two looks at the validation clips.
    checkpoint_every : int
        Steps after which a killed run loses nothing.
    micro_batch : int
        Clips in the memory at a time; their gradients are added up to the batch's.
    seed : int
        Of split, augmentation, order, dropout and the new classifier.
    """

    n_total: int = 3350
    n_validation: int = 800
    n_steps: int = 20000
    batch: int = 30
    learning_rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay_every: int = 5000
    decay: float = 0.1
    keep: str = "last"
    validate_every: int = 500
    checkpoint_every: int = 100
    micro_batch: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
            if isinstance(value, bool) or not fits:
                raise _wrong(field.name, value, {int: "a whole number", float: "a number"}
                             .get(kind, "a word"))  # fmt: skip
        for name in ("n_total", "n_steps", "batch", "decay_every", "validate_every",
                     "checkpoint_every", "micro_batch"):  # fmt: skip
            if getattr(self, name) < 1:
                raise _wrong(name, getattr(self, name), "at least 1")
        if not 0 <= self.n_validation < self.n_total:
            raise _wrong("n_validation", self.n_validation, f"0 to {self.n_total - 1}")
        for name in ("learning_rate", "momentum", "weight_decay", "decay", "seed"):
            if not getattr(self, name) >= 0:
                raise _wrong(name, getattr(self, name), "at least 0")
        if self.keep not in KEEP:
            raise _wrong("keep", self.keep, " or ".join(KEEP))
        if self.keep == "best" and not self.n_validation:
            raise _wrong("keep", self.keep, "last, there being no validation clip")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Recipe":
        """Make a recipe of settings by name; an unknown name is refused with the known ones."""
        known = {field.name for field in fields(cls)}
        for name in settings:
            if name not in known:
                raise UserError(f"c3d.finetune.{name} is no setting; {closest(name, known)}")
        return cls(**settings)

    def identity(self) -> dict[str, Any]:
        """Return the settings that change the network."""
        return {name: value for name, value in asdict(self).items() if name not in _WORK_ONLY}

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return self.learning_rate * self.decay ** (step // self.decay_every)

    @property
    def summary(self) -> str:
        """One phrase for the caption of a table."""
        kept = "the last network" if self.keep == "last" else "the best on validation clips"
        return (
            f"{self.n_steps:,} steps of {self.batch} out of {self.n_total - self.n_validation:,} "
            f"augmented clips, {kept}, seed {self.seed}"
        )


def _wrong(name: str, value: object, expected: str) -> UserError:
    return UserError(f"c3d.finetune.{name} is {value!r}, expected {expected}")
