"""Fine-tuning itself: augmented clips, and gradient descent that goes on after a kill.

Everything random depends on the seed and the number of the step alone, so the state of a run is
the network, the momentum and the step. Importing this module imports torch.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cdmer_bench.descriptors.c3d.weights import read_tensors
from cdmer_bench.errors import UserError
from cdmer_bench.io import intact, write_atomically
from cdmer_bench.preprocessing.tim import combine_frames, tim_matrix

if TYPE_CHECKING:
    from cdmer_bench.descriptors.c3d.finetuning import Recipe

N_FRAMES = 160  # after temporal interpolation
N_SEGMENTS, SEGMENT = 16, 10  # one frame is drawn from each segment of ten
_SPLIT, _ORDER, _DROPOUT, _DRAW, _CLASSIFIER = range(5)  # streams of random numbers


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

    def variants(clips: NDArray[np.intp], n: int) -> NDArray[np.intp]:
        return np.stack([np.resize(clips, n), np.arange(n) // max(len(clips), 1)], axis=1)

    return Split(variants(kept, n_total - n_validation), variants(held, n_validation))


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

    frames: list[NDArray[np.float32]]  # (T, H, W) each
    labels: list[int]  # class indices of the source; no target's labels come here
    # from (16, H, W) grey levels to the network's input, (3, 16, 112, 112) float32
    as_input: Callable[[NDArray], NDArray[np.float32]]


def save_tensors(content: Any, path: Path) -> None:
    """Write tensors so that a reader sees the old file or the whole new one."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_tensors(path: Path, key: str) -> dict[str, Any] | None:
    """Read a file of that key; None if there is none or it was damaged (then set aside)."""

    def read() -> dict[str, Any]:
        content = read_tensors(path)
        if not isinstance(content, dict) or content.get("key") != key:
            raise ValueError("it belongs to another training")
        return content

    return intact(path, read, "set cache.dir to another folder")


class Training:
    """One fine-tuning run."""

    def __init__(
        self,
        network: Any,
        n_classes: int,
        samples: Samples,
        split: Split,
        recipe: "Recipe",
        device: str,
        checkpoint: Path,
        key: str,
    ) -> None:
        self.samples, self.split, self.recipe = samples, split, recipe
        self.checkpoint, self.key, self.device = checkpoint, key, device
        self.hidden = network.fc7.out_features
        network.fc8 = torch.nn.Linear(self.hidden, n_classes)
        rng = np.random.default_rng([recipe.seed, _CLASSIFIER])
        with torch.no_grad():
            drawn = rng.normal(scale=0.01, size=(n_classes, self.hidden))
            network.fc8.weight.copy_(torch.from_numpy(drawn))
            network.fc8.bias.zero_()
        self.network = network.to(device)
        groups = [
            {"params": [p for n, p in network.named_parameters() if n.endswith(kind)], **settings}
            for kind, settings in (
                ("weight", {"factor": 1.0, "weight_decay": recipe.weight_decay}),
                ("bias", {"factor": 2.0, "weight_decay": 0.0}),
            )
        ]
        self.optimiser = torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum)
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
        return self._state() if self.best is None else self.best

    def _state(self) -> dict[str, Any]:
        """Return a copy of the network's tensors."""
        state = self.network.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def take_step(self) -> float:
        """Descend along the gradient of one batch; return its mean loss."""
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
            scores, labels = self._scores(pairs[part], factors)
            sums = torch.nn.functional.cross_entropy(scores, labels, reduction="sum")
            loss = sums / len(pairs)
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

    def _scores(self, pairs: NDArray[np.intp], kept: Any = None) -> tuple[Any, Any]:
        """Return the network's scores of augmented clips, and the classes of these."""
        samples = self.samples
        clips = [augmented(samples.frames[c], int(c), int(v), self.recipe.seed) for c, v in pairs]
        inputs = torch.from_numpy(np.stack([samples.as_input(clip) for clip in clips]))
        labels = torch.tensor([samples.labels[c] for c, _ in pairs], device=self.device)
        return self.network(inputs.to(self.device), kept), labels

    def _validate(self) -> None:
        """Count the validation clips that are classified right; keep the network if best."""
        right, pairs, size = 0, self.split.validation, self.recipe.micro_batch
        with torch.inference_mode():
            for first in range(0, len(pairs), size):
                scores, labels = self._scores(pairs[first : first + size])
                right += int((scores.argmax(dim=1) == labels).sum())
        if self.recipe.keep == "best" and right > max((r for _, r in self.validated), default=-1):
            self.best = self._state()
        self.validated.append((self.step, right))
