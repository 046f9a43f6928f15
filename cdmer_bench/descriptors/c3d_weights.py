"""Weight files of C3D: which family a file belongs to, and its tensors under Caffe's names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdmer_bench.errors import DataMissing, UserError, closest
from cdmer_bench.io import file_hash, user_path

SPORTS1M, UCF101, FINETUNED = "sports1m", "ucf101", "finetuned"
# Blue, green, red: the mean cube of Sports-1M over the central 112 x 112 crop, and the values
# that the OpenMMLab models were trained with.
CUBE_MEAN = (95.14, 102.86, 107.76)
OPENMMLAB_MEAN = (104.0, 117.0, 128.0)
WHICH_FIT = {
    SPORTS1M: "conv3d_deepnetA_sport1m_iter_1900000 (Caffe), c3d.pickle, c3d-pretrained.pth or "
    "c3d_sports1m_pretrain_20201016-dcc47ddc.pth",
    UCF101: "c3d_ucf101_finetune_whole_iter_20000 (Caffe), ucf101-caffe.pth or "
    "c3d_sports1m-pretrained_8xb30-16x1x1-45e_ucf101-rgb_20220811-31723200.pth",
    FINETUNED: "weights tuned elsewhere on SMIC (HS), saved under the names of a public file,",
}
OPTIONS = {
    SPORTS1M: "c3d.weights",
    UCF101: "c3d.weights_ucf101",
    FINETUNED: "c3d.weights_finetuned",
}
OWN_FORMAT = "cdmer-bench tuned C3D"  # marks the files that fine-tuning writes
_LAYERS = (
    *("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"),
    *("fc6", "fc7", "fc8"),
)
_N_CLASSES = {SPORTS1M: 487, UCF101: 101}


def _names(*written: str) -> dict[str, str]:
    return dict(zip(written, _LAYERS, strict=False))


# Scheme -> the file's name of a layer -> Caffe's.
SCHEMES: Mapping[str, Mapping[str, str]] = {
    "caffe names": _names(*_LAYERS),
    "pytorch names": _names("conv1", "conv2", *_LAYERS[2:]),
    "numbered names": _names(
        *(f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)), "classifier.0", "classifier.3"
    ),
    "OpenMMLab names": _names(*(f"{name}.conv" for name in _LAYERS[:8]), "fc6", "fc7", "fc8"),
}
_HEADS = {"numbered names": ("classifier.6", "fc8"), "OpenMMLab names": ("fc8", "cls_head.fc_cls")}


@dataclass(frozen=True)
class Weights:
    """The content of a weight file.

    Attributes
    ----------
    family : str
        A key of :data:`SCHEMES`.
    tensors : dict from str to Tensor
        Under Caffe's names, ``conv1a.weight`` to ``fc7.bias``, and ``fc8.*`` where it is there.
    pool5 : {'caffe', 'ports'}
        The alignment of the last pooling that the weights were trained with.
    mean : tuple of 3 float
        Blue, green, red; what was subtracted from the frames in training.
    """

    family: str
    tensors: dict[str, Any]
    pool5: str
    mean: tuple[float, float, float]


def find_file(path: str | None, trained_on: str) -> Path:
    """Return the weight file, or say which files fit and how to pass them.

    Raises
    ------
    DataMissing
        If no file was given.
    UserError
        If the given one is not there.
    """
    how = f"give {WHICH_FIT[trained_on]} by {OPTIONS[trained_on]}=/path/to/it"
    if path is None:
        raise DataMissing(f"no weights: C3D ({trained_on}) has no weight file; {how}")
    found = user_path(path)
    if not found.is_file():
        raise UserError(f"no weights: {path} is not a file; {how}")
    return found


def check_suffix(path: Path) -> None:
    """Check a name such as ``...-dcc47ddc.pth``: the file's SHA-256 begins with those digits.

    Raises
    ------
    UserError
        If it does not: the file is incomplete or another one.
    """
    named = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if named and not file_hash(path).startswith(named[1]):
        raise UserError(
            f"{path} has the SHA-256 {file_hash(path)[:8]}..., expected {named[1]}... by its "
            "name: the file is incomplete or was changed; fetch it again"
        )


def load_weights(path: Path, trained_on: str, width: float = 1.0) -> Weights:
    """Read a weight file of any known family; code inside the file is never run.

    Parameters
    ----------
    path : Path
    trained_on : {'sports1m', 'ucf101', 'finetuned'}
        What the user says the weights are; refused where the file shows something else.
    width : float
        Of the network that the shapes must fit; 1 but in tests.

    Raises
    ------
    UserError
        If the file is damaged, has unknown or missing layers, wrong shapes or another number
        of classes.
    """
    check_suffix(path)
    caffe = _is_caffe(path)
    content = _read_caffe(path) if caffe else _read_torch(path, trained_on)
    weights = _recognise(path, content, trained_on, caffe)
    _check_shapes(path, weights.tensors, trained_on, width)
    return weights


def _is_caffe(path: Path) -> bool:
    """Tell Caffe's files from those of torch, which are zip archives or pickles (0x80)."""
    with path.open("rb") as file:
        start = file.read(2)
    return start != b"PK" and not start.startswith(b"\x80")


