"""C3D on a device: the network with its weights, and arithmetic that gives the same bits again."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.descriptors.c3d_weights import CUBE_MEAN, find_file, load_weights
from cdmer_bench.errors import DataMissing, UserError
from cdmer_bench.io import file_hash

if TYPE_CHECKING:
    from cdmer_bench.descriptors.c3d_network import C3DNetwork

RANDOM = "random"


def find_device(device: str) -> str:
    """Return ``cpu`` or ``cuda`` for ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        If a GPU was asked for and torch sees none.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("c3d.device is cuda, but torch sees no GPU; set c3d.device=auto or cpu")
    return device


@contextmanager
def deterministic() -> Iterator[None]:
    """Choose algorithms that give the same bits each time, and full float32 on a GPU."""
    import os

    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    flags = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    benchmark = torch.backends.cudnn.benchmark
    was = torch.are_deterministic_algorithms_enabled()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = flags
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(was)


def load_network(
    weights: str | None, trained_on: str, pool5: str = "auto", width: float = 1.0
) -> "tuple[C3DNetwork, tuple[float, float, float]]":
    """Build the network in evaluation mode; also give the mean that belongs to its weights.

    Parameters are those of :class:`~cdmer_bench.descriptors.C3D`.

    Raises
    ------
    DataMissing
        If torch or the weight file is not there.
    UserError
        If the file is not what was expected.
    """
    if weights == RANDOM:
        check_torch()
        return _load_network(RANDOM, "", trained_on, pool5, width)
    path = find_file(weights, trained_on)
    check_torch()
    return _load_network(str(path), file_hash(path), trained_on, pool5, width)


# The networks of a table are applied to each batch in turn: three are kept, 320 MB each.
@lru_cache(maxsize=3)
def _load_network(
    weights: str, sha256: str, trained_on: str, pool5: str, width: float
) -> "tuple[C3DNetwork, tuple[float, float, float]]":
    import torch

    from cdmer_bench.descriptors.c3d_network import C3DNetwork, sizes

    if weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = C3DNetwork(487, "caffe" if pool5 == "auto" else pool5, *sizes(width))
        return network.eval(), CUBE_MEAN
    found = load_weights(Path(weights), trained_on, width)
    network = C3DNetwork(1, found.pool5 if pool5 == "auto" else pool5, *sizes(width))
    hidden = {k: t.float() for k, t in found.tensors.items() if not k.startswith("fc8.")}
    network.load_state_dict(hidden, strict=False)  # fc8 is not used; load_weights checked the rest
    return network.eval(), found.mean


def check_torch() -> None:
    """Say how to get torch if it is not installed."""
    if find_spec("torch") is None:
        raise DataMissing(
            "no weights: C3D needs torch, which is not installed; "
            "`pip install 'cdmer-bench[c3d]'` installs it"
        )
