"""C3D: the hidden layers of a 3-D convolutional network as features of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.c3d_weights import (
    CUBE_MEAN,
    FINETUNED,
    SPORTS1M,
    UCF101,
    find_file,
    load_weights,
    sha256_of,
)
from cdmer_bench.descriptors.clip import choice
from cdmer_bench.errors import DataMissing, UserError
from cdmer_bench.preprocessing.frames import as_frames
from cdmer_bench.preprocessing.resize import resize_frames

if TYPE_CHECKING:
    from cdmer_bench.descriptors.c3d_network import C3DNetwork

LAYERS = ("fc6", "fc7")
TRAINED_ON = (SPORTS1M, UCF101, FINETUNED)
POOL5 = ("auto", "caffe", "ports")
FRAMES = ("as_is", "centre_crop")
RANDOM = "random"
INPUT = (16, 112, 112)  # frames, rows, columns
_WIDE, _CROP = (128, 171), (slice(8, 120), slice(29, 141))  # Caffe's frames and central crop
_ROWS = {SPORTS1M: "Sports1M", UCF101: "UCF101", FINETUNED: "Finetune"}


def network_input(
    frames: ArrayLike, mean: Sequence[float], how: str = "as_is"
) -> NDArray[np.float32]:
    """Turn a grey clip into what C3D was trained on: three channels less their mean.

    Parameters
    ----------
    frames : array, shape (16, 112, 112)
        Grey levels in 0..255, not scaled.
    mean : 3 floats
        Of blue, green and red. The mean cube of Sports-1M is constant in time to 0.01, so a
        value a channel replaces it.
    how : {'as_is', 'centre_crop'}
        ``'as_is'`` takes the frames as they are; ``'centre_crop'`` enlarges them to 128 x 171
        and cuts the central 112 x 112, as Caffe does with videos, which loses the face's rim.

    Returns
    -------
    ndarray of float32, shape (3, 16, 112, 112)

    Raises
    ------
    UserError
        If the clip has another shape.
    """
    clip = as_frames(frames)
    if clip.shape != INPUT:
        raise UserError(
            f"C3D takes clips of 16 x 112 x 112, but the clip has {clip.shape}; set "
            "preprocessing.parameters.n_frames=16 and shape=[112,112]"
        )
    if how == "centre_crop":
        clip = resize_frames(clip, _WIDE)[:, *_CROP]
    return np.stack([clip - m for m in mean]).astype(np.float32)


def load_network(
    weights: str | None, trained_on: str, pool5: str = "auto"
) -> "tuple[C3DNetwork, tuple[float, float, float]]":
    """Build the network in evaluation mode; also give the mean that belongs to its weights.

    Parameters are those of :class:`C3D`.

    Raises
    ------
    DataMissing
        If torch or the weight file is not there.
    UserError
        If the file is not what was expected.
    """
    if weights == RANDOM:
        check_torch()
        return _load_network(RANDOM, "", trained_on, pool5)
    path = find_file(weights, trained_on)
    check_torch()
    return _load_network(str(path), sha256_of(path), trained_on, pool5)


# Both layers of both trained networks are extracted from each clip in turn: two are kept,
# 320 MB each.
@lru_cache(maxsize=2)
def _load_network(
    weights: str, sha256: str, trained_on: str, pool5: str
) -> "tuple[C3DNetwork, tuple[float, float, float]]":
    import torch

    from cdmer_bench.descriptors.c3d_network import C3DNetwork

    if weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = C3DNetwork(pool5="caffe" if pool5 == "auto" else pool5)
        return network.eval(), CUBE_MEAN
    found = load_weights(Path(weights), trained_on)
    network = C3DNetwork(1, found.pool5 if pool5 == "auto" else pool5)
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


@lru_cache(maxsize=4)
def _hidden_layers(
    clip: bytes, how: str, mean: tuple[float, ...] | None, sha256: str, *network: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return fc6 and fc7 of a float64 clip, kept so that the second layer costs no forward."""
    import torch

    loaded, own_mean = load_network(*network)
    array = network_input(np.frombuffer(clip).reshape(INPUT), mean or own_mean, how)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order, so the same bits for any number of workers
    try:
        with torch.inference_mode():
            fc6, fc7 = loaded.hidden_layers(torch.from_numpy(array[None]))
    finally:
        torch.set_num_threads(threads)
    return fc6[0].double().numpy(), fc7[0].double().numpy()


