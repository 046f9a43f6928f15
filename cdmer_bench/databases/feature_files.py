"""Named arrays from feature files (MATLAB of any version, NumPy, CSV), and their checks."""

import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.databases.base import Finding, finding
from cdmer_bench.databases.matlab import Variables, open_matlab
from cdmer_bench.errors import DataMissing, UserError, nearest_neighbour
from cdmer_bench.io import check_archive_size, check_quotes, one_line

SUFFIXES = (".mat", ".npz", ".csv")
_MOST_NAMED = 20  # columns that were not taken
# Names of columns that tell where a sample is from, which no classifier may see.
_BOOKKEEPING = re.compile(
    r"(unnamed: ?\d+|index|id|row|sample|subjects?|subj?|participant|person|labels?|class|emotion|"
    r"clip|video|file|filename|path|database|dataset|domain|fold|split|onset|apex|offset)"
    r"([ _-]?(id|no|nr|num|number|index|name|frame))?",
    re.IGNORECASE,
)


@dataclass
class Content:
    """What a feature file holds, before its samples are counted."""

    X: NDArray
    labels: NDArray
    subjects: NDArray | None
    names: tuple[str, ...] | None = None  # of the columns of ``X``, where the file has names
    findings: tuple[Finding, ...] = ()


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
    if path.suffix.lower() == ".csv":
        return {name: column.shape for name, column in _read_csv(path).items()}
    with _opened(path) as (shapes, _):
        return shapes


def read_variables(path: Path, names: Iterable[str]) -> dict[str, NDArray]:
    """Read variables of a .mat or .npz file."""
    wanted = list(names)
    with _opened(path) as (found, read):
        for name in wanted:
            if name not in found:
                listed = ", ".join(f"{key} {shape}" for key, shape in sorted(found.items())[:20])
                if "None" in found:  # SciPy's name for values that only MATLAB can read
                    listed += f" (strings, categoricals and tables of MATLAB: save cellstr({name}))"
                raise UserError(
                    f"{path} has no variable {name!r}; it has: {listed or 'none'}; "
                    "name the right one in the corpus configuration"
                )
        return {name: read(name) for name in wanted}


def _opened(path: Path) -> AbstractContextManager[Variables]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    return open_matlab(path) if suffix == ".mat" else _open_npz(path)


@contextmanager
def _open_npz(path: Path) -> Iterator[Variables]:
    try:
        arrays: Any = np.load(path, allow_pickle=False)
    # A damaged archive makes zipfile, zlib and NumPy raise errors of many kinds of their own.
    except Exception as error:
        raise UserError(f"{path} is not a readable .npz file ({error}); copy it again") from None
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise UserError(f"{path} holds a single array, expected an .npz file of named arrays")

    def read(name: str) -> NDArray:
        try:
            return arrays[name]
        except Exception as error:
            if "pickle" not in str(error).lower():
                raise UserError(
                    f"{path}: variable {name!r} is damaged ({error}); copy it again"
                ) from None
            raise UserError(
                f"{path}: variable {name!r} holds Python objects, which are refused because "
                "loading them can run code; save it as an array of numbers or strings"
            ) from None

    with arrays:
        assert arrays.zip is not None  # until it is closed
        check_archive_size(arrays.zip, path)
        yield {name: read(name).shape for name in arrays.files}, read


