"""Named arrays out of feature files (MATLAB of any version, NumPy, CSV), and their checks."""

import csv
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Finding
from cdmer_bench.databases.matlab import list_matlab, read_matlab
from cdmer_bench.errors import DataMissing, UserError, nearest_neighbour
from cdmer_bench.io import check_archive_size

SUFFIXES = (".mat", ".npz", ".csv")


def locate(path: Path, advice: str) -> Path:
    """Return ``path`` if it is a file that can be read; ``advice`` ends the error's sentence."""
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected a feature file; {advice}")
    if not path.exists():
        raise DataMissing(f"{path} does not exist; {nearest_neighbour(path)}{advice}")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty (0 bytes); {advice}")
    return path


def list_variables(path: Path) -> dict[str, tuple[int, ...]]:
    """List the variables of a feature file with their shapes (MATLAB's shapes for .mat)."""
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
    """Read variables of a .mat or .npz file."""
    wanted = list(names)
    found = list_variables(path)
    for name in wanted:
        if name not in found:
            listed = ", ".join(f"{key} {shape}" for key, shape in sorted(found.items())[:20])
            if "None" in found:  # SciPy's name for what only MATLAB can read
                listed += f" (strings, categoricals and tables of MATLAB: save cellstr({name}))"
            raise UserError(
                f"{path} has no variable {name!r}; it has: {listed or 'none'}; "
                "name the right one in the corpus configuration"
            )
    if path.suffix.lower() == ".mat":
        return read_matlab(path, wanted)
    with _open_npz(path) as arrays:
        return {name: _npz_array(path, arrays, name) for name in wanted}


@dataclass
class CsvFeatures:
    """What a CSV table holds: one row a sample, one column a feature."""

    X: NDArray[np.float64]  # (n_samples, n_features)
    labels: NDArray  # (n_samples,)
    subjects: NDArray[np.str_] | None  # (n_samples,), or None
    names: tuple[str, ...]  # of the columns of ``X``
    # columns that were not taken, and why
    left_out: dict[str, str] = field(default_factory=dict)
    # columns that were taken, but are named otherwise than the rest
    unlike: list[str] = field(default_factory=list)


# Names of columns that tell where a sample is from, which no classifier may see.
_BOOKKEEPING = re.compile(
    r"(unnamed: ?\d+|index|id|row|sample|subjects?|subj?|participant|person|labels?|class|emotion|"
    r"clip|video|file|filename|path|database|dataset|domain|fold|split|onset|apex|offset)"
    r"([ _-]?(id|no|nr|num|number|index|name|frame))?",
    re.IGNORECASE,
)


def read_csv_features(
    path: Path,
    # the common start of the feature columns' names, a list of names, or ``'*'``: every column but
    # labels, subjects and what only looks like a feature (row numbers, texts, columns such as
    # ``fold``, other codes of the labels or subjects)
    features: str | Sequence[str],
    labels: str,  # names of columns; ``subjects`` may be None
    subjects: str | None,  # names of columns; ``subjects`` may be None
) -> CsvFeatures:
    """Read a CSV table with a header."""
    table = _read_csv(path)
    listed = [features] if isinstance(features, str) else list(features)
    asked = [labels, subjects, *(listed if not isinstance(features, str) else [])]
    for column in asked:
        if column is not None and column not in table.columns:
            shown = ", ".join(map(str, table.columns[:20]))
            raise UserError(f"{path} has no column {column!r}; it has: {shown}")
    others = [c for c in table.columns if c not in (labels, subjects)]
    left_out: dict[str, str] = {}
    if features == "*":
        left_out = {c: why for c in others if (why := _no_feature(table, c, labels, subjects))}
        chosen = [c for c in others if c not in left_out]
    elif isinstance(features, str):
        chosen = [c for c in others if c.startswith(features)]
    else:
        chosen = listed
    if not chosen:
        raise UserError(
            f"{path} has no feature column {'left' if left_out else f'starting with {features!r}'}"
            "; give the start of their names, a list of names, or '*' for all other columns"
        )
    for column in chosen:
        if table[column].dtype.kind not in "iuf":
            raise UserError(f"{path}: column {column!r} is not numeric{_first_text(table[column])}")
    return CsvFeatures(
        table[chosen].to_numpy(np.float64),
        table[labels].to_numpy(),
        None if subjects is None else table[subjects].to_numpy().astype(str),
        tuple(chosen),
        left_out,
        _unlike(chosen) if isinstance(features, str) else [],
    )


def _no_feature(table: Any, column: str, labels: str, subjects: str | None) -> str:
    """Say why a column is no feature; empty where nothing speaks against it."""
    values = table[column]
    if _BOOKKEEPING.fullmatch(column.strip()):
        return "its name is not that of a feature"
    if values.dtype.kind not in "iuf":
        # A column of numbers with a slip in it is no text; it is refused where it is read.
        return "" if _count_numbers(values) else "texts"
    if len(values) > 2 and values.dtype.kind in "iu" and (values.diff().iloc[1:] == 1).all():
        return "row numbers"
    for other in (labels, subjects):
        if other is not None and _same_groups(values, table[other]):
            return f"another code of {other}"
    return ""


def _same_groups(values: Any, others: Any) -> bool:
    """Whether two columns divide the rows in the same way, into fewer groups than rows."""
    pairs = set(zip(values, others, strict=True))
    return 1 < len(pairs) == values.nunique() == others.nunique() < len(values)


def _count_numbers(values: Any) -> int:
    import pandas as pd

    texts = values.astype(str)
    if values.dtype.kind == "b":
        return 0
    return int(pd.to_numeric(texts, errors="coerce").notna().sum())