def _read_caffe(path: Path) -> dict[str, Any]:
    import torch

    from cdmer_bench.descriptors.c3d_caffe import read_caffemodel

    found = {}
    for name, array in read_caffemodel(path).items():
        layer, _, kind = name.rpartition(".")
        layer = "fc8" if layer.startswith("fc8") else layer
        if layer not in _LAYERS:
            raise UserError(f"{path} has a layer {layer!r}, which C3D has not; give a C3D network")
        # Biases, and weights of fully connected layers, come with leading sizes of 1.
        rank = 1 if kind == "bias" else 5 if layer.startswith("conv") else 2
        surplus = array.shape[: array.ndim - rank]
        array = array.reshape(array.shape[len(surplus) :]) if set(surplus) <= {1} else array
        found[f"{layer}.{kind}"] = torch.from_numpy(array.copy())
    return found


def _read_torch(path: Path, trained_on: str) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zipfile each raise their own kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} cannot be read as a file of plain tensors ({reason[:150]}); "
            f"{OPTIONS[trained_on]} takes {WHICH_FIT[trained_on]}"
        ) from None


def _recognise(path: Path, content: Any, trained_on: str, caffe: bool) -> Weights:
    """Tell the family of a file by its names, and what belongs to it."""
    given = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = {str(k).removeprefix("module.").removeprefix("backbone."): given[k] for k in given}
    fitting = [
        scheme
        for scheme, names in SCHEMES.items()
        if all(f"{name}.weight" in tensors for name in list(names)[:8])
    ]
    if not fitting:
        known = "; ".join(f"{next(iter(names))}.weight, ..." for names in SCHEMES.values())
        raise UserError(
            f"{path} has the names {', '.join(list(tensors)[:3]) or 'of no tensors'}, ..., "
            f"expected those of one of the families {known}"
        )
    scheme = fitting[0]
    renamed = _under_caffe_names(path, tensors, scheme, trained_on)
    # Weights converted from Caffe keep Caffe's alignment; those trained further in a port have
    # the port's. A classifier that is not that of Sports-1M tells the second kind, but in files
    # with Caffe's numbering the classifier was dropped in conversion.
    head = renamed.get("fc8.weight")
    if isinstance(content, dict) and content.get("format") == OWN_FORMAT:
        return Weights(scheme, renamed, *_own_alignment(path, content))
    retrained = not caffe and scheme != "numbered names" and head is not None and len(head) != 487
    openmmlab = scheme == "OpenMMLab names" and retrained
    return Weights(
        scheme,
        renamed,
        "ports" if retrained else "caffe",
        OPENMMLAB_MEAN if openmmlab else CUBE_MEAN,
    )


def _own_alignment(path: Path, content: dict[str, Any]) -> tuple[str, tuple[float, float, float]]:
    """Return alignment and mean as a file tuned by this package states them."""
    pool5, mean = content.get("pool5"), content.get("mean")
    if pool5 not in ("caffe", "ports") or not isinstance(mean, list) or len(mean) != 3:
        raise UserError(f"{path} lacks its pool5 or mean; tune the network again")
    return str(pool5), (float(mean[0]), float(mean[1]), float(mean[2]))


def _under_caffe_names(
    path: Path, tensors: Mapping[str, Any], scheme: str, trained_on: str
) -> dict[str, Any]:
    """Rename the tensors; unknown names are refused, missing ones named."""
    names = {**SCHEMES[scheme], **dict.fromkeys(_HEADS.get(scheme, ()), "fc8")}
    renamed = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        if layer not in names or kind not in ("weight", "bias"):
            raise UserError(
                f"{path} has a tensor {key!r}, which C3D has not; {closest(layer, names)}"
            )
        renamed[f"{names[layer]}.{kind}"] = tensor
    missing = [
        f"{name}.{kind}"
        for name in _LAYERS[:10]
        for kind in ("weight", "bias")
        if f"{name}.{kind}" not in renamed
    ]
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing[:3])} ({scheme}); {OPTIONS[trained_on]} takes "
            f"{WHICH_FIT[trained_on]}"
        )
    return renamed


def _check_shapes(path: Path, tensors: Mapping[str, Any], trained_on: str, width: float) -> None:
    import torch

    from cdmer_bench.descriptors.c3d_network import C3DNetwork, sizes

    with torch.device("meta"):
        expected = C3DNetwork(487, "caffe", *sizes(width)).state_dict()
    for name, tensor in tensors.items():
        shape = tuple(getattr(tensor, "shape", ()))
        wanted = tuple(expected[name].shape)
        if name.startswith("fc8."):
            n_classes = _N_CLASSES.get(trained_on, shape[0] if shape else 0)
            wanted = (n_classes, *wanted[1:])
        if shape != wanted:
            raise UserError(
                f"{path}: {name} has shape {shape}, expected {wanted} for C3D ({trained_on}); "
                f"{OPTIONS[trained_on]} takes {WHICH_FIT[trained_on]}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} holds NaN or infinite weights; fetch the file again")
