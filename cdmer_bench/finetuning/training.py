"""Fine-tuning itself: stochastic gradient descent that a killed run takes up where it was.

Everything random depends on the seed and the number of the step alone, so the state of a run is
the network, the momentum and the step.
"""

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.finetuning.augmentation import Split, augmented
from cdmer_bench.finetuning.recipe import Recipe
from cdmer_bench.io import clear_errors, open_temporary, set_aside

_ORDER, _DROPOUT, _CLASSIFIER = 1, 2, 4  # streams of random numbers


@dataclass
class Samples:
    """The source's clips, resized and not yet interpolated.

    Attributes
    ----------
    frames : list of ndarray of float32, shape (T, H, W) each
    labels : list of int
        Class indices of the source; no target's labels come here.
    as_input : callable
        From (16, H, W) grey levels to the network's input, (3, 16, 112, 112) float32.
    """

    frames: list[NDArray[np.float32]]
    labels: list[int]
    as_input: Callable[[NDArray], NDArray[np.float32]]

    def inputs(self, pairs: NDArray[np.intp], seed: int) -> NDArray[np.float32]:
        """Return augmented clips, shape (n, 3, 16, 112, 112)."""
        clips = [augmented(self.frames[c], int(c), int(v), seed) for c, v in pairs]
        return np.stack([self.as_input(clip) for clip in clips])


def save_whole(content: Any, path: Path) -> None:
    """Write tensors so that a reader sees the old file or the whole new one."""
    import torch

    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = open_temporary(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def load_whole(path: Path, key: str) -> dict[str, Any] | None:
    """Read a checkpoint of that key; None if there is none or it was damaged (then set aside)."""
    import torch

    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # compares every checksum
        if damaged:
            raise ValueError(f"its part {damaged} is")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["key"] != key:
            raise ValueError("it belongs to another training")
        return content
    except PermissionError:
        raise UserError(f"{path} cannot be read by you; set cache.dir to another folder") from None
    except Exception as error:  # zipfile, pickle and torch each raise their own kinds
        set_aside(path, (str(error).splitlines() or [type(error).__name__])[0])
        return None


class Training:
    """One fine-tuning run.

    Parameters
    ----------
    network : C3DNetwork
        The start, with a classifier of any size; changed in place.
    n_classes : int
        Of the new classifier, drawn as Caffe's solver does: N(0, 0.01^2), biases 0.
    samples, split, recipe
    device : {'cpu', 'cuda'}
    checkpoint : Path
    key : str
        What a checkpoint must say to be taken up.
    """

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
        found = load_whole(self.checkpoint, self.key)
        if found is not None:
            self.network.load_state_dict(found["network"])
            self.optimiser.load_state_dict(found["optimiser"])
            self.step, self.best = int(found["step"]), found["best"]
            self.validated = [(int(s), int(r)) for s, r in found["validated"]]
        return self.step

    def save_checkpoint(self) -> None:
        """Store everything that the rest of the run depends on."""
        save_whole(
            {
                "key": self.key,
                "step": self.step,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "validated": self.validated,
                "best": self.best,
            },
            self.checkpoint,
        )

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
        state = self.best if recipe.keep == "best" else self.network.state_dict()
        assert state is not None
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
            state = self.network.state_dict()
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        self.validated.append((self.step, right))
