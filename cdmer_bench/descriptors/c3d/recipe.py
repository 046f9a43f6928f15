"""Settings of the fine-tuning of C3D."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from cdmer_bench.errors import UserError, choice, closest, positive_integer


@dataclass(frozen=True)
class Recipe:
    """Settings of fine-tuning; the defaults are the paper's and C3D's own UCF101 solver's."""

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
            name, value = f"c3d.finetune.{field.name}", getattr(self, field.name)
            if field.name == "keep":
                choice(name, value, ("last", "best") if self.n_validation else ("last",))
            elif isinstance(field.default, int) and field.name not in ("n_validation", "seed"):
                positive_integer(name, value)
            else:
                kind: Any = int if isinstance(field.default, int) else int | float
                if isinstance(value, bool) or not isinstance(value, kind) or not value >= 0:
                    raise UserError(f"{name} is {value!r}, expected a number of at least 0")
        if self.n_validation >= self.n_total:
            raise UserError(
                f"c3d.finetune.n_validation is {self.n_validation}, expected less than "
                f"c3d.finetune.n_total, which is {self.n_total}"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Recipe":
        """Make a recipe of settings by name; an unknown name is refused with the known ones."""
        known = {field.name for field in fields(cls)}
        for name in settings:
            if name not in known:
                raise UserError(f"c3d.finetune.{name} is no setting; {closest(name, known)}")
        return cls(**settings)

    def identity(self) -> dict[str, Any]:
        """Return the settings that change the network by more than rounding."""
        work_only = ("checkpoint_every", "micro_batch")
        return {name: value for name, value in asdict(self).items() if name not in work_only}

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