def read_features(
    path: Path,
    # name of the variable. In a .csv file the common start of the columns' names, a list of names,
    # or ``'*'``: every column but labels, subjects and what only looks like a feature (row numbers,
    # texts, columns such as ``fold``, other codes of the labels or subjects)
    features: str | Sequence[str],
    labels: str,
    subjects: str | None,
) -> Content:
    """Read features, labels and subjects by their names."""
    if path.suffix.lower() != ".csv":
        assert isinstance(features, str)  # a list is of columns
        named = [] if subjects is None else [subjects]
        arrays = read_variables(path, [features, labels, *named])
        return Content(arrays[features], arrays[labels], arrays[named[0]] if named else None)
    labels, subjects = labels.strip(), None if subjects is None else subjects.strip()
    table = _read_csv(path, (labels, subjects))
    listed = [] if isinstance(features, str) else [name.strip() for name in features]
    for column in (labels, subjects, *listed):
        if column is not None and column not in table.columns:
            shown = ", ".join(map(str, table.columns[:20]))
            raise UserError(f"{path} has no column {column!r}; it has: {shown}")
    wrong = [c for c in listed if c == labels or listed.count(c) > 1]
    if wrong:
        what = "which holds the labels" if wrong[0] == labels else "more than once"
        raise UserError(f"{path}: features lists {wrong[0]!r} {what}; leave it out of the list")
    if table.empty:
        raise UserError(f"{path} has names of columns, but no row; expected one for each sample")
    others = [c for c in table.columns if c not in (labels, subjects)]
    start = "" if listed or features == "*" else str(features).strip()
    chosen = listed or [c for c in others if c.startswith(start)]
    judged = [] if listed else [c for c in others if not start or not c.startswith(start)]
    left_out = {c: why for c in judged if (why := _no_feature(table, c, labels, subjects))}
    if start:  # what else would be a feature is told
        why = f"it does not begin with {start!r}"
        left_out = dict.fromkeys((c for c in judged if c not in left_out), why)
    else:
        chosen = [c for c in chosen if c not in left_out]
    if not chosen:
        raise UserError(
            f"{path} has no feature column {f'starting with {start!r}' if start else 'left'}"
            "; give the start of their names, a list of names, or '*' for all other columns"
        )
    for column in chosen:
        if table[column].dtype.kind not in "iuf":
            row = int(np.argmax(_as_numbers(table[column]).isna()))
            found = table[column].iloc[row]
            comma = isinstance(found, str) and _DECIMAL_COMMA.fullmatch(found.strip())
            raise UserError(
                f"{path}: column {column!r} is not numeric ({found!r} in line {row + 2}); "
                + ("write decimal points" if comma else "correct it or leave it out of features")
            )
    return Content(
        table[chosen].to_numpy(np.float64),
        table[labels].to_numpy(),
        None if subjects is None else table[subjects].to_numpy(),
        tuple(chosen),
        _tell_columns(path, features, chosen, left_out),
    )


def _read_csv(
    path: Path,
    # columns of texts as they are written: 1.10 is not 1.1, and NA is no missing number
    texts: Sequence[str | None] = (),
) -> Any:
    import pandas as pd

    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
        separator = max(",;\t", key=head.count)
        header = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise UserError(
                f"{path} has {header.count(twice[0])} columns named {twice[0]!r}; features are "
                "matched by name, so give each column a name of its own"
            )
        # index_col=False: a row with one value too many would turn the first column into an index.
        options: dict[str, Any] = {"sep": separator, "index_col": False, "encoding": "utf-8-sig"}
        as_text: Any = {place: str for place, name in enumerate(header) if name in texts}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, **options, dtype=as_text)
            table.columns = table.columns.astype(str).str.strip()
            if table.iloc[:, list(as_text)].isna().any(axis=None):
                whole = pd.read_csv(path, **options, dtype=str, na_filter=False)
                for place in as_text:
                    table.isetitem(place, whole.iloc[:, place])
        texts_of = table.select_dtypes(exclude="number").astype(str)
        if any(texts_of[name].str.contains("\n", regex=False).any() for name in texts_of):
            check_quotes(path.read_text("utf-8-sig"), separator, path)
    except UserError:
        raise
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise UserError(
            f"{path} is not a readable CSV table ({one_line(str(error))}); save it in UTF-8, with "
            "the names of the columns in the first line and as many values in each other"
        ) from None
    return table


# A number as it is written where the comma stands before the decimals.
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.I)


def _no_feature(table: Any, column: str, labels: str, subjects: str | None) -> str:
    """Say why a column is no feature; empty where nothing speaks against it."""
    values = table[column]
    if _BOOKKEEPING.fullmatch(column.strip()):
        return "its name is not that of a feature"
    if values.dtype.kind not in "iuf":
        # A column of numbers with a typing error is not text; it is refused where it is read.
        numbers = (
            _as_numbers(values).notna().any()
            or values.astype(str).str.fullmatch(_DECIMAL_COMMA).any()
        )
        return "" if numbers else "texts"
    steps = set(values.diff().iloc[1:])  # row numbers may be written as 0.0, 1.0, 2.0, and fall
    if len(values) > 2 and steps in ({1}, {-1}) and (values % 1 == 0).all():
        return "row numbers"
    for other in (labels, subjects):
        if other is not None:
            # Both divide the rows in the same way, into fewer groups than rows.
            pairs = set(zip(values, table[other], strict=True))
            if 1 < len(pairs) == values.nunique() == table[other].nunique() < len(values):
                return f"another code of {other}"
    return ""


def _as_numbers(values: Any) -> Any:
    """Return the numbers that the texts of a column are, NaN for any other text."""
    import pandas as pd

    return pd.to_numeric(values.astype(str), errors="coerce")


