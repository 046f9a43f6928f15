"""Variables of MATLAB files: versions 4 to 7 through SciPy, 7.3 (HDF5) through h5py."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.matlab_elements import check_elements
from cdmer_bench.errors import UserError
from cdmer_bench.io import check_size

_NUMBERS = {"double", "single", "logical"} | {
    f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)
}
# What MATLAB keeps as an object, or in parts, and what to save in its place.
_WAY_OUT = {
    "string": "cellstr({0})",
    "categorical": "cellstr({0})",
    "struct": "its fields as variables of their own",
    "table": "its columns as variables of their own",
    "cell": "a matrix, or a cell array with one number or one text in each cell",
}


def list_matlab(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the variables of a .mat file with the shapes that MATLAB shows."""
    if _is_hdf5(path):
        return _hdf5(path, _hdf5_shapes)
    from scipy.io import whosmat

    return {name: shape for name, shape, _ in _scipy(path, whosmat, str(path))}


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, NDArray]:
    """Read variables of a .mat file, in MATLAB's orientation.

    Numbers come as they are (sparse ones filled up), character arrays as one string a row, cell
    arrays as arrays of the numbers or the strings that their cells hold.
    """
    if _is_hdf5(path):
        return _hdf5(path, lambda file: {name: _from_hdf5(path, file, name) for name in names})
    from scipy.io import loadmat

    _scipy(path, check_elements, path.read_bytes(), path)
    loaded = _scipy(path, loadmat, str(path), variable_names=list(names))
    for name in names:
        if name not in loaded:
            raise UserError(f"{path}: variable {name!r} is damaged; copy the file again")
    return {name: _from_scipy(path, name, loaded[name]) for name in names}


def _is_hdf5(path: Path) -> bool:
    import h5py

    if h5py.is_hdf5(path):
        return True
    with open(path, "rb") as stream:
        header = stream.read(19)
    # A version 7.3 file cut short may no longer pass as HDF5, but its header still says so.
    if header.startswith(b"MATLAB 7.3 MAT-file"):
        raise UserError(f"{path} is a damaged or truncated MATLAB 7.3 file; copy it again")
    return False


def _hdf5(path: Path, read: Callable[[Any], Any]) -> Any:
    """Open a file and read from it; whatever h5py raises on a damaged one becomes one sentence."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return read(file)
    except UserError:
        raise
    # OSError, KeyError, RuntimeError, ValueError and TypeError have all been met; a damaged shape
    # asks for more memory than there is.
    except Exception as error:
        raise UserError(
            f"{path} is damaged or truncated ({_short(error)}); copy it again"
        ) from None


def _hdf5_shapes(file: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of every variable; () for what is kept in parts, such as structs."""
    names = [name for name in file if not name.startswith("#")]  # #refs#: contents of cells
    return {name: tuple(reversed(getattr(file[name], "shape", ()))) for name in names}


def _from_hdf5(path: Path, file: Any, name: str) -> NDArray:
    item = file[name]
    kind = _hdf5_class(item)
    if "MATLAB_sparse" in item.attrs:
        return _sparse(path, item)
    if item.attrs.get("MATLAB_empty", 0):
        return np.empty((0, 0))
    if kind == "cell":
        cells = [file[reference] for reference in _numbers(path, item).ravel(order="F")]
        return _from_cells(path, name, [_cell(path, name, cell) for cell in cells])
    if kind == "char":
        return np.array([_text(row) for row in np.atleast_2d(_numbers(path, item))])
    if kind not in _NUMBERS:
        raise _refused(path, name, kind)
    return _numbers(path, item)


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


def _numbers(path: Path, item: Any) -> NDArray:
    """Read a dataset; HDF5 keeps MATLAB's column-major arrays with the axes reversed."""
    check_size(item.size * item.dtype.itemsize, path)
    values: NDArray = item[()]
    return values.T


def _cell(path: Path, name: str, item: Any) -> Any:
    """Return what one cell holds: a text, or an array of numbers."""
    kind = _hdf5_class(item)
    if "MATLAB_class" not in item.attrs and item.dtype == np.uint16:
        kind = "char"  # MATLAB's characters, in a file that another program wrote
    if kind == "char":
        return "" if item.attrs.get("MATLAB_empty", 0) else _text(_numbers(path, item))
    if kind not in _NUMBERS:
        raise _refused(path, name, kind)
    return _numbers(path, item)


def _from_cells(path: Path, name: str, cells: Sequence[Any]) -> NDArray:
    """Return the one text or number of each cell as an array."""
    values = [np.asarray(cell) for cell in cells]
    kinds = {"text" if value.dtype.kind in "US" else "number" for value in values}
    if len(kinds) > 1 or any(v.size != 1 or v.dtype.kind not in "USbiuf" for v in values):
        raise _refused(path, name, "cell")
    return np.array([value.ravel()[0] for value in values])


def _sparse(path: Path, item: Any) -> NDArray:
    from scipy.sparse import csc_array

    n_rows, n_columns = int(item.attrs["MATLAB_sparse"]), len(item["jc"]) - 1
    check_size(8 * n_rows * n_columns, path)
    if "data" not in item:  # all zero
        return np.zeros((n_rows, n_columns))
    parts = (item["data"][()], item["ir"][()], item["jc"][()])
    return csc_array(parts, shape=(n_rows, n_columns)).toarray()


def _from_scipy(path: Path, name: str, values: Any) -> NDArray:
    """Return numbers or strings as a plain array; unpack cells and sparse matrices."""
    if hasattr(values, "toarray"):
        check_size(8 * values.shape[0] * values.shape[1], path)
        return np.asarray(values.toarray())
    if values.dtype == object:
        return _from_cells(path, name, [np.squeeze(c) for c in values.ravel(order="F")])
    if values.dtype.kind in "biufcUS":
        return np.asarray(values)
    raise _refused(path, name, "struct")


def _refused(path: Path, name: str, kind: str) -> UserError:
    way_out = _WAY_OUT.get(kind, "a plain matrix or a cell array of texts").format(name)
    return UserError(
        f"{path}: variable {name!r} is a MATLAB {kind}, expected numbers or texts; in MATLAB, "
        f"save {way_out}"
    )


def _text(codes: NDArray) -> str:
    return "".join(chr(int(code)) for code in np.ravel(codes, order="F")).strip()


def _scipy(path: Path, function: Any, *arguments: Any, **options: Any) -> Any:
    """Call a SciPy reader; whatever a damaged file makes it raise becomes one sentence."""
    try:
        return function(*arguments, **options)
    except (MemoryError, UserError):
        raise
    # SciPy's parser has no exception of its own: zlib.error, struct errors, TypeError and
    # IndexError have all been met on files cut short.
    except Exception as error:
        raise UserError(
            f"{path} is not a readable MATLAB file ({_short(error)}); "
            "it may be truncated or of another kind, so copy it again"
        ) from None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
