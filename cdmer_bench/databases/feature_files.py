"""Reading named arrays out of feature files: MATLAB (all versions), NumPy and CSV."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.matlab_files import list_matlab, read_matlab
from cdmer_bench.errors import DataMissing, UserError, nearest_neighbour
from cdmer_bench.io import check_archive_size

SUFFIXES = (".mat", ".npz", ".csv")


def locate(path: Path, advice: str) -> Path:
    """Return ``path`` if it is a file that can be read; ``advice`` ends the error's sentence.

    Raises
    ------
    DataMissing
        If there is no such file.
    UserError
        If it is a folder or empty.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected a feature file; {advice}")
    if not path.exists():
        raise DataMissing(f"{path} does not exist; {nearest_neighbour(path)}{advice}")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty (0 bytes); {advice}")
    return path


def list_variables(path: Path) -> dict[str, tuple[int, ...]]:
    """List the variables of a feature file with their shapes (MATLAB's shapes for .mat).

    Raises
    ------
    UserError
        If the file is damaged or of another kind.
    """
    if path.suffix.lower() == ".mat":
        return list_matlab(path)
    if path.suffix.lower() == ".npz":
        with _open_npz(path) as arrays:
            return {name: _npz_array(path, arrays, name).shape for name in arrays.files}
    if path.suffix.lower() == ".csv":
        table = _read_csv(path)
        return {str(column): (len(table),) for column in table.columns}
    raise UserError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")


def read_variables(path: Path, names: Iterable[str]) -> dict[str, NDArray]:
    """Read variables of a .mat or .npz file.

    Raises
    ------
    UserError
        If the file is damaged, lacks a variable (those found are listed), or stores Python
        objects, which could run code when loaded.
    """
    wanted = list(names)
    found = list_variables(path)
    for name in wanted:
        if name not in found:
            listed = ", ".join(f"{key} {shape}" for key, shape in sorted(found.items())[:20])
            raise UserError(
                f"{path} has no variable {name!r}; it has: {listed or 'none'}; "
                "name the right one in the corpus configuration"
            )
    if path.suffix.lower() == ".mat":
        return read_matlab(path, wanted)
    with _open_npz(path) as arrays:
        return {name: _npz_array(path, arrays, name) for name in wanted}


def read_csv_columns(
    path: Path, features: str, labels: str, subjects: str | None
) -> dict[str, NDArray]:
    """Read a CSV table with a header: one row a sample, one column a feature.

    ``features`` is ``'*'`` (every column but the labels and subjects) or the common start of the
    feature columns' names. The answer has the keys ``features``, ``labels`` and, where asked
    for, ``subjects``.
    """
    table = _read_csv(path)
    for column in (labels, subjects):
        if column is not None and column not in table.columns:
            listed = ", ".join(map(str, table.columns[:20]))
            raise UserError(f"{path} has no column {column!r}; it has: {listed}")
    others = [c for c in table.columns if c not in (labels, subjects)]
    chosen = others if features == "*" else [c for c in others if str(c).startswith(features)]
    if not chosen:
        raise UserError(
            f"{path} has no feature column starting with {features!r}; "
            "give the start of their names, or '*' for all other columns"
        )
    for column in chosen:
        if not np.issubdtype(table[column].to_numpy().dtype, np.number):
            raise UserError(f"{path}: column {column!r} is not numeric; leave it out of features")
    read = {"features": table[chosen].to_numpy(np.float64), "labels": table[labels].to_numpy()}
    if subjects is not None:
        read["subjects"] = table[subjects].to_numpy().astype(str)
    return read


def _open_npz(path: Path) -> Any:
    try:
        arrays = np.load(path, allow_pickle=False)
    # A damaged archive makes zipfile, zlib and NumPy raise errors of many kinds of their own.
    except Exception as error:
        raise UserError(f"{path} is not a readable .npz file ({error}); copy it again") from None
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise UserError(f"{path} holds a single array, expected an .npz file of named arrays")
    assert arrays.zip is not None  # until it is closed
    check_archive_size(arrays.zip, path)
    return arrays


def _npz_array(path: Path, arrays: Any, name: str) -> NDArray:
    try:
        return arrays[name]
    except Exception as error:
        if isinstance(error, ValueError) and "pickle" in str(error).lower():
            raise UserError(
                f"{path}: variable {name!r} holds Python objects, which are refused because "
                "loading them can run code; save it as an array of numbers or strings"
            ) from None
        raise UserError(f"{path}: variable {name!r} is damaged ({error}); copy it again") from None


def _read_csv(path: Path) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable CSV table ({error})") from None
