"""Temporal interpolation of a clip to a fixed number of frames (TIM)."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import positive_integer
from cdmer_bench.preprocessing.frames import as_frames


@lru_cache(maxsize=256)
def tim_matrix(n_given: int, n_frames: int) -> NDArray[np.float64]:
    """Return the matrix that interpolates ``n_given`` frames to ``n_frames``.

    TIM embeds the frames as a path graph, whose Laplacian eigenvectors are cosines, and reads
    the embedded curve at ``n_frames`` equidistant positions. When the frames are linearly
    independent everything that depends on them cancels, and what is left is DCT-II
    interpolation along time:

        c_ji = 1/N + (2/N) sum_{k=1}^{N-1} cos(pi k (i - 1/2) / N) cos(pi k (u_j - 1/2) / N)
        u_j = 1 + (N - 1) j / (M - 1),   i = 1..N,  j = 0..M-1   (M = 1: u_0 = 1)

    with N = ``n_given`` and M = ``n_frames``. A position u_j that falls on a given frame takes
    that frame exactly, so the first and the last frame are kept and N = M is the identity. Each
    row of the matrix (M, N) sums to 1. Weights are negative in places: values outside those of
    the given frames occur.
    """
    N, M = n_given, n_frames
    k = np.arange(1, N)
    given = np.cos(np.pi * np.outer(np.arange(1, N + 1) - 0.5, k) / N)  # (N, N-1)
    positions = np.linspace(1, N, M) if M > 1 else np.ones(1)
    wanted = np.cos(np.pi * np.outer(positions - 0.5, k) / N)  # (M, N-1)
    matrix = 1 / N + (2 / N) * (wanted @ given.T)
    for j in range(M):
        frame, rest = divmod((N - 1) * j, M - 1) if M > 1 else (0, 0)
        if rest == 0:
            matrix[j] = 0
            matrix[j, frame] = 1
    matrix.setflags(write=False)
    return matrix


def tim(frames: ArrayLike, n_frames: int) -> NDArray[np.float64]:
    """Interpolate a clip to ``n_frames`` frames with the temporal interpolation model.

    A pixel that is constant in time stays exactly constant. One frame is repeated. The values
    are not rounded: rounding to integers makes neighbouring frames equal, which fills the
    "all neighbours at least as bright" bin of LBP-TOP in a way the published features do not.

    Parameters
    ----------
    frames : array, shape (T, H, W)
        Grey levels, of any real type.
    n_frames : int
        Number of frames wanted, smaller or larger than T.

    Returns
    -------
    ndarray of float64, shape (n_frames, H, W)

    Raises
    ------
    UserError
        If ``frames`` is not a non-empty clip of finite numbers or ``n_frames`` is below 1.

    Notes
    -----
    The reference implementation solves for the data-dependent part as well and breaks down on
    duplicate or linearly dependent frames; the matrix is its exact limit and has no such case.

    References
    ----------
    Z. Zhou, G. Zhao, M. Pietikäinen, Towards a practical lipreading system, CVPR 2011.
    """
    clip = as_frames(frames)
    return combine_frames(tim_matrix(len(clip), positive_integer("n_frames", n_frames)), clip)


def combine_frames(
    weights: NDArray[np.float64],  # (n_frames, T), some rows of a TIM matrix
    clip: NDArray[np.float64],  # (T, H, W)
) -> NDArray[np.float64]:
    """Return ``x_1 + C (x_i - x_1)``: ``C x``, but constant pixels stay exactly so, (M, H, W)."""
    flat = clip.reshape(len(clip), -1)
    return (weights @ (flat - flat[0]) + flat[0]).reshape(len(weights), *clip.shape[1:])