def _first_text(values: Any) -> str:
    import pandas as pd

    wrong = pd.to_numeric(values.astype(str), errors="coerce").isna()
    if not wrong.any():
        return "; leave it out of features"
    row = int(np.argmax(wrong.to_numpy()))
    return f" ({values.iloc[row]!r} in line {row + 2}); correct it or leave it out of features"


def _unlike(names: Sequence[str]) -> list[str]:
    """Return the columns that have no number at their end where most of the others have one."""
    plain = [name for name in names if not re.search(r"\d+$", name)]
    return plain if 0 < len(plain) < len(names) / 2 else []


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
        with open(path, encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            separator = max(",;\t", key=head.count)
            header = next(csv.reader([head], delimiter=separator), [])
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise UserError(
                f"{path} has {header.count(twice[0])} columns named {twice[0]!r}; features are "
                "matched by name, so give each column a name of its own"
            )
        # index_col=False: a row with one value too many would turn the first column into an index.
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, sep=separator, index_col=False, encoding="utf-8-sig")
    except UserError:
        raise
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise UserError(f"{path} is not a readable CSV table ({error})") from None
    table.columns = table.columns.astype(str)
    return table


def check_features(
    X: NDArray,  # (n_samples, ...)
    where: str,  # file and variable, to begin the error's sentence
) -> NDArray[np.float64]:
    """Return features as float64, or say what is wrong with them."""
    if X.dtype.kind not in "biuf":
        raise UserError(f"{where} holds {X.dtype} values, expected real numbers")
    if X.size == 0:
        raise UserError(f"{where} is empty (shape {X.shape}), expected samples with features")
    finite = np.isfinite(X).reshape(len(X), -1)
    if not finite.all():
        bad = np.flatnonzero(~finite.all(axis=1))
        rows = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise UserError(
            f"{where} holds NaN or infinite values in {len(bad)} of {len(X)} samples "
            f"(rows {rows}, counted from 0); repair or remove these samples"
        )
    return np.ascontiguousarray(X, dtype=np.float64)


def repeated(X: NDArray, y: NDArray, where: str) -> tuple[Finding, ...]:
    """Name samples that are there more than once; with two labels they contradict each other."""
    first: dict[bytes, int] = {}
    pairs = [(first.setdefault(row.tobytes(), i), i) for i, row in enumerate(X)]
    pairs = [(one, other) for one, other in pairs if one != other]
    if not pairs:
        return ()
    contrary = [(one, other) for one, other in pairs if y[one] != y[other]]
    one, other = (contrary or pairs)[0]
    text = f"{len(pairs)} of {len(X)} samples repeat an earlier one"
    if contrary:
        text += f", {len(contrary)} under another label"
    text += f" (such as rows {one} and {other}, counted from 0); remove one of each"
    return (Finding("warning", text, where, "repeated-samples"),)


def label_vector(labels: NDArray, where: str) -> NDArray:
    """Return labels of shape (n,), (n, 1) or (1, n) as (n,); refuse one-hot matrices."""
    if labels.ndim > 2 or (labels.ndim == 2 and 1 not in labels.shape):
        raise UserError(
            f"{where} has shape {labels.shape}, expected one label a sample, not a matrix"
        )
    return labels.ravel()


def encode_labels(
    labels: NDArray,  # (n_samples,), whole numbers or strings
    classes: Sequence[str],
    where: str,  # file and variable, to begin the error's sentence
    # the number that stands for the first class, where there is no ``label_map``; None is 1, as
    # long as no label is the name of another class
    first_label: int | None = None,
    label_map: Mapping[Any, str] | None = None,  # from the values in the file to names of classes
) -> NDArray[np.intp]:
    """Turn the labels of a file into indices of classes."""
    position = {name: index for index, name in enumerate(classes)}
    keys = [_label_key(value) for value in labels.tolist()]
    if label_map is not None:
        unknown = sorted({str(name) for name in label_map.values()} - set(position))
        if unknown:
            raise UserError(
                f"label_map for {where} names the class {unknown[0]!r}, which is none of the "
                f"classes {', '.join(classes)}"
            )
        codes = {_label_key(value): position[str(name)] for value, name in label_map.items()}
        expected = ", ".join(codes)
    else:
        first = 1 if first_label is None else first_label
        numbers = {str(first + index): index for index in range(len(classes))}
        for key in keys if first_label is None else ():
            if position.get(key, 0) != numbers.get(key, 0) and key in position and key in numbers:
                raise UserError(
                    f"{where} holds the label {key!r}, which could be the class of that name or, "
                    f"counted from {first}, the class {classes[numbers[key]]!r}; set first_label "
                    "to the number of the first class, or label_map"
                )
        codes = position | numbers
        expected = f"{first} to {first + len(classes) - 1} or {', '.join(classes)}"
    for row, key in enumerate(keys):
        if key not in codes:
            raise UserError(
                f"{where} holds the label {key!r} in row {row} (counted from 0), expected "
                f"{expected}; correct it, or set classes, first_label or label_map"
            )
    _refuse_two_names(keys, codes, classes, where, label_map)
    return np.array([codes[key] for key in keys], dtype=np.intp)


def _refuse_two_names(
    keys: Sequence[str],
    codes: Mapping[str, int],
    classes: Sequence[str],
    where: str,
    label_map: Mapping[Any, str] | None,
) -> None:
    """Refuse two labels for one class, unless a label map says so."""
    used: dict[int, str] = {}
    for key in keys if label_map is None else ():
        if used.setdefault(codes[key], key) != key:
            raise UserError(
                f"{where} holds the labels {used[codes[key]]!r} and {key!r}, which both stand for "
                f"the class {classes[codes[key]]!r}; set label_map to say what each one means"
            )


def _label_key(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
