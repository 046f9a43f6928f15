"""C3D fine-tuned on a source: its settings, and the descriptor that is tuned when needed."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cdmer_bench.databases.base import Clip, ClipDatabase, DamagedClip, intact_clips
from cdmer_bench.databases.checks import read_clip, usable_clips, usable_fingerprints
from cdmer_bench.descriptors.c3d.descriptor import C3D, mean_levels, network_input
from cdmer_bench.descriptors.c3d.weights import FINETUNED, OWN_FORMAT
from cdmer_bench.errors import DataMissing, UserError, choice, closest, positive_integer
from cdmer_bench.io import clear_errors, content_key, lock
from cdmer_bench.parallel import Backend, OpenBar, no_bar, run_parallel
from cdmer_bench.preprocessing import Preprocessing

VERSION = 1  # raised whenever training gives another network


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
        for setting in fields(self):
            name, value = f"c3d.finetune.{setting.name}", getattr(self, setting.name)
            if setting.name == "keep":
                choice(name, value, ("last", "best") if self.n_validation else ("last",))
            elif isinstance(setting.default, int) and setting.name not in ("n_validation", "seed"):
                positive_integer(name, value)
            else:
                kind: Any = int if isinstance(setting.default, int) else int | float
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
        known = {setting.name for setting in fields(cls)}
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


@dataclass
class Tuning:
    """Fine-tuning of a network on one database, and the file that it gives."""

    database: ClipDatabase
    start: C3D
    recipe: Recipe
    preprocessing: Preprocessing
    folder: Path
    force: bool = False  # tune anew, once, whatever is there

    @cached_property
    def clips(self) -> list[Clip]:
        """The clips of the database, known to be usable."""
        return usable_clips(self.database)

    @cached_property
    def key(self) -> str:
        """Hash of everything that decides the network but the device."""
        marks = usable_fingerprints(self.clips, self.database)
        start = {k: v for k, v in self.start.parameters().items() if k != "layer"}
        parts = {"version": VERSION, "recipe": self.recipe.identity(), "start": start}
        parts |= {"preprocessing": self.preprocessing.parameters()}
        clips = [[c.name, c.label, m] for c, m in zip(self.clips, marks, strict=True)]
        return content_key({**parts, "classes": self.database.classes, "clips": clips})

    @property
    def path(self) -> Path:
        """Where the tuned network lies or will lie."""
        return self.folder / f"{self.database.name}-{self.key[:32]}.pth"

    def run(self, backend: Backend, open_bar: OpenBar | None) -> None:
        """Tune the network if its file is not there, from the last checkpoint if there is one."""
        if self._is_whole():
            return
        with clear_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        checkpoint = self.path.with_suffix(".checkpoint")
        with lock(self.path.with_suffix(".lock"), wait=True):  # another run may be tuning it
            if not self._is_whole():
                if self.force:
                    checkpoint.unlink(missing_ok=True)
                self._tune(checkpoint, backend, open_bar)
                checkpoint.unlink(missing_ok=True)
                self.force = False

    def _is_whole(self) -> bool:
        """Whether the file is there and undamaged; a damaged one is set aside."""
        from cdmer_bench.descriptors.c3d.training import load_tensors

        return not self.force and load_tensors(self.path, self.key) is not None

    def _tune(self, checkpoint: Path, backend: Backend, open_bar: OpenBar | None) -> None:
        from cdmer_bench.descriptors.c3d.network import deterministic, find_device
        from cdmer_bench.descriptors.c3d.training import (
            Samples,
            Training,
            save_tensors,
            split_by_clip,
        )

        start, recipe, database, clips = self.start, self.recipe, self.database, self.clips
        network, own_mean = start.network()
        mean = mean_levels(start.mean, own_mean)
        read = dict(run_parallel([(resized_clip, (c, self.preprocessing)) for c in clips], backend))
        intact, frames = intact_clips(database, clips, [read[i] for i in range(len(clips))])
        samples = Samples(
            frames,
            [clip.label for clip in intact],
            lambda clip: network_input(self.preprocessing.rounded(clip), mean, start.frames),
        )
        split = split_by_clip(samples.labels, recipe.n_total, recipe.n_validation, recipe.seed)
        with deterministic():
            # The network before tuning has rows of its own.
            own, n_classes, device = deepcopy(network), len(database.classes), start.device
            training = Training(
                own, n_classes, samples, split, recipe, find_device(device), checkpoint, self.key
            )
            done = training.resume()
            title = f"C3D on {database.title or database.name}"
            progress = (open_bar or no_bar)(title, recipe.n_steps - done)
            state = training.run(progress.advance)
            progress.close()
        content = {
            "format": OWN_FORMAT,
            "state_dict": state,
            "pool5": network.pool5,
            "mean": list(own_mean),
            "source": database.name,
            "recipe": recipe.identity(),
            "validated": training.validated,
            "n_validation": len(split.validation),
            "key": self.key,
        }
        save_tensors(content, self.path)


def resized_clip(clip: Clip, preprocessing: Preprocessing) -> np.ndarray | DamagedClip:
    """Read and resize a clip without interpolating it, float32 (T, H, W)."""
    found = read_clip(clip, preprocessing, interpolated=False)
    return found if isinstance(found, DamagedClip) else found.astype(np.float32)


@dataclass
class TunedC3D(C3D):
    """A layer of the network that a :class:`Tuning` makes."""

    tuning: Tuning = field(kw_only=True)

    @property
    def remark(self) -> str:
        """The remark of the descriptor before tuning."""
        return self.tuning.start.remark

    def weights_identity(self) -> str:
        """Return the hash of what the network is made of, known before it is made."""
        return self.tuning.key

    def network_key(self) -> tuple[Any, ...]:
        """As for C3D, once the network is made."""
        if not self.tuning.path.exists():
            raise DataMissing(f"{self.tuning.path} is not there; `cdmer run` tunes it")
        self.weights = str(self.tuning.path)
        return super().network_key()


def tuned_layer(card: C3D, tuning: Tuning) -> TunedC3D:
    """Return the descriptor of a card's layer from a tuned network."""
    # The tuned file says which alignment of pool5 it was trained with.
    start = replace(
        tuning.start, layer=card.layer, trained_on=FINETUNED, weights=None, pool5="auto"
    )
    return TunedC3D(**vars(start), tuning=tuning)