@dataclass
class C3D(Descriptor):
    """Hidden layer fc6 or fc7 of C3D, after its ReLU; 4096 numbers a clip.

    Parameters
    ----------
    layer : {'fc6', 'fc7'}
        The paper's FC1 and FC2.
    trained_on : {'sports1m', 'ucf101', 'finetuned'}
        What the weights were trained on last.
    weights : str, optional
        The weight file; its content, not its place, is part of the stored features' key.
        Without one, :meth:`parameters` and :meth:`extract` say which files fit. ``'random'``
        is for tests; such a row never enters a table of the paper's layout.
    pool5 : {'auto', 'caffe', 'ports'}
        Alignment of the last pooling; ``'auto'`` is what the weights were trained with.
    mean : 'auto' or 3 floats
        Of blue, green and red; ``'auto'`` is what the weights were trained with.
    frames : {'as_is', 'centre_crop'}
        See :func:`network_input`.

    Notes
    -----
    The paper names neither the UCF101 weights nor the treatment of grey clips. Clips are
    copied to three channels; the order of the colours matters through the mean only.

    References
    ----------
    D. Tran, L. Bourdev, R. Fergus, L. Torresani, M. Paluri, Learning spatiotemporal features
    with 3D convolutional networks, ICCV 2015.
    """

    layer: str = "fc6"
    trained_on: str = SPORTS1M
    weights: str | None = None
    pool5: str = "auto"
    mean: str | Sequence[float] = "auto"
    frames: str = "as_is"

    def __post_init__(self) -> None:
        choice("layer", self.layer, LAYERS)
        choice("trained_on", self.trained_on, TRAINED_ON)
        choice("pool5", self.pool5, POOL5)
        choice("frames", self.frames, FRAMES)
        if self.mean != "auto":
            self.mean = _three_levels(self.mean)

    @property
    def label(self) -> str:
        """The row's name in the paper's tables."""
        return f"C3D-FC{LAYERS.index(self.layer) + 1} ({_ROWS[self.trained_on]})"

    @property
    def remark(self) -> str:
        """``random weights`` where the figures must not be taken for results."""
        return "random weights" if self.weights == RANDOM else ""

    def parameters(self) -> dict[str, Any]:
        """Return the parameters, with the SHA-256 of the weight file in the place of its path.

        Raises
        ------
        DataMissing
            If the weight file or torch is not there; the message says which files fit.
        """
        found = super().parameters()
        if self.weights != RANDOM:
            found["weights"] = sha256_of(find_file(self.weights, self.trained_on))
        check_torch()
        return found

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the layer as one block of one plane, shape (1, 1, 4096)."""
        clip = np.ascontiguousarray(as_frames(frames))
        network_input(clip, CUBE_MEAN)  # refuse another shape before bytes lose it
        mean = None if isinstance(self.mean, str) else tuple(self.mean)
        network = (str(self.weights), self.trained_on, self.pool5)
        sha256 = str(self.parameters()["weights"])  # a file replaced in between is another network
        layers = _hidden_layers(clip.tobytes(), self.frames, mean, sha256, *network)
        return layers[LAYERS.index(self.layer)].reshape(1, 1, -1).copy()


def _three_levels(mean: Any) -> tuple[float, float, float]:
    try:
        blue, green, red = (float(m) for m in mean)
        good = not isinstance(mean, str) and bool(np.isfinite([blue, green, red]).all())
    except (TypeError, ValueError):
        good = False
    if not good:
        raise UserError(f"mean is {mean!r}, expected auto or three numbers [blue, green, red]")
    return blue, green, red


def c3d(
    frames: ArrayLike,
    weights: str,
    layer: str = "fc6",
    *,
    trained_on: str = SPORTS1M,
    pool5: str = "auto",
    mean: str | Sequence[float] = "auto",
) -> NDArray[np.float64]:
    """Describe a clip by a hidden layer of C3D.

    Parameters
    ----------
    frames : array, shape (16, 112, 112)
        Grey levels in 0..255.
    weights, layer, trained_on, pool5, mean
        As for :class:`C3D`.

    Returns
    -------
    ndarray of float64, shape (4096,)

    Raises
    ------
    DataMissing
        If torch or the weight file is not there.
    UserError
        If the clip, the file or a parameter is not what was expected.
    """
    return C3D(layer, trained_on, weights, pool5, mean).extract(frames).ravel()
