"""The C3D network (3-D convolutions over 16 frames) as a torch module, and how it is run.

Importing this module imports torch, so it is imported only once features are computed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cdmer_bench.errors import UserError

# Names as in the authors' Caffe files, with the channels that each convolution gives.
CHANNELS = {
    **{"conv1a": 64, "conv2a": 128, "conv3a": 256, "conv3b": 256},
    **{"conv4a": 512, "conv4b": 512, "conv5a": 512, "conv5b": 512},
}
_POOLED_AFTER = ("conv1a", "conv2a", "conv3b", "conv4b", "conv5b")


class C3DNetwork(nn.Module):
    """C3D of Tran et al., 79,991,015 parameters with its 487 classes of Sports-1M.

    Eight convolutions 3 x 3 x 3 (padding 1), each followed by ReLU, with max pooling after
    conv1a (1 x 2 x 2), conv2a, conv3b, conv4b and conv5b (2 x 2 x 2); then fc6 and fc7, each
    with ReLU and dropout, and the linear fc8. With a ``width`` below 1 it has fewer channels
    and hidden units, for tests.

    ``pool5`` says how the last pooling covers 7 x 7 maps by 4 x 4 windows. Caffe rounds up
    without padding: windows {0, 1}, {2, 3}, {4, 5}, {6}. The ports to other libraries pad both
    sides: {0}, {1, 2}, {3, 4}, {5, 6}. The size of fc6 is the same, its content shifted.
    """

    def __init__(self, n_classes: int = 487, pool5: str = "caffe", width: float = 1.0) -> None:
        super().__init__()
        incoming, hidden = 3, max(2, round(4096 * width))
        for name, channels in CHANNELS.items():
            outgoing = max(2, round(channels * width))
            setattr(self, name, nn.Conv3d(incoming, outgoing, 3, padding=1))
            incoming = outgoing
        self.pool5 = pool5
        self.fc6 = nn.Linear(incoming * 16, hidden)  # 16 = 1 x 4 x 4 positions after pool5
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, n_classes)

    def convolve(self, clips: Tensor) -> Tensor:
        """Return pool5, flattened channel first: (n, 3, 16, 112, 112) -> (n, channels * 16)."""
        maps = clips
        for name in CHANNELS:
            maps = torch.relu(getattr(self, name)(maps))
            if name in _POOLED_AFTER:
                maps = self._pool(maps, name)
        return maps.flatten(1)

    def _pool(self, maps: Tensor, after: str) -> Tensor:
        if after == "conv1a":
            return nn.functional.max_pool3d(maps, (1, 2, 2))
        if after == "conv5b" and self.pool5 == "ports":
            return nn.functional.max_pool3d(maps, 2, padding=(0, 1, 1))
        return nn.functional.max_pool3d(maps, 2, ceil_mode=after == "conv5b")

    def hidden_layers(self, clips: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return fc6 and fc7 after their ReLU, each (n, hidden), of clips (n, 3, 16, 112, 112).

        ``kept`` (2, n, hidden) holds factors on fc6 and fc7: 2 for the units that dropout keeps,
        0 for the others. They are drawn outside, so that they depend neither on the device nor
        on the batches.
        """
        fc6 = torch.relu(self.fc6(self.convolve(clips)))
        fc6 = fc6 if kept is None else fc6 * kept[0]
        fc7 = torch.relu(self.fc7(fc6))
        return fc6, fc7 if kept is None else fc7 * kept[1]

    def forward(self, clips: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the scores of the classes, shape (n, n_classes)."""
        return self.fc8(self.hidden_layers(clips, kept)[1])


def find_device(device: str) -> str:
    """Return ``cpu`` or ``cuda`` for ``auto``, ``cpu`` or ``cuda``."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("c3d.device is cuda, but torch sees no GPU; set c3d.device=auto or cpu")
    return device


@contextmanager
def deterministic() -> Iterator[None]:
    """Choose algorithms that give the same bits each time, and full float32 on a GPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(was)
