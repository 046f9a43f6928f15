"""Samples and labels of a task as a method takes them: checked, float64, classes as indices."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError


class Task(NamedTuple):
    """What a method learns from.

    Attributes
    ----------
    Xs : ndarray of float64, shape (n_source, n_features)
        Source samples; (n_source, n_blocks, block_dim) for a method that needs blocks.
    ys : ndarray of int, shape (n_source,)
        Class index of each source sample, 0 to n_classes - 1.
    Xt : ndarray of float64, shape (n_target, ...)
        Target samples.
    classes : ndarray, shape (n_classes,)
        The labels in sorted order; ``classes[ys]`` are those given.
    """

    Xs: NDArray[np.float64]
    ys: NDArray[np.intp]
    Xt: NDArray[np.float64]
    classes: NDArray

    @property
    def shapes(self) -> tuple[int, int, int]:
        """The numbers of source samples, of target samples and of features."""
        return len(self.Xs), len(self.Xt), int(np.prod(self.Xs.shape[1:]))


def check_task(Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, needs_blocks: bool) -> Task:
    """Check the samples and labels of a task, and encode the labels by index.

    Parameters
    ----------
    Xs, ys, Xt
        As for :meth:`cdmer_bench.methods.base.Method.fit`.
    needs_blocks : bool
        Whether samples must keep their blocks.

    Raises
    ------
    UserError
        If shapes disagree, values are not finite, labels have no order, or there are fewer than
        two classes.
    """
    source, target = shape_samples(Xs, "Xs", needs_blocks), shape_samples(Xt, "Xt", needs_blocks)
    classes, codes = _encode(ys, len(source))
    if source.shape[1:] != target.shape[1:]:
        raise UserError(
            f"source samples have shape {source.shape[1:]} and target samples "
            f"{target.shape[1:]}; extract both with the same descriptor"
        )
    return Task(source, codes, target, classes)


def shape_samples(X: ArrayLike, name: str, needs_blocks: bool) -> NDArray[np.float64]:
    """Return ``X`` as float64, (n_samples, n_features) or (n_samples, n_blocks, block_dim).

    Raises
    ------
    UserError
        If ``X``, which the message calls ``name``, is no array of finite real numbers of such a
        shape.
    """
    try:
        given = np.asarray(X)
        if given.dtype.kind == "c":
            raise TypeError("its values are complex")
        array = np.ascontiguousarray(given, dtype=np.float64)
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
    if not needs_blocks:
        return array.reshape(len(array), -1)
    if array.ndim < 3:
        raise UserError(
            f"the method selects facial blocks, but {name} has shape {array.shape}; pass samples "
            "as (n_samples, n_blocks, block_dim), for example X.reshape(n, 85, -1) for "
            "block-major features of the grids 1, 2, 4, 8"
        )
    return array.reshape(len(array), array.shape[1], -1)


def _encode(ys: ArrayLike, n_source: int) -> tuple[NDArray, NDArray[np.intp]]:
    """Return the classes in sorted order and the index of each sample's."""
    try:
        labels = np.asarray(ys)
        classes, codes = np.unique(labels, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"ys holds labels that cannot be sorted ({error}); give one number or text for each "
            "source sample"
        ) from None
    if labels.shape != (n_source,):
        raise UserError(
            f"ys has shape {labels.shape}, expected one label for each of the "
            f"{n_source} source samples"
        )
    if any(isinstance(label, float) and np.isnan(label) for label in classes.tolist()):
        raise UserError("ys holds NaN; give every source sample a label")
    if len(classes) < 2:
        raise UserError(f"the source has {len(classes)} class(es), expected at least two")
    return classes, codes.astype(np.intp)
