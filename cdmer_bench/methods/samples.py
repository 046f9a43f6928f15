"""Samples and labels of a task as a method takes them: checked, float64, classes as indices."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError

if TYPE_CHECKING:
    from cdmer_bench.methods.base import Method


def shape_samples(method: "Method", X: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return ``X`` as float64 with the shape that ``method`` works on; refuse NaN and infinity."""
    try:
        array = np.ascontiguousarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} is not an array of numbers: {error}") from None
    if array.ndim < 2:
        raise UserError(
            f"{name} has shape {array.shape}, expected (n_samples, n_features) "
            "or (n_samples, n_blocks, ...)"
        )
    if array.size == 0:
        raise UserError(f"{name} has shape {array.shape}, so no sample or no feature; pass some")
    if not np.isfinite(array).all():
        raise UserError(f"{name} holds NaN or infinite values; remove or repair those samples")
    if method.needs_blocks:
        if array.ndim < 3:
            raise UserError(
                f"{type(method).__name__} selects facial blocks, but {name} has shape "
                f"{array.shape}; pass samples as (n_samples, n_blocks, block_dim), for example "
                "X.reshape(n, 85, -1) for block-major features of the grids 1, 2, 4, 8"
            )
        return array.reshape(len(array), array.shape[1], -1)
    return array.reshape(len(array), -1)


def check_task(
    method: "Method", Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Check the samples of a task, set ``method.classes_`` and encode the labels by index."""
    source, target = shape_samples(method, Xs, "Xs"), shape_samples(method, Xt, "Xt")
    labels = np.asarray(ys)
    if labels.shape != (len(source),):
        raise UserError(
            f"ys has shape {labels.shape}, expected one label for each of the "
            f"{len(source)} source samples"
        )
    if source.shape[1:] != target.shape[1:]:
        raise UserError(
            f"source samples have shape {source.shape[1:]} and target samples "
            f"{target.shape[1:]}; extract both with the same descriptor"
        )
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"the source has {len(classes)} class(es), expected at least two")
    method.classes_ = classes
    return source, codes.astype(np.intp), target