def _tell_columns(
    path: Path, features: str | Sequence[str], chosen: Sequence[str], left_out: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Say which columns were not taken, and which were though their names are unlike the rest."""
    told = []
    if left_out:
        listed = [f"{name!r}: {why}" for name, why in left_out.items()]
        more = [f"and {len(listed) - _MOST_NAMED} more"] if len(listed) > _MOST_NAMED else []
        reasons = "; ".join(listed[:_MOST_NAMED] + more)
        counts = {"taken": len(chosen), "n": len(left_out)}
        told.append(finding("columns-left-out", path, **counts, reasons=reasons))
    stems = [re.sub(r"\d+$", "", name) for name in chosen]
    usual, n_usual = Counter(stems).most_common(1)[0]
    unlike = [
        name
        for name, stem in zip(chosen, stems, strict=True)
        # without a number, or alone with its stem where most have another
        if name == stem or (stem != usual and n_usual > len(chosen) / 2 and stems.count(stem) == 1)
    ]
    if isinstance(features, str) and 0 < len(unlike) < len(chosen) / 2:
        names = ", ".join(unlike)
        told.append(finding("columns-unlike", path, features=features, names=names))
    return tuple(told)


def check_features(
    X: NDArray,  # (n_samples, ...)
    where: str,  # file and variable, to begin the error's sentence
) -> NDArray[np.float64]:
    """Return features as float64, or say what is wrong with them."""
    if X.dtype.kind not in "biuf":
        raise UserError(f"{where} holds {X.dtype} values, expected real numbers")
    if X.size == 0:
        raise UserError(f"{where} is empty (shape {X.shape}), expected samples with features")
    with np.errstate(over="ignore"):  # of numbers beyond float64, which are told as infinite
        X = np.ascontiguousarray(X, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(X).reshape(len(X), -1).all(axis=1))
    if len(bad):
        rows = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise UserError(
            f"{where} holds NaN or infinite values in {len(bad)} of {len(X)} samples "
            f"(rows {rows}, counted from 0); repair or remove these samples"
        )
    return X


def one_each(values: NDArray, what: str, where: str) -> list[str]:
    """Return the label or subject of each sample as text; refuse a matrix of them."""
    if values.ndim > 2 or (values.ndim == 2 and 1 not in values.shape):
        raise UserError(
            f"{where} has shape {values.shape}, expected one {what} a sample, not a matrix"
        )
    return [as_written(value) for value in values.ravel().tolist()]


def encode_labels(
    labels: NDArray,  # whole numbers or strings, (n,), (n, 1) or (1, n)
    classes: Sequence[str],
    where: str,  # file and variable, to begin the error's sentence
    # the number that stands for the first class, where there is no ``label_map``; None is 1, as
    # long as no label is the name of another class
    first_label: int | None = None,
    label_map: Mapping[Any, str] | None = None,  # from the values in the file to names of classes
) -> NDArray[np.intp]:
    """Turn the labels of a file into indices of classes."""
    position = {name: index for index, name in enumerate(classes)}
    names = set(position if label_map is None else map(as_written, label_map))
    texts = one_each(labels, "label", where)
    keys = [text if text in names else _as_number(text) for text in texts]
    if label_map is not None:
        unknown = sorted({str(name) for name in label_map.values()} - set(position))
        if unknown:
            raise UserError(
                f"label_map for {where} names the class {unknown[0]!r}, which is none of the "
                f"classes {', '.join(classes)}"
            )
        codes = {as_written(value): position[str(name)] for value, name in label_map.items()}
        if len(codes) < len(label_map):  # such as 1 and "1"
            raise UserError(f"label_map for {where} names one label twice; keep one of them")
        expected = ", ".join(codes)
    else:
        first = 1 if first_label is None else first_label
        numbers = {str(first + index): index for index in range(len(classes))}
        for key in keys if first_label is None else ():
            if key in position and key in numbers and position[key] != numbers[key]:
                raise UserError(
                    f"{where} holds the label {key!r}, which could be the class of that name or, "
                    f"counted from {first}, the class {classes[numbers[key]]!r}; set first_label "
                    "to the number of the first class, or label_map"
                )
        codes = position | numbers
        expected = f"{first} to {first + len(classes) - 1} or {', '.join(classes)}"
    written: dict[int, str] = {}
    for row, key in enumerate(keys):
        if key not in codes:
            raise UserError(
                f"{where} holds the label {key!r} in row {row} (counted from 0), expected "
                f"{expected}; correct it, or set classes, first_label or label_map"
            )
        other = written.setdefault(codes[key], key)
        if label_map is None and other != key:
            raise UserError(
                f"{where} holds the labels {other!r} and {key!r}, which both stand for the class "
                f"{classes[codes[key]]!r}; set label_map to say what each one means"
            )
    return np.array([codes[key] for key in keys], dtype=np.intp)


def _as_number(text: str) -> str:
    """Return a text such as 01, 1.0 or 1e0 as the whole number that it is; any other as it is."""
    try:
        return text if "_" in text else as_written(float(text))
    except ValueError:
        return text


def as_written(value: object) -> str:
    """Return a label or subject as text; MATLAB writes whole numbers as 7.0."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value).strip()
