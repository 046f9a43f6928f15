"""Tensors of Caffe's binary files (.caffemodel, .binaryproto), read without Caffe.

The files are messages in the wire format of protocol buffers: a sequence of (field number, wire
type, value). Only the fields of names, shapes and numbers are looked at; nothing is executed.
"""

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError

T = TypeVar("T")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Field numbers of the two generations of C3D's caffe.proto: (list of layers in the network,
# name in a layer, blobs in a layer).
_GENERATIONS = ((2, 4, 6), (100, 1, 7))


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


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of a message; values of fixed width come as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field has the unknown type {kind}")
        if length > len(data) - at:
            raise ValueError(f"a field of {length} bytes has only {len(data) - at} left")
        yield number, data[at : at + length]
        at += length


def _byte_fields(data: memoryview) -> list[tuple[int, memoryview]]:
    return [(n, value) for n, value in _fields(data) if isinstance(value, memoryview)]


def _blob(data: memoryview) -> NDArray[np.float32]:
    """Return the numbers of a BlobProto in its shape.

    C3D 1.0 has the sizes num, channels, length, height, width in fields 1 to 5 and the numbers
    in field 6; C3D 1.1 (and Caffe) the numbers in field 5 and the shape in field 7.
    """
    parts = _byte_fields(data)
    sizes = {n: value for n, value in _fields(data) if isinstance(value, int)}
    newer = any(n == 5 for n, _ in parts)
    numbers = b"".join(value for n, value in parts if n == (5 if newer else 6))
    shapes = [value for n, value in parts if n == 7]
    if newer and shapes:
        packed = next((value for n, value in _byte_fields(shapes[0]) if n == 1), memoryview(b""))
        shape, at = [], 0
        while at < len(packed):
            size, at = _varint(packed, at)
            shape.append(size)
    else:
        shape = [sizes.get(n, 0 if n <= 2 else 1) for n in range(1, 5 if newer else 6)]
    if not shape or 4 * prod(shape) != len(numbers):
        raise ValueError(f"a blob of the shape {tuple(shape)} has {len(numbers) / 4:g} numbers")
    return np.frombuffer(numbers, dtype="<f4").astype(np.float32, copy=False).reshape(shape)


def _layers(data: memoryview) -> dict[str, NDArray[np.float32]]:
    """Return ``<layer>.weight`` and ``<layer>.bias`` of the layers that have blobs."""
    found: dict[str, NDArray[np.float32]] = {}
    for in_network, in_layer, blobs in _GENERATIONS:
        for number, layer in _byte_fields(data):
            parts = _byte_fields(layer) if number == in_network else []
            tensors = [_blob(value) for n, value in parts if n == blobs]
            names = [bytes(v).decode("utf-8", "replace") for n, v in parts if n == in_layer]
            if not tensors or not names:
                continue
            if len(tensors) != 2:
                raise ValueError(
                    f"layer {names[0]} has {len(tensors)} blobs, not weights and biases"
                )
            found |= {f"{names[0]}.weight": tensors[0], f"{names[0]}.bias": tensors[1]}
    if not found:
        raise ValueError("it holds no layer with weights")
    return found


def read_caffemodel(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the trained layers of a ``.caffemodel`` file."""
    return _read(path, _layers, "network")


def read_binaryproto(path: Path) -> NDArray[np.float32]:
    """Read the one blob of a ``.binaryproto`` file, such as a mean cube."""
    return _read(path, _blob, "blob")


def _read(path: Path, read: Callable[[memoryview], T], kind: str) -> T:
    try:
        return read(memoryview(path.read_bytes()))
    except (ValueError, OverflowError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a {kind} of Caffe ({error}); fetch the file again"
        ) from None
