"""Weight files of C3D: which family a file belongs to, and its tensors under Caffe's names."""

import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from cdmer_bench.descriptors.base import model_file
from cdmer_bench.descriptors.c3d.caffe import read_caffemodel
from cdmer_bench.errors import UserError, closest
from cdmer_bench.io import file_hash

SPORTS1M, UCF101, FINETUNED = "sports1m", "ucf101", "finetuned"
# Blue, green, red: the mean cube of Sports-1M over the central 112 x 112 crop, and the values
# that the OpenMMLab models were trained with.
CUBE_MEAN = (95.14, 102.86, 107.76)
OPENMMLAB_MEAN = (104.0, 117.0, 128.0)
# The files that fit, and the key that takes one.
_FITTING = {
    SPORTS1M: (
        "conv3d_deepnetA_sport1m_iter_1900000 (Caffe), c3d.pickle, c3d-pretrained.pth or "
        "c3d_sports1m_pretrain_20201016-dcc47ddc.pth",
        "c3d.weights",
    ),
    UCF101: (
        "c3d_ucf101_finetune_whole_iter_20000 (Caffe), ucf101-caffe.pth or "
        "c3d_sports1m-pretrained_8xb30-16x1x1-45e_ucf101-rgb_20220811-31723200.pth",
        "c3d.weights_ucf101",
    ),
    FINETUNED: (
        "weights tuned elsewhere on SMIC (HS), saved under the names of a public file,",
        "c3d.weights_finetuned",
    ),
}
OWN_FORMAT = "cdmer-bench tuned C3D"  # marks the files that fine-tuning writes
_LAYERS = (
    *("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"),
    *("fc6", "fc7", "fc8"),
)
# Family -> the file's names of the layers, in the order of _LAYERS.
_FAMILIES = {
    "caffe": _LAYERS,
    "pytorch": ("conv1", "conv2", *_LAYERS[2:]),
    "numbered": (
        *(f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)),
        *("classifier.0", "classifier.3", "classifier.6"),
    ),
    "openmmlab": (*(f"{name}.conv" for name in _LAYERS[:8]), "fc6", "fc7", "cls_head.fc_cls"),
}


class Weights(NamedTuple):
    """The content of a weight file."""

    # under Caffe's names, ``conv1a.weight`` to ``fc7.bias``, and ``fc8.*`` where it is there
    tensors: dict[str, Any]
    pool5: str  # the alignment of the last pooling that the weights were trained with
    # blue, green, red; what was subtracted from the frames in training
    mean: tuple[float, float, float]


def find_file(path: str | None, trained_on: str) -> Path:
    """Return the weight file, or say which files fit and how to pass them."""
    files, option = _FITTING[trained_on]
    return model_file(path, f"C3D ({trained_on})", f"give {files} by {option}=/path/to/it")


def load_weights(
    path: Path,
    # what the user says the weights are; refused where the file shows something else
    trained_on: str,
    width: float = 1.0,  # of the network that the shapes must fit; 1 but in tests
) -> Weights:
    """Read a weight file of any known family; code inside the file is never run."""
    check_suffix(path)
    files, option = _FITTING[trained_on]
    fitting = f"{option} takes {files}"
    with path.open("rb") as file:
        start = file.read(2)
    caffe = start != b"PK" and not start.startswith(b"\x80")  # torch's are zip files or pickles
    if caffe:
        content: Any = _read_caffe(path)
    else:
        try:
            content = read_tensors(path)
        except Exception as error:  # torch, pickle and zipfile each raise their own kinds
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{path} cannot be read as a file of plain tensors ({reason[:150]}); {fitting}"
            ) from None
    given = content.get("state_dict", content) if isinstance(content, dict) else {}
    found = {str(k).removeprefix("module.").removeprefix("backbone."): given[k] for k in given}
    family = _family(path, found)
    tensors = _under_caffe_names(path, found, family, fitting)
    _check_shapes(path, tensors, trained_on, width, fitting)
    if isinstance(content, dict) and content.get("format") == OWN_FORMAT:
        return Weights(tensors, content["pool5"], tuple(content["mean"]))
    # Weights converted from Caffe keep Caffe's alignment; those trained further in a port have
    # the port's. A classifier that is not that of Sports-1M tells the second kind, but in files
    # with Caffe's numbering the classifier was dropped in conversion.
    head = tensors.get("fc8.weight")
    retrained = not caffe and family != "numbered" and head is not None and len(head) != 487
    mean = OPENMMLAB_MEAN if family == "openmmlab" and retrained else CUBE_MEAN
    return Weights(tensors, "ports" if retrained else "caffe", mean)


