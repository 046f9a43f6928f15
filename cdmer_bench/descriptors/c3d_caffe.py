"""Tensors of Caffe's binary files (.caffemodel, .binaryproto), read without Caffe.

The files are messages in the wire format of protocol buffers: a sequence of (field number, wire
type, value). Only the fields of names, shapes and numbers are looked at; nothing is executed, and
no length is trusted before it is compared with what is left.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Field numbers of the two generations of C3D's caffe.proto: (list of layers in the network,
# name in a layer, blobs in a layer).
_GENERATIONS = ((2, 4, 6), (100, 1, 7))
_MOST_DIMENSIONS = 8


class Malformed(ValueError):
    """The bytes are no such message."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a base-128 number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("it ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number has more than 64 bits")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of a message; values of fixed width come as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise Malformed("a field has the number 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise Malformed(f"a field has the unknown type {kind}")
        if length > len(data) - at:
            raise Malformed(f"a field of {length} bytes has only {len(data) - at} left")
        yield number, data[at : at + length]
        at += length


def _packed_numbers(data: memoryview) -> list[int]:
    found: list[int] = []
    at = 0
    while at < len(data):
        if len(found) == _MOST_DIMENSIONS:
            raise Malformed(f"a blob has more than {_MOST_DIMENSIONS} dimensions")
        number, at = _varint(data, at)
        found.append(number)
    return found


def _shape(data: memoryview) -> list[int]:
    """Return the sizes of a BlobShape, packed or one by one."""
    sizes: list[int] = []
    for number, value in fields(data):
        if number == 1:
            sizes += [value] if isinstance(value, int) else _packed_numbers(value)
    return sizes


def read_blob(data: memoryview) -> NDArray[np.float32]:
    """Return the numbers of a BlobProto in its shape.

    C3D 1.0 has the sizes num, channels, length, height, width in fields 1 to 5 and the numbers
    in field 6; C3D 1.1 (and Caffe) the numbers in field 5 and the shape in field 7.
    """
    found = list(fields(data))
    sizes = {n: v for n, v in found if n <= 5 and isinstance(v, int)}
    parts = {n: [v for m, v in found if m == n and isinstance(v, memoryview)] for n in (5, 6, 7)}
    newer = bool(parts[5])
    numbers = parts[5] if newer else parts[6]
    if any(len(part) % 4 for part in numbers):
        raise Malformed("a blob's numbers are no whole floats")
    values = np.frombuffer(b"".join(numbers), dtype="<f4").astype(np.float32, copy=False)
    if newer and parts[7]:
        shape = _shape(parts[7][0])
    else:
        shape = [sizes.get(n, 0 if n <= 2 else 1) for n in range(1, 5 if newer else 6)]
    expected = 1
    for size in shape:
        expected *= size
    if not shape or expected != len(values):
        raise Malformed(f"a blob of the shape {tuple(shape)} has {len(values)} numbers")
    return values.reshape(shape)


def _layers(data: memoryview) -> dict[str, list[NDArray[np.float32]]]:
    found: dict[str, list[NDArray[np.float32]]] = {}
    top = list(fields(data))
    for in_network, in_layer, blobs in _GENERATIONS:
        for number, layer in top:
            if number != in_network or not isinstance(layer, memoryview):
                continue
            parts = [(n, v) for n, v in fields(layer) if isinstance(v, memoryview)]
            tensors = [read_blob(v) for n, v in parts if n == blobs]
            names = [bytes(v) for n, v in parts if n == in_layer]
            if tensors and names:
                found[names[0].decode("utf-8", "replace")] = tensors
    return found


def read_caffemodel(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the trained layers of a ``.caffemodel`` file.

    Returns
    -------
    dict
        ``<layer>.weight`` and ``<layer>.bias``, in the shapes of the file: C3D 1.0 writes those
        of fully connected layers as (1, 1, 1, outputs, inputs).

    Raises
    ------
    UserError
        If the file is truncated, no network, or has layers of other than two blobs.
    """
    try:
        layers = _layers(memoryview(path.read_bytes()))
        if not layers:
            raise Malformed("it holds no layer with weights")
        for name, blobs in layers.items():
            if len(blobs) != 2:
                raise Malformed(f"layer {name} has {len(blobs)} blobs, not weights and biases")
    except (Malformed, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a network of Caffe ({error}); fetch the file again"
        ) from None
    return {
        f"{name}.{kind}": blob
        for name, blobs in layers.items()
        for kind, blob in zip(("weight", "bias"), blobs, strict=True)
    }


def read_binaryproto(path: Path) -> NDArray[np.float32]:
    """Read the one blob of a ``.binaryproto`` file, such as a mean cube.

    Raises
    ------
    UserError
        If the file is truncated or no blob.
    """
    try:
        return read_blob(memoryview(path.read_bytes()))
    except (Malformed, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a blob of Caffe ({error}); fetch the file again"
        ) from None
