"""What every set of features must satisfy, whatever file it came from."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError


def check_features(X: NDArray, where: str) -> NDArray[np.float64]:
    """Return features as float64, or say what is wrong with them.

    Parameters
    ----------
    X : ndarray, shape (n_samples, ...)
    where : str
        File and variable, to begin the error's sentence.

    Raises
    ------
    UserError
        For values that are no numbers, complex, NaN or infinite, and for no sample or feature.
    """
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


def label_vector(labels: NDArray, where: str) -> NDArray:
    """Return labels of shape (n,), (n, 1) or (1, n) as (n,); refuse one-hot matrices."""
    if labels.ndim > 2 or (labels.ndim == 2 and 1 not in labels.shape):
        raise UserError(
            f"{where} has shape {labels.shape}, expected one label a sample, not a matrix"
        )
    return labels.ravel()


def encode_labels(
    labels: NDArray,
    classes: Sequence[str],
    where: str,
    first_label: int = 1,
    label_map: Mapping[object, str] | None = None,
) -> NDArray[np.intp]:
    """Turn the labels of a file into indices of classes.

    Parameters
    ----------
    labels : ndarray, shape (n_samples,)
        Whole numbers or strings.
    classes : sequence of str
    where : str
        File and variable, to begin the error's sentence.
    first_label : int
        The number that stands for the first class, where there is no ``label_map``.
    label_map : mapping, optional
        From the values in the file to names of classes.

    Raises
    ------
    UserError
        For a value that stands for no class.
    """
    position = {name: index for index, name in enumerate(classes)}
    codes: dict[str, int] = {name: index for name, index in position.items()}
    if label_map is None:
        expected = f"{first_label} to {first_label + len(classes) - 1} or {', '.join(classes)}"
        codes |= {str(first_label + index): index for index in range(len(classes))}
    else:
        unknown = sorted({str(name) for name in label_map.values()} - set(position))
        if unknown:
            raise UserError(
                f"label_map for {where} names the class {unknown[0]!r}, which is none of the "
                f"classes {', '.join(classes)}"
            )
        codes = {_label_key(value): position[str(name)] for value, name in label_map.items()}
        expected = ", ".join(codes)
    keys = [_label_key(value) for value in labels.tolist()]
    for row, key in enumerate(keys):
        if key not in codes:
            raise UserError(
                f"{where} holds the label {key!r} in row {row} (counted from 0), expected "
                f"{expected}; correct it, or set classes, first_label or label_map"
            )
    return np.array([codes[key] for key in keys], dtype=np.intp)


def _label_key(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
