"""Source and target in the plane, before and after adaptation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.reporting.plot_style import COLOURS, MARKERS, new_figure, synthetic_mark

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def kernel_plane(kernel: ArrayLike) -> NDArray[np.float64]:
    """Place samples in the plane by the two largest components of their kernel.

    This is kernel PCA, for a linear kernel PCA itself, and the same as classical scaling of the
    kernel's distances.

    Parameters
    ----------
    kernel : array, shape (n, n)
        Symmetric; negative eigenvalues are taken as 0.

    Returns
    -------
    ndarray, shape (n, 2)
        Each axis turned so that its largest coordinate is positive.

    Raises
    ------
    UserError
        If the kernel is not square or has fewer than two samples.
    """
    K = np.asarray(kernel, dtype=float)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) < 2:
        raise UserError(f"a kernel of shape {K.shape} is not square with at least two samples")
    centred = K - K.mean(axis=0) - K.mean(axis=1, keepdims=True) + K.mean()
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    plane = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
    largest = np.abs(plane).argmax(axis=0)
    return plane * np.where(plane[largest, [0, 1]] < 0, -1.0, 1.0)


def plane_picture(
    kernels: Sequence[tuple[str, ArrayLike]],
    y_source: ArrayLike,
    y_target: ArrayLike,
    classes: Sequence[str],
    title: str = "",
    synthetic: bool = False,
) -> "Figure":
    """Draw source (open) and target (filled) samples under each kernel, one colour a class.

    Parameters
    ----------
    kernels : sequence of (str, array)
        Panel title and kernel over source then target samples, such as before and after.
    y_source, y_target : array of int
        Class indices; those of the target serve the picture only.
    classes : sequence of str
    title : str
    synthetic : bool
    """
    labels = np.concatenate([np.asarray(y_source), np.asarray(y_target)]).astype(int)
    of_source = np.arange(len(labels)) < len(np.asarray(y_source))
    figure = new_figure(3.4 * len(kernels) + 1.4, 3.5)
    panels = figure.subplots(1, len(kernels), squeeze=False)[0]
    for axes, (name, kernel) in zip(panels, kernels, strict=True):
        points = kernel_plane(kernel)
        for index, label in enumerate(classes):
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
            for mask, fill, side in (
                (of_source, "none", "source"),
                (~of_source, colour, "target"),
            ):
                x, y = points[mask & (labels == index)].T
                axes.scatter(
                    x, y, s=16, marker=marker, facecolor=fill, edgecolor=colour,
                    linewidth=0.8, label=f"{label}, {side}",
                )  # fmt: skip
        axes.set_title(name, size=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="datalim")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    if title:
        figure.suptitle(title, weight="bold", size=10)
    synthetic_mark(figure, synthetic)
    return figure
