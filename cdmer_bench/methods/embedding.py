"""Pictures of samples in two dimensions, before and after adaptation; for looking at only."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Method
from cdmer_bench.methods.inputs import Setting, check_task
from cdmer_bench.solvers.kernels import pooled_kernel

Array = NDArray[np.float64]


class Embedding(NamedTuple):
    """Coordinates of source, then target samples."""

    before: Array  # (n_source + n_target, 2), by the linear kernel of the features
    # By the method's adapted kernel; None where the method moves no sample.
    after: Array | None


def embed(
    method: Method, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, setting: Setting
) -> Embedding:
    """Place the samples of a task in two dimensions, before and after a method's adaptation."""
    task = check_task(Xs, ys, Xt, method.needs_blocks)
    method.settings([setting], task.shapes)
    before = embed_kernel(pooled_kernel(*(X.reshape(len(X), -1) for X in (task.Xs, task.Xt))))
    kernel = None
    if type(method).adapted_kernel is not Method.adapted_kernel:
        prepared = method.prepare(task.Xs, task.ys, task.Xt, task.Xt)
        kernel = method.adapted_kernel(prepared, setting)
    return Embedding(before, None if kernel is None else embed_kernel(kernel))


def embed_kernel(kernel: ArrayLike) -> Array:
    """Place samples in two dimensions by the two largest components of their kernel.

    This is kernel PCA, for a linear kernel PCA itself, and the same as classical scaling of the
    kernel's distances.
    """
    K = np.asarray(kernel, dtype=float)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) < 2:
        raise UserError(f"a kernel of shape {K.shape} is not square with at least two samples")
    centred = K - K.mean(axis=0) - K.mean(axis=1, keepdims=True) + K.mean()
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    placed = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
    largest = np.abs(placed).argmax(axis=0)
    return placed * np.where(placed[largest, [0, 1]] < 0, -1.0, 1.0)
