"""Variables of MATLAB files: versions 4 to 7 through SciPy, 7.3 (HDF5) through h5py."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.io import check_size

# The shapes of a file's variables by their names, and what reads one.
Variables = tuple[dict[str, tuple[int, ...]], Callable[[str], NDArray]]

_NUMBERS = {"double", "single", "logical"} | {
    f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)
}
# MATLAB classes that cannot be read as an array, and what to save instead.
_WAY_OUT = {
    "string": "cellstr({0})",
    "categorical": "cellstr({0})",
    "struct": "its fields as variables of their own",
    "table": "its columns as variables of their own",
    "cell": "a matrix, or a cell array with one number or one text in each cell",
}


@contextmanager
def open_matlab(path: Path) -> Iterator[Variables]:
    """Open a .mat file; the shapes are those that MATLAB shows, () for structs.

    Numbers come as they are (sparse ones filled up), character arrays as one string a row, cell
    arrays as arrays of the numbers or the strings that their cells hold.
    """
    import h5py

    is_hdf5 = h5py.is_hdf5(path)
    with open(path, "rb") as stream:
        # A version 7.3 file cut short may no longer pass as HDF5, but its header still says so.
        if not is_hdf5 and stream.read(19) == b"MATLAB 7.3 MAT-file":
            raise UserError(f"{path} is a damaged or truncated MATLAB 7.3 file; copy it again")
    try:
        if is_hdf5:
            with h5py.File(path) as file:
                names = [name for name in file if not name.startswith("#")]  # cells' contents
                shapes = {name: tuple(reversed(getattr(file[name], "shape", ()))) for name in names}
                yield shapes, lambda name: _from_hdf5(path, name, file, file[name])
        else:
            from scipy.io import whosmat

            _check_elements(path)
            shapes = {name: shape for name, shape, _ in whosmat(str(path))}
            yield shapes, lambda name: _from_scipy(path, name)
    except UserError:
        raise
    # Neither SciPy nor h5py has an exception of its own for this: zlib.error, struct.error,
    # OSError, KeyError, RuntimeError, TypeError, IndexError and MemoryError have been met.
    except Exception as error:
        short = f"{type(error).__name__}: {str(error)[:120].partition(chr(10))[0]}"
        said = "damaged or truncated" if is_hdf5 else "not a readable MATLAB file"
        raise UserError(
            f"{path} is {said} ({short}); it may be truncated or of another kind, so copy it again"
        ) from None


def _from_hdf5(path: Path, name: str, file: Any, item: Any, in_cell: bool = False) -> NDArray:
    """Read a variable, or what one cell of it holds: a text, or an array of numbers."""
    kind = _hdf5_class(item)
    if in_cell and "MATLAB_class" not in item.attrs and item.dtype == np.uint16:
        kind = "char"  # MATLAB's characters, in a file that another program wrote
    if "MATLAB_sparse" in item.attrs:
        return _from_sparse(path, item)
    if item.attrs.get("MATLAB_empty", 0):
        return np.array("") if in_cell and kind == "char" else np.empty((0, 0))
    if kind == "cell" and not in_cell:
        cells = [file[reference] for reference in _stored(path, item).ravel(order="F")]
        return _from_cells(path, name, [_from_hdf5(path, name, file, c, True) for c in cells])
    if kind == "char":
        codes = _stored(path, item)
        return np.array(_text(codes) if in_cell else [_text(row) for row in np.atleast_2d(codes)])
    if kind not in _NUMBERS:
        raise _refused(path, name, kind)
    return _stored(path, item)


def _hdf5_class(item: Any) -> str:
    """Return MATLAB's class of a variable; a file that MATLAB did not write has none."""
    import h5py

    if "MATLAB_class" in item.attrs:
        return bytes(item.attrs["MATLAB_class"]).decode()
    if not hasattr(item, "dtype"):
        return "struct"
    if h5py.check_ref_dtype(item.dtype) is not None:
        return "cell"
    return "double" if item.dtype.kind in "biuf" else str(item.dtype)


def _stored(path: Path, item: Any) -> NDArray:
    """Read a dataset; HDF5 keeps MATLAB's column-major arrays with the axes reversed."""
    check_size(item.size * item.dtype.itemsize, path)
    values: NDArray = item[()]
    return values.T


def _text(codes: NDArray) -> str:
    return "".join(chr(int(code)) for code in np.ravel(codes, order="F")).strip()


def _from_sparse(path: Path, item: Any) -> NDArray:
    from scipy.sparse import csc_array

    n_rows, n_columns = int(item.attrs["MATLAB_sparse"]), len(item["jc"]) - 1
    check_size(8 * n_rows * n_columns, path)
    if "data" not in item:  # all zero
        return np.zeros((n_rows, n_columns))
    parts = tuple(_stored(path, item[key]) for key in ("data", "ir", "jc"))
    return csc_array(parts, shape=(n_rows, n_columns)).toarray()


