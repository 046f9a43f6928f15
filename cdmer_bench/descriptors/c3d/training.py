"""Fine-tuning itself: a recipe, augmented clips, and gradient descent that a kill does not undo.

Everything random depends on the seed and the number of the step alone, so the state of a run is
the network, the momentum and the step.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.descriptors.c3d.weights import read_tensors
from cdmer_bench.errors import UserError, choice, closest, positive_integer
from cdmer_bench.io import set_aside, write_atomically
from cdmer_bench.preprocessing.tim import combine_frames, tim_matrix

N_FRAMES = 160  # after temporal interpolation
N_SEGMENTS, SEGMENT = 16, 10  # one frame is drawn from each segment of ten
_SPLIT, _ORDER, _DROPOUT, _DRAW, _CLASSIFIER = range(5)  # streams of random numbers


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


@dataclass(frozen=True)
class Split:
    """Augmented clips as pairs (clip, number of the variant)."""

    training: NDArray[np.intp]  # (n, 2)
    validation: NDArray[np.intp]  # (n, 2); no clip occurs on both sides


def split_by_clip(
    labels: Sequence[int],  # class of each clip; each class is shared out in the same proportion
    n_total: int,  # augmented clips in all
    n_validation: int,
    seed: int,
) -> Split:
    """Share the clips out to training and validation, then number their variants.

    Each clip of a side gets as many variants as the others, or one more.
    """
    y = np.asarray(labels)
    n_held = max(round(len(y) * n_validation / n_total), 1) if n_validation else 0
    if n_held >= len(y):
        raise UserError(
            f"fine-tuning has {len(y)} clips, expected more than the {n_held} held out for "
            "validation; lower c3d.finetune.n_validation"
        )
    # Rank of a clip in its class, as a fraction: the first n_held fractions are a fair share.
    rng = np.random.default_rng([seed, _SPLIT])
    fraction = np.empty(len(y))
    for label in np.unique(y):
        mine = rng.permutation(np.flatnonzero(y == label))
        fraction[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    order = np.lexsort((np.arange(len(y)), fraction))
    held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
    if set(y[kept].tolist()) != set(y.tolist()):
        raise UserError(
            "fine-tuning would hold out every clip of a class; lower c3d.finetune.n_validation"
        )
    return Split(_variants(kept, n_total - n_validation), _variants(held, n_validation))


def _variants(clips: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Number ``n`` variants in turn over the clips."""
    index = np.arange(n)
    return np.stack([np.resize(clips, n), index // max(len(clips), 1)], axis=1)


def drawn_frames(clip: int, variant: int, seed: int) -> NDArray[np.intp]:
    """Draw one of the ten frames of each of the 16 segments of 160, 16 rising numbers."""
    rng = np.random.default_rng([seed, _DRAW, clip, variant])
    return SEGMENT * np.arange(N_SEGMENTS) + rng.integers(0, SEGMENT, N_SEGMENTS)


def augmented(
    frames: NDArray,  # (T, H, W), resized, not yet interpolated
    clip: int,
    variant: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return a variant of a clip: interpolated to 160 frames, of which 16 are drawn."""
    rows = tim_matrix(len(frames), N_FRAMES)[drawn_frames(clip, variant, seed)]
    return combine_frames(rows, frames.astype(np.float64))


@dataclass
class Samples:
    """The source's clips, resized and not yet interpolated."""

    frames: list[NDArray[np.float32]]  # list of ndarray of float32, shape (T, H, W) each
    labels: list[int]  # class indices of the source; no target's labels come here
    # from (16, H, W) grey levels to the network's input, (3, 16, 112, 112) float32
    as_input: Callable[[NDArray], NDArray[np.float32]]

    def inputs(self, pairs: NDArray[np.intp], seed: int) -> NDArray[np.float32]:
        """Return augmented clips, shape (n, 3, 16, 112, 112)."""
        clips = [augmented(self.frames[c], int(c), int(v), seed) for c, v in pairs]
        return np.stack([self.as_input(clip) for clip in clips])


def save_tensors(content: Any, path: Path) -> None:
    """Write tensors so that a reader sees the old file or the whole new one."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_tensors(path: Path, key: str) -> dict[str, Any] | None:
    """Read a file of that key; None if there is none or it was damaged (then set aside)."""
    try:
        content = read_tensors(path)
        if content["key"] != key:
            raise ValueError("it belongs to another training")
        return content
    except FileNotFoundError:
        return None
    except PermissionError:
        raise UserError(f"{path} cannot be read by you; set cache.dir to another folder") from None
    except Exception as error:  # zipfile, pickle and torch each raise their own kinds
        set_aside(path, (str(error).splitlines() or [type(error).__name__])[0])
        return None


class Training:
    """One fine-tuning run."""

    def __init__(
        self,
        network: Any,
        n_classes: int,
        samples: Samples,
        split: Split,
        recipe: Recipe,
        device: str,
        checkpoint: Path,
        key: str,
    ) -> None:
        import torch

        self.samples, self.split, self.recipe = samples, split, recipe
        self.checkpoint, self.key, self.device = checkpoint, key, device
        self.hidden = network.fc7.out_features
        network.fc8 = torch.nn.Linear(self.hidden, n_classes)
        drawn = np.random.default_rng([recipe.seed, _CLASSIFIER]).normal(
            scale=0.01, size=(n_classes, self.hidden)
        )
        with torch.no_grad():
            network.fc8.weight.copy_(torch.from_numpy(drawn))
            network.fc8.bias.zero_()
        self.network = network.to(device)
        named = list(network.named_parameters())
        self.optimiser = torch.optim.SGD(
            [
                {"params": [p for n, p in named if n.endswith("weight")], "factor": 1.0,
                 "weight_decay": recipe.weight_decay},
                {"params": [p for n, p in named if n.endswith("bias")], "factor": 2.0,
                 "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
        )  # fmt: skip
        self.step = 0
        self.validated: list[tuple[int, int]] = []  # (step, right validation clips)
        self.best: dict[str, Any] | None = None

    def resume(self) -> int:
        """Take up the checkpoint if there is one; return the number of steps done."""
        found = load_tensors(self.checkpoint, self.key)
        if found is not None:
            self.network.load_state_dict(found["network"])
            self.optimiser.load_state_dict(found["optimiser"])
            self.step, self.best = int(found["step"]), found["best"]
            self.validated = [(int(s), int(r)) for s, r in found["validated"]]
        return self.step

    def save_checkpoint(self) -> None:
        """Store everything that the rest of the run depends on."""
        content = {"key": self.key, "step": self.step, "validated": self.validated}
        content |= {"network": self.network.state_dict(), "best": self.best}
        save_tensors({**content, "optimiser": self.optimiser.state_dict()}, self.checkpoint)

    def run(self, advance: Callable[[int], None] | None = None) -> dict[str, Any]:
        """Train to the last step; return the tensors of the network to keep."""
        recipe = self.recipe
        while self.step < recipe.n_steps:
            self.take_step()
            last = self.step == recipe.n_steps
            if len(self.split.validation) and (self.step % recipe.validate_every == 0 or last):
                self._validate()
            if self.step % recipe.checkpoint_every == 0 or last:
                self.save_checkpoint()
            if advance:
                advance(1)
        if recipe.keep == "best" and self.best is not None:
            return self.best
        return self._state()

    def _state(self) -> dict[str, Any]:
        """Return a copy of the network's tensors."""
        state = self.network.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def take_step(self) -> float:
        """Descend along the gradient of one batch; return its mean loss."""
        import torch

        recipe, pairs = self.recipe, self._batch(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * recipe.rate(self.step)
        rng = np.random.default_rng([recipe.seed, _DROPOUT, self.step])
        kept = 2.0 * (rng.random((2, len(pairs), self.hidden)) < 0.5)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for first in range(0, len(pairs), recipe.micro_batch):
            part = slice(first, first + recipe.micro_batch)
            factors = torch.from_numpy(kept[:, part].astype(np.float32)).to(self.device)
            scores = self.network(self._inputs(pairs[part]), factors)
            labels = [self.samples.labels[c] for c, _ in pairs[part]]
            loss = torch.nn.functional.cross_entropy(
                scores, torch.tensor(labels, device=self.device), reduction="sum"
            ) / len(pairs)
            loss.backward()
            total += float(loss.detach())
        if not np.isfinite(total):
            raise UserError(
                f"fine-tuning diverged at step {self.step + 1} (loss {total}); lower "
                "c3d.finetune.learning_rate"
            )
        self.optimiser.step()
        self.step += 1
        return total

    def _batch(self, step: int) -> NDArray[np.intp]:
        """Return the augmented clips of a step: epochs of a new order one after the other."""
        n = len(self.split.training)
        at = step * self.recipe.batch + np.arange(self.recipe.batch)
        orders = {
            e: np.random.default_rng([self.recipe.seed, _ORDER, e]).permutation(n)
            for e in set((at // n).tolist())
        }
        return self.split.training[[orders[a // n][a % n] for a in at.tolist()]]

    def _inputs(self, pairs: NDArray[np.intp]) -> Any:
        import torch

        return torch.from_numpy(self.samples.inputs(pairs, self.recipe.seed)).to(self.device)

    def _validate(self) -> None:
        """Count the validation clips that are classified right; keep the network if best."""
        import torch

        right, pairs = 0, self.split.validation
        with torch.inference_mode():
            for first in range(0, len(pairs), self.recipe.micro_batch):
                part = pairs[first : first + self.recipe.micro_batch]
                predicted = self.network(self._inputs(part)).argmax(dim=1).tolist()
                labels = [self.samples.labels[c] for c, _ in part]
                right += sum(p == y for p, y in zip(predicted, labels, strict=True))
        if self.recipe.keep == "best" and right > max((r for _, r in self.validated), default=-1):
            self.best = self._state()
        self.validated.append((self.step, right))
