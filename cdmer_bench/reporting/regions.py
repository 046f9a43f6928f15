"""Weights of facial blocks on a schematic face, one panel for each grid."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.protocol import BLOCK_GRIDS, BLOCK_GRIDS_OF_THE_TEXT
from cdmer_bench.reporting.plot_style import AREA, new_figure, remark, synthetic_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Known sets of grids by their number of blocks; the default and the paper's literal one.
KNOWN_GRIDS = {sum(g * g for g in grids): grids for grids in (BLOCK_GRIDS, BLOCK_GRIDS_OF_THE_TEXT)}


def grids_of(n_blocks: int) -> tuple[int, ...]:
    """Return the grids that make up so many blocks.

    Raises
    ------
    UserError
        If the number belongs to no known set of grids.
    """
    if n_blocks in KNOWN_GRIDS:
        return KNOWN_GRIDS[n_blocks]
    raise UserError(
        f"{n_blocks} blocks are neither the grids 1, 2, 4, 8 (85) nor 1, 2, 3, 4 (30); "
        "name the grids"
    )


def block_images(weights: ArrayLike, grids: tuple[int, ...] | None = None) -> list[NDArray]:
    """Arrange block weights as images, row 0 at the top of the face.

    Parameters
    ----------
    weights : array, shape (n_blocks,)
        In the features' order: grid by grid, within a grid column by column from the left, a
        column from the top.
    grids : tuple of int, optional
        Blocks a side of each grid; by default found from the number of blocks.

    Returns
    -------
    list of ndarray, shape (g, g) for each grid

    Raises
    ------
    UserError
        If the number of weights is not that of the grids.
    """
    values = np.asarray(weights, dtype=float)
    sides = grids_of(len(values)) if grids is None else grids
    if sum(g * g for g in sides) != len(values):
        raise UserError(f"grids {sides} have {sum(g * g for g in sides)} blocks, not {len(values)}")
    ends = np.cumsum([g * g for g in sides])
    parts = np.split(values, ends[:-1])
    return [part.reshape(g, g).T for g, part in zip(sides, parts, strict=True)]


def overlay(images: Sequence[NDArray]) -> NDArray[np.float64]:
    """Lay grids over one another: at each place the sum of the weights of its blocks.

    Parameters
    ----------
    images : sequence of ndarray, shape (g, g)

    Returns
    -------
    ndarray, shape (n, n)
        n is the least common multiple of the sides.
    """
    side = math.lcm(*map(len, images))
    stretched = [np.kron(g, np.ones((side // len(g),) * 2)) for g in images]
    return np.sum(stretched, axis=0)


def region_picture(
    weights: ArrayLike,
    title: str,
    grids: tuple[int, ...] | None = None,
    synthetic: bool = False,
    setting: str = "",
) -> "Figure":
    """Draw the weights of each grid's blocks behind the outline of a face.

    The face is a drawing and belongs to nobody; no frame of a database is shown. All panels
    share one scale; weights of zero are white.

    Parameters
    ----------
    weights, grids
        As for :func:`block_images`.
    title : str
    synthetic : bool
        Whether the picture is marked as one of synthetic data.
    setting : str
        What the weights belong to, said below the picture.
    """
    images = block_images(weights, grids)
    largest = max(max(float(image.max()) for image in images), 1e-300)
    figure = new_figure(2.1 * len(images) + 0.9, 2.9)
    panels = figure.subplots(1, len(images), squeeze=False)[0]
    shown: Any = None
    for axes, image in zip(panels, images, strict=True):
        g = len(image)
        visible = np.where(image == 0, np.nan, image)
        shown = axes.imshow(
            visible, cmap=AREA + "_r", vmin=0, vmax=largest, extent=(0, 1, 1, 0), alpha=0.9
        )
        for line in range(g + 1):
            axes.axhline(line / g, color="#999999", linewidth=0.5)
            axes.axvline(line / g, color="#999999", linewidth=0.5)
        _face(axes)
        kept = int(np.count_nonzero(image))
        axes.set_title(f"{g} x {g}: {kept} of {g * g} kept", size=9)
        axes.set_axis_off()
        axes.set(xlim=(-0.01, 1.01), ylim=(1.01, -0.01))
    figure.colorbar(shown, ax=panels, label="weight of the block", shrink=0.85)
    figure.suptitle(title)
    chosen = f"Setting: {setting}. " if setting else ""
    remark(figure, f"{chosen}White blocks have weight zero; the face is a sketch.")
    synthetic_mark(figure, synthetic)
    return figure


def _face(axes: "Axes") -> None:
    """Draw brows, eyes, nose, mouth and outline as in a cropped and aligned face."""
    from matplotlib.patches import Ellipse

    ink: dict[str, Any] = {"color": "black", "linewidth": 1.1}
    axes.add_patch(Ellipse((0.5, 0.5), 0.94, 1.16, fill=False, clip_on=True, **ink))
    t = np.linspace(0, 1, 20)
    for side in (-1, 1):
        centre = 0.5 + side * 0.22
        axes.add_patch(Ellipse((centre, 0.33), 0.2, 0.085, fill=False, **ink))
        axes.add_patch(Ellipse((centre, 0.33), 0.055, 0.07, color="black"))
        axes.plot(centre + side * 0.26 * (t - 0.5), 0.235 - 0.09 * t * (1 - t) * 2, **ink)
        axes.plot(0.5 + side * 0.075 * np.sin(np.pi * t * 0.9), 0.6 + 0.05 * (1 - t) ** 2, **ink)
    axes.plot(0.5 + 0.34 * (t - 0.5), 0.795 - 0.03 * np.sin(3 * np.pi * t) ** 2, **ink)
    axes.plot(0.5 + 0.34 * (t - 0.5), 0.795 + 0.3 * t * (1 - t), **ink)
