"""The elements of MATLAB files of version 5 to 7, checked before SciPy reads them.

SciPy takes the number type of an element from the file and looks it up without a bound; a damaged
one ends the whole process. Layout: MathWorks, *MAT-File Format*.
"""

import zlib
from pathlib import Path

from cdmer_bench.io import check_size

_HEADER = 128  # bytes: text, version, and in the last two the byte order
_NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}  # miINT8 ... miUINT64
_TEXTS = {16, 17, 18}  # miUTF8, miUTF16, miUTF32
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_CLASSES = range(5, 16)  # mxSPARSE, mxDOUBLE ... mxUINT64
_PREAMBLE = 3  # flags, dimensions and name come before the numbers
_PADDING = 64  # bytes that may follow a compressed element
_DEEPEST = 20  # cells in cells


def check_elements(
    data: bytes,  # the whole file. Files of version 4 have no elements and are passed over
    path: Path,  # where it is from, for messages
) -> None:
    """Check every element's type and size."""
    mark = data[_HEADER - 2 : _HEADER]
    if 0 in data[:4] or mark not in (b"IM", b"MI"):
        return
    order = "little" if mark == b"IM" else "big"
    _Elements(order, path).check_file(memoryview(data)[_HEADER:])


class _Elements:
    """Elements in one byte order."""

    def __init__(self, order: str, path: Path) -> None:
        self.little, self.path = order == "little", path

    def _integer(self, data: memoryview | bytes) -> int:
        return int.from_bytes(data[:4], "little" if self.little else "big")

    def _next(self, data: memoryview | bytes) -> tuple[int, memoryview | bytes, int]:
        """Return type, content and size (padding included) of the first element."""
        kind, size = self._integer(data), self._integer(data[4:8])
        if len(data) < 8:
            raise ValueError("it ends inside an element")
        if kind >> 16:  # a small element: type and size share four bytes, four hold the content
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
            return kind, data[4 : 4 + size], 8
        if size > len(data) - 8:
            raise ValueError(f"an element of {size} bytes where {len(data) - 8} are left")
        padded = size if kind == _COMPRESSED else size + -size % 8
        return kind, data[8 : 8 + size], 8 + padded

    def check_file(self, data: memoryview | bytes) -> None:
        """Check the matrices that a file holds one after the other."""
        while data:
            kind, content, size = self._next(data)
            if kind == _COMPRESSED:
                kind, content, _ = self._next(self._inflate(content))
            if kind != _MATRIX:
                raise ValueError(f"type {kind} in the place of a matrix")
            self._check_matrix(content, 0)
            data = data[size:]

    def _inflate(self, data: memoryview | bytes) -> bytes:
        """Decompress an element up to the size that it tells of itself."""
        stream = zlib.decompressobj()
        head = stream.decompress(data, 8)
        size = self._integer(head[4:8])
        check_size(size, self.path)
        rest = stream.decompress(stream.unconsumed_tail, size + _PADDING)
        if not stream.eof:
            raise ValueError("a compressed element that does not end where it says")
        return head + rest

    def _check_matrix(self, data: memoryview | bytes, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        number, array_class = 0, None
        while data:
            kind, content, size = self._next(data)
            if array_class is None:
                array_class = self._integer(content) & 0xFF
            only_numbers = number >= _PREAMBLE and array_class in _NUMERIC_CLASSES
            if kind == _MATRIX and not only_numbers:
                self._check_matrix(content, depth + 1)
            elif kind not in (_NUMBERS if only_numbers else _NUMBERS | _TEXTS):
                raise ValueError(f"an element of the unknown type {kind}")
            data = data[size:]
            number += 1
