"""Weight files of C3D: families of files, tensors under Caffe's names, and Caffe's own format.

Caffe's binary files are messages in the wire format of protocol buffers: a sequence of (field
number, wire type, value). Only the fields of names, shapes and numbers are looked at. Code inside
a file of any family is never run.
"""

import re
import zipfile
from collections import defaultdict
from collections.abc import Callable
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.descriptors.base import model_file
from cdmer_bench.errors import UserError, closest
from cdmer_bench.io import file_hash
from cdmer_bench.protocol import read_yaml

_KNOWN = read_yaml((files("cdmer_bench.descriptors.c3d") / "weights.yaml").read_text("utf-8"))
TRAINED_ON: dict[str, dict[str, Any]] = _KNOWN["trained_on"]
FINETUNED = "finetuned"
FAMILIES: dict[str, list[str]] = _KNOWN["families"]
LAYERS = FAMILIES["caffe"]
# Blue, green, red: the mean cube of Sports-1M over the central 112 x 112 crop, and the values
# that the OpenMMLab models were trained with.
CUBE_MEAN = (95.14, 102.86, 107.76)
OPENMMLAB_MEAN = (104.0, 117.0, 128.0)
OWN_FORMAT = "cdmer-bench tuned C3D"  # marks the files that fine-tuning writes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
# Field numbers of the two generations of C3D's caffe.proto: (list of layers in the network,
# name in a layer, blobs in a layer).
_GENERATIONS = ((2, 4, 6), (100, 1, 7))
T = TypeVar("T")


class Weights(NamedTuple):
    """The content of a weight file."""

    # under Caffe's names, ``conv1a.weight`` to ``fc7.bias``, and ``fc8.*`` where it is there
    tensors: dict[str, Any]
    pool5: str  # the alignment of the last pooling that the weights were trained with
    # blue, green, red; what was subtracted from the frames in training
    mean: tuple[float, float, float]


def find_file(path: str | None, trained_on: str) -> Path:
    """Return the weight file, or say which files fit and how to pass them."""
    known = TRAINED_ON[trained_on]
    how = f"give {known['files']} by {known['option']}=/path/to/it"
    return model_file(path, f"C3D ({trained_on})", how)


def load_weights(
    path: Path,
    # what the user says the weights are; refused where the file shows something else
    trained_on: str,
    width: float = 1.0,  # of the network that the shapes must fit; 1 but in tests
) -> Weights:
    """Read a weight file of any known family; code inside the file is never run."""
    check_suffix(path)
    fitting = "{option} takes {files}".format(**TRAINED_ON[trained_on])
    with path.open("rb") as file:
        start = file.read(2)
    caffe = start != b"PK" and not start.startswith(b"\x80")  # torch's are zip files or pickles
    if caffe:
        content: Any = _read_caffe(path)
    else:
        try:
            content = read_tensors(path)
        except (ValueError, OSError) as error:
            raise UserError(
                f"{path} cannot be read as a file of plain tensors ({str(error)[:150]}); {fitting}"
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

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise ValueError(f"its part {damaged} is damaged")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # zipfile, pickle and torch each raise their own kinds
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from None


def _family(path: Path, tensors: dict[str, Any]) -> str:
    """Tell the family of a file by the names of its convolutions."""
    for family, names in FAMILIES.items():
        if all(f"{name}.weight" in tensors for name in names[:8]):
            return family
    known = "; ".join(f"{names[0]}.weight, ..." for names in FAMILIES.values())
    raise UserError(
        f"{path} has the names {', '.join(list(tensors)[:3]) or 'of no tensors'}, ..., "
        f"expected those of one of the families {known}"
    )


def _under_caffe_names(
    path: Path, tensors: dict[str, Any], family: str, fitting: str
) -> dict[str, Any]:
    """Rename the tensors; unknown names are refused, missing ones named."""
    names = {"fc8": "fc8", **dict(zip(FAMILIES[family], LAYERS, strict=True))}
    renamed = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        if layer not in names or kind not in ("weight", "bias"):
            raise UserError(
                f"{path} has a tensor {key!r}, which C3D does not have; {closest(layer, names)}"
            )
        renamed[f"{names[layer]}.{kind}"] = tensor
    wanted = [f"{name}.{kind}" for name in LAYERS[:10] for kind in ("weight", "bias")]
    missing = [name for name in wanted if name not in renamed]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing[:3])} ({family} names); {fitting}")
    return renamed


def _check_shapes(
    path: Path, tensors: dict[str, Any], trained_on: str, width: float, fitting: str
) -> None:
    import torch

    from cdmer_bench.descriptors.c3d.network import C3DNetwork

    n_classes = TRAINED_ON[trained_on]["n_classes"]
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


def read_caffemodel(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read ``<layer>.weight`` and ``<layer>.bias`` of the trained layers of a ``.caffemodel``."""
    return _read_message(path, _layers, "network")


def read_binaryproto(path: Path) -> NDArray[np.float32]:
    """Read the one blob of a ``.binaryproto`` file, such as a mean cube."""
    return _read_message(path, _blob, "blob")


def _read_message(path: Path, read: Callable[[memoryview], T], kind: str) -> T:
    try:
        return read(memoryview(path.read_bytes()))
    except (ValueError, OverflowError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a {kind} of Caffe ({error}); fetch the file again"
        ) from None


def _layers(data: memoryview) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    network = _fields(data)[1]
    for in_network, in_layer, blobs in _GENERATIONS:
        for layer in network[in_network]:
            parts = _fields(layer)[1]
            tensors = [_blob(value) for value in parts[blobs]]
            if not tensors or not parts[in_layer]:
                continue
            name = bytes(parts[in_layer][0]).decode("utf-8", "replace")
            if len(tensors) != 2:
                raise ValueError(f"layer {name} has {len(tensors)} blobs, not weights and biases")
            found |= {f"{name}.weight": tensors[0], f"{name}.bias": tensors[1]}
    if not found:
        raise ValueError("it holds no layer with weights")
    return found


def _blob(data: memoryview) -> NDArray[np.float32]:
    """Return the numbers of a BlobProto in its shape.

    C3D 1.0 has the sizes num, channels, length, height, width in fields 1 to 5 and the numbers
    in field 6; C3D 1.1 (and Caffe) the numbers in field 5 and the shape in field 7.
    """
    sizes, parts = _fields(data)
    newer = bool(parts[5])
    numbers = b"".join(parts[5 if newer else 6])
    if newer and parts[7]:
        packed = next(iter(_fields(parts[7][0])[1][1]), memoryview(b""))
        shape, at = [], 0
        while at < len(packed):
            size, at = _varint(packed, at)
            shape.append(size)
    else:
        shape = [sizes.get(n, 0 if n <= 2 else 1) for n in range(1, 5 if newer else 6)]
    if not shape or 4 * prod(shape) != len(numbers):
        raise ValueError(f"a blob of the shape {tuple(shape)} has {len(numbers) / 4:g} numbers")
    return np.frombuffer(numbers, dtype="<f4").astype(np.float32, copy=False).reshape(shape)


def _fields(data: memoryview) -> tuple[dict[int, int], dict[int, list[memoryview]]]:
    """Return by field number the last number, and all values of bytes or of fixed width."""
    numbers: dict[int, int] = {}
    parts: dict[int, list[memoryview]] = defaultdict(list)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            numbers[field], at = _varint(data, at)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field has the unknown type {kind}")
        if length > len(data) - at:
            raise ValueError(f"a field of {length} bytes has only {len(data) - at} left")
        parts[field].append(data[at : at + length])
        at += length
    return numbers, parts


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a base-128 number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has more than 64 bits")
