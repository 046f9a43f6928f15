"""Variables of MATLAB files: versions 4 to 7 through SciPy, 7.3 (HDF5) through h5py."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.matlab_elements import check_elements
from cdmer_bench.errors import UserError
from cdmer_bench.io import check_size

_LONGEST = 10_000  # characters of a name or label


def list_matlab(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the variables of a .mat file with the shapes that MATLAB shows.

    Raises
    ------
    UserError
        If the file is truncated, damaged or no MATLAB file.
    """
    import h5py

    if _is_hdf5(path):
        with _open_hdf5(path) as file:
            # Links are told, but not followed: MATLAB writes none, and they may lead anywhere.
            links = {name: () for name in file if not _is_here(file, name)}
            items = {name: file[name] for name in file if name not in links}
            shapes = {
                name: tuple(reversed(item.shape))
                for name, item in items.items()
                if isinstance(item, h5py.Dataset)
            }
            return {**links, **shapes}
    from scipy.io import whosmat

    return {name: shape for name, shape, _ in _guard(path, whosmat, str(path))}


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, NDArray]:
    """Read variables of a .mat file, in MATLAB's orientation.

    Numbers come as they are, character arrays as one string a row, cell arrays of strings as
    arrays of strings.

    Raises
    ------
    UserError
        If the file is damaged or a variable is neither numbers nor strings.
    """
    if _is_hdf5(path):
        with _open_hdf5(path) as file:
            return {name: _hdf5_array(path, file, name) for name in names}
    from scipy.io import loadmat

    _guard(path, check_elements, path.read_bytes(), path)
    loaded = _guard(path, loadmat, str(path), variable_names=list(names))
    for name in names:
        if name not in loaded:
            raise UserError(f"{path}: variable {name!r} is damaged; copy the file again")
    return {name: _plain(path, name, loaded[name]) for name in names}


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


@contextmanager
def _open_hdf5(path: Path) -> Iterator[Any]:
    """Yield the open file; whatever h5py raises on a damaged one becomes one sentence."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except UserError:
        raise
    # OSError, KeyError, RuntimeError, ValueError and TypeError have all been met; a damaged shape
    # asks for more memory than there is.
    except Exception as error:
        raise UserError(
            f"{path} is damaged or truncated ({_short(error)}); copy it again"
        ) from None


def _hdf5_array(path: Path, file: Any, name: str) -> NDArray:
    import h5py

    try:
        if not _is_here(file, name):
            raise UserError(_elsewhere(path, name))
        item = file[name]
        kind = item.attrs.get("MATLAB_class", b"double")
        if item.attrs.get("MATLAB_empty", 0):
            return np.empty((0, 0))
        # HDF5 keeps MATLAB's column-major arrays with the axes reversed.
        values = _values(path, name, item).T
        if kind == b"cell" and h5py.check_ref_dtype(item.dtype) is not None:
            cells = [file[reference] for reference in values.ravel(order="F")]
            return np.array([_text(path, name, _values(path, name, c).T) for c in cells])
    except (OSError, KeyError, RuntimeError) as error:
        raise UserError(
            f"{path}: variable {name!r} is damaged ({_short(error)}); copy the file again"
        ) from None
    if kind == b"char":
        return np.array([_text(path, name, row) for row in np.atleast_2d(values)])
    return _plain(path, name, values)


def _is_here(file: Any, name: str) -> bool:
    """Whether a name is the object itself and no link to another place or file."""
    import h5py

    return isinstance(file.get(name, getlink=True), h5py.HardLink)


def _elsewhere(path: Path, name: str) -> str:
    return (
        f"{path}: variable {name!r} is a link or lies in another file, which is not followed; "
        "save its values in this file"
    )


def _values(path: Path, name: str, item: Any) -> NDArray:
    """Read a dataset whose numbers are all in this file, and fit into the memory."""
    if item.external or item.is_virtual:
        raise UserError(_elsewhere(path, name))
    check_size(item.size * item.dtype.itemsize, path)
    values: NDArray = item[()]
    return values


def _plain(path: Path, name: str, values: NDArray) -> NDArray:
    """Return numbers or strings as a plain array; unpack cells of strings; refuse the rest."""
    if not isinstance(values, np.ndarray):  # SciPy gives MATLAB's sparse matrices their own type
        raise UserError(f"{path}: variable {name!r} is sparse; save it as full({name})")
    if values.dtype == object:
        cells = [np.asarray(cell) for cell in values.ravel(order="F")]
        if all(cell.size == 1 and cell.dtype.kind in "USbiuf" for cell in cells):
            return np.array([cell.ravel()[0] for cell in cells])
    elif values.dtype.kind in "biufUS":
        return values
    raise UserError(
        f"{path}: variable {name!r} holds {values.dtype}, expected an array of numbers or of "
        "strings; save it as a plain matrix"
    )


def _text(path: Path, name: str, codes: NDArray) -> str:
    if codes.size > _LONGEST:
        raise UserError(
            f"{path}: variable {name!r} holds a text of {codes.size} characters, expected names "
            f"of at most {_LONGEST}"
        )
    return "".join(chr(int(code)) for code in np.ravel(codes)).strip()


def _guard(path: Path, function: Any, *arguments: Any, **options: Any) -> Any:
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