def check_suffix(path: Path) -> None:
    """Check a name such as ``...-dcc47ddc.pth``: the file's SHA-256 begins with those digits."""
    named = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if named and not file_hash(path).startswith(named[1]):
        raise UserError(
            f"{path} has the SHA-256 {file_hash(path)[:8]}..., expected {named[1]}... by its "
            "name: the file is incomplete or was changed; fetch it again"
        )


def _read_caffe(path: Path) -> dict[str, Any]:
    import torch

    found = {}
    for name, array in read_caffemodel(path).items():
        layer, _, kind = name.rpartition(".")
        layer = "fc8" if layer.startswith("fc8") else layer
        # Biases, and weights of fully connected layers, come with leading sizes of 1.
        rank = 1 if kind == "bias" else 5 if layer.startswith("conv") else 2
        surplus = array.shape[: array.ndim - rank]
        array = array.reshape(array.shape[len(surplus) :]) if set(surplus) <= {1} else array
        found[f"{layer}.{kind}"] = torch.from_numpy(array.copy())
    return found


def read_tensors(path: Path) -> Any:
    """Read a file of torch without running code in it, and compare its checksums if it has any."""
    import torch

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"its part {damaged} is damaged")
    return torch.load(path, map_location="cpu", weights_only=True)


def _family(path: Path, tensors: dict[str, Any]) -> str:
    """Tell the family of a file by the names of its convolutions."""
    for family, names in _FAMILIES.items():
        if all(f"{name}.weight" in tensors for name in names[:8]):
            return family
    known = "; ".join(f"{names[0]}.weight, ..." for names in _FAMILIES.values())
    raise UserError(
        f"{path} has the names {', '.join(list(tensors)[:3]) or 'of no tensors'}, ..., "
        f"expected those of one of the families {known}"
    )


def _under_caffe_names(
    path: Path, tensors: dict[str, Any], family: str, fitting: str
) -> dict[str, Any]:
    """Rename the tensors; unknown names are refused, missing ones named."""
    names = {"fc8": "fc8", **dict(zip(_FAMILIES[family], _LAYERS, strict=True))}
    renamed = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        if layer not in names or kind not in ("weight", "bias"):
            raise UserError(
                f"{path} has a tensor {key!r}, which C3D does not have; {closest(layer, names)}"
            )
        renamed[f"{names[layer]}.{kind}"] = tensor
    wanted = [f"{name}.{kind}" for name in _LAYERS[:10] for kind in ("weight", "bias")]
    missing = [name for name in wanted if name not in renamed]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing[:3])} ({family} names); {fitting}")
    return renamed


def _check_shapes(
    path: Path, tensors: dict[str, Any], trained_on: str, width: float, fitting: str
) -> None:
    import torch

    from cdmer_bench.descriptors.c3d.network import C3DNetwork

    n_classes = {SPORTS1M: 487, UCF101: 101}.get(trained_on)
    with torch.device("meta"):
        expected = C3DNetwork(487, "caffe", width).state_dict()
    for name, tensor in tensors.items():
        shape = tuple(getattr(tensor, "shape", ()))
        wanted = tuple(expected[name].shape)
        if name.startswith("fc8."):
            wanted = (n_classes or (shape[0] if shape else 0), *wanted[1:])
        if shape != wanted:
            raise UserError(
                f"{path}: {name} has shape {shape}, expected {wanted} for C3D ({trained_on}); "
                f"{fitting}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} holds NaN or infinite weights; fetch the file again")
