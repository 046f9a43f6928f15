"""Small tasks, drawn from a fixed seed, on which the contract checks a method."""

import numpy as np
from numpy.typing import NDArray

N_SOURCE, N_TARGET, N_CLASSES = 24, 15, 3
N_BLOCKS, BLOCK_DIM = 4, 5

Drawn = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]


def draw_task(
    n_source: int = N_SOURCE, n_target: int = N_TARGET, n_classes: int = N_CLASSES
) -> Drawn:
    """Draw block histograms around class means that both domains share, shifted in the target.

    Returns
    -------
    Xs : ndarray, shape (n_source, 4, 5)
    ys : ndarray of int, shape (n_source,)
    Xt : ndarray, shape (n_target, 4, 5)
    """
    rng = np.random.default_rng(20)
    means = rng.gamma(1.0, size=(n_classes, N_BLOCKS, BLOCK_DIM))
    ys, yt = np.arange(n_source) % n_classes, np.arange(n_target) % n_classes
    shift = rng.gamma(1.0, size=(N_BLOCKS, BLOCK_DIM))
    Xs = means[ys] * rng.gamma(8.0, size=(n_source, N_BLOCKS, BLOCK_DIM))
    Xt = means[yt] * rng.gamma(8.0, size=(n_target, N_BLOCKS, BLOCK_DIM)) + shift
    Xs, Xt = (X / X.sum(axis=-1, keepdims=True) for X in (Xs, Xt))
    return Xs, ys, Xt


def odd_tasks(needs_blocks: bool) -> dict[str, Drawn]:
    """Return tasks at the edge of what a method can be given, by what is odd about each.

    Parameters
    ----------
    needs_blocks : bool
        Whether every sample must keep its blocks.
    """
    Xs, ys, Xt = draw_task()
    constant = np.ones_like(Xs), ys, np.ones_like(Xt)
    partly = [X.copy() for X in (Xs, Xt)]
    for X in partly:
        X[..., 2:] = 0.2
    rare = np.where(np.arange(len(ys)) == 0, 2, ys % 2)
    tasks: dict[str, Drawn] = {
        "two samples": draw_task(2, 2, 2),
        "two classes": draw_task(n_classes=2),
        "ten classes": draw_task(n_source=30, n_classes=10),
        "rare class": (Xs, rare, Xt),
        "duplicates": (np.repeat(Xs[:6], 3, axis=0), np.repeat(ys[:6], 3), Xt[[0] * 5]),
        "source = target": (Xs, ys, Xs.copy()),
        "constant": constant,
        "partly constant": (partly[0], ys, partly[1]),
        "tiny values": (Xs * 1e-6, ys, Xt * 1e-6),
        "huge values": (Xs * 1e6, ys, Xt * 1e6),
    }
    if not needs_blocks:
        tasks["one feature"] = (Xs[:, 0, :1], ys, Xt[:, 0, :1])
    return tasks