def _from_scipy(path: Path, name: str) -> NDArray:
    from scipy.io import loadmat

    values = loadmat(str(path), variable_names=[name]).get(name)
    if values is None:
        raise UserError(f"{path}: variable {name!r} is damaged; copy the file again")
    if hasattr(values, "toarray"):  # sparse
        check_size(8 * values.shape[0] * values.shape[1], path)
        return np.asarray(values.toarray())
    if values.dtype == object:
        return _from_cells(path, name, [np.squeeze(c) for c in values.ravel(order="F")])
    if values.dtype.kind not in "biufcUS":
        raise _refused(path, name, "struct")
    return np.asarray(values)


def _from_cells(path: Path, name: str, values: Sequence[NDArray]) -> NDArray:
    """Return the one text or number of each cell as an array."""
    kinds = {value.dtype.kind in "US" for value in values}
    if len(kinds) > 1 or any(v.size != 1 or v.dtype.kind not in "USbiuf" for v in values):
        raise _refused(path, name, "cell")
    return np.array([value.item() for value in values])


def _refused(path: Path, name: str, kind: str) -> UserError:
    way_out = _WAY_OUT.get(kind, "a plain matrix or a cell array of texts").format(name)
    return UserError(
        f"{path}: variable {name!r} is a MATLAB {kind}, expected numbers or texts; in MATLAB, "
        f"save {way_out}"
    )


# Elements of files of version 5 to 7 (MathWorks, *MAT-File Format*).
_HEADER = 128  # bytes: text, version, and in the last two the byte order
_Order = Literal["little", "big"]
_ORDERS: dict[bytes, _Order] = {b"IM": "little", b"MI": "big"}
_NUMBER_TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}  # miINT8 ... miUINT64
_MATRIX, _COMPRESSED = 14, 15
_TEXT_TYPES = {16, 17, 18}  # miUTF8, miUTF16, miUTF32
_NUMERIC_CLASSES = range(5, 16)  # mxSPARSE, mxDOUBLE ... mxUINT64
_PREAMBLE = 3  # flags, dimensions and name come before the numbers
_PADDING = 64  # bytes that may follow a compressed element
_DEEPEST = 20  # cells in cells


def _check_elements(path: Path) -> None:
    """Check the types and sizes in a file before SciPy reads it.

    SciPy looks the number type of an element up without a bound; a damaged one ends the process.
    """
    data = path.read_bytes()
    order = _ORDERS.get(data[_HEADER - 2 : _HEADER])
    if order is not None and 0 not in data[:4]:  # else it is of version 4, without elements
        _check(data[_HEADER:], order, path, 0)


def _check(data: bytes | memoryview, order: _Order, path: Path, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    allowed = _NUMBER_TYPES | _TEXT_TYPES | {_MATRIX} if depth else {_MATRIX}
    numeric = False  # whether they are the parts of a matrix of numbers
    for number, (kind, content) in enumerate(_elements(data, order)):
        if kind == _COMPRESSED and not depth:
            kind, content = next(_elements(_inflated(content, order, path), order))
        elif depth and number == 0:
            numeric = int.from_bytes(content[:4], order) & 0xFF in _NUMERIC_CLASSES
        if kind not in (_NUMBER_TYPES if numeric and number >= _PREAMBLE else allowed):
            raise ValueError(f"an element of the unknown type {kind}")
        if kind == _MATRIX:
            _check(content, order, path, depth + 1)


def _elements(data: bytes | memoryview, order: _Order) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of the elements that follow one another."""
    left = memoryview(data)
    while left:
        kind, size = (int.from_bytes(left[i : i + 4], order) for i in (0, 4))
        if len(left) < 8:
            raise ValueError("it ends inside an element")
        if kind >> 16:  # a small element: type and size share four bytes, four hold the content
            kind, size, start, most = kind & 0xFFFF, kind >> 16, 4, 4
        else:
            start, most = 8, len(left) - 8
        if size > most:
            raise ValueError(f"an element of {size} bytes where {most} are left")
        yield kind, left[start : start + size]
        padding = 0 if kind == _COMPRESSED else -(start + size) % 8
        left = left[start + size + padding :]


def _inflated(data: memoryview, order: _Order, path: Path) -> bytes:
    """Decompress an element up to the size that its header says."""
    stream = zlib.decompressobj()
    head = stream.decompress(data, 8)
    size = int.from_bytes(head[4:8], order)
    check_size(size, path)
    rest = stream.decompress(stream.unconsumed_tail, size + _PADDING)
    if not stream.eof:
        raise ValueError("a compressed element that does not end where it says")
    return head + rest
