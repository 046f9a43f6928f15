"""C3D: the hidden layers of a 3-D convolutional network as features of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.descriptors.base import Descriptor, check_torch
from cdmer_bench.descriptors.c3d.weights import (
    CUBE_MEAN,
    FINETUNED,
    TRAINED_ON,
    find_file,
    load_weights,
    read_binaryproto,
)
from cdmer_bench.errors import UserError, choice, positive_integer
from cdmer_bench.io import file_hash, user_path
from cdmer_bench.preprocessing.frames import as_frames
from cdmer_bench.preprocessing.resize import resize_frames

if TYPE_CHECKING:
    from cdmer_bench.descriptors.c3d.network import C3DNetwork

INPUT = (16, 112, 112)  # frames, rows, columns
_WIDE, _CROP = (128, 171), (slice(8, 120), slice(29, 141))  # Caffe's frames and central crop
LAYERS = ("fc6", "fc7")
RANDOM = "random"
_CHOICES = {
    "layer": LAYERS,
    "trained_on": tuple(TRAINED_ON),
    "pool5": ("auto", "caffe", "ports"),
    "frames": ("as_is", "centre_crop"),
    "device": ("auto", "cpu", "cuda"),
}


def _checked(frames: ArrayLike) -> NDArray[np.float64]:
    clip = as_frames(frames)
    if clip.shape != INPUT:
        raise UserError(
            f"C3D takes clips of 16 x 112 x 112, but the clip has {clip.shape}; set "
            "preprocessing.parameters.n_frames=16 and shape=[112,112]"
        )
    return clip


def network_input(
    frames: ArrayLike,  # (16, 112, 112), grey levels in 0..255, not scaled
    mean: Sequence[float] | NDArray,  # of blue, green and red: (3,) or (3, 16, 112, 112)
    how: str = "as_is",
) -> NDArray[np.float32]:
    """Turn a grey clip into what C3D was trained on: three channels less their mean.

    ``how='centre_crop'`` enlarges the frames to 128 x 171 and cuts the central 112 x 112, as
    Caffe does with videos, which loses the face's rim.
    """
    clip = _checked(frames)
    if how == "centre_crop":
        clip = resize_frames(clip, _WIDE)[:, *_CROP]
    return np.stack([clip - m for m in mean]).astype(np.float32)


def load_mean(path: str) -> NDArray[np.float64]:
    """Read a mean cube (3, 16, 128, 171), .npy or .binaryproto; cut its centre, 112 x 112."""
    found = user_path(path)
    if not found.is_file():
        raise UserError(
            f"mean is {path!r}, expected auto, three numbers [blue, green, red] or the file of a "
            "mean cube (.npy, .binaryproto)"
        )
    if found.suffix == ".npy":
        try:
            cube = np.load(found, allow_pickle=False)
        except Exception as error:  # numpy raises several kinds
            raise UserError(f"{found} cannot be read as an array ({error})") from None
    else:
        cube = read_binaryproto(found)
    wanted = (3, 16, *_WIDE)
    if cube.size != np.prod(wanted) or cube.shape[-4:] != wanted or not np.isfinite(cube).all():
        raise UserError(f"{found} has the shape {cube.shape}, expected a mean cube of {wanted}")
    return np.asarray(cube, dtype=np.float64).reshape(wanted)[:, :, *_CROP]


# The networks of a table are applied to each batch in turn: three are kept, 320 MB each.
@lru_cache(maxsize=3)
def _load_network(
    path: Path | None, sha256: str, trained_on: str, pool5: str, width: float
) -> "tuple[C3DNetwork, tuple[float, float, float]]":
    import torch

    from cdmer_bench.descriptors.c3d.network import C3DNetwork

    if path is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = C3DNetwork(487, "caffe" if pool5 == "auto" else pool5, width)
        return network.eval(), CUBE_MEAN
    found = load_weights(path, trained_on, width)
    network = C3DNetwork(1, found.pool5 if pool5 == "auto" else pool5, width)
    hidden = {k: t.float() for k, t in found.tensors.items() if not k.startswith("fc8.")}
    network.load_state_dict(hidden, strict=False)  # fc8 is not used; load_weights checked the rest
    return network.eval(), found.mean


# Holds the last batch under a few networks, so that the second layer costs no forward pass.
@lru_cache(maxsize=3)
def _hidden_layers(
    batch: bytes, how: str, mean: tuple[float, ...] | str, device: str, *network: Any
) -> tuple[NDArray[np.float64], ...]:
    """Return fc6 and fc7 of a float64 batch, each (n, hidden)."""
    import torch

    from cdmer_bench.descriptors.c3d.network import deterministic, find_device

    loaded, own_mean = _load_network(*network)
    centre = mean_levels(mean, own_mean)
    clips = np.frombuffer(batch).reshape(-1, *INPUT)
    array = np.stack([network_input(clip, centre, how) for clip in clips])
    with deterministic(), torch.inference_mode():
        place = find_device(device)
        layers = loaded.to(place).hidden_layers(torch.from_numpy(array).to(place))
        return tuple(layer.double().cpu().numpy() for layer in layers)


def mean_levels(mean: Any, own: tuple[float, float, float]) -> Any:
    """Return what is subtracted: the weights' own mean for ``'auto'``, or the given one."""
    if isinstance(mean, str):
        return own if mean == "auto" else load_mean(mean)
    return mean


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
    mean : 'auto', 3 floats or str
        Of blue, green and red; ``'auto'`` is what the weights were trained with; else the file of
        a mean cube (:func:`load_mean`).
    frames : {'as_is', 'centre_crop'}
        See :func:`network_input`.
    device : {'auto', 'cpu', 'cuda'}
        ``'auto'`` takes the GPU if there is one. The device is no part of the stored features'
        key: both compute in float32 and differ by rounding.
    batch_size : int
        Clips in one forward pass; changes features by rounding only (1e-5 of the largest).
    width : float
        Of the network, 1 being C3D's; less is for tests and never enters a paper's table.

    Notes
    -----
    The paper names neither the UCF101 weights nor the treatment of grey clips. Clips are
    copied to three channels; the order of the colours matters through the mean only.

    References
    ----------
    D. Tran, L. Bourdev, R. Fergus, L. Torresani, M. Paluri, Learning spatiotemporal features
    with 3D convolutional networks, ICCV 2015.
    """

    in_batches: ClassVar[bool] = True
    layer: str = "fc6"
    trained_on: str = "sports1m"
    weights: str | None = None
    pool5: str = "auto"
    mean: str | Sequence[float] = "auto"
    frames: str = "as_is"
    device: str = "auto"
    batch_size: int = 8
    width: float = 1.0

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            choice(name, getattr(self, name), allowed)
        self.batch_size = positive_integer("batch_size", self.batch_size)
        if not 0 < self.width <= 1:
            raise UserError(f"width is {self.width!r}, expected more than 0 and at most 1")
        if isinstance(self.mean, str):
            mean_levels(self.mean, CUBE_MEAN)  # refuses a wrong file
            return
        try:
            levels = tuple(float(m) for m in self.mean)
        except (TypeError, ValueError):
            levels = ()
        if len(levels) != 3 or not np.isfinite(levels).all():
            raise UserError(
                f"mean is {self.mean!r}, expected auto or three numbers [blue, green, red]"
            )
        self.mean = levels

    @property
    def label(self) -> str:
        """The row's name in the paper's tables."""
        return f"C3D-FC{LAYERS.index(self.layer) + 1} ({TRAINED_ON[self.trained_on]['row']})"

    @property
    def needs_tuning(self) -> bool:
        """Whether the weights are to be tuned on the source of each task."""
        return self.trained_on == FINETUNED

    @property
    def remark(self) -> str:
        """``random weights`` or ``reduced network``: the figures are no results."""
        if self.weights == RANDOM:
            return "random weights"
        return "reduced network" if self.width != 1 else ""

    def parameters(self) -> dict[str, Any]:
        """Return what decides the features, with the SHA-256 of files in place of their paths."""
        mean = self.mean if isinstance(self.mean, str) else list(self.mean)
        if isinstance(mean, str) and mean != "auto":
            mean = file_hash(user_path(mean))
        names = ("layer", "trained_on", "pool5", "frames", *(("width",) if self.width != 1 else ()))
        plain = {name: getattr(self, name) for name in names}
        found = {**plain, "weights": self.weights_identity(), "mean": mean}
        check_torch("C3D")
        return found

    def weights_identity(self) -> str:
        """Return what stands for the weights in the key of stored features."""
        if self.weights == RANDOM:
            return RANDOM
        return file_hash(find_file(self.weights, self.trained_on))

    def network(self) -> "tuple[C3DNetwork, tuple[float, float, float]]":
        """Load the network, and the mean that its weights were trained with."""
        return _load_network(*self.network_key())

    def network_key(self) -> tuple[Any, ...]:
        """Return what the network is made of: the arguments of ``_load_network``."""
        path = None if self.weights == RANDOM else find_file(self.weights, self.trained_on)
        check_torch("C3D")
        sha256 = "" if path is None else file_hash(path)  # a replaced file is another one
        return path, sha256, self.trained_on, self.pool5, self.width

    def check_ready(self) -> None:
        """Load the network, so that a bad file shows before the first clip."""
        self.network()  # needs torch

        from cdmer_bench.descriptors.c3d.network import find_device

        find_device(self.device)

    def extract(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the layer as one block of one plane, shape (1, 1, 4096)."""
        return self.extract_batch([as_frames(frames)])[0]

    def extract_batch(self, clips: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the layer of several clips from one forward pass, shape (n, 1, 1, 4096)."""
        batch = np.stack([_checked(clip) for clip in clips]).tobytes()
        mean = self.mean if isinstance(self.mean, str) else tuple(self.mean)
        layers = _hidden_layers(batch, self.frames, mean, self.device, *self.network_key())
        return layers[LAYERS.index(self.layer)][:, None, None, :].copy()


def c3d(
    frames: ArrayLike,  # (16, 112, 112), grey levels in 0..255
    weights: str,
    layer: str = "fc6",
    *,
    trained_on: str = "sports1m",
    pool5: str = "auto",
    mean: str | Sequence[float] = "auto",
) -> NDArray[np.float64]:
    """Describe a clip by a hidden layer, (4096,); parameters as for :class:`C3D`."""
    return C3D(layer, trained_on, weights, pool5, mean).extract(frames).ravel()
